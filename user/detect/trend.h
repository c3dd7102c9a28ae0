/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * What the detector remembers of one site: who was born when and still lives, at what age the
 * others were given back, and the floor and peak of what was held. Bounded, whatever the site does.
 * Private to user/detect.
 */
#ifndef UNFREED_DETECT_TREND_H
#define UNFREED_DETECT_TREND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/detect/past.h"
#include "user/detect/report.h"
#include "user/model/world.h"

#define TREND_COHORTS 36	/* about two per octave of age over a day */
#define TREND_AGES 48		/* half octaves: the last one begins at 19 days */
#define TREND_LEVELS 16
#define TREND_DEATH 16		/* one death, before it fades */

/* Objects born in the ticks [start, end). */
struct cohort {
	uint32_t start, end;
	uint32_t births, live;	/* births: at most UINT32_MAX is told of */
	uint64_t bytes;		/* of those that live */
};

/* The least and the most that was held in each of up to TREND_LEVELS windows, back to back from
 * `start`; and the most of it that was old. */
struct levels {
	uint32_t least[TREND_LEVELS], most[TREND_LEVELS], old[TREND_LEVELS];	/* KiB */
	uint64_t now;			/* bytes held at the latest news */
	uint32_t start, width;		/* ticks */
	uint32_t n;
};

enum finding {
	FINDING_NOTHING = 0,
	FINDING_STRAY,		/* class A: siblings are given back, these never */
	FINDING_NEVER_CLOSED,	/* class B: handles of which hardly any was ever closed */
	FINDING_SAME_FILE,	/* one file range mapped again and again */
	FINDING_GROWTH,		/* regions: floor and peak still rise */
	FINDING_COLLECTOR,	/* closed by nobody but the garbage collector */
};

struct trend {
	struct site *site;
	struct trend *prev, *next;	/* all trends of the detector */
	struct cohort *cohorts;		/* oldest first */
	uint32_t n_cohorts, capacity;
	uint64_t live;			/* of all cohorts */
	uint64_t opened_seen;		/* site->opened at the last birth */
	uint64_t closed_seen;		/* site->closed at the last birth or death */
	uint32_t deaths[TREND_AGES];	/* whole objects, by trend_age_cell(), in 1/TREND_DEATH;
					 * a quarter fades as the time observed doubles */
	uint32_t next_fading;		/* tick */
	uint32_t death_ticks;		/* distinct ones */
	uint64_t n_deaths;		/* all, whenever */
	uint32_t oldest_death;		/* greatest age of a death, ticks */
	uint64_t death_ages;		/* sum of the ages of deaths, ticks */
	uint32_t last_dead_birth;	/* when the last one to die was born, tick */
	uint32_t last_birth, last_death;	/* ticks */
	struct levels levels;

	/* What the rules made of it. */
	enum verdict verdict;
	enum finding finding;
	uint32_t next_check;		/* tick */
	uint32_t checked;		/* tick of the last check, */
	uint64_t checked_bytes;		/* and what was held then */
	bool test_true;			/* the leak test held at the last check */
	uint32_t true_since;		/* tick from which it held without a break */
	uint32_t verdict_since;		/* tick of the last change of `verdict` */
	uint32_t kept_tick;		/* survivors when the test last held: born up to here, */
	uint64_t kept, kept_died;	/* this many, and how many of these died since */
	bool weak;		/* the finding is one of a weak test; see struct leak_test */
	bool was_leak;			/* class A, ever */
	uint8_t growth_percent;		/* of the headroom, at which never closed is told; 0: the
					 * usual one */
	uint8_t ended_by;		/* enum test: why the last verdict was taken back */
	uint32_t ended;			/* tick of that; 0: none was */
	uint32_t last_true;		/* tick at which the test held last */
	uint32_t age;			/* service: at which it held, ticks */
	bool past_known;		/* `past` was asked for */
	struct lesson past;		/* what earlier runs teach of this site */
	uint64_t most_old;		/* objects */
};

struct trend *trend__new(struct site *site, uint32_t first_tick);	/* NULL: no memory */
struct trend *trend__free(struct trend *trend);				/* NULL; accepts NULL */

/* `births` objects and `bytes` more at `tick`. 0 or -ENOMEM. */
int trend__born(struct trend *trend, uint32_t tick, uint64_t births, uint64_t bytes);
/* An object born at `birth_tick` gave back `bytes`, all that was left of it if `whole`. The site's
 * counters already know: no more than site->open objects stay alive in the cohorts. */
void trend__died(struct trend *trend, uint32_t tick, uint32_t birth_tick, uint64_t bytes,
		 bool whole);

/* The last `n` deaths did not happen: their release failed. `bytes` are held again. */
void trend__restored(struct trend *trend, uint64_t n, uint64_t bytes);

/* How much lives, and in which cohorts. */
struct survivors {
	uint64_t n, bytes;
	uint32_t n_cohorts;
	uint32_t youngest, oldest;	/* ages in ticks, as the cohorts' edges bound them */
};
/* Those certainly `age` ticks old or older at tick `now`. */
struct survivors trend__survivors(const struct trend *trend, uint32_t now, uint32_t age);

/* Survivors born in [from, to); a cohort across an edge counts in proportion. */
double trend__born_between(const struct trend *trend, uint32_t from, uint32_t to);
double trend__bytes_born_between(const struct trend *trend, uint32_t from, uint32_t to);

/* Deaths at cell's first age or older; of those long ago a part. */
double trend__deaths_from(const struct trend *trend, unsigned int cell);
/* Notes that it is `tick`: what is long ago counts for less. */
void trend__age(struct trend *trend, uint32_t tick);
unsigned int trend_age_cell(uint32_t age);
/* The first age of a cell, ticks: 0, 1, 2, 3, 4, 6, 8, 11, 16... half octaves. */
uint32_t trend_cell_age(unsigned int cell);

/* Notes that `bytes` are held at `tick`. */
void levels__note(struct levels *levels, uint32_t tick, uint64_t bytes);
/* ... and that of these so many are old. */
void levels__note_old(struct levels *levels, uint64_t bytes);
/* How much higher the newest quarter of the time since `start` lies than what was before: its floor
 * than that of the quarter before it, and its peak than any earlier one, whichever is less. 0:
 * not higher, or too early to say. */
uint64_t levels__rise(const struct levels *levels);

#endif /* UNFREED_DETECT_TREND_H */
