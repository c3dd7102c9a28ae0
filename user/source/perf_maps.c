/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Reading has to end: a process may write more than we can read, or begin its file anew all the time.
 * So each map may be read a twentieth of the time, and all together a fifth: what a reading took is a
 * debt that is paid off by time, and with a debt of more than a second (50 ms of reading a map, 200 ms
 * of all) nothing is read. Meanwhile what is known already is used.
 *
 * Of the memory that all maps may take, one may take it all: the least recently used go, and are read
 * again when they are needed.
 */
#include "user/source/perf_maps.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/loop.h"
#include "user/base/table.h"
#include "user/source/procfs.h"
#include "user/symbol/perf_map.h"

#define DEFAULT_MAX_BYTES (16u << 20)
#define SHARE_OF_ONE 20
#define SHARE_OF_ALL 5
#define CREDIT_NS 1000000000ull

struct map_row {
	uint32_t pid;
	uint32_t pad;
	struct perf_map *map;
	uint64_t used;		/* perf_maps.clock then */
	uint64_t debt_ns;	/* is paid off at that time (CLOCK_MONOTONIC) */
	bool cut_told;
};

struct perf_maps {
	struct procfs *procfs;
	struct table by_pid;	/* struct map_row */
	size_t max_bytes, bytes;
	uint64_t clock, debt_ns, n_evicted;
};

int perf_maps__new(struct perf_maps **out, struct procfs *procfs, size_t max_bytes)
{
	struct perf_maps *maps = calloc(1, sizeof(*maps));

	if (!maps)
		return -ENOMEM;
	maps->procfs = procfs;
	maps->max_bytes = max_bytes ? max_bytes : DEFAULT_MAX_BYTES;
	table__init(&maps->by_pid, sizeof(uint64_t), sizeof(struct map_row));
	*out = maps;
	return 0;
}

static struct map_row *find(struct perf_maps *maps, pid_t pid)
{
	uint32_t key[2] = { (uint32_t)pid, 0 };

	return table__find(&maps->by_pid, key);
}

static void drop(struct perf_maps *maps, struct map_row *row)
{
	uint32_t key[2] = { row->pid, 0 };

	maps->bytes -= perf_map__bytes(row->map);
	perf_map__free(row->map);
	table__remove(&maps->by_pid, key);
}

struct perf_maps *perf_maps__free(struct perf_maps *maps)
{
	struct map_row *row;
	size_t cursor = 0;

	if (!maps)
		return NULL;
	while ((row = table__next(&maps->by_pid, &cursor)))
		perf_map__free(row->map);
	table__fini(&maps->by_pid);
	free(maps);
	return NULL;
}

void perf_maps__forget(struct perf_maps *maps, pid_t pid)
{
	struct map_row *row = find(maps, pid);

	if (row)
		drop(maps, row);
}

size_t perf_maps__bytes(const struct perf_maps *maps)
{
	return maps->bytes;
}

uint64_t perf_maps__n_evicted(const struct perf_maps *maps)
{
	return maps->n_evicted;
}

bool perf_maps__is_cut(struct perf_maps *maps, pid_t pid)
{
	struct map_row *row = find(maps, pid);

	if (!row || row->cut_told || !perf_map__is_cut(row->map))
		return false;
	row->cut_told = true;
	return true;
}

static int get(struct perf_maps *maps, pid_t pid, struct map_row **out)
{
	uint32_t key[2] = { (uint32_t)pid, 0 };
	struct map_row *row = find(maps, pid);
	struct perf_map *map;

	*out = row;
	if (row)
		return 0;
	if (perf_map__new(&map))
		return -ENOMEM;
	row = table__insert(&maps->by_pid, key, NULL);
	if (!row) {
		perf_map__free(map);
		return -ENOMEM;
	}
	row->map = map;
	maps->bytes += perf_map__bytes(map);
	*out = row;
	return 0;
}

static void keep_bounds(struct perf_maps *maps, pid_t current)
{
	struct map_row *row, *oldest;
	size_t cursor;

	while (maps->bytes > maps->max_bytes && maps->by_pid.n > 1) {
		cursor = 0;
		oldest = NULL;
		while ((row = table__next(&maps->by_pid, &cursor)))
			if (row->pid != (uint32_t)current && (!oldest || row->used < oldest->used))
				oldest = row;
		if (!oldest)
			return;
		drop(maps, oldest);
		maps->n_evicted++;
	}
}

static void owe(uint64_t *debt_ns, uint64_t now, uint64_t ns)
{
	*debt_ns = (*debt_ns > now ? *debt_ns : now) + ns;
}

static int update(struct perf_maps *maps, struct map_row *row, int fd)
{
	size_t before = perf_map__bytes(row->map);
	uint64_t now = clock_monotonic_ns(), spent;
	int r;

	if (row->debt_ns > now + CREDIT_NS || maps->debt_ns > now + CREDIT_NS)
		return 0;
	r = perf_map__update(row->map, fd);
	maps->bytes += perf_map__bytes(row->map) - before;
	spent = clock_monotonic_ns() - now;
	owe(&row->debt_ns, now, spent * SHARE_OF_ONE);
	owe(&maps->debt_ns, now, spent * SHARE_OF_ALL);
	return r == -ENOMEM ? r : 0;
}

int perf_maps__open(struct perf_maps *maps, pid_t pid, int *fd, int *why)
{
	struct map_row *row;
	int r;

	*why = procfs__open_perf_map(maps->procfs, pid, fd);
	if (*why)
		return *why == -ENOMEM ? *why : 1;
	r = get(maps, pid, &row);
	if (r)
		return r;
	row->used = ++maps->clock;
	r = update(maps, row, *fd);
	keep_bounds(maps, pid);
	return r;
}

/* Terminated, and cut where it does not fit. */
static void copy(char *out, size_t out_sz, const char *s, size_t n)
{
	if (n >= out_sz)
		n = out_sz - 1;
	memcpy(out, s, n);
	out[n] = '\0';
}

bool perf_maps__name(struct perf_maps *maps, pid_t pid, int fd, uint64_t addr,
		     struct unwind_name *out)
{
	struct map_row *row = find(maps, pid);
	char buf[PERF_MAP_LINE_MAX];
	struct perf_map_name name;
	struct perf_map_line line;

	if (!row || perf_map__find(row->map, fd, addr, buf, &line))
		return false;
	perf_map_name__split(line.name, line.name_sz, &name);
	*out = (struct unwind_name){ .line = name.line, .bci = -1, .kind = EV_METHOD_STUB };
	copy(out->function, sizeof(out->function), name.function, name.function_sz);
	if (name.file_sz)
		copy(out->file, sizeof(out->file), name.file, name.file_sz);
	return out->function[0] != '\0';
}
