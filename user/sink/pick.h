/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The choice of what a bounded sink shows, stable from one time to the next. Private to user/sink.
 */
#ifndef UNFREED_SINK_PICK_H
#define UNFREED_SINK_PICK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/detect/report.h"

/* What was shown last time. The empty site stands for the process itself. */
struct shown_series {
	uint32_t pid;
	double start_time;
	char site[17];
};

struct shown {
	struct shown_series *all;
	size_t n;
};

struct pick_site {
	const struct report_site *site;		/* borrowed */
	double weight;
};

struct pick {
	const struct report_process *process;	/* borrowed */
	double weight;
	struct pick_site *sites;
	size_t n_sites;
};

struct picks {
	struct pick *all;
	size_t n;
};

/* Chooses at most top_k live processes and top_k sites of each. 0 or -ENOMEM; picks__fini() in
 * either case. */
int picks__make(struct picks *out, const struct report *report, const struct shown *shown,
		size_t top_k);
void picks__fini(struct picks *picks);

/* Makes a choice the one to stick to. 0 or -ENOMEM, then the old one stays. */
int shown__remember(struct shown *shown, const struct picks *picks);
void shown__fini(struct shown *shown);

/* A kind of mapped region by its name in a report; every other kind is one of handles. */
bool is_region_kind(const char *kind);

#endif /* UNFREED_SINK_PICK_H */
