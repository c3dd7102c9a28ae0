/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Sinks: from a report to bytes. Plug point: one file per form, an explicit list in sink.c.
 * A sink only formats. Every string of a report is hostile; each escapes for its own medium.
 */
#ifndef UNFREED_SINK_SINK_H
#define UNFREED_SINK_SINK_H

#include <stdbool.h>
#include <stdio.h>

#include "user/detect/report.h"

struct sink_opts {
	bool colour;	/* the text form may use it; see sink_wants_colour() */
	bool all_sites;	/* the text form shows sites without a finding too */
	bool explain;	/* the text form shows just the sites that have their tests, and these */
};

struct sink {
	const char *name;	/* for --format, and the ending of a file name */
	const char *summary;	/* for the help */
	/* Writes the whole report to the stream. Returns 0, -ENOMEM, or the stream's -errno. */
	int (*write)(const struct report *report, FILE *stream, const struct sink_opts *opts);
};

extern const struct sink sink_text;
extern const struct sink sink_json;

const struct sink *sink_at(size_t i);			/* NULL past the last */
const struct sink *sink_find(const char *name);		/* by name; NULL: none */
/* By the ending of a file name (".txt" is text too); NULL: none of ours. */
const struct sink *sink_for_file(const char *path);

/* A terminal, and NO_COLOR (no-color.org) is unset or empty. */
bool sink_wants_colour(FILE *stream);

/* Flushes; 0 or the stream's -errno, for sinks to return. */
int sink_finish(FILE *stream);

#endif /* UNFREED_SINK_SINK_H */
