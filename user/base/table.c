/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Linear probing in a power-of-two array, at most three quarters full. Removal shifts the entries
 * behind the hole back (Knuth vol. 3, 6.4, algorithm R), so that there are no tombstones and a
 * lookup may stop at the first empty slot; tests/unit/test_table.c checks that against a naive
 * twin after random operations.
 *
 * Keys come from hostile processes, so the hash depends on a random seed drawn when the table
 * first gets slots. The order of a walk depends on it too: never show that order to anybody.
 */
#include "user/base/table.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "user/base/loop.h"

#define TABLE_CAPACITY_MIN 16

/* Both halves of the product, folded: every input bit reaches every output bit. */
static inline uint64_t multiply_fold(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* The seed enters both factors, so that no difference between keys survives for every seed. */
static uint64_t table__hash(const struct table *table, const uint8_t *key)
{
	const uint64_t odd = 0x9E3779B97F4A7C15ull;	/* 2^64 / golden ratio */
	const uint64_t other = (table->seed << 32 | table->seed >> 32) ^ odd;
	uint64_t word, hash = table->key_sz;
	size_t left = table->key_sz;

	for (; left >= sizeof(word); left -= sizeof(word), key += sizeof(word)) {
		memcpy(&word, key, sizeof(word));
		hash = multiply_fold(word ^ table->seed, hash ^ other);
	}
	if (left) {
		word = 0;
		memcpy(&word, key, left);
		hash = multiply_fold(word ^ table->seed, hash ^ other);
	}
	return multiply_fold(hash ^ odd, other | 1);
}

static inline uint8_t *table__slot(const struct table *table, size_t i)
{
	return table->slots + i * table->entry_sz;
}

static inline bool table__same_key(const struct table *table, const void *a, const void *b)
{
	uint64_t x, y;

	if (table->key_sz == sizeof(x)) {
		memcpy(&x, a, sizeof(x));
		memcpy(&y, b, sizeof(y));
		return x == y;
	}
	return !memcmp(a, b, table->key_sz);
}

/* The slot of the key, or the empty one where it belongs. There is always an empty one. */
static size_t table__probe(const struct table *table, const void *key)
{
	const size_t mask = table->capacity - 1;
	size_t i = table__hash(table, key) & mask;

	while (table->used[i] && !table__same_key(table, table__slot(table, i), key))
		i = (i + 1) & mask;
	return i;
}

void table__init(struct table *table, size_t key_sz, size_t entry_sz)
{
	*table = (struct table){ .key_sz = key_sz, .entry_sz = entry_sz };
}

void table__fini(struct table *table)
{
	free(table->slots);
	free(table->used);
	table__init(table, table->key_sz, table->entry_sz);
}

static uint64_t random_seed(const void *salt)
{
	uint64_t seed;

	if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) == sizeof(seed))
		return seed;
	/* Early in boot, or under a strict seccomp filter: better than a constant. */
	return clock_monotonic_ns() * 0x9E3779B97F4A7C15ull ^ (uintptr_t)salt;
}

/* Doubles, or makes the first slots. False: no memory, and nothing changed. */
static bool table__grow(struct table *table)
{
	struct table grown = *table;
	size_t slots_sz, i, to;

	grown.capacity = TABLE_CAPACITY_MIN;
	if (table->capacity && __builtin_mul_overflow(table->capacity, 2, &grown.capacity))
		return false;
	if (__builtin_mul_overflow(grown.capacity, grown.entry_sz, &slots_sz))
		return false;
	grown.slots = malloc(slots_sz);
	grown.used = calloc(grown.capacity, 1);
	if (!grown.slots || !grown.used) {
		free(grown.slots);
		free(grown.used);
		return false;
	}
	if (!table->capacity)
		grown.seed = random_seed(grown.slots);
	for (i = 0; i < table->capacity; i++) {
		if (!table->used[i])
			continue;
		to = table__probe(&grown, table__slot(table, i));
		memcpy(table__slot(&grown, to), table__slot(table, i), table->entry_sz);
		grown.used[to] = 1;
	}
	free(table->slots);
	free(table->used);
	*table = grown;
	return true;
}

void *table__find(const struct table *table, const void *key)
{
	size_t i;

	if (!table->n)
		return NULL;
	i = table__probe(table, key);
	return table->used[i] ? table__slot(table, i) : NULL;
}

void *table__insert(struct table *table, const void *key, bool *is_new)
{
	void *entry = table__find(table, key);
	size_t i;

	if (is_new)
		*is_new = !entry;
	if (entry)
		return entry;
	if (table->n >= table->capacity - table->capacity / 4 && !table__grow(table))
		return NULL;
	i = table__probe(table, key);
	entry = table__slot(table, i);
	memcpy(entry, key, table->key_sz);
	memset((uint8_t *)entry + table->key_sz, 0, table->entry_sz - table->key_sz);
	table->used[i] = 1;
	table->n++;
	return entry;
}

bool table__remove(struct table *table, const void *key)
{
	const size_t mask = table->capacity - 1;
	size_t hole, i, home;

	if (!table->n)
		return false;
	hole = table__probe(table, key);
	if (!table->used[hole])
		return false;
	for (i = (hole + 1) & mask; table->used[i]; i = (i + 1) & mask) {
		home = table__hash(table, table__slot(table, i)) & mask;
		/* It may fill the hole unless its home lies behind the hole. */
		if (((i - home) & mask) < ((i - hole) & mask))
			continue;
		memcpy(table__slot(table, hole), table__slot(table, i), table->entry_sz);
		hole = i;
	}
	table->used[hole] = 0;
	table->n--;
	return true;
}

void table__clear(struct table *table)
{
	if (table->capacity)
		memset(table->used, 0, table->capacity);
	table->n = 0;
}

void *table__next(const struct table *table, size_t *cursor)
{
	while (*cursor < table->capacity) {
		size_t i = (*cursor)++;

		if (table->used[i])
			return table__slot(table, i);
	}
	return NULL;
}

size_t table__bytes(const struct table *table)
{
	return table->capacity * (table->entry_sz + 1);
}
