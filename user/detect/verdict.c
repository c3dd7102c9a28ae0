/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * From tests to verdicts: one engine, two questions.
 *
 * The service asks "must somebody be woken?" and weighs by the limit. It takes the youngest age at
 * which the survival test (survival.c) holds and which is a fair share of the time that is left;
 * a stray leak then has to hold 2 % of the headroom, growth of which nothing was given back so far
 * a larger share: what filled that share of the room will, as far as anybody can know who saw no
 * end of it, fill the rest with the same probability. Who asks about one process is answered
 * by oneshot.c.
 *
 * A verdict begins when its test has held for a while and ends with a reason: half of the survivors
 * were given back, or the test failed for a sixteenth of the time since the first birth (service), and
 * for the least time that its user asks for. All other times are shares of the time observed or of the
 * time left.
 */
#include "user/detect/verdict.h"

#include <math.h>

#define MIB (1024.0 * 1024.0)
#define PATIENCE 0.015		/* an age speaks when it is this share of the time left */
#define STRAYS_SHARE 0.02	/* of the headroom */
#define GROWTH_SHARE 0.70
#define WATCH_SHARE 0.005
#define PART_OF_GROWTH 0.05	/* of the process's: less is not what it grows by */
#define STAYS 0.5
#define HOLD_ONE_SHOT WORLD_TICKS(200)
#define HOLD_WEAK WORLD_TICKS(2000)
#define HOLD_SERVICE 1		/* ticks: the next check */
#define OLD WORLD_TICKS(200)	/* at least, for later runs to know */

struct survival_ask facts__ask(const struct verdict_facts *facts, const struct trend *trend)
{
	return (struct survival_ask){
		.trend = trend, .now = facts->now, .loss_rate = facts->loss_rate,
		.left = facts->left == UINT64_MAX ? INFINITY : (double)facts->left,
		.past = trend->past, .log = facts->log,
	};
}

/* --- the service's question ----------------------------------------------------------------- */

/* The share of the headroom at which growth of this kind is told. */
static double share_asked(const struct trend *trend, const struct survival *s)
{
	/* A break is given back from its top, youngest first: its survivors always look like strays. */
	if (s->strays && trend->site->kind != KIND_HEAP)
		return STRAYS_SHARE;
	return trend->growth_percent ? trend->growth_percent / 100.0 : GROWTH_SHARE;
}

void survival__weigh(const struct survival_ask *ask, struct survival *s)
{
	/* Both waver: what is told already is asked for half as much. */
	double asked = ask->trend->verdict >= VERDICT_GROWTH ? STAYS : 1;

	if (s->failed != TEST_NONE)
		return;
	if (!test__at_least(ask->log, TEST_PATIENCE, s->age,
			    asked * PATIENCE * ask->left / s->rate))
		s->failed = TEST_PATIENCE;
	else if (!test__at_least(ask->log, TEST_SIZE, s->bytes,
				 asked * fmax(MIB, share_asked(ask->trend, s) * s->headroom)))
		s->failed = TEST_SIZE;
}

/* The youngest age at which everything holds; else one at which only the size does not, so that it
 * is worth watching; else one with TEST_GENERATIONS failed. */
static struct survival ask_ages(const struct survival_ask *ask)
{
	struct survival worth = { .failed = TEST_GENERATIONS };
	const struct trend *trend = ask->trend;
	uint32_t first = trend->n_cohorts ? trend->cohorts[0].start : ask->now;
	double dead = trend__deaths_from(trend, 0);

	test_log__enter(ask->log, WAY_SURVIVAL);
	for (unsigned int cell = 1; cell < TREND_AGES; cell++) {
		uint64_t age = trend_cell_age(cell);
		struct survival s;

		if (ask->now < first + SURVIVAL_FOLLOW_UP * age)
			break;
		dead -= (double)trend->deaths[cell - 1] / TREND_DEATH;
		/* Saves the look: TEST_FLAT would be missed. Not when it is to be told by how much. */
		if (!ask->log && trend__cannot_be_flat(trend, dead))
			continue;
		s = survival__at(ask, (uint32_t)age);
		survival__weigh(ask, &s);
		test_log__settle(ask->log, (uint32_t)age);
		if (s.failed == TEST_NONE)
			return s;
		if (s.failed == TEST_SIZE && s.bytes >= fmax(MIB, WATCH_SHARE * s.headroom))
			worth = s;
	}
	return worth;
}

/* --- both ----------------------------------------------------------------------------------- */

const char *site__unasked(const struct site *site, const struct verdict_facts *facts)
{
	bool region = !kind_is_handle(site->kind);

	if (site->before_attach)
		return "it was there before watching began";
	if (site->kind == KIND_RESERVED)
		return "it is only reserved, and holds no memory";
	/* What is held may be what was given back unseen. */
	if (region && facts->lossy)
		return "records of the process's regions were lost, and its map was not read again since";
	/* Nobody to name, and every caller mixed: for regions not good enough. */
	if (region && !site->stack)
		return "it has no stack";
	return NULL;
}

/* Floor and peak lie higher than before, and what was taken in the newest quarter is kept. */
static bool is_growing(const struct trend *trend, const struct verdict_facts *facts)
{
	uint32_t quarter = facts__observed(facts) / 4;
	double least, inflow;

	if (trend->site->before_attach || trend->site->kind == KIND_RESERVED)
		return false;
	least = fmax(MIB, 0.02 * (double)trend->site->bytes);
	inflow = trend__bytes_born_between(trend, facts->now - quarter, facts->now + 1);
	test_log__enter(facts->log, WAY_GROWTH);
	return test__at_least(facts->log, TEST_RISE, (double)levels__rise(&trend->levels),
			      fmax(least, PART_OF_GROWTH * facts->gained / 4)) &&
	       test__at_least(facts->log, TEST_INFLOW, inflow, least);
}

/* Half of those who survived when the test last held are given back. */
static bool has_recovered(const struct trend *trend)
{
	return 2 * trend->kept_died >= trend->kept;
}

/* Remembers whose fate decides when the leak is over. */
static void note_test(struct trend *trend, uint32_t now, enum finding finding, uint64_t kept,
		      uint32_t youngest)
{
	if (!trend->test_true)
		trend->true_since = now;
	trend->test_true = true;
	trend->last_true = now;
	trend->finding = finding;
	trend->kept_tick = now - youngest;
	trend->kept = kept;
	trend->kept_died = 0;
}

/* The tests hold for so long; not asked of what is told already, or could not be told later. */
static bool test_hold(const struct trend *trend, const struct verdict_facts *facts, uint32_t hold,
		      bool at_once)
{
	uint32_t held = facts->now - trend->true_since;

	return test__at_least(facts->log, TEST_HOLD, held, at_once && held < hold ? 0 : hold);
}

/* What is worth a look although nothing is found. */
static enum verdict decide_rest(struct trend *trend, const struct verdict_facts *facts)
{
	const struct site *site = trend->site;

	trend->finding = FINDING_NOTHING;
	if (is_growing(trend, facts)) {
		trend->finding = FINDING_GROWTH;
		return kind_is_handle(site->kind) || facts->question == DETECTOR_SERVICE ?
			       VERDICT_WATCH : VERDICT_GROWTH;
	}
	if (site->closed && site->closed == site->closed_by_collector) {
		trend->finding = FINDING_COLLECTOR;
		return VERDICT_WATCH;
	}
	return VERDICT_NONE;
}

static void end(struct trend *trend, uint32_t now, enum test why)
{
	trend->ended = now;
	trend->ended_by = why;
}

/* --- who asks about one process ---------------------------------------------------------------- */

static bool hold_is_over(const struct trend *trend, const struct verdict_facts *facts)
{
	uint32_t hold = facts__observed(facts) / (trend->weak ? 4 : 32);
	uint32_t least = trend->weak ? HOLD_WEAK : HOLD_ONE_SHOT;

	if (hold < least)
		hold = least;
	return test_hold(trend, facts, hold, trend->verdict == VERDICT_LEAK || facts->exited);
}

static enum verdict decide_one_shot(struct trend *trend, const struct verdict_facts *facts)
{
	struct leak_test test = leak__test(trend, facts);

	if (test.finding != FINDING_NOTHING) {
		note_test(trend, facts->now, test.finding, test.n, test.youngest);
		trend->weak = test.weak;
		return hold_is_over(trend, facts) ? VERDICT_LEAK : VERDICT_WATCH;
	}
	trend->test_true = false;
	if (trend->verdict == VERDICT_LEAK) {
		if (!trend->weak && !has_recovered(trend))
			return VERDICT_LEAK;
		end(trend, facts->now, trend->weak ? TEST_FLOWS : TEST_GIVEN_BACK);
	}
	return decide_rest(trend, facts);
}

/* --- whom the service wakes -------------------------------------------------------------------- */

static enum verdict verdict_of(const struct trend *trend, const struct survival *s)
{
	bool handle = kind_is_handle(trend->site->kind);

	if (trend->site->kind == KIND_HEAP)
		return VERDICT_GROWTH;
	return s->strays || handle ? VERDICT_LEAK : VERDICT_GROWTH;
}

static enum finding finding_of(const struct trend *trend, const struct survival *s)
{
	if (verdict_of(trend, s) == VERDICT_GROWTH)
		return FINDING_GROWTH;
	return s->strays ? FINDING_STRAY : FINDING_NEVER_CLOSED;
}

/* The tests hold: at once if told already, else when they have held for a while. */
static enum verdict stand(struct trend *trend, const struct verdict_facts *facts,
			  const struct survival *s)
{
	uint32_t hold = (facts->now - s->since) / 32;

	note_test(trend, facts->now, finding_of(trend, s), (uint64_t)s->survivors, s->age);
	trend->age = s->age;
	if (!test_hold(trend, facts, hold > HOLD_SERVICE ? hold : HOLD_SERVICE,
		       trend->verdict >= VERDICT_GROWTH))
		return VERDICT_WATCH;
	trend->was_leak |= s->strays;
	return verdict_of(trend, s);
}

/*
 * Whom it woke shall find it: an inflow that stopped, a limit that was raised, take back nothing of
 * what was told while the survivors are held. For a while, since a site that gives back nothing and
 * takes nothing any more does not fill the room either.
 */
static bool still_stands(const struct trend *trend, const struct verdict_facts *facts)
{
	uint32_t first = trend->n_cohorts ? trend->cohorts[0].start : facts->now;
	uint32_t flicker = (facts->now - first) / 16;

	return !facts->exited && !has_recovered(trend) &&
	       facts->now - trend->last_true < (flicker > facts->stands ? flicker : facts->stands);
}

static enum verdict decide_service(struct trend *trend, const struct verdict_facts *facts)
{
	struct survival_ask ask = facts__ask(facts, trend);
	struct survival s = { .failed = TEST_GENERATIONS };
	struct leak_test test;
	const char *unasked = facts->exited ? "its process has ended: there is nobody to wake for it" :
					      site__unasked(trend->site, facts);

	if (facts->log)
		facts->log->unasked = unasked;
	if (!unasked)
		s = ask_ages(&ask);
	ask.log = NULL;
	if (s.failed == TEST_NONE)
		return stand(trend, facts, &s);
	trend->test_true = false;
	if (trend->verdict >= VERDICT_GROWTH) {
		if (still_stands(trend, facts))
			return trend->verdict;
		end(trend, facts->now, has_recovered(trend) ? TEST_GIVEN_BACK :
							      survival__at(&ask, trend->age).failed);
	}
	test = leak__test(trend, facts);
	if (test.finding == FINDING_NOTHING && s.failed != TEST_SIZE)
		return decide_rest(trend, facts);
	trend->finding = test.finding != FINDING_NOTHING ? test.finding : finding_of(trend, &s);
	trend->kept_tick = facts->now - (test.finding != FINDING_NOTHING ? test.youngest : s.age);
	return VERDICT_WATCH;
}

/* --- the whole ------------------------------------------------------------------------------ */

/* What is older than a sixteenth of the time since the first birth, for later runs to know. */
static void note_old(struct trend *trend, uint32_t now)
{
	uint32_t first = trend->n_cohorts ? trend->cohorts[0].start : now;
	uint32_t age = (now - first) / 16;
	struct survivors old = trend__survivors(trend, now, age > OLD ? age : OLD);

	levels__note_old(&trend->levels, old.bytes);
	if (old.n > trend->most_old)
		trend->most_old = old.n;
}

void verdict__update(struct trend *trend, const struct verdict_facts *facts)
{
	enum verdict verdict;

	levels__note(&trend->levels, facts->now, trend->site->bytes);
	trend__age(trend, facts->now);
	note_old(trend, facts->now);
	if (facts->log)
		*facts->log = (struct test_log){ .now = facts->now, .first = facts->first,
						 .left = facts->left };
	verdict = facts->question == DETECTOR_SERVICE ? decide_service(trend, facts) :
							decide_one_shot(trend, facts);
	if (verdict != trend->verdict) {
		trend->verdict = verdict;
		trend->verdict_since = facts->now;
	}
}
