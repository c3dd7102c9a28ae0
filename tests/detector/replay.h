/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * One process of a trace, lived through before the detector itself: births and deaths go through
 * detector_watcher, each tick ends with a detector__check(), as records and EV_TICK do it live.
 */
#ifndef UNFREED_TESTS_DETECTOR_REPLAY_H
#define UNFREED_TESTS_DETECTOR_REPLAY_H

#include "tests/detector/trace.h"
#include "user/detect/detector.h"

#define REPLAY_MAX_WINDOWS 8

struct replay_opts {
	enum detector_question question;
	bool print;			/* a line per alarm */
	bool baselines;
	struct past *past;		/* earlier runs; NULL */
	uint32_t windows[REPLAY_MAX_WINDOWS];	/* ticks; what is said at each of these moments */
	unsigned int n_windows;
};

/* What one detector said about one site. */
struct said {
	uint32_t n_alarms;		/* times it began */
	uint32_t first;			/* tick; TRACE_NEVER */
	uint32_t first_true;		/* the first in force once the site leaks; TRACE_NEVER */
	bool now;
};
void said__note(struct said *said, const struct trace_site *site, uint32_t tick, bool alarm);

#define N_BASELINES 5
extern const char *const baseline_names[N_BASELINES];

struct window_said {
	uint64_t bytes;
	bool leak, leak_ever;		/* class A, or class B of handles */
	bool any, any_ever;		/* class B of regions too */
};

struct site_said {
	struct said detector, watch, baselines[N_BASELINES];
	struct window_said windows[REPLAY_MAX_WINDOWS];
};

struct replayed {
	const struct trace_process *process;
	uint32_t n_ticks;
	struct site_said *sites;	/* as process->sites */
	/* Seconds to the limit as told at the first alarm of a leaking site; < 0: nothing said. */
	uint32_t forecast_tick;
	double forecast_low, forecast_high;
	double forecast_linear;		/* predict_linear's at the same moment */
};

/* Returns 0, or -1 without memory. The caller frees with replayed__fini(). */
int replay(struct replayed *out, const struct trace_process *process,
	   const struct replay_opts *opts);
void replayed__fini(struct replayed *replayed);

#endif /* UNFREED_TESTS_DETECTOR_REPLAY_H */
