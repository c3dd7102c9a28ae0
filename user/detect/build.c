/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * From the world and the trends to a report: a complete copy, so that it outlives both. Whatever
 * is half made when memory runs out is freed as a whole: every count is raised only after its
 * entry is in a state that report__free() understands.
 */
#include "user/detect/detector.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/cleanup.h"
#include "user/base/text.h"
#include "user/detect/build_frames.h"
#include "user/detect/build_tests.h"
#include "user/detect/evidence.h"
#include "user/detect/explain.h"
#include "user/detect/groups.h"
#include "user/detect/share.h"
#include "user/detect/state.h"
#include "user/detect/trust.h"
#include "user/detect/verdict.h"

#define WORTH_TELLING (1 << 20)	/* bytes that a process of a host took and holds */

#define MAX_SITES_DEFAULT 20

/* What the parts of one building share. */
struct build {
	const struct detector *detector;
	const struct world *world;
	const struct report_facts *facts;
	struct report *report;
};

/* --- sites ---------------------------------------------------------------------------------- */

/* A site on its way into the report. */
struct candidate {
	const struct site *site;
	enum verdict verdict;
	double bytes_per_second;
	double touched;		/* share of what it holds that is in memory; 1: not measured */
	double share, private_share;
};

#define RESIDENT_FRESH_NS 10000000000ull	/* what was measured for an earlier report is over */
#define HARDLY_TOUCHED (1.0 / 16)

static bool is_resident_known(const struct site *site, const struct world *world)
{
	return site->has_resident && site->resident_of &&
	       world__now_ns(world) - site->resident_ns <= RESIDENT_FRESH_NS;
}

/* Verdicts in order. What hardly anybody touched is address space, not memory: it comes after all
 * that was found and before what is only watched. */
static int rank(const struct candidate *c)
{
	if (c->verdict >= VERDICT_GROWTH && c->touched < HARDLY_TOUCHED)
		return 2 * VERDICT_WATCH + 1;
	return 2 * c->verdict;
}

/* Order of two numbers, the larger one first. */
static int larger_first(double a, double b)
{
	return a < b ? 1 : a > b ? -1 : 0;
}

/* What survives of the newer half of the time watched, over that half. */
static double current_rate(const struct trend *trend, uint32_t first, uint32_t now)
{
	uint32_t half = now > first ? (now - first) / 2 : 0;

	if (!half)
		return 0;
	return trend__bytes_born_between(trend, now - half, now) /
	       ((double)half * WORLD_TICK_S);
}

/* Worst first; equals by what they take per second, what they hold, both as far as it is in memory,
 * and who came first. */
static int compare_candidates(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	int order = rank(y) - rank(x);

	if (!order && x->verdict != VERDICT_NONE)
		order = larger_first(x->bytes_per_second * x->touched,
				     y->bytes_per_second * y->touched);
	if (!order)
		order = larger_first((double)x->site->bytes * x->touched,
				     (double)y->site->bytes * y->touched);
	if (order)
		return order;
	if (x->site->first_open_ns != y->site->first_open_ns)
		return x->site->first_open_ns > y->site->first_open_ns ? 1 : -1;
	if (x->site->kind != y->site->kind)
		return x->site->kind > y->site->kind ? 1 : -1;
	return x->site->id > y->site->id ? 1 : x->site->id < y->site->id ? -1 : 0;
}

/* All sites of the process that have anything to say, sorted. The caller frees *out. */
static int list_candidates(const struct world *world, const struct tracked *tracked, uint32_t now,
			   struct candidate **out, size_t *n)
{
	const struct process *p = tracked->process;

	*n = 0;
	*out = calloc(p->n_sites ? p->n_sites : 1, sizeof(**out));
	if (!*out)
		return -ENOMEM;
	for (const struct site *site = p->sites; site && *n < p->n_sites; site = site->next) {
		const struct trend *trend = site->trend;
		struct candidate *c = &(*out)[*n];

		if (!site->opened && !site->open)
			continue;
		c->site = site;
		c->touched = 1;
		if (is_resident_known(site, world))
			c->touched = (double)site->resident_bytes / (double)site->resident_of;
		if (trend) {
			c->verdict = trend->verdict;
			c->bytes_per_second = current_rate(trend, tracked->first_tick, now);
		}
		(*n)++;
	}
	qsort(*out, *n, sizeof(**out), compare_candidates);
	return 0;
}

/* Shares of the growth for the sites found; returns their sum. -ENOMEM: negative. */
static double share_candidates(struct candidate *candidates, size_t n, double gained)
{
	cleanup_free struct share_of *shares = calloc(n ? n : 1, sizeof(*shares));
	size_t found = 0;
	double sum;

	if (!shares)
		return -1;
	/* Sorted: the found ones come first, then what is only watched. */
	while (found < n && candidates[found].verdict >= VERDICT_GROWTH) {
		shares[found].is_handle = kind_is_handle(candidates[found].site->kind);
		shares[found].bytes = (double)candidates[found].site->bytes *
				      candidates[found].touched;
		found++;
	}
	sum = share__spread(shares, found, gained);
	for (size_t i = 0; i < found; i++)
		candidates[i].share = shares[i].share;
	return sum;
}

static int note_cut_look(struct report *report)
{
	return report__add_not_covered(report, strdup("not all regions were looked at: resident bytes of "
						      "the largest sites are of a part of them"));
}

static int build_site(const struct build *build, struct report_site *out,
		      const struct candidate *c, uint32_t now)
{
	const struct site *site = c->site;
	int r;

	out->verdict = c->verdict;
	out->opened = site->opened;
	out->closed = site->closed;
	out->open = site->open;
	out->closed_by_collector = site->closed_by_collector;
	out->bytes = site->bytes;
	out->has_resident = is_resident_known(site, build->world);
	out->resident_bytes = out->has_resident ? site->resident_bytes : 0;
	out->share = c->share;
	out->private_share = c->private_share;
	out->bytes_per_second = c->bytes_per_second;
	out->complete = site->stack && !site->partial && site->stack->end == EV_STACK_COMPLETE;
	if (site->id)
		snprintf(out->site, sizeof(out->site), "%016" PRIx64, site->id);
	r = report_copy_string(&out->kind, world__kind_name(build->world, site->kind));
	if (!r && out->has_resident && site->resident_of < site->bytes)
		r = note_cut_look(build->report);
	if (r < 0)
		return r;
	out->evidence = evidence__new(site, site->trend, now, build->detector->loss_rate);
	if (!out->evidence)
		return -ENOMEM;
	r = report_site__add_tests(out, build->detector, site);
	return r < 0 ? r : report_site__add_frames(out, site->stack);
}

static int explain(const struct tracked *tracked, const struct growth *growth,
		   struct candidate *candidates, size_t n, struct report_growth *out)
{
	cleanup_free struct explained *sites = calloc(n ? n : 1, sizeof(*sites));
	int r;

	if (!sites)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		sites[i] = (struct explained){ .site = candidates[i].site,
					       .found = candidates[i].verdict >= VERDICT_GROWTH,
					       .share = candidates[i].share };
	r = tracked__explain(tracked, growth, sites, n, out);
	for (size_t i = 0; i < n; i++)
		candidates[i].private_share = sites[i].private_share;
	return r;
}

/* The first ones, and any that is to be explained. Returns how many. */
static size_t keep_most(const struct detector *detector, struct candidate *candidates, size_t n)
{
	size_t most = detector->opts.max_sites_reported, kept = 0;

	if (!most)
		most = MAX_SITES_DEFAULT;
	for (size_t i = 0; i < n; i++)
		if (i < most || detector__explains(detector, candidates[i].site))
			candidates[kept++] = candidates[i];
	return kept;
}

static int build_sites(const struct build *build, const struct tracked *tracked,
		       const struct growth *growth, struct report_process *out)
{
	const struct process *p = tracked->process;
	uint32_t now = process__last_tick(p, build->world);
	cleanup_free struct candidate *candidates = NULL;
	size_t n, kept;
	int r;

	r = list_candidates(build->world, tracked, now, &candidates, &n);
	if (r < 0)
		return r;
	out->explained_share = share_candidates(candidates, n, growth->gained);
	if (out->explained_share < 0)
		return -ENOMEM;
	r = explain(tracked, growth, candidates, n, &out->growth);
	if (r < 0)
		return r;
	kept = keep_most(build->detector, candidates, n);
	out->n_sites_left_out = n - kept;
	out->sites = calloc(kept ? kept : 1, sizeof(*out->sites));
	if (!out->sites)
		return -ENOMEM;
	for (size_t i = 0; i < kept; i++) {
		out->n_sites = i + 1;
		r = build_site(build, &out->sites[i], &candidates[i], now);
		if (r < 0)
			return r;
	}
	return 0;
}

/* --- processes ------------------------------------------------------------------------------ */

/* What was there before is no taking that was seen: it counts as before_attach only. */
static void leave_out_before_attach(const struct process *p, unsigned int kind,
				    struct report_kind *out)
{
	for (const struct site *site = p->sites; site; site = site->next) {
		if (site->before_attach && site->kind == kind) {
			out->opened -= site->opened;
			out->closed -= site->closed;
			out->open -= site->open;
			out->bytes -= site->bytes;
		}
	}
}

static int build_kinds(const struct build *build, const struct process *p,
		       struct report_process *out)
{
	out->kinds = calloc(N_KINDS, sizeof(*out->kinds));
	if (!out->kinds)
		return -ENOMEM;
	for (unsigned int i = 0; i < N_KINDS; i++) {
		const struct kind_totals *k = &p->kinds[i];
		struct report_kind *kind = &out->kinds[out->n_kinds];

		if (!k->opened && !k->closed && !k->open && !k->bytes && !k->before_attach)
			continue;
		*kind = (struct report_kind){
			.opened = k->opened, .closed = k->closed, .open = k->open,
			.closed_by_collector = k->closed_by_collector,
			.bytes = k->bytes, .before_attach = k->before_attach,
		};
		leave_out_before_attach(p, i, kind);
		if (report_copy_string(&kind->kind, world__kind_name(build->world, i)) < 0)
			return -ENOMEM;
		out->n_kinds++;
	}
	return 0;
}

static int build_process(const struct build *build, const struct tracked *tracked,
			 struct report_process *out)
{
	const struct process *p = tracked->process;
	struct growth growth = tracked__growth(tracked);
	const struct ev_memory *m = &p->memory;
	int r;

	out->pid = p->tgid;
	out->exited = p->exited;
	out->verdict = tracked->verdict;
	if (p->start_ns)
		out->start_time = build->facts->boot_time + (double)p->start_ns / 1e9;
	out->growth_bytes_per_second = growth.rate.known ? growth.rate.mid : 0;
	if (p->has_memory)
		out->resident_bytes = m->rss_anon + m->rss_file + m->rss_shmem;
	out->accessible_bytes = p->accessible_bytes;
	out->reserved_bytes = p->reserved_bytes;
	out->has_limit = !p->exited && tracked__limit(tracked, &growth, &out->limit);
	if (out->has_limit && out->limit.kind <= EV_LIMIT_CGROUP_HIGH && p->groups[out->limit.kind] &&
	    report_copy_string(&out->limit_group, p->groups[out->limit.kind]) < 0)
		return -ENOMEM;
	r = report_copy_string(&out->comm, p->comm);
	r = r < 0 ? r : report_copy_string(&out->cmdline, p->cmdline);
	r = r < 0 ? r : report_copy_string(&out->unit, p->unit);
	r = r < 0 ? r : report_copy_string(&out->runtime, p->runtime);
	r = r < 0 ? r : build_kinds(build, p, out);
	return r < 0 ? r : build_sites(build, tracked, &growth, out);
}

static int compare_processes(const void *a, const void *b)
{
	const struct report_process *x = a, *y = b;

	if (x->verdict != y->verdict)
		return x->verdict < y->verdict ? 1 : -1;
	/* Of those without a finding the larger: the rate of one that lived for a moment says nothing. */
	if (x->verdict == VERDICT_NONE && x->resident_bytes != y->resident_bytes)
		return x->resident_bytes < y->resident_bytes ? 1 : -1;
	if (x->growth_bytes_per_second != y->growth_bytes_per_second)
		return x->growth_bytes_per_second < y->growth_bytes_per_second ? 1 : -1;
	return x->pid > y->pid ? 1 : x->pid < y->pid ? -1 : 0;
}

/* Of a whole host: who is suspected, who uses handles, who took memory and holds it, and whose site is
 * asked for. */
static bool is_worth_telling(const struct detector *detector, const struct tracked *tracked)
{
	const struct process *p = tracked->process;
	uint64_t bytes = 0;

	for (unsigned int i = KIND_PAIR_0; i < N_KINDS; i++)
		if (p->kinds[i].opened)
			return true;
	for (const struct site *site = p->sites; site; site = site->next) {
		if (detector__explains(detector, site))
			return true;
		if (!site->before_attach && site->kind != KIND_RESERVED && site->kind != KIND_FILE)
			bytes += site->bytes;	/* files: every program maps its libraries */
	}
	return tracked->verdict > VERDICT_NONE || bytes >= WORTH_TELLING;
}

static int build_processes(const struct build *build)
{
	struct report *report = build->report;
	struct process *p;
	size_t n = 0;
	int r;

	for (p = world__processes(build->world); p; p = p->next)
		n++;
	report->processes = calloc(n ? n : 1, sizeof(*report->processes));
	if (!report->processes)
		return -ENOMEM;
	for (p = world__processes(build->world); p; p = p->next) {
		const struct tracked *tracked = detector__tracked(build->detector, p);

		/* Appeared after the last check: there is no verdict to report. */
		if (!tracked)
			continue;
		if (build->facts->whole_system && !is_worth_telling(build->detector, tracked))
			continue;
		report->n_processes++;
		r = build_process(build, tracked, &report->processes[report->n_processes - 1]);
		if (r >= 0)
			r = report__add_groups(report, tracked);
		if (r < 0)
			return r;
		if (tracked->verdict > report->verdict)
			report->verdict = tracked->verdict;
	}
	qsort(report->processes, report->n_processes, sizeof(*report->processes),
	      compare_processes);
	report__sort_groups(report);
	return 0;
}

/* --- the whole ------------------------------------------------------------------------------ */

int detector__report(const struct detector *detector, const struct world *world,
		     const struct report_facts *facts, struct report **out)
{
	struct report *report = calloc(1, sizeof(*report));
	struct build build = { detector, world, facts, report };
	uint64_t now_ns = world__now_ns(world);
	int r;

	if (!report)
		return -ENOMEM;
	report->started = facts->started;
	if (now_ns > facts->started_ns)
		report->seconds = (double)(now_ns - facts->started_ns) / 1e9;
	r = report_copy_string(&report->command, facts->command ? facts->command : "");
	r = r < 0 ? r : report_copy_string(&report->host, facts->host ? facts->host : "");
	r = r < 0 ? r : build_processes(&build);
	r = r < 0 ? r : report__add_trust(report, world);
	if (r < 0) {
		report__free(report);
		return r;
	}
	*out = report;
	return 0;
}
