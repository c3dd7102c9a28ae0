/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Processes, sites and objects in a world made by hand, with the accounts that the model keeps. */
#ifndef UNFREED_TESTS_FAKE_OBJECTS_H
#define UNFREED_TESTS_FAKE_OBJECTS_H

#include "tests/unit/fake_world.h"

static inline struct process *fake_process(struct world *world, uint32_t tgid, const char *comm)
{
	struct process *p = &world->processes[world->n_processes++];

	assert(world->n_processes <= MAX_FAKE_PROCESSES);
	p->tgid = tgid;
	p->comm = strdup(comm);
	p->cmdline = strdup(comm);
	p->unit = strdup("");
	p->runtime = strdup("");
	p->first_ns = p->last_ns = world->now_ns;
	if (world->n_processes > 1)
		world->processes[world->n_processes - 2].next = p;
	return p;
}

static const struct file fake_file = { .ino = 7, .dev = 8, .path = (char *)"/usr/lib/libz.so.1",
				       .build_id_sz = 2, .build_id = { 0xab, 0x0c } };

static inline struct site *fake_site(struct world *world, struct process *p, unsigned int kind)
{
	struct site *site = calloc(1, sizeof(*site));
	struct stack *stack = calloc(1, sizeof(*stack) + 2 * sizeof(struct frame));

	assert(site && stack && world->n_sites < MAX_FAKE_SITES);
	world->sites[world->n_sites++] = site;
	stack->id = stack->site_id = 0x1000 + world->n_sites;
	stack->n_frames = 2;
	stack->frames[0] = (struct frame){ .file = &fake_file, .offset = 0x1234, .innermost = true };
	stack->frames[1] = (struct frame){ .offset = 0x7f0000001000 };
	site->process = p;
	site->stack = stack;
	site->id = stack->site_id * 31 + kind;
	site->kind = (uint16_t)kind;
	site->next = p->sites;
	p->sites = site;
	p->n_sites++;
	return site;
}

/* One object of `bytes`; returns the tick of its birth, to be given to fake_close(). */
static inline uint32_t fake_open(struct world *world, struct site *site, uint64_t bytes)
{
	struct kind_totals *kind = &site->process->kinds[site->kind];

	world->n_events++;
	if (!site->opened)
		site->first_open_ns = world->now_ns;
	site->last_open_ns = world->now_ns;
	site->opened++;
	site->open++;
	site->bytes += bytes;
	site->bytes_opened += bytes;
	kind->opened++;
	kind->open++;
	kind->bytes += bytes;
	if (!kind_is_handle(site->kind))
		site->process->accessible_bytes += bytes;
	site->process->last_ns = world->now_ns;
	world->watcher->born(world->watcher_ctx, site, bytes);
	return world__now_tick(world);
}

static inline void fake_close_by(struct world *world, struct site *site, uint64_t bytes,
			  uint32_t birth_tick, bool collector)
{
	struct kind_totals *kind = &site->process->kinds[site->kind];

	assert(site->open && site->bytes >= bytes);
	world->n_events++;
	site->last_close_ns = world->now_ns;
	site->closed++;
	site->closed_by_collector += collector;
	site->open--;
	site->bytes -= bytes;
	site->bytes_closed += bytes;
	kind->closed++;
	kind->closed_by_collector += collector;
	kind->open--;
	kind->bytes -= bytes;
	if (!kind_is_handle(site->kind))
		site->process->accessible_bytes -= bytes;
	site->process->last_ns = world->now_ns;
	world->watcher->died(world->watcher_ctx, site, bytes, birth_tick, true);
}

static inline void fake_close(struct world *world, struct site *site, uint64_t bytes, uint32_t birth_tick)
{
	fake_close_by(world, site, bytes, birth_tick, false);
}

static inline void fake_exit(struct world *world, struct process *p)
{
	p->exited = true;
	p->clock.halt_tick = process__now_tick(p, world);
	p->clock.halted = true;
	p->last_ns = world->now_ns;
}

static inline void fake_memory(struct world *world, struct process *p, uint64_t rss_anon, uint64_t left)
{
	struct ev_memory *m = &p->memory;

	for (unsigned int i = 0; i < EV_N_LIMITS; i++)
		m->left[i] = m->limit[i] = UINT64_MAX;
	m->h.time_ns = world->now_ns;
	m->rss_anon = rss_anon;
	m->mapped = rss_anon;
	m->left[EV_LIMIT_HOST] = left;
	if (!p->has_memory)
		p->memory_first = *m;
	p->has_memory = true;
}

static inline void fake_world_fini(struct world *world)
{
	for (uint32_t i = 0; i < world->n_sites; i++) {
		world->watcher->site_gone(world->watcher_ctx, world->sites[i]);
		assert(!world->sites[i]->trend);
		free((void *)world->sites[i]->stack);
		free(world->sites[i]);
	}
	for (uint32_t i = 0; i < world->n_processes; i++) {
		struct process *p = &world->processes[i];

		world->watcher->process_gone(world->watcher_ctx, p);
		free(p->comm);
		free(p->cmdline);
		free(p->unit);
		free(p->runtime);
	}
}

#endif /* UNFREED_TESTS_FAKE_OBJECTS_H */
