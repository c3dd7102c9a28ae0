/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * What a site held, window by window: the least, the most, and the most of it that was old. "Does
 * what is held rise?" is answered by the first two: a sawtooth of garbage collections has a rising
 * mean while it runs up, but its floor and its peaks stay where they were. "Did what is old level
 * off?" is what later runs want to know (past.h).
 */
#include "user/detect/trend.h"

static uint32_t to_kib(uint64_t bytes)
{
	return bytes / 1024 < UINT32_MAX ? (uint32_t)(bytes / 1024) : UINT32_MAX;
}

static void levels_halve(struct levels *levels)
{
	for (uint32_t i = 0; i < TREND_LEVELS / 2; i++) {
		uint32_t a = levels->least[2 * i], b = levels->least[2 * i + 1];

		levels->least[i] = a < b ? a : b;
		a = levels->most[2 * i];
		b = levels->most[2 * i + 1];
		levels->most[i] = a > b ? a : b;
		a = levels->old[2 * i];
		b = levels->old[2 * i + 1];
		levels->old[i] = a > b ? a : b;
	}
	levels->n = TREND_LEVELS / 2;
	levels->width *= 2;
}

static void levels__open(struct levels *levels)
{
	levels->least[levels->n] = to_kib(levels->now);
	levels->most[levels->n] = levels->least[levels->n];
	levels->old[levels->n] = 0;
	levels->n++;
}

void levels__note(struct levels *levels, uint32_t tick, uint64_t bytes)
{
	uint32_t kib;

	/* Each turn adds a window or doubles their width: at most 16 for each octave of time. */
	while (tick >= levels->start &&
	       (tick - levels->start) / levels->width >= levels->n) {
		if (levels->n == TREND_LEVELS)
			levels_halve(levels);
		else
			levels__open(levels);
	}
	levels->now = bytes;
	if (!levels->n)
		return;
	kib = to_kib(bytes);
	if (kib < levels->least[levels->n - 1])
		levels->least[levels->n - 1] = kib;
	if (kib > levels->most[levels->n - 1])
		levels->most[levels->n - 1] = kib;
}

void levels__note_old(struct levels *levels, uint64_t bytes)
{
	uint32_t kib = to_kib(bytes);

	if (levels->n && kib > levels->old[levels->n - 1])
		levels->old[levels->n - 1] = kib;
}

uint64_t levels__rise(const struct levels *levels)
{
	uint32_t before = levels->n / 2, newest = levels->n * 3 / 4;
	uint32_t floor[2] = { UINT32_MAX, UINT32_MAX }, peak[2] = { 0, 0 };
	uint64_t by_floor, by_peak;

	if (levels->n < 4)
		return 0;
	for (uint32_t i = 0; i < levels->n; i++) {
		bool is_newest = i >= newest;

		if (levels->most[i] > peak[is_newest])
			peak[is_newest] = levels->most[i];
		if (i >= before && levels->least[i] < floor[is_newest])
			floor[is_newest] = levels->least[i];
	}
	if (floor[1] <= floor[0] || peak[1] <= peak[0])
		return 0;
	by_floor = floor[1] - floor[0];
	by_peak = peak[1] - peak[0];
	return (by_floor < by_peak ? by_floor : by_peak) * 1024;
}
