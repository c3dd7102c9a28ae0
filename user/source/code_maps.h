/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The executable mappings of one process, as far as they are known: read from its map file once,
 * then kept in step by the mmap and munmap records, so that the unwinder finds a pc's file without
 * reading the map file again.
 */
#ifndef UNFREED_SOURCE_CODE_MAPS_H
#define UNFREED_SOURCE_CODE_MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/unwind/unwind.h"

#define CODE_MAPS_MAX 65536	/* a process with more is known in part */

struct code_maps {
	struct unwind_map *maps;	/* ascending, never overlapping */
	size_t n, capacity;
	uint64_t read_ns;		/* CLOCK_MONOTONIC: the map file was read; 0: never */
};

void code_maps__fini(struct code_maps *maps);	/* idempotent */
void code_maps__clear(struct code_maps *maps);	/* nothing is known any more */

/* The mapping that holds pc; NULL: none known. Borrowed until the next change. */
const struct unwind_map *code_maps__find(const struct code_maps *maps, uint64_t pc);

/* Adds a mapping; what it covers of others goes. 0 or -ENOMEM. */
int code_maps__insert(struct code_maps *maps, const struct unwind_map *map);

/* [start, end) was unmapped or covered. True when code lay there. */
bool code_maps__cut(struct code_maps *maps, uint64_t start, uint64_t end);

#endif /* UNFREED_SOURCE_CODE_MAPS_H */
