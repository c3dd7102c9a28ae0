/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The sums are kept by site index, in an array beside the slots. A handle that leaked because its
 * address was opened again is in its site's accounts and in no table, so for handle kinds the
 * tables must hold what the accounts hold less what was opened again.
 */
#include "user/model/check.h"

#include <stdlib.h>

#include "user/base/cleanup.h"
#include "user/model/state.h"

struct sums {
	uint64_t open, bytes, same_file;
};

struct sum_check {
	const struct world *world;
	struct sums *by_slot;	/* of the index of a site, aliases resolved */
	uint64_t n_regions, n_handles, n_pending;
};

static struct proc *next_of(const struct proc *proc)
{
	return proc->pub.next ? proc_of(proc->pub.next) : NULL;
}

static const char *add_entry(struct sum_check *check, const struct space *space,
			     const struct region_entry *e)
{
	const struct model_site *site = world__site(check->world, e->site);
	struct sums *sums;

	if (!site)
		return "a region of no site";
	if (site->pub.process != &space->owner->pub)
		return "a region of another process's site";
	if (site->pub.kind != e->kind)
		return "a region of a site of another kind";
	if ((e->kind == KIND_RESERVED) != !e->prot)
		return "a reserved region that is accessible, or the reverse";
	sums = &check->by_slot[site->index];
	sums->open += !(e->flags & REGION_FRAGMENT);
	sums->same_file += !!(e->flags & REGION_SAME_FILE);
	sums->bytes += e->end - e->start;
	return NULL;
}

static const char *add_space(struct sum_check *check, const struct space *space)
{
	struct region_pos pos = region_map__seek(&space->map, 0);
	const char *why = region_map__check(&space->map);
	const struct region_entry *e;
	const struct pending *pending;
	const uint8_t *handle;
	size_t cursor = 0, i;
	uint32_t pair, site;

	for (; !why && (e = region_map__at(&space->map, pos)); region_map__next(&space->map, &pos))
		why = add_entry(check, space, e);
	check->n_regions += space->map.n;
	while (!why && (pending = table__next(&space->pending, &cursor))) {
		check->n_pending += pending->pieces.n + pending->target.n;
		if (pending->what != PENDING_MREMAP)
			continue;
		for (i = 0; !why && i < pending->pieces.n; i++)
			why = add_entry(check, space, &pending->pieces.e[i]);
	}
	for (pair = 0; pair < N_PAIRS; pair++) {
		if (!space->handles[pair])
			continue;
		check->n_handles += space->handles[pair]->n;
		for (cursor = 0; (handle = table__next(space->handles[pair], &cursor)); ) {
			site = ((const uint32_t *)handle)[4];	/* struct handle, in handles.c */
			check->by_slot[world__site(check->world, site)->index].open++;
		}
	}
	return why;
}

static const char *check_site(const struct sum_check *check, const struct model_site *site)
{
	const struct site *s = &site->pub;
	const struct sums *sums = &check->by_slot[site->index];

	if (s->opened - s->closed != s->open)
		return "a site where opened - closed is not open";
	if (s->bytes_opened - s->bytes_closed != s->bytes)
		return "a site where bytes opened - closed are not its bytes";
	if (proc_of(s->process)->pub.exited)
		return NULL;
	if (kind_is_handle(s->kind))
		return sums->open > s->open ? "more handles in the tables than are open" : NULL;
	if (sums->open != s->open)
		return "a site whose objects are not the pieces that stand for one";
	if (sums->bytes != s->bytes)
		return "a site whose bytes are not its regions'";
	if (sums->same_file != s->same_file)
		return "a site whose same_file is not its regions'";
	return NULL;
}

static const char *check_process(const struct sum_check *check, const struct proc *proc)
{
	struct kind_totals sums[N_KINDS] = { 0 };
	uint64_t mapped = 0;
	uint32_t n = 0;
	const struct site *s;
	const char *why;
	unsigned int k;

	for (s = proc->pub.sites; s; s = s->next, n++) {
		why = check_site(check, (const struct model_site *)s);
		if (why)
			return why;
		sums[s->kind].opened += s->opened;
		sums[s->kind].closed += s->closed;
		sums[s->kind].open += s->open;
		sums[s->kind].bytes += s->bytes;
		sums[s->kind].closed_by_collector += s->closed_by_collector;
		sums[s->kind].before_attach += s->before_attach ? s->open : 0;
	}
	if (n != proc->pub.n_sites)
		return "a wrong number of sites";
	for (k = 0; k < N_KINDS; k++) {
		const struct kind_totals *t = &proc->pub.kinds[k];

		if (t->opened != sums[k].opened || t->closed != sums[k].closed ||
		    t->open != sums[k].open || t->bytes != sums[k].bytes ||
		    t->closed_by_collector != sums[k].closed_by_collector)
			return "totals of a kind that are not the sums over its sites";
		if (!kind_is_handle(k) && t->before_attach != sums[k].before_attach)
			return "a wrong number of objects from before attach";
		mapped += kind_is_handle(k) ? 0 : t->bytes;
	}
	if (proc->pub.mapped_bytes != mapped ||
	    proc->pub.reserved_bytes != proc->pub.kinds[KIND_RESERVED].bytes ||
	    proc->pub.accessible_bytes != mapped - proc->pub.reserved_bytes)
		return "bytes of a process that are not the sums over its kinds";
	return NULL;
}

const char *world__check(const struct world *world)
{
	cleanup_free struct sums *by_slot = calloc(world->slots.n + 1, sizeof(*by_slot));
	struct sum_check check = { .world = world, .by_slot = by_slot };
	const char *why = NULL;
	const struct proc *proc;

	if (!by_slot)
		return "no memory for the check";
	for (proc = world->first; proc && !why; proc = next_of(proc)) {
		if (!proc->pub.exited && proc->space->owner == proc)
			why = add_space(&check, proc->space);
	}
	for (proc = world->first; proc && !why; proc = next_of(proc))
		why = check_process(&check, proc);
	if (why)
		return why;
	if (check.n_regions != world->n_regions)
		return "a wrong number of regions in the world";
	if (check.n_handles != world->n_handles)
		return "a wrong number of handles in the world";
	if (check.n_pending != world->n_pending)
		return "a wrong number of pieces that are kept for later";
	return NULL;
}
