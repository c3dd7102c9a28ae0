/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Wires the rooms: every record goes to the model, every tick to the detector and the command. */
#include "user/pipeline.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

#include "user/base/error.h"
#include "user/name.h"
#include "user/resident.h"

static double epoch_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int on_record(void *ctx, const struct ev_header *record)
{
	struct pipeline *pipeline = ctx;
	int r = world__apply(pipeline->world, record);

	if (r && r != -EBADMSG)	/* a record that contradicts itself is counted by the model */
		return r;
	if (record->type != EV_TICK)
		return 0;
	r = detector__check(pipeline->detector, pipeline->world);
	if (r)
		return r;
	return pipeline->on_tick ? pipeline->on_tick(pipeline->ctx) : 0;
}

int pipeline__init(struct pipeline *pipeline, const struct pipeline_opts *opts)
{
	int r;

	memset(pipeline, 0, sizeof(*pipeline));
	pipeline->log = opts->log;
	pipeline->on_tick = opts->on_tick;
	pipeline->ctx = opts->ctx;
	pipeline->started = epoch_now();
	pipeline->started_ns = clock_monotonic_ns();
	r = detector__new(&pipeline->detector, &(struct detector_opts){ .question = opts->question });
	if (!r)
		r = world__new(&pipeline->world,
			       &(struct world_opts){ .keep_exited = opts->keep_exited,
						     .watcher = &detector_watcher,
						     .watcher_ctx = pipeline->detector });
	if (!r)
		detector__watch(pipeline->detector, pipeline->world);
	if (!r)
		r = symbolizer__new(&pipeline->symbolizer, &(struct symbolizer_opts){ .log = opts->log });
	if (!r)
		r = loop__new(&pipeline->loop);
	if (r) {
		log_error(opts->log, "cannot start: %s", strerror(-r));
		pipeline__fini(pipeline);
	}
	return r;
}

int pipeline__start(struct pipeline *pipeline, const struct live_opts *live)
{
	struct live_opts opts = *live;

	opts.loop = pipeline->loop;
	opts.log = pipeline->log;
	opts.symbolizer = pipeline->symbolizer;
	opts.emit = on_record;
	opts.emit_ctx = pipeline;
	return live__new(&pipeline->live, &opts);
}

void pipeline__fini(struct pipeline *pipeline)
{
	pipeline->live = live__free(pipeline->live);
	pipeline->loop = loop__free(pipeline->loop);
	pipeline->world = world__free(pipeline->world);
	pipeline->detector = detector__free(pipeline->detector);
	pipeline->symbolizer = symbolizer__free(pipeline->symbolizer);
}

int pipeline__report(struct pipeline *pipeline, const char *command, bool whole_system,
		     struct report **out)
{
	char host[256] = "";
	struct report_facts facts = {
		.command = command,
		.host = host,
		.started = pipeline->started,
		.started_ns = pipeline->started_ns,
		.boot_time = epoch_now() - (double)clock_boottime_ns() / 1e9,
		.whole_system = whole_system,
	};
	int r = 0;

	gethostname(host, sizeof(host) - 1);
	if (pipeline->live)
		r = resident__measure(pipeline->world, pipeline->detector, pipeline->live, whole_system);
	if (!r)
		r = detector__report(pipeline->detector, pipeline->world, &facts, out);
	if (!r)
		r = report__name_frames(*out, pipeline->symbolizer);
	if (r)
		log_error(pipeline->log, "the report cannot be made: %s", strerror(-r));
	return r;
}
