/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * A report to standard output or into a file. A file is written beside its final place and renamed
 * when it is whole: who reads it never sees half a report, and a run that fails leaves the old one.
 */
#include "user/output.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "user/base/error.h"
#include "user/base/text.h"
#include "user/sink/sink.h"

/* Devices, pipes and the like are written to as they are: only a file can be replaced. */
static bool is_replaceable(const char *path)
{
	struct stat st;

	return lstat(path, &st) || S_ISREG(st.st_mode);
}

int output__open(struct output *output, const struct options *options, struct log *log)
{
	struct text temporary;
	int fd, r;

	memset(output, 0, sizeof(*output));
	output->explain = options->explain;
	if (options->format)
		output->sink = sink_find(options->format);
	else if (options->output)
		output->sink = sink_for_file(options->output);
	if (!output->sink)
		output->sink = &sink_text;
	output->file = stdout;
	if (!options->output)
		return 0;
	text__init(&temporary);
	text__add(&temporary, options->output);
	if (is_replaceable(options->output))
		text__add(&temporary, ".new");
	if (text__error(&temporary))
		return EXIT_TOOL_FAILED;
	output->path = options->output;
	output->written_path = text__steal(&temporary);
	fd = open(output->written_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0666);
	output->file = fd < 0 ? NULL : fdopen(fd, "w");
	if (output->file)
		return 0;
	r = negative_errno();
	if (fd >= 0)
		close(fd);
	log_error(log, "--output: %s: %s", options->output, strerror(-r));
	free(output->written_path);
	memset(output, 0, sizeof(*output));
	return EXIT_USAGE;
}

int output__write(struct output *output, const struct report *report, struct log *log)
{
	struct sink_opts opts = { .colour = sink_wants_colour(output->file),
				  .explain = output->explain };

	return output__close(output, output->sink->write(report, output->file, &opts), log);
}

int output__close(struct output *output, int r, struct log *log)
{
	if (!r)
		r = sink_finish(output->file);
	if (output->path && output->file) {
		if (fclose(output->file) && !r)
			r = negative_errno();
		output->file = NULL;
		if (!r && strcmp(output->written_path, output->path) &&
		    rename(output->written_path, output->path))
			r = negative_errno();
		if (r && strcmp(output->written_path, output->path))
			unlink(output->written_path);
	}
	if (!r)
		return 0;
	log_error(log, "the report cannot be written to %s: %s",
		  output->path ? output->path : "standard output", strerror(-r));
	return EXIT_TOOL_FAILED;
}

void output__fini(struct output *output)
{
	if (output->path && output->file) {	/* nothing was written: leave nothing behind */
		fclose(output->file);
		if (strcmp(output->written_path, output->path))
			unlink(output->written_path);
	}
	free(output->written_path);
	memset(output, 0, sizeof(*output));
}
