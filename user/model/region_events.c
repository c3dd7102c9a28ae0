/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * mmap, munmap, mprotect, brk, shmat and shmdt.
 *
 * Acquisitions are facts: a range that no mmap can return makes the record a bad one. Releases are
 * reported before the kernel has looked at their arguments: a range that makes no sense there is a
 * call that is about to fail, and changes nothing.
 */
#include <errno.h>
#include <sys/mman.h>
#include <sys/shm.h>

#include "user/model/state.h"

#define TMPFS_MAGIC 0x01021994u		/* linux/magic.h */
#define HUGETLBFS_MAGIC 0x958458f6u
#define HUGE_SHIFT_DEFAULT 21		/* 2 MiB, on x86-64 */
#define HUGE_SHIFT_FIELD 26		/* MAP_HUGE_SHIFT: six bits of mmap's flags */
#define PROT_BITS (PROT_READ | PROT_WRITE | PROT_EXEC)
#define N_REGION_KINDS KIND_PAIR_0
/* How many other entries may lie between two pieces of a System V attachment. */
#define SHMDT_REACH 64

static int done(int r)
{
	return r < 0 ? r : 0;	/* refused by a limit: counted where it was */
}

/* --- mmap, munmap ----------------------------------------------------------------------------- */

unsigned int region_kind(bool shared, uint32_t file, uint32_t fs_magic)
{
	if (file == REGION_NO_FILE)
		return shared ? KIND_SHM : KIND_ANON;
	if (shared && (fs_magic == TMPFS_MAGIC || fs_magic == HUGETLBFS_MAGIC))
		return KIND_SHM;
	return KIND_FILE;
}

/* The kernel maps whole huge pages whatever was asked for. */
static uint64_t mapped_len(const struct ev_mmap *event)
{
	unsigned int shift = event->flags >> HUGE_SHIFT_FIELD;
	uint64_t len;

	if (event->flags & MAP_HUGETLB)
		shift = shift ? shift : HUGE_SHIFT_DEFAULT;
	else if (event->fs_magic == HUGETLBFS_MAGIC)
		shift = HUGE_SHIFT_DEFAULT;	/* the file's own size is not known here */
	else
		return event->len;
	if (shift < REGION_PAGE_SHIFT || shift > 40 ||
	    __builtin_add_overflow(event->len, (1ull << shift) - 1, &len))
		return event->len;
	return len & ~((1ull << shift) - 1);
}

int regions__apply_mmap(struct world *world, struct proc *proc, const struct ev_mmap *event)
{
	const unsigned int type = event->flags & MAP_TYPE;
	const bool shared = type == MAP_SHARED || type == MAP_SHARED_VALIDATE;
	struct region_entry e = {
		.start = event->addr,
		.file = REGION_NO_FILE,
		.prot = event->prot & PROT_BITS,
		.flags = shared ? REGION_SHARED : 0,
	};
	int r;

	if (!space__range(event->addr, mapped_len(event), &e.end))
		return -EBADMSG;
	if (event->ino && !(event->flags & MAP_ANONYMOUS)) {
		r = files__get(&world->files, event->dev, event->ino, &e.file);
		if (r < 0)
			return r;
		if (r)
			world__refuse(world, NULL);
		e.file_page = event->file_off >> REGION_PAGE_SHIFT;
	}
	e.open_kind = region_kind(shared, e.file, event->fs_magic);
	e.kind = e.prot ? e.open_kind : KIND_RESERVED;
	if (proc->space->seeding)
		e.flags |= REGION_NAMED;
	r = space__release(world, proc->space, e.start, e.end, NULL);
	if (r)
		return done(r);
	r = sites__of_event(world, proc, event->h.flags, event->stack, e.kind, &e.site);
	return r < 0 ? r : done(space__add_object(world, proc->space, &e));
}

int regions__apply_munmap(struct world *world, struct proc *proc, const struct ev_munmap *event)
{
	struct space *space = proc->space;
	struct pending *pending;
	uint64_t end;
	int r;

	r = remap__pending(world, space, event->h.tid, &pending);
	if (r < 0)
		return r;
	if (!space__range(event->addr, event->len, &end))
		return 0;
	if (pending) {
		pending->what = PENDING_RELEASE;
		pending->type = EV_MUNMAP;
	}
	if (event->h.flags & EV_F_BRK && space->brk_known && event->addr < space->brk_end) {
		if (pending)
			pending->brk_end = space->brk_end;
		space->brk_end = event->addr;
	}
	r = space__release(world, space, event->addr, end, pending ? &pending->pieces : NULL);
	if (pending)
		remap__keep(world, pending);
	return done(r);
}

/* --- mprotect --------------------------------------------------------------------------------- */

/* What one mprotect makes of several entries: one object for each kind. */
struct conversion {
	struct region_entry *first[N_REGION_KINDS];
	uint64_t bytes[N_REGION_KINDS];
	uint32_t site[N_REGION_KINDS];
};

/* Makes e what the new protection makes of it. Nothing but the map knows of it yet. */
static int convert(struct world *world, struct proc *proc, const struct ev_mprotect *event,
		   struct conversion *made, struct region_entry *e)
{
	const unsigned int prot = event->prot & PROT_BITS;
	const unsigned int kind = prot ? e->open_kind : KIND_RESERVED;
	int r;

	if (!made->first[kind]) {
		r = sites__of_event(world, proc, event->h.flags, event->stack, kind,
				    &made->site[kind]);
		if (r < 0)
			return r;
	}
	r = region_list__add(&world->scratch, e);
	if (r < 0)
		return r;
	e->kind = kind;
	e->prot = prot;
	e->site = made->site[kind];
	e->birth_tick = process__now_tick(&proc->space->owner->pub, world);
	e->flags &= ~(REGION_FRAGMENT | REGION_SPLIT | REGION_SAME_FILE);
	if (made->first[kind]) {
		e->flags |= REGION_FRAGMENT | REGION_SPLIT;
		made->first[kind]->flags |= REGION_SPLIT;
	} else {
		made->first[kind] = e;
	}
	made->bytes[kind] += e->end - e->start;
	return 0;
}

static uint64_t first_hole(const struct space *space, uint64_t start, uint64_t end)
{
	uint64_t at = start, gap_start, gap_end;

	return region_map__gap(&space->map, &at, end, &gap_start, &gap_end) ? gap_start : end;
}

int regions__apply_mprotect(struct world *world, struct proc *proc,
			    const struct ev_mprotect *event)
{
	struct space *space = proc->space;
	const unsigned int prot = event->prot & PROT_BITS;
	const bool to_hole = event->h.flags & EV_F_TO_HOLE;
	struct conversion made = { 0 };
	struct region_entry *e;
	struct region_pos pos;
	unsigned int kind;
	uint64_t at, end;
	int r;

	if (!space__range(event->addr, event->len, &end))
		return event->len && !to_hole ? -EBADMSG : 0;
	if (to_hole) {
		at = first_hole(space, event->addr, end);
		if (at == end)	/* there is none: it failed for lack of memory, who knows where */
			proc->pub.unsure = true;
		if (at == end || at == event->addr)
			return 0;
		end = at;
	}
	r = space__isolate(world, space, event->addr, end);
	if (r)
		return done(r);
	world->scratch.n = 0;
	pos = region_map__seek(&space->map, event->addr);
	for (; !r && (e = region_map__at(&space->map, pos)) && e->start < end;
	     region_map__next(&space->map, &pos)) {
		if (space->seeding)
			e->flags |= REGION_NAMED;
		if ((e->kind == KIND_RESERVED) == !prot)
			e->prot = prot;
		else
			r = convert(world, proc, event, &made, e);
	}
	space__account_released(world, space, &world->scratch);
	for (kind = 0; kind < N_REGION_KINDS; kind++) {
		if (!made.first[kind])
			continue;
		if (site__maps_file(world, made.first[kind]) < 0)
			r = -ENOMEM;
		site__took(world, world__site(world, made.site[kind]), made.bytes[kind], true);
	}
	space__join(space, world, event->addr, end);
	return r;
}

/* --- brk -------------------------------------------------------------------------------------- */

/*
 * The end of the heap that was not known before this record. A process that was seeded and had no
 * [heap] line had an empty heap. One that was not seeded may have any heap: what lies below the
 * break now stays unknown (a first read once made it 92 TB).
 */
static uint64_t brk_first_end(const struct space *space, uint64_t start, uint64_t end)
{
	return space->seeded ? start : end;
}

int regions__apply_brk(struct world *world, struct proc *proc, const struct ev_brk *event)
{
	struct space *space = proc->space;
	uint64_t start, end, known;
	struct region_entry e = {
		.file = REGION_NO_FILE,
		.kind = KIND_HEAP,
		.open_kind = KIND_HEAP,
		.prot = PROT_READ | PROT_WRITE,
		.flags = space->seeding ? REGION_NAMED : 0,
	};
	int r = 0;

	if (event->end < event->start || event->end > SPACE_END)
		return -EBADMSG;
	start = (event->start + SPACE_PAGE - 1) & ~(SPACE_PAGE - 1);
	end = (event->end + SPACE_PAGE - 1) & ~(SPACE_PAGE - 1);
	known = space->brk_known ? space->brk_end : brk_first_end(space, start, end);
	space->brk_known = true;
	space->brk_end = end;
	if (end < known)
		return done(space__release(world, space, end, known, NULL));
	if (end == known)
		return 0;
	e.start = known;
	e.end = end;
	r = space__release(world, space, e.start, e.end, NULL);
	if (r)
		return done(r);
	r = sites__of_event(world, proc, event->h.flags, event->stack, KIND_HEAP, &e.site);
	return r < 0 ? r : done(space__add_object(world, space, &e));
}

/* --- System V shared memory ------------------------------------------------------------------- */

int regions__apply_shmat(struct world *world, struct proc *proc, const struct ev_shmat *event)
{
	struct region_entry e = {
		.start = event->addr,
		.file = REGION_NO_FILE,
		.kind = KIND_SHM,
		.open_kind = KIND_SHM,
		.flags = REGION_SHARED | REGION_SHMAT | (proc->space->seeding ? REGION_NAMED : 0),
	};
	int r;

	if (!event->len) {	/* nobody knew how large it is */
		world->lost[EV_LOSS_READ]++;
		proc->pub.unsure = true;
		return 0;
	}
	if (!space__range(event->addr, event->len, &e.end))
		return -EBADMSG;
	e.prot = PROT_READ | (event->flags & SHM_RDONLY ? 0 : PROT_WRITE) |
		 (event->flags & SHM_EXEC ? PROT_EXEC : 0);
	r = space__release(world, proc->space, e.start, e.end, NULL);
	if (r)
		return done(r);
	r = sites__of_event(world, proc, event->h.flags, event->stack, KIND_SHM, &e.site);
	return r < 0 ? r : done(space__add_object(world, proc->space, &e));
}

/* As the kernel finds them: the pieces whose place in the segment says that it begins at addr. */
static bool is_attached_at(const struct region_entry *e, uint64_t addr)
{
	return e->open_kind == KIND_SHM && e->flags & REGION_SHARED &&
	       e->file_page == (e->start - addr) >> REGION_PAGE_SHIFT &&
	       (e->flags & REGION_SHMAT || e->file != REGION_NO_FILE);
}

int regions__apply_shmdt(struct world *world, struct proc *proc, const struct ev_munmap *event)
{
	struct space *space = proc->space;
	struct pending *pending;
	struct region_list *list;
	const struct region_entry *e;
	uint64_t at = event->addr, end;
	uint32_t others = 0;
	int r;

	r = remap__pending(world, space, event->h.tid, &pending);
	if (r < 0)
		return r;
	list = pending ? &pending->pieces : &world->scratch;
	list->n = 0;
	if (event->addr & (SPACE_PAGE - 1))
		return 0;
	while (!r && others < SHMDT_REACH) {
		e = region_map__at(&space->map, region_map__seek(&space->map, at));
		if (!e)
			break;
		at = end = e->end;
		if (e->start < event->addr || !is_attached_at(e, event->addr))
			others++;
		else
			r = space__take_out(world, space, e->start, end, list);
	}
	space__account_released(world, space, list);
	if (pending) {
		pending->what = PENDING_RELEASE;
		pending->type = EV_SHMDT;
		remap__keep(world, pending);
	}
	return done(r);
}
