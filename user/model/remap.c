/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * What a thread has in flight: an mremap between its entry and its return, and the last release,
 * which may yet turn out to have failed.
 *
 * At the entry of an mremap everything that it may give up leaves the map, because another thread
 * may be given that range before the return is reported: the old range when it may move, its tail
 * when it shrinks, and what lies where MREMAP_FIXED sends it. The pieces of the old range stay in
 * the accounts meanwhile, they are only nowhere; so an object that moves is not born again, and
 * one whose call fails has never been away. A return whose entry was lost does both at once.
 */
#include <errno.h>
#include <sys/mman.h>

#include "user/model/state.h"

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

#define THREADS_MAX 4096	/* of a process, that have something pending */
#define LIST_KEPT 256		/* entries whose memory a thread keeps for its next release */
#define STALE_NS 1000000000ull

static bool has_failed(int64_t ret)
{
	return ret < 0 && ret >= -4095;
}

/* Keeps the bounds: what a release left is dropped when too much is kept all over. */
void remap__keep(struct world *world, struct pending *pending)
{
	const size_t n = pending->pieces.n + pending->target.n;

	if (pending->what == PENDING_RELEASE &&
	    world->n_pending + n > world->opts.max_regions / 8 + 64) {
		region_list__fini(&pending->pieces);
		region_list__fini(&pending->target);
		pending->what = PENDING_NOTHING;
		return;
	}
	pending->time_ns = world->now_ns;
	world->n_pending += n;
}

static void forget(struct world *world, struct pending *pending)
{
	world->n_pending -= pending->pieces.n + pending->target.n;
	pending->pieces.n = 0;
	pending->target.n = 0;
	if (pending->pieces.capacity > LIST_KEPT)
		region_list__fini(&pending->pieces);
	if (pending->target.capacity > LIST_KEPT)
		region_list__fini(&pending->target);
	pending->what = PENDING_NOTHING;
	pending->brk_end = 0;
}

/* The call never took place, for all we know. */
static int take_back(struct world *world, struct space *space, struct pending *pending)
{
	const bool in_flight = pending->what == PENDING_MREMAP;
	int r;

	world->n_pending -= pending->pieces.n + pending->target.n;
	r = space__put_back(world, space, &pending->pieces, in_flight);
	if (r >= 0)
		r = space__put_back(world, space, &pending->target, false);
	pending->target.n = 0;
	forget(world, pending);
	return r < 0 ? r : 0;
}

/* Makes room: whoever released something long ago will not undo it. */
static void forget_releases(struct world *world, struct space *space)
{
	struct pending *pending;
	uint32_t tids[64];
	size_t cursor = 0, n = 0;

	while (n < 64 && (pending = table__next(&space->pending, &cursor))) {
		if (pending->what == PENDING_MREMAP)
			continue;
		forget(world, pending);
		region_list__fini(&pending->pieces);
		region_list__fini(&pending->target);
		tids[n++] = pending->tid;
	}
	while (n)
		table__remove(&space->pending, &tids[--n]);
}

int remap__pending(struct world *world, struct space *space, uint32_t tid, struct pending **out)
{
	struct pending *pending = table__find(&space->pending, &tid);
	int r = 0;

	*out = NULL;
	if (!tid)
		return 0;
	if (!pending) {
		if (space->pending.n >= THREADS_MAX)
			forget_releases(world, space);
		if (space->pending.n >= THREADS_MAX) {
			world__refuse(world, space->owner);
			return 0;
		}
		*out = table__insert(&space->pending, &tid, NULL);
		return *out ? 0 : -ENOMEM;
	}
	if (pending->what == PENDING_MREMAP) {	/* its return was lost */
		space->owner->pub.unsure = true;
		r = take_back(world, space, pending);
	}
	forget(world, pending);
	*out = pending;
	return r;
}

void remap__give_up(struct world *world, struct space *space, uint64_t before_ns)
{
	struct pending *pending;
	size_t cursor = 0;

	while ((pending = table__next(&space->pending, &cursor))) {
		if (pending->what != PENDING_MREMAP || pending->time_ns >= before_ns)
			continue;
		space__account_released(world, space, &pending->pieces);
		forget(world, pending);
	}
}

int remap__apply_undo(struct world *world, struct proc *proc, const struct ev_undo *event)
{
	struct space *space = proc->space;
	struct pending *pending = table__find(&space->pending, &event->h.tid);

	if (event->undone == EV_MMAP || event->undone == EV_MPROTECT)
		proc->pub.unsure = true;	/* it may have done a part of its work */
	if (!pending || pending->what != PENDING_RELEASE || pending->type != event->undone)
		return 0;
	if (pending->brk_end && pending->brk_end > space->brk_end)
		space->brk_end = pending->brk_end;
	return take_back(world, space, pending);
}

/* --- mremap ----------------------------------------------------------------------------------- */

/* Takes out what the call may give up. `pieces` is what of the old range left the map. */
static int take_out(struct world *world, struct space *space, const struct ev_mremap *event,
		    uint64_t target, struct region_list *pieces, struct region_list *given)
{
	uint64_t start = event->addr, end, kept_end, target_end;
	int r;

	if (event->flags & MREMAP_FIXED && space__range(target, event->new_len, &target_end)) {
		r = space__release(world, space, target, target_end, given);
		if (r)
			return r;
	}
	if (event->flags & MREMAP_DONTUNMAP || !space__range(start, event->old_len, &end))
		return 0;
	if (event->new_len < event->old_len) {
		if (!space__range(start, event->new_len, &kept_end))
			return 0;
		r = space__isolate(world, space, kept_end, end);
		if (r)
			return r;
		if (!(event->flags & (MREMAP_MAYMOVE | MREMAP_FIXED)))
			start = kept_end;
	} else if (!(event->flags & (MREMAP_MAYMOVE | MREMAP_FIXED))) {
		return 0;
	}
	return space__take_out(world, space, start, end, pieces);
}

int remap__apply_begin(struct world *world, struct proc *proc, const struct ev_mremap *event)
{
	struct pending *pending;
	int r;

	r = remap__pending(world, proc->space, event->h.tid, &pending);
	if (r < 0 || !pending)
		return r;
	if (world->n_pending > world->opts.max_regions / 8 + 64)
		return 0;	/* as if this record had been lost */
	pending->what = PENDING_MREMAP;
	pending->addr = event->addr;
	pending->old_len = event->old_len;
	pending->new_len = event->new_len;
	r = take_out(world, proc->space, event, event->ret, &pending->pieces, &pending->target);
	remap__keep(world, pending);
	return r < 0 ? r : 0;
}

static bool has_pages(const struct region_entry *e)
{
	return e->file != REGION_NO_FILE || e->flags & REGION_SHMAT;
}

/* What the bytes at addr are; false, and private memory, when nothing is known of them. */
static bool describe(const struct space *space, uint64_t addr, struct region_entry *out)
{
	const struct region_entry *e = region_map__at(&space->map,
						      region_map__seek(&space->map, addr));

	*out = (struct region_entry){ .file = REGION_NO_FILE, .kind = KIND_ANON,
				      .open_kind = KIND_ANON, .prot = PROT_READ | PROT_WRITE };
	if (!e || e->start > addr)
		return false;
	*out = *e;
	if (has_pages(e))
		out->file_page += (addr - e->start) >> REGION_PAGE_SHIFT;
	out->flags &= REGION_SHARED | REGION_SHMAT;
	return true;
}

/* A second mapping of what is at event->addr: MREMAP_DONTUNMAP, or an old length of 0. */
static int duplicate(struct world *world, struct proc *proc, const struct ev_mremap *event,
		     uint64_t end)
{
	const uint64_t start = event->ret;
	struct region_entry e;
	int r;

	if (!describe(proc->space, event->addr, &e) && !event->old_len) {
		e.kind = e.open_kind = KIND_SHM;	/* the kernel duplicates no other */
		e.flags = REGION_SHARED;
	}
	r = sites__of_event(world, proc, event->h.flags, event->stack, e.kind, &e.site);
	if (r < 0)
		return r;
	if (proc->space->seeding)
		e.flags |= REGION_NAMED;
	r = space__release(world, proc->space, start, end, NULL);
	return r ? r : space__fill(world, proc->space, start, end, &e, false);
}

/* Puts what was taken out where it went; the tail that did not fit is given back. */
static int place(struct world *world, struct space *space, const struct ev_mremap *event,
		 struct region_list *pieces)
{
	const uint64_t kept_end = event->addr + event->new_len;
	struct region_list moved = { 0 }, tail = { 0 };
	int r = 0;
	size_t i;

	for (i = 0; !r && i < pieces->n; i++) {
		struct region_entry e = pieces->e[i];

		if (e.start >= kept_end) {
			r = region_list__add(&tail, &e);
			continue;
		}
		if (space->seeding)
			e.flags |= REGION_NAMED;
		e.start = event->ret + (e.start - event->addr);
		e.end = event->ret + (e.end - event->addr);
		r = region_list__add(&moved, &e);
	}
	if (!r)
		r = space__put_back(world, space, &moved, true);
	space__account_released(world, space, &tail);
	pieces->n = 0;
	region_list__fini(&moved);
	region_list__fini(&tail);
	return r;
}

/* What fills a gap of the new range: more of what lies before it, else of what lies behind. */
static void describe_gap(const struct space *space, uint64_t start, uint64_t end,
			 uint64_t gap_start, uint64_t gap_end, struct region_entry *out)
{
	const uint64_t pages = (gap_end - gap_start) >> REGION_PAGE_SHIFT;

	if (gap_start > start) {
		describe(space, gap_start - 1, out);
		out->file_page += has_pages(out);
		return;
	}
	describe(space, gap_end < end ? gap_end : gap_start, out);
	if (has_pages(out))
		out->file_page -= out->file_page < pages ? out->file_page : pages;
}

/* Whatever of the new range nothing is known about: what it grew by, or all of it. */
static int grow(struct world *world, struct proc *proc, const struct ev_mremap *event,
		uint64_t start, uint64_t end)
{
	struct space *space = proc->space;
	const struct region_entry *first;
	uint64_t at = start, gap_start, gap_end;
	struct region_entry e;
	bool known;
	int r = 0;

	first = region_map__at(&space->map, region_map__seek(&space->map, start));
	known = first && first->start < end;
	while (!r && region_map__gap(&space->map, &at, end, &gap_start, &gap_end)) {
		describe_gap(space, start, end, gap_start, gap_end, &e);
		if (space->seeding)
			e.flags |= REGION_NAMED;
		r = sites__of_event(world, proc, event->h.flags, event->stack, e.kind, &e.site);
		if (r < 0)
			return r;
		r = space__fill(world, space, gap_start, gap_end, &e, known);
	}
	return r;
}

static int succeed(struct world *world, struct proc *proc, const struct ev_mremap *event,
		   struct region_list *pieces, uint64_t end)
{
	struct space *space = proc->space;
	const uint64_t start = event->ret;
	uint64_t from = start;
	int r;

	if (event->flags & MREMAP_DONTUNMAP || !event->old_len)
		return duplicate(world, proc, event, end);
	/* In place, the old range is where it was unless it was taken out. */
	if (start == event->addr && !(event->flags & (MREMAP_MAYMOVE | MREMAP_FIXED)))
		from = event->old_len < event->new_len ? start + event->old_len : end;
	r = space__release(world, space, from, end, NULL);
	if (r < 0)
		return r;
	r = place(world, space, event, pieces);
	return r < 0 ? r : grow(world, proc, event, start, end);
}

/* Whether MREMAP_FIXED had already unmapped its target when it failed is anybody's guess, but for
 * EINVAL, which comes before, and mostly ENOMEM: too many mappings (mremap_to() in mm/mremap.c). */
static int fail(struct world *world, struct proc *proc, const struct ev_mremap *event,
		struct pending *pending)
{
	if (event->ret != -EINVAL && pending->target.n)
		proc->pub.unsure = true;
	if (event->ret != -EINVAL && event->ret != -ENOMEM && pending->target.n) {
		world->n_pending -= pending->target.n;
		pending->target.n = 0;
	}
	return take_back(world, proc->space, pending);
}

int remap__apply_end(struct world *world, struct proc *proc, const struct ev_mremap *event)
{
	struct space *space = proc->space;
	struct region_list late = { 0 };
	struct pending *pending = table__find(&space->pending, &event->h.tid);
	uint64_t end, old_end;
	int r = 0;

	if (pending && (pending->what != PENDING_MREMAP || pending->addr != event->addr ||
			pending->old_len != event->old_len ||
			pending->new_len != event->new_len))
		pending = NULL;
	if (has_failed(event->ret))
		return pending ? fail(world, proc, event, pending) : 0;
	if (!space__range(event->ret, event->new_len, &end) ||
	    (event->old_len && !space__range(event->addr, event->old_len, &old_end)))
		return -EBADMSG;
	if (pending) {
		world->n_pending -= pending->pieces.n + pending->target.n;
		pending->target.n = 0;
		r = succeed(world, proc, event, &pending->pieces, end);
		forget(world, pending);
	} else {
		r = take_out(world, space, event, event->ret, &late, NULL);
		if (!r)
			r = succeed(world, proc, event, &late, end);
	}
	region_list__fini(&late);
	if (!r)
		space__join(space, world, event->ret, end);
	return r < 0 ? r : 0;
}
