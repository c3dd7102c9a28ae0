/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The pipeline that every watching command shares: live source, model, detector, symbolizer, and the
 * loop that drives them (docs/architecture.md). A command adds its own timers and signals to the
 * loop, and is told of each tick once the detector has judged it. A replay has neither live source
 * nor loop: it hands over records, and the facts about their machine.
 */
#ifndef UNFREED_PIPELINE_H
#define UNFREED_PIPELINE_H

#include <stdint.h>

#include "user/base/log.h"
#include "user/base/loop.h"
#include "user/detect/detector.h"
#include "user/model/world.h"
#include "user/names.h"
#include "user/recorder.h"
#include "user/source/live.h"
#include "user/symbol/symbol.h"

struct pipeline {
	struct log *log;
	struct loop *loop;
	struct live *live;		/* NULL until pipeline__start() */
	struct world *world;
	struct detector *detector;
	struct symbolizer *symbolizer;
	struct recorder *recorder;	/* NULL: no capture is written */
	struct names names;		/* that a capture brought, or was given */
	struct capture_facts facts;
	/* After each tick; a non-zero return ends the loop with it. May be NULL. */
	int (*on_tick)(void *ctx);
	void *ctx;
};

struct pipeline_opts {
	struct log *log;
	enum detector_question question;
	bool keep_exited;
	bool waits;			/* a report may take its time: see struct symbolizer_opts */
	bool whole_system;		/* the report leaves out processes without a finding */
	const char *command;		/* as the report names it */
	struct past *past;		/* what earlier runs taught, and this one will; borrowed, outlives
					 * the pipeline. NULL: nothing, and nothing is learnt */
	const struct capture_facts *facts;	/* of a replay, in place of the last four; else NULL */
	struct site_prefix explain;	/* detector_opts.explain */
	int (*on_tick)(void *ctx);
	void *ctx;
};

/* Makes all but the live source. 0 or -errno, logged. */
int pipeline__init(struct pipeline *pipeline, const struct pipeline_opts *opts);
/* Loads and attaches: `live` without what the pipeline itself knows. 0 or -errno, logged. */
int pipeline__start(struct pipeline *pipeline, const struct live_opts *live);
void pipeline__fini(struct pipeline *pipeline);	/* idempotent */

/* From here on every record is also written to a capture of at most `max_sz` bytes (0: no limit).
 * To be called before the first record. 0 or -errno, logged. */
int pipeline__record(struct pipeline *pipeline, const char *path, uint64_t max_sz);
/* Live only: measures what the report's sites hold in memory, as records of the stream. To be called
 * before a recording ends and before a report. 0 or -ENOMEM. */
int pipeline__measure(struct pipeline *pipeline);
/* Ends the capture well, if there is one; the last record was taken. 0 or -errno, logged. */
int pipeline__end_recording(struct pipeline *pipeline);

/* Takes one record, checked by ev_check(), as the live source does. 0, what on_tick returned, or
 * -errno. */
int pipeline__take(struct pipeline *pipeline, const struct ev_header *record);

/* The report as of now, frames named; the caller's to free. 0 or -errno, logged. */
int pipeline__report(struct pipeline *pipeline, struct report **out);

#endif /* UNFREED_PIPELINE_H */
