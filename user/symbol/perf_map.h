/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The perf map of a process: /tmp/perf-PID.map, a line for each piece of code that its runtime made,
 * in the order in which it was made:
 *
 *   7fada5fc7c00 270 JS:^leak /srv/app.js:4:22
 *
 * node, .NET, OpenJ9, Erlang, CPython and others write one when they are asked to. Its lines are the
 * watched process's own words: hostile, and no more than a claim.
 */
#ifndef UNFREED_SYMBOL_PERF_MAP_H
#define UNFREED_SYMBOL_PERF_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PERF_MAP_MAX_SZ (64u << 20)	/* bytes of the file that are read; nothing behind */
#define PERF_MAP_MAX_ENTRIES (1u << 18)	/* pieces of code: 6 MB */
#define PERF_MAP_LINE_MAX 4096		/* bytes; longer lines are left out */

struct perf_map_line {
	uint64_t start;
	uint64_t size;		/* bytes, not 0; start + size does not overflow */
	const char *name;	/* not terminated, not empty; points into the line */
	size_t name_sz;
};

/* One line, without its newline. 0; -EBADMSG. */
int perf_map_line__parse(const char *line, size_t n, struct perf_map_line *out);

/* What a name says, in parts that point into it. */
struct perf_map_name {
	const char *function, *file;
	size_t function_sz, file_sz;	/* file_sz 0: none is named */
	uint32_t line;			/* where the function begins; 0: not said */
};

/*
 * Takes V8's, CPython's and .NET's names apart. What depends on how far a function was optimized is
 * left out: it is the same function, and the same site, before and after.
 */
void perf_map_name__split(const char *name, size_t n, struct perf_map_name *out);

struct perf_map;

int perf_map__new(struct perf_map **out);	/* 0 or -ENOMEM */
struct perf_map *perf_map__free(struct perf_map *map);

/*
 * Reads what was added to the file since the last time; from the beginning when it is another file or
 * has become shorter. fd stays the caller's, and must be given to perf_map__find() as long as it is
 * not updated again. 0, -ENOMEM or -errno.
 */
int perf_map__update(struct perf_map *map, int fd);

/* The line about addr that was written last, copied to buf (PERF_MAP_LINE_MAX bytes), *out pointing
 * into it. 1: there is none, or the file was written over meanwhile, so that the next update starts
 * anew; -errno of reading it. */
int perf_map__find(struct perf_map *map, int fd, uint64_t addr, char *buf,
		   struct perf_map_line *out);

bool perf_map__is_cut(const struct perf_map *map);	/* a limit above left something out */
size_t perf_map__bytes(const struct perf_map *map);	/* of memory held */

#endif /* UNFREED_SYMBOL_PERF_MAP_H */
