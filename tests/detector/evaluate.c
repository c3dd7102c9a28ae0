/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * evaluate [OPTIONS] FILE...: lives through labelled traces (trace.h; "-": standard input) before the
 * detector and prints one line per alarm,
 *
 *   alarm TICK PROC SITE CLASS SECONDS_TO_LIMIT      CLASS: LEAK or GROWTH; -1: not foreseeable
 *
 * and then, in lines that begin with '#', how good it was, beside the usual methods.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/detector/score.h"

static const char usage[] =
	"usage: evaluate [OPTIONS] FILE...\n"
	"  --question service|one-shot   which thresholds (service)\n"
	"  --tick SECONDS                instead of what the files say\n"
	"  --windows N,...               what is said after so many ticks\n"
	"  --no-baselines, --no-alarms   print less, sooner\n"
	"  --scenarios                   also per process name up to '-'\n";

struct options {
	struct replay_opts replay;
	double tick;
	bool scenarios;
};

static bool read_windows(struct replay_opts *opts, char *s)
{
	for (char *part; (part = strsep(&s, ","));) {
		if (opts->n_windows == REPLAY_MAX_WINDOWS || atoi(part) <= 0)
			return false;
		opts->windows[opts->n_windows++] = (uint32_t)atoi(part);
	}
	return true;
}

/* Returns the index of the first file, or -1. */
static int read_options(struct options *opts, int argc, char **argv)
{
	int i;

	for (i = 1; i < argc && argv[i][0] == '-' && argv[i][1]; i++) {
		char *value = i + 1 < argc ? argv[i + 1] : NULL;

		if (!strcmp(argv[i], "--no-baselines"))
			opts->replay.baselines = false;
		else if (!strcmp(argv[i], "--no-alarms"))
			opts->replay.print = false;
		else if (!strcmp(argv[i], "--scenarios"))
			opts->scenarios = true;
		else if (!strcmp(argv[i], "--question") && value && !strcmp(value, "one-shot"))
			opts->replay.question = DETECTOR_ONE_SHOT, i++;
		else if (!strcmp(argv[i], "--question") && value && !strcmp(value, "service"))
			opts->replay.question = DETECTOR_SERVICE, i++;
		else if (!strcmp(argv[i], "--tick") && value && atof(value) > 0)
			opts->tick = atof(value), i++;
		else if (!strcmp(argv[i], "--windows") && value &&
			 read_windows(&opts->replay, value))
			i++;
		else
			return -1;
	}
	return i < argc ? i : -1;
}

static int evaluate(const struct options *opts, const char *path, struct score *score)
{
	struct trace trace;
	int r;

	if (trace__read(&trace, path) < 0)
		return -1;
	r = 0;
	for (size_t i = 0; r == 0 && i < trace.n; i++) {
		struct replayed replayed;

		if (opts->tick > 0)
			trace.processes[i].tick_s = opts->tick;
		r = replay(&replayed, &trace.processes[i], &opts->replay);
		if (r < 0)
			break;
		score__add(score, &replayed, &opts->replay);
		replayed__fini(&replayed);
	}
	trace__fini(&trace);
	return r;
}

int main(int argc, char **argv)
{
	struct options opts = {
		.replay = { .question = DETECTOR_SERVICE, .print = true, .baselines = true },
	};
	struct score score = { 0 };
	int first = read_options(&opts, argc, argv), r = 0;

	if (first < 0) {
		fputs(usage, stderr);
		return 2;
	}
	for (int i = first; i < argc && r == 0; i++)
		r = evaluate(&opts, argv[i], &score);
	if (r == 0)
		score__print(&score, &opts.replay, opts.scenarios);
	score__fini(&score);
	return r < 0 || fflush(stdout) ? 1 : 0;
}
