/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The cohort-survival test at one age: do those born at this site that reach the age stay for good,
 * generation after generation, up to now? Every number on the way is kept, so that it can be
 * explained. Pure; docs/detector.md has the reasons. Private to user/detect.
 */
#ifndef UNFREED_DETECT_SURVIVAL_H
#define UNFREED_DETECT_SURVIVAL_H

#include "user/detect/past.h"
#include "user/detect/trend.h"

#define SURVIVAL_FLAT 0.10	/* of those that reach an age may be given back later */
#define SURVIVAL_GENERATIONS 5
#define SURVIVAL_FOLLOW_UP 2	/* times the age */

/* In the order in which they are made; the first one that fails says why this is no leak. */
enum survival_test {
	TEST_GENERATIONS,	/* enough of them have survivors */
	TEST_FOLLOW_UP,		/* they span twice the age */
	TEST_FLOWS,		/* the newest one is not the last */
	TEST_LOSS,		/* more survive than lost events explain */
	TEST_PAST,		/* older, and more, than earlier runs have seen given back */
	TEST_FLAT,		/* of those that reached the age hardly any is given back later */
	TEST_TURNOVER,		/* it does not level off by those that are given back late */
	TEST_STEADY,		/* the inflow does not fall */
	TEST_SATURATION,	/* nor will it end below the limit if it goes on as it slows */
	TEST_PATIENCE,		/* the age is worth something beside the time that is left */
	TEST_SIZE,		/* what survives matters */
	N_TESTS,
	TEST_NONE = N_TESTS,	/* all hold */
	TEST_GIVEN_BACK,	/* none of them: half of the survivors were given back */
};

/* What the test asks for beyond the site. */
struct survival_ask {
	const struct trend *trend;
	uint32_t now;		/* ticks */
	double left;		/* bytes to the nearest limit; INFINITY: none */
	double loss_rate;	/* of events of nobody knows whom; loss_demand() adds the known */
	struct lesson past;
};

struct survival {
	uint32_t age;		/* ticks */
	enum survival_test failed;
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

const char *survival_test_name(enum survival_test test);

/* Upper end of Wilson's 95 % interval for k out of n. */
double wilson_upper(double k, double n);

#endif /* UNFREED_DETECT_SURVIVAL_H */
