/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The question of who asks about one process: does it give back what it takes? Whatever the limit.
 *
 * Class A, strays: siblings were given back (at least a quarter as many as survive), and beyond
 * some age hardly anything is any more: of all that reached it, the share given back later has a
 * Wilson upper bound of at most 10 %, which takes 35 survivors when none was. Six survivors
 * suffice where there are four siblings to each and all were gone before a tenth of its age.
 *
 * Class B, never closed: a handle kind of which 35 or more are open and hardly any was closed,
 * while the inflow neither stopped nor fell: four quarters of the time since the oldest survivor
 * each have some. Also a burst too short for quarters, once it has been held long enough, and
 * what a process still held at its end. Regions are not called a leak on that: most such growth
 * ends. They are growth while floor and peak rise, unless one file range is mapped again and again.
 *
 * All ages are in ticks, the finest cohort; all other times are shares of the time
 * observed. Equal trends give equal verdicts: nothing here reads a clock.
 */
#include "user/detect/verdict.h"

#include <math.h>

#include "user/detect/survival.h"

#define MANY 35			/* Wilson's 95 % upper bound of 0 in 35 is 9.9 % */
#define FEW 6
#define MIB (1024.0 * 1024.0)
#define BURST_TICKS WORLD_TICKS(2000)	/* longer ones are judged by quarters */
#define SETTLE_TICKS WORLD_TICKS(1000)
#define YOUNG_TICKS WORLD_TICKS(500)	/* nothing younger is called old */
#define COARSE_TICKS WORLD_TICKS(100)	/* ages up to here say nothing one by one */
#define FOLLOW_UP 2u		/* times the age */
#define PATIENCE_PART 64u	/* of the time observed, at least, is an age that says something */
#define SPREAD 3		/* cohorts */
#define FEW_LARGE_SHARE 0.05	/* of the room to the nearest limit */
#define FEW_LARGE_FLAT 0.5	/* Wilson's bound of six at no death is 0.39 */

/* Ticks without a birth after which births are said to have stopped. */
static uint32_t quiet_asked(const struct trend *trend, uint32_t now)
{
	uint32_t first = trend->n_cohorts ? trend->cohorts[0].start : now;
	uint32_t quarter = now > first ? (now - first) / 4 : 0;

	return quarter > SETTLE_TICKS ? quarter : SETTLE_TICKS;
}

static uint32_t quiet_for(const struct trend *trend, uint32_t now)
{
	return now > trend->last_birth ? now - trend->last_birth : 0;
}

bool trend__births_stopped(const struct trend *trend, uint32_t now)
{
	return !trend->n_cohorts || quiet_for(trend, now) >= quiet_asked(trend, now);
}

/* The same for a test: of who has ended there is nothing to come. */
static double quiet_until(const struct trend *trend, const struct verdict_facts *facts)
{
	return facts->exited || !trend->n_cohorts ? INFINITY : quiet_for(trend, facts->now);
}

uint32_t facts__observed(const struct verdict_facts *facts)
{
	return facts->now > facts->first ? facts->now - facts->first : 0;
}

/* Large regions need not be many to matter: six, of which none was given back, that fill a part of the
 * room. */
static double flat_asked(const struct trend *trend, const struct verdict_facts *facts,
			 const struct survivors *s, double dead)
{
	double bytes = (double)s->bytes;

	if (dead >= 0.5 || s->n < FEW || kind_is_handle(trend->site->kind) ||
	    facts->left == UINT64_MAX || bytes < FEW_LARGE_SHARE * ((double)facts->left + bytes))
		return SURVIVAL_FLAT;
	return FEW_LARGE_FLAT;
}

/*
 * The youngest age beyond which survival is flat, judged with a follow-up of twice that age and a
 * patience of 1/64 of the time observed. False: there is none.
 */
static bool find_flat(const struct trend *trend, const struct verdict_facts *facts,
		      struct survivors *out)
{
	uint64_t total = facts__observed(facts);
	struct test_log *log = facts->log;

	test_log__begin_trials(log);
	for (unsigned int cell = 1; cell < TREND_AGES; cell++) {
		uint64_t age = trend_cell_age(cell);
		double dead;
		struct survivors s;
		bool flat;

		if (FOLLOW_UP * age > total)
			return false;
		if (PATIENCE_PART * age < total)
			continue;
		dead = trend__deaths_from(trend, cell);
		/* Saves the look: TEST_FLAT would be missed. Not when it is to be told by how much. */
		if (!log && trend__cannot_be_flat(trend, dead))
			continue;
		s = trend__survivors(trend, facts->now, (uint32_t)age);
		if (!s.n)
			return false;
		flat = test__at_least(log, TEST_PATIENCE, (double)age,
				      (double)total / PATIENCE_PART) &&
		       test__at_least(log, TEST_FOLLOW_UP, s.oldest, (double)(FOLLOW_UP * age)) &&
		       test__at_most(log, TEST_FLAT, wilson_upper(dead, dead + (double)s.n),
				     flat_asked(trend, facts, &s, dead));
		test_log__settle(log, (uint32_t)age);
		if (flat) {
			*out = s;
			return true;
		}
	}
	return false;
}

/* Enough siblings were given back for their ages to say something about the survivors. */
static bool siblings_were_freed(const struct trend *trend, const struct verdict_facts *facts,
				uint64_t survivors)
{
	return test__at_least(facts->log, TEST_SIBLINGS, (double)trend->n_deaths,
			      fmax(1, (double)survivors / 4));
}

/* The opposite. */
static bool is_hardly_closed(const struct trend *trend, const struct verdict_facts *facts,
			     uint64_t survivors)
{
	uint64_t most = survivors ? (survivors - 1) / 4 : 0;

	return test__at_most(facts->log, TEST_HARDLY_CLOSED, (double)trend->n_deaths, (double)most);
}

static bool is_spread(const struct trend *trend, const struct verdict_facts *facts,
		      const struct survivors *s)
{
	return test__at_least(facts->log, TEST_SPREAD, s->n_cohorts, SPREAD) ||
	       test__at_least(facts->log, TEST_OR_STOPPED, quiet_until(trend, facts),
			      quiet_asked(trend, facts->now));
}

/*
 * Regions also warm up: a heap's arenas are taken, a few given back, the rest kept for good. So a
 * site of regions that keeps a third of what it takes or more is a weak suspect, and none once
 * nothing new comes.
 */
static bool may_be_warm_up(const struct trend *trend, const struct verdict_facts *facts)
{
	return !kind_is_handle(trend->site->kind) &&
	       !test__at_least(facts->log, TEST_MOST_GIVEN_BACK, (double)trend->n_deaths,
			       2 * (double)trend__survivors(trend, facts->now, 0).n);
}

/*
 * Ten times the age by which the siblings were gone. Ticks are too coarse to date what lives for
 * milliseconds, but not to count it: of objects that live for a share of a tick, that share dies in
 * the tick after its birth, so the mean of the ages in ticks is right although no age is. Fewer
 * than one in twenty live 20 times as long as the mean (Markov).
 */
static uint32_t ten_lives(const struct trend *trend)
{
	double life = trend->oldest_death + 1.0, mean;

	if (trend->oldest_death <= COARSE_TICKS && trend->n_deaths) {
		mean = (double)trend->death_ages / (double)trend->n_deaths;
		life = fmin(life, 20 * mean);
	}
	return (uint32_t)fmin(fmax(ceil(10 * life), YOUNG_TICKS), UINT32_MAX);
}

static bool few_but_old(const struct trend *trend, const struct verdict_facts *facts,
			struct survivors *s)
{
	uint32_t age = ten_lives(trend);
	struct test_log *log = facts->log;

	test_log__enter(log, WAY_FEW_BUT_OLD);
	if (!test__at_least(log, TEST_WATCHED, facts__observed(facts), age))
		return false;
	*s = trend__survivors(trend, facts->now, age);
	if (!test__at_least(log, TEST_FEW, (double)s->n, FEW) ||
	    !test__at_least(log, TEST_SIBLINGS, (double)trend->n_deaths, 4 * (double)s->n))
		return false;
	/* Less than glibc maps at once for a thread's heap says nothing about a process. */
	return kind_is_handle(trend->site->kind) ||
	       test__at_least(log, TEST_SIZE, (double)s->bytes, MIB / 4);
}

/* Handles that a process still held at its end, older than any that was ever closed. */
static bool held_at_end(const struct trend *trend, const struct verdict_facts *facts,
			struct survivors *s)
{
	uint32_t age = trend->oldest_death + 1;

	if (!facts->exited || !kind_is_handle(trend->site->kind))
		return false;
	if (age < facts__observed(facts) / 8)
		age = facts__observed(facts) / 8;
	*s = trend__survivors(trend, facts->now, age);
	test_log__enter(facts->log, WAY_HELD_AT_END);
	return test__at_least(facts->log, TEST_FEW, (double)s->n, FEW) &&
	       siblings_were_freed(trend, facts, s->n);
}

/* Beyond some age survival is flat, and those beyond it matter. */
static bool is_flat(const struct trend *trend, const struct verdict_facts *facts,
		    struct survivors *s)
{
	test_log__enter(facts->log, WAY_FLAT);
	return find_flat(trend, facts, s) && siblings_were_freed(trend, facts, s->n) &&
	       (test__at_least(facts->log, TEST_MANY, (double)s->n, MANY) ||
		test__at_least(facts->log, TEST_OR_SIZE, (double)s->bytes, MIB));
}

static struct leak_test leak_test(enum finding finding, uint64_t n, const struct survivors *s)
{
	return (struct leak_test){
		.finding = finding, .n = n, .bytes = s->bytes, .youngest = s->youngest,
	};
}

/*
 * Regions: half of the survivors were there when a sibling was given back last. What came since may wait
 * for the next time: who gives back in batches has a pile in between.
 */
static bool outlived_siblings(const struct trend *trend, const struct verdict_facts *facts,
			      const struct survivors *s)
{
	return kind_is_handle(trend->site->kind) ||
	       test__at_least(facts->log, TEST_OUTLIVED,
			      trend__born_between(trend, 0, trend->last_death), (double)s->n / 2);
}

static bool is_stray(const struct trend *trend, const struct verdict_facts *facts,
		     struct leak_test *out)
{
	struct survivors s;
	bool weak;

	if (!is_flat(trend, facts, &s) && !few_but_old(trend, facts, &s) &&
	    !held_at_end(trend, facts, &s))
		return false;
	test_log__enter(facts->log, WAY_STRAYS);
	if (!is_spread(trend, facts, &s) || !outlived_siblings(trend, facts, &s))
		return false;
	weak = may_be_warm_up(trend, facts);
	if (weak && !test__at_most(facts->log, TEST_OR_STILL_TAKEN, quiet_until(trend, facts),
				   quiet_asked(trend, facts->now) - 1.0))
		return false;
	*out = leak_test(FINDING_STRAY, s.n, &s);
	out->weak = weak;
	return true;
}

/* Survivors in each quarter of the time since the oldest of them; neither stopped nor falling. */
static bool is_flowing(const struct trend *trend, const struct verdict_facts *facts,
		       const struct survivors *all)
{
	uint32_t end = facts->now + 1, start = end - (all->oldest + 1);
	uint32_t span = end - start;
	double q[4], median, least = INFINITY;

	for (unsigned int i = 0; i < 4; i++) {
		uint32_t from = start + (uint32_t)((uint64_t)span * i / 4);
		uint32_t to = start + (uint32_t)((uint64_t)span * (i + 1) / 4);

		q[i] = trend__born_between(trend, from, to);
		least = fmin(least, q[i]);
		q[i] /= to - from;
	}
	if (!test__at_least(facts->log, TEST_QUARTERS, span < 4 ? 0 : least, FEW / 2.0))
		return false;
	/* The middle one of the older three. */
	median = fmax(fmin(q[0], q[1]), fmin(fmax(q[0], q[1]), q[2]));
	return test__at_least(facts->log, TEST_NEWEST_QUARTER, q[3], median / 4) &&
	       test__at_least(facts->log, TEST_NEWER_HALF, q[2] + q[3], 0.4 * (q[0] + q[1]));
}

/* All at once, and then kept: for a second, and twice as long as opening them took. */
static bool is_kept_burst(const struct trend *trend, const struct verdict_facts *facts,
			  const struct survivors *all)
{
	uint32_t start = facts->now - all->oldest;
	uint32_t span = trend->last_birth > start ? trend->last_birth - start : 0;

	test_log__enter(facts->log, WAY_BURST);
	return test__at_most(facts->log, TEST_BURST, span, BURST_TICKS) &&
	       test__at_least(facts->log, TEST_BURST_HELD, quiet_for(trend, facts->now),
			      fmax(SETTLE_TICKS, 2.0 * span));
}

static bool are_many_unclosed(const struct trend *trend, const struct verdict_facts *facts,
			      const struct survivors *all, enum test_way way)
{
	test_log__enter(facts->log, way);
	return test__at_least(facts->log, TEST_MANY, (double)all->n, MANY) &&
	       is_hardly_closed(trend, facts, all->n);
}

/* Handles only. */
static bool is_never_closed(const struct trend *trend, const struct verdict_facts *facts,
			    struct leak_test *out)
{
	struct survivors all = trend__survivors(trend, facts->now, 0), old, flat;

	if (facts->exited && are_many_unclosed(trend, facts, &all, WAY_NEVER_AT_END)) {
		old = trend__survivors(trend, facts->now, facts__observed(facts) / 8);
		if (test__at_least(facts->log, TEST_MANY_OLD, (double)old.n, MANY)) {
			*out = leak_test(FINDING_NEVER_CLOSED, old.n, &old);
			return true;
		}
	}
	if (!are_many_unclosed(trend, facts, &all, WAY_NEVER_CLOSED) ||
	    !find_flat(trend, facts, &flat))
		return false;
	if (!is_flowing(trend, facts, &all) && !is_kept_burst(trend, facts, &all))
		return false;
	*out = leak_test(FINDING_NEVER_CLOSED, all.n, &all);
	return true;
}

/* Regions: a range of a file mapped while this very site still holds it, time and again. */
static bool is_same_file(const struct trend *trend, const struct verdict_facts *facts,
			 struct leak_test *out)
{
	struct survivors all = trend__survivors(trend, facts->now, 0);

	test_log__enter(facts->log, WAY_SAME_FILE);
	if (!test__at_least(facts->log, TEST_SAME_FILE, (double)trend->site->same_file, MANY) ||
	    !is_hardly_closed(trend, facts, all.n))
		return false;
	if (!facts->exited && !is_flowing(trend, facts, &all))
		return false;
	*out = leak_test(FINDING_SAME_FILE, trend->site->same_file, &all);
	return true;
}

struct leak_test leak__test(const struct trend *trend, const struct verdict_facts *facts)
{
	const struct site *site = trend->site;
	struct leak_test test = { .finding = FINDING_NOTHING };
	const char *unasked;
	bool found;

	unasked = site->kind == KIND_HEAP ?
			  "a break is given back from its top, youngest first: its survivors always "
			  "look like strays" : site__unasked(site, facts);
	if (facts->log && facts->question == DETECTOR_ONE_SHOT)
		facts->log->unasked = unasked;
	if (unasked)
		return test;
	found = is_stray(trend, facts, &test);
	if (!found)
		found = kind_is_handle(site->kind) ? is_never_closed(trend, facts, &test) :
						     is_same_file(trend, facts, &test);
	test_log__enter(facts->log, WAY_FOUND);
	if (found && !test__at_least(facts->log, TEST_LOSS, (double)test.n,
				     loss_demand(site, facts->loss_rate, (double)site->opened)))
		test.finding = FINDING_NOTHING;
	return test;
}
