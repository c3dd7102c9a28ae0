/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Leaks, after the list in docs/detector.md. Parameters are drawn anew for each seed. "per second"
 * times ten is per tick.
 */
#include "tests/detector/make.h"

#include <stdlib.h>

#define N(a) (sizeof(a) / sizeof((a)[0]))

struct leak {
	double per_second;	/* births */
	double share;		/* of them that never die */
	struct life life;	/* of the others */
	uint32_t from, to;	/* ticks; to 0: the end */
	uint64_t size;
	const uint32_t *collections;
	size_t n_collections;
};

static double between(struct made *made, double low, double high)
{
	return draw_between(&made->draw, low, high);
}

static struct life brief(struct made *made, double low, double high)
{
	return (struct life){ .is = LIFE_EXPONENTIAL, .mean = between(made, low, high) * SECOND };
}

/* `rate` is freed. */
static void add_leak(struct made *made, const struct leak *leak, double *rate)
{
	struct made_site *site = made__site(made, leak->size);
	struct churn churn = {
		.life = leak->life, .lost = leak->share, .lost_from = leak->from,
		.lost_to = leak->to ? leak->to : NEVER, .collections = leak->collections,
		.n_collections = leak->n_collections,
	};

	made__leaks(site, leak->from, churn.lost_to,
		    rate__mean(made, rate) * leak->share * (double)site->size);
	made__churn(made, site, rate, &churn);
	free(rate);
}

static void steadily(struct made *made, const struct leak *leak)
{
	add_leak(made, leak, rate__steady(made, 10 * leak->per_second));
}

static void total(struct made *made)
{
	steadily(made, &(struct leak){ .per_second = between(made, 0.02, 0.4), .share = 1,
				       .life = life_of(LIFE_FOREVER, 0, 0) });
}

static void partial(struct made *made)
{
	steadily(made, &(struct leak){ .per_second = between(made, 0.05, 0.8), .share = between(made, 0.1, 0.6),
				       .life = brief(made, 2, 240) });
}

static void one_in_a_hundred(struct made *made)
{
	steadily(made, &(struct leak){ .per_second = between(made, 1.5, 4), .share = between(made, 0.005, 0.02),
				       .life = brief(made, 2, 120) });
}

static void slow_in_noise(struct made *made)
{
	struct leak leak = { .per_second = between(made, 0.6, 1.5), .share = between(made, 0.003, 0.01),
			     .life = brief(made, 60, 400) };

	add_leak(made, &leak, rate__wander(made, 10 * leak.per_second, 0.6, 0.99));
}

static void under_a_sawtooth(struct made *made)
{
	double period = between(made, 3, 25);
	struct leak leak = { .per_second = between(made, 0.2, 1.2), .share = between(made, 0.01, 0.06),
			     .life = life_of(LIFE_FIXED, 0, 0) };
	uint32_t *collections;

	leak.n_collections = made__collections(made, period, period, &collections);
	leak.collections = collections;
	steadily(made, &leak);
	free(collections);
}

static void among_collections(struct made *made)
{
	struct leak leak = { .per_second = between(made, 0.2, 1.2), .share = between(made, 0.02, 0.1),
			     .life = brief(made, 5, 60) };
	uint32_t *collections;

	leak.n_collections = made__collections(made, 2, 25, &collections);
	leak.collections = collections;
	steadily(made, &leak);
	free(collections);
}

static void while_starting(struct made *made)
{
	uint32_t end = (uint32_t)(between(made, 20, 60) * MINUTE);
	struct leak leak = { .per_second = between(made, 0.5, 2), .share = between(made, 0.2, 0.8),
			     .life = brief(made, 2, 60),
			     .to = end };
	double *rate = rate__steady(made, 10 * leak.per_second);
	double after = draw_chance(&made->draw, 0.33) ? 0.1 : 0;

	for (uint32_t t = end; t < made->ticks; t++)
		rate[t] *= after;
	add_leak(made, &leak, rate);
}

static void in_bursts(struct made *made)
{
	struct leak leak = { .per_second = between(made, 1, 4), .share = between(made, 0.02, 0.1),
			     .life = brief(made, 2, 60) };
	double *rate = rate__steady(made, 10 * leak.per_second);

	rate__bursts(made, rate, 1, 4, 5, 30);
	add_leak(made, &leak, rate);
}

static void by_day(struct made *made)
{
	struct leak leak = { .per_second = between(made, 0.3, 0.9), .share = between(made, 0.01, 0.05),
			     .life = brief(made, 10, 300) };
	double *rate = rate__steady(made, 10 * leak.per_second);

	rate__day(made, rate, 0.8);
	add_leak(made, &leak, rate);
}

static void few_large(struct made *made)
{
	steadily(made, &(struct leak){ .per_second = 1 / between(made, 60, 180), .share = between(made, 0.15, 0.4),
				       .life = brief(made, 20, 300), .size = 64 << 20 });
}

static void late(struct made *made)
{
	steadily(made, &(struct leak){ .per_second = between(made, 0.3, 1.5), .share = between(made, 0.02, 0.2),
				       .life = brief(made, 2, 240),
				       .from = (uint32_t)(between(made, 1, 4) * HOUR) });
}

static void slow_total(struct made *made)
{
	steadily(made, &(struct leak){ .per_second = between(made, 0.01, 0.05), .share = 1,
				       .life = life_of(LIFE_FOREVER, 0, 0) });
}

static void two_among_others(struct made *made)
{
	struct churn day = { .life = life_of(LIFE_EXPONENTIAL, 400 * SECOND, 0) };
	struct churn heavy = { .life = life_of(LIFE_LOGNORMAL, 600 * SECOND, 1.3) };
	struct cache cache = { .share = 1 };
	double *rate, mean;

	for (unsigned int i = 0; i < 2; i++)
		steadily(made, &(struct leak){ .per_second = between(made, 0.2, 1), .share = between(made, 0.02, 0.3),
				       .life = brief(made, 2, 200) });
	mean = 10 * between(made, 0.05, 0.3);
	cache.capacity = (uint32_t)(mean * between(made, 0.3, 2) * HOUR);
	rate = rate__steady(made, mean);
	made__cache(made, made__site(made, 0), rate, &cache);
	free(rate);
	rate = rate__steady(made, 4);
	rate__day(made, rate, 0.8);
	made__churn(made, made__site(made, 0), rate, &day);
	free(rate);
	rate = rate__steady(made, 1);
	made__churn(made, made__site(made, 0), rate, &heavy);
	free(rate);
}

static void in_a_heavy_tail(struct made *made)
{
	steadily(made, &(struct leak){ .per_second = between(made, 0.3, 1), .share = between(made, 0.03, 0.1),
				       .life = life_of(LIFE_LOGNORMAL, between(made, 20, 200) * SECOND, 1.3) });
}

static void fast(struct made *made)
{
	double share = draw_chance(&made->draw, 0.5) ? 1 : between(made, 0.1, 0.6);

	steadily(made, &(struct leak){ .per_second = between(made, 0.5, 3), share, brief(made, 2, 60) });
}

/* A broker that reads its log: streams that nobody ever closes, at a constant pace. */
static void broker(struct made *made)
{
	struct leak leak = { between(made, 2, 10), .share = 1,
				       .life = life_of(LIFE_FOREVER, 0, 0), .size = 39000,
			     .from = 10 * MINUTE };
	double *rate = rate__wander(made, 10 * leak.per_second, 0.02, 0.5);

	for (uint32_t t = 0; t < leak.from && t < made->ticks; t++)
		rate[t] = 0;
	add_leak(made, &leak, rate);
	made->sites[0].kind = "zlib-inflate";
}

const struct scenario leaking[] = {
	{ "P01", "steady, nothing ever freed", 4, 10, false, LIMIT_INSIDE, total },
	{ "P02", "steady, 10-60 % of the objects", 8, 8, false, LIMIT_INSIDE, partial },
	{ "P03", "0.5-2 % at a hot site", 8, 8, false, LIMIT_INSIDE, one_in_a_hundred },
	{ "P04", "0.3-1 % in heavy noise, days", 16, 16, false, LIMIT_FAR, slow_in_noise },
	{ "P05", "1-6 % under a sawtooth", 8, 8, false, LIMIT_INSIDE, under_a_sawtooth },
	{ "P06", "2-10 % never, the rest collected", 8, 8, false, LIMIT_INSIDE, among_collections },
	{ "P07", "only in the first 20-60 min", 4, 4, false, LIMIT_CLOSE, while_starting },
	{ "P08", "bursts, 2-10 %", 8, 8, false, LIMIT_INSIDE, in_bursts },
	{ "P09", "by day and night, 1-5 %", 30, 30, false, LIMIT_INSIDE, by_day },
	{ "P10", "few maps of 64 MiB, 15-40 %", 8, 8, false, LIMIT_INSIDE, few_large },
	{ "P11", "healthy 1-4 h, then 2-20 %", 9, 9, false, LIMIT_INSIDE, late },
	{ "P12", "slow, nothing freed, days", 16, 16, false, LIMIT_FAR, slow_total },
	{ "P13", "two leaks among others", 8, 8, false, LIMIT_INSIDE, two_among_others },
	{ "P14", "3-10 % in a heavy tail", 12, 12, false, LIMIT_INSIDE, in_a_heavy_tail },
	{ "P15", "limit after 12-45 min", 12, 45, true, LIMIT_INSIDE, fast },
	{ "P16", "a broker's streams", 40, 60, true, LIMIT_INSIDE, broker },
};
const size_t n_leaking = N(leaking);
