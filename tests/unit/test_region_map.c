/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Random operations on a region map against an array of pages; the structure is checked after
 * every step.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "user/model/region_map.h"

#define N_PAGES 4096
#define PAGE 4096ull

struct random {
	uint64_t s;
};

static uint64_t random_below(struct random *random, uint64_t n)
{
	random->s ^= random->s << 13;
	random->s ^= random->s >> 7;
	random->s ^= random->s << 17;
	return (random->s >> 11) % n;
}

struct twin {
	uint32_t owner[N_PAGES];	/* 0: free */
	uint64_t file_page[N_PAGES];
};

static void assert_sound(const struct region_map *map)
{
	const char *why = region_map__check(map);

	if (why)
		fail_msg("%s", why);
}

static void assert_same(const struct region_map *map, const struct twin *twin)
{
	struct region_pos pos = region_map__seek(map, 0);
	const struct region_entry *e = region_map__at(map, pos);
	uint64_t page;

	for (page = 0; page < N_PAGES; page++) {
		if (e && page * PAGE >= e->end) {
			region_map__next(map, &pos);
			e = region_map__at(map, pos);
		}
		if (!e || page * PAGE < e->start) {
			assert_int_equal(twin->owner[page], 0);
			continue;
		}
		assert_int_equal(twin->owner[page], e->site);
		assert_int_equal(twin->file_page[page], e->file_page + page - e->start / PAGE);
	}
}

static void twin__set(struct twin *twin, uint64_t page, uint64_t n, uint32_t owner)
{
	uint64_t i;

	for (i = 0; i < n; i++) {
		twin->owner[page + i] = owner;
		twin->file_page[page + i] = 100 + i;
	}
}

static void remove_range(struct region_map *map, uint64_t start, uint64_t end)
{
	assert_int_equal(region_map__isolate(map, start, end), 0);
	assert_sound(map);
	region_map__remove(map, start, end);
}

static void check_gaps(const struct region_map *map, const struct twin *twin, uint64_t page,
		       uint64_t n)
{
	uint64_t at = page * PAGE, start, end, free_pages = 0, i;

	for (i = page; i < page + n; i++)
		free_pages += !twin->owner[i];
	while (region_map__gap(map, &at, (page + n) * PAGE, &start, &end)) {
		assert_true(start < end && start >= page * PAGE && end <= (page + n) * PAGE);
		assert_int_equal(twin->owner[start / PAGE], 0);
		free_pages -= (end - start) / PAGE;
	}
	assert_int_equal(free_pages, 0);
}

/* Ranges are mostly small, so that many entries live; sometimes large, so that chunks go. */
static void step(struct random *random, struct region_map *map, struct twin *twin, uint32_t owner)
{
	uint64_t n = 1 + random_below(random, random_below(random, 200) ? 6 : 2500);
	uint64_t page = random_below(random, N_PAGES - n);
	struct region_entry e = {
		.start = page * PAGE, .end = (page + n) * PAGE, .file_page = 100, .file = 1,
		.site = owner,
	};

	switch (random_below(random, 5)) {
	case 0:
		remove_range(map, e.start, e.end);
		twin__set(twin, page, n, 0);
		break;
	case 1:
		check_gaps(map, twin, page, n);
		break;
	case 2:		/* what was split may be joined: nothing changes for the pages */
		assert_int_equal(region_map__isolate(map, e.start, e.end), 0);
		if (random_below(random, 2)) {
			region_map__join(map, e.start);
			assert_sound(map);
			region_map__join(map, e.end);
		}
		break;
	default:
		remove_range(map, e.start, e.end);
		assert_int_equal(region_map__insert(map, &e), 0);
		twin__set(twin, page, n, owner);
		break;
	}
}

static void test_random(void **state)
{
	static struct twin twin;
	struct region_map map;
	struct random random;
	uint64_t seed;
	uint32_t i;

	for (seed = 1; seed <= 3; seed++) {
		random.s = seed * 0x9E3779B97F4A7C15ull;
		memset(&twin, 0, sizeof(twin));
		region_map__init(&map);
		for (i = 1; i <= 100000; i++) {
			step(&random, &map, &twin, i);
			assert_sound(&map);
			if (i % 64 == 0)
				assert_same(&map, &twin);
		}
		assert_same(&map, &twin);
		region_map__fini(&map);
		assert_int_equal(map.bytes, 0);
	}
}

static void test_seek_and_prev(void **state)
{
	struct region_map map;
	struct region_pos pos;
	struct region_entry e = { .file = REGION_NO_FILE };
	uint64_t i;

	region_map__init(&map);
	assert_null(region_map__at(&map, region_map__seek(&map, 0)));
	for (i = 0; i < 1000; i++) {
		e.start = (2 * i + 1) * PAGE;
		e.end = e.start + PAGE;
		assert_int_equal(region_map__insert(&map, &e), 0);
	}
	assert_sound(&map);
	for (i = 0; i < 1000; i++) {
		pos = region_map__seek(&map, 2 * i * PAGE);
		assert_int_equal(region_map__at(&map, pos)->start, (2 * i + 1) * PAGE);
		pos = region_map__seek(&map, (2 * i + 2) * PAGE - 1);
		assert_int_equal(region_map__at(&map, pos)->start, (2 * i + 1) * PAGE);
		assert_int_equal(region_map__prev(&map, &pos), i > 0);
		if (i)
			assert_int_equal(region_map__at(&map, pos)->start, (2 * i - 1) * PAGE);
	}
	assert_null(region_map__at(&map, region_map__seek(&map, 2000 * PAGE)));
	region_map__fini(&map);
}

/* Splitting makes fragments; joining takes them back, but never makes one object of two. */
static void test_join(void **state)
{
	struct region_map map;
	struct region_entry a = { .start = PAGE, .end = 9 * PAGE, .file = REGION_NO_FILE };
	struct region_entry b = { .start = 9 * PAGE, .end = 12 * PAGE, .file = REGION_NO_FILE };

	region_map__init(&map);
	assert_int_equal(region_map__insert(&map, &a), 0);
	assert_int_equal(region_map__insert(&map, &b), 0);
	assert_false(region_map__join(&map, 9 * PAGE));
	assert_int_equal(region_map__isolate(&map, 4 * PAGE, 5 * PAGE), 0);
	assert_int_equal(map.n, 4);
	region_map__at(&map, region_map__seek(&map, 4 * PAGE))->prot = 7;
	assert_false(region_map__join(&map, 4 * PAGE));
	assert_false(region_map__join(&map, 5 * PAGE));
	region_map__at(&map, region_map__seek(&map, 4 * PAGE))->prot = 0;
	assert_true(region_map__join(&map, 4 * PAGE));
	assert_true(region_map__join(&map, 5 * PAGE));
	assert_int_equal(map.n, 2);
	assert_sound(&map);
	assert_int_equal(region_map__at(&map, region_map__seek(&map, PAGE))->flags,
			 REGION_SPLIT);
	region_map__fini(&map);
}

/* The promise of region_map.c: at most 64 bytes an entry, in whichever order they come. */
static void test_bytes(void **state)
{
	enum { N = 100000 };
	struct region_map map;
	struct region_entry e = { .file = REGION_NO_FILE };
	uint64_t order, i;

	for (order = 0; order < 3; order++) {
		region_map__init(&map);
		for (i = 0; i < N; i++) {
			uint64_t at = order == 0 ? i : order == 1 ? N - i : i * 7919 % N;

			e.start = (at + 1) * 2 * PAGE;
			e.end = e.start + PAGE;
			assert_int_equal(region_map__insert(&map, &e), 0);
		}
		assert_sound(&map);
		assert_true(map.bytes <= 64 * map.n);
		region_map__remove(&map, 0, UINT64_MAX);
		assert_sound(&map);
		assert_int_equal(map.n, 0);
		region_map__fini(&map);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_seek_and_prev),
		cmocka_unit_test(test_join),
		cmocka_unit_test(test_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
