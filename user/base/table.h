/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * A hash table of fixed-size entries, stored in one array: no allocation and no pointer per entry.
 * The key is the first key_sz bytes of the entry, compared bytewise (so zero its padding). Open
 * addressing, removal without tombstones. Any insertion or removal moves entries: pointers into the
 * table hold until then.
 */
#ifndef UNFREED_BASE_TABLE_H
#define UNFREED_BASE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct table {
	uint8_t *slots;		/* capacity entries */
	uint8_t *used;		/* capacity bytes: 0 empty, else 1 */
	size_t key_sz, entry_sz;
	size_t n;
	size_t capacity;	/* a power of two, or 0 */
	uint64_t seed;		/* per table, so that a hostile process cannot choose collisions */
};

void table__init(struct table *table, size_t key_sz, size_t entry_sz);	/* allocates nothing */
void table__fini(struct table *table);	/* idempotent; what entries point at is the caller's */

void *table__find(const struct table *table, const void *key);	/* NULL: not there */
/* The entry with that key, made (key copied, the rest zeros) when missing; *is_new may be NULL.
 * NULL: no memory. */
void *table__insert(struct table *table, const void *key, bool *is_new);
/* Removes the entry. False when there was none. */
bool table__remove(struct table *table, const void *key);
void table__clear(struct table *table);	/* keeps the capacity */

/* The next entry after slot *cursor (start with 0), or NULL at the end. Nothing may be inserted or
 * removed during the walk. */
void *table__next(const struct table *table, size_t *cursor);

size_t table__bytes(const struct table *table);	/* of memory held */

#endif /* UNFREED_BASE_TABLE_H */
