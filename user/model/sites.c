/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * A site is asked for by one of five keys: the wire id of an event, the site id of a stack, "before
 * attach", "no stack", "an incomplete stack that fits none". Wire ids are many (every process, and
 * every value of a frame's extras, has its own), so they are aliases: the key of a wire id leads to
 * the site of its stack's site id.
 *
 * A definition may be lost while its events are not. The wire id then gets a site without a stack,
 * which becomes a full one when the definition is sent again; if there is one with that site id
 * already, the two are merged and the index of the first leads to the second from then on, so that
 * no region has to be touched.
 */
#include "user/model/sites.h"

#include <errno.h>
#include <stdlib.h>

#include "user/model/state.h"

enum site_class { SITE_WIRE, SITE_STACK, SITE_BEFORE_ATTACH, SITE_NO_STACK, SITE_PARTIAL };

struct site_key {
	uint64_t id;	/* by class: the wire id, the site id; else 0 */
	uint32_t kind;
	uint32_t class;
};

struct site_row {
	struct site_key key;
	uint32_t index;
	uint32_t pad;
};

void site_slots__init(struct site_slots *slots, uint64_t max)
{
	*slots = (struct site_slots){
		.max = max < SITE_NONE / 2 ? max : SITE_NONE / 2,
		.first_free = SITE_NONE,
	};
}

void site_slots__fini(struct site_slots *slots)
{
	free(slots->slots);
	slots->slots = NULL;
}

static int slots__take(struct site_slots *slots, uint32_t *out)
{
	if (slots->first_free != SITE_NONE) {
		*out = slots->first_free;
		slots->first_free = slots->slots[*out].next;
		slots->n_used++;
		return 0;
	}
	if (slots->n == slots->capacity) {
		uint32_t capacity = slots->capacity ? 2 * slots->capacity : 64;
		void *p = realloc(slots->slots, capacity * sizeof(*slots->slots));

		if (!p)
			return -ENOMEM;
		slots->slots = p;
		slots->capacity = capacity;
	}
	*out = slots->n++;
	slots->n_used++;
	return 0;
}

static void slots__give(struct site_slots *slots, uint32_t index)
{
	slots->slots[index] = (struct site_slot){ .next = slots->first_free };
	slots->first_free = index;
	slots->n_used--;
}

void site_index__init(struct site_index *index)
{
	table__init(&index->by_key, sizeof(struct site_key), sizeof(struct site_row));
	site_files__init(&index->files);
	index->first_slot = SITE_NONE;
}

void site_index__fini(struct site_index *index, struct site_slots *slots)
{
	uint32_t next;

	for (; index->first_slot != SITE_NONE; index->first_slot = next) {
		next = slots->slots[index->first_slot].next;
		slots__give(slots, index->first_slot);
	}
	table__fini(&index->by_key);
	table__fini(&index->files);
}

struct model_site *world__site(const struct world *world, uint32_t index)
{
	return world->slots.slots[index].site;
}

/* --- making ----------------------------------------------------------------------------------- */

static struct site_row *find_row(const struct proc *owner, enum site_class class,
				 unsigned int kind, uint64_t id)
{
	const struct site_key key = { .id = id, .kind = kind, .class = class };

	return table__find(&owner->sites.by_key, &key);
}

static int add_row(struct proc *owner, enum site_class class, unsigned int kind, uint64_t id,
		   uint32_t index)
{
	const struct site_key key = { .id = id, .kind = kind, .class = class };
	struct site_row *row = table__insert(&owner->sites.by_key, &key, NULL);

	if (!row)
		return -ENOMEM;
	row->index = index;
	return 0;
}

static int make(struct world *world, struct proc *owner, enum site_class class, unsigned int kind,
		uint64_t id, const struct stack *stack, uint32_t *out)
{
	struct model_site *site = calloc(1, sizeof(*site));
	uint32_t index;

	if (!site)
		return -ENOMEM;
	if (slots__take(&world->slots, &index) < 0) {
		free(site);
		return -ENOMEM;
	}
	if (add_row(owner, class, kind, id, index) < 0) {
		slots__give(&world->slots, index);
		free(site);
		return -ENOMEM;
	}
	world->slots.slots[index] = (struct site_slot){ site, owner->sites.first_slot };
	owner->sites.first_slot = index;
	site->index = index;
	site->heir = SITE_NONE;
	site->pub = (struct site){
		.process = &owner->pub,
		.stack = stack__ref(stack),
		.id = stack ? site_id_of(stack->site_id, kind) : 0,
		.kind = kind,
		.before_attach = class == SITE_BEFORE_ATTACH,
		.partial = class == SITE_PARTIAL,
		.next = owner->pub.sites,
	};
	owner->pub.sites = &site->pub;
	owner->pub.n_sites++;
	world->slots.n_sites++;
	*out = index;
	return 0;
}

/* Found, or made within the limit. */
static int get(struct world *world, struct proc *owner, enum site_class class, unsigned int kind,
	       uint64_t id, const struct stack *stack, uint32_t *out)
{
	struct site_row *row = find_row(owner, class, kind, id);

	if (row) {
		*out = row->index;
		return 0;
	}
	if ((class == SITE_WIRE || class == SITE_STACK) &&
	    world->slots.n_used >= world->slots.max) {
		world__refuse(world, NULL);
		return get(world, owner, SITE_NO_STACK, kind, 0, NULL, out);
	}
	return make(world, owner, class, kind, id, stack, out);
}

static int get_of_stack(struct world *world, struct proc *owner, unsigned int kind,
			const struct stack *stack, uint32_t *out)
{
	return get(world, owner, SITE_STACK, kind, site_id_of(stack->site_id, kind), stack, out);
}

static int get_partial(struct world *world, struct proc *actor, uint64_t hash, unsigned int kind,
		       uint32_t *out)
{
	const struct stack *stack = stack_ids__find_beginning(&actor->stack_ids, hash);

	world->n_joined += stack && stack->end == EV_STACK_COMPLETE;
	if (!stack)	/* an incomplete stack may have been defined as such */
		stack = stack_ids__find(&actor->stack_ids, hash);
	if (stack)
		return get_of_stack(world, actor->space->owner, kind, stack, out);
	return get(world, actor->space->owner, SITE_PARTIAL, kind, 0, NULL, out);
}

int sites__of_event(struct world *world, struct proc *actor, uint16_t flags, uint64_t stack_id,
		    unsigned int kind, uint32_t *out)
{
	struct proc *owner = actor->space->owner;
	const struct stack *stack;
	struct site_row *row;
	int r;

	if (!stack_id || flags & EV_F_STACK_TOKEN)
		return get(world, owner, SITE_NO_STACK, kind, 0, NULL, out);
	if (flags & EV_F_STACK_PARTIAL)
		return get_partial(world, actor, stack_id, kind, out);
	row = find_row(owner, SITE_WIRE, kind, stack_id);
	if (row) {
		*out = row->index;
		return 0;
	}
	stack = stack_ids__find(&actor->stack_ids, stack_id);
	if (!stack)
		return get(world, owner, SITE_WIRE, kind, stack_id, NULL, out);
	r = get_of_stack(world, owner, kind, stack, out);
	if (r < 0 || !world__site(world, *out)->pub.stack)
		return r;	/* the limit: another time there may be room */
	return add_row(owner, SITE_WIRE, kind, stack_id, *out);
}

int sites__before_attach(struct world *world, struct proc *owner, unsigned int kind, uint32_t *out)
{
	return get(world, owner, SITE_BEFORE_ATTACH, kind, 0, NULL, out);
}

int sites__inherit(struct world *world, struct proc *from, struct proc *to)
{
	struct site *s;
	int r;

	for (s = from->pub.sites; s; s = s->next) {
		struct model_site *site = (struct model_site *)s;

		if (!s->open && !s->bytes) {
			site->heir = SITE_NONE;
			continue;
		}
		if (s->stack)
			r = get_of_stack(world, to, s->kind, s->stack, &site->heir);
		else
			r = get(world, to, s->before_attach ? SITE_BEFORE_ATTACH :
				s->partial ? SITE_PARTIAL : SITE_NO_STACK, s->kind, 0, NULL,
				&site->heir);
		if (r < 0)
			return r;
	}
	return 0;
}

/* --- a late definition ------------------------------------------------------------------------ */

static void unlink_site(struct proc *owner, const struct site *site)
{
	struct site **at = &owner->pub.sites;

	while (*at != site)
		at = &(*at)->next;
	*at = site->next;
	owner->pub.n_sites--;
}

static void free_site(struct world *world, struct model_site *site)
{
	const struct world_watcher *watcher = world->opts.watcher;

	if (watcher && watcher->site_gone)
		watcher->site_gone(world->opts.watcher_ctx, &site->pub);
	stack__unref(site->pub.stack, &world->stacks);
	world->slots.n_sites--;
	free(site);
}

/* The watcher hears of the deaths again, for the site that has them now. */
static void retell(struct world *world, struct site *site, const struct site *merged)
{
	const struct world_watcher *watcher = world->opts.watcher;
	const uint32_t tick = process__now_tick(site->process, world);
	uint64_t i, bytes, left = merged->bytes_closed;

	if (watcher && watcher->born)
		watcher->born(world->opts.watcher_ctx, site, merged->bytes_opened);
	if (!watcher || !watcher->died)
		return;
	for (i = merged->closed; i; i--, left -= bytes) {
		bytes = left / i;
		watcher->died(world->opts.watcher_ctx, site, bytes, tick, true);
	}
	if (left)
		watcher->died(world->opts.watcher_ctx, site, left, tick, false);
}

static void merge(struct world *world, struct proc *owner, struct model_site *from,
		  struct model_site *to)
{
	struct site *a = &to->pub;
	const struct site *b = &from->pub;
	uint32_t i;

	for (i = owner->sites.first_slot; i != SITE_NONE; i = world->slots.slots[i].next) {
		if (world->slots.slots[i].site == from)
			world->slots.slots[i].site = to;
	}
	a->opened += b->opened;
	a->closed += b->closed;
	a->open += b->open;
	a->closed_by_collector += b->closed_by_collector;
	a->bytes += b->bytes;
	a->bytes_opened += b->bytes_opened;
	a->bytes_closed += b->bytes_closed;
	a->reopened += b->reopened;
	a->same_file += b->same_file;
	if (b->first_open_ns && (!a->first_open_ns || b->first_open_ns < a->first_open_ns))
		a->first_open_ns = b->first_open_ns;
	if (b->last_open_ns > a->last_open_ns)
		a->last_open_ns = b->last_open_ns;
	if (b->last_close_ns > a->last_close_ns)
		a->last_close_ns = b->last_close_ns;
	unlink_site(owner, b);
	retell(world, a, b);
	free_site(world, from);
}

int sites__define(struct world *world, struct proc *actor, uint64_t wire_id,
		  const struct stack *stack)
{
	struct proc *owner = actor->space->owner;
	unsigned int kind;

	for (kind = 0; kind < N_KINDS; kind++) {
		struct site_row *row = find_row(owner, SITE_WIRE, kind, wire_id);
		uint64_t id = site_id_of(stack->site_id, kind);
		struct model_site *site;

		if (!row)
			continue;
		site = world__site(world, row->index);
		if (site->pub.stack)
			continue;
		row = find_row(owner, SITE_STACK, kind, id);
		if (row) {
			merge(world, owner, site, world__site(world, row->index));
			continue;
		}
		if (add_row(owner, SITE_STACK, kind, id, site->index) < 0)
			return -ENOMEM;
		site->pub.stack = stack__ref(stack);
		site->pub.id = id;
	}
	return 0;
}

void sites__drop(struct world *world, struct proc *proc)
{
	struct site *site, *next;

	for (site = proc->pub.sites; site; site = next) {
		next = site->next;
		free_site(world, (struct model_site *)site);
	}
	proc->pub.sites = NULL;
	proc->pub.n_sites = 0;
	site_index__fini(&proc->sites, &world->slots);
}
