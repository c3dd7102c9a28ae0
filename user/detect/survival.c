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

const char *survival_test_name(enum survival_test test)
{
	static const char *const names[] = {
		[TEST_GENERATIONS] = "generations",	[TEST_FOLLOW_UP] = "follow-up",
		[TEST_FLOWS] = "still flowing",		[TEST_LOSS] = "lost events",
		[TEST_PAST] = "earlier runs",		[TEST_FLAT] = "flat survival",
		[TEST_TURNOVER] = "turnover",		[TEST_STEADY] = "steady inflow",
		[TEST_SATURATION] = "saturation",	[TEST_PATIENCE] = "patience",
		[TEST_SIZE] = "size",			[TEST_NONE] = "none",
	};

	return names[test];
}

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

static bool is_flat(const struct survival *s)
{
	if (s->upper <= SURVIVAL_FLAT)
		return true;
	return s->dead < 0.5 && s->survivors >= FEW_LARGE &&
	       s->upper * s->headroom <= FEW_LARGE_FLAT * s->bytes;
}

static enum survival_test first_failed(const struct survival_ask *ask, const struct survival *s)
{
	const struct lesson *past = &ask->past;

	if (ask->now - s->since < (uint64_t)SURVIVAL_FOLLOW_UP * s->age)
		return TEST_FOLLOW_UP;
	if (s->newest < ANOTHER_REGIME)
		return TEST_FLOWS;
	if (s->survivors < s->demand)
		return TEST_LOSS;
	if (s->age < 1.25 * past->release_age || s->bytes < 1.5 * (double)past->plateau)
		return TEST_PAST;
	if (!is_flat(s))
		return TEST_FLAT;
	if (s->plateau < PLATEAU_SHARE * s->headroom)
		return TEST_TURNOVER;
	if (s->flow < FLOW_KEEPS && !(s->strays && s->retention >= RETENTION_KEEPS))
		return TEST_STEADY;
	if (s->projected < s->headroom)
		return TEST_SATURATION;
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
	if (s.generations < SURVIVAL_GENERATIONS)
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
