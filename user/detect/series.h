/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * A reading over time, in bounded room, and how fast it grows. Private to user/detect.
 */
#ifndef UNFREED_DETECT_SERIES_H
#define UNFREED_DETECT_SERIES_H

#include <stdbool.h>
#include <stdint.h>

#define SERIES_MAX 64

struct series {
	uint64_t time_ns[SERIES_MAX];
	uint64_t value[SERIES_MAX];
	uint64_t peak[SERIES_MAX];	/* the greatest reading from this one on, up to the next */
	uint32_t n;
	uint32_t stride, skipped;	/* one reading in `stride` is kept */
	uint64_t last_ns, last;		/* the latest reading, kept or not */
	bool any;
};

/* Adds a reading; one that is not later than the latest is ignored. */
void series__add(struct series *series, uint64_t time_ns, uint64_t value);

/* The greatest reading there was. */
uint64_t series__most(const struct series *series);

struct rate {
	bool known;		/* there were readings enough: two, at different times */
	double low, mid, high;	/* units per second; quartiles of the slopes between readings */
	double recent;		/* the middle slope of the newer half */
	double gained;		/* last reading less the least: exec starts a process anew */
};
/* Theil and Sen: the middle one of the slopes between readings a quarter of the span apart or
 * more, so that no single reading can bend it. */
struct rate series__rate(const struct series *series);

#endif /* UNFREED_DETECT_SERIES_H */
