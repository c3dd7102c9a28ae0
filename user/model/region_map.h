/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The interval map of one address space: disjoint, sorted ranges, 40 bytes each, in sorted chunks.
 * It knows addresses and nothing of who counts what; space.h keeps the accounts.
 */
#ifndef UNFREED_MODEL_REGION_MAP_H
#define UNFREED_MODEL_REGION_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum region_flag {
	REGION_FRAGMENT = 1 << 0,	/* a further piece of an object: not counted as one */
	REGION_SPLIT = 1 << 1,		/* may have (or be) fragments elsewhere */
	REGION_SHARED = 1 << 2,		/* MAP_SHARED, or shmat */
	REGION_SHMAT = 1 << 3,		/* attached by shmat; file_page counts from its start */
	REGION_SPECIAL = 1 << 4,	/* [stack], [vdso]...: the kernel's own, no event grows it */
	REGION_NAMED = 1 << 5,		/* during a seed: the reading, or a later event, named it */
	REGION_SAME_FILE = 1 << 6,	/* counted in site.same_file */
	REGION_CLOSED = 1 << 7,		/* of a piece that was given back: counted as closed */
};

#define REGION_NO_FILE UINT32_MAX
#define REGION_PAGE_SHIFT 12

struct region_entry {
	uint64_t start, end;	/* bytes, start < end */
	uint64_t file_page;	/* of start, when there is a file or an shmat; else 0 */
	uint32_t file;		/* file index, or REGION_NO_FILE */
	uint32_t site;		/* site index */
	uint32_t birth_tick;
	uint8_t kind;		/* enum kind */
	uint8_t open_kind;	/* its kind while it is accessible; `kind` may be KIND_RESERVED */
	uint8_t prot;
	uint8_t flags;		/* enum region_flag */
};
_Static_assert(sizeof(struct region_entry) == 40, "region_entry");

struct region_chunk;

struct region_map {
	uint64_t *keys;			/* start of each chunk's first entry */
	struct region_chunk **chunks;	/* none is empty */
	uint32_t n_chunks, capacity;
	size_t n;			/* entries */
	size_t bytes;			/* of memory held */
};

/* A place between the first entry and the end. Inserting or removing makes it invalid. */
struct region_pos {
	uint32_t chunk, i;
};

void region_map__init(struct region_map *map);	/* allocates nothing */
void region_map__fini(struct region_map *map);	/* idempotent */
int region_map__copy(struct region_map *map, const struct region_map *from); /* into an empty one */

/* The first entry that ends after `addr`; the end when there is none. */
struct region_pos region_map__seek(const struct region_map *map, uint64_t addr);
/* The entry there, or NULL at the end. All but its bounds may be changed in place. */
struct region_entry *region_map__at(const struct region_map *map, struct region_pos pos);
void region_map__next(const struct region_map *map, struct region_pos *pos);
bool region_map__prev(const struct region_map *map, struct region_pos *pos); /* false: first */

/* Inserts a copy. It must overlap nothing. 0 or -ENOMEM. */
int region_map__insert(struct region_map *map, const struct region_entry *entry);

/*
 * Makes `start` and `end` bounds: an entry across either is split in two, its right piece a
 * fragment. 0 or -ENOMEM (then the map means the same as before, though it may be split).
 */
int region_map__isolate(struct region_map *map, uint64_t start, uint64_t end);

/* Removes the entries from `start` to `end`, which are bounds (region_map__isolate). */
void region_map__remove(struct region_map *map, uint64_t start, uint64_t end);

/*
 * Joins the two entries that meet at `addr` when they differ in nothing and are not two objects.
 * True when they were joined.
 */
bool region_map__join(struct region_map *map, uint64_t addr);

/* The next range that is free from *at on, below `end`; *at moves behind it. False: none left. */
bool region_map__gap(const struct region_map *map, uint64_t *at, uint64_t end,
		     uint64_t *gap_start, uint64_t *gap_end);

/* NULL, or a static sentence saying which rule of the structure is broken. For tests. */
const char *region_map__check(const struct region_map *map);

#endif /* UNFREED_MODEL_REGION_MAP_H */
