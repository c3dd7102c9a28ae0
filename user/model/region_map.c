/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Sorted chunks of at most CHUNK_MAX entries, and a directory of them: the first address of each
 * chunk in one array, which a binary search runs over without touching the chunks, and the chunk
 * pointers in another. A lookup is two binary searches; an insertion moves at most one chunk's
 * tail, and the directory's once in some CHUNK_MAX / 2 insertions.
 *
 * A chunk's memory grows and shrinks in steps of CHUNK_STEP entries, so that a chunk that was
 * split in half and never filled again costs what it holds: with n entries a map takes at most
 * about 40 * n * (1 + CHUNK_STEP / (CHUNK_MAX / 2)) bytes and 24 per chunk, below 64 per entry.
 * Chunks that run empty are removed, and neighbours that fit into three quarters of one are merged.
 *
 * tests/unit/test_region_map.c compares it with an array of pages after random operations.
 */
#include "user/model/region_map.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_MAX 64
#define CHUNK_STEP 8
#define DIRECTORY_MIN 4

struct region_chunk {
	uint32_t n, capacity;
	struct region_entry e[];
};

static size_t chunk_sz(uint32_t capacity)
{
	return sizeof(struct region_chunk) + capacity * sizeof(struct region_entry);
}

void region_map__init(struct region_map *map)
{
	*map = (struct region_map){ 0 };
}

void region_map__fini(struct region_map *map)
{
	uint32_t c;

	for (c = 0; c < map->n_chunks; c++)
		free(map->chunks[c]);
	free(map->chunks);
	free(map->keys);
	region_map__init(map);
}

/* --- finding ---------------------------------------------------------------------------------- */

/* The last chunk that starts at or before addr; 0 when none does. There is at least one chunk. */
static uint32_t find_chunk(const struct region_map *map, uint64_t addr)
{
	uint32_t low = 0, n = map->n_chunks;

	while (n > 1) {
		uint32_t half = n / 2;

		if (map->keys[low + half] <= addr)
			low += half;
		n -= half;
	}
	return low;
}

/* The first entry of the chunk that ends after addr; chunk->n when there is none. */
static uint32_t find_entry(const struct region_chunk *chunk, uint64_t addr)
{
	uint32_t low = 0, high = chunk->n;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (chunk->e[middle].end > addr)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

struct region_pos region_map__seek(const struct region_map *map, uint64_t addr)
{
	struct region_pos pos = { 0, 0 };

	if (!map->n_chunks)
		return pos;
	pos.chunk = find_chunk(map, addr);
	pos.i = find_entry(map->chunks[pos.chunk], addr);
	if (pos.i == map->chunks[pos.chunk]->n)
		pos = (struct region_pos){ pos.chunk + 1, 0 };
	return pos;
}

struct region_entry *region_map__at(const struct region_map *map, struct region_pos pos)
{
	return pos.chunk < map->n_chunks ? &map->chunks[pos.chunk]->e[pos.i] : NULL;
}

void region_map__next(const struct region_map *map, struct region_pos *pos)
{
	if (pos->chunk < map->n_chunks && ++pos->i == map->chunks[pos->chunk]->n)
		*pos = (struct region_pos){ pos->chunk + 1, 0 };
}

bool region_map__prev(const struct region_map *map, struct region_pos *pos)
{
	if (pos->i) {
		pos->i--;
		return true;
	}
	if (!pos->chunk)
		return false;
	pos->chunk--;
	pos->i = map->chunks[pos->chunk]->n - 1;
	return true;
}

bool region_map__gap(const struct region_map *map, uint64_t *at, uint64_t end,
		     uint64_t *gap_start, uint64_t *gap_end)
{
	const struct region_entry *e;

	while (*at < end) {
		e = region_map__at(map, region_map__seek(map, *at));
		*gap_start = *at;
		*gap_end = !e || e->start > end ? end : e->start;
		*at = !e || e->end > end ? end : e->end;
		if (*gap_start < *gap_end)
			return true;
	}
	return false;
}

/* --- the directory ---------------------------------------------------------------------------- */

static int directory__reserve(struct region_map *map)
{
	uint32_t capacity = map->capacity ? map->capacity * 2 : DIRECTORY_MIN;
	void *p;

	if (map->n_chunks < map->capacity)
		return 0;
	p = realloc(map->keys, capacity * sizeof(*map->keys));
	if (!p)
		return -ENOMEM;
	map->keys = p;
	p = realloc(map->chunks, capacity * sizeof(*map->chunks));
	if (!p)
		return -ENOMEM;
	map->chunks = p;
	map->bytes += (capacity - map->capacity) * (sizeof(*map->keys) + sizeof(*map->chunks));
	map->capacity = capacity;
	return 0;
}

/* Room was reserved, the chunk is not empty. */
static void directory__insert(struct region_map *map, uint32_t c, struct region_chunk *chunk)
{
	memmove(&map->keys[c + 1], &map->keys[c], (map->n_chunks - c) * sizeof(*map->keys));
	memmove(&map->chunks[c + 1], &map->chunks[c], (map->n_chunks - c) * sizeof(*map->chunks));
	map->keys[c] = chunk->e[0].start;
	map->chunks[c] = chunk;
	map->n_chunks++;
	map->bytes += chunk_sz(chunk->capacity);
}

static void directory__remove(struct region_map *map, uint32_t c, uint32_t n)
{
	uint32_t i, tail = map->n_chunks - c - n;

	for (i = c; i < c + n; i++) {
		map->bytes -= chunk_sz(map->chunks[i]->capacity);
		free(map->chunks[i]);
	}
	memmove(&map->keys[c], &map->keys[c + n], tail * sizeof(*map->keys));
	memmove(&map->chunks[c], &map->chunks[c + n], tail * sizeof(*map->chunks));
	map->n_chunks -= n;
}

/* Gives chunk c room for at least `capacity` entries, or takes away what is over. */
static int chunk__resize(struct region_map *map, uint32_t c, uint32_t capacity)
{
	struct region_chunk *chunk = map->chunks[c];
	uint32_t old = chunk->capacity;

	capacity = (capacity + CHUNK_STEP - 1) / CHUNK_STEP * CHUNK_STEP;
	if (capacity == old)
		return 0;
	chunk = realloc(chunk, chunk_sz(capacity));
	if (!chunk)
		return -ENOMEM;
	chunk->capacity = capacity;
	map->chunks[c] = chunk;
	map->bytes += chunk_sz(capacity);
	map->bytes -= chunk_sz(old);
	return 0;
}

static struct region_chunk *chunk__new(const struct region_entry *e, uint32_t n)
{
	uint32_t capacity = (n + CHUNK_STEP - 1) / CHUNK_STEP * CHUNK_STEP;
	struct region_chunk *chunk = malloc(chunk_sz(capacity));

	if (!chunk)
		return NULL;
	chunk->n = n;
	chunk->capacity = capacity;
	memcpy(chunk->e, e, n * sizeof(*e));
	return chunk;
}

int region_map__copy(struct region_map *map, const struct region_map *from)
{
	struct region_chunk *chunk;
	uint32_t c;

	for (c = 0; c < from->n_chunks; c++) {
		chunk = directory__reserve(map) < 0 ? NULL :
			chunk__new(from->chunks[c]->e, from->chunks[c]->n);
		if (!chunk) {
			region_map__fini(map);
			return -ENOMEM;
		}
		directory__insert(map, c, chunk);
	}
	map->n = from->n;
	return 0;
}

/* --- inserting -------------------------------------------------------------------------------- */

/* A chunk of its own for `entry`, at directory slot c. */
static int insert_chunk(struct region_map *map, uint32_t c, const struct region_entry *entry)
{
	struct region_chunk *chunk;

	if (directory__reserve(map) < 0)
		return -ENOMEM;
	chunk = chunk__new(entry, 1);
	if (!chunk)
		return -ENOMEM;
	directory__insert(map, c, chunk);
	map->n++;
	return 0;
}

/* Moves the upper half of a full chunk into a new one behind it. */
static int split_chunk(struct region_map *map, uint32_t c)
{
	struct region_chunk *chunk = map->chunks[c], *upper;
	uint32_t keep = chunk->n / 2;

	if (directory__reserve(map) < 0)
		return -ENOMEM;
	upper = chunk__new(&chunk->e[keep], chunk->n - keep);
	if (!upper)
		return -ENOMEM;
	chunk->n = keep;
	directory__insert(map, c + 1, upper);
	chunk__resize(map, c, keep + 1);	/* shrinks; if that fails it merely stays large */
	return 0;
}

/* Inserts before slot i of chunk c; i may be the chunk's n. */
static int insert_at(struct region_map *map, uint32_t c, uint32_t i,
		     const struct region_entry *entry)
{
	struct region_chunk *chunk;
	int r;

	if (map->chunks[c]->n == CHUNK_MAX) {
		/* Addresses that only rise, or only fall, leave full chunks behind. */
		if (i == CHUNK_MAX && c + 1 == map->n_chunks)
			return insert_chunk(map, c + 1, entry);
		if (i == 0 && c == 0)
			return insert_chunk(map, 0, entry);
		r = split_chunk(map, c);
		if (r < 0)
			return r;
		if (i > map->chunks[c]->n) {
			i -= map->chunks[c]->n;
			c++;
		}
	}
	if (map->chunks[c]->n == map->chunks[c]->capacity) {
		r = chunk__resize(map, c, map->chunks[c]->n + 1);
		if (r < 0)
			return r;
	}
	chunk = map->chunks[c];
	memmove(&chunk->e[i + 1], &chunk->e[i], (chunk->n - i) * sizeof(*entry));
	chunk->e[i] = *entry;
	chunk->n++;
	map->keys[c] = chunk->e[0].start;
	map->n++;
	return 0;
}

int region_map__insert(struct region_map *map, const struct region_entry *entry)
{
	uint32_t c, i;

	assert(entry->start < entry->end);
	if (!map->n_chunks)
		return insert_chunk(map, 0, entry);
	c = find_chunk(map, entry->start);
	i = find_entry(map->chunks[c], entry->start);
	assert(i == map->chunks[c]->n || map->chunks[c]->e[i].start >= entry->end);
	assert(i != map->chunks[c]->n || c + 1 == map->n_chunks || map->keys[c + 1] >= entry->end);
	return insert_at(map, c, i, entry);
}

static bool has_pages(const struct region_entry *e)
{
	return e->file != REGION_NO_FILE || e->flags & REGION_SHMAT;
}

/* Makes `addr` a bound. */
static int split_entry(struct region_map *map, uint64_t addr)
{
	struct region_pos pos = region_map__seek(map, addr);
	struct region_entry *e = region_map__at(map, pos), right;
	int r;

	if (!e || e->start >= addr)
		return 0;
	right = *e;
	right.start = addr;
	right.flags |= REGION_FRAGMENT | REGION_SPLIT;
	right.flags &= ~REGION_SAME_FILE;
	if (has_pages(e))
		right.file_page += (addr - e->start) >> REGION_PAGE_SHIFT;
	e->end = addr;
	e->flags |= REGION_SPLIT;
	r = insert_at(map, pos.chunk, pos.i + 1, &right);
	if (r < 0)	/* the chunk may have been split before */
		region_map__at(map, region_map__seek(map, addr - 1))->end = right.end;
	return r;
}

int region_map__isolate(struct region_map *map, uint64_t start, uint64_t end)
{
	int r = split_entry(map, start);

	return r < 0 ? r : split_entry(map, end);
}

/* --- removing --------------------------------------------------------------------------------- */

/* Merges chunk c + 1 into chunk c when they fit well. */
static void merge_chunks(struct region_map *map, uint32_t c)
{
	struct region_chunk *low, *high;

	if (c + 1 >= map->n_chunks)
		return;
	high = map->chunks[c + 1];
	if (map->chunks[c]->n + high->n > CHUNK_MAX * 3 / 4)
		return;
	if (map->chunks[c]->capacity < map->chunks[c]->n + high->n &&
	    chunk__resize(map, c, map->chunks[c]->n + high->n) < 0)
		return;
	low = map->chunks[c];
	memcpy(&low->e[low->n], high->e, high->n * sizeof(high->e[0]));
	low->n += high->n;
	directory__remove(map, c + 1, 1);
}

/* Removes n entries of chunk c, from slot i on, but not all of it. */
static void remove_from_chunk(struct region_map *map, uint32_t c, uint32_t i, uint32_t n)
{
	struct region_chunk *chunk = map->chunks[c];

	if (!n)
		return;
	memmove(&chunk->e[i], &chunk->e[i + n], (chunk->n - i - n) * sizeof(chunk->e[0]));
	chunk->n -= n;
	map->keys[c] = chunk->e[0].start;
	if (chunk->capacity - chunk->n >= 2 * CHUNK_STEP)
		chunk__resize(map, c, chunk->n + CHUNK_STEP / 2);
}

void region_map__remove(struct region_map *map, uint64_t start, uint64_t end)
{
	struct region_pos pos = region_map__seek(map, start);
	uint32_t c = pos.chunk, n, empty = 0;

	if (start >= end || c == map->n_chunks)
		return;
	/* As `end` is a bound, find_entry() tells how many entries of a chunk lie below it. */
	if (pos.i) {
		n = find_entry(map->chunks[c], end) - pos.i;
		map->n -= n;
		remove_from_chunk(map, c++, pos.i, n);
	}
	for (; c + empty < map->n_chunks; empty++) {
		n = find_entry(map->chunks[c + empty], end);
		map->n -= n;
		if (n < map->chunks[c + empty]->n) {
			remove_from_chunk(map, c + empty, 0, n);
			break;
		}
	}
	directory__remove(map, c, empty);
	merge_chunks(map, c);
	if (c)
		merge_chunks(map, c - 1);
}

bool region_map__join(struct region_map *map, uint64_t addr)
{
	const uint8_t ignored = REGION_FRAGMENT | REGION_SPLIT | REGION_SAME_FILE;
	struct region_pos pos;
	struct region_entry *a, *b;
	uint64_t end;

	if (!addr)
		return false;
	pos = region_map__seek(map, addr - 1);
	a = region_map__at(map, pos);
	region_map__next(map, &pos);
	b = region_map__at(map, pos);
	if (!a || !b || a->end != addr || b->start != addr)
		return false;
	if (!((a->flags | b->flags) & REGION_FRAGMENT) || (a->flags ^ b->flags) & ~ignored ||
	    a->site != b->site || a->birth_tick != b->birth_tick || a->kind != b->kind ||
	    a->open_kind != b->open_kind || a->prot != b->prot || a->file != b->file)
		return false;
	if (has_pages(a) &&
	    b->file_page != a->file_page + ((a->end - a->start) >> REGION_PAGE_SHIFT))
		return false;
	if (!(b->flags & REGION_FRAGMENT))
		a->flags &= ~REGION_FRAGMENT;
	a->flags |= REGION_SPLIT | (b->flags & REGION_SAME_FILE);
	end = b->end;
	region_map__remove(map, addr, end);
	region_map__at(map, region_map__seek(map, addr - 1))->end = end;
	return true;
}

/* --- for tests -------------------------------------------------------------------------------- */

const char *region_map__check(const struct region_map *map)
{
	size_t n = 0, bytes = map->capacity * (sizeof(*map->keys) + sizeof(*map->chunks));
	uint64_t last = 0;
	uint32_t c, i;

	for (c = 0; c < map->n_chunks; c++) {
		const struct region_chunk *chunk = map->chunks[c];

		if (!chunk->n)
			return "an empty chunk";
		if (chunk->n > chunk->capacity || chunk->capacity > CHUNK_MAX)
			return "a chunk over its capacity";
		if (map->keys[c] != chunk->e[0].start)
			return "a key that is not its chunk's first address";
		for (i = 0; i < chunk->n; i++) {
			if (chunk->e[i].start >= chunk->e[i].end)
				return "an empty entry";
			if (chunk->e[i].start < last)
				return "entries that overlap or are not sorted";
			last = chunk->e[i].end;
		}
		n += chunk->n;
		bytes += chunk_sz(chunk->capacity);
	}
	if (n != map->n)
		return "a wrong number of entries";
	if (bytes != map->bytes)
		return "a wrong number of bytes";
	return NULL;
}
