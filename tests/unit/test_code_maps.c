/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* The executable mappings of a process: cut and insert against a naive array of pages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "user/source/code_maps.h"

#define N_PAGES 256
#define PAGE 4096ull

/* What a page of the naive twin holds: which mapping, and where in its file. */
struct page {
	uint64_t ino, file_off;
};

static void check(const struct code_maps *maps, const struct page *pages)
{
	for (size_t i = 0; i < maps->n; i++) {
		assert_true(maps->maps[i].start < maps->maps[i].end);
		if (i)
			assert_true(maps->maps[i - 1].end <= maps->maps[i].start);
	}
	for (uint64_t i = 0; i < N_PAGES; i++) {
		const struct unwind_map *map = code_maps__find(maps, i * PAGE + 7);

		if (!pages[i].ino) {
			assert_null(map);
			continue;
		}
		assert_non_null(map);
		assert_int_equal(map->ino, pages[i].ino);
		assert_int_equal(map->file_off + i * PAGE - map->start, pages[i].file_off);
	}
}

static void test_against_pages(void **state)
{
	struct page pages[N_PAGES] = {};
	struct code_maps maps = {};

	srandom(1);
	for (uint64_t step = 1; step < 20000; step++) {
		uint64_t start = (uint64_t)random() % N_PAGES, n = 1 + (uint64_t)random() % 20;
		uint64_t end = start + n < N_PAGES ? start + n : N_PAGES;
		bool any = false;

		for (uint64_t i = start; i < end; i++)
			any |= pages[i].ino != 0;
		if (random() % 3) {
			struct unwind_map map = { .start = start * PAGE, .end = end * PAGE,
						  .file_off = step * PAGE, .ino = step };

			assert_int_equal(code_maps__insert(&maps, &map), 0);
			for (uint64_t i = start; i < end; i++)
				pages[i] = (struct page){ step, (step + i - start) * PAGE };
		} else {
			assert_int_equal(code_maps__cut(&maps, start * PAGE, end * PAGE), any);
			memset(&pages[start], 0, (end - start) * sizeof(pages[0]));
		}
		check(&maps, pages);
	}
	code_maps__fini(&maps);
	code_maps__fini(&maps);
}

static void test_empty(void **state)
{
	struct code_maps maps = {};

	assert_null(code_maps__find(&maps, 0));
	assert_false(code_maps__cut(&maps, 0, UINT64_MAX));
	assert_int_equal(code_maps__insert(&maps, &(struct unwind_map){ .start = 8, .end = 8 }), 0);
	assert_int_equal(maps.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_pages),
		cmocka_unit_test(test_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
