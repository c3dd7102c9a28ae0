/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Invented processes whose truth is known: objects with the ticks of their birth and death, at
 * sites that are labelled. Rates are per tick. One tick stands for 10 s when a scenario says
 * minutes; the tick that is written may be shorter or longer, which changes nothing else.
 */
#ifndef UNFREED_TESTS_DETECTOR_MAKE_H
#define UNFREED_TESTS_DETECTOR_MAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "tests/detector/draw.h"

#define MINUTE 6u
#define HOUR 360u
#define SECOND 0.1
#define NEVER UINT32_MAX
#define MIB (1024.0 * 1024.0)
#define MAX_MADE_SITES 16

struct object {
	uint32_t birth, death;	/* ticks; NEVER */
};

struct made_site {
	uint64_t size;		/* bytes of an object */
	const char *kind;
	bool leak;
	uint32_t leak_from, leak_to;	/* ticks; NEVER: to the end */
	double leak_bytes;	/* per tick, expected */
	struct object *objects;
	size_t n, capacity;
};

enum made_limit {
	LIMIT_INSIDE,	/* reached before the trace ends, where it then ends */
	LIMIT_FAR,	/* days away */
	LIMIT_CLOSE,	/* never reached; a leak that ended: little above the peak */
	LIMIT_WIDE,	/* never reached; benign: 1.25 to 4 times the peak */
};

struct made {
	struct draw draw;
	uint32_t ticks;
	struct made_site sites[MAX_MADE_SITES];
	unsigned int n_sites;
	enum made_limit limit_is;
	double limit, base;		/* bytes */
	double loss;			/* share of the frees that were lost */
	uint32_t oom;			/* tick at which the limit is reached; NEVER */
	double *usage;			/* bytes, per tick */
};

/* --- sites and their objects ---------------------------------------------------------------- */

struct made_site *made__site(struct made *made, uint64_t size);	/* size 0: one of the usual ones */
void made__leaks(struct made_site *site, uint32_t from, uint32_t to, double bytes_per_tick);
/* Returns the index of the object. */
size_t made_site__born(struct made_site *site, uint32_t birth, uint32_t death);

enum life_is { LIFE_EXPONENTIAL, LIFE_LOGNORMAL, LIFE_FIXED, LIFE_TWO_MODES, LIFE_FOREVER };
struct life {
	enum life_is is;
	double mean;		/* ticks; the median of LIFE_LOGNORMAL */
	double sigma;		/* LIFE_LOGNORMAL */
	double share, other;	/* LIFE_TWO_MODES: this share lives `other` ticks */
};

static inline struct life life_of(enum life_is is, double mean, double sigma)
{
	return (struct life){ .is = is, .mean = mean, .sigma = sigma };
}

struct churn {
	struct life life;
	double lost;			/* share that never dies, */
	uint32_t lost_from, lost_to;	/* of those born in [from, to) */
	const uint32_t *collections;	/* NULL: dies at once; else at the next of these ticks, */
	size_t n_collections;		/* ascending */
};

/* Objects at `rate[tick]`, each with its own life. */
void made__churn(struct made *made, struct made_site *site, const double *rate,
		 const struct churn *churn);

struct cache {
	double share;		/* of the births; the others churn with `life` */
	struct life life;
	uint32_t capacity;	/* objects */
	bool lru;		/* else first in, first out */
};
void made__cache(struct made *made, struct made_site *site, const double *rate,
		 const struct cache *cache);

/* --- rates: arrays of made->ticks, to be freed ------------------------------------------------ */

/* Around `mean` per tick, a log-normal autoregressive wander of that spread and memory. */
double *rate__wander(struct made *made, double mean, double spread, double memory);
double *rate__steady(struct made *made, double mean);	/* spread 0.2, memory 0.97 */
void rate__day(struct made *made, double *rate, double depth);
void rate__bursts(struct made *made, double *rate, double on_min, double on_max, double off_min,
		  double off_max);	/* minutes */
double rate__mean(const struct made *made, const double *rate);

/* Ticks of collections, that many minutes apart. The caller frees *out. */
size_t made__collections(struct made *made, double low, double high, uint32_t **out);

/* --- a whole process ------------------------------------------------------------------------ */

struct scenario {
	const char *name, *what;
	uint32_t hours_min, hours_max;	/* in minutes when `minutes` */
	bool minutes;
	enum made_limit limit_is;
	void (*make)(struct made *made);
};
extern const struct scenario leaking[], benign[], others[];
extern const size_t n_leaking, n_benign, n_others;

/* Makes the process of (scenario, seed), with six harmless sites in the background. */
void made__init(struct made *made, const struct scenario *scenario, uint32_t seed);
void made__fini(struct made *made);

/*
 * Writes it as docs/detector.md says, with the truth as comments. `keep` below 1: an earlier run of
 * the same program, in which each object appeared with that probability.
 */
void made__write(struct made *made, FILE *f, const char *id, double tick_seconds, double keep);

void *made_alloc(size_t n, size_t size);	/* zeros; ends the program without memory */

#endif /* UNFREED_TESTS_DETECTOR_MAKE_H */
