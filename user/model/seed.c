/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * A reading of a process's map file, laid over what the model has: what both know keeps its origin,
 * what only the reading knows was there before attach (or the kernel made it, for a fresh image: no
 * taking of the program's either), what only the model knows is gone. Marking each entry that the
 * reading names and sweeping the others at the end needs no order among the lines.
 *
 * Records of the process may come between BEGIN and END. They are applied as they come, so the
 * later record wins at its addresses: an event over an earlier line, a line over an earlier event.
 * What such an event made counts as named, or the sweep would remove it. The source writes a whole
 * reading at once; records that were in the ring by then follow it, and applying to the reading
 * what it already shows leads to the state after the last of them all the same.
 */
#include <errno.h>
#include <sys/mman.h>

#include "user/model/state.h"

#define HUGETLBFS_MAGIC 0x958458f6u	/* linux/magic.h */
#define STALE_NS 1000000000ull		/* no mremap takes longer: its return was lost */

int seed__apply_begin(struct world *world, struct proc *proc, const struct ev_seed *event)
{
	struct space *space = proc->space;
	struct region_pos pos = region_map__seek(&space->map, 0);
	struct region_entry *e;

	for (; (e = region_map__at(&space->map, pos)); region_map__next(&space->map, &pos))
		e->flags &= ~REGION_NAMED;
	space->seeding = true;
	space->seed_lost = world->lost[EV_LOSS_MODEL_FULL];
	return 0;
}

/* --- lines ------------------------------------------------------------------------------------ */

static int read_line(struct world *world, const struct ev_region *event, struct region_entry *out)
{
	const bool shared = event->flags & EV_REGION_SHARED;
	int r;

	*out = (struct region_entry){
		.start = event->start,
		.end = event->end,
		.file = REGION_NO_FILE,
		.prot = event->prot & (PROT_READ | PROT_WRITE | PROT_EXEC),
		.flags = REGION_NAMED | (shared ? REGION_SHARED : 0),
	};
	if (event->ino) {
		r = files__get(&world->files, event->dev, event->ino, &out->file);
		if (r < 0)
			return r;
		out->file_page = r ? 0 : event->file_off >> REGION_PAGE_SHIFT;
	}
	if (event->flags & EV_REGION_HEAP) {
		out->open_kind = KIND_HEAP;
	} else if (event->flags & (EV_REGION_STACK | EV_REGION_SPECIAL)) {
		out->open_kind = KIND_ANON;
		out->flags |= REGION_SPECIAL;
	} else {
		out->open_kind = region_kind(shared, out->file, event->fs_magic);
	}
	out->kind = out->prot ? out->open_kind : KIND_RESERVED;
	return 0;
}

static bool same_file(const struct region_entry *e, const struct region_entry *line)
{
	return e->file == line->file &&
	       (e->file == REGION_NO_FILE ||
		e->file_page == line->file_page +
				((e->start - line->start) >> REGION_PAGE_SHIFT));
}

/* Whether the kernel may print the line for what the model takes e to be. */
static bool is_compatible(const struct region_entry *e, const struct region_entry *line,
			  uint32_t fs_magic)
{
	if ((e->flags ^ line->flags) & REGION_SHARED)
		return false;
	switch (e->kind) {
	case KIND_RESERVED:
		return line->kind == KIND_RESERVED &&
		       (e->file == REGION_NO_FILE || line->file == REGION_NO_FILE ||
			same_file(e, line));
	case KIND_ANON:
	case KIND_HEAP:
		/* The kernel merges the heap with its neighbours, and shows private huge pages
		 * as a deleted file of hugetlbfs. */
		return line->kind == KIND_ANON || line->kind == KIND_HEAP ||
		       (line->kind == KIND_FILE && fs_magic == HUGETLBFS_MAGIC);
	case KIND_SHM:
		/* Shared anonymous memory shows as a deleted file that no mmap named. */
		return line->prot && line->flags & REGION_SHARED &&
		       (e->file == REGION_NO_FILE || same_file(e, line));
	default:
		return line->kind == KIND_FILE && same_file(e, line);
	}
}

/* Shared memory that no call named as a file is one to the kernel: from now on to us as well. A piece
 * that was taken for another segment is put right by it. */
static int adopt_file(struct world *world, struct region_entry *e, const struct region_entry *line)
{
	if (e->file != REGION_NO_FILE || line->file == REGION_NO_FILE ||
	    !(e->flags & line->flags & REGION_SHARED))
		return 0;
	e->file = line->file;
	e->file_page = line->file_page + ((e->start - line->start) >> REGION_PAGE_SHIFT);
	return e->flags & REGION_FRAGMENT ? 0 : site__maps_file(world, e);
}

static int reconcile(struct world *world, struct space *space, const struct region_entry *line,
		     uint32_t fs_magic)
{
	struct region_entry *e;
	uint64_t at = line->start;
	int r = 0;

	while (!r) {
		e = region_map__at(&space->map, region_map__seek(&space->map, at));
		if (!e || e->start >= line->end)
			return 0;
		at = e->end;
		if (is_compatible(e, line, fs_magic)) {
			e->prot = line->prot;
			e->flags |= line->flags & (REGION_NAMED | REGION_SPECIAL);
			r = adopt_file(world, e, line);
			continue;
		}
		r = space__release(world, space, e->start, e->end, NULL);
	}
	return r;
}

int seed__apply_region(struct world *world, struct proc *proc, const struct ev_region *event)
{
	struct space *space = proc->space;
	struct region_entry line;
	uint64_t at, start, end;
	int r;

	if (!space->seeding)
		return -EBADMSG;
	if (event->start >= SPACE_END && event->flags & EV_REGION_SPECIAL)
		return 0;	/* [vsyscall], in the kernel's half */
	if (event->end <= event->start ||
	    !space__range(event->start, event->end - event->start, &end))
		return -EBADMSG;
	r = read_line(world, event, &line);
	if (r < 0)
		return r;
	if (event->flags & EV_REGION_HEAP) {
		space->brk_known = true;
		space->brk_end = event->end;
	}
	r = space__isolate(world, space, line.start, line.end);
	if (!r)
		r = reconcile(world, space, &line, event->fs_magic);
	at = line.start;
	if (!r && region_map__gap(&space->map, &at, line.end, &start, &end)) {
		r = sites__before_attach(world, space->owner, line.kind, &line.site);
		if (!r)
			r = space__fill(world, space, line.start, line.end, &line, false);
	}
	if (r >= 0)
		space__join(space, world, line.start, line.end);
	return r < 0 ? r : 0;
}

int seed__apply_end(struct world *world, struct proc *proc, const struct ev_seed *event)
{
	struct space *space = proc->space;
	struct region_entry *e;
	uint64_t at = 0;
	int r = 0;

	if (!space->seeding)
		return -EBADMSG;
	while (!r && (e = region_map__at(&space->map, region_map__seek(&space->map, at)))) {
		at = e->end;
		if (e->flags & REGION_NAMED)
			e->flags &= ~REGION_NAMED;
		else
			r = space__release(world, space, e->start, e->end, NULL);
	}
	if (r < 0)
		return r;
	remap__give_up(world, space, world->now_ns - (world->now_ns < STALE_NS ? world->now_ns :
						      STALE_NS));
	space->seeding = false;
	space->seeded = true;
	proc->pub.seeded = true;
	proc->pub.lossy = false;
	if (world->lost[EV_LOSS_MODEL_FULL] == space->seed_lost)
		proc->pub.unsure = false;
	return 0;
}
