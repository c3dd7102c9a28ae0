/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Readings are thinned as they come: when the room is full every second one goes, and from then on
 * every second one is taken. So the series always spans the whole time, evenly.
 */
#include "user/detect/series.h"

#include <stdlib.h>
#include <string.h>

#define POINTS (SERIES_MAX + 1)		/* the kept ones and the latest */
#define PAIRS (POINTS * (POINTS - 1) / 2)

static uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

void series__add(struct series *series, uint64_t time_ns, uint64_t value)
{
	if (series->any && time_ns <= series->last_ns)
		return;
	series->any = true;
	series->last_ns = time_ns;
	series->last = value;
	if (series->stride == 0)
		series->stride = 1;
	if (++series->skipped < series->stride && series->n) {
		series->peak[series->n - 1] = max_u64(series->peak[series->n - 1], value);
		return;
	}
	series->skipped = 0;
	if (series->n == SERIES_MAX) {
		for (uint32_t i = 0; i < SERIES_MAX / 2; i++) {
			series->time_ns[i] = series->time_ns[2 * i];
			series->value[i] = series->value[2 * i];
			series->peak[i] = max_u64(series->peak[2 * i], series->peak[2 * i + 1]);
		}
		series->n = SERIES_MAX / 2;
		series->stride *= 2;
	}
	series->time_ns[series->n] = time_ns;
	series->peak[series->n] = value;
	series->value[series->n++] = value;
}

static int compare_double(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

struct points {
	double s[POINTS], value[POINTS];
	uint32_t n;
};

static void points__load(struct points *points, const struct series *series)
{
	points->n = series->n;
	for (uint32_t i = 0; i < series->n; i++) {
		points->s[i] = (double)(series->time_ns[i] - series->time_ns[0]) / 1e9;
		points->value[i] = (double)series->value[i];
	}
	if (series->n && series->last_ns > series->time_ns[series->n - 1]) {
		points->s[points->n] = (double)(series->last_ns - series->time_ns[0]) / 1e9;
		points->value[points->n++] = (double)series->last;
	}
}

/* The slopes of the points from `first` on, sorted; returns how many. */
static uint32_t slopes(const struct points *points, uint32_t first, double *out)
{
	double apart = (points->s[points->n - 1] - points->s[first]) / 4;
	uint32_t n = 0;

	for (uint32_t i = first; i < points->n; i++) {
		for (uint32_t j = i + 1; j < points->n; j++) {
			double s = points->s[j] - points->s[i];

			if (s > 0 && s >= apart)
				out[n++] = (points->value[j] - points->value[i]) / s;
		}
	}
	qsort(out, n, sizeof(*out), compare_double);
	return n;
}

static double least(const struct points *points)
{
	double value = points->value[0];

	for (uint32_t i = 1; i < points->n; i++) {
		if (points->value[i] < value)
			value = points->value[i];
	}
	return value;
}

uint64_t series__most(const struct series *series)
{
	uint64_t most = series->last;

	for (uint32_t i = 0; i < series->n; i++)
		most = series->peak[i] > most ? series->peak[i] : most;
	return most;
}

struct rate series__rate(const struct series *series)
{
	struct rate rate = { .known = false };
	struct points points;
	double all[PAIRS];
	uint32_t n, half = 0;

	points__load(&points, series);
	if (points.n < 2)
		return rate;
	n = slopes(&points, 0, all);
	if (!n)
		return rate;
	rate.known = true;
	rate.low = all[n / 4];
	rate.mid = n % 2 ? all[n / 2] : (all[n / 2 - 1] + all[n / 2]) / 2;
	rate.high = all[n - 1 - n / 4];
	rate.gained = points.value[points.n - 1] - least(&points);
	while (half + 2 < points.n && points.s[half] < points.s[points.n - 1] / 2)
		half++;
	n = slopes(&points, half, all);
	rate.recent = n ? all[n / 2] : rate.mid;
	return rate;
}
