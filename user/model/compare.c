/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The comparison walks both lists at once and cuts at every bound of either, so each piece has at
 * most one region and one line; equal neighbours are joined again at the end.
 *
 * What cannot be told from the map is not compared. Private memory without a file is anonymous
 * whether brk, mmap or a mapping of huge pages made it: [heap] names a place, not an origin. Shared
 * anonymous memory and System V segments are files of the kernel's to the map, which no call named:
 * there the name of the line has to fit instead of its inode.
 *
 * A process goes on while its map is read, so one reading proves nothing. A byte counts as different
 * only when several readings, some time apart, all show it so, and nobody was at work on it during
 * any of those (suspects).
 */
#include "user/model/compare.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TMPFS_MAGIC 0x01021994u		/* linux/magic.h */
#define HUGETLBFS_MAGIC 0x958458f6u

static bool same_side(const struct difference_side *a, const struct difference_side *b,
		      uint64_t apart)
{
	return a->ino == b->ino && a->dev == b->dev && a->prot == b->prot && a->kind == b->kind &&
	       a->shared == b->shared && (!a->ino || a->file_off + apart == b->file_off);
}

/* Adds a piece, or lengthens the last one when it goes on with the same. */
static int add(struct differences *out, const struct difference *d)
{
	struct difference *last = out->n ? &out->d[out->n - 1] : NULL;
	size_t capacity = out->capacity ? 2 * out->capacity : 16;
	void *p;

	if (last && last->end == d->start && last->what == d->what && last->n_seen == d->n_seen &&
	    same_side(&last->model, &d->model, last->end - last->start) &&
	    same_side(&last->kernel, &d->kernel, last->end - last->start)) {
		last->end = d->end;
		return 0;
	}
	if (out->n == out->capacity) {
		p = realloc(out->d, capacity * sizeof(*out->d));
		if (!p)
			return -ENOMEM;
		out->d = p;
		out->capacity = capacity;
	}
	out->d[out->n++] = *d;
	return 0;
}

void differences__fini(struct differences *differences)
{
	free(differences->d);
	*differences = (struct differences){ 0 };
}

/* --- one piece --------------------------------------------------------------------------------- */

static unsigned int kind_of_line(const struct map_line *line)
{
	if (!line->prot)
		return KIND_RESERVED;
	if (line->flags & EV_REGION_HEAP)
		return KIND_HEAP;
	if (!line->ino || (line->name == MAP_NAME_HUGE && !(line->flags & EV_REGION_SHARED)))
		return KIND_ANON;
	if (line->name == MAP_NAME_SYSV || line->name == MAP_NAME_HUGE)
		return KIND_SHM;
	if (line->flags & EV_REGION_SHARED &&
	    (line->fs_magic == TMPFS_MAGIC || line->fs_magic == HUGETLBFS_MAGIC ||
	     line->name == MAP_NAME_ZERO))
		return KIND_SHM;
	return KIND_FILE;
}

static bool same_kind(unsigned int model, unsigned int kernel, const struct map_line *line)
{
	const bool anon = model == KIND_ANON || model == KIND_HEAP;

	/* Whether a file is shared memory nobody could say. */
	if (kernel == KIND_FILE && line->flags & EV_REGION_SHARED && !line->fs_magic &&
	    model == KIND_SHM)
		return true;
	return model == kernel || (anon && (kernel == KIND_ANON || kernel == KIND_HEAP));
}

static void describe_region(struct difference_side *side, const struct region *region, uint64_t at)
{
	*side = (struct difference_side){
		.file_off = region->file_off + (region->file || region->file_off ?
						at - region->start : 0),
		.ino = region->file ? region->file->ino : 0,
		.dev = region->file ? region->file->dev : 0,
		.prot = region->prot,
		.kind = region->kind,
		.shared = region->shared,
	};
}

static void describe_line(struct difference_side *side, const struct map_line *line, uint64_t at)
{
	*side = (struct difference_side){
		.file_off = line->file_off + (line->ino ? at - line->start : 0),
		.ino = line->ino,
		.dev = line->dev,
		.prot = (uint16_t)line->prot,
		.kind = (uint16_t)kind_of_line(line),
		.shared = line->flags & EV_REGION_SHARED,
	};
}

/* The file and the place in it. */
static uint32_t compare_files(const struct difference_side *model,
			      const struct difference_side *kernel, const struct map_line *line)
{
	if (model->ino)
		return (model->ino != kernel->ino || model->dev != kernel->dev ? DIFFERS_FILE : 0) |
		       (model->file_off != kernel->file_off ? DIFFERS_OFFSET : 0);
	switch (line->name) {
	case MAP_NAME_ZERO:
		return model->shared ? 0 : DIFFERS_FILE;
	case MAP_NAME_SYSV:
		return !model->shared			      ? DIFFERS_FILE :
		       model->file_off != kernel->file_off ? DIFFERS_OFFSET :
							     0;
	case MAP_NAME_HUGE:
		return 0;
	default:
		return kernel->ino ? DIFFERS_FILE : 0;
	}
}

static uint32_t compare_piece(const struct difference_side *model,
			      const struct difference_side *kernel, const struct map_line *line)
{
	return (model->prot != kernel->prot ? DIFFERS_PROT : 0) |
	       (model->shared != kernel->shared ? DIFFERS_SHARED : 0) |
	       (!same_kind(model->kind, kernel->kind, line) ? DIFFERS_KIND : 0) |
	       compare_files(model, kernel, line);
}

static int compare_at(struct differences *out, const struct region *region,
		      const struct map_line *line, uint64_t start, uint64_t end)
{
	struct difference d = { .start = start, .end = end };

	if (line && line->flags & EV_REGION_SPECIAL && (!region || region->special)) {
		out->own_bytes += end - start;
		return 0;
	}
	if (line && line->flags & EV_REGION_STACK && !region) {
		out->grown_bytes += end - start;
		return 0;
	}
	if (!line && !region)
		return 0;
	out->bytes += end - start;
	if (region)
		describe_region(&d.model, region, start);
	if (line)
		describe_line(&d.kernel, line, start);
	d.what = !region ? DIFFERS_MISSING :
		 !line	 ? DIFFERS_EXTRA :
			   compare_piece(&d.model, &d.kernel, line);
	return d.what ? add(out, &d) : 0;
}

/* --- both lists -------------------------------------------------------------------------------- */

int differences__find(struct differences *out, const struct region *regions, size_t n_regions,
		      const struct map_line *lines, size_t n_lines)
{
	uint64_t at = 0;
	size_t i = 0, k = 0;
	int r = 0;

	out->n = 0;
	out->bytes = out->own_bytes = out->grown_bytes = 0;
	while (!r && (i < n_regions || k < n_lines)) {
		const struct region *region = i < n_regions ? &regions[i] : NULL;
		const struct map_line *line = k < n_lines ? &lines[k] : NULL;
		uint64_t end;

		if (region && region->end <= at) {
			i++;
			continue;
		}
		if (line && line->end <= at) {
			k++;
			continue;
		}
		end = UINT64_MAX;
		if (region)
			end = region->start > at ? region->start : region->end;
		if (line && line->start > at)
			end = line->start < end ? line->start : end;
		else if (line)
			end = line->end < end ? line->end : end;
		r = compare_at(out, region && region->start <= at ? region : NULL,
			       line && line->start <= at ? line : NULL, at, end);
		at = end;
	}
	return r;
}

/* --- what lasts -------------------------------------------------------------------------------- */

static int add_first(struct differences *out, const struct differences *reading, uint64_t since_ns,
		     touched_fn touched, void *ctx)
{
	int r = 0;

	for (size_t i = 0; !r && i < reading->n; i++) {
		struct difference d = reading->d[i];

		d.n_seen = !touched(ctx, d.start, d.end, since_ns);
		d.since_ns = since_ns;
		r = add(out, &d);
	}
	return r;
}

/* The part of `d` that begins at `start`. */
static struct difference cut(const struct difference *d, uint64_t start, uint64_t end)
{
	struct difference part = *d;

	part.start = start;
	part.end = end;
	part.model.file_off += d->model.ino ? start - d->start : 0;
	part.kernel.file_off += d->kernel.ino ? start - d->start : 0;
	return part;
}

int suspects__narrow(struct suspects *suspects, const struct differences *reading, uint64_t since_ns,
		     touched_fn touched, void *ctx)
{
	const struct differences *old = &suspects->list;
	struct differences next = { 0 };
	size_t i = 0, k = 0;
	int r = 0;

	if (!suspects->n_readings)
		r = add_first(&next, reading, since_ns, touched, ctx);
	while (!r && i < old->n && k < reading->n) {
		const struct difference *was = &old->d[i], *is = &reading->d[k];
		uint64_t start = was->start > is->start ? was->start : is->start;
		uint64_t end = was->end < is->end ? was->end : is->end;

		if (start < end) {
			struct difference d = cut(is, start, end);

			d.n_seen = was->n_seen + 1;
			d.since_ns = was->since_ns;
			if (!was->n_seen || touched(ctx, start, end, was->since_ns)) {
				d.n_seen = !touched(ctx, start, end, since_ns);
				d.since_ns = since_ns;
			}
			r = add(&next, &d);
		}
		if (was->end < is->end)
			i++;
		else
			k++;
	}
	differences__fini(&suspects->list);
	suspects->list = next;
	suspects->n_readings++;
	return r;
}

bool suspects__settled(const struct suspects *suspects, unsigned int n)
{
	return !suspects__bytes(suspects, n, false);
}

uint64_t suspects__bytes(const struct suspects *suspects, unsigned int n, bool sure)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < suspects->list.n; i++) {
		const struct difference *d = &suspects->list.d[i];

		if ((d->n_seen >= n) == sure)
			bytes += d->end - d->start;
	}
	return bytes;
}

uint64_t suspects__drop_if(struct suspects *suspects,
			   bool (*fn)(void *ctx, const struct difference *d), void *ctx)
{
	struct differences *list = &suspects->list;
	uint64_t bytes = 0;
	size_t i, n = 0;

	for (i = 0; i < list->n; i++) {
		if (fn(ctx, &list->d[i]))
			bytes += list->d[i].end - list->d[i].start;
		else
			list->d[n++] = list->d[i];
	}
	list->n = n;
	return bytes;
}

void suspects__fini(struct suspects *suspects)
{
	differences__fini(&suspects->list);
}
