/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* A sorted array: a process has a few hundred of them, changes are rare, look-ups are not. */
#include "user/source/code_maps.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void code_maps__fini(struct code_maps *maps)
{
	free(maps->maps);
	memset(maps, 0, sizeof(*maps));
}

void code_maps__clear(struct code_maps *maps)
{
	maps->n = 0;
	maps->read_ns = 0;
}

/* Index of the first mapping that ends after addr. */
static size_t first_after(const struct code_maps *maps, uint64_t addr)
{
	size_t low = 0, high = maps->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (maps->maps[mid].end <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

const struct unwind_map *code_maps__find(const struct code_maps *maps, uint64_t pc)
{
	size_t i = first_after(maps, pc);

	return i < maps->n && maps->maps[i].start <= pc ? &maps->maps[i] : NULL;
}

static int reserve(struct code_maps *maps, size_t n)
{
	size_t capacity = maps->capacity ? maps->capacity : 32;
	struct unwind_map *grown;

	while (capacity < n)
		capacity *= 2;
	if (capacity == maps->capacity)
		return 0;
	grown = reallocarray(maps->maps, capacity, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	maps->maps = grown;
	maps->capacity = capacity;
	return 0;
}

static void insert_at(struct code_maps *maps, size_t i, const struct unwind_map *map)
{
	memmove(&maps->maps[i + 1], &maps->maps[i], (maps->n - i) * sizeof(*map));
	maps->maps[i] = *map;
	maps->n++;
}

/* The part of a mapping from addr on. */
static struct unwind_map tail_from(const struct unwind_map *map, uint64_t addr)
{
	struct unwind_map tail = *map;

	tail.file_off += addr - map->start;
	tail.start = addr;
	return tail;
}

bool code_maps__cut(struct code_maps *maps, uint64_t start, uint64_t end)
{
	size_t i = first_after(maps, start), n_gone = 0;
	bool found = i < maps->n && maps->maps[i].start < end;

	if (!found || start >= end)
		return false;
	if (maps->maps[i].start < start) {	/* its beginning stays */
		struct unwind_map *map = &maps->maps[i], tail;

		if (map->end > end) {		/* a hole: its end stays too, if there is room */
			tail = tail_from(map, end);
			map->end = start;
			if (!reserve(maps, maps->n + 1))
				insert_at(maps, i + 1, &tail);
			return true;
		}
		map->end = start;
		i++;
	}
	while (i + n_gone < maps->n && maps->maps[i + n_gone].end <= end)
		n_gone++;
	if (i + n_gone < maps->n && maps->maps[i + n_gone].start < end)
		maps->maps[i + n_gone] = tail_from(&maps->maps[i + n_gone], end);
	memmove(&maps->maps[i], &maps->maps[i + n_gone],
		(maps->n - i - n_gone) * sizeof(maps->maps[0]));
	maps->n -= n_gone;
	return true;
}

int code_maps__insert(struct code_maps *maps, const struct unwind_map *map)
{
	int r;

	if (map->start >= map->end)
		return 0;
	code_maps__cut(maps, map->start, map->end);
	if (maps->n >= CODE_MAPS_MAX)
		return 0;
	r = reserve(maps, maps->n + 1);
	if (r)
		return r;
	insert_at(maps, first_after(maps, map->start), map);
	return 0;
}
