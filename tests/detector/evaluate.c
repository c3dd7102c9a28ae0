/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * evaluate [OPTIONS] FILE...: lives through labelled traces (trace.h; "-": standard input) before the
 * detector and prints one line per alarm,
 *
 *   alarm TICK PROC SITE CLASS SECONDS_TO_LIMIT      CLASS: LEAK or GROWTH; -1: not foreseeable
 *
 * and then, in lines that begin with '#', how good it was, beside the usual methods.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/detector/score.h"
#include "user/base/cleanup.h"

static const char usage[] =
	"usage: evaluate [OPTIONS] FILE...\n"
	"  --question service|one-shot   which thresholds (service)\n"
	"  --learn FILE                  keep what these runs teach\n"
	"  --memory FILE                 judge by what earlier runs taught (--learn)\n"
	"  --tick SECONDS                instead of what the files say\n"
	"  --windows N,...               what is said after so many ticks\n"
	"  --no-baselines, --no-alarms   print less, sooner; --baselines: with them, as without a word\n"
	"  --scenarios                   also per process name up to '-'\n";

struct options {
	struct replay_opts replay;
	double tick;
	bool scenarios;
	const char *learn, *memory;	/* paths */
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
		else if (!strcmp(argv[i], "--baselines"))
			opts->replay.baselines = true;
		else if (!strcmp(argv[i], "--no-alarms"))
			opts->replay.print = false;
		else if (!strcmp(argv[i], "--scenarios"))
			opts->scenarios = true;
		else if (!strcmp(argv[i], "--question") && value && !strcmp(value, "one-shot"))
			opts->replay.question = DETECTOR_ONE_SHOT, i++;
		else if (!strcmp(argv[i], "--question") && value && !strcmp(value, "service"))
			opts->replay.question = DETECTOR_SERVICE, i++;
		else if (!strcmp(argv[i], "--learn") && value)
			opts->learn = argv[++i];
		else if (!strcmp(argv[i], "--memory") && value)
			opts->memory = argv[++i];
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

/* Returns 0, or the exit status after having said what is wrong. */
static int evaluate(const struct options *opts, const char *path, struct score *score)
{
	struct trace trace;
	int r;

	if (trace__read(&trace, path) < 0)
		return 2;
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
	return r < 0;
}

/* --- memory of earlier runs ----------------------------------------------------------------- */

/* Returns 0, or the exit status after having said what is wrong. */
static int read_memory(struct options *opts)
{
	cleanup_file FILE *f = opts->memory ? fopen(opts->memory, "re") : NULL;
	cleanup_free uint8_t *bytes = malloc(PAST_MAX_SZ + 1);
	const char *why = NULL;
	int r;

	if (opts->memory && !f) {
		fprintf(stderr, "%s: %s\n", opts->memory, strerror(errno));
		return 2;
	}
	if (!bytes)
		return 1;
	if (!f)
		return opts->learn && past__new(&opts->replay.past) < 0;
	r = past__read(&opts->replay.past, bytes, fread(bytes, 1, PAST_MAX_SZ + 1, f), &why);
	if (r)
		fprintf(stderr, "%s: %s\n", opts->memory, why ? why : "out of memory");
	return r ? 2 : 0;
}

static int write_memory(const struct options *opts)
{
	cleanup_free uint8_t *bytes = NULL;
	size_t sz = 0;
	FILE *f;
	int r;

	if (!opts->learn)
		return 0;
	if (past__write(opts->replay.past, &bytes, &sz) < 0)
		return 1;
	f = fopen(opts->learn, "we");
	r = !f || fwrite(bytes, sz, 1, f) != 1;
	if (f && fclose(f))
		r = 1;
	if (r)
		fprintf(stderr, "%s: %s\n", opts->learn, strerror(errno));
	return r;
}

int main(int argc, char **argv)
{
	struct options opts = {
		.replay = { .question = DETECTOR_SERVICE, .print = true, .baselines = true },
	};
	struct score score = { 0 };
	int first = read_options(&opts, argc, argv), status;

	if (first < 0) {
		fputs(usage, stderr);
		return 2;
	}
	status = read_memory(&opts);
	for (int i = first; i < argc && !status; i++)
		status = evaluate(&opts, argv[i], &score);
	if (!status)
		status = write_memory(&opts);
	if (!status)
		score__print(&score, &opts.replay, opts.scenarios);
	score__fini(&score);
	past__free(opts.replay.past);
	return fflush(stdout) && !status ? 1 : status;
}
