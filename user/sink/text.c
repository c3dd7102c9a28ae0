/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The text form, for a person at a terminal of 100 columns.
 *
 * One block for each process but the many that came and went (text_quiet.c): who, verdict, rate, time
 * left; what was taken and given back, by kind; then each finding with its stack and its evidence. Last, always, what was watched and how
 * far the numbers can be trusted: a report without a finding must not look like one without work.
 *
 * The report is put together in memory and written at once. Hostile strings go through
 * text__add_safe(); columns are counted after that, in code points.
 */
#include "user/sink/sink.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "user/base/text.h"
#include "user/sink/layout.h"
#include "user/sink/pick.h"
#include "user/sink/text_explain.h"
#include "user/sink/text_growth.h"
#include "user/sink/text_quiet.h"
#include "user/sink/text_stack.h"
#include "user/sink/text_trust.h"
#include "user/sink/words.h"
#include "user/wire/decode.h"

#define COMM_MAX 32
#define KIND_MAX 17

#define RED "\033[1;31m"
#define YELLOW "\033[33m"
#define BOLD "\033[1m"
#define PLAIN "\033[0m"

struct page {
	struct text text;
	const struct sink_opts *opts;
};

static void paint(struct page *page, const char *colour)
{
	if (page->opts->colour)
		text__add(&page->text, colour);
}

/* Ends the page's line, which has `begun` columns already, by a paragraph of raw bytes; takes
 * that. */
static void add_line(struct page *page, struct text *line, size_t begun)
{
	if (text__error(line))
		page->text.failed = true;
	else
		layout_add_wrapped(&page->text, line->s ? line->s : "", begun, 4);
	text__fini(line);
}

/* The same for a line of a process; none when there is nothing to say. */
static void add_line_if_any(struct page *page, struct text *line)
{
	if (line->n || text__error(line)) {
		text__add(&page->text, "  ");
		add_line(page, line, 2);
	}
	text__fini(line);
}

/* --- a process ------------------------------------------------------------------------------ */

/* Wrapped like any line, but only what follows the coloured words, which are narrow. */
static void add_headline(struct page *page, const struct report_process *p)
{
	struct text *out = &page->text, line, left;
	const char *word = "no leak found", *colour = PLAIN;
	size_t begun;

	if (p->verdict == VERDICT_LEAK) {
		word = p->exited ? "LEAKED" : "LEAKING";
		colour = RED;
	} else if (p->verdict == VERDICT_GROWTH) {
		word = p->exited ? "GREW" : "GROWING";
		colour = YELLOW;
	}
	text__init(&line);
	text__addf(&line, "[%" PRIu32 "]", p->pid);
	paint(page, BOLD);
	begun = layout_add_cut(out, p->comm ? p->comm : "?", COMM_MAX) + line.n + strlen(word) + 4;
	text__add(out, line.s ? line.s : "");
	paint(page, PLAIN);
	text__add(out, "  ");
	paint(page, colour);
	text__add(out, word);
	paint(page, PLAIN);
	text__add(out, "  ");
	text__fini(&line);
	/* What grew, and gave it all back before it ended, needs no rate. */
	if (!p->exited || p->verdict != VERDICT_NONE)
		words_add_rate(&line, p->growth_bytes_per_second);
	text__init(&left);
	if (words_add_time_left(&left, p))
		text__addf(&line, ", %s", left.s ? left.s : "");
	text__fini(&left);
	if (p->has_limit) {
		text__add(&line, " ");
		words_add_limit(&line, p);
	}
	if (p->exited)
		text__add(&line, line.n ? ", has ended" : "has ended");
	add_line(page, &line, begun);
}

static void add_facts(struct page *page, const struct report_process *p)
{
	struct text line;

	text__init(&line);
	if (p->unit && *p->unit)
		text__addf(&line, "%s, ", p->unit);
	if (p->runtime && *p->runtime)
		text__addf(&line, "%s, ", p->runtime);
	if (p->resident_bytes || !p->exited) {	/* it may have ended before it was asked */
		text__add(&line, p->exited ? "resident when last asked " : "resident ");
		text__add_size(&line, (double)p->resident_bytes);
		text__add(&line, ", ");
	}
	text__add(&line, p->exited ? "accessible at its end " : "accessible ");
	text__add_size(&line, (double)p->accessible_bytes);
	if (p->reserved_bytes) {
		text__add(&line, ", only reserved ");
		text__add_size(&line, (double)p->reserved_bytes);
	}
	text__add(&page->text, "  ");
	add_line(page, &line, 2);
}

static double share_of_kind(const struct report_process *p, const char *kind)
{
	double share = 0;

	for (size_t i = 0; i < p->n_sites; i++) {
		if (p->sites[i].verdict >= VERDICT_GROWTH && !strcmp(p->sites[i].kind, kind))
			share += p->sites[i].share;
	}
	return share;
}

static void add_kind(struct page *page, const struct report_kind *k, double share)
{
	bool handle = !is_region_kind(k->kind);
	struct text line;

	text__init(&line);
	text__addf(&line, "%s: ", k->kind);
	text__add_count(&line, k->opened);
	text__add(&line, handle ? " opened, " : " taken, ");
	text__add_count(&line, k->closed);
	text__add(&line, handle ? " closed" : " given back");
	if (k->closed_by_collector) {
		text__add(&line, " (");
		text__add_count(&line, k->closed_by_collector);
		text__add(&line, " by the collector)");
	}
	text__add(&line, ", ");
	text__add_count(&line, k->open);
	text__add(&line, handle ? " open now, about " : " held, ");
	text__add_size(&line, (double)k->bytes);
	if (k->before_attach) {
		text__add(&line, " (");
		text__add_count(&line, k->before_attach);
		text__add(&line, handle ? " closed that were opened before)" : " from before)");
	}
	if (share > 0.005)
		text__addf(&line, "; %.0f%% of the growth", share * 100);
	text__add(&page->text, "  ");
	add_line(page, &line, 2);
}

/* "anon 98,909 of 98,959 held, 7.4 GB" */
static void add_mappings(struct text *line, const struct report_kind *k)
{
	text__addf(line, "%s%s ", line->n ? "; " : "mappings: ", k->kind);
	text__add_count(line, k->open);
	text__add(line, " of ");
	text__add_count(line, k->opened);
	text__add(line, " held, ");
	text__add_size(line, (double)k->bytes);
}

/* What was there before and did not move is no news. */
static bool is_news(const struct page *page, const struct report_kind *k)
{
	return k->opened || k->closed || page->opts->all_sites;
}

/* A line for each kind that explains growth, then for each other kind of handle; the mappings that
 * explain nothing, of which every process has some of each kind, share one. */
static void add_kinds(struct page *page, const struct report_process *p)
{
	struct text rest;
	double share;

	text__init(&rest);
	for (size_t i = 0; i < p->n_kinds; i++) {
		share = share_of_kind(p, p->kinds[i].kind);
		if (share > 0.005 && is_news(page, &p->kinds[i]))
			add_kind(page, &p->kinds[i], share);
	}
	for (size_t i = 0; i < p->n_kinds; i++) {
		const struct report_kind *k = &p->kinds[i];

		if (!is_news(page, k) || share_of_kind(p, k->kind) > 0.005)
			continue;
		if (!is_region_kind(k->kind)) {
			add_kind(page, k, 0);
			continue;
		}
		add_mappings(&rest, k);
	}
	add_line_if_any(page, &rest);
}

static void add_rest(struct page *page, const struct report_process *p)
{
	struct text line;

	if (p->exited && p->verdict == VERDICT_NONE)
		return;		/* it gave back what it had grown by, or its system did */

	text__init(&line);
	text_add_rest(&line, p);
	add_line_if_any(page, &line);
}

/* --- a site --------------------------------------------------------------------------------- */

static void add_site(struct page *page, const struct report_site *site)
{
	static const char *const words[] = { "none", "WATCH", "GROWTH", "LEAK" };
	struct text *out = &page->text;

	text__add(out, "  ");
	paint(page, site->verdict == VERDICT_LEAK ? RED :
		    site->verdict == VERDICT_GROWTH ? YELLOW : BOLD);
	text__addf(out, "%-7s", words[site->verdict & 3]);
	paint(page, PLAIN);
	layout_add_cut(out, site->kind, KIND_MAX);
	if (site->verdict >= VERDICT_GROWTH)
		text__addf(out, "  %.0f%% of the growth", site->share * 100);
	text__add(out, "  ");
	words_add_rate(out, site->bytes_per_second);
	text__add(out, is_region_kind(site->kind) ? ", " : ", about ");
	text__add_size(out, (double)site->bytes);
	text__add(out, " held");
	if (site->has_resident) {
		text__add(out, ", ");
		text__add_size(out, (double)site->resident_bytes);
		text__add(out, " resident");
	}
	text__addf(out, "  site %s\n", site->site[0] ? site->site : "unknown");
	text_add_stack(out, site, page->opts->all_sites);
	layout_add_spaces(out, 4);
	text__add(out, "evidence: ");
	layout_add_wrapped(out, site->evidence ? site->evidence : "", 14, 14);
}

/* Beside a leak, growth that explains nothing more is the leak's own, seen where the allocator takes
 * memory from the system: told in one line, not with a stack each. */
static bool is_aside(const struct page *page, const struct report_process *p,
		     const struct report_site *site)
{
	return !page->opts->all_sites && p->verdict == VERDICT_LEAK &&
	       site->verdict < VERDICT_LEAK && site->verdict > VERDICT_NONE && site->share < 0.01;
}

static void add_asides(struct page *page, const struct report_process *p)
{
	struct text line;
	double bytes = 0;
	size_t n = 0;

	for (size_t i = 0; i < p->n_sites; i++) {
		if (is_aside(page, p, &p->sites[i])) {
			bytes += (double)p->sites[i].bytes;
			n++;
		}
	}
	if (!n)
		return;
	text__init(&line);
	text__addf(&line, "the allocator's own growth under it: %zu site%s, ", n, n == 1 ? "" : "s");
	text__add_size(&line, bytes);
	text__add(&line, " (in the JSON report)");
	text__add(&page->text, "  ");
	add_line(page, &line, 2);
}

static void add_process(struct page *page, const struct report_process *p)
{
	struct text *out = &page->text;
	size_t least = page->opts->all_sites ? VERDICT_NONE : VERDICT_WATCH;

	add_headline(page, p);
	add_facts(page, p);
	add_kinds(page, p);
	add_rest(page, p);
	for (size_t i = 0; i < p->n_sites; i++) {
		if (p->sites[i].verdict >= least && !is_aside(page, p, &p->sites[i]))
			add_site(page, &p->sites[i]);
	}
	add_asides(page, p);
	if (p->n_sites_left_out) {
		text__add(out, "  ");
		text__add_count(out, p->n_sites_left_out);
		text__add(out, " more sites, none of them worse, are left out\n");
	}
	text__add(out, "\n");
}

static void add_nobody(struct page *page)
{
	text__add(&page->text, "No process with a finding: no leak, no growth.\n\n");
}

static void add_report(struct page *page, const struct report *report)
{
	size_t n_quiet = page->opts->all_sites ? SIZE_MAX : report__n_quiet_told(report);

	for (size_t i = 0; i < report->n_processes; i++) {
		const struct report_process *p = &report->processes[i];

		if (!process__is_quiet(p) || n_quiet)
			add_process(page, p);
		if (process__is_quiet(p) && n_quiet)
			n_quiet--;
	}
	if (!page->opts->all_sites)
		text_add_quiet(&page->text, report);
	if (!report->n_processes)
		add_nobody(page);
	text_add_trust(&page->text, report);
}

static int text_write(const struct report *report, FILE *stream, const struct sink_opts *opts)
{
	static const struct sink_opts plain;
	struct page page = { .opts = opts ? opts : &plain };
	int r;

	text__init(&page.text);
	if (page.opts->explain)
		text_add_explained(&page.text, report);
	else
		add_report(&page, report);
	r = text__error(&page.text);
	if (r == 0) {
		fwrite(page.text.s, 1, page.text.n, stream);
		r = sink_finish(stream);
	}
	text__fini(&page.text);
	return r;
}

const struct sink sink_text = {
	.name = "text",
	.summary = "for people",
	.write = text_write,
};
