/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * How fast a process grows, until when, and which site explains how much of it. Private to
 * user/detect.
 */
#ifndef UNFREED_DETECT_SHARE_H
#define UNFREED_DETECT_SHARE_H

#include "user/detect/report.h"
#include "user/detect/state.h"

struct growth {
	struct rate rate;	/* of resident memory; of accessible memory without readings */
	double gained;		/* bytes, over the time watched; never negative */
};
struct growth tracked__growth(const struct tracked *tracked);

/* Bytes to the nearest byte limit, UINT64_MAX: none is known. */
uint64_t process__left(const struct process *process);
/* The same as it was when the process had most memory, for it may have that again: a limit is reached at
 * a peak. At least a quarter of what is left now: a peak long ago shall not make everything matter. */
uint64_t tracked__left(const struct tracked *tracked);
/*
 * The same for one site, given that. Where more than half of the mappings allowed are there, regions run
 * out of mappings, maybe sooner: as many bytes as the mappings left would hold at the site's usual size.
 */
uint64_t site__left(const struct site *site, uint64_t process_left);

static inline bool limit_is_bytes(unsigned int kind) { return kind != EV_LIMIT_MAP_COUNT; }

/* forecast.c: the limit that is reached first; if none is approached, the nearest one. False: none known. */
bool tracked__limit(const struct tracked *tracked, const struct growth *growth,
		    struct report_limit *out);
/* The same by the readings of all whom it binds alone. */
bool tracked__group_limit(const struct tracked *tracked, enum ev_limit_kind kind,
			  struct report_limit *out);
/* How fast that of its resident memory grows which no site found keeps. */
struct rate tracked__rest_rate(const struct tracked *tracked, const struct growth *growth);
/* Whether `a` is the more urgent of two. */
bool limit__is_nearer(const struct report_limit *a, const struct report_limit *b);
/* The same of one kind of limit. False: there is none. */
bool tracked__limit_of(const struct tracked *tracked, const struct growth *growth,
		       enum ev_limit_kind kind, struct report_limit *out);

/*
 * What each site explains of `gained`: shares of handles first, regions get what these leave, so
 * that the heap that carries the streams is not counted twice and the sum stays within 1.
 */
struct share_of {
	bool is_handle;
	double bytes;		/* held, taken while watched */
	double share;		/* out: 0..1 */
};
/* Returns the sum. */
double share__spread(struct share_of *sites, size_t n, double gained);

#endif /* UNFREED_DETECT_SHARE_H */
