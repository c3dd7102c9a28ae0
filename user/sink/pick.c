/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Which processes and sites the textfile shows.
 *
 * Labels cost a time series each, so at most top_k processes are shown, and top_k sites of each.
 * The choice is sticky: a newcomer has to hold half as much again as one that was shown last time
 * to take its place, or be the worse suspect; otherwise two equals would take turns and each
 * leave gaps in its series.
 */
#include "user/sink/pick.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define STICKY 1.5

bool is_region_kind(const char *kind)
{
	static const char *const regions[] = { "anon", "file", "shm", "heap", "reserved" };

	for (size_t i = 0; i < sizeof(regions) / sizeof(regions[0]); i++) {
		if (!strcmp(kind, regions[i]))
			return true;
	}
	return false;
}

static bool was_shown(const struct shown *shown, const struct report_process *p, const char *site)
{
	for (size_t i = 0; i < shown->n; i++) {
		const struct shown_series *s = &shown->all[i];

		if (s->pid == p->pid && s->start_time == p->start_time && !strcmp(s->site, site))
			return true;
	}
	return false;
}

/* A suspect outweighs any number of bytes. */
static double weigh(const struct shown *shown, const struct report_process *p, const char *site,
		    enum verdict verdict, uint64_t bytes)
{
	double weight = (double)bytes + 1;

	if (was_shown(shown, p, site))
		weight *= STICKY;
	if (verdict == VERDICT_LEAK)
		weight += 1e24;
	else if (verdict == VERDICT_GROWTH)
		weight += 1e22;
	return weight;
}

static int compare_picks(const void *a, const void *b)
{
	const struct pick *x = a, *y = b;

	if (x->weight != y->weight)
		return x->weight < y->weight ? 1 : -1;
	return x->process->pid > y->process->pid ? 1 : x->process->pid < y->process->pid ? -1 : 0;
}

static int compare_pick_sites(const void *a, const void *b)
{
	const struct pick_site *x = a, *y = b;

	if (x->weight != y->weight)
		return x->weight < y->weight ? 1 : -1;
	return strcmp(x->site->site, y->site->site);
}

/* One series per (process, site, kind): the same site id twice would void the whole file. */
static bool is_repeated(const struct pick *pick, const struct report_site *site)
{
	for (size_t i = 0; i < pick->n_sites; i++) {
		if (!strcmp(pick->sites[i].site->site, site->site))
			return true;
	}
	return false;
}

static int pick__sites(struct pick *pick, const struct shown *shown, size_t top_k)
{
	const struct report_process *p = pick->process;

	pick->sites = calloc(p->n_sites ? p->n_sites : 1, sizeof(*pick->sites));
	if (!pick->sites)
		return -ENOMEM;
	for (size_t i = 0; i < p->n_sites; i++) {
		const struct report_site *site = &p->sites[i];

		if (!site->site[0] || is_repeated(pick, site))
			continue;
		pick->sites[pick->n_sites++] = (struct pick_site){
			site, weigh(shown, p, site->site, site->verdict, site->bytes),
		};
	}
	qsort(pick->sites, pick->n_sites, sizeof(*pick->sites), compare_pick_sites);
	if (pick->n_sites > top_k)
		pick->n_sites = top_k;
	return 0;
}

void picks__fini(struct picks *picks)
{
	for (size_t i = 0; i < picks->n; i++)
		free(picks->all[i].sites);
	free(picks->all);
}

static uint64_t held(const struct report_process *p)
{
	uint64_t most = 0;

	for (size_t i = 0; i < p->n_kinds; i++) {
		if (strcmp(p->kinds[i].kind, "reserved") && p->kinds[i].bytes > most)
			most = p->kinds[i].bytes;
	}
	return most;
}

static bool same_pid_before(const struct report *report, size_t i)
{
	for (size_t j = 0; j < i; j++) {
		if (!report->processes[j].exited &&
		    report->processes[j].pid == report->processes[i].pid)
			return true;
	}
	return false;
}

int picks__make(struct picks *out, const struct report *report, const struct shown *shown,
		size_t top_k)
{
	size_t n = 0;

	out->all = calloc(report->n_processes ? report->n_processes : 1, sizeof(*out->all));
	if (!out->all)
		return -ENOMEM;
	for (size_t i = 0; i < report->n_processes; i++) {
		const struct report_process *p = &report->processes[i];

		if (p->exited || same_pid_before(report, i))
			continue;
		out->all[n].process = p;
		out->all[n++].weight = weigh(shown, p, "", p->verdict, held(p));
	}
	qsort(out->all, n, sizeof(*out->all), compare_picks);
	if (n > top_k)
		n = top_k;
	for (size_t i = 0; i < n; i++) {
		out->n = i + 1;
		if (pick__sites(&out->all[i], shown, top_k) < 0)
			return -ENOMEM;
	}
	return 0;
}

int shown__remember(struct shown *shown, const struct picks *picks)
{
	struct shown_series *all;
	size_t n = 0;

	for (size_t i = 0; i < picks->n; i++)
		n += 1 + picks->all[i].n_sites;
	all = calloc(n ? n : 1, sizeof(*all));
	if (!all)
		return -ENOMEM;
	n = 0;
	for (size_t i = 0; i < picks->n; i++) {
		const struct pick *pick = &picks->all[i];

		all[n].pid = pick->process->pid;
		all[n++].start_time = pick->process->start_time;
		for (size_t j = 0; j < pick->n_sites; j++) {
			all[n].pid = pick->process->pid;
			all[n].start_time = pick->process->start_time;
			memcpy(all[n++].site, pick->sites[j].site->site, sizeof(all->site));
		}
	}
	shown__fini(shown);
	*shown = (struct shown){ all, n };
	return 0;
}

void shown__fini(struct shown *shown)
{
	free(shown->all);
	*shown = (struct shown){ NULL, 0 };
}
