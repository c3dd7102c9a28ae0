/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * A lesson is only taken from a site that is not told of just now. The age at which a noteworthy
 * part of what was old is still given back says which ages mean nothing here; the bytes at which
 * what is old levelled off say which size does not. It has levelled off when the last two fifths of
 * the time rose above the first three by no more than a tenth. What was once told as a leak
 * of class A teaches no level unless half of it was given back after all, and neither does a process
 * that was killed: whom the kernel kills for want of memory levelled off at its limit.
 */
#include "user/detect/learn.h"

#include <signal.h>
#include <sys/wait.h>

#define ENOUGH_WINDOWS 8
#define ENOUGH_DEATHS 8
#define NOTEWORTHY 0.05		/* of the most that was old */
#define RISE 1.1

/* The greatest age at which a noteworthy part is given back; deaths at it and later in *tail. */
static uint32_t release_age(const struct trend *trend, double *tail)
{
	double least = NOTEWORTHY * (double)trend->most_old;

	if (least < ENOUGH_DEATHS)
		least = ENOUGH_DEATHS;
	for (unsigned int cell = TREND_AGES - 1; cell; cell--) {
		*tail = trend__deaths_from(trend, cell);
		if (*tail >= least)
			return trend_cell_age(cell);
	}
	return 0;
}

static bool was_killed(const struct process *process)
{
	return WIFSIGNALED(process->exit_code) && WTERMSIG(process->exit_code) == SIGKILL;
}

/* Bytes; 0: it did not. */
static uint64_t levelled_off_at(const struct trend *trend, double tail)
{
	const struct levels *levels = &trend->levels;
	uint32_t before = levels->n * 3 / 5, most[2] = { 0 }, peak;
	bool released;

	for (uint32_t i = 0; i < levels->n; i++) {
		if (levels->old[i] > most[i >= before])
			most[i >= before] = levels->old[i];
	}
	peak = most[0] > most[1] ? most[0] : most[1];
	released = levels->old[levels->n - 1] < peak / 2 || 2 * tail >= (double)trend->most_old;
	if ((trend->was_leak && !released) || (double)most[1] > RISE * most[0])
		return 0;
	return (uint64_t)peak * 1024;
}

struct lesson trend__lesson(const struct trend *trend)
{
	struct lesson lesson = { 0 };
	double tail = 0;

	if (trend->verdict >= VERDICT_GROWTH || trend->levels.n < ENOUGH_WINDOWS)
		return lesson;
	lesson.release_age = release_age(trend, &tail);
	if (!was_killed(trend->site->process))
		lesson.plateau = levelled_off_at(trend, tail);
	return lesson;
}
