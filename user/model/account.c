/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The accounts of a site and of its process, changed together and nowhere else, so that at every
 * moment opened - closed == open for each site, and the sums over a process's sites are its totals
 * (model/check.h checks it, and tests call that after every record).
 */
#include <errno.h>

#include "user/model/state.h"

static void add_to_totals(struct process *process, unsigned int kind, uint64_t bytes)
{
	process->kinds[kind].bytes += bytes;
	if (kind_is_handle(kind))
		return;
	process->mapped_bytes += bytes;
	if (kind == KIND_RESERVED)
		process->reserved_bytes += bytes;
	else
		process->accessible_bytes += bytes;
}

static void take_from_totals(struct process *process, unsigned int kind, uint64_t bytes)
{
	process->kinds[kind].bytes -= bytes;
	if (kind_is_handle(kind))
		return;
	process->mapped_bytes -= bytes;
	if (kind == KIND_RESERVED)
		process->reserved_bytes -= bytes;
	else
		process->accessible_bytes -= bytes;
}

void site__took(struct world *world, struct model_site *site, uint64_t bytes, bool object)
{
	const struct world_watcher *watcher = world->opts.watcher;
	struct site *s = &site->pub;
	struct kind_totals *totals = &s->process->kinds[s->kind];

	s->opened += object;
	s->open += object;
	s->bytes += bytes;
	s->bytes_opened += bytes;
	if (!s->first_open_ns)
		s->first_open_ns = world->now_ns;
	s->last_open_ns = world->now_ns;
	totals->opened += object;
	totals->open += object;
	if (s->before_attach)
		totals->before_attach += object;
	add_to_totals(s->process, s->kind, bytes);
	if (watcher && watcher->born)
		watcher->born(world->opts.watcher_ctx, s, bytes);
}

void site__gave_back(struct world *world, struct model_site *site, uint64_t bytes,
		     uint32_t birth_tick, bool whole)
{
	const struct world_watcher *watcher = world->opts.watcher;
	struct site *s = &site->pub;
	struct kind_totals *totals = &s->process->kinds[s->kind];

	s->closed += whole;
	s->open -= whole;
	s->bytes -= bytes;
	s->bytes_closed += bytes;
	s->last_close_ns = world->now_ns;
	totals->closed += whole;
	totals->open -= whole;
	if (s->before_attach)
		totals->before_attach -= whole;
	take_from_totals(s->process, s->kind, bytes);
	if (watcher && watcher->died)
		watcher->died(world->opts.watcher_ctx, s, bytes, birth_tick, whole);
}

/* Counted backwards, not forwards: it was no new taking. The watcher can only hear of a birth. */
void site__restored(struct world *world, struct model_site *site, uint64_t bytes, bool whole)
{
	const struct world_watcher *watcher = world->opts.watcher;
	struct site *s = &site->pub;
	struct kind_totals *totals = &s->process->kinds[s->kind];

	s->closed -= whole;
	s->open += whole;
	s->bytes += bytes;
	s->bytes_closed -= bytes;
	totals->closed -= whole;
	totals->open += whole;
	if (s->before_attach)
		totals->before_attach += whole;
	add_to_totals(s->process, s->kind, bytes);
	if (watcher && watcher->born)
		watcher->born(world->opts.watcher_ctx, s, bytes);
}

/* --- the same file again ---------------------------------------------------------------------- */

/*
 * Per site and file, how many objects map it, and between which pages. A new object whose pages
 * lie there maps the same again. The bounds only widen while there is an object: that costs one
 * row for a file, however often it is mapped, and a site that maps a file window after window,
 * each behind the last, is not taken for one that maps the same window again.
 */
struct file_use_key {
	uint32_t site, file;
};

struct file_use {
	struct file_use_key key;
	uint64_t objects;
	uint64_t low, high;	/* pages */
};

void site_files__init(struct table *files)
{
	table__init(files, sizeof(struct file_use_key), sizeof(struct file_use));
}

void site_files__mark(const struct table *files, uint8_t *used)
{
	const struct file_use *use;
	size_t cursor = 0;

	while ((use = table__next(files, &cursor)))
		used[use->key.file] = 1;
}

static bool is_file_object(const struct region_entry *e)
{
	return e->file != REGION_NO_FILE && !(e->flags & REGION_FRAGMENT) &&
	       (e->kind == KIND_FILE || e->kind == KIND_SHM);
}

int site__maps_file(struct world *world, struct region_entry *e)
{
	struct model_site *site = world__site(world, e->site);
	const struct file_use_key key = { .site = site->index, .file = e->file };
	const uint64_t pages = (e->end - e->start) >> REGION_PAGE_SHIFT;
	struct file_use *use;
	uint64_t high;
	bool is_new;

	e->flags &= ~REGION_SAME_FILE;
	if (!is_file_object(e))
		return 0;
	if (__builtin_add_overflow(e->file_page, pages, &high))
		high = UINT64_MAX;
	use = table__insert(&proc_of(site->pub.process)->sites.files, &key, &is_new);
	if (!use)
		return -ENOMEM;
	if (!is_new && e->file_page < use->high && high > use->low) {
		e->flags |= REGION_SAME_FILE;
		site->pub.same_file++;
	}
	if (is_new || e->file_page < use->low)
		use->low = e->file_page;
	if (is_new || high > use->high)
		use->high = high;
	use->objects++;
	return 0;
}

void site__unmaps_file(struct world *world, const struct region_entry *e)
{
	struct model_site *site = world__site(world, e->site);
	const struct file_use_key key = { .site = site->index, .file = e->file };
	struct table *files = &proc_of(site->pub.process)->sites.files;
	struct file_use *use;

	if (!is_file_object(e))
		return;
	if (e->flags & REGION_SAME_FILE)
		site->pub.same_file--;
	use = table__find(files, &key);
	if (use && !--use->objects)	/* none: it was made before two sites were merged */
		table__remove(files, &key);
}
