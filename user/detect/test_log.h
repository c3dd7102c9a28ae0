/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The tests that a site is put to, and the one place where a number meets its threshold. Whoever wants
 * to know why a verdict is what it is hands over a log, which notes each test as it is made; the verdict
 * is the same with and without. Private to user/detect.
 */
#ifndef UNFREED_DETECT_TEST_LOG_H
#define UNFREED_DETECT_TEST_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/detect/report_tests.h"

enum test {
	/* Survival, in the order in which they are made; the first one that fails says why this is no
	 * leak. */
	TEST_GENERATIONS,	/* enough of them have survivors */
	TEST_FOLLOW_UP,		/* they span twice the age */
	TEST_FLOWS,		/* the newest one is not the last */
	TEST_LOSS,		/* more survive than lost events explain */
	TEST_PAST_AGE,		/* older than what earlier runs have seen given back */
	TEST_PAST_SIZE,		/* and more than what they held at most */
	TEST_FLAT,		/* of those that reached the age hardly any is given back later */
	TEST_TURNOVER,		/* it does not level off by those that are given back late */
	TEST_STEADY,		/* the inflow does not fall */
	TEST_OR_KEPT,		/* or only because fewer are born */
	TEST_SATURATION,	/* nor will it end below the limit if it goes on as it slows */
	TEST_PATIENCE,		/* the age is worth something beside the time that is left, or watched */
	TEST_SIZE,		/* what survives matters */
	TEST_HOLD,		/* all of this was so for a while */
	/* Of who asks about one process: oneshot.c. */
	TEST_SIBLINGS,
	TEST_MANY,
	TEST_OR_SIZE,
	TEST_WATCHED,
	TEST_FEW,
	TEST_SPREAD,
	TEST_OR_STOPPED,
	TEST_OUTLIVED,
	TEST_MOST_GIVEN_BACK,
	TEST_OR_STILL_TAKEN,
	TEST_HARDLY_CLOSED,
	TEST_MANY_OLD,
	TEST_QUARTERS,
	TEST_NEWEST_QUARTER,
	TEST_NEWER_HALF,
	TEST_BURST,
	TEST_BURST_HELD,
	TEST_SAME_FILE,
	TEST_RISE,
	TEST_INFLOW,
	N_TESTS,
	TEST_NONE = N_TESTS,	/* all hold */
	TEST_GIVEN_BACK,	/* none of them: half of the survivors were given back */
};

/* The ways to be found: each a row of tests of which the first that is missed ends it. */
enum test_way {
	WAY_SURVIVAL,		/* the service's */
	WAY_FLAT, WAY_FEW_BUT_OLD, WAY_HELD_AT_END, WAY_STRAYS,
	WAY_NEVER_AT_END, WAY_NEVER_CLOSED, WAY_BURST, WAY_SAME_FILE,
	WAY_FOUND,		/* what one of the ways above found */
	WAY_GROWTH,
	N_WAYS
};

struct test_row {
	double measured, threshold;
	enum test test;
	bool at_most;		/* else at least */
};

struct logged_test {
	struct test_row row;
	enum test_way way;
	bool met;
};

#define TEST_ROWS 64		/* a judgement makes fewer */

/* One judgement. */
struct test_log {
	struct logged_test rows[TEST_ROWS];
	uint32_t n;
	uint32_t best, trial;		/* where the best trial's rows, and those of this one, begin */
	uint32_t ages[N_WAYS];		/* at which each way was tried; 0: at none, or not at all */
	enum test_way way;		/* of the rows to come */
	const char *unasked;		/* static: why there are none; NULL */
	/* As of when, and against what. */
	uint32_t now, first;		/* ticks */
	uint64_t left;			/* bytes; UINT64_MAX: no limit known */
	enum ev_limit_kind limit;	/* that leaves so much */
};

void test_log__add(struct test_log *log, const struct test_row *row, bool met);

/* Whether what was measured is enough. `log` may be NULL, here as below. */
static inline bool test__ask(struct test_log *log, const struct test_row *row)
{
	bool met = row->at_most ? row->measured <= row->threshold :
				  row->measured >= row->threshold;

	if (log)
		test_log__add(log, row, met);
	return met;
}

static inline bool test__at_least(struct test_log *log, enum test test, double measured,
				  double threshold)
{
	return test__ask(log, &(struct test_row){ measured, threshold, test, false });
}

static inline bool test__at_most(struct test_log *log, enum test test, double measured,
				 double threshold)
{
	return test__ask(log, &(struct test_row){ measured, threshold, test, true });
}

/* From here on the tests are that way's. */
void test_log__enter(struct test_log *log, enum test_way way);
/* What follows is tried at several ages: each of them is a trial, of which the one that came furthest is
 * kept. `age` is the one tried, in ticks. */
void test_log__begin_trials(struct test_log *log);
void test_log__settle(struct test_log *log, uint32_t age);

/* Static words. Why a verdict that was taken back for want of that test was taken back. */
const char *test_why(enum test test);

/* What the report tells: all tests that concern this kind, those that were not made among them. The
 * caller frees *out. 0 or -ENOMEM. */
int test_log__list(const struct test_log *log, bool service, bool handle, bool exited,
		   struct report_test **out, size_t *n);

#endif /* UNFREED_DETECT_TEST_LOG_H */
