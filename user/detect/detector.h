/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The detector: which sites take and do not give back. Pure arithmetic over what the model tells
 * it; no clock, no /proc. docs/detector.md has the tests and where each threshold comes from.
 */
#ifndef UNFREED_DETECT_DETECTOR_H
#define UNFREED_DETECT_DETECTOR_H

#include "user/detect/past.h"
#include "user/detect/report.h"
#include "user/model/world.h"

struct detector;

enum detector_question {
	DETECTOR_ONE_SHOT,	/* attach, run, report: does this process give back what it takes? */
	DETECTOR_SERVICE,	/* daemon: must somebody be woken? Weighs a leak by the limit. */
};

/* The first digits of a site's id, as the report prints it. */
struct site_prefix {
	uint64_t digits;
	unsigned int n_digits;	/* 0: of no site */
};

struct detector_opts {
	enum detector_question question;
	uint32_t max_sites_reported;	/* per process; 0: a default */
	/* What earlier runs taught; sites that go teach it. Borrowed, outlives the world too. NULL: no
	 * memory. A run is judged by what was known when its site was seen first. */
	struct past *past;
	/* Service: what was told stands for so long after its tests last held, in ticks of the process's
	 * own clock, unless half of the survivors are given back sooner. 0: for a sixteenth of the time
	 * since the first birth, which it is never less than. */
	uint32_t stands_ticks;
	/* Of these sites the report has every test of the last judgement: report_site.tests. The verdicts
	 * are the same without. */
	struct site_prefix explain;
};

/* Returns 0 or -ENOMEM; the caller owns *out. */
int detector__new(struct detector **out, const struct detector_opts *opts);
struct detector *detector__free(struct detector *detector);

/*
 * To put into world_opts, with the detector as its context. Static. The world is freed before the
 * detector. Before its first record it must be made known by detector__watch(): births are dated
 * in its ticks.
 */
extern const struct world_watcher detector_watcher;
void detector__watch(struct detector *detector, const struct world *world);	/* borrowed */

/*
 * Judges every process and site as of the world's newest record. To be called after each EV_TICK.
 * `world` is the one the detector watches. Returns 0 or -ENOMEM.
 */
int detector__check(struct detector *detector, const struct world *world);

/* At the pace since its check before the last one, some site would have used up what is left to its
 * process within a minute: the next check should come soon. */
bool detector__is_urgent(const struct detector *detector);

/* The verdict on a process or site at the last check. */
enum verdict detector__process_verdict(const struct detector *detector, const struct process *p);
enum verdict detector__site_verdict(const struct detector *detector, const struct site *site);

/* Whether a leak has been found that more watching would not change: `--until-verdict` ends. */
bool detector__is_sure(const struct detector *detector);

/* Learns from the sites that run on, too: to be called before the memory is kept. 0 or -ENOMEM; 0
 * without memory. */
int detector__learn(const struct detector *detector);

struct report_facts {
	const char *command, *host;	/* borrowed for the call */
	double started;			/* seconds since the epoch */
	double boot_time;		/* epoch seconds of CLOCK_BOOTTIME 0, for start_time */
	uint64_t started_ns;		/* CLOCK_MONOTONIC, when watching began */
	bool whole_system;		/* leave out processes without a finding */
};

/* Makes the report as of the last check. The caller owns *out. Returns 0 or -ENOMEM. */
int detector__report(const struct detector *detector, const struct world *world,
		     const struct report_facts *facts, struct report **out);

#endif /* UNFREED_DETECT_DETECTOR_H */
