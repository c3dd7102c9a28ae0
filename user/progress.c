/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Shows the process with the worst verdict, and of it what is open most. */
#include "user/progress.h"

#include <unistd.h>

#include "user/base/text.h"

#define EVERY_NS 500000000ull

void progress__init(struct progress *progress, struct log *log, bool wanted)
{
	*progress = (struct progress){ .log = log, .wanted = wanted && isatty(STDERR_FILENO) };
}

static const struct process *worst(const struct world *world, const struct detector *detector)
{
	const struct process *found = NULL;

	for (const struct process *p = world__processes(world); p; p = p->next)
		if (!found || detector__process_verdict(detector, p) >
				      detector__process_verdict(detector, found))
			found = p;
	return found;
}

static void add_kinds(struct text *line, const struct world *world, const struct process *p)
{
	for (unsigned int kind = KIND_PAIR_0; kind < N_KINDS; kind++) {
		if (!p->kinds[kind].open)
			continue;
		text__add(line, "  ");
		text__add(line, world__kind_name(world, kind));
		text__add(line, " ");
		text__add_count(line, p->kinds[kind].open);
		text__add(line, " open");
	}
}

void progress__show(struct progress *progress, const struct world *world,
		    const struct detector *detector)
{
	uint64_t now = world__now_ns(world);
	const struct process *p;
	struct text line;

	if (!progress->wanted || now - progress->shown_ns < EVERY_NS)
		return;
	if (!progress->first_ns)
		progress->first_ns = now;
	progress->shown_ns = now;
	p = worst(world, detector);
	if (!p)
		return;
	text__init(&line);
	text__addf(&line, "%s[%u]  ", p->comm, p->tgid);
	text__add_duration(&line, (double)(now - progress->first_ns) / 1e9);
	text__addf(&line, "  %s  ", verdict_name(detector__process_verdict(detector, p)));
	text__add_size(&line, (double)p->accessible_bytes);
	text__add(&line, " mapped");
	add_kinds(&line, world, p);
	text__add(&line, "  (Ctrl-C for the report)");
	if (!text__error(&line))
		log__set_progress(progress->log, line.s);
	text__fini(&line);
}

void progress__end(struct progress *progress)
{
	if (progress->wanted)
		log__set_progress(progress->log, NULL);
}
