/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The table: one row for each question of features.h. A row that says yes tells what the thing is
 * good for; one that says no tells why, and on the next lines what comes of it and the cure.
 */
#include "user/doctor.h"

#include <string.h>
#include <sys/utsname.h>

#include "user/base/error.h"

static const char *const answer_words[] = {
	[FEATURE_UNKNOWN] = "unknown", [FEATURE_YES] = "yes", [FEATURE_NO] = "no",
};

static void add_row(struct text *text, const struct features *features, enum feature_id id)
{
	const struct feature *feature = &features->of[id];

	text__addf(text, "  %-32s %-8s ", feature_name(id), answer_words[feature->answer]);
	if (feature->answer == FEATURE_YES)
		text__addf(text, "%s\n", feature_use(id));
	else
		text__addf(text, "%s (for: %s)\n", feature->why, feature_use(id));
	if (feature->answer == FEATURE_NO && feature_without(id))
		text__addf(text, "  %-32s %-8s without: %s\n", "", "", feature_without(id));
	if (*feature->cure)
		text__addf(text, "  %-32s %-8s cure: %s\n", "", "", feature->cure);
}

static void add_rows(struct text *text, const struct features *features, enum feature_weight weight)
{
	for (unsigned int i = 0; i < N_FEATURES; i++)
		if (feature_weight(i) == weight)
			add_row(text, features, i);
}

static unsigned int count_missing(const struct features *features, enum feature_weight weight)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < N_FEATURES; i++)
		n += feature_weight(i) == weight && features->of[i].answer == FEATURE_NO;
	return n;
}

static void add_table(struct text *text, const struct features *features)
{
	unsigned int n_needed = count_missing(features, FEATURE_NEEDED);
	unsigned int n_helps = count_missing(features, FEATURE_HELPS);
	struct utsname name;

	if (!uname(&name))
		text__addf(text, "unfreed %s on Linux %s, %s\n\n", UNFREED_VERSION, name.release,
			   name.machine);
	text__add(text, "Needed:\n");
	add_rows(text, features, FEATURE_NEEDED);
	text__add(text, "\nMakes it better:\n");
	add_rows(text, features, FEATURE_HELPS);

	if (n_needed)
		text__addf(text, "\n%u of what is needed is missing: unfreed cannot work here.\n",
			   n_needed);
	else if (n_helps)
		text__addf(text, "\nEverything needed is here; %u of what helps is not.\n", n_helps);
	else
		text__add(text, "\nEverything is here.\n");
	text__add(text, "`unfreed doctor PID` tells what of a process is covered.\n");
}

/* For processes the table is told in a line: only what is missing matters to them. */
static void add_summary(struct text *text, const struct features *features)
{
	unsigned int n = count_missing(features, FEATURE_NEEDED);

	if (n)
		text__addf(text, "This system lacks %u of what is needed, so nothing can be watched: "
			   "see `unfreed doctor`.\n", n);
}

/* 0, -ENOMEM, or -errno of a process that could not be examined. */
static int add_processes(struct text *text, const struct features *features, int n_pids,
			 const pid_t *pids, struct log *log)
{
	struct procfs *procfs;
	int result = 0;
	int r = procfs__new(&procfs, NULL);

	if (r) {
		log_error(log, "/proc cannot be read: %s", strerror(-r));
		return r;
	}
	for (int i = 0; i < n_pids; i++) {
		r = doctor__describe(procfs, pids[i], features, text, log);
		if (r)
			result = r;
		if (r == -ENOMEM)
			break;
	}
	procfs__free(procfs);
	return result;
}

int doctor__run(struct log *log, FILE *out, int n_pids, const pid_t *pids)
{
	struct features features;
	struct text text;
	int r;

	r = features__probe(&features, log);
	if (r)
		return EXIT_TOOL_FAILED;
	text__init(&text);
	if (!n_pids) {
		add_table(&text, &features);
	} else {
		add_summary(&text, &features);
		r = add_processes(&text, &features, n_pids, pids, log);
	}
	if (!r)
		r = text__error(&text);
	if (r == -ENOMEM)
		log_error(log, "no memory for what there is to say");
	if (text.s && (fputs(text.s, out) == EOF || fflush(out))) {
		r = negative_errno();
		log_error(log, "cannot write: %s", strerror(-r));
	}
	text__fini(&text);
	return r || count_missing(&features, FEATURE_NEEDED) ? EXIT_TOOL_FAILED : EXIT_NO_LEAK;
}
