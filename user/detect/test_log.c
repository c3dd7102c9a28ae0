/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Which tests there are, in which way and order, and their names. The log is filled while a site is
 * judged; only its listing knows of tests that were not made.
 */
#include "user/detect/test_log.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "user/model/world.h"

struct test_words {
	const char *name;
	const char *why;	/* it ended a verdict; only those that do have one */
	enum test_unit unit;
	bool alternative;	/* made only after the one before it was missed */
};

static const struct test_words words[] = {
	[TEST_GENERATIONS] = { "generations with survivors", "too few generations have survivors",
			       TEST_UNIT_COUNT },
	[TEST_FOLLOW_UP] = { "followed for", "they were not followed for long enough",
			     TEST_UNIT_SECONDS },
	[TEST_FLOWS] = { "newest inflow / usual", "nothing new came", TEST_UNIT_RATIO },
	[TEST_LOSS] = { "survivors, beside lost events", "lost events explain the survivors",
			TEST_UNIT_COUNT },
	[TEST_PAST_AGE] = { "age, beside earlier runs", "in earlier runs such old ones were given back",
			    TEST_UNIT_SECONDS },
	[TEST_PAST_SIZE] = { "size, beside earlier runs", "earlier runs held as much and levelled off",
			     TEST_UNIT_BYTES },
	[TEST_FLAT] = { "given back later, upper bound", "more of the old ones were given back",
			TEST_UNIT_SHARE },
	[TEST_TURNOVER] = { "levels off at", "late releases hold it below the limit", TEST_UNIT_BYTES },
	[TEST_STEADY] = { "inflow, newer half / older", "the inflow fell", TEST_UNIT_RATIO },
	[TEST_OR_KEPT] = { "or share kept, newer / older", "the inflow fell", TEST_UNIT_RATIO, true },
	[TEST_SATURATION] = { "as it slows it ends at", "the inflow slowed so that it ends below the limit",
			      TEST_UNIT_BYTES },
	[TEST_PATIENCE] = { "patience: the age", "the age is short beside the time that is left",
			    TEST_UNIT_SECONDS },
	[TEST_SIZE] = { "size of the survivors", "the survivors are little beside the limit",
			TEST_UNIT_BYTES },
	[TEST_HOLD] = { "held for", NULL, TEST_UNIT_SECONDS },
	[TEST_SIBLINGS] = { "siblings given back", NULL, TEST_UNIT_COUNT },
	[TEST_MANY] = { "survivors", NULL, TEST_UNIT_COUNT },
	[TEST_OR_SIZE] = { "or size of the survivors", NULL, TEST_UNIT_BYTES, true },
	[TEST_WATCHED] = { "watched for", NULL, TEST_UNIT_SECONDS },
	[TEST_FEW] = { "survivors", NULL, TEST_UNIT_COUNT },
	[TEST_SPREAD] = { "moments of birth", NULL, TEST_UNIT_COUNT },
	[TEST_OR_STOPPED] = { "or nothing new for", NULL, TEST_UNIT_SECONDS, true },
	[TEST_OUTLIVED] = { "there when one was given back", NULL, TEST_UNIT_COUNT },
	[TEST_MOST_GIVEN_BACK] = { "given back (else a weak sign)", NULL, TEST_UNIT_COUNT },
	[TEST_OR_STILL_TAKEN] = { "weak: last taken, ago", NULL, TEST_UNIT_SECONDS, true },
	[TEST_HARDLY_CLOSED] = { "given back", NULL, TEST_UNIT_COUNT },
	[TEST_MANY_OLD] = { "older than 1/8 of its life", NULL, TEST_UNIT_COUNT },
	[TEST_QUARTERS] = { "survivors, each quarter", NULL, TEST_UNIT_COUNT },
	[TEST_NEWEST_QUARTER] = { "kept, newest quarter", NULL, TEST_UNIT_RATE },
	[TEST_NEWER_HALF] = { "kept, newer half", NULL, TEST_UNIT_RATE },
	[TEST_BURST] = { "taken within", NULL, TEST_UNIT_SECONDS },
	[TEST_BURST_HELD] = { "and then held for", NULL, TEST_UNIT_SECONDS },
	[TEST_SAME_FILE] = { "mapped while mapped", NULL, TEST_UNIT_COUNT },
	[TEST_RISE] = { "floor and peak rose by", NULL, TEST_UNIT_BYTES },
	[TEST_INFLOW] = { "kept of the newest quarter", NULL, TEST_UNIT_BYTES },
};

enum { OF_HANDLES = 1, OF_REGIONS = 2, OF_ALL = 3 };

#define MAX_OF_WAY 16

struct way {
	const char *name;
	uint8_t of;
	bool at_end;		/* asked of a process that has ended */
	bool regions_more;	/* the last three are of regions only */
	uint8_t n;
	uint8_t tests[MAX_OF_WAY];
};

static const struct way ways[] = {
	[WAY_SURVIVAL] = { "survival", OF_ALL, false, false, 14,
			   { TEST_GENERATIONS, TEST_FOLLOW_UP, TEST_FLOWS, TEST_LOSS, TEST_PAST_AGE,
			     TEST_PAST_SIZE, TEST_FLAT, TEST_TURNOVER, TEST_STEADY, TEST_OR_KEPT,
			     TEST_SATURATION, TEST_PATIENCE, TEST_SIZE, TEST_HOLD } },
	[WAY_FLAT] = { "strays: survival is flat", OF_ALL, false, false, 6,
		       { TEST_PATIENCE, TEST_FOLLOW_UP, TEST_FLAT, TEST_SIBLINGS, TEST_MANY,
			 TEST_OR_SIZE } },
	[WAY_FEW_BUT_OLD] = { "strays: few, but ten times as old", OF_ALL, false, false, 4,
			      { TEST_WATCHED, TEST_FEW, TEST_SIBLINGS, TEST_SIZE } },
	[WAY_HELD_AT_END] = { "strays: held at the end", OF_HANDLES, true, false, 2,
			      { TEST_FEW, TEST_SIBLINGS } },
	[WAY_STRAYS] = { "strays, whichever way", OF_ALL, false, true, 5,
			 { TEST_SPREAD, TEST_OR_STOPPED, TEST_OUTLIVED, TEST_MOST_GIVEN_BACK,
			   TEST_OR_STILL_TAKEN } },
	[WAY_NEVER_AT_END] = { "never closed: held at the end", OF_HANDLES, true, false, 3,
			       { TEST_MANY, TEST_HARDLY_CLOSED, TEST_MANY_OLD } },
	[WAY_NEVER_CLOSED] = { "never closed, and still opened", OF_HANDLES, false, false, 8,
			       { TEST_MANY, TEST_HARDLY_CLOSED, TEST_PATIENCE, TEST_FOLLOW_UP, TEST_FLAT,
				 TEST_QUARTERS, TEST_NEWEST_QUARTER, TEST_NEWER_HALF } },
	[WAY_BURST] = { "or opened at once, and kept", OF_HANDLES, false, false, 2,
			{ TEST_BURST, TEST_BURST_HELD } },
	[WAY_SAME_FILE] = { "one file range again and again", OF_REGIONS, false, false, 5,
			    { TEST_SAME_FILE, TEST_HARDLY_CLOSED, TEST_QUARTERS, TEST_NEWEST_QUARTER,
			      TEST_NEWER_HALF } },
	[WAY_FOUND] = { "what was found", OF_ALL, false, false, 2, { TEST_LOSS, TEST_HOLD } },
	[WAY_GROWTH] = { "growth", OF_ALL, false, false, 2, { TEST_RISE, TEST_INFLOW } },
};

const char *test_why(enum test test)
{
	if (test == TEST_GIVEN_BACK)
		return "half of the survivors were given back";
	if (test < N_TESTS && words[test].why)
		return words[test].why;
	return "its process has ended";
}

/* --- filling ---------------------------------------------------------------------------------- */

void test_log__add(struct test_log *log, const struct test_row *row, bool met)
{
	if (log->n == TEST_ROWS)
		return;
	log->rows[log->n++] = (struct logged_test){ *row, log->way, met };
}

void test_log__enter(struct test_log *log, enum test_way way)
{
	if (!log)
		return;
	log->way = way;
	test_log__begin_trials(log);
}

void test_log__begin_trials(struct test_log *log)
{
	if (log)
		log->best = log->trial = log->n;
}

/* How near the first that was missed comes to its threshold, after those that were met. */
static double progress(const struct logged_test *tests, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		const struct test_row *row = &tests[i].row;
		double near;

		if (tests[i].met)
			continue;
		near = row->at_most ? row->threshold / row->measured : row->measured / row->threshold;
		return i + (near > 0 && near < 1 ? near : 0);
	}
	return n;
}

void test_log__settle(struct test_log *log, uint32_t age)
{
	uint32_t kept, n;

	if (!log)
		return;
	kept = log->trial - log->best;
	n = log->n - log->trial;
	if (kept && progress(&log->rows[log->best], kept) >= progress(&log->rows[log->trial], n)) {
		log->n = log->trial;
		return;
	}
	memmove(&log->rows[log->best], &log->rows[log->trial], n * sizeof(*log->rows));
	log->n = log->trial = log->best + n;
	log->ages[log->way] = age;
}

/* --- listing ---------------------------------------------------------------------------------- */

static const struct logged_test *find_row(const struct test_log *log, unsigned int way,
					  unsigned int test)
{
	for (uint32_t i = 0; i < log->n; i++)
		if (log->rows[i].way == way && log->rows[i].row.test == test)
			return &log->rows[i];
	return NULL;
}

static bool is_asked_at_all(const struct test_log *log, unsigned int way)
{
	for (uint32_t i = 0; i < log->n; i++)
		if (log->rows[i].way == way)
			return true;
	return false;
}

static void fill(struct report_test *out, const struct test_log *log, unsigned int way,
		 unsigned int test, const struct logged_test *logged)
{
	double scale = words[test].unit == TEST_UNIT_SECONDS ? WORLD_TICK_S :
		       words[test].unit == TEST_UNIT_RATE    ? 1 / WORLD_TICK_S : 1;

	*out = (struct report_test){
		.way = ways[way].name, .name = words[test].name, .unit = words[test].unit,
		.age = log->ages[way] * WORLD_TICK_S, .asked = logged != NULL,
	};
	if (!logged)
		return;
	out->met = logged->met;
	out->at_most = logged->row.at_most;
	out->measured = logged->row.measured * scale;
	out->threshold = logged->row.threshold * scale;
}

/* Whether it would be made of such a site, if the ones before it come out so. */
static bool concerns(const struct test_log *log, unsigned int way, unsigned int i, bool handle)
{
	unsigned int test = ways[way].tests[i];

	if (find_row(log, way, test))
		return true;
	if (words[test].alternative)
		return false;
	if (way == WAY_FEW_BUT_OLD && test == TEST_SIZE)
		return !handle;
	return !(ways[way].regions_more && handle && i + 3u >= ways[way].n);
}

int test_log__list(const struct test_log *log, bool service, bool handle, bool exited,
		   struct report_test **out, size_t *n)
{
	*n = 0;
	*out = calloc(N_WAYS * MAX_OF_WAY, sizeof(**out));
	if (!*out)
		return -ENOMEM;
	for (unsigned int way = 0; way < N_WAYS; way++) {
		const struct way *w = &ways[way];

		/* The service asks the others only for what it does not tell. */
		if (service ? way && !is_asked_at_all(log, way) : way == WAY_SURVIVAL)
			continue;
		if (!(w->of & (handle ? OF_HANDLES : OF_REGIONS)) || (w->at_end && !exited))
			continue;
		for (unsigned int i = 0; i < w->n; i++) {
			if (concerns(log, way, i, handle))
				fill(&(*out)[(*n)++], log, way, w->tests[i],
				     find_row(log, way, w->tests[i]));
		}
	}
	return 0;
}
