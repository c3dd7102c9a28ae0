/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The pipeline that every watching command shares: live source, model, detector, symbolizer, and the
 * loop that drives them (docs/architecture.md). A command adds its own timers and signals to the
 * loop, and is told of each tick once the detector has judged it.
 */
#ifndef UNFREED_PIPELINE_H
#define UNFREED_PIPELINE_H

#include <stdint.h>

#include "user/base/log.h"
#include "user/base/loop.h"
#include "user/detect/detector.h"
#include "user/model/world.h"
#include "user/source/live.h"
#include "user/symbol/symbol.h"

struct pipeline {
	struct log *log;
	struct loop *loop;
	struct live *live;		/* NULL until pipeline__start() */
	struct world *world;
	struct detector *detector;
	struct symbolizer *symbolizer;
	uint64_t started_ns;		/* CLOCK_MONOTONIC */
	double started;			/* seconds since the epoch */
	/* After each tick; a non-zero return ends the loop with it. May be NULL. */
	int (*on_tick)(void *ctx);
	void *ctx;
};

struct pipeline_opts {
	struct log *log;
	enum detector_question question;
	bool keep_exited;
	int (*on_tick)(void *ctx);
	void *ctx;
};

/* Makes all but the live source. 0 or -errno, logged. */
int pipeline__init(struct pipeline *pipeline, const struct pipeline_opts *opts);
/* Loads and attaches: `live` without what the pipeline itself knows. 0 or -errno, logged. */
int pipeline__start(struct pipeline *pipeline, const struct live_opts *live);
void pipeline__fini(struct pipeline *pipeline);	/* idempotent */

/* The report as of now, frames named; the caller's to free. 0 or -errno, logged. */
int pipeline__report(struct pipeline *pipeline, const char *command, bool whole_system,
		     struct report **out);

#endif /* UNFREED_PIPELINE_H */
