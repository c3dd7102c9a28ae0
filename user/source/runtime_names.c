/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * A row for each runtime. Of HotSpot, methods are found in its own tables (user/unwind); the others
 * name the code that they compile in a perf map, if they are asked to. What they interpret has no
 * frames of its own on the stack, only the interpreter's functions; some can be told to change that.
 */
#include "user/source/runtime_names.h"

#include <errno.h>
#include <string.h>

struct naming {
	const char *runtime;	/* the name begins so */
	bool compiles;		/* into code that a perf map can name */
	const char *what;	/* has no names */
	const char *cure;	/* NULL: none is known */
	const char *rest;	/* that has none even with a perf map; NULL: nothing */
};

static const struct naming namings[] = {
	{ "node", true, "JavaScript functions", "start it with --perf-basic-prof",
	  "JavaScript functions that are interpreted have no names unless it is started with "
	  "--interpreted-frames-native-stack as well" },
	{ "dotnet", true, "methods of .NET", "start it with DOTNET_PerfMapEnabled=1 in its environment",
	  NULL },
	{ "openj9", true, "methods of Java", "start it with -XX:+PerfTool",
	  "methods of Java that are interpreted have no names" },
	{ "erlang", true, "functions of Erlang", "start it with +JPperf true", NULL },
	{ "python3.12", true, "functions of Python", "start it with -X perf", NULL },
	{ "python3.13", true, "functions of Python", "start it with -X perf", NULL },
	{ "python3.14", true, "functions of Python", "start it with -X perf", NULL },
	{ "python", false, "functions of Python", "Python 3.12 and later can name them, with -X perf",
	  NULL },
	{ "ruby", true, "methods of Ruby", "YJIT can name those that it compiles, with --yjit-perf",
	  "methods of Ruby that are interpreted have no names" },
	{ "php", false, "functions of PHP", NULL, NULL },
	{ "perl", false, "functions of Perl", NULL, NULL },
};

static const struct naming *find(const char *runtime)
{
	for (size_t i = 0; i < sizeof(namings) / sizeof(namings[0]); i++)
		if (!strncmp(runtime, namings[i].runtime, strlen(namings[i].runtime)))
			return &namings[i];
	return NULL;
}

const char *runtime__why_no_perf_map(int perf_map)
{
	switch (perf_map) {
	case -ENOENT:
		return "it writes no perf map";
	case -ESTALE:
		return "the perf map with its number is older than it is";
	case -EPERM:
		return "the perf map with its number is another user's, or has other names as well";
	case -EINVAL:
		return "what lies in the place of its perf map is no plain file";
	default:
		return "its perf map cannot be opened";
	}
}

void runtime__add_unnamed(struct text *text, const char *runtime, int perf_map)
{
	const struct naming *naming = find(runtime);

	if (!naming)
		return;
	if (!perf_map && naming->compiles) {
		if (naming->rest)
			text__add(text, naming->rest);
		return;
	}
	text__addf(text, "%s have no names on stacks, only the interpreter's own functions", naming->what);
	if (naming->compiles)
		text__addf(text, ": %s", runtime__why_no_perf_map(perf_map));
	if (naming->cure)
		text__addf(text, "; %s", naming->cure);
}

bool runtime__compiles(const char *runtime)
{
	const struct naming *naming = find(runtime);

	return naming && naming->compiles;
}
