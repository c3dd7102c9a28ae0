/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * A second set, on which nothing was ever tuned: other programs than those of the first one, and wider
 * draws. Leaks are Q, what is none is R; "twin" as in scenarios_benign.c.
 */
#include "tests/detector/make.h"

#include <stdlib.h>

#define N(a) (sizeof(a) / sizeof((a)[0]))

static double between(struct made *made, double low, double high)
{
	return draw_between(&made->draw, low, high);
}

/* Each factor of the range is as probable as any other. */
static double evenly(struct made *made, double low, double high)
{
	return low * pow(high / low, draw_unit(&made->draw));
}

static struct life lives(double seconds)
{
	return life_of(LIFE_EXPONENTIAL, seconds * SECOND, 0);
}

/* A site that churns at `rate`, which is freed, and from tick `from` on loses `share` for good. */
static struct made_site *churns(struct made *made, double *rate, struct churn churn, double share,
				uint32_t from)
{
	struct made_site *site = made__site(made, 0);

	churn.lost = share;
	churn.lost_from = from;
	churn.lost_to = NEVER;
	if (share > 0)
		made__leaks(site, from, NEVER, rate__mean(made, rate) * share * (double)site->size);
	made__churn(made, site, rate, &churn);
	free(rate);
	return site;
}

static double *steady(struct made *made, double low, double high)	/* per second */
{
	return rate__steady(made, 10 * evenly(made, low, high));
}

/* --- leaks ---------------------------------------------------------------------------------- */

static void any_rate(struct made *made)
{
	churns(made, steady(made, 0.05, 8), (struct churn){ .life = lives(evenly(made, 0.5, 600)) },
	       evenly(made, 0.005, 1), 0);
}

static void day_and_bursts(struct made *made)
{
	double *rate = steady(made, 1, 4);

	rate__day(made, rate, 0.7);
	rate__bursts(made, rate, 2, 10, 3, 20);
	churns(made, rate, (struct churn){ .life = lives(evenly(made, 2, 300)) }, 0.01, 0);
}

static void after_warm_up(struct made *made)
{
	uint32_t warm = (uint32_t)(between(made, 0.3, 1.5) * HOUR);
	struct made_site *site = churns(made, steady(made, 0.5, 2),
					(struct churn){ .life = lives(evenly(made, 2, 120)) },
					evenly(made, 0.02, 0.2), warm);

	for (uint32_t n = 100 + draw_below(&made->draw, 400); n; n--)
		made_site__born(site, draw_below(&made->draw, warm), NEVER);
}

static void few_and_huge(struct made *made)
{
	struct made_site *site = made__site(made, 256 << 20);
	double rate = 1 / (between(made, 8, 25) * MINUTE);

	made__leaks(site, 0, NEVER, rate * (double)site->size);
	for (uint32_t t = 0; t < made->ticks; t++) {
		if (draw_chance(&made->draw, rate))
			made_site__born(site, t, NEVER);
	}
}

static void late_and_fast(struct made *made)
{
	churns(made, steady(made, 0.5, 2), (struct churn){ .life = lives(evenly(made, 2, 120)) },
	       between(made, 0.3, 0.8), (uint32_t)(made->ticks * between(made, 0.5, 0.7)));
}

static void rising(struct made *made)
{
	double *rate = steady(made, 0.1, 0.4), factor = between(made, 3, 15);

	for (uint32_t t = 0; t < made->ticks; t++)
		rate[t] *= 1 + (factor - 1) * t / made->ticks;
	churns(made, rate, (struct churn){ .life = lives(evenly(made, 5, 300)) },
	       evenly(made, 0.02, 0.3), 0);
}

/* Jobs that take much and give it back at their end, but for `share` of it. */
static void jobs(struct made *made, double share)
{
	struct made_site *site = made__site(made, 0);
	uint32_t t = (uint32_t)(between(made, 0, 0.5) * HOUR), n = 0;

	while (t < made->ticks) {
		uint32_t end = t + (uint32_t)(between(made, 2, 10) * MINUTE);

		for (; t < end && t < made->ticks; t++) {
			for (uint32_t k = draw_poisson(&made->draw, 12); k; k--, n++)
				made_site__born(site, t, draw_chance(&made->draw, share) ? NEVER : end);
		}
		t = end + (uint32_t)(between(made, 8, 30) * MINUTE);
	}
	if (share > 0)
		made__leaks(site, 0, NEVER, share * n * (double)site->size / made->ticks);
}

static void leaking_jobs(struct made *made)
{
	jobs(made, evenly(made, 0.02, 0.2));
}

static void collected(struct made *made, double *rate, double share)
{
	uint32_t *collections;
	struct churn churn = { .life = lives(evenly(made, 2, 60)) };

	churn.n_collections = made__collections(made, 15, between(made, 30, 60), &collections);
	churn.collections = collections;
	churns(made, rate, churn, share, 0);
	free(collections);
}

static void rarely_collected(struct made *made)
{
	collected(made, steady(made, 0.2, 1), evenly(made, 0.03, 0.2));
}

static void some_streams(struct made *made)
{
	struct made_site *site = churns(made, steady(made, 0.5, 5),
					(struct churn){ .life = lives(evenly(made, 0.5, 60)) },
					evenly(made, 0.01, 0.3), 0);

	site->leak_bytes *= 39000.0 / (double)site->size;
	site->size = 39000;
	site->kind = "zlib-deflate";
}

static void beside_a_cache(struct made *made)
{
	double mean = 10 * evenly(made, 0.2, 1), *rate = rate__steady(made, mean);
	struct cache lru = { .share = 1, .lru = true, .capacity = 100 + draw_below(&made->draw, 900) };
	double share = evenly(made, 0.02, 0.1);
	struct made_site *site = made__site(made, 0);

	made__cache(made, site, rate, &lru);
	made__leaks(site, 0, NEVER, mean * share * (double)site->size);
	for (uint32_t t = 0; t < made->ticks; t++) {
		for (uint32_t n = draw_poisson(&made->draw, rate[t] * share); n; n--)
			made_site__born(site, t, NEVER);
	}
	free(rate);
}

static void by_shifts(struct made *made)
{
	double *rate = steady(made, 0.3, 2);
	uint32_t shift = (uint32_t)(between(made, 0.5, 1.5) * HOUR);

	for (uint32_t t = 0; t < made->ticks; t++)
		rate[t] *= t / shift % 3 == 2 ? 0.02 : 1;
	churns(made, rate, (struct churn){ .life = lives(evenly(made, 2, 120)) },
	       evenly(made, 0.02, 0.3), 0);
}

/* --- none ----------------------------------------------------------------------------------- */

static void slow_eviction(struct made *made)
{
	double mean = 10 * evenly(made, 0.05, 0.5);
	struct cache cache = { .share = 1, .lru = true,
			       .capacity = (uint32_t)(mean * between(made, 0.1, 0.6) * HOUR) + 1 };
	double *rate = rate__steady(made, mean);

	made__cache(made, made__site(made, 0), rate, &cache);
	free(rate);
}

static void long_tail(struct made *made)
{
	churns(made, steady(made, 0.1, 1),
	       (struct churn){ .life = life_of(LIFE_LOGNORMAL, evenly(made, 30, 300) * SECOND, 1.8) }, 0, 0);
}

/* As many as were ever in use at once. */
static void pool(struct made *made)
{
	struct made_site *site = made__site(made, 0);
	double *demand = rate__wander(made, between(made, 30, 200), 0.3, 0.9);
	uint32_t held = 0;

	rate__bursts(made, demand, 2, 10, 10, 60);
	for (uint32_t t = 0; t < made->ticks; t++)
		for (; held < (uint32_t)demand[t]; held++)
			made_site__born(site, t, NEVER);
	free(demand);
}

static void log_that_stops(struct made *made)
{
	double *rate = steady(made, 0.05, 0.5);
	uint32_t end = (uint32_t)(between(made, 1, 3) * HOUR);

	for (uint32_t t = end; t < made->ticks; t++)
		rate[t] = 0;
	churns(made, rate, (struct churn){ .life = life_of(LIFE_FOREVER, 0, 0) }, 0, 0);
}

static void healthy_jobs(struct made *made)
{
	jobs(made, 0);
}

static void rising_sawtooth(struct made *made)
{
	double *rate = steady(made, 0.1, 0.5);

	for (uint32_t t = 0; t < made->ticks; t++)
		rate[t] *= 1 + 3.0 * t / made->ticks;
	collected(made, rate, 0);
}

static void long_sessions(struct made *made)
{
	churns(made, steady(made, 0.02, 0.2), (struct churn){ .life = lives(evenly(made, 1800, 14400)) }, 0, 0);
}

/* A queue whose consumer falls behind for a while, and catches up. */
static void backlog(struct made *made)
{
	struct made_site *site = made__site(made, 0);
	double rate = 10 * evenly(made, 0.1, 1), slowness = between(made, 0.5, 0.9), done = 0;
	uint32_t behind = (uint32_t)(between(made, 0.5, 1.5) * HOUR), born = 0, next = 0;

	for (uint32_t t = 0; t < made->ticks; t++) {
		for (uint32_t n = draw_poisson(&made->draw, rate); n; n--, born++)
			made_site__born(site, t, NEVER);
		done += rate * (t / behind % 3 == 1 ? slowness : 1.6);
		for (done = fmin(done, born); next < (uint32_t)done; next++)
			site->objects[next].death = t;
	}
}

/* Tables fill and are written out; one in fifty entries waits for the compaction of hours later. */
static void tables(struct made *made)
{
	struct made_site *site = made__site(made, 0);
	double *rate = steady(made, 0.1, 1);
	uint32_t full = (uint32_t)(between(made, 15, 40) * MINUTE);
	uint32_t compaction = (uint32_t)(between(made, 1.5, 3) * HOUR);

	for (uint32_t t = 0; t < made->ticks; t++) {
		for (uint32_t n = draw_poisson(&made->draw, rate[t]); n; n--) {
			uint32_t every = draw_chance(&made->draw, 0.02) ? compaction : full;

			made_site__born(site, t, (t / every + 1) * every);
		}
	}
	free(rate);
}

static void start_up(struct made *made)
{
	struct made_site *site = made__site(made, 0);

	for (uint32_t n = 1000 + draw_below(&made->draw, 5000); n; n--)
		made_site__born(site, draw_below(&made->draw, 5 * MINUTE), NEVER);
	churns(made, steady(made, 0.3, 3), (struct churn){ .life = lives(evenly(made, 5, 300)) }, 0, 0);
}

static void connections_by_day(struct made *made)
{
	double *rate = steady(made, 0.1, 1);
	struct made_site *site;

	rate__day(made, rate, 0.8);
	site = churns(made, rate, (struct churn){ .life = lives(evenly(made, 120, 1800)) }, 0, 0);
	site->size = 39000;
	site->kind = "zlib-inflate";
}

static void reloads(struct made *made)
{
	struct made_site *site = made__site(made, 0);
	uint32_t n = 50 + draw_below(&made->draw, 400), t = 0;

	while (t < made->ticks) {
		uint32_t next = t + (uint32_t)(between(made, 20, 90) * MINUTE);

		for (uint32_t k = 0; k < n; k++)
			made_site__born(site, t, next + MINUTE * 5);
		t = next;
	}
}

static void plain_churn(struct made *made)
{
	churns(made, steady(made, 0.05, 8), (struct churn){ .life = lives(evenly(made, 0.5, 600)) }, 0, 0);
}

/* Code that is compiled, classes that are loaded: ever more rarely. */
static void ever_rarer(struct made *made)
{
	double *rate = steady(made, 0.5, 3), tau = between(made, 2, 15) * MINUTE;

	for (uint32_t t = 0; t < made->ticks; t++)
		rate[t] /= 1 + pow(t / tau, 2);
	churns(made, rate, (struct churn){ .life = life_of(LIFE_FOREVER, 0, 0) }, 0, 0);
}

const struct scenario others[] = {
	{ "Q01", "any rate, share and life", 3, 12, false, LIMIT_INSIDE, any_rate },
	{ "Q02", "1 % by day, night and bursts", 26, 40, false, LIMIT_INSIDE, day_and_bursts },
	{ "Q03", "keeps its warm-up, then leaks", 6, 10, false, LIMIT_INSIDE, after_warm_up },
	{ "Q04", "256 MiB every 8-25 min", 8, 16, false, LIMIT_INSIDE, few_and_huge },
	{ "Q05", "late and fast", 6, 10, false, LIMIT_INSIDE, late_and_fast },
	{ "Q06", "traffic 3-15 times", 6, 10, false, LIMIT_INSIDE, rising },
	{ "Q07", "jobs that leave 2-20 %", 10, 20, false, LIMIT_INSIDE, leaking_jobs },
	{ "Q08", "collected every 15-60 min", 8, 16, false, LIMIT_INSIDE, rarely_collected },
	{ "Q09", "1-30 % of streams", 4, 8, false, LIMIT_INSIDE, some_streams },
	{ "Q10", "beside a cache, same site", 6, 10, false, LIMIT_INSIDE, beside_a_cache },
	{ "Q11", "in shifts", 8, 14, false, LIMIT_INSIDE, by_shifts },
	{ "R01", "cache, slow eviction, twin", 8, 12, false, LIMIT_WIDE, slow_eviction },
	{ "R02", "lives with a long tail", 8, 12, false, LIMIT_WIDE, long_tail },
	{ "R03", "pool, bursts", 8, 14, false, LIMIT_WIDE, pool },
	{ "R04", "log that stops, twin", 8, 12, false, LIMIT_WIDE, log_that_stops },
	{ "R05", "jobs that give all back", 10, 20, false, LIMIT_WIDE, healthy_jobs },
	{ "R06", "rising sawtooth", 8, 12, false, LIMIT_WIDE, rising_sawtooth },
	{ "R07", "sessions of 0.5-4 h", 10, 16, false, LIMIT_WIDE, long_sessions },
	{ "R08", "backlog, twin", 8, 12, false, LIMIT_WIDE, backlog },
	{ "R09", "tables and compactions, twin", 8, 12, false, LIMIT_WIDE, tables },
	{ "R10", "large start-up", 4, 8, false, LIMIT_WIDE, start_up },
	{ "R11", "connections by day", 26, 40, false, LIMIT_WIDE, connections_by_day },
	{ "R12", "reloads", 8, 12, false, LIMIT_WIDE, reloads },
	{ "R13", "plain churn, any rate", 4, 10, false, LIMIT_WIDE, plain_churn },
	{ "R14", "ever rarer", 6, 10, false, LIMIT_WIDE, ever_rarer },
};
const size_t n_others = N(others);
