/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The textfile: the processes and sites that pick.c chose, one family after the other.
 *
 * HELP texts are part of the contract: node_exporter drops families whose texts differ between
 * files, so they are constants here and never name a number.
 */
#include "user/sink/prom.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "user/base/cleanup.h"
#include "user/base/error.h"
#include "user/base/text.h"
#include "user/sink/escape.h"
#include "user/sink/pick.h"
#include "user/wire/decode.h"

#define TOP_K_DEFAULT 20

struct prom {
	char *path;
	char *temporary;	/* in the same folder; not *.prom, so the collector skips it */
	size_t top_k;
	struct shown shown;
};

int prom__new(struct prom **out, const struct prom_opts *opts)
{
	size_t n = strlen(opts->path);
	struct prom *prom;
	struct text text;

	if (n <= 5 || strcmp(opts->path + n - 5, ".prom") || opts->path[n - 6] == '/')
		return -EINVAL;
	prom = calloc(1, sizeof(*prom));
	if (!prom)
		return -ENOMEM;
	prom->top_k = opts->top_k ? opts->top_k : TOP_K_DEFAULT;
	prom->path = strdup(opts->path);
	text__init(&text);
	text__addf(&text, "%s.tmp", opts->path);
	prom->temporary = text__steal(&text);
	if (!prom->path || !prom->temporary) {
		prom__free(prom);
		return -ENOMEM;
	}
	*out = prom;
	return 0;
}

struct prom *prom__free(struct prom *prom)
{
	if (prom) {
		free(prom->path);
		free(prom->temporary);
		shown__fini(&prom->shown);
		free(prom);
	}
	return NULL;
}

/* --- the families --------------------------------------------------------------------------- */

static void family(struct text *out, const char *name, const char *type, const char *help)
{
	text__addf(out, "# HELP unfreed_%s %s\n# TYPE unfreed_%s %s\n", name, help, name, type);
}

/* A label's value: UTF-8 with \\, \" and \n escaped, as the text format wants it. */
static void label(struct text *out, const char *key, const char *value)
{
	text__addf(out, "%s=\"", key);
	escape_label(out, value ? value : "");
	text__add(out, "\"");
}

/* The series of a process; kind and site may be NULL. */
static void series(struct text *out, const char *name, const struct report_process *p,
		   const char *kind, const char *site)
{
	text__addf(out, "unfreed_%s{", name);
	label(out, "comm", p->comm);
	text__addf(out, ",pid=\"%" PRIu32 "\",", p->pid);
	label(out, "unit", p->unit);
	if (kind) {
		text__add(out, ",");
		label(out, "kind", kind);
	}
	if (site)
		text__addf(out, ",site=\"%s\"", site);
	text__add(out, "} ");
}

static void count(struct text *out, uint64_t n)
{
	text__addf(out, "%" PRIu64 "\n", n);
}

static void real(struct text *out, double x)
{
	text__addf(out, "%.15g\n", isfinite(x) ? x : 0);
}

static void add_processes(struct text *out, const struct picks *picks)
{
	const struct pick *all = picks->all;

	family(out, "process_unfreed_bytes", "gauge",
	       "Bytes held now, by kind. Handles lie inside anon and heap: do not add them up.");
	for (size_t i = 0; i < picks->n; i++) {
		const struct report_process *p = all[i].process;

		for (size_t j = 0; j < p->n_kinds; j++) {
			series(out, "process_unfreed_bytes", p, p->kinds[j].kind, NULL);
			count(out, p->kinds[j].bytes);
		}
	}
	family(out, "process_resident_bytes", "gauge", "Resident memory of the process.");
	for (size_t i = 0; i < picks->n; i++) {
		series(out, "process_resident_bytes", all[i].process, NULL, NULL);
		count(out, all[i].process->resident_bytes);
	}
	family(out, "process_growth_bytes_per_second", "gauge",
	       "Growth of resident memory over the time watched.");
	for (size_t i = 0; i < picks->n; i++) {
		series(out, "process_growth_bytes_per_second", all[i].process, NULL, NULL);
		real(out, all[i].process->growth_bytes_per_second);
	}
	family(out, "process_leak_suspected", "gauge", "1 while the process has a leaking site.");
	for (size_t i = 0; i < picks->n; i++) {
		series(out, "process_leak_suspected", all[i].process, NULL, NULL);
		count(out, all[i].process->verdict == VERDICT_LEAK);
	}
	family(out, "process_seconds_to_limit", "gauge",
	       "Least time until the nearest memory limit is reached. Absent without growth.");
	for (size_t i = 0; i < picks->n; i++) {
		const struct report_process *p = all[i].process;

		if (!p->has_limit || p->limit.seconds_low < 0)
			continue;
		series(out, "process_seconds_to_limit", p, NULL, NULL);
		real(out, p->limit.seconds_low);
	}
}

static void add_handles(struct text *out, const struct picks *picks)
{
	static const struct {
		const char *name, *type, *help;
		size_t offset;
	} families[] = {
		{ "handles_open", "gauge", "Library handles open now.",
		  offsetof(struct report_kind, open) },
		{ "handles_opened_total", "counter", "Library handles opened while watched.",
		  offsetof(struct report_kind, opened) },
		{ "handles_closed_total", "counter", "Library handles closed while watched.",
		  offsetof(struct report_kind, closed) },
	};

	for (size_t f = 0; f < sizeof(families) / sizeof(families[0]); f++) {
		family(out, families[f].name, families[f].type, families[f].help);
		for (size_t i = 0; i < picks->n; i++) {
			const struct report_process *p = picks->all[i].process;

			for (size_t j = 0; j < p->n_kinds; j++) {
				const char *k = (const char *)&p->kinds[j];

				if (is_region_kind(p->kinds[j].kind))
					continue;
				series(out, families[f].name, p, p->kinds[j].kind, NULL);
				count(out, *(const uint64_t *)(k + families[f].offset));
			}
		}
	}
}

static void add_sites(struct text *out, const struct picks *picks)
{
	family(out, "site_unfreed_bytes", "gauge", "Bytes taken by a call stack and held now.");
	for (size_t i = 0; i < picks->n; i++) {
		const struct pick *pick = &picks->all[i];

		for (size_t j = 0; j < pick->n_sites; j++) {
			const struct report_site *s = pick->sites[j].site;

			series(out, "site_unfreed_bytes", pick->process, s->kind, s->site);
			count(out, s->bytes);
		}
	}
	family(out, "site_leak_suspected", "gauge", "1 while the call stack is seen to leak.");
	for (size_t i = 0; i < picks->n; i++) {
		const struct pick *pick = &picks->all[i];

		for (size_t j = 0; j < pick->n_sites; j++) {
			const struct report_site *s = pick->sites[j].site;

			series(out, "site_leak_suspected", pick->process, s->kind, s->site);
			count(out, s->verdict == VERDICT_LEAK);
		}
	}
}

static void add_self(struct text *out, const struct report *report,
		     const struct prom_facts *facts)
{
	family(out, "events_total", "counter", "Records of the kernel side taken in.");
	text__add(out, "unfreed_events_total ");
	count(out, report->events);
	family(out, "events_lost_total", "counter", "Records lost, by cause.");
	for (unsigned int i = 0; i < EV_N_LOSSES; i++) {
		const char *name = ev_loss_name(i);

		if (!name)
			continue;
		text__addf(out, "unfreed_events_lost_total{cause=\"%s\"} ", name);
		count(out, report->lost[i]);
	}
	family(out, "resyncs_total", "counter", "Map files read again after a loss.");
	text__add(out, "unfreed_resyncs_total ");
	count(out, facts->resyncs);
	family(out, "evictions_total", "counter",
	       "Entries of own tables that went because a table was full.");
	text__add(out, "unfreed_evictions_total ");
	count(out, facts->evictions);
	family(out, "self_cpu_seconds_total", "counter", "CPU time used by unfreed itself.");
	text__add(out, "unfreed_self_cpu_seconds_total ");
	real(out, facts->self_cpu_seconds);
	family(out, "self_resident_bytes", "gauge", "Resident memory of unfreed itself.");
	text__add(out, "unfreed_self_resident_bytes ");
	count(out, facts->self_resident_bytes);
	family(out, "build_info", "gauge", "Always 1; the version is a label.");
	text__add(out, "unfreed_build_info{");
	label(out, "version", facts->version);
	text__add(out, "} 1\n");
	family(out, "last_write_timestamp_seconds", "gauge",
	       "When this file was written, in seconds since the epoch.");
	text__add(out, "unfreed_last_write_timestamp_seconds ");
	real(out, facts->now);
}

/* --- the file ------------------------------------------------------------------------------- */

static int write_all(int fd, const char *s, size_t n)
{
	while (n) {
		ssize_t w = write(fd, s, n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return negative_errno();
		s += w;
		n -= (size_t)w;
	}
	return 0;
}

static int prom__replace(const struct prom *prom, const struct text *text)
{
	cleanup_fd int fd = -1;
	int r;

	/* What a killed service left behind goes; then O_EXCL follows no link. */
	if (unlink(prom->temporary) < 0 && errno != ENOENT)
		return negative_errno();
	fd = open(prom->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return negative_errno();
	r = write_all(fd, text->s, text->n);
	if (r == 0 && fchmod(fd, 0644) < 0)	/* whatever the umask was */
		r = negative_errno();
	if (r == 0 && fsync(fd) < 0)
		r = negative_errno();
	if (r == 0 && rename(prom->temporary, prom->path) < 0)
		r = negative_errno();
	if (r < 0)
		unlink(prom->temporary);
	return r;
}

int prom__write(struct prom *prom, const struct report *report, const struct prom_facts *facts)
{
	struct picks picks = { 0 };
	struct text text;
	int r;

	text__init(&text);
	r = picks__make(&picks, report, &prom->shown, prom->top_k);
	if (r == 0) {
		add_processes(&text, &picks);
		add_handles(&text, &picks);
		add_sites(&text, &picks);
		add_self(&text, report, facts);
		r = text__error(&text);
	}
	if (r == 0)
		r = prom__replace(prom, &text);
	if (r == 0)
		r = shown__remember(&prom->shown, &picks);
	picks__fini(&picks);
	text__fini(&text);
	return r;
}

int prom__remove(struct prom *prom)
{
	if (unlink(prom->temporary) < 0 && errno != ENOENT)
		return negative_errno();
	if (unlink(prom->path) < 0 && errno != ENOENT)
		return negative_errno();
	return 0;
}
