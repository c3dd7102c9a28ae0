/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * report: a capture, or the same as text, through model, detector and sink, as the live run went;
 * or into the other form. Needs no privileges and nothing of the machine that recorded.
 */
#include "user/app.h"

#include <string.h>

#include "user/base/error.h"
#include "user/output.h"
#include "user/pipeline.h"
#include "user/source/replay.h"

/* Every record to the pipeline. 0 or EXIT_TOOL_FAILED, logged. */
static int replay_all(struct replay *replay, struct pipeline *pipeline, struct log *log)
{
	const struct ev_header *record;
	int r;

	while ((r = replay__next(replay, &record)) > 0) {
		r = pipeline__take(pipeline, record);
		if (r) {
			log_error(log, "report: %s", strerror(-r));
			return EXIT_TOOL_FAILED;
		}
	}
	return r ? EXIT_TOOL_FAILED : 0;
}

static int write_report(struct pipeline *pipeline, struct output *output, struct log *log)
{
	struct report *report = NULL;
	int status;

	if (pipeline__report(pipeline, &report))
		return EXIT_TOOL_FAILED;
	status = output__write(output, report, log);
	if (!status)
		status = report__exit_status(report);
	report__free(report);
	return status;
}

static int make_report(struct replay *replay, const struct options *options, struct log *log)
{
	struct pipeline pipeline;
	struct output output;
	int status;

	if (pipeline__init(&pipeline, &(struct pipeline_opts){ .log = log,
							       .facts = replay__facts(replay) }))
		return EXIT_TOOL_FAILED;
	status = output__open(&output, options, log);
	if (!status) {
		status = replay_all(replay, &pipeline, log);
		if (!status)
			status = write_report(&pipeline, &output, log);
		output__fini(&output);
	}
	pipeline__fini(&pipeline);
	/* Of a damaged capture nobody can say that there was no leak. */
	return replay__is_damaged(replay) && !status ? EXIT_TOOL_FAILED : status;
}

int report__run(const struct options *options, struct log *log)
{
	struct replay *replay = NULL;
	int status;

	if (replay__open(&replay, &(struct replay_opts){ .path = options->input,
							 .log = log,
							 .salvage = options->salvage }))
		return EXIT_TOOL_FAILED;
	status = make_report(replay, options, log);
	replay__free(replay);
	return status;
}
