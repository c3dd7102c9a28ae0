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

static void add_lost_count(struct text *text, uint64_t n, const char *of, const char *kind)
{
	if (!n)
		return;
	text__add(text, text->n ? ", " : "lost: ");
	text__add_count(text, n);
	text__addf(text, " %s%s", of, kind);
}

/* What was lost of this process: its map file heals the regions, but nothing heals handles. */
static int add_lost_note(struct report *report, const struct world *world, const struct process *p)
{
	bool handles = false;
	struct text text;
	int r = 0;

	text__init(&text);
	for (unsigned int i = KIND_PAIR_0; i < N_KINDS; i++) {
		const struct kind_totals *k = &p->kinds[i];
		const char *name = world__kind_name(world, i);

		add_lost_count(&text, k->lost_opened, "openings of ", name);
		add_lost_count(&text, k->lost_closed, "closings of ", name);
		handles |= k->lost_opened || k->lost_closed;
	}
	add_lost_count(&text, p->lost_regions, "records of memory", "");
	if (handles)
		text__add(&text, "; as many of those shown as open may be closed");
	if (text__error(&text))
		r = -ENOMEM;
	else if (text.n)
		r = add_process_note(report, p, text.s);
	text__fini(&text);
	return r;
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
		if (r == 0)
			r = add_lost_note(report, world, p);
		if (r == 0 && p->unsure)
			r = add_process_note(report, p, "events were lost, and its map has not "
							"been read again since");
	}
	return r;
}
