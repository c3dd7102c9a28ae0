/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Reading a process that may lie, within a budget: its memory, and the symbols of its libraries. */
#ifndef UNFREED_UNWIND_HOTSPOT_READ_H
#define UNFREED_UNWIND_HOTSPOT_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/unwind/unwind.h"

/* --- memory ---------------------------------------------------------------------------------- */

struct remote {
	const struct unwind_target_ops *ops;
	void *ops_ctx;
	uint32_t tgid;
	uint64_t budget;	/* bytes; a read costs its size and REMOTE_READ_COST */
	uint64_t given;		/* the budget that it began with */
};

#define REMOTE_READ_COST 256

/* All of it, or false. */
bool remote__read(struct remote *remote, uint64_t addr, void *buf, size_t sz);
/* Little endian numbers; false leaves 0. */
bool remote__word(struct remote *remote, uint64_t addr, uint64_t *out);
bool remote__number(struct remote *remote, uint64_t addr, size_t sz, uint64_t *out);
/* A terminated string, cut to fit; it may end right before what cannot be read. */
bool remote__string(struct remote *remote, uint64_t addr, char *buf, size_t buf_sz);

/* Pages read once, for the tables' thousands of small strings. */
struct remote_pages;
struct remote_pages *remote_pages__new(struct remote *remote);	/* NULL: no memory */
struct remote_pages *remote_pages__free(struct remote_pages *pages);
bool remote_pages__string(struct remote_pages *pages, uint64_t addr, char *buf, size_t buf_sz);

/* --- symbols --------------------------------------------------------------------------------- */

/* A library as it is mapped, its first byte at `base`. */
struct remote_elf {
	uint64_t bias;			/* to be added to its own addresses */
	uint64_t symtab, strtab, hash;
	uint32_t n_buckets, first_hashed, n_bloom;
};

bool remote_elf__open(struct remote *remote, uint64_t base, struct remote_elf *out);
/* The address of an exported symbol. */
bool remote_elf__symbol(struct remote *remote, const struct remote_elf *elf, const char *name,
			uint64_t *addr);

#endif /* UNFREED_UNWIND_HOTSPOT_READ_H */
