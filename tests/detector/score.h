/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Sums over many processes of who was right how soon, and prints them. */
#ifndef UNFREED_TESTS_DETECTOR_SCORE_H
#define UNFREED_TESTS_DETECTOR_SCORE_H

#include "tests/detector/replay.h"

struct numbers {
	double *v;
	size_t n, capacity;
};

struct tally {
	uint64_t found, missed;		/* sites that leak */
	uint64_t found_inside, missed_inside;	/* those whose limit is reached in the trace */
	uint64_t false_sites, false_alarms;
	struct numbers shares;		/* time to the first alarm / time to the limit */
};

struct window_tally {
	uint64_t leak_right, leak_wrong, any_right, any_wrong, leaking;
	uint64_t end_right, end_wrong;	/* class A still said at the end of the window */
};

#define MAX_GROUPS 64

struct score {
	uint64_t processes, sites, leaking;
	double healthy_hours;		/* of sites that do not leak */
	struct tally detector, watch, baselines[N_BASELINES];
	struct {
		char name[16];		/* of the process, up to '-': its scenario */
		uint64_t leaking, found, wrong;
		struct numbers shares;
	} groups[MAX_GROUPS];
	size_t n_groups;
	struct window_tally windows[REPLAY_MAX_WINDOWS];
	struct numbers forecast, forecast_linear;	/* |said - true| / true */
	uint64_t forecasts, forecast_in_range, forecast_twofold, linear_twofold;
};

void score__add(struct score *score, const struct replayed *replayed,
		const struct replay_opts *opts);
void score__print(struct score *score, const struct replay_opts *opts, bool groups);
void score__fini(struct score *score);

#endif /* UNFREED_TESTS_DETECTOR_SCORE_H */
