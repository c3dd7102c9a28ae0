/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * record: watches some processes, or all, and writes what it sees into a capture, until --duration,
 * Ctrl-C, SIGTERM, or the end of the last watched process. It judges nothing; `unfreed report` does.
 *
 * Some processes are watched as attach does it, all of them as the daemon does: the replay is told
 * which, and asks the same question.
 */
#include "user/app.h"

#include <inttypes.h>
#include <signal.h>
#include <string.h>

#include "user/base/error.h"
#include "user/pipeline.h"

#define STOP 1
#define TICK_ALL_NS 500000000ull
#define MEMORY_ALL_NS 2000000000ull

struct record {
	const struct options *options;
	struct log *log;
	struct pipeline pipeline;
};

static int on_tick(void *ctx)
{
	struct record *record = ctx;

	if (recorder__has_failed(record->pipeline.recorder))
		return STOP;
	return !record->options->n_pids || live__n_alive(record->pipeline.live) ? 0 : STOP;
}

static int on_signal(void *ctx, int signal)
{
	return STOP;
}

static int on_duration(void *ctx, uint64_t now)
{
	return STOP;
}

static int start(struct record *record)
{
	const struct options *options = record->options;
	const bool all = !options->n_pids;
	struct pipeline *pipeline = &record->pipeline;
	struct live_opts live = {
		.all = all,
		.stacks = !all,
		.ring_sz = options->ring_sz,
		.tick_ns = all ? TICK_ALL_NS : 0,
		.memory_ns = all ? MEMORY_ALL_NS : 0,
	};
	int r;

	r = pipeline__init(pipeline, &(struct pipeline_opts){
					     .log = record->log,
					     .question = all ? DETECTOR_SERVICE : DETECTOR_ONE_SHOT,
					     .keep_exited = !all,
					     .waits = true,
					     .whole_system = all,
					     .command = "record",
					     .on_tick = on_tick,
					     .ctx = record });
	if (r)
		return EXIT_TOOL_FAILED;
	if (pipeline__record(pipeline, options->output, options->max_sz))
		return EXIT_USAGE;
	r = loop__add_signal(pipeline->loop, SIGINT, on_signal, record);
	if (!r)
		r = loop__add_signal(pipeline->loop, SIGTERM, on_signal, record);
	if (!r)
		r = pipeline__start(pipeline, &live);
	if (!r)
		r = all ? live__add_all(pipeline->live) :
			  watch__add_pids(pipeline->live, options, record->log);
	if (!r && options->duration_ns)
		r = loop__add_timeout(pipeline->loop, options->duration_ns, on_duration, record);
	return r ? EXIT_TOOL_FAILED : 0;
}

static int run(struct record *record)
{
	int r = loop__run(record->pipeline.loop);

	record->pipeline.on_tick = NULL;
	if (r >= 0)
		r = live__flush(record->pipeline.live);
	if (r >= 0)
		r = pipeline__measure(&record->pipeline);
	if (r < 0) {
		log_error(record->log, "record: %s", strerror(-r));
		return EXIT_TOOL_FAILED;
	}
	return pipeline__end_recording(&record->pipeline) ? EXIT_TOOL_FAILED : 0;
}

int record__run(const struct options *options, struct log *log)
{
	struct record record = { .options = options, .log = log };
	int status = start(&record);

	if (!status)
		status = run(&record);
	pipeline__fini(&record.pipeline);
	return status;
}
