/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Wires the rooms: every record goes to the capture, if one is written, and to the model, every tick
 * to the detector and the command. What a report says and no record tells (host, command, when it
 * began) is settled at the start, so that a replay can be told the same.
 */
#include "user/pipeline.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "user/base/error.h"
#include "user/name.h"
#include "user/resident.h"

/* A finding of the service stands for at least 15 min (docs/detector.md, hysteresis): an alert is not
 * to end before anybody can have looked, and alert rules wait for some minutes before they fire. */
#define STANDS_TICKS WORLD_TICKS(15 * 60 * 1000)

/* What is known here and now. */
static void find_facts(struct capture_facts *facts, const struct pipeline_opts *opts)
{
	memset(facts, 0, sizeof(*facts));
	facts->started = clock_realtime_ns();
	facts->started_ns = clock_monotonic_ns();
	facts->boot_time = facts->started - clock_boottime_ns();
	facts->flags = (opts->keep_exited ? CAPTURE_KEEP_EXITED : 0) |
		       (opts->whole_system ? CAPTURE_WHOLE_SYSTEM : 0);
	facts->question = opts->question;
	snprintf(facts->command, sizeof(facts->command), "%s", opts->command);
	gethostname(facts->host, sizeof(facts->host) - 1);
}

int pipeline__take(struct pipeline *pipeline, const struct ev_header *record)
{
	int r;

	if (pipeline->recorder)
		recorder__take(pipeline->recorder, record);
	if (record->type == EV_NAME)
		return names__add(&pipeline->names, (const struct ev_name *)record);
	r = world__apply(pipeline->world, record);
	if (r && r != -EBADMSG)	/* a record that contradicts itself is counted by the model */
		return r;
	if (record->type != EV_TICK)
		return 0;
	r = detector__check(pipeline->detector, pipeline->world);
	if (r)
		return r;
	if (pipeline->live)
		live__hurry(pipeline->live, detector__is_urgent(pipeline->detector));
	return pipeline->on_tick ? pipeline->on_tick(pipeline->ctx) : 0;
}

static int on_record(void *ctx, const struct ev_header *record)
{
	return pipeline__take(ctx, record);
}

int pipeline__init(struct pipeline *pipeline, const struct pipeline_opts *opts)
{
	int r;

	memset(pipeline, 0, sizeof(*pipeline));
	pipeline->log = opts->log;
	pipeline->on_tick = opts->on_tick;
	pipeline->ctx = opts->ctx;
	names__init(&pipeline->names);
	if (opts->facts)
		pipeline->facts = *opts->facts;
	else
		find_facts(&pipeline->facts, opts);
	r = detector__new(&pipeline->detector,
			  &(struct detector_opts){ .question = pipeline->facts.question,
						   .past = opts->past,
						   .stands_ticks = STANDS_TICKS,
						   .explain = opts->explain });
	if (!r)
		r = world__new(&pipeline->world,
			       &(struct world_opts){
				       .keep_exited = pipeline->facts.flags & CAPTURE_KEEP_EXITED,
				       .watcher = &detector_watcher,
				       .watcher_ctx = pipeline->detector });
	if (!r)
		detector__watch(pipeline->detector, pipeline->world);
	if (!r)
		r = symbolizer__new(&pipeline->symbolizer,
				    &(struct symbolizer_opts){ .waits = opts->waits,
							       .log = opts->log });
	if (!r && !opts->facts)
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
	pipeline->recorder = recorder__free(pipeline->recorder);
	pipeline->world = world__free(pipeline->world);
	pipeline->detector = detector__free(pipeline->detector);
	pipeline->symbolizer = symbolizer__free(pipeline->symbolizer);
	names__fini(&pipeline->names);
}

int pipeline__record(struct pipeline *pipeline, const char *path, uint64_t max_sz)
{
	return recorder__new(&pipeline->recorder,
			     &(struct recorder_opts){ .log = pipeline->log,
						      .path = path,
						      .max_sz = max_sz,
						      .facts = &pipeline->facts,
						      .world = pipeline->world,
						      .symbolizer = pipeline->symbolizer });
}

int pipeline__measure(struct pipeline *pipeline)
{
	return resident__measure(pipeline->world, pipeline->detector, pipeline->live,
				 pipeline->facts.flags & CAPTURE_WHOLE_SYSTEM);
}

int pipeline__end_recording(struct pipeline *pipeline)
{
	return pipeline->recorder ? recorder__finish(pipeline->recorder, &pipeline->names) : 0;
}

int pipeline__report(struct pipeline *pipeline, struct report **out)
{
	struct report_facts facts = {
		.command = pipeline->facts.command,
		.host = pipeline->facts.host,
		.started = (double)pipeline->facts.started / 1e9,
		.started_ns = pipeline->facts.started_ns,
		.boot_time = (double)pipeline->facts.boot_time / 1e9,
		.whole_system = pipeline->facts.flags & CAPTURE_WHOLE_SYSTEM,
	};
	int r;

	r = detector__report(pipeline->detector, pipeline->world, &facts, out);
	if (!r)
		r = report__name_frames(*out, &pipeline->names, pipeline->symbolizer);
	if (r)
		log_error(pipeline->log, "the report cannot be made: %s", strerror(-r));
	return r;
}
