/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The hash table against a naive twin, an array indexed by the key: the same random operations on
 * both, and after each step the structure is validated: every entry reachable from its home without
 * crossing an empty slot, which is what removal by shifting back must keep.
 */
#include "user/base/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define N_KEYS 512

struct entry8 {
	uint64_t key;
	uint64_t value;
};

struct entry20 {
	uint32_t key[5];
	uint32_t value;
};

struct twin {
	bool there[N_KEYS];
	uint32_t value[N_KEYS];
	size_t n;
};

/* Deterministic, so that a failure can be repeated (xorshift64, Marsaglia 2003). */
static uint64_t next_random(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

/* Reads the structs' insides: n is right, load is bounded, every entry is found where it lies. */
static void validate(const struct table *table)
{
	size_t i, n = 0;

	if (!table->capacity) {
		assert_int_equal(table->n, 0);
		return;
	}
	assert_int_equal(table->capacity & (table->capacity - 1), 0);
	for (i = 0; i < table->capacity; i++) {
		uint8_t *slot = table->slots + i * table->entry_sz;

		if (!table->used[i])
			continue;
		n++;
		assert_ptr_equal(table__find(table, slot), slot);
	}
	assert_int_equal(n, table->n);
	assert_true(n <= table->capacity - table->capacity / 4);
}

static void make_key(struct entry20 *entry, uint32_t k)
{
	memset(entry, 0, sizeof(*entry));
	entry->key[4] = k;	/* the tail word tells them apart */
}

static void compare(const struct table *table, const struct twin *twin)
{
	struct entry20 key, *found;
	size_t cursor = 0, n = 0;
	bool seen[N_KEYS] = { false };
	uint32_t k;

	validate(table);
	assert_int_equal(table->n, twin->n);
	for (k = 0; k < N_KEYS; k++) {
		make_key(&key, k);
		found = table__find(table, &key);
		assert_int_equal(found != NULL, twin->there[k]);
		if (found)
			assert_int_equal(found->value, twin->value[k]);
	}
	while ((found = table__next(table, &cursor))) {
		assert_false(seen[found->key[4]]);
		seen[found->key[4]] = true;
		n++;
	}
	assert_int_equal(n, twin->n);
}

static void step(struct table *table, struct twin *twin, uint64_t *random, bool grow)
{
	uint32_t k = next_random(random) % N_KEYS;
	struct entry20 key, *entry;
	bool is_new;

	make_key(&key, k);
	if (next_random(random) % 100 < (grow ? 60 : 40)) {
		entry = table__insert(table, &key, &is_new);
		assert_non_null(entry);
		assert_int_equal(is_new, !twin->there[k]);
		assert_int_equal(entry->value, twin->there[k] ? twin->value[k] : 0);
		assert_int_equal(entry->key[4], k);
		twin->n += is_new;
		twin->there[k] = true;
		entry->value = twin->value[k] = (uint32_t)next_random(random);
	} else {
		assert_int_equal(table__remove(table, &key), twin->there[k]);
		twin->n -= twin->there[k];
		twin->there[k] = false;
	}
}

static void same_as_the_naive_twin(void **state)
{
	uint64_t random = 20240607;
	int round, i;

	for (round = 0; round < 20; round++) {
		struct twin twin = { .n = 0 };
		struct table table;

		table__init(&table, sizeof(uint32_t) * 5, sizeof(struct entry20));
		for (i = 0; i < 2000; i++) {
			step(&table, &twin, &random, i < 1000);
			validate(&table);
			if (i % 50 == 0)
				compare(&table, &twin);
		}
		compare(&table, &twin);
		table__clear(&table);
		memset(&twin, 0, sizeof(twin));
		compare(&table, &twin);
		table__fini(&table);
	}
}

/* With this seed or that, chains wrap around the array's end; a small full table makes them. */
static void removal_across_the_end(void **state)
{
	struct table table;
	uint64_t k, gone;
	int round;

	for (round = 0; round < 500; round++) {
		table__init(&table, sizeof(uint64_t), sizeof(struct entry8));
		for (k = 0; k < 12; k++)
			assert_non_null(table__insert(&table, &k, NULL));
		assert_int_equal(table.capacity, 16);
		for (gone = 0; gone < 12; gone++) {
			assert_true(table__remove(&table, &gone));
			assert_false(table__remove(&table, &gone));
			validate(&table);
			for (k = 0; k < 12; k++)
				assert_int_equal(table__find(&table, &k) != NULL, k > gone);
		}
		table__fini(&table);
	}
}

static void empty_table_answers(void **state)
{
	struct table table;
	uint64_t key = 1;
	size_t cursor = 0;

	table__init(&table, sizeof(key), sizeof(struct entry8));
	assert_int_equal(table__bytes(&table), 0);
	assert_null(table__find(&table, &key));
	assert_false(table__remove(&table, &key));
	assert_null(table__next(&table, &cursor));
	table__clear(&table);
	table__fini(&table);
	table__fini(&table);
	assert_non_null(table__insert(&table, &key, NULL));
	assert_int_equal(table__bytes(&table), 16 * (sizeof(struct entry8) + 1));
	table__fini(&table);
}

static void seeds_differ(void **state)
{
	struct table a, b;
	uint64_t key = 1;

	table__init(&a, sizeof(key), sizeof(struct entry8));
	table__init(&b, sizeof(key), sizeof(struct entry8));
	assert_non_null(table__insert(&a, &key, NULL));
	assert_non_null(table__insert(&b, &key, NULL));
	assert_int_not_equal(a.seed, b.seed);
	table__fini(&a);
	table__fini(&b);
}

static size_t longest_chain(const struct table *table)
{
	size_t i, chain = 0, longest = 0;

	for (i = 0; i < table->capacity; i++) {
		chain = table->used[i] ? chain + 1 : 0;
		longest = chain > longest ? chain : longest;
	}
	return longest;
}

/* The patterns addresses come in must not cluster: pages, single high bits, counters. */
static void regular_keys_spread(void **state)
{
	static const unsigned int shifts[] = { 0, 3, 4, 12, 16, 21, 30, 40, 48 };
	size_t i;

	for (i = 0; i < sizeof(shifts) / sizeof(shifts[0]); i++) {
		struct table table;
		uint64_t k, key;

		table__init(&table, sizeof(key), sizeof(struct entry8));
		for (k = 0; k < 40000; k++) {
			key = k << shifts[i];
			assert_non_null(table__insert(&table, &key, NULL));
		}
		/* Load 0.61. Random hashing gives runs of about 60, at the very most 200. */
		assert_in_range(longest_chain(&table), 1, 400);
		table__fini(&table);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_as_the_naive_twin),
		cmocka_unit_test(removal_across_the_end),
		cmocka_unit_test(empty_table_answers),
		cmocka_unit_test(seeds_differ),
		cmocka_unit_test(regular_keys_spread),
	};

	return cmocka_run_group_tests_name("table", tests, NULL, NULL);
}
