/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* The usual methods, to compare with: each judges the bytes of one site, once in six ticks. */
#ifndef UNFREED_TESTS_DETECTOR_BASELINE_H
#define UNFREED_TESTS_DETECTOR_BASELINE_H

#include "tests/detector/replay.h"

struct baseline;	/* of one site */

/* `n_ticks`: at most so many will come. Ends the program without memory. */
struct baseline *baseline__new(uint64_t object_size, uint32_t n_ticks);
struct baseline *baseline__free(struct baseline *baseline);

void baseline__born(struct baseline *baseline, uint32_t tick, uint32_t n);
void baseline__died(struct baseline *baseline, uint32_t birth, uint32_t n);
/* At the end of each tick; `alarms` is what each of them says, by baseline_names[]. */
void baseline__tick(struct baseline *baseline, uint32_t tick, double left,
		    bool alarms[N_BASELINES]);

/* Slope per sample of the last `n` values, by least squares. */
double least_squares(const double *values, size_t n);

#endif /* UNFREED_TESTS_DETECTOR_BASELINE_H */
