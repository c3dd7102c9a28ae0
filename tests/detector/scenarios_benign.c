/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * What grows and is no leak. Those marked "twin" are born and die exactly as a leak does until
 * their bound is reached: no test of births and deaths can tell them on first sight.
 */
#include "tests/detector/make.h"

#include <stdlib.h>

#define N(a) (sizeof(a) / sizeof((a)[0]))

static double between(struct made *made, double low, double high)
{
	return draw_between(&made->draw, low, high);
}

static struct life brief(struct made *made, double low, double high)
{
	return (struct life){ .is = LIFE_EXPONENTIAL, .mean = between(made, low, high) * SECOND };
}

/* `rate` is freed. */
static void lives(struct made *made, double *rate, struct life life)
{
	made__churn(made, made__site(made, 0), rate, &(struct churn){ .life = life });
	free(rate);
}

static double *steady(struct made *made, double low, double high)	/* per second */
{
	return rate__steady(made, 10 * between(made, low, high));
}

static void warm_up(struct made *made)
{
	double end = between(made, 5, 40) * MINUTE;
	double *rate = steady(made, 0.1, 1);

	for (uint32_t t = 0; t < made->ticks; t++)
		rate[t] *= exp(-fmax(0, t - end) / (end / 2));
	lives(made, rate, life_of(LIFE_FOREVER, 0, 0));
	lives(made, rate__steady(made, 3), life_of(LIFE_EXPONENTIAL, 60 * SECOND, 0));
}

static void filling(struct made *made, double mean, struct cache *cache, double hours)
{
	double *rate = rate__steady(made, mean);

	cache->capacity = (uint32_t)(mean * cache->share * hours * HOUR) + 1;
	if (cache->capacity >= 3000)
		cache->lru = false;
	made__cache(made, made__site(made, 0), rate, cache);
	free(rate);
}

static void cache(struct made *made)
{
	struct cache all = { .share = 1, .lru = draw_chance(&made->draw, 0.5) };

	filling(made, 10 * between(made, 0.03, 0.3), &all, between(made, 0.5, 6));
}

static void mostly_churn_some_cached(struct made *made)
{
	struct cache some = { .share = between(made, 0.02, 0.05), .life = brief(made, 2, 60) };

	filling(made, 10 * between(made, 0.5, 2), &some, between(made, 0.5, 3));
}

static void full_cache(struct made *made)
{
	struct cache lru = { .share = 1, .lru = true, .capacity = 100 + draw_below(&made->draw, 700) };
	double *rate = steady(made, 0.2, 1);

	made__cache(made, made__site(made, 0), rate, &lru);
	free(rate);
}

/* Each entry of a cache is missed once: the fuller, the rarer. */
static void misses(struct made *made)
{
	struct made_site *site = made__site(made, 0);
	double mean = 10 * between(made, 0.05, 0.5), n = 0;
	double capacity = mean * between(made, 0.5, 3) * HOUR;
	double *rate = rate__steady(made, mean);

	for (uint32_t t = 0; t < made->ticks; t++) {
		uint32_t births = draw_poisson(&made->draw, rate[t] * fmax(0, 1 - n / capacity));

		for (n += births; births; births--)
			made_site__born(site, t, NEVER);
	}
	free(rate);
}

static void day(struct made *made)
{
	double *rate = steady(made, 0.2, 0.7);

	rate__day(made, rate, 0.85);
	lives(made, rate, brief(made, 60, 1200));
}

static void collected(struct made *made)
{
	double *rate = steady(made, 0.1, 1);
	struct churn churn = { .life = brief(made, 5, 120) };
	uint32_t *collections;

	churn.n_collections = made__collections(made, 3, between(made, 10, 45), &collections);
	churn.collections = collections;
	made__churn(made, made__site(made, 0), rate, &churn);
	free(collections);
	free(rate);
}

static void steps(struct made *made)
{
	double *rate = steady(made, 0.05, 0.4);

	lives(made, rate, brief(made, 5, 200));
	for (uint32_t n = 1 + draw_below(&made->draw, 3); n; n--) {
		uint32_t at = draw_below(&made->draw, made->ticks - 40);
		uint32_t during = 1 + draw_below(&made->draw, 11);

		for (uint32_t k = 20 + draw_below(&made->draw, 380); k; k--)
			made_site__born(&made->sites[0], at + draw_below(&made->draw, during), NEVER);
	}
}

static void brief_process(struct made *made)
{
	lives(made, steady(made, 0.5, 5), life_of(LIFE_FOREVER, 0, 0));
}

static void grow_and_release(struct made *made)
{
	struct made_site *site = made__site(made, 0);
	double mean = 10 * between(made, 0.05, 0.5);
	uint32_t t = (uint32_t)(between(made, 0, 2) * HOUR);

	while (t < made->ticks) {
		uint32_t end = t + (uint32_t)(between(made, 0.5, 3) * HOUR);

		for (; t < end && t < made->ticks; t++)
			for (uint32_t n = draw_poisson(&made->draw, mean); n; n--)
				made_site__born(site, t, end);
		t = end + (uint32_t)(between(made, 0.2, 2) * HOUR);
	}
}

static void bursts(struct made *made)
{
	double *rate = steady(made, 0.5, 3);

	rate__bursts(made, rate, 1, 6, 5, 40);
	lives(made, rate, brief(made, 5, 400));
}

static void heavy_tail(struct made *made)
{
	double *rate = steady(made, 0.1, 0.8);

	lives(made, rate, life_of(LIFE_LOGNORMAL, between(made, 60, 900) * SECOND,
			    between(made, 1, 1.6)));
}

static void time_to_live(struct made *made)
{
	double *rate = steady(made, 0.03, 0.3);

	lives(made, rate, life_of(LIFE_FIXED, between(made, 0.5, 4) * HOUR, 0));
}

/* Never shrinks: takes more whenever the demand is higher than it ever was. */
static void high_water(struct made *made)
{
	struct made_site *site = made__site(made, 0);
	double *demand = rate__wander(made, between(made, 50, 400), 0.21, 0.99);
	uint32_t held = 0;

	rate__day(made, demand, 0.4);
	for (uint32_t t = 0; t < made->ticks; t++)
		for (; held < (uint32_t)demand[t]; held++)
			made_site__born(site, t, NEVER);
	free(demand);
}

static void ramp(struct made *made)
{
	double *rate = steady(made, 0.05, 0.2), factor = between(made, 5, 20);

	for (uint32_t t = 0; t < made->ticks; t++)
		rate[t] *= 1 + (factor - 1) * fmin(1, t / (6.0 * HOUR));
	lives(made, rate, brief(made, 30, 900));
}

static void sessions(struct made *made)
{
	double *rate = steady(made, 0.03, 0.3);

	lives(made, rate, life_of(LIFE_EXPONENTIAL, between(made, 1, 4) * HOUR, 0));
}

static void lost_frees(struct made *made)
{
	struct churn churn = { .lost_to = NEVER };
	double *rate = steady(made, 1, 4);

	made->loss = between(made, 0.001, 0.005);
	churn.life = brief(made, 2, 60);
	churn.lost = made->loss;
	made__churn(made, made__site(made, 0), rate, &churn);
	free(rate);
}

static void restarts(struct made *made)
{
	uint32_t end = (uint32_t)(between(made, 3, 30) * MINUTE);
	double *rate = steady(made, 0.1, 1);

	for (uint32_t t = end; t < made->ticks; t++)
		rate[t] *= 0.02;
	lives(made, rate, life_of(LIFE_FOREVER, 0, 0));
	lives(made, rate__steady(made, 5), life_of(LIFE_EXPONENTIAL, 120 * SECOND, 0));
}

static void idle_timeout(struct made *made)
{
	struct life life = brief(made, 2, 60);
	double *rate = steady(made, 0.2, 1);

	life.is = LIFE_TWO_MODES;
	life.share = between(made, 0.05, 0.4);
	life.other = between(made, 15, 120) * MINUTE;
	lives(made, rate, life);
}

/* One stream per connection, and connections stay. */
static void connections(struct made *made)
{
	double *rate = steady(made, 0.5, 5), clients = between(made, 300, 5000), n = 0;
	struct made_site *site = made__site(made, 39000);

	site->kind = "zlib-inflate";
	for (uint32_t t = 0; t < made->ticks; t++) {
		uint32_t births = draw_poisson(&made->draw, rate[t] * fmax(0, 1 - n / clients));

		for (n += births; births; births--)
			made_site__born(site, t, NEVER);
	}
	free(rate);
}

const struct scenario benign[] = {
	{ "N01", "warm-up, then level", 8, 8, false, LIMIT_WIDE, warm_up },
	{ "N02", "cache filling for 0.5-6 h, twin", 10, 10, false, LIMIT_WIDE, cache },
	{ "N03", "cache, misses get rarer", 10, 10, false, LIMIT_WIDE, misses },
	{ "N04", "day and night", 30, 30, false, LIMIT_WIDE, day },
	{ "N05", "collected every 3-45 min", 8, 8, false, LIMIT_WIDE, collected },
	{ "N06", "steps", 8, 8, false, LIMIT_WIDE, steps },
	{ "N07", "lives 1-9 min, keeps all", 1, 9, true, LIMIT_WIDE, brief_process },
	{ "N08", "grows 0.5-3 h, releases, twin", 10, 10, false, LIMIT_WIDE, grow_and_release },
	{ "N09", "bursts", 8, 8, false, LIMIT_WIDE, bursts },
	{ "N10", "heavy-tailed lives", 12, 12, false, LIMIT_WIDE, heavy_tail },
	{ "N11", "time to live of 0.5-4 h, twin", 10, 10, false, LIMIT_WIDE, time_to_live },
	{ "N12", "pool that never shrinks", 24, 24, false, LIMIT_WIDE, high_water },
	{ "N13", "2-5 % into a cache, twin", 8, 8, false, LIMIT_WIDE, mostly_churn_some_cached },
	{ "N14", "traffic 5-20 times in 6 h", 8, 8, false, LIMIT_WIDE, ramp },
	{ "N15", "sessions of 1-4 h", 14, 14, false, LIMIT_WIDE, sessions },
	{ "N16", "0.1-0.5 % of the frees lost", 8, 8, false, LIMIT_WIDE, lost_frees },
	{ "N17", "restarts, warm-up", 10, 45, true, LIMIT_WIDE, restarts },
	{ "N18", "full cache, hot set", 8, 8, false, LIMIT_WIDE, full_cache },
	{ "N19", "idle timeout, twin", 8, 8, false, LIMIT_WIDE, idle_timeout },
	{ "N20", "a stream per connection", 8, 8, false, LIMIT_WIDE, connections },
};
const size_t n_benign = N(benign);
