/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The model's regions beside the kernel's map: where they differ, and whether that lasts. Pure
 * functions over two sorted lists; who reads the map, and when, is the caller's.
 */
#ifndef UNFREED_MODEL_COMPARE_H
#define UNFREED_MODEL_COMPARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/model/world.h"

/* What a line's path says that its numbers do not. */
enum map_name {
	MAP_NAME_OTHER = 0,
	MAP_NAME_ZERO,		/* /dev/zero (deleted): shared anonymous memory */
	MAP_NAME_SYSV,		/* /SYSV00000000 (deleted): attached by shmat */
	MAP_NAME_HUGE,		/* /anon_hugepage (deleted): anonymous huge pages */
};

/* One line of the kernel's map. */
struct map_line {
	uint64_t start, end;
	uint64_t file_off;
	uint64_t ino;
	uint32_t dev;
	uint32_t prot;		/* PROT_* */
	uint32_t flags;		/* enum ev_region_flag */
	uint32_t fs_magic;	/* of shared mappings of files; 0: not known */
	enum map_name name;
};

enum difference_what {
	DIFFERS_MISSING = 1 << 0,	/* the kernel has it, the model has not */
	DIFFERS_EXTRA = 1 << 1,		/* the other way round */
	DIFFERS_PROT = 1 << 2,
	DIFFERS_SHARED = 1 << 3,
	DIFFERS_KIND = 1 << 4,
	DIFFERS_FILE = 1 << 5,		/* device or inode */
	DIFFERS_OFFSET = 1 << 6,
};

/* What one side says of a range; the offset is that of its start. */
struct difference_side {
	uint64_t file_off;
	uint64_t ino;
	uint32_t dev;
	uint16_t prot;
	uint16_t kind;		/* enum kind; the kernel's as far as its map tells */
	bool shared;
};

struct difference {
	uint64_t start, end;
	uint32_t what;		/* enum difference_what, or-ed */
	uint32_t n_seen;	/* by struct suspects: readings that showed it, untouched since */
	uint64_t since_ns;	/* ... the first of these began */
	struct difference_side model, kernel;
};

struct differences {
	struct difference *d;	/* in address order */
	size_t n, capacity;
	uint64_t bytes;		/* compared: on either side, but for the next two */
	uint64_t own_bytes;	/* [vdso], [vvar], [uprobes]...: the kernel's own, known by name */
	uint64_t grown_bytes;	/* of [stack], below what the model knows of it: page faults
				 * made it grow, no call did */
};

/*
 * Compares page by page, not mapping by mapping: the kernel and the model split and merge by
 * different rules. Both lists are in address order, without overlaps. Replaces what *out held.
 * 0 or -ENOMEM.
 */
int differences__find(struct differences *out, const struct region *regions, size_t n_regions,
		      const struct map_line *lines, size_t n_lines);
void differences__fini(struct differences *differences);	/* idempotent */

/* What differed in every reading so far; empty after zeroing. */
struct suspects {
	struct differences list;
	unsigned int n_readings;
};

/*
 * Takes one more reading in, which began at since_ns. `touched`: somebody was at work in that range
 * since then; so a reading during which somebody was says nothing, and what was seen before it was
 * another thing, perhaps. 0 or -ENOMEM.
 */
typedef bool (*touched_fn)(void *ctx, uint64_t start, uint64_t end, uint64_t since_ns);
int suspects__narrow(struct suspects *suspects, const struct differences *reading, uint64_t since_ns,
		     touched_fn touched, void *ctx);
/* True when nothing is left to ask: every suspect was seen at least n times. */
bool suspects__settled(const struct suspects *suspects, unsigned int n);
/* Bytes of those seen at least n times, or (`sure` false) of the others. */
uint64_t suspects__bytes(const struct suspects *suspects, unsigned int n, bool sure);
/* Takes out those for which fn says so; returns their bytes. */
uint64_t suspects__drop_if(struct suspects *suspects,
			   bool (*fn)(void *ctx, const struct difference *d), void *ctx);
void suspects__fini(struct suspects *suspects);

#endif /* UNFREED_MODEL_COMPARE_H */
