/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The world: dispatches each record to the room that applies it, and answers questions.
 *
 *   process.c        who lives, in which address space
 *   space.c          ranges of a space, with the accounts
 *   region_map.c     the interval map under it
 *   region_events.c  mmap, munmap, mprotect, brk, shmat, shmdt
 *   remap.c          mremap, and what a thread may take back
 *   seed.c           readings of the map file
 *   handles.c        live handles
 *   sites.c          sites and their keys; account.c: what they count
 *   stacks.c         what a stack id stands for
 *   loss.c           what was lost, and of whom; what is resident
 *   clock.c          a process's own time
 *   files.c, notes.c facts; sweep.c: files that are over
 *
 * A process that no record has introduced is made on first sight, unless all the record says is
 * that something is over. Limits refuse: what does not fit is left out and counted, and its process
 * is not exact any more (unsure). Only sites do better: past their limit an acquisition goes to the
 * site without a stack, so that bytes stay right while origins are lost.
 */
#include "user/model/world.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/model/clock.h"
#include "user/model/state.h"

#define DEFAULT_REGIONS 8000000
#define DEFAULT_HANDLES 8000000
#define DEFAULT_SITES 100000
#define DEFAULT_STACKS 100000
#define DEFAULT_PROCESSES 32768

int world__new(struct world **out, const struct world_opts *opts)
{
	struct world *world = calloc(1, sizeof(*world));

	if (!world)
		return -ENOMEM;
	world->opts = *opts;
	if (!world->opts.max_regions)
		world->opts.max_regions = DEFAULT_REGIONS;
	if (!world->opts.max_handles)
		world->opts.max_handles = DEFAULT_HANDLES;
	if (!world->opts.max_sites)
		world->opts.max_sites = DEFAULT_SITES;
	if (!world->opts.max_stacks)
		world->opts.max_stacks = DEFAULT_STACKS;
	if (!world->opts.max_processes)
		world->opts.max_processes = DEFAULT_PROCESSES;
	table__init(&world->by_tgid, sizeof(uint32_t), 2 * sizeof(uint64_t));
	files__init(&world->files);
	stacks__init(&world->stacks, world->opts.max_stacks);
	site_slots__init(&world->slots, world->opts.max_sites);
	*out = world;
	return 0;
}

struct world *world__free(struct world *world)
{
	if (!world)
		return NULL;
	processes__drop_all(world);
	table__fini(&world->by_tgid);
	files__fini(&world->files);
	stacks__fini(&world->stacks);
	site_slots__fini(&world->slots);
	notes__fini(&world->notes);
	region_list__fini(&world->scratch);
	free(world);
	return NULL;
}

/* --- facts ------------------------------------------------------------------------------------ */

static int apply_stack(struct world *world, struct proc *proc, const struct ev_stack *event)
{
	const struct stack *stack;
	int r;

	r = stack_ids__define(&proc->stack_ids, &world->stacks, &world->files, proc->space, event,
			      &stack);
	if (r) {
		if (r > 0)
			world->lost[EV_LOSS_MODEL_FULL]++;
		return r < 0 ? r : 0;
	}
	return sites__define(world, proc, event->id, stack);
}

static int apply_method(struct world *world, struct proc *proc, const struct ev_method *event)
{
	int r = stack_ids__name(&proc->stack_ids, &world->stacks, event);

	if (r > 0)
		world->lost[EV_LOSS_MODEL_FULL]++;
	return r < 0 ? r : 0;
}

static int apply_memory(struct proc *proc, const struct ev_memory *event)
{
	if (!proc->pub.has_memory)
		proc->pub.memory_first = *event;
	proc->pub.memory = *event;
	proc->pub.has_memory = true;
	return 0;
}

static int apply_pair(struct world *world, const struct ev_pair *event)
{
	if (event->pair >= N_PAIRS)
		return -EBADMSG;
	memcpy(world->pair_names[event->pair], event->name, sizeof(event->name));
	world->pair_names[event->pair][sizeof(event->name) - 1] = '\0';
	return 0;
}

static int apply_note(struct world *world, const struct ev_note *event)
{
	struct proc *proc;
	int r;

	if (!event->h.tgid) {
		r = notes__add(&world->notes, NOTES_MAX_SYSTEM, event->text, event->text_sz);
		return r < 0 ? r : 0;
	}
	r = processes__get(world, event->h.tgid, true, &proc);
	if (!r)
		r = notes__add(&proc->notes, NOTES_MAX_PROCESS, event->text, event->text_sz);
	return r < 0 ? r : 0;
}

/* --- dispatch --------------------------------------------------------------------------------- */

/* Records of the system, and those that make or end processes. 1: it is none of these. */
static int apply_to_world(struct world *world, const struct ev_header *h)
{
	const void *event = h;
	int r;

	switch (h->type) {
	case EV_TICK:
	case EV_MISS:	/* the source's business */
	case EV_NAME:	/* the report's */
		return 0;
	case EV_FILE:
		r = files__learn(&world->files, event);
		if (r > 0)
			world->lost[EV_LOSS_MODEL_FULL]++;
		return r < 0 ? r : 0;
	case EV_LOSS:
		return loss__apply_total(world, event);
	case EV_LOST:
		return loss__apply_named(world, event);
	case EV_PAIR:
		return apply_pair(world, event);
	case EV_TRUST:
		world->trust = *(const struct ev_trust *)event;
		return 0;
	case EV_NOTE:
		return apply_note(world, event);
	}
	if (!h->tgid)
		return -EBADMSG;
	switch (h->type) {
	case EV_FORK:
		return process__apply_fork(world, event);
	case EV_EXEC:
		return process__apply_exec(world, event);
	case EV_EXIT:
		return process__apply_exit(world, event);
	case EV_PROCESS:
		return process__apply_facts(world, event);
	}
	return 1;
}

static int apply_to_process(struct world *world, struct proc *proc, const struct ev_header *h)
{
	const void *event = h;

	switch (h->type) {
	case EV_MMAP:
		return regions__apply_mmap(world, proc, event);
	case EV_MUNMAP:
		return regions__apply_munmap(world, proc, event);
	case EV_MREMAP_BEGIN:
		return remap__apply_begin(world, proc, event);
	case EV_MREMAP_END:
		return remap__apply_end(world, proc, event);
	case EV_MPROTECT:
		return regions__apply_mprotect(world, proc, event);
	case EV_BRK:
		return regions__apply_brk(world, proc, event);
	case EV_SHMAT:
		return regions__apply_shmat(world, proc, event);
	case EV_SHMDT:
		return regions__apply_shmdt(world, proc, event);
	case EV_UNDO:
		return remap__apply_undo(world, proc, event);
	case EV_HANDLE_OPEN:
		return handles__apply_open(world, proc, event);
	case EV_HANDLE_CLOSE:
		return handles__apply_close(world, proc, event);
	case EV_STACK:
		return apply_stack(world, proc, event);
	case EV_METHOD:
		return apply_method(world, proc, event);
	case EV_SEED_BEGIN:
		return seed__apply_begin(world, proc, event);
	case EV_REGION:
		return seed__apply_region(world, proc, event);
	case EV_SEED_END:
		return seed__apply_end(world, proc, event);
	case EV_MEMORY:
		return apply_memory(proc, event);
	case EV_RUN:
		clock__read(&proc->pub.clock, world, event);
		return 0;
	case EV_RESIDENT:
		return resident__apply(world, proc, event);
	default:
		return -EBADMSG;
	}
}

/* Records of what a process does show that it runs; who shares its address space runs for it. */
static void note_activity(struct world *world, const struct ev_header *h)
{
	struct proc *proc, *owner;

	if (h->type >= EV_STACK || !h->tgid || processes__get(world, h->tgid, false, &proc))
		return;
	owner = proc->space->owner;
	clock__ran(&proc->pub.clock, world, h->time_ns);
	if (owner != proc)
		clock__ran(&owner->pub.clock, world, h->time_ns);
}

static int apply(struct world *world, const struct ev_header *h)
{
	const bool makes = h->type != EV_UNDO && h->type != EV_REGION && h->type != EV_SEED_END &&
			   h->type != EV_RESIDENT;
	struct proc *proc;
	int r;

	r = apply_to_world(world, h);
	if (r <= 0)
		return r;
	r = processes__get(world, h->tgid, makes, &proc);
	if (r)
		return r < 0 ? r : 0;
	proc->pub.last_ns = world->now_ns;
	return apply_to_process(world, proc, h);
}

int world__apply(struct world *world, const struct ev_header *record)
{
	int r;

	if (!world->started) {
		world->started = true;
		world->first_ns = record->time_ns;
	}
	if (record->time_ns > world->now_ns)
		world->now_ns = record->time_ns;
	note_activity(world, record);
	r = apply(world, record);
	if (!r && files__want_sweep(&world->files))
		r = world__sweep_files(world);
	if (r == -EBADMSG)
		world->lost[EV_LOSS_BAD_RECORD]++;
	else if (record->type < EV_TICK)
		world->n_events++;
	return r;
}

/* --- questions -------------------------------------------------------------------------------- */

uint64_t world__now_ns(const struct world *world)
{
	return world->now_ns;
}

uint32_t world__now_tick(const struct world *world)
{
	uint64_t ticks = (world->now_ns - world->first_ns) / WORLD_TICK_NS;

	return ticks < UINT32_MAX ? ticks : UINT32_MAX;
}

uint64_t world__n_events(const struct world *world)
{
	return world->n_events;
}

uint64_t world__lost(const struct world *world, enum ev_loss_cause cause)
{
	return (unsigned int)cause < EV_N_LOSSES ?
		       world->reported_lost[cause] + world->lost[cause] : 0;
}

uint64_t world__evicted(const struct world *world)
{
	return world->files.n_forgotten;
}

uint64_t world__lost_unnamed(const struct world *world)
{
	uint64_t lost = world->reported_lost[EV_LOSS_RING_FULL];

	return lost > world->n_named ? lost - world->n_named : 0;
}

struct ev_trust world__trust(const struct world *world)
{
	struct ev_trust trust = world->trust;

	trust.stacks_complete += world->n_joined;
	if (trust.stacks_complete > trust.stacks)	/* which was told a while ago */
		trust.stacks_complete = trust.stacks;
	return trust;
}

struct process *world__processes(const struct world *world)
{
	return world->first ? &world->first->pub : NULL;
}

const char *world__kind_name(const struct world *world, unsigned int kind)
{
	static const char *const names[KIND_PAIR_0] = {
		[KIND_ANON] = "anon", [KIND_FILE] = "file", [KIND_SHM] = "shm",
		[KIND_HEAP] = "heap", [KIND_RESERVED] = "reserved",
	};

	if (kind < KIND_PAIR_0)
		return names[kind];
	if (kind >= N_KINDS || !world->pair_names[kind - KIND_PAIR_0][0])
		return "?";
	return world->pair_names[kind - KIND_PAIR_0];
}

const char *world__note(const struct world *world, uint32_t tgid, size_t i)
{
	const struct notes *notes = tgid ? NULL : &world->notes;
	const struct process *p = tgid ? world__find(world, tgid) : NULL;

	/* No live process: the latest of that number among those kept. */
	if (p)
		notes = &proc_of(p)->notes;
	else if (tgid)
		for (p = world__processes(world); p; p = p->next) {
			if (p->tgid == tgid)
				notes = &proc_of(p)->notes;
		}
	return notes && i < notes->n ? notes->text[i] : NULL;
}

int process__each_region(const struct process *process,
			 int (*fn)(void *ctx, const struct region *region), void *ctx)
{
	const struct proc *proc = proc_of(process);
	const struct region_entry *e;
	struct region_pos pos;
	struct region region;
	int r = 0;

	if (!proc->space)
		return 0;
	pos = region_map__seek(&proc->space->map, 0);
	for (; !r && (e = region_map__at(&proc->space->map, pos));
	     region_map__next(&proc->space->map, &pos)) {
		region = (struct region){
			.start = e->start, .end = e->end,
			.file_off = e->file_page << REGION_PAGE_SHIFT,
			.file = files__at(&proc->world->files, e->file),
			.site = &world__site(proc->world, e->site)->pub,
			.birth_tick = e->birth_tick,
			.kind = e->kind, .prot = e->prot,
			.shared = e->flags & REGION_SHARED,
			.special = e->flags & REGION_SPECIAL,
		};
		r = fn(ctx, &region);
	}
	return r;
}

static uint64_t proc_bytes(const struct proc *proc)
{
	uint64_t bytes = sizeof(*proc) + table__bytes(&proc->sites.by_key) +
			 table__bytes(&proc->sites.files) + table__bytes(&proc->stack_ids.by_id) +
			 table__bytes(&proc->stack_ids.beginnings) +
			 table__bytes(&proc->stack_ids.methods.by_frame);

	bytes += strlen(proc->pub.comm) + strlen(proc->pub.cmdline) + strlen(proc->pub.unit) +
		 strlen(proc->pub.runtime);
	if (proc->space && proc->space->owner == proc)
		bytes += sizeof(*proc->space) + proc->space->map.bytes +
			 table__bytes(&proc->space->pending) + handles__bytes(proc->space);
	return bytes;
}

uint64_t world__bytes_used(const struct world *world)
{
	uint64_t bytes = sizeof(*world) + world->files.bytes + table__bytes(&world->files.by_id) +
			 world->stacks.bytes + table__bytes(&world->stacks.by_content) +
			 world->stacks.methods.bytes +
			 table__bytes(&world->stacks.methods.by_content) +
			 world->slots.capacity * sizeof(struct site_slot) +
			 world->slots.n_sites * sizeof(struct model_site) +
			 world->n_pending * sizeof(struct region_entry);
	const struct process *p;

	for (p = world__processes(world); p; p = p->next)
		bytes += proc_bytes(proc_of(p));
	return bytes;
}
