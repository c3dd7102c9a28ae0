/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The cohort-survival test at one age: do those born at this site that reach the age stay for good,
 * generation after generation, up to now? Every number on the way is kept, so that it can be
 * explained. Pure; docs/detector.md has the reasons. Private to user/detect.
 */
#ifndef UNFREED_DETECT_SURVIVAL_H
#define UNFREED_DETECT_SURVIVAL_H

#include "user/detect/past.h"
#include "user/detect/test_log.h"
#include "user/detect/trend.h"

#define SURVIVAL_FLAT 0.10	/* of those that reach an age may be given back later */
#define SURVIVAL_GENERATIONS 5
#define SURVIVAL_FOLLOW_UP 2	/* times the age */

/* What the test asks for beyond the site. */
struct survival_ask {
	const struct trend *trend;
	uint32_t now;		/* ticks */
	double left;		/* bytes to the nearest limit; INFINITY: none */
	double loss_rate;	/* of events of nobody knows whom; loss_demand() adds the known */
	struct lesson past;
	struct test_log *log;	/* notes the tests; NULL */
};

struct survival {
	uint32_t age;		/* ticks */
	enum test failed;	/* the first one; TEST_NONE */
	uint32_t generations;
	uint32_t since;		/* tick at which the oldest of them begins */
	uint32_t until;		/* tick after the newest of them */
	double survivors, births, bytes;	/* of these generations */
	double siblings;	/* born since then and given back */
	double dead;		/* ever given back at that age or older */
	double upper;		/* Wilson's bound of the share given back later */
	double demand;		/* survivors that losses ask for */
	double plateau;		/* bytes at which late releases would hold it; INFINITY */
	double projected;	/* bytes at which a falling inflow would end; INFINITY */
	double newest;		/* flow of the newest generation as a share of the older ones' */
	double flow, retention;	/* newer half as a share of the older half */
	double rate;		/* bytes per tick, of the newer generations */
	double headroom;	/* bytes: what is left, and what survives */
	bool strays;		/* class A: younger siblings are given back meanwhile */
};

/* Everything but patience and size, which depend on the question: `failed` is TEST_NONE when all of
 * these hold. */
struct survival survival__at(const struct survival_ask *ask, uint32_t age);

/* Then the service's patience and size (verdict.c). */
void survival__weigh(const struct survival_ask *ask, struct survival *s);

/* Survival is not flat beyond an age at which so many were given back, were all that live as old:
 * saves a closer look. */
bool trend__cannot_be_flat(const struct trend *trend, double dead);

/* Upper end of Wilson's 95 % interval for k out of n. */
double wilson_upper(double k, double n);

#endif /* UNFREED_DETECT_SURVIVAL_H */
