/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * libFuzzer against the parser of map files: each line of the input is parsed in memory that ends
 * where the parser may write last. A line that is taken, written again as the kernel writes it and
 * parsed once more, must come out the same.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "user/source/procfs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t data_sz);

static void must(bool holds)
{
	if (!holds)
		abort();
}

/* The line as the kernel would write it; *n is its length. The caller frees. */
static char *print(const struct procfs_map *map, size_t *n)
{
	char *line = malloc(map->path_sz * 4 + 256);
	char *s = line;

	must(line);
	s += sprintf(s, "%08llx-%08llx %c%c%c%c %08llx %02x:%02x %llu ",
		     (unsigned long long)map->start, (unsigned long long)map->end,
		     map->prot & PROT_READ ? 'r' : '-', map->prot & PROT_WRITE ? 'w' : '-',
		     map->prot & PROT_EXEC ? 'x' : '-', map->shared ? 's' : 'p',
		     (unsigned long long)map->file_off, map->dev >> 20, map->dev & 0xfffff,
		     (unsigned long long)map->ino);
	for (size_t i = 0; i < map->path_sz; i++)
		s += map->path[i] == '\n' ? sprintf(s, "\\012") : sprintf(s, "%c", map->path[i]);
	if (map->deleted)
		s += sprintf(s, " (deleted)");
	*n = (size_t)(s - line);
	return line;
}

static bool same(const struct procfs_map *a, const struct procfs_map *b)
{
	return a->start == b->start && a->end == b->end && a->file_off == b->file_off &&
	       a->ino == b->ino && a->dev == b->dev && a->prot == b->prot &&
	       a->flags == b->flags && a->shared == b->shared &&
	       a->executable == b->executable && a->deleted == b->deleted &&
	       a->path_sz == b->path_sz && !memcmp(a->path, b->path, a->path_sz);
}

static void check_line(const char *text, size_t n)
{
	struct procfs_map map, again;
	char *line = malloc(n + 1), *copy;
	size_t copy_sz;

	must(line);
	memcpy(line, text, n);
	if (!procfs_map__parse(line, n, &map)) {
		must(map.start < map.end);
		must(strlen(map.path) == map.path_sz);
		must(map.shared == !!(map.flags & EV_REGION_SHARED));
		must(map.executable == !!(map.prot & PROT_EXEC));
		copy = print(&map, &copy_sz);
		must(!procfs_map__parse(copy, copy_sz, &again));
		must(same(&map, &again));
		free(copy);
	}
	free(line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t data_sz)
{
	const char *s = (const char *)data, *end = s + data_sz;

	while (s < end) {
		const char *newline = memchr(s, '\n', (size_t)(end - s));
		size_t n = (size_t)((newline ? newline : end) - s);

		check_line(s, n);
		s += n + 1;
	}
	return 0;
}
