/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * How far the numbers can be trusted: events, losses, stacks, and what was not covered at all. A
 * note of one process names it, and is there only if the process is in the report.
 */
#include "user/detect/trust.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/cleanup.h"
#include "user/base/text.h"

static int add_process_note(struct report *report, const struct process *p, const char *note)
{
	struct text text;

	text__init(&text);
	text__addf(&text, "%s[%u]: %s", p->comm, p->tgid, note);
	return report__add_not_covered(report, text__steal(&text));
}

static bool is_reported(const struct report *report, const struct process *p)
{
	for (size_t i = 0; i < report->n_processes; i++) {
		if (report->processes[i].pid == p->tgid)
			return true;
	}
	return false;
}

int report__add_trust(struct report *report, const struct world *world)
{
	struct ev_trust trust = world__trust(world);
	const char *note;
	int r = 0;

	report->events = world__n_events(world);
	for (unsigned int i = 0; i < EV_N_LOSSES; i++)
		report->lost[i] = world__lost(world, i);
	report->healed = trust.healed;
	report->stacks = trust.stacks;
	report->stacks_complete = trust.stacks_complete;
	for (size_t i = 0; r == 0 && (note = world__note(world, 0, i)); i++)
		r = report__add_not_covered(report, strdup(note));
	for (struct process *p = world__processes(world); r == 0 && p; p = p->next) {
		if (!is_reported(report, p))
			continue;
		for (size_t i = 0; r == 0 && (note = world__note(world, p->tgid, i)); i++)
			r = add_process_note(report, p, note);
		if (r == 0 && p->unsure)
			r = add_process_note(report, p, "events were lost, and its map has not "
							"been read again since");
	}
	return r;
}
