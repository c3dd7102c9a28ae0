/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * report: a capture, or the same as text, through model, detector and sink, as the live run went;
 * or into the other form. Needs no privileges and nothing of the machine that recorded.
 */
#include "user/app.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "user/base/cleanup.h"
#include "user/base/error.h"
#include "user/base/parse.h"
#include "user/base/text.h"
#include "user/output.h"
#include "user/pipeline.h"
#include "user/source/replay.h"
#include "user/wire/dump.h"

#define DUMP_CHUNK (64u << 10)

/* Hands every record to `fn`. 0 or EXIT_TOOL_FAILED; what `fn` returns is logged under `what`. */
static int each_record(struct replay *replay, int (*fn)(void *ctx, const struct ev_header *record),
		       void *ctx, const char *what, struct log *log)
{
	const struct ev_header *record;
	int r;

	while ((r = replay__next(replay, &record)) > 0) {
		r = fn(ctx, record);
		if (r) {
			log_error(log, "%s: %s", what, strerror(-r));
			return EXIT_TOOL_FAILED;
		}
	}
	return r ? EXIT_TOOL_FAILED : 0;
}

/* --- into a report ----------------------------------------------------------------------------- */

static int take(void *ctx, const struct ev_header *record)
{
	return pipeline__take(ctx, record);
}

/* Whether there is one site to explain, in however many processes; else says why not. */
static bool is_one_site(const struct report *report, const char *asked, struct log *log)
{
	const char *found = NULL;

	for (size_t i = 0; i < report->n_processes; i++) {
		const struct report_process *p = &report->processes[i];

		for (size_t k = 0; k < p->n_sites; k++) {
			if (!p->sites[k].tests)
				continue;
			if (found && strcmp(found, p->sites[k].site)) {
				log_error(log, "--explain: %s: more than one site begins so: %s, %s",
					  asked, found, p->sites[k].site);
				return false;
			}
			found = p->sites[k].site;
		}
	}
	if (!found)
		log_error(log, "--explain: %s: there is no such site", asked);
	return found;
}

static int write_report(struct pipeline *pipeline, struct output *output,
			const struct options *options, struct log *log)
{
	struct report *report = NULL;
	int status;

	if (pipeline__report(pipeline, &report))
		return EXIT_TOOL_FAILED;
	status = EXIT_TOOL_FAILED;
	if (!options->explain || is_one_site(report, options->explain, log))
		status = output__write(output, report, log);
	if (!status)
		status = report__exit_status(report);
	report__free(report);
	return status;
}

static int make_report(struct replay *replay, const struct options *options, struct log *log)
{
	struct pipeline_opts opts = { .log = log, .waits = true, .facts = replay__facts(replay) };
	struct pipeline pipeline;
	struct output output;
	int status;

	if (options->explain &&
	    parse_site(options->explain, &opts.explain.digits, &opts.explain.n_digits))
		return EXIT_USAGE;	/* said by options__parse() */
	if (pipeline__init(&pipeline, &opts))
		return EXIT_TOOL_FAILED;
	status = output__open(&output, options, log);
	if (!status) {
		status = each_record(replay, take, &pipeline, options->input, log);
		if (!status)
			status = write_report(&pipeline, &output, options, log);
		output__fini(&output);
	}
	pipeline__fini(&pipeline);
	return status;
}

/* --- into text --------------------------------------------------------------------------------- */

struct dumping {
	struct text text;
	FILE *file;
};

static int write_text(struct dumping *dumping)
{
	int r = text__error(&dumping->text);

	if (!r && dumping->text.n &&
	    fwrite(dumping->text.s, dumping->text.n, 1, dumping->file) != 1)
		r = negative_errno();
	text__fini(&dumping->text);
	text__init(&dumping->text);
	return r;
}

static int dump_record(void *ctx, const struct ev_header *record)
{
	struct dumping *dumping = ctx;

	dump__add_record(&dumping->text, record);
	return dumping->text.n < DUMP_CHUNK ? 0 : write_text(dumping);
}

static int dump_events(struct replay *replay, const struct options *options, struct log *log)
{
	struct dumping dumping;
	struct output output;
	int status, r;

	status = output__open(&output, options, log);
	if (status)
		return status;
	text__init(&dumping.text);
	dumping.file = output.file;
	dump__add_facts(&dumping.text, replay__facts(replay));
	status = each_record(replay, dump_record, &dumping,
			     options->output ? options->output : "standard output", log);
	r = write_text(&dumping);
	text__fini(&dumping.text);
	if (!status)
		status = output__close(&output, r, log);
	output__fini(&output);
	return status;
}

/* --- into a capture ---------------------------------------------------------------------------- */

static int add(void *ctx, const struct ev_header *record)
{
	return capture_writer__add(ctx, record);
}

static int make_capture(struct replay *replay, const struct options *options, struct log *log)
{
	cleanup_free char *path = NULL;
	struct capture_writer *writer;
	int status = EXIT_TOOL_FAILED, r;

	if (asprintf(&path, "%s.new", options->output) < 0)
		return EXIT_TOOL_FAILED;
	r = capture_writer__new(&writer, path, replay__facts(replay));
	if (r) {
		log_error(log, "--output: %s: %s", options->output, strerror(-r));
		return EXIT_USAGE;
	}
	status = each_record(replay, add, writer, options->output, log);
	r = status ? 0 : capture_writer__end(writer);
	capture_writer__free(writer);
	if (!status && !r && rename(path, options->output))
		r = negative_errno();
	if (r)
		log_error(log, "--output: %s: %s", options->output, strerror(-r));
	if (status || r)
		unlink(path);
	return r ? EXIT_TOOL_FAILED : status;
}

static bool wants_capture(const struct options *options)
{
	const char *ending = options->output ? strrchr(options->output, '.') : NULL;

	if (options->format)
		return !strcmp(options->format, "capture");
	return ending && !strcmp(ending, ".capture");
}

int report__run(const struct options *options, struct log *log)
{
	struct replay *replay = NULL;
	int status;

	if (options->explain && wants_capture(options)) {
		log_error(log, "report: --explain wants a report, and a capture is none");
		return EXIT_USAGE;
	}
	if (replay__open(&replay, &(struct replay_opts){ .path = options->input,
							 .log = log,
							 .salvage = options->salvage }))
		return EXIT_TOOL_FAILED;
	status = options->dump_events	 ? dump_events(replay, options, log) :
		 wants_capture(options) ? make_capture(replay, options, log) :
					  make_report(replay, options, log);
	/* Of a damaged capture nobody can say that there was no leak. */
	if (replay__is_damaged(replay) && !status)
		status = EXIT_TOOL_FAILED;
	replay__free(replay);
	return status;
}
