/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* What the world answers when it is asked: its time, its losses, its names, its own memory. */
#include "user/model/world.h"

#include <string.h>

#include "user/model/state.h"

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

unsigned int world__growth_percent(const struct world *world, unsigned int kind)
{
	return kind >= KIND_PAIR_0 && kind < N_KINDS ? world->pair_growth[kind - KIND_PAIR_0] : 0;
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
