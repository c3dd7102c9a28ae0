/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The material of which scenarios are made: rates that wander, lives, caches, collectors, limits.
 * A process is built whole, then its limit is put where the scenario wants it and what lies behind
 * the kill is cut off.
 */
#include "tests/detector/make.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

void *made_alloc(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size);

	if (!p) {
		fputs("out of memory\n", stderr);
		exit(99);
	}
	return p;
}

struct made_site *made__site(struct made *made, uint64_t size)
{
	static const uint64_t usual[] = { 16384, 65536, 65536, 262144, 1048576 };
	struct made_site *site = &made->sites[made->n_sites++];

	site->size = size ? size : usual[draw_below(&made->draw, 5)];
	site->kind = "anon";
	return site;
}

void made__leaks(struct made_site *site, uint32_t from, uint32_t to, double bytes_per_tick)
{
	site->leak = true;
	site->leak_from = from;
	site->leak_to = to;
	site->leak_bytes = bytes_per_tick;
}

size_t made_site__born(struct made_site *site, uint32_t birth, uint32_t death)
{
	if (site->n == site->capacity) {
		site->capacity = site->capacity ? 2 * site->capacity : 1024;
		site->objects = realloc(site->objects, site->capacity * sizeof(*site->objects));
		if (!site->objects)
			exit(99);
	}
	site->objects[site->n] = (struct object){ birth, death };
	return site->n++;
}

/* --- rates ---------------------------------------------------------------------------------- */

double *rate__wander(struct made *made, double mean, double spread, double memory)
{
	double *rate = made_alloc(made->ticks, sizeof(*rate));
	double x = 0, step = spread * sqrt(1 - memory * memory);

	for (uint32_t t = 0; t < made->ticks; t++) {
		x = memory * x + step * draw_normal(&made->draw);
		rate[t] = mean * exp(x);
	}
	return rate;
}

double *rate__steady(struct made *made, double mean)
{
	return rate__wander(made, mean, 0.2, 0.97);
}

void rate__day(struct made *made, double *rate, double depth)
{
	double phase = draw_between(&made->draw, 0, 2 * M_PI);

	for (uint32_t t = 0; t < made->ticks; t++)
		rate[t] *= 1 + depth * sin(2 * M_PI * t / (24.0 * HOUR) + phase);
}

void rate__bursts(struct made *made, double *rate, double on_min, double on_max, double off_min,
		  double off_max)
{
	uint32_t t = 0;

	while (t < made->ticks) {
		uint32_t off = 1 + (uint32_t)(MINUTE * draw_between(&made->draw, off_min, off_max));
		uint32_t on = 1 + (uint32_t)(MINUTE * draw_between(&made->draw, on_min, on_max));

		for (uint32_t end = t + off; t < end && t < made->ticks; t++)
			rate[t] *= 0.05;
		t += on;
	}
}

double rate__mean(const struct made *made, const double *rate)
{
	double sum = 0;

	for (uint32_t t = 0; t < made->ticks; t++)
		sum += rate[t];
	return sum / made->ticks;
}

size_t made__collections(struct made *made, double low, double high, uint32_t **out)
{
	size_t n = 0;

	*out = made_alloc(made->ticks + 1, sizeof(**out));
	for (uint32_t t = 0; t < made->ticks; (*out)[n++] = t)
		t += 1 + (uint32_t)(MINUTE * draw_between(&made->draw, low, high));
	return n;
}

/* --- lives ---------------------------------------------------------------------------------- */

static uint32_t draw_death(struct draw *draw, const struct life *life, uint32_t birth)
{
	double ticks = life->mean;

	if (life->is == LIFE_FOREVER)
		return NEVER;
	if (life->is == LIFE_LOGNORMAL)
		ticks = draw_lognormal(draw, life->mean, life->sigma);
	else if (life->is == LIFE_TWO_MODES && draw_chance(draw, life->share))
		ticks = life->other;
	else if (life->is != LIFE_FIXED)
		ticks = draw_exponential(draw, life->mean);
	ticks += draw_unit(draw);	/* born somewhere in its tick */
	return ticks < NEVER - birth ? birth + (uint32_t)ticks : NEVER;
}

/* The first collection at `death` or later. */
static uint32_t collected_at(const struct churn *churn, uint32_t death)
{
	size_t low = 0, high = churn->n_collections;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (churn->collections[mid] < death)
			low = mid + 1;
		else
			high = mid;
	}
	return low < churn->n_collections ? churn->collections[low] : NEVER;
}

void made__churn(struct made *made, struct made_site *site, const double *rate,
		 const struct churn *churn)
{
	for (uint32_t t = 0; t < made->ticks; t++) {
		bool leaks = t >= churn->lost_from && t < churn->lost_to;

		for (uint32_t n = draw_poisson(&made->draw, rate[t]); n; n--) {
			uint32_t death = NEVER;

			if (!leaks || !draw_chance(&made->draw, churn->lost)) {
				death = draw_death(&made->draw, &churn->life, t);
				if (churn->collections)
					death = collected_at(churn, death);
			}
			made_site__born(site, t, death);
		}
	}
}

/* Full, the cache lets the oldest go; `lru`: mostly one of the older ones. */
static void cache__evict(struct made *made, struct made_site *site, uint32_t *in, uint32_t *n,
			 bool lru, uint32_t t)
{
	double u = draw_unit(&made->draw);
	uint32_t i = lru ? (uint32_t)(*n * u * u * u) : 0;

	site->objects[in[i]].death = t;
	memmove(&in[i], &in[i + 1], (*n - i - 1) * sizeof(*in));
	(*n)--;
}

void made__cache(struct made *made, struct made_site *site, const double *rate,
		 const struct cache *cache)
{
	uint32_t *in = made_alloc((size_t)cache->capacity + 1, sizeof(*in)), n_in = 0;

	for (uint32_t t = 0; t < made->ticks; t++) {
		for (uint32_t n = draw_poisson(&made->draw, rate[t]); n; n--) {
			if (!draw_chance(&made->draw, cache->share)) {
				made_site__born(site, t, draw_death(&made->draw, &cache->life, t));
				continue;
			}
			in[n_in++] = (uint32_t)made_site__born(site, t, NEVER);
			if (n_in > cache->capacity)
				cache__evict(made, site, in, &n_in, cache->lru, t);
		}
	}
	free(in);
}

/* --- the whole process ---------------------------------------------------------------------- */

static void add_background(struct made *made)
{
	struct made_site *site = made__site(made, 0);
	struct draw *draw = &made->draw;
	uint32_t which = draw_below(draw, 6), *collections = NULL;
	double *rate = rate__steady(made, draw_between(draw, 0.2, 1.5));
	struct churn churn = { .life = { .is = LIFE_EXPONENTIAL } };

	if (which == 0) {
		churn.life.mean = draw_between(draw, 2, 300) * SECOND;
	} else if (which == 1) {
		for (uint32_t n = 5 + draw_below(draw, 55); n; n--) {
			uint32_t t = (uint32_t)draw_exponential(draw, 2 * MINUTE);

			made_site__born(site, t < made->ticks ? t : made->ticks - 1, NEVER);
		}
	} else if (which == 2) {
		churn.life.mean = 20 * SECOND;
		churn.n_collections = made__collections(made, 2, 15, &collections);
		churn.collections = collections;
	} else if (which == 3) {
		churn.life = (struct life){ .is = LIFE_LOGNORMAL, .sigma = 1,
					    .mean = draw_between(draw, 20, 200) * SECOND };
	} else if (which == 4) {
		rate__day(made, rate, 0.7);
		churn.life.mean = draw_between(draw, 30, 600) * SECOND;
	} else {
		rate__bursts(made, rate, 1, 4, 5, 30);
		churn.life.mean = draw_between(draw, 5, 200) * SECOND;
	}
	if (which != 1)
		made__churn(made, site, rate, &churn);
	free(collections);
	free(rate);
}

/* Bytes held at the end of each tick. */
static double *held(const struct made *made)
{
	double *bytes = made_alloc(made->ticks + 1, sizeof(*bytes)), sum = 0;

	for (unsigned int i = 0; i < made->n_sites; i++) {
		const struct made_site *site = &made->sites[i];

		for (size_t k = 0; k < site->n; k++) {
			const struct object *o = &site->objects[k];

			bytes[o->birth] += (double)site->size;
			if (o->death < made->ticks)
				bytes[o->death] -= (double)site->size;
		}
	}
	for (uint32_t t = 0; t < made->ticks; t++)
		bytes[t] = sum += bytes[t];
	return bytes;
}

static double peak(const double *bytes, uint32_t n)
{
	double most = 0;

	for (uint32_t t = 0; t < n; t++)
		most = fmax(most, bytes[t]);
	return most;
}

/* The limit is what is held at some late tick for the first time. */
static void limit_inside(struct made *made, const double *bytes, double leaked)
{
	double shares[] = { draw_between(&made->draw, 0.7, 0.999), 0.999 };

	for (unsigned int i = 0; i < 2; i++) {
		uint32_t t = 0;

		made->limit = peak(bytes, (uint32_t)(made->ticks * shares[i]) + 1);
		while (bytes[t] < made->limit)
			t++;
		made->oom = t;
		if (t >= 0.6 * made->ticks)
			return;
	}
	/* Its ups and downs hide the leak: the limit lies above all of them. */
	made->limit = peak(bytes, made->ticks) + 0.3 * leaked * made->ticks;
	made->oom = made->ticks + (uint32_t)(0.3 * made->ticks);
}

static void put_limit(struct made *made, enum made_limit is, const double *bytes)
{
	double leaked = 0, most = peak(bytes, made->ticks), add;

	for (unsigned int i = 0; i < made->n_sites; i++)
		leaked += made->sites[i].leak_bytes;
	made->base = most * draw_between(&made->draw, 0.1, 1);
	made->oom = NEVER;
	if (is == LIMIT_INSIDE) {
		limit_inside(made, bytes, leaked);
		made->limit += made->base;
	} else if (is == LIMIT_FAR) {
		add = draw_between(&made->draw, 2, 10) * made->ticks;
		made->limit = most + made->base + add * leaked;
		made->oom = made->ticks + (uint32_t)add;
	} else {
		add = is == LIMIT_CLOSE ? draw_between(&made->draw, 1.02, 1.5) :
					  draw_between(&made->draw, 1.25, 4);
		made->limit = (most + made->base) * add;
	}
	if (made->oom < made->ticks)
		made->ticks = made->oom + 1;
}

void made__init(struct made *made, const struct scenario *scenario, uint32_t seed)
{
	double *bytes, wander = 0, length;

	memset(made, 0, sizeof(*made));
	made->draw.state = 0x9e3779b97f4a7c15ull * (seed + 1);
	for (const char *s = scenario->name; *s; s++)
		made->draw.state = draw_bits(&made->draw) ^ (unsigned char)*s;
	length = draw_between(&made->draw, scenario->hours_min, scenario->hours_max);
	made->ticks = (uint32_t)(length * (scenario->minutes ? MINUTE : HOUR)) + 2;
	scenario->make(made);
	for (unsigned int i = 0; i < 6; i++)
		add_background(made);
	bytes = held(made);
	put_limit(made, scenario->limit_is, bytes);
	made->usage = made_alloc(made->ticks, sizeof(*made->usage));
	for (uint32_t t = 0; t < made->ticks; t++) {
		wander = 0.98 * wander + 0.002 * draw_normal(&made->draw);
		made->usage[t] = (made->base + bytes[t]) * (1 + wander);
	}
	free(bytes);
}

void made__fini(struct made *made)
{
	for (unsigned int i = 0; i < made->n_sites; i++)
		free(made->sites[i].objects);
	free(made->usage);
}

static int compare_objects(const void *a, const void *b)
{
	const struct object *x = a, *y = b;

	if (x->birth != y->birth)
		return x->birth < y->birth ? -1 : 1;
	return x->death < y->death ? -1 : x->death > y->death;
}

static void write_site(struct made *made, FILE *f, const char *id, unsigned int i, double keep)
{
	struct made_site *site = &made->sites[i];
	size_t n = 0;

	for (size_t k = 0; k < site->n; k++) {
		if (site->objects[k].birth >= made->ticks)
			continue;
		if (keep < 1 && !draw_chance(&made->draw, keep))
			continue;
		site->objects[n++] = site->objects[k];
	}
	site->n = n;
	qsort(site->objects, n, sizeof(*site->objects), compare_objects);
	for (size_t k = 0; k < n;) {
		uint32_t birth = site->objects[k].birth;
		const char *separator = "";
		size_t births = 0;

		while (k + births < n && site->objects[k + births].birth == birth)
			births++;
		fprintf(f, "t %u %s %u %zu ", birth, id, i, births);
		for (size_t end = k + births; k < end;) {
			uint32_t death = site->objects[k].death;
			size_t same = 0;

			for (; k < end && site->objects[k].death == death; k++)
				same++;
			if (death < made->ticks) {
				fprintf(f, "%s%u:%zu", separator, death, same);
				separator = ",";
			}
		}
		fputc('\n', f);
	}
}

void made__write(struct made *made, FILE *f, const char *id, double tick_seconds, double keep)
{
	fprintf(f, "proc %s %.0f %.0f %g %g\n", id, made->limit, made->base, made->loss,
		tick_seconds);
	if (made->oom != NEVER)
		fprintf(f, "# oom %s %u\n", id, made->oom);
	for (unsigned int i = 0; i < made->n_sites; i++) {
		const struct made_site *site = &made->sites[i];

		fprintf(f, "site %s %u %" PRIu64 " %s %s\n", id, i, site->size, site->kind,
			site->leak ? "leak" : "ok");
		if (site->leak)
			fprintf(f, "# truth %s %u %u\n", id, i, site->leak_from);
	}
	for (unsigned int i = 0; i < made->n_sites; i++)
		write_site(made, f, id, i, keep);
	for (uint32_t t = 0; t < made->ticks; t++)
		fprintf(f, "usage %u %s %.0f\n", t, id, made->usage[t]);
}
