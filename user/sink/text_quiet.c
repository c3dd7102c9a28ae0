/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * A shell script under `run` is a hundred processes of a few milliseconds. The report lists the largest
 * of a kind first (user/detect/build.c), so the first few of those without a finding get their
 * block, and the others one line together, counted by name. The JSON report has them all.
 */
#include "user/sink/text_quiet.h"

#include <string.h>

#include "user/sink/layout.h"

#define TOLD_MAX 3
#define NAMES_MAX 6

bool process__is_quiet(const struct report_process *process)
{
	if (!process->exited || process->verdict != VERDICT_NONE)
		return false;
	for (size_t i = 0; i < process->n_sites; i++)
		if (process->sites[i].verdict != VERDICT_NONE)
			return false;
	return true;
}

size_t report__n_quiet_told(const struct report *report)
{
	size_t n = 0;

	for (size_t i = 0; i < report->n_processes; i++)
		n += process__is_quiet(&report->processes[i]);
	return n > TOLD_MAX + 1 ? TOLD_MAX : n;	/* a line for a single one would spare nothing */
}

struct name {
	const char *comm;
	size_t n;
};

/* The names of those that get no block, in order of appearance, as far as there is room. */
struct names {
	struct name all[NAMES_MAX];
	size_t n, n_processes, n_others;
};

static void names__add(struct names *names, const char *comm)
{
	size_t i = 0;

	names->n_processes++;
	while (i < names->n && strcmp(names->all[i].comm, comm))
		i++;
	if (i == NAMES_MAX) {
		names->n_others++;
		return;
	}
	if (i == names->n)
		names->all[names->n++] = (struct name){ .comm = comm };
	names->all[i].n++;
}

void text_add_quiet(struct text *out, const struct report *report)
{
	size_t told = report__n_quiet_told(report);
	struct names names = {};
	struct text line;

	for (size_t i = 0; i < report->n_processes; i++) {
		const struct report_process *p = &report->processes[i];

		if (!process__is_quiet(p))
			continue;
		if (told)
			told--;
		else
			names__add(&names, p->comm ? p->comm : "?");
	}
	if (!names.n_processes)
		return;
	text__init(&line);
	text__add_count(&line, names.n_processes);
	text__add(&line, " more processes have ended without a finding: ");
	for (size_t i = 0; i < names.n; i++) {
		text__add(&line, i ? ", " : "");
		text__add_count(&line, names.all[i].n);
		text__addf(&line, " of %s", names.all[i].comm);
	}
	if (names.n_others) {
		text__add(&line, ", ");
		text__add_count(&line, names.n_others);
		text__add(&line, " of other names");
	}
	if (text__error(&line))
		out->failed = true;
	else
		layout_add_wrapped(out, line.s, 0, 4);
	text__add(out, "\n");
	text__fini(&line);
}
