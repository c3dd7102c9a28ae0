/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Where the lines of a perf map are, by the addresses they are about. Names stay in the file, so
 * 100,000 functions take 2.4 MB.
 *
 * A runtime throws code away and puts other code in its place without a word about the old: so of
 * several lines about an address the one written last counts. New lines go to an unsorted tail, whose
 * lines are all newer than the sorted ones; when it has grown to a quarter of them, all are sorted,
 * by address and then by age, and those that newer ones cover from the same beginning go. A lookup
 * goes back from the last that begins at or before the address, for as long as any before it reaches
 * that far: `reach` says how far all up to an entry do.
 *
 * What is found is read from the file again and compared: a file written over in place is not
 * believed, and is read anew by the next update.
 */
#include "user/symbol/perf_map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "user/base/error.h"

#define TAIL_MIN 1024		/* entries */
#define CHUNK_SZ 65536

struct entry {
	uint64_t start;
	uint32_t size;		/* bytes; larger ones are cut */
	uint32_t at;		/* of its line in the file: also its age */
};

struct perf_map {
	struct entry *entries;
	uint64_t *reach;	/* of the sorted ones: the greatest end so far */
	size_t n, n_sorted, capacity;
	uint64_t dev, ino;	/* of the file that was read */
	uint64_t read_to;	/* bytes of it */
	bool in_long_line;	/* ... which end within a line that is too long */
	bool is_stale;		/* what was read is not what is there */
	bool is_cut;
};

int perf_map__new(struct perf_map **out)
{
	*out = calloc(1, sizeof(**out));
	return *out ? 0 : -ENOMEM;
}

static void clear(struct perf_map *map)
{
	free(map->entries);
	free(map->reach);
	*map = (struct perf_map){ 0 };
}

struct perf_map *perf_map__free(struct perf_map *map)
{
	if (map)
		clear(map);
	free(map);
	return NULL;
}

bool perf_map__is_cut(const struct perf_map *map)
{
	return map->is_cut;
}

size_t perf_map__bytes(const struct perf_map *map)
{
	return sizeof(*map) + map->capacity * (sizeof(*map->entries) + sizeof(*map->reach));
}

/* --- sorting ---------------------------------------------------------------------------------- */

static int by_address(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at;
}

/* Of the entries with one beginning, in entries[from..to), those of which something is left: moved to
 * entries[n..); the new n. A newer one that is as large leaves nothing. */
static size_t keep_visible(struct entry *entries, size_t from, size_t to, size_t n)
{
	uint32_t largest = 0;
	size_t kept = to;

	for (size_t i = to; i > from; i--) {
		if (entries[i - 1].size <= largest)
			continue;
		largest = entries[i - 1].size;
		entries[--kept] = entries[i - 1];
	}
	memmove(entries + n, entries + kept, (to - kept) * sizeof(*entries));
	return n + (to - kept);
}

static void sort(struct perf_map *map)
{
	struct entry *entries = map->entries;
	uint64_t reach = 0;
	size_t n = 0;

	qsort(entries, map->n, sizeof(*entries), by_address);
	for (size_t from = 0, to; from < map->n; from = to) {
		for (to = from + 1; to < map->n && entries[to].start == entries[from].start; to++)
			;
		n = keep_visible(entries, from, to, n);
	}
	for (size_t i = 0; i < n; i++) {
		if (entries[i].start + entries[i].size > reach)
			reach = entries[i].start + entries[i].size;
		map->reach[i] = reach;
	}
	map->n = map->n_sorted = n;
}

static int make_room(struct perf_map *map)
{
	size_t capacity = map->capacity ? 2 * map->capacity : TAIL_MIN;
	struct entry *entries;
	uint64_t *reach;

	/* The same places may be in it again and again. Not at every line: sorting takes 50 ms. */
	if (map->n == PERF_MAP_MAX_ENTRIES && map->n - map->n_sorted >= PERF_MAP_MAX_ENTRIES / 8)
		sort(map);
	if (map->n < map->capacity)
		return 0;
	if (map->n == PERF_MAP_MAX_ENTRIES)
		return 1;
	entries = reallocarray(map->entries, capacity, sizeof(*entries));
	if (!entries)
		return -ENOMEM;
	map->entries = entries;
	reach = reallocarray(map->reach, capacity, sizeof(*reach));
	if (!reach)
		return -ENOMEM;
	map->reach = reach;
	map->capacity = capacity;
	return 0;
}

static int add_line(struct perf_map *map, const char *line, size_t n, uint64_t at)
{
	struct perf_map_line parsed;
	int r;

	if (n >= PERF_MAP_LINE_MAX || perf_map_line__parse(line, n, &parsed))
		return 0;
	r = make_room(map);
	if (r) {
		map->is_cut = true;
		return r < 0 ? r : 0;
	}
	map->entries[map->n++] = (struct entry){
		.start = parsed.start,
		.size = parsed.size < UINT32_MAX ? (uint32_t)parsed.size : UINT32_MAX,
		.at = (uint32_t)at,
	};
	return 0;
}

/* --- reading ---------------------------------------------------------------------------------- */

/* The whole lines of a chunk that was read from read_to on. *used: the bytes that are done with. */
static int take_lines(struct perf_map *map, const char *chunk, size_t n, size_t *used)
{
	const char *s = chunk, *end = chunk + n, *newline;
	int r = 0;

	while (!r && s < end && (newline = memchr(s, '\n', (size_t)(end - s)))) {
		if (!map->in_long_line)
			r = add_line(map, s, (size_t)(newline - s),
				     map->read_to + (uint64_t)(s - chunk));
		map->in_long_line = false;
		s = newline + 1;
	}
	if (s == chunk && n == CHUNK_SZ) {
		map->in_long_line = true;
		s = end;
	}
	*used = (size_t)(s - chunk);
	return r;
}

static int read_on(struct perf_map *map, int fd, uint64_t size)
{
	char *chunk = malloc(CHUNK_SZ);
	size_t want, used;
	ssize_t n;
	int r = chunk ? 0 : -ENOMEM;

	while (!r && map->read_to < size) {
		want = size - map->read_to < CHUNK_SZ ? size - map->read_to : CHUNK_SZ;
		n = pread(fd, chunk, want, (off_t)map->read_to);
		if (n <= 0) {
			r = n < 0 ? negative_errno() : 0;
			break;
		}
		r = take_lines(map, chunk, (size_t)n, &used);
		map->read_to += used;
		if (!used)	/* the last line is being written */
			break;
	}
	free(chunk);
	return r;
}

/* False: what is known may be of another file by now. */
static bool is_same(const struct perf_map *map, const struct stat *st)
{
	return !map->is_stale && map->dev == st->st_dev && map->ino == st->st_ino &&
	       map->read_to <= (uint64_t)st->st_size;
}

int perf_map__update(struct perf_map *map, int fd)
{
	struct stat st;
	uint64_t size;
	int r;

	if (fstat(fd, &st))
		return negative_errno();
	if (!is_same(map, &st))
		clear(map);
	map->dev = st.st_dev;
	map->ino = st.st_ino;
	size = (uint64_t)st.st_size;
	if (size > PERF_MAP_MAX_SZ) {
		size = PERF_MAP_MAX_SZ;
		map->is_cut = true;
	}
	r = read_on(map, fd, size);
	if (map->n - map->n_sorted > TAIL_MIN && map->n - map->n_sorted > map->n_sorted / 4)
		sort(map);
	return r;
}

/* --- looking up ------------------------------------------------------------------------------- */

static bool holds(const struct entry *e, uint64_t addr)
{
	return addr >= e->start && addr - e->start < e->size;
}

static const struct entry *find(const struct perf_map *map, uint64_t addr)
{
	const struct entry *newest = NULL;
	size_t low = 0, high = map->n_sorted;

	for (size_t i = map->n; i > map->n_sorted; i--)
		if (holds(&map->entries[i - 1], addr))
			return &map->entries[i - 1];
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (map->entries[middle].start <= addr)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low && map->reach[low - 1] > addr; low--) {
		const struct entry *e = &map->entries[low - 1];

		if (holds(e, addr) && (!newest || e->at > newest->at))
			newest = e;
	}
	return newest;
}

int perf_map__find(struct perf_map *map, int fd, uint64_t addr, char *buf,
		   struct perf_map_line *out)
{
	const struct entry *e = find(map, addr);
	const char *newline;
	ssize_t n;

	if (!e)
		return 1;
	n = pread(fd, buf, PERF_MAP_LINE_MAX, e->at);
	if (n < 0)
		return negative_errno();
	newline = memchr(buf, '\n', (size_t)n);
	if (!newline || perf_map_line__parse(buf, (size_t)(newline - buf), out) ||
	    out->start != e->start) {
		map->is_stale = true;
		return 1;
	}
	return 0;
}
