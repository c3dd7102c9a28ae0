/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Live handles: per space and pair, a table from address to who opened it. An opener that is given
 * an address still open has leaked what was there (the records say nothing was lost, or the process
 * is marked unsure anyway): the old object stays in its site's accounts for good, and the address
 * belongs to the new one.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/model/state.h"

struct handle {
	uint64_t address;
	uint64_t bytes;
	uint32_t site;
	uint32_t birth_tick;
};

static struct handle *find(const struct space *space, uint32_t pair, uint64_t address)
{
	return pair < N_PAIRS && space->handles[pair] ?
		       table__find(space->handles[pair], &address) : NULL;
}

static struct handle *insert(struct space *space, uint32_t pair, uint64_t address)
{
	if (!space->handles[pair]) {
		space->handles[pair] = malloc(sizeof(struct table));
		if (!space->handles[pair])
			return NULL;
		table__init(space->handles[pair], sizeof(uint64_t), sizeof(struct handle));
	}
	return table__insert(space->handles[pair], &address, NULL);
}

/* A handle that is open for all we know is opened. Its close may have been lost; else what it stood
 * for is out of reach now, and stays counted. */
static void reopen(struct world *world, const struct space *space, uint32_t pair,
		   const struct handle *handle)
{
	struct kind_totals *totals = &space->owner->pub.kinds[KIND_PAIR_0 + pair];
	struct model_site *site = world__site(world, handle->site);

	if (totals->lost_closed_found < totals->lost_closed) {
		totals->lost_closed_found++;
		site__gave_back(world, site, handle->bytes, handle->birth_tick, true);
		return;
	}
	site->pub.reopened++;
}

int handles__apply_open(struct world *world, struct proc *proc, const struct ev_handle *event)
{
	struct space *space = proc->space;
	struct handle *handle;
	uint64_t bytes = event->bytes;
	uint32_t site;
	int r;

	if (event->pair >= N_PAIRS)
		return -EBADMSG;
	if (event->copy_of) {
		handle = find(space, event->pair, event->copy_of);
		bytes = handle ? handle->bytes : bytes;
	}
	handle = find(space, event->pair, event->handle);
	if (!handle && world->n_handles >= world->opts.max_handles) {
		world__refuse(world, proc);
		return 0;
	}
	r = sites__of_event(world, proc, event->h.flags, event->stack, KIND_PAIR_0 + event->pair,
			    &site);
	if (r < 0)
		return r;
	if (handle) {
		reopen(world, space, event->pair, handle);
	} else {
		handle = insert(space, event->pair, event->handle);
		if (!handle)
			return -ENOMEM;
		world->n_handles++;
	}
	handle->bytes = bytes;
	handle->site = site;
	handle->birth_tick = process__now_tick(&space->owner->pub, world);
	site__took(world, world__site(world, site), bytes, true);
	return 0;
}

/* Whether the closing thread is one of the JVM's that close what was forgotten. The kernel cuts
 * names at 15 characters: "Reference Handler" is one of them. */
static bool is_collector(const char comm[16])
{
	static const char *const whole[] = { "Common-Cleaner", "Finalizer" };
	static const char *const beginnings[] = { "Reference Handl", "Cleaner-" };
	const size_t n = strnlen(comm, 16);
	size_t i;

	for (i = 0; i < 2; i++) {
		if (n == strlen(whole[i]) && !memcmp(comm, whole[i], n))
			return true;
		if (n >= strlen(beginnings[i]) &&
		    !memcmp(comm, beginnings[i], strlen(beginnings[i])))
			return true;
	}
	return false;
}

int handles__apply_close(struct world *world, struct proc *proc, const struct ev_handle *event)
{
	struct space *space = proc->space;
	struct handle *handle, closed;
	struct model_site *site;

	if (event->pair >= N_PAIRS)
		return -EBADMSG;
	handle = find(space, event->pair, event->handle);
	if (!handle) {
		space->owner->pub.kinds[KIND_PAIR_0 + event->pair].before_attach++;
		return 0;
	}
	closed = *handle;
	table__remove(space->handles[event->pair], &closed.address);
	world->n_handles--;
	site = world__site(world, closed.site);
	if (is_collector(event->comm)) {
		site->pub.closed_by_collector++;
		site->pub.process->kinds[site->pub.kind].closed_by_collector++;
	}
	site__gave_back(world, site, closed.bytes, closed.birth_tick, true);
	return 0;
}

bool process__handle(const struct process *process, unsigned int kind, uint64_t address,
		     struct site **site, uint64_t *bytes)
{
	const struct proc *proc = proc_of(process);
	const struct handle *handle = NULL;

	if (proc->space && kind_is_handle(kind))
		handle = find(proc->space, kind - KIND_PAIR_0, address);
	if (!handle)
		return false;
	*site = &world__site(proc->world, handle->site)->pub;
	*bytes = handle->bytes;
	return true;
}

/* --- whole spaces ----------------------------------------------------------------------------- */

int handles__copy(struct world *world, const struct space *from, struct space *to)
{
	const struct handle *handle;
	struct handle *copy;
	uint32_t pair;
	size_t cursor;

	for (pair = 0; pair < N_PAIRS; pair++) {
		if (!from->handles[pair])
			continue;
		/* All or none: which ones would fit differs from run to run. */
		if (world->n_handles + from->handles[pair]->n > world->opts.max_handles) {
			world__refuse(world, NULL);
			continue;
		}
		for (cursor = 0; (handle = table__next(from->handles[pair], &cursor)); ) {
			copy = insert(to, pair, handle->address);
			if (!copy)
				return -ENOMEM;
			*copy = *handle;
			world->n_handles++;
		}
	}
	return 0;
}

/* The table yields them in an order that differs from run to run; the sums do not. */
void handles__change_owner(struct world *world, struct space *space)
{
	struct handle *handle;
	uint32_t pair, heir;
	size_t cursor;

	for (pair = 0; pair < N_PAIRS; pair++) {
		if (!space->handles[pair])
			continue;
		for (cursor = 0; (handle = table__next(space->handles[pair], &cursor)); ) {
			heir = world__site(world, handle->site)->heir;
			assert(heir != SITE_NONE);
			handle->site = heir;
			site__took(world, world__site(world, heir), handle->bytes, true);
		}
	}
}

void handles__fini(struct world *world, struct space *space)
{
	uint32_t pair;

	for (pair = 0; pair < N_PAIRS; pair++) {
		if (!space->handles[pair])
			continue;
		world->n_handles -= space->handles[pair]->n;
		table__fini(space->handles[pair]);
		free(space->handles[pair]);
		space->handles[pair] = NULL;
	}
}

size_t handles__bytes(const struct space *space)
{
	size_t bytes = 0;
	uint32_t pair;

	for (pair = 0; pair < N_PAIRS; pair++) {
		if (space->handles[pair])
			bytes += table__bytes(space->handles[pair]);
	}
	return bytes;
}
