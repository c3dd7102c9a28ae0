/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * One age at a time. Those older than the age are walked from the newest cohort to the oldest and
 * put together until a generation holds three survivors. Where both flow (survivors per tick)
 * and retention (survivors per birth) fall to a quarter of what was usual, another regime ends the
 * walk: a leak that began an hour ago is judged by its hour. A leak is a curve of survival that is
 * flat above zero in every generation up to the newest; what is given back late, what slows down,
 * and what stopped is none.
 */
#include "user/detect/survival.h"

#include <math.h>
#include <string.h>

#include "user/detect/verdict.h"

#define ANOTHER_REGIME 0.25
#define FLOW_KEEPS 0.4
#define RETENTION_KEEPS 0.5
#define LATE_DEATHS 5		/* fewer say nothing about where it would level off */
#define PLATEAU_SHARE 1.0	/* of the headroom */
#define SLOWS_BY_CHANCE 1.0	/* standard deviations */
#define SLOWS_BELOW 0.97	/* newer half / older half */
#define SIBLINGS_SHARE 0.25	/* of the survivors */
#define SIBLING_TICKS 3		/* one batch of releases is no habit */
#define FEW_LARGE 6
#define FEW_LARGE_FLAT 0.5	/* of the share of the headroom that they fill */
#define MIB (1024.0 * 1024.0)

struct generation {
	double flow, retention, survivors, births, bytes, width;
};

struct walk {
	struct generation list[TREND_COHORTS];	/* newest first */
	double flows[TREND_COHORTS], retentions[TREND_COHORTS];	/* sorted */
	uint32_t n;
};

double wilson_upper(double k, double n)
{
	const double z = 1.959964;
	double p, spread;

	if (n <= 0)
		return 1;
	p = k / n;
	spread = z * sqrt(p * (1 - p) / n + z * z / (4 * n * n));
	return (p + z * z / (2 * n) + spread) / (1 + z * z / n);
}

bool trend__cannot_be_flat(const struct trend *trend, double dead)
{
	double n = dead + (double)trend->live;

	/* The bound is never below the share itself: no root for most. */
	return dead >= 0.5 && (dead > SURVIVAL_FLAT * n || wilson_upper(dead, n) > SURVIVAL_FLAT);
}

static double middle(const double *sorted, uint32_t n)
{
	if (!n)
		return 0;
	return n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}

static void insert(double *sorted, uint32_t n, double v)
{
	while (n && sorted[n - 1] > v) {
		sorted[n] = sorted[n - 1];
		n--;
	}
	sorted[n] = v;
}

/* The middle flow and retention of generations [from, to). */
static void middles(const struct walk *walk, uint32_t from, uint32_t to, double *flow,
		    double *retention)
{
	double flows[TREND_COHORTS], retentions[TREND_COHORTS];

	for (uint32_t i = from; i < to; i++) {
		insert(flows, i - from, walk->list[i].flow);
		insert(retentions, i - from, walk->list[i].retention);
	}
	*flow = middle(flows, to - from);
	*retention = middle(retentions, to - from);
}

/* Objects that are large beside what is left count one by one. */
static uint32_t enough_of(const struct survival_ask *ask)
{
	const struct trend *trend = ask->trend;
	double size = trend->live ? (double)trend->site->bytes / (double)trend->live : 0;

	return size >= 0.01 * fmax(ask->left, MIB) ? 1 : 3;
}

static bool is_another_regime(const struct walk *walk, const struct generation *g)
{
	return walk->n >= 2 && g->flow < ANOTHER_REGIME * middle(walk->flows, walk->n) &&
	       g->retention < ANOTHER_REGIME * middle(walk->retentions, walk->n);
}

static void add_generation(struct walk *walk, const struct generation *g)
{
	insert(walk->flows, walk->n, g->flow);
	insert(walk->retentions, walk->n, g->retention);
	walk->list[walk->n++] = *g;
}

/* Puts together the generations of those that reached the age; fills in what they add up to. */
static void find_generations(const struct survival_ask *ask, struct survival *s, struct walk *walk)
{
	const struct trend *trend = ask->trend;
	uint32_t need = enough_of(ask), i = trend->n_cohorts, edge = ask->now + 1 - s->age;
	struct generation g = { 0 };
	double siblings = 0;

	walk->n = 0;
	s->until = s->since = edge;
	for (; i && trend->cohorts[i - 1].end > edge; i--)
		siblings += trend->cohorts[i - 1].births - trend->cohorts[i - 1].live;
	for (; i; i--) {
		const struct cohort *c = &trend->cohorts[i - 1];

		g.births += c->births;
		g.survivors += c->live;
		g.bytes += (double)c->bytes;
		if (g.survivors < need)
			continue;
		g.width = s->since - c->start;
		g.flow = g.survivors / g.width;
		g.retention = g.survivors / g.births;
		if (is_another_regime(walk, &g))
			break;
		add_generation(walk, &g);
		siblings += g.births - g.survivors;
		s->since = c->start;
		s->survivors += g.survivors;
		s->births += g.births;
		s->bytes += g.bytes;
		s->siblings = siblings;
		g = (struct generation){ 0 };
	}
	s->generations = walk->n;
}

/* The flow of the newer half of the time as a share of that of the older half, extrapolated: where
 * would what is held end? */
static double projection(const struct survival *s, const struct walk *walk)
{
	double width = s->until - s->since, bytes = 0, apart = width / 2, q, r;
	struct generation half[2] = { 0 };

	for (uint32_t i = 0; i < walk->n; i++) {
		const struct generation *g = &walk->list[i];
		struct generation *h = &half[half[0].width >= width / 2];

		h->survivors += g->survivors;
		h->births += g->births;
		h->width += g->width;
		bytes += h == &half[0] ? g->bytes : 0;
	}
	if (half[1].width <= 0 || half[1].survivors <= 0)
		return INFINITY;
	q = (half[0].survivors / half[0].width) / (half[1].survivors / half[1].width);
	r = (half[0].survivors / half[0].births) / (half[1].survivors / half[1].births);
	if (s->strays && r > q)
		q = r;
	/* By so much the two may differ by chance. */
	q *= exp(SLOWS_BY_CHANCE * sqrt(1 / half[0].survivors + 1 / half[1].survivors));
	if (q >= SLOWS_BELOW)
		return INFINITY;
	return s->bytes + bytes / half[0].width * (apart / -log(q));
}

/* Where those that are given back late would hold it: inflow times the time they take. */
static double plateau(const struct survival_ask *ask, const struct survival *s)
{
	const struct trend *trend = ask->trend;
	double waited, width = s->until - s->since;

	if (s->dead < LATE_DEATHS)
		return INFINITY;
	/* The middle of a half octave is a fifth above its first age. */
	waited = s->survivors * (ask->now - s->since - s->age) / 2;
	for (unsigned int cell = trend_age_cell(s->age); cell < TREND_AGES; cell++)
		waited += (double)trend->deaths[cell] / TREND_DEATH *
			  fmax(0, 1.19 * trend_cell_age(cell) - s->age);
	return s->bytes / width * waited / s->dead;
}

static void compare_halves(struct survival *s, const struct walk *walk)
{
	uint32_t half = walk->n / 2, newer = half > 2 ? half : 2;
	double flow[2], retention[2], bytes = 0, width = 0;

	middles(walk, 0, half, &flow[0], &retention[0]);
	middles(walk, half, walk->n, &flow[1], &retention[1]);
	s->flow = flow[0] / flow[1];
	s->retention = retention[0] / retention[1];
	s->newest = fmax(walk->list[0].flow / flow[1], walk->list[0].retention / retention[1]);
	for (uint32_t i = 0; i < newer; i++) {
		bytes += walk->list[i].bytes;
		width += walk->list[i].width;
	}
	s->rate = bytes / width;
}

/* Few large objects need not be many to matter: what they hold of the headroom stands for them. */
static double flat_threshold(const struct survival *s)
{
	if (s->dead >= 0.5 || s->survivors < FEW_LARGE)
		return SURVIVAL_FLAT;
	return fmax(SURVIVAL_FLAT, FEW_LARGE_FLAT * s->bytes / s->headroom);
}

static enum test first_failed(const struct survival_ask *ask, const struct survival *s)
{
	/* Of strays fewer may be born, if as many of them are kept. */
	bool kept = s->strays && s->flow < FLOW_KEEPS;
	const struct test_row rows[] = {
		{ ask->now - s->since, (double)SURVIVAL_FOLLOW_UP * s->age, TEST_FOLLOW_UP, false },
		{ s->newest, ANOTHER_REGIME, TEST_FLOWS, false },
		{ s->survivors, s->demand, TEST_LOSS, false },
		{ s->age, 1.25 * ask->past.release_age, TEST_PAST_AGE, false },
		{ s->bytes, 1.5 * (double)ask->past.plateau, TEST_PAST_SIZE, false },
		{ s->upper, flat_threshold(s), TEST_FLAT, true },
		{ s->plateau, PLATEAU_SHARE * s->headroom, TEST_TURNOVER, false },
		{ kept ? s->retention : s->flow, kept ? RETENTION_KEEPS : FLOW_KEEPS,
		  kept ? TEST_OR_KEPT : TEST_STEADY, false },
		{ s->projected, s->headroom, TEST_SATURATION, false },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (!test__ask(ask->log, &rows[i]))
			return rows[i].test;
	}
	return TEST_NONE;
}

struct survival survival__at(const struct survival_ask *ask, uint32_t age)
{
	const struct trend *trend = ask->trend;
	struct survival s = { .age = age, .failed = TEST_GENERATIONS, .plateau = INFINITY,
			      .projected = INFINITY };
	struct walk walk;

	s.dead = trend__deaths_from(trend, trend_age_cell(age));
	find_generations(ask, &s, &walk);
	s.upper = wilson_upper(s.dead, s.dead + s.survivors);
	if (!test__at_least(ask->log, TEST_GENERATIONS, s.generations, SURVIVAL_GENERATIONS))
		return s;
	s.strays = s.siblings >= SIBLINGS_SHARE * s.survivors &&
		   trend->death_ticks >= SIBLING_TICKS;
	s.headroom = ask->left + s.bytes;
	s.demand = loss_demand(trend->site, ask->loss_rate, s.births);
	compare_halves(&s, &walk);
	s.plateau = plateau(ask, &s);
	s.projected = projection(&s, &walk);
	s.failed = first_failed(ask, &s);
	return s;
}
