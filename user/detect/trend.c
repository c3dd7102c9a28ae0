/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Cohorts and death ages of one site.
 *
 * A birth opens a cohort one tick wide, or joins the one of this tick. When there are more than
 * TREND_COHORTS, the two neighbours whose common span is the smallest share of their age become
 * one: resolution in proportion to age, at any pace, which is all that survival by age asks for.
 * A death carries the tick of its birth, so it finds its cohort exactly, merged or not.
 *
 * Ages of deaths are kept in half octaves, and a quarter of them forgotten whenever the time observed has doubled: what a
 * site did in its first minute says little about its second day.
 */
#include "user/detect/trend.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_FADING WORLD_TICKS(6400)	/* observed */

uint32_t trend_cell_age(unsigned int cell)
{
	/* Cell 0 is age 0. 2^(j/2) for j = 0, 2, 3, 4...: j = 1 would be another 1. */
	unsigned int j = cell <= 1 ? 0 : cell;

	if (cell == 0)
		return 0;
	if (j % 2 == 0)
		return 1u << (j / 2);
	return (uint32_t)((181ull << (j / 2)) + 64) / 128;	/* 181/128: the root of 2 */
}

unsigned int trend_age_cell(uint32_t age)
{
	unsigned int cell;

	if (age < 4)
		return age;
	/* Two cells to each octave: the upper half, or not yet. */
	cell = 2 * (31 - (unsigned int)__builtin_clz(age));
	if (cell + 1 < TREND_AGES && trend_cell_age(cell + 1) <= age)
		cell++;
	return cell < TREND_AGES ? cell : TREND_AGES - 1;
}

struct trend *trend__new(struct site *site, uint32_t first_tick)
{
	struct trend *trend = calloc(1, sizeof(*trend));

	if (!trend)
		return NULL;
	trend->site = site;
	trend->levels.start = first_tick;
	trend->levels.width = 1;
	trend->next_fading = FIRST_FADING;
	return trend;
}

struct trend *trend__free(struct trend *trend)
{
	if (trend) {
		free(trend->cohorts);
		free(trend);
	}
	return NULL;
}

/* Which neighbours to make one: the least span / age. Both stay below 2^33, so the products fit. */
static uint32_t cheapest_pair(const struct trend *trend, uint32_t now)
{
	uint64_t best_span = 0, best_age = 0;
	uint32_t best = 0;

	for (uint32_t i = 0; i + 1 < trend->n_cohorts; i++) {
		uint64_t span = trend->cohorts[i + 1].end - trend->cohorts[i].start;
		uint64_t age = (uint64_t)now - trend->cohorts[i + 1].start + 1;

		if (i == 0 || span * best_age < best_span * age) {
			best = i;
			best_span = span;
			best_age = age;
		}
	}
	return best;
}

static void add_births(struct cohort *cohort, uint64_t n)
{
	n += cohort->births;
	cohort->births = n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
}

static void merge_pair(struct trend *trend, uint32_t i)
{
	struct cohort *a = &trend->cohorts[i], *b = a + 1;

	a->end = b->end;
	add_births(a, b->births);
	a->live += b->live;
	a->bytes += b->bytes;
	trend->n_cohorts--;
	memmove(b, b + 1, (trend->n_cohorts - i - 1) * sizeof(*b));
}

static int cohort_append(struct trend *trend, uint32_t tick, struct cohort **out)
{
	struct cohort *cohort;

	if (trend->n_cohorts == TREND_COHORTS)
		merge_pair(trend, cheapest_pair(trend, tick));
	if (trend->n_cohorts == trend->capacity) {
		uint32_t capacity = trend->capacity ? trend->capacity * 2 : 6;
		struct cohort *grown;

		capacity = capacity < TREND_COHORTS ? capacity : TREND_COHORTS;
		grown = realloc(trend->cohorts, capacity * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		trend->cohorts = grown;
		trend->capacity = capacity;
	}
	cohort = &trend->cohorts[trend->n_cohorts++];
	*cohort = (struct cohort){ .start = tick, .end = tick + 1 };
	*out = cohort;
	return 0;
}

int trend__born(struct trend *trend, uint32_t tick, uint64_t births, uint64_t bytes)
{
	struct cohort *cohort = NULL;
	int r;

	if (trend->n_cohorts)
		cohort = &trend->cohorts[trend->n_cohorts - 1];
	if (!cohort || tick >= cohort->end) {
		r = cohort_append(trend, tick, &cohort);
		if (r < 0)
			return r;
	}
	if (births > UINT32_MAX - cohort->live)
		births = UINT32_MAX - cohort->live;	/* more than any model holds */
	add_births(cohort, births);
	cohort->live += (uint32_t)births;
	trend->live += births;
	cohort->bytes += bytes;
	if (births)
		trend->last_birth = tick;
	return 0;
}

/* The cohort of a birth tick; NULL when that birth was never told (inherited by fork, say). */
static struct cohort *cohort_of(struct trend *trend, uint32_t tick)
{
	uint32_t low = 0, high = trend->n_cohorts;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (trend->cohorts[mid].end <= tick)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == trend->n_cohorts || trend->cohorts[low].start > tick)
		return NULL;
	return &trend->cohorts[low];
}

/* The cohort nearest to `tick`, newer ones first, in which anything lives; NULL: none. */
static struct cohort *nearest_live(struct trend *trend, uint32_t tick)
{
	struct cohort *older = NULL;

	for (uint32_t i = 0; i < trend->n_cohorts; i++) {
		struct cohort *c = &trend->cohorts[i];

		if (!c->live)
			continue;
		if (c->end > tick)
			return c;
		older = c;
	}
	return older;
}

/*
 * Takes one object out of the cohorts. Its own cohort need not know it: a child's objects were
 * inherited, and those of a site that was merged into this one were told as born on that day. So
 * what counts is that no more live than are open.
 */
static struct cohort *bury(struct trend *trend, uint32_t birth_tick)
{
	struct cohort *cohort = cohort_of(trend, birth_tick);

	if (!cohort || !cohort->live) {
		if (trend->live <= trend->site->open)
			return NULL;
		cohort = nearest_live(trend, birth_tick);
	}
	if (cohort) {
		cohort->live--;
		trend->live--;
	}
	return cohort;
}

static void fade_deaths(struct trend *trend)
{
	for (unsigned int i = 0; i < TREND_AGES; i++)
		trend->deaths[i] -= trend->deaths[i] / 4;
}

void trend__age(struct trend *trend, uint32_t tick)
{
	while (tick > trend->levels.start && tick - trend->levels.start >= trend->next_fading) {
		fade_deaths(trend);
		trend->next_fading = trend->next_fading < UINT32_MAX / 2 ?
					      2 * trend->next_fading : UINT32_MAX;
		if (trend->next_fading == UINT32_MAX)
			break;
	}
}

void trend__died(struct trend *trend, uint32_t tick, uint32_t birth_tick, uint64_t bytes,
		 bool whole)
{
	struct cohort *cohort = whole ? bury(trend, birth_tick) : cohort_of(trend, birth_tick);
	uint32_t age = tick > birth_tick ? tick - birth_tick : 0;
	unsigned int cell;

	if (cohort)
		cohort->bytes -= bytes < cohort->bytes ? bytes : cohort->bytes;
	if (!whole)
		return;
	trend->death_ticks += !trend->n_deaths || tick != trend->last_death;
	trend->last_death = tick;
	trend->last_dead_birth = birth_tick;
	trend->n_deaths++;
	trend->death_ages += age;
	trend__age(trend, tick);
	cell = trend_age_cell(age);
	if (trend->deaths[cell] > UINT32_MAX - TREND_DEATH)
		fade_deaths(trend);
	trend->deaths[cell] += TREND_DEATH;
	if (age > trend->oldest_death)
		trend->oldest_death = age;
	if (trend->kept && birth_tick <= trend->kept_tick)
		trend->kept_died++;
}

void trend__restored(struct trend *trend, uint64_t n, uint64_t bytes)
{
	struct cohort *cohort = cohort_of(trend, trend->last_dead_birth);
	uint32_t age = trend->last_death - trend->last_dead_birth;
	uint32_t *deaths = &trend->deaths[trend_age_cell(age)];

	n = n < trend->n_deaths ? n : trend->n_deaths;
	*deaths -= n < *deaths / TREND_DEATH ? (uint32_t)n * TREND_DEATH : *deaths;
	trend->n_deaths -= n;
	trend->death_ages -= n * age;
	if (!cohort)
		return;
	cohort->live += (uint32_t)n;
	cohort->bytes += bytes;
	trend->live += n;
}

struct survivors trend__survivors(const struct trend *trend, uint32_t now, uint32_t age)
{
	struct survivors s = { .youngest = UINT32_MAX };

	for (uint32_t i = 0; i < trend->n_cohorts; i++) {
		const struct cohort *c = &trend->cohorts[i];
		uint32_t youngest = now >= c->end ? now - c->end + 1 : 0;
		uint32_t oldest = now > c->start ? now - c->start : 0;

		if (youngest < age)
			break;
		if (!c->live)
			continue;
		s.n += c->live;
		s.bytes += c->bytes;
		s.n_cohorts++;
		if (youngest < s.youngest)
			s.youngest = youngest;
		if (oldest > s.oldest)
			s.oldest = oldest;
	}
	if (!s.n)
		s.youngest = 0;
	return s;
}

/* The share of a cohort that lies in [from, to). */
static double overlap(const struct cohort *c, uint32_t from, uint32_t to)
{
	uint32_t a = c->start > from ? c->start : from;
	uint32_t b = c->end < to ? c->end : to;

	return b > a ? (double)(b - a) / (c->end - c->start) : 0;
}

double trend__born_between(const struct trend *trend, uint32_t from, uint32_t to)
{
	double n = 0;

	for (uint32_t i = 0; i < trend->n_cohorts; i++)
		n += overlap(&trend->cohorts[i], from, to) * (double)trend->cohorts[i].live;
	return n;
}

double trend__bytes_born_between(const struct trend *trend, uint32_t from, uint32_t to)
{
	double n = 0;

	for (uint32_t i = 0; i < trend->n_cohorts; i++)
		n += overlap(&trend->cohorts[i], from, to) * (double)trend->cohorts[i].bytes;
	return n;
}

double trend__deaths_from(const struct trend *trend, unsigned int cell)
{
	uint64_t n = 0;

	for (; cell < TREND_AGES; cell++)
		n += trend->deaths[cell];
	return (double)n / TREND_DEATH;
}
