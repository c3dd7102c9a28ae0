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
 * All ages are ticks of 100 ms, the finest cohort; all other times are shares of the time
 * observed. Equal trends give equal verdicts: nothing here reads a clock.
 */
#include "user/detect/verdict.h"

#include <math.h>

#include "user/detect/survival.h"

#define MANY 35			/* Wilson's 95 % upper bound of 0 in 35 is 9.9 % */
#define FEW 6
#define MIB (1024.0 * 1024.0)
#define BURST_TICKS 20		/* longer ones are judged by quarters */
#define SETTLE_TICKS 10
#define YOUNG_TICKS 5		/* nothing younger is called old */

bool trend__births_stopped(const struct trend *trend, uint32_t now)
{
	uint32_t first, quarter;

	if (!trend->n_cohorts)
		return true;
	first = trend->cohorts[0].start;
	quarter = now > first ? (now - first) / 4 : 0;
	return now >= trend->last_birth &&
	       now - trend->last_birth >= (quarter > SETTLE_TICKS ? quarter : SETTLE_TICKS);
}

uint32_t facts__observed(const struct verdict_facts *facts)
{
	return facts->now > facts->first ? facts->now - facts->first : 0;
}

/*
 * The youngest age beyond which survival is flat, judged with a follow-up of twice that age and a
 * patience of 1/64 of the time observed. False: there is none.
 */
static bool find_flat(const struct trend *trend, const struct verdict_facts *facts,
		      struct survivors *out)
{
	uint64_t total = facts__observed(facts);

	for (unsigned int cell = 1; cell < TREND_AGES; cell++) {
		uint64_t age = trend_cell_age(cell);
		double dead;
		struct survivors s;

		if (2 * age > total)
			return false;
		if (64 * age < total)
			continue;
		dead = trend__deaths_from(trend, cell);
		if (trend__cannot_be_flat(trend, dead))
			continue;
		s = trend__survivors(trend, facts->now, (uint32_t)age);
		if (!s.n)
			return false;
		if (s.oldest < 2 * age)
			continue;
		if (wilson_upper(dead, dead + (double)s.n) <= SURVIVAL_FLAT) {
			*out = s;
			return true;
		}
	}
	return false;
}

/* Enough siblings were given back for their ages to say something about the survivors. */
static bool siblings_were_freed(const struct trend *trend, uint64_t survivors)
{
	return trend->n_deaths > 0 && 4 * trend->n_deaths >= survivors;
}

static bool is_spread(const struct trend *trend, const struct verdict_facts *facts,
		      const struct survivors *s)
{
	return s->n_cohorts >= 3 || facts->exited || trend__births_stopped(trend, facts->now);
}

/*
 * Regions also warm up: a heap's arenas are taken, a few given back, the rest kept for good. So a
 * site of regions that keeps a third of what it takes or more is a weak suspect, and none once
 * nothing new comes.
 */
static bool may_be_warm_up(const struct trend *trend, uint32_t now)
{
	return !kind_is_handle(trend->site->kind) &&
	       trend->n_deaths < 2 * trend__survivors(trend, now, 0).n;
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

	if (trend->oldest_death <= 1 && trend->n_deaths) {
		mean = (double)trend->death_ages / (double)trend->n_deaths;
		life = fmin(life, 20 * mean);
	}
	return (uint32_t)fmin(fmax(ceil(10 * life), YOUNG_TICKS), UINT32_MAX);
}

static bool few_but_old(const struct trend *trend, const struct verdict_facts *facts,
			struct survivors *s)
{
	uint32_t age = ten_lives(trend);

	if (age > facts__observed(facts))
		return false;
	*s = trend__survivors(trend, facts->now, age);
	if (s->n < FEW || trend->n_deaths < 4 * s->n)
		return false;
	/* Less than glibc maps at once for a thread's heap says nothing about a process. */
	return kind_is_handle(trend->site->kind) || (double)s->bytes >= MIB / 4;
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
	return s->n >= FEW;
}

static struct leak_test leak_test(enum finding finding, uint64_t n, const struct survivors *s)
{
	return (struct leak_test){
		.finding = finding, .n = n, .bytes = s->bytes, .youngest = s->youngest,
	};
}

/*
 * Most of the survivors were there when a sibling was given back last. What came since may wait for the
 * next time: who gives back in batches has a pile in between.
 */
static bool outlived_siblings(const struct trend *trend, const struct survivors *s)
{
	return 2 * trend__born_between(trend, 0, trend->last_death) >= (double)s->n;
}

static bool is_stray(const struct trend *trend, const struct verdict_facts *facts,
		     struct leak_test *out)
{
	struct survivors s;
	bool found, weak;

	found = find_flat(trend, facts, &s) && siblings_were_freed(trend, s.n) &&
		(s.n >= MANY || (double)s.bytes >= MIB);
	if (!found)
		found = few_but_old(trend, facts, &s) && siblings_were_freed(trend, s.n);
	if (!found)
		found = held_at_end(trend, facts, &s) && siblings_were_freed(trend, s.n);
	if (!found || !is_spread(trend, facts, &s))
		return false;
	if (!kind_is_handle(trend->site->kind) && !outlived_siblings(trend, &s))
		return false;
	weak = may_be_warm_up(trend, facts->now);
	if (weak && (facts->exited || trend__births_stopped(trend, facts->now)))
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
	double q[4], median;

	if (span < 4)
		return false;
	for (unsigned int i = 0; i < 4; i++) {
		uint32_t from = start + (uint32_t)((uint64_t)span * i / 4);
		uint32_t to = start + (uint32_t)((uint64_t)span * (i + 1) / 4);

		q[i] = trend__born_between(trend, from, to);
		if (q[i] < 3)
			return false;
		q[i] /= to - from;
	}
	/* The middle one of the older three. */
	median = fmax(fmin(q[0], q[1]), fmin(fmax(q[0], q[1]), q[2]));
	return q[3] >= median / 4 && q[2] + q[3] >= 0.4 * (q[0] + q[1]);
}

/* All at once, and then kept: ten ticks, and twice as long as opening them took. */
static bool is_kept_burst(const struct trend *trend, const struct verdict_facts *facts,
			  const struct survivors *all)
{
	uint32_t start = facts->now - all->oldest;
	uint32_t span = trend->last_birth > start ? trend->last_birth - start : 0;
	uint32_t held = facts->now > trend->last_birth ? facts->now - trend->last_birth : 0;

	return span <= BURST_TICKS && held >= SETTLE_TICKS && held >= 2 * span;
}

/* Handles only. */
static bool is_never_closed(const struct trend *trend, const struct verdict_facts *facts,
			    struct leak_test *out)
{
	struct survivors all = trend__survivors(trend, facts->now, 0), old, flat;

	if (all.n < MANY || siblings_were_freed(trend, all.n))
		return false;
	old = trend__survivors(trend, facts->now, facts__observed(facts) / 8);
	if (facts->exited && old.n >= MANY) {
		*out = leak_test(FINDING_NEVER_CLOSED, old.n, &old);
		return true;
	}
	if (!find_flat(trend, facts, &flat))
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

	if (trend->site->same_file < MANY || siblings_were_freed(trend, all.n))
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
	bool found;

	if (site->before_attach || site->kind == KIND_RESERVED || site->kind == KIND_HEAP)
		return test;
	/* What is held may be what was given back unseen. */
	if (facts->lossy && !kind_is_handle(site->kind))
		return test;
	/* Nobody to name, and every caller mixed: for regions not good enough. */
	if (!kind_is_handle(site->kind) && !site->stack)
		return test;
	found = is_stray(trend, facts, &test);
	if (!found)
		found = kind_is_handle(site->kind) ? is_never_closed(trend, facts, &test) :
						     is_same_file(trend, facts, &test);
	if (found && (double)test.n < loss_demand(site, facts->loss_rate, (double)site->opened))
		test.finding = FINDING_NOTHING;
	return test;
}
