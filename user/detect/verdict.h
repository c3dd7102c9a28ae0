/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The rules: from the trend of one site to a verdict. Pure; docs/detector.md has the reasons.
 * Private to user/detect.
 */
#ifndef UNFREED_DETECT_VERDICT_H
#define UNFREED_DETECT_VERDICT_H

#include "user/detect/detector.h"
#include "user/detect/survival.h"
#include "user/detect/trend.h"

/* What the rules need to know beyond the site. */
struct verdict_facts {
	enum detector_question question;
	uint32_t now, first;	/* ticks: the moment judged, and when watching this process began */
	bool exited;		/* `now` is its last moment */
	bool lossy;		/* what it holds may be given back: its map file is to be read again */
	double loss_rate;	/* share of all events that was lost, and not known of whom, 0..1 */
	uint64_t left;		/* bytes to the nearest limit; UINT64_MAX: no limit known */
	uint32_t stands;	/* detector_opts.stands_ticks */
	struct test_log *log;	/* notes the tests of the site judged; NULL: nobody asked */
};

/* Ticks from first to now. */
uint32_t facts__observed(const struct verdict_facts *facts);
struct survival_ask facts__ask(const struct verdict_facts *facts, const struct trend *trend);

/* One judgement of who asks about one process, without memory of earlier ones. */
struct leak_test {
	enum finding finding;	/* FINDING_NOTHING: no leak */
	uint64_t n, bytes;	/* the survivors that count against the site */
	uint32_t youngest;	/* age of the youngest of them, ticks */
	bool weak;		/* to be held for longer, and dropped as soon as it fails */
};
struct leak_test leak__test(const struct trend *trend, const struct verdict_facts *facts);

/* Why a site is put to no test, static words; NULL: it is. */
const char *site__unasked(const struct site *site, const struct verdict_facts *facts);

/* Judges the site as of facts->now and keeps the outcome in the trend. */
void verdict__update(struct trend *trend, const struct verdict_facts *facts);

/* Births ended well before `now`: for 1 s at least and a quarter of the time since the first. */
bool trend__births_stopped(const struct trend *trend, uint32_t now);

/*
 * Of so many births, survivors that a loss of events alone could explain; 0 without loss. 4 e N + 12 for the share e of
 * events lost of nobody knows whom; and as many for the share that the site's process lost of this
 * kind, but never more than a few beyond the releases that it did lose.
 */
double loss_demand(const struct site *site, double loss_rate, double births);

#endif /* UNFREED_DETECT_VERDICT_H */
