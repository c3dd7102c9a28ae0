/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* The list of sinks, and what they have in common. */
#include "user/sink/sink.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "user/base/error.h"

static const struct sink *const sinks[] = { &sink_text, &sink_json };

const struct sink *sink_at(size_t i)
{
	return i < sizeof(sinks) / sizeof(sinks[0]) ? sinks[i] : NULL;
}

const struct sink *sink_find(const char *name)
{
	const struct sink *sink;

	for (size_t i = 0; (sink = sink_at(i)); i++) {
		if (!strcmp(sink->name, name))
			return sink;
	}
	return NULL;
}

const struct sink *sink_for_file(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *dot = strrchr(slash ? slash : path, '.');

	if (!dot)
		return NULL;
	if (!strcmp(dot, ".txt"))
		return &sink_text;
	return sink_find(dot + 1);
}

bool sink_wants_colour(FILE *stream)
{
	const char *no_color = getenv("NO_COLOR");
	int fd = fileno(stream);

	return fd >= 0 && isatty(fd) && !(no_color && *no_color);
}

int sink_finish(FILE *stream)
{
	errno = 0;
	if (fflush(stream) != 0)
		return negative_errno();
	return ferror(stream) ? -EIO : 0;
}
