/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Where a report goes and in which format: --output, --format. */
#ifndef UNFREED_OUTPUT_H
#define UNFREED_OUTPUT_H

#include <stdio.h>

#include "user/base/log.h"
#include "user/detect/report.h"
#include "user/options.h"

struct sink;

struct output {
	FILE *file;		/* standard output, or the file of --output */
	const char *path;	/* NULL: standard output */
	char *written_path;	/* what is written first: owned */
	const struct sink *sink;
	bool explain;		/* see struct sink_opts */
};

/* Opens it before the watching starts, so that a wrong path is told at once. Returns 0 or an exit
 * status, logged. */
int output__open(struct output *output, const struct options *options, struct log *log);
/* Writes and closes. 0 or EXIT_TOOL_FAILED, logged. */
int output__write(struct output *output, const struct report *report, struct log *log);
/* Closes after the caller wrote to `file` with the result r: 0 or -errno. Likewise. */
int output__close(struct output *output, int r, struct log *log);
void output__fini(struct output *output);	/* idempotent */

#endif /* UNFREED_OUTPUT_H */
