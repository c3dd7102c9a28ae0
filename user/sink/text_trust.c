/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* The last lines of the text form: how far its numbers can be trusted. */
#include "user/sink/text_trust.h"

#include <math.h>

#include "user/sink/layout.h"
#include "user/wire/decode.h"

static void add_losses(struct text *out, const struct report *report)
{
	bool any = false;

	for (unsigned int i = 0; i < EV_N_LOSSES; i++) {
		const char *name = ev_loss_name(i);

		if (!report->lost[i])
			continue;
		text__addf(out, "%s%s ", any ? ", " : "lost: ", name ? name : "?");
		text__add_count(out, report->lost[i]);
		any = true;
	}
	if (!any)
		text__add(out, "none lost");
}

/* Rounded down, so that 100% means all. */
static void add_stacks(struct text *out, const struct report *report)
{
	if (!report->stacks) {
		text__add(out, "no stacks");
		return;
	}
	text__addf(out, "stacks %.0f%% complete (",
		   floor(100.0 * (double)report->stacks_complete / (double)report->stacks));
	text__add_count(out, report->stacks_complete);
	text__add(out, " of ");
	text__add_count(out, report->stacks);
	text__add(out, ")");
}

void text_add_trust(struct text *out, const struct report *report)
{
	struct text line;

	text__init(&line);
	text__add(&line, "watched ");
	text__add_duration(&line, report->seconds);
	text__add(&line, ": ");
	text__add_count(&line, report->events);
	text__add(&line, " events, ");
	add_losses(&line, report);
	text__add(&line, "; ");
	add_stacks(&line, report);
	if (report->healed) {
		text__add(&line, "; map files read again after a loss: ");
		text__add_count(&line, report->healed);
	}
	if (text__error(&line))
		out->failed = true;
	else
		layout_add_wrapped(out, line.s, 0, 4);
	text__fini(&line);
	for (size_t i = 0; i < report->n_not_covered; i++) {
		text__add(out, "not covered: ");
		layout_add_wrapped(out, report->not_covered[i], 13, 13);
	}
	if (!report->n_not_covered)
		text__add(out, "not covered: nothing that is known\n");
}
