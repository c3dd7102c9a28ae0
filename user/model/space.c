/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * What happens to ranges, with the accounts.
 *
 * An object is one acquisition. It may come to lie in pieces: a hole is cut into it, or a part of
 * it gets another protection. One of its pieces stands for it, the others are fragments, so that
 * opened - closed == open == the pieces that are no fragments. When the piece that stands for the
 * object goes, a fragment near by with the same site and birth takes its place; only when there is
 * none the object is closed. Near by means PROMOTE_REACH entries either way: enough for what
 * programs do to their mappings. Beyond that an object is closed early, and its rest keeps its
 * site, its birth and its bytes.
 */
#include "user/model/space.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "user/model/state.h"

#define PROMOTE_REACH 32

void region_list__fini(struct region_list *list)
{
	free(list->e);
	*list = (struct region_list){ 0 };
}

int region_list__add(struct region_list *list, const struct region_entry *entry)
{
	size_t capacity = list->capacity ? 2 * list->capacity : 4;
	void *p;

	if (list->n == list->capacity) {
		p = realloc(list->e, capacity * sizeof(*list->e));
		if (!p)
			return -ENOMEM;
		list->e = p;
		list->capacity = capacity;
	}
	list->e[list->n++] = *entry;
	return 0;
}

bool space__range(uint64_t addr, uint64_t len, uint64_t *end)
{
	return len && !((addr | len) & (SPACE_PAGE - 1)) &&
	       !__builtin_add_overflow(addr, len, end) && *end <= SPACE_END;
}

/* --- pieces in and out ------------------------------------------------------------------------ */

int space__isolate(struct world *world, struct space *space, uint64_t start, uint64_t end)
{
	const size_t before = space->map.n;
	int r;

	/* Two more pieces are no new object; still they end somewhere. */
	if (world->n_regions + 2 > world->opts.max_regions + world->opts.max_regions / 8 + 2) {
		world__refuse(world, space->owner);
		return 1;
	}
	r = region_map__isolate(&space->map, start, end);
	world->n_regions += space->map.n - before;
	return r;
}

void space__join(struct space *space, struct world *world, uint64_t start, uint64_t end)
{
	const size_t before = space->map.n;
	const struct region_entry *e;
	uint64_t at = start;

	while (at <= end) {
		region_map__join(&space->map, at);
		e = region_map__at(&space->map, region_map__seek(&space->map, at));
		if (!e)
			break;
		at = e->end;
	}
	world->n_regions -= before - space->map.n;
}

int space__take_out(struct world *world, struct space *space, uint64_t start, uint64_t end,
		    struct region_list *list)
{
	const size_t had = list->n;
	struct region_pos pos;
	struct region_entry *e;
	int r;

	e = region_map__at(&space->map, region_map__seek(&space->map, start));
	if (start >= end || !e || e->start >= end)
		return 0;
	r = space__isolate(world, space, start, end);
	if (r)
		return r;
	pos = region_map__seek(&space->map, start);
	for (; (e = region_map__at(&space->map, pos)) && e->start < end;
	     region_map__next(&space->map, &pos)) {
		r = region_list__add(list, e);
		if (r < 0) {
			list->n = had;
			return r;
		}
	}
	world->n_regions -= list->n - had;
	region_map__remove(&space->map, start, end);
	return 0;
}

int space__put(struct world *world, struct space *space, const struct region_entry *entry)
{
	int r;

	if (world->n_regions >= world->opts.max_regions) {
		world__refuse(world, space->owner);
		return 1;
	}
	r = region_map__insert(&space->map, entry);
	if (!r)
		world->n_regions++;
	return r;
}

/* --- giving back ------------------------------------------------------------------------------ */

static bool promote_if(struct world *world, struct region_entry *e, struct region_entry *gone)
{
	if (!e || !(e->flags & REGION_FRAGMENT) || e->birth_tick != gone->birth_tick ||
	    world__site(world, e->site) != world__site(world, gone->site))
		return false;
	e->flags &= ~REGION_FRAGMENT;
	e->flags |= REGION_SPLIT | (gone->flags & REGION_SAME_FILE);
	gone->flags &= ~REGION_SAME_FILE;
	gone->flags |= REGION_FRAGMENT;
	return true;
}

/* Lets a fragment stand for the object whose piece `gone` is in the map no more. */
static bool promote(struct world *world, struct space *space, struct region_entry *gone)
{
	const struct region_map *map = &space->map;
	struct region_pos above = region_map__seek(map, gone->start), below = above;
	bool has_below = true;
	uint32_t i;

	for (i = 0; i < PROMOTE_REACH; i++) {
		if (promote_if(world, region_map__at(map, above), gone))
			return true;
		region_map__next(map, &above);
		has_below = has_below && region_map__prev(map, &below);
		if (has_below && promote_if(world, region_map__at(map, below), gone))
			return true;
	}
	return false;
}

static void account_released(struct world *world, struct space *space, struct region_entry *e)
{
	bool whole = !(e->flags & REGION_FRAGMENT) &&
		     !(e->flags & REGION_SPLIT && promote(world, space, e));

	if (whole) {
		site__unmaps_file(world, e);
		e->flags |= REGION_CLOSED;
	}
	site__gave_back(world, world__site(world, e->site), e->end - e->start, e->birth_tick,
			whole);
}

void space__account_released(struct world *world, struct space *space, struct region_list *list)
{
	size_t i;

	for (i = 0; i < list->n; i++)
		account_released(world, space, &list->e[i]);
}

int space__release(struct world *world, struct space *space, uint64_t start, uint64_t end,
		   struct region_list *list)
{
	int r;

	list = list ? list : &world->scratch;
	list->n = 0;
	r = space__take_out(world, space, start, end, list);
	if (!r)
		space__account_released(world, space, list);
	return r;
}

/* --- taking ----------------------------------------------------------------------------------- */

/* Puts a piece that is in no account yet: marks it if it maps a file again. */
static int put_new(struct world *world, struct space *space, struct region_entry *e)
{
	int r = site__maps_file(world, e);

	if (r < 0)
		return r;
	r = space__put(world, space, e);
	if (r)
		site__unmaps_file(world, e);
	return r;
}

int space__add_object(struct world *world, struct space *space, struct region_entry *entry)
{
	int r;

	entry->birth_tick = process__now_tick(&space->owner->pub, world);
	r = put_new(world, space, entry);
	if (!r)
		site__took(world, world__site(world, entry->site), entry->end - entry->start,
			   true);
	return r;
}

static bool has_pages(const struct region_entry *e)
{
	return e->file != REGION_NO_FILE || e->flags & REGION_SHMAT;
}

int space__fill(struct world *world, struct space *space, uint64_t start, uint64_t end,
		const struct region_entry *entry, bool grown)
{
	uint64_t at = start, bytes = 0;
	struct region_entry e = *entry;
	int r = 0;

	e.birth_tick = process__now_tick(&space->owner->pub, world);
	while (!r && region_map__gap(&space->map, &at, end, &e.start, &e.end)) {
		e.flags = entry->flags & ~(REGION_FRAGMENT | REGION_SPLIT | REGION_SAME_FILE);
		if (grown || bytes)
			e.flags |= REGION_FRAGMENT;
		if (grown || e.start != start || e.end != end)
			e.flags |= REGION_SPLIT;
		if (has_pages(&e))
			e.file_page = entry->file_page + ((e.start - start) >> REGION_PAGE_SHIFT);
		r = put_new(world, space, &e);
		if (!r)
			bytes += e.end - e.start;
	}
	if (bytes)
		site__took(world, world__site(world, e.site), bytes, !grown);
	return r;
}

/* --- putting back ----------------------------------------------------------------------------- */

/* Puts back what is free of one piece; *placed says how many bytes that were. */
static int put_back_piece(struct world *world, struct space *space,
			  const struct region_entry *piece, bool counted, uint64_t *placed)
{
	const bool closed = piece->flags & REGION_CLOSED;
	uint64_t at = piece->start;
	struct region_entry e = *piece;
	int r = 0;

	*placed = 0;
	while (!r && region_map__gap(&space->map, &at, piece->end, &e.start, &e.end)) {
		e.flags = piece->flags & ~REGION_CLOSED;
		if (*placed)
			e.flags = (e.flags | REGION_FRAGMENT) & ~REGION_SAME_FILE;
		if (e.start != piece->start || e.end != piece->end)
			e.flags |= REGION_SPLIT;
		if (has_pages(&e))
			e.file_page = piece->file_page +
				      ((e.start - piece->start) >> REGION_PAGE_SHIFT);
		r = counted ? space__put(world, space, &e) : put_new(world, space, &e);
		if (r)
			break;
		if (!counted)
			site__restored(world, world__site(world, e.site), e.end - e.start,
				       closed && !*placed);
		*placed += e.end - e.start;
	}
	return r;
}

int space__put_back(struct world *world, struct space *space, struct region_list *list,
		    bool counted)
{
	uint64_t placed, bytes;
	int r = 0;
	size_t i;

	for (i = 0; i < list->n; i++) {
		struct region_entry *e = &list->e[i];

		placed = 0;
		if (r >= 0)
			r = put_back_piece(world, space, e, counted, &placed);
		bytes = e->end - e->start;
		if (placed)
			space__join(space, world, e->start, e->end);
		if (!counted || placed == bytes)
			continue;
		/* Somebody else has the place by now, so it was given back after all. */
		if (!placed)
			account_released(world, space, e);
		else
			site__gave_back(world, world__site(world, e->site), bytes - placed,
					e->birth_tick, false);
	}
	list->n = 0;
	return r;
}

/* --- whole spaces ----------------------------------------------------------------------------- */

struct space *space__new(void)
{
	struct space *space = calloc(1, sizeof(*space));

	if (!space)
		return NULL;
	region_map__init(&space->map);
	table__init(&space->pending, sizeof(uint32_t), sizeof(struct pending));
	space->refs = 1;
	return space;
}

static void pending__fini(struct world *world, struct pending *pending)
{
	world->n_pending -= pending->pieces.n + pending->target.n;
	region_list__fini(&pending->pieces);
	region_list__fini(&pending->target);
}

void space__unref(struct world *world, struct space *space)
{
	struct pending *pending;
	size_t cursor = 0;

	if (!space || --space->refs)
		return;
	while ((pending = table__next(&space->pending, &cursor)))
		pending__fini(world, pending);
	table__fini(&space->pending);
	handles__fini(world, space);
	world->n_regions -= space->map.n;
	region_map__fini(&space->map);
	free(space);
}

/* What another thread's mremap has in flight lies for the child where it lay before. Such pieces
 * lie apart, so it does not matter in which order the table yields them. */
static int copy_in_flight(struct world *world, const struct space *from, struct space *to)
{
	const struct pending *pending;
	size_t cursor = 0, i;
	uint64_t placed;
	int r = 0;

	while (!r && (pending = table__next(&from->pending, &cursor))) {
		if (pending->what != PENDING_MREMAP)
			continue;
		for (i = 0; !r && i < pending->pieces.n; i++)
			r = put_back_piece(world, to, &pending->pieces.e[i], true, &placed);
	}
	return r;
}

int space__copy(struct world *world, const struct space *from, struct space **out)
{
	struct space *space = space__new();
	int r = 0;

	if (!space)
		return -ENOMEM;
	space->owner = from->owner;
	space->seeded = from->seeded;
	space->brk_known = from->brk_known;
	space->brk_end = from->brk_end;
	if (world->n_regions + from->map.n > world->opts.max_regions)
		r = 1;
	else
		r = region_map__copy(&space->map, &from->map);
	world->n_regions += space->map.n;
	if (!r)
		r = copy_in_flight(world, from, space);
	if (r >= 0 && handles__copy(world, from, space) < 0)
		r = -ENOMEM;
	if (r < 0) {
		space__unref(world, space);
		return r;
	}
	*out = space;
	return r;
}

static int count_entry(struct world *world, struct region_entry *e)
{
	uint32_t heir = world__site(world, e->site)->heir;

	assert(heir != SITE_NONE);
	e->site = heir;
	site__took(world, world__site(world, heir), e->end - e->start,
		   !(e->flags & REGION_FRAGMENT));
	return site__maps_file(world, e);
}

int space__change_owner(struct world *world, struct space *space, struct proc *to)
{
	struct region_pos pos = region_map__seek(&space->map, 0);
	struct region_entry *e;
	struct pending *pending;
	size_t cursor = 0, i;
	int r = 0;

	space->owner = to;
	for (; (e = region_map__at(&space->map, pos)); region_map__next(&space->map, &pos)) {
		if (count_entry(world, e) < 0)
			r = -ENOMEM;
	}
	while ((pending = table__next(&space->pending, &cursor))) {
		if (pending->what != PENDING_MREMAP) {
			pending->what = PENDING_NOTHING;
			pending__fini(world, pending);
		}
		world->n_pending -= pending->target.n;
		region_list__fini(&pending->target);
		for (i = 0; i < pending->pieces.n; i++) {
			if (count_entry(world, &pending->pieces.e[i]) < 0)
				r = -ENOMEM;
		}
	}
	handles__change_owner(world, space);
	return r;
}
