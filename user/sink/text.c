/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The text form, for a person at a terminal of 100 columns.
 *
 * One block for each process: who, verdict, rate, time left; what was taken and given back, by
 * kind; then each finding with its stack and its evidence. Last, always, what was watched and how
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
#include "user/sink/text_growth.h"
#include "user/sink/text_trust.h"
#include "user/wire/decode.h"

#define FUNCTION_MAX 64		/* columns of a function before the module's column starts */
#define MODULE_MAX 28
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

/* --- a process ------------------------------------------------------------------------------ */

static void add_rate(struct text *out, double bytes_per_second)
{
	if (bytes_per_second >= 0)
		text__add(out, "+");
	text__add_size(out, bytes_per_second);
	text__add(out, "/s");
}

static const char *limit_words(enum ev_limit_kind kind)
{
	switch (kind) {
	case EV_LIMIT_CGROUP_MAX:
		return "cgroup's memory.max";
	case EV_LIMIT_CGROUP_HIGH:
		return "cgroup's memory.high";
	case EV_LIMIT_RLIMIT_AS:
		return "address space limit";
	case EV_LIMIT_HOST:
		return "host";
	case EV_LIMIT_MAP_COUNT:
		return "vm.max_map_count";
	default:
		return "limit";
	}
}

/* ", out of memory in 18 s to 25 s", or nothing. */
static void add_time_left(struct text *out, const struct report_process *p)
{
	const struct report_limit *limit = &p->limit;

	if (!p->has_limit || p->verdict < VERDICT_GROWTH || limit->seconds_low < 0)
		return;
	text__addf(out, ", out of %s in ",
		   limit->kind == EV_LIMIT_MAP_COUNT ? "mappings" : "memory");
	text__add_duration(out, limit->seconds_low);
	if (limit->seconds_high > limit->seconds_low * 1.1) {
		text__add(out, " to ");
		text__add_duration(out, limit->seconds_high);
	}
}

static void add_limit(struct text *out, const struct report_process *p)
{
	const struct report_limit *limit = &p->limit;

	text__addf(out, "(%s", limit_words(limit->kind));
	if (p->limit_group && *p->limit_group)
		text__addf(out, " in %s", p->limit_group);
	text__add(out, ": ");
	if (limit->kind == EV_LIMIT_MAP_COUNT) {
		text__add_count(out, limit->bytes_left);
		text__add(out, " maps");
	} else {
		text__add_size(out, (double)limit->bytes_left);
	}
	text__add(out, " left)");
}

/* Wrapped like any line, but only what follows the coloured words, which are narrow. */
static void add_headline(struct page *page, const struct report_process *p)
{
	struct text *out = &page->text, line;
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
	add_rate(&line, p->growth_bytes_per_second);
	add_time_left(&line, p);
	if (p->has_limit) {
		text__add(&line, " ");
		add_limit(&line, p);
	}
	if (p->exited)
		text__add(&line, ", has ended");
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
	text__add(&line, "resident ");
	text__add_size(&line, (double)p->resident_bytes);
	text__add(&line, ", accessible ");
	text__add_size(&line, (double)p->accessible_bytes);
	text__add(&line, ", reserved ");
	text__add_size(&line, (double)p->reserved_bytes);
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

static void add_kind(struct page *page, const struct report_process *p,
		     const struct report_kind *k)
{
	bool handle = !is_region_kind(k->kind);
	double share = share_of_kind(p, k->kind);
	struct text line;

	text__init(&line);
	text__addf(&line, "%s: ", k->kind);
	text__add_count(&line, k->opened);
	text__add(&line, handle ? " opened, " : " taken, ");
	text__add_count(&line, k->closed);
	text__add(&line, handle ? " closed, " : " given back, ");
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

static void add_rest(struct page *page, const struct report_process *p)
{
	struct text line;

	text__init(&line);
	text_add_rest(&line, p);
	if (line.n) {
		text__add(&page->text, "  ");
		add_line(page, &line, 2);
	} else {
		text__fini(&line);
	}
}

/* --- a site --------------------------------------------------------------------------------- */

static bool is_java(const struct report_frame *frame)
{
	return frame->kind == FRAME_JAVA || frame->kind == FRAME_JAVA_INLINED ||
	       frame->kind == FRAME_JAVA_INTERPRETED;
}

/* The name of a frame; an unknown one keeps its place: [module+0xoffset]. */
static void frame_name(struct text *out, const struct report_frame *frame)
{
	if (frame->function)
		text__add(out, frame->function);
	else if (frame->module)
		text__addf(out, "[%s+0x%" PRIx64 "]", frame->module, frame->offset);
	else
		text__addf(out, "[0x%" PRIx64 "]", frame->offset);
	if (is_java(frame)) {	/* the class tells the file */
		if (frame->line)
			text__addf(out, ":%" PRIu32, frame->line);
	} else if (frame->file && frame->line) {
		const char *slash = strrchr(frame->file, '/');

		/* The folder is the builder's business; the JSON form has the whole path. */
		text__addf(out, " (%s:%" PRIu32 ")", slash ? slash + 1 : frame->file, frame->line);
	}
}

static size_t frame_columns(const struct report_frame *frame)
{
	struct text name;
	size_t c;

	text__init(&name);
	frame_name(&name, frame);
	c = name.s ? layout_columns(name.s) : 0;
	text__fini(&name);
	return c < FUNCTION_MAX ? c : FUNCTION_MAX;
}

static void add_stack(struct page *page, const struct report_site *site)
{
	struct text *out = &page->text;
	size_t widest = 0;

	for (size_t i = 0; i < site->n_frames; i++) {
		size_t c = frame_columns(&site->frames[i]);

		widest = c > widest ? c : widest;
	}
	for (size_t i = 0; i < site->n_frames; i++) {
		const struct report_frame *frame = &site->frames[i];
		struct text name;
		size_t c;

		text__init(&name);
		frame_name(&name, frame);
		if (text__error(&name))
			out->failed = true;
		layout_add_spaces(out, 6);
		c = layout_add_cut(out, name.s ? name.s : "", FUNCTION_MAX);
		text__fini(&name);
		if (frame->function && frame->module) {
			layout_add_spaces(out, widest - c + 2);
			layout_add_cut(out, frame->module, MODULE_MAX);
		}
		text__add(out, "\n");
	}
	if (!site->n_frames)
		text__add(out, "      (no stack was taken)\n");
	else if (!site->complete)
		text__add(out, "      (the stack is incomplete: callers beyond are missing)\n");
}

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
	add_rate(out, site->bytes_per_second);
	text__add(out, is_region_kind(site->kind) ? ", " : ", about ");
	text__add_size(out, (double)site->bytes);
	text__add(out, " held");
	if (site->has_resident) {
		text__add(out, ", ");
		text__add_size(out, (double)site->resident_bytes);
		text__add(out, " resident");
	}
	text__addf(out, "  site %s\n", site->site[0] ? site->site : "unknown");
	add_stack(page, site);
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
	for (size_t i = 0; i < p->n_kinds; i++) {
		/* What was there before and did not move is no news. */
		if (p->kinds[i].opened || p->kinds[i].closed || page->opts->all_sites)
			add_kind(page, p, &p->kinds[i]);
	}
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

static int text_write(const struct report *report, FILE *stream, const struct sink_opts *opts)
{
	static const struct sink_opts plain;
	struct page page = { .opts = opts ? opts : &plain };
	int r;

	text__init(&page.text);
	for (size_t i = 0; i < report->n_processes; i++)
		add_process(&page, &report->processes[i]);
	if (!report->n_processes)
		add_nobody(&page);
	text_add_trust(&page.text, report);
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
