/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * A finding is a process and a site of it whose verdict is a leak. What was told is remembered for
 * as long as the process may live: at most TOLD_MAX findings, of a process SITES_MAX. So neither a
 * verdict that flickers nor a process with thousands of leaking sites can flood a journal; the
 * textfile goes on counting both. When the memory is full it starts over, and what still leaks is
 * told once more.
 *
 * Naming a stack takes a report, which costs milliseconds: one a second is enough.
 */
#include "user/alert.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/error.h"
#include "user/base/text.h"
#include "user/sink/finding.h"

#define TOLD_MAX 4096
#define SITES_MAX 8
#define EVERY_NS 1000000000ull

struct told {
	uint32_t tgid;
	uint16_t kind, pad;
	uint64_t start_ns;
	uint64_t site;		/* with the first three the key; ALL_SITES: of the process, all kinds */
	uint32_t n;		/* of an entry for all sites: how many were told */
};

#define ALL_SITES UINT64_MAX

void alert__init(struct alert *alert)
{
	table__init(&alert->told, offsetof(struct told, n), sizeof(struct told));
	alert->next_ns = 0;
}

void alert__fini(struct alert *alert)
{
	table__fini(&alert->told);
}

static struct told key_of(const struct process *p, const struct site *site)
{
	return (struct told){
		.tgid = p->tgid,
		.start_ns = p->start_ns,
		.kind = site ? site->kind : 0,
		.site = site ? site->id : ALL_SITES,
	};
}

static bool is_told(const struct alert *alert, const struct process *p, const struct site *site)
{
	struct told key = key_of(p, site), all = key_of(p, NULL);
	const struct told *sum = table__find(&alert->told, &all);

	return (sum && sum->n >= SITES_MAX) || table__find(&alert->told, &key);
}

static bool is_new(const struct alert *alert, const struct detector *detector,
		   const struct process *p)
{
	if (detector__process_verdict(detector, p) != VERDICT_LEAK)
		return false;
	for (const struct site *site = p->sites; site; site = site->next)
		if (detector__site_verdict(detector, site) == VERDICT_LEAK && !is_told(alert, p, site))
			return true;
	return false;
}

static int remember(struct alert *alert, const struct process *p, const struct site *site)
{
	struct told key = key_of(p, site), all = key_of(p, NULL), *sum;

	if (alert->told.n + 2 > TOLD_MAX)
		table__clear(&alert->told);
	if (!table__insert(&alert->told, &key, NULL))
		return -ENOMEM;
	sum = table__insert(&alert->told, &all, NULL);
	if (!sum)
		return -ENOMEM;
	sum->n++;
	return 0;
}

/* The site as the report has it; NULL: it was left out, as others are worse, or the process was. */
static const struct report_site *in_report(const struct report_process *p, const struct world *world,
					   const struct site *site)
{
	const char *kind = world__kind_name(world, site->kind);

	for (size_t i = 0; p && i < p->n_sites; i++) {
		const struct report_site *s = &p->sites[i];
		uint64_t id = s->site[0] ? strtoull(s->site, NULL, 16) : 0;

		if (id == site->id && !strcmp(s->kind, kind))
			return s;
	}
	return NULL;
}

static int tell_process(struct alert *alert, struct pipeline *pipeline, const struct process *p,
			const struct report_process *reported)
{
	for (const struct site *site = p->sites; site; site = site->next) {
		const struct report_site *found;
		struct text line;
		int r;

		if (detector__site_verdict(pipeline->detector, site) != VERDICT_LEAK ||
		    is_told(alert, p, site))
			continue;
		r = remember(alert, p, site);
		if (r)
			return r;
		found = in_report(reported, pipeline->world, site);
		if (!found)
			continue;
		text__init(&line);
		finding__add(&line, reported, found);
		if (!text__error(&line))
			log_warning(pipeline->log, "%s", line.s);
		text__fini(&line);
	}
	return 0;
}

static const struct report_process *find_process(const struct report *report,
						 const struct process *p)
{
	for (size_t i = 0; i < report->n_processes; i++)
		if (report->processes[i].pid == p->tgid && report->processes[i].exited == p->exited)
			return &report->processes[i];
	return NULL;
}

static int tell(struct alert *alert, struct pipeline *pipeline)
{
	struct report *report = NULL;
	int r = pipeline__report(pipeline, &report);

	for (struct process *p = world__processes(pipeline->world); !r && p; p = p->next) {
		if (is_new(alert, pipeline->detector, p))
			r = tell_process(alert, pipeline, p, find_process(report, p));
	}
	report__free(report);
	return r;
}

int alert__check(struct alert *alert, struct pipeline *pipeline)
{
	uint64_t now = world__now_ns(pipeline->world);

	if (now < alert->next_ns)
		return 0;
	for (struct process *p = world__processes(pipeline->world); p; p = p->next) {
		if (!is_new(alert, pipeline->detector, p))
			continue;
		alert->next_ns = now + EVERY_NS;
		return tell(alert, pipeline);
	}
	return 0;
}
