/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Five ways to flag growth, as they are used: with a tick of 10 s a sample is a minute. At another
 * tick they get the same windows in ticks, so that each is judged at the pace it was made for.
 */
#include "tests/detector/baseline.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SAMPLE 6		/* ticks */
#define WINDOW 60		/* samples */
#define OLD_TICKS 60		/* ten minutes */
#define GENERATION 30		/* ticks: five minutes */
#define AHEAD 240		/* samples: four hours */
#define PATIENCE 10		/* samples */
#define HISTORY 13
#define MIB (1024.0 * 1024.0)

enum { MANN_KENDALL, PREDICT_LINEAR, HOLT, AGE, GENERATIONS };

const char *const baseline_names[N_BASELINES] = {
	[MANN_KENDALL] = "Mann-Kendall 60 min, p < .01",
	[PREDICT_LINEAR] = "predict_linear[1h], 4h, for 10m",
	[HOLT] = "Holt, 4h, for 10m",
	[AGE] = "older than 10 min (memleak -o)",
	[GENERATIONS] = "surviving generations",
};

struct baseline {
	double size;
	double live;
	double *samples;		/* bytes */
	size_t n;
	uint32_t *by_birth;		/* live objects, per tick of birth */
	uint32_t *by_generation;
	uint32_t n_ticks;
	double old;			/* live objects born before tick `old_until` */
	uint32_t old_until;
	bool says[N_BASELINES];
	unsigned int linear_run, holt_run;
	double level, trend;		/* Holt */
	unsigned int history[HISTORY];	/* generations that survive */
	size_t n_history;
};

static void *zeros(size_t n, size_t size)
{
	void *p = calloc(n, size);

	if (!p) {
		fputs("out of memory\n", stderr);
		exit(99);
	}
	return p;
}

struct baseline *baseline__new(uint64_t object_size, uint32_t n_ticks)
{
	struct baseline *b = zeros(1, sizeof(*b));

	b->size = (double)object_size;
	b->n_ticks = n_ticks;
	b->samples = zeros(n_ticks / SAMPLE + 1, sizeof(*b->samples));
	b->by_birth = zeros((size_t)n_ticks + 1, sizeof(*b->by_birth));
	b->by_generation = zeros(n_ticks / GENERATION + 1, sizeof(*b->by_generation));
	return b;
}

struct baseline *baseline__free(struct baseline *b)
{
	if (b) {
		free(b->samples);
		free(b->by_birth);
		free(b->by_generation);
		free(b);
	}
	return NULL;
}

void baseline__born(struct baseline *b, uint32_t tick, uint32_t n)
{
	b->by_birth[tick] += n;
	b->by_generation[tick / GENERATION] += n;
	b->live += n;
}

void baseline__died(struct baseline *b, uint32_t birth, uint32_t n)
{
	b->by_birth[birth] -= n;
	if (birth < b->old_until)
		b->old -= n;
	b->by_generation[birth / GENERATION] -= n;
	b->live -= n;
}

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static bool mann_kendall(const double *v, double floor)
{
	double s = 0, sorted[WINDOW], slopes[WINDOW / 2], n = WINDOW, variance;

	for (unsigned int i = 0; i < WINDOW; i++)
		for (unsigned int j = i + 1; j < WINDOW; j++)
			s += (v[j] > v[i]) - (v[j] < v[i]);
	if (s <= 0)
		return false;
	memcpy(sorted, v, sizeof(sorted));
	qsort(sorted, WINDOW, sizeof(*sorted), compare_doubles);
	variance = n * (n - 1) * (2 * n + 5);
	for (unsigned int i = 0, ties; i < WINDOW; i += ties) {
		for (ties = 1; i + ties < WINDOW && sorted[i + ties] == sorted[i];)
			ties++;
		variance -= (double)ties * (ties - 1) * (2.0 * ties + 5);
	}
	variance /= 18;
	if (variance <= 0 || (s - 1) / sqrt(variance) <= 2.326)
		return false;
	for (unsigned int i = 0; i < WINDOW / 2; i++)
		slopes[i] = (v[i + WINDOW / 2] - v[i]) / (WINDOW / 2);
	qsort(slopes, WINDOW / 2, sizeof(*slopes), compare_doubles);
	return slopes[WINDOW / 4] * 60 > floor;
}

double least_squares(const double *v, size_t n)
{
	double mean_i = ((double)n - 1) / 2, mean = 0, sum = 0;

	for (size_t i = 0; i < n; i++)
		mean += v[i] / (double)n;
	for (size_t i = 0; i < n; i++)
		sum += ((double)i - mean_i) * (v[i] - mean);
	return sum / ((double)n * ((double)n * (double)n - 1) / 12);
}

static void predict_linear(struct baseline *b, double left)
{
	double slope;

	if (b->n < WINDOW)
		return;
	slope = least_squares(b->samples + b->n - WINDOW, WINDOW);
	b->linear_run = slope > 0 && slope * AHEAD > left ? b->linear_run + 1 : 0;
	b->says[PREDICT_LINEAR] = b->linear_run >= PATIENCE;
}

static void holt(struct baseline *b, double left)
{
	double x = b->samples[b->n - 1], before = b->level;

	if (b->n == 1) {
		b->level = x;
		return;
	}
	b->level = 0.1 * x + 0.9 * (b->level + b->trend);
	b->trend = 0.03 * (b->level - before) + 0.97 * b->trend;
	b->holt_run = b->n > WINDOW && b->trend > 0 && b->trend * AHEAD > left ? b->holt_run + 1 : 0;
	b->says[HOLT] = b->holt_run >= PATIENCE;
}

static void age(struct baseline *b, uint32_t tick, double left)
{
	for (; b->old_until + OLD_TICKS <= tick; b->old_until++)
		b->old += b->by_birth[b->old_until];
	b->says[AGE] = b->old * b->size > fmax(10 * MIB, 0.02 * left);
}

static void generations(struct baseline *b, uint32_t tick, double floor)
{
	uint32_t now = tick / GENERATION, survive = 0, rises = 0;
	double old = 0;

	for (uint32_t g = 0; g + 2 < now; g++) {
		survive += b->by_generation[g] > 0;
		old += b->by_generation[g];
	}
	if (b->n_history == HISTORY)
		memmove(b->history, b->history + 1, (HISTORY - 1) * sizeof(*b->history));
	else
		b->n_history++;
	b->history[b->n_history - 1] = survive;
	for (size_t i = 1; i < b->n_history; i++)
		rises += b->history[i] > b->history[i - 1];
	b->says[GENERATIONS] = b->n_history == HISTORY && rises >= 10 && old * b->size > floor;
}

void baseline__tick(struct baseline *b, uint32_t tick, double left, bool alarms[N_BASELINES])
{
	double floor = fmax(MIB, 0.005 * left);

	if (tick % SAMPLE == SAMPLE - 1 && b->n < b->n_ticks / SAMPLE + 1) {
		b->samples[b->n++] = b->live * b->size;
		predict_linear(b, left);
		holt(b, left);
		age(b, tick, left);
		if (b->n >= WINDOW && b->n % 5 == 0)
			b->says[MANN_KENDALL] = mann_kendall(b->samples + b->n - WINDOW, floor);
		if (b->n % 5 == 0)
			generations(b, tick, floor);
	}
	memcpy(alarms, b->says, sizeof(b->says));
}
