/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* The comparison of the model's regions with the kernel's map, and what lasts over readings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/mman.h>

#include "user/model/compare.h"

#define K 0x1000ull
#define RW (PROT_READ | PROT_WRITE)
#define TMPFS 0x01021994u

static const struct file libc_file = { .ino = 77, .dev = 5 << 20 | 1 };

static struct region anon(uint64_t start, uint64_t end)
{
	return (struct region){ .start = start, .end = end, .prot = RW, .kind = KIND_ANON };
}

static struct region mapped(uint64_t start, uint64_t end, uint64_t off)
{
	return (struct region){ .start = start, .end = end, .file_off = off, .file = &libc_file,
				.prot = PROT_READ, .kind = KIND_FILE };
}

static struct map_line anon_line(uint64_t start, uint64_t end)
{
	return (struct map_line){ .start = start, .end = end, .prot = RW };
}

static struct map_line mapped_line(uint64_t start, uint64_t end, uint64_t off)
{
	return (struct map_line){ .start = start, .end = end, .file_off = off, .ino = 77,
				  .dev = 5 << 20 | 1, .prot = PROT_READ };
}

static struct differences find(const struct region *regions, size_t n, const struct map_line *lines,
			       size_t k)
{
	struct differences found = { 0 };

	assert_int_equal(differences__find(&found, regions, n, lines, k), 0);
	return found;
}

#define FIND(regions, lines) find(regions, sizeof(regions) / sizeof(regions[0]), lines, \
				  sizeof(lines) / sizeof(lines[0]))

static void expect_one(struct differences *found, uint64_t start, uint64_t end, uint32_t what)
{
	assert_int_equal(found->n, 1);
	assert_int_equal(found->d[0].start, start);
	assert_int_equal(found->d[0].end, end);
	assert_int_equal(found->d[0].what, what);
	differences__fini(found);
}

static void test_other_bounds_are_no_difference(void **state)
{
	struct region regions[] = { anon(K, 2 * K), anon(2 * K, 5 * K), mapped(9 * K, 10 * K, 0),
				    mapped(10 * K, 12 * K, K) };
	struct map_line lines[] = { anon_line(K, 3 * K), anon_line(3 * K, 5 * K),
				    mapped_line(9 * K, 12 * K, 0) };
	struct differences found = FIND(regions, lines);

	assert_int_equal(found.n, 0);
	assert_int_equal(found.bytes, 7 * K);
	differences__fini(&found);
}

static void test_nothing_at_all(void **state)
{
	struct differences found = find(NULL, 0, NULL, 0);

	assert_int_equal(found.n, 0);
	assert_int_equal(found.bytes, 0);
}

static void test_missing_and_extra(void **state)
{
	struct region more[] = { anon(K, 9 * K) };
	struct map_line hole[] = { anon_line(K, 3 * K), anon_line(4 * K, 9 * K) };
	struct map_line whole[] = { anon_line(K, 9 * K) };
	struct region less[] = { anon(K, 3 * K), anon(4 * K, 9 * K) };
	struct differences found = FIND(more, hole);

	expect_one(&found, 3 * K, 4 * K, DIFFERS_EXTRA);
	found = FIND(less, whole);
	assert_int_equal(found.bytes, 8 * K);
	expect_one(&found, 3 * K, 4 * K, DIFFERS_MISSING);
	found = find(less, 2, NULL, 0);
	assert_int_equal(found.n, 2);
	differences__fini(&found);
	found = find(NULL, 0, whole, 1);
	expect_one(&found, K, 9 * K, DIFFERS_MISSING);
}

static void test_neighbours_are_joined(void **state)
{
	struct region regions[] = { anon(K, 2 * K), anon(2 * K, 3 * K), anon(3 * K, 4 * K) };
	struct map_line lines[] = { { .start = K, .end = 4 * K, .prot = PROT_READ } };
	struct differences found = FIND(regions, lines);

	expect_one(&found, K, 4 * K, DIFFERS_PROT);
}

static void test_attributes(void **state)
{
	struct region regions[] = { mapped(K, 3 * K, 0) };
	struct map_line line = mapped_line(K, 3 * K, 0);
	struct differences found;

	line.prot = RW;
	found = find(regions, 1, &line, 1);
	expect_one(&found, K, 3 * K, DIFFERS_PROT);
	line = mapped_line(K, 3 * K, K);
	found = find(regions, 1, &line, 1);
	expect_one(&found, K, 3 * K, DIFFERS_OFFSET);
	line = mapped_line(K, 3 * K, 0);
	line.ino++;
	found = find(regions, 1, &line, 1);
	expect_one(&found, K, 3 * K, DIFFERS_FILE);
	line = mapped_line(K, 3 * K, 0);
	line.dev++;
	found = find(regions, 1, &line, 1);
	expect_one(&found, K, 3 * K, DIFFERS_FILE);
	line = mapped_line(K, 3 * K, 0);
	line.flags = EV_REGION_SHARED;
	found = find(regions, 1, &line, 1);
	expect_one(&found, K, 3 * K, DIFFERS_SHARED);
	line.fs_magic = TMPFS;
	found = find(regions, 1, &line, 1);
	expect_one(&found, K, 3 * K, DIFFERS_SHARED | DIFFERS_KIND);
	line = anon_line(K, 3 * K);
	line.prot = PROT_READ;
	found = find(regions, 1, &line, 1);
	expect_one(&found, K, 3 * K, DIFFERS_KIND | DIFFERS_FILE);
}

static void test_reserved(void **state)
{
	struct region region = anon(K, 3 * K);
	struct map_line line = anon_line(K, 3 * K);
	struct differences found;

	line.prot = 0;
	found = find(&region, 1, &line, 1);
	expect_one(&found, K, 3 * K, DIFFERS_PROT | DIFFERS_KIND);
	region.prot = 0;
	region.kind = KIND_RESERVED;
	found = find(&region, 1, &line, 1);
	assert_int_equal(found.n, 0);
	differences__fini(&found);
}

static void test_names(void **state)
{
	struct region heap = { .start = K, .end = 3 * K, .prot = RW, .kind = KIND_HEAP };
	struct region shm = { .start = K, .end = 3 * K, .prot = RW, .kind = KIND_SHM, .shared = true };
	struct map_line line = anon_line(K, 3 * K);
	struct map_line zero = { .start = K, .end = 3 * K, .prot = RW, .ino = 9,
				 .flags = EV_REGION_SHARED, .name = MAP_NAME_ZERO,
				 .fs_magic = TMPFS };
	struct differences found;

	found = find(&heap, 1, &line, 1);	/* merged with a neighbour, it is called nothing */
	assert_int_equal(found.n, 0);
	differences__fini(&found);
	line.flags = EV_REGION_HEAP;
	found = find(&heap, 1, &line, 1);
	assert_int_equal(found.n, 0);
	differences__fini(&found);
	found = find(&shm, 1, &zero, 1);
	assert_int_equal(found.n, 0);
	differences__fini(&found);
	zero.name = MAP_NAME_SYSV;
	found = find(&shm, 1, &zero, 1);
	assert_int_equal(found.n, 0);
	differences__fini(&found);
	zero.file_off = K;
	found = find(&shm, 1, &zero, 1);
	expect_one(&found, K, 3 * K, DIFFERS_OFFSET);
	zero.name = MAP_NAME_OTHER;		/* a file that some call must have named */
	zero.file_off = 0;
	found = find(&shm, 1, &zero, 1);
	expect_one(&found, K, 3 * K, DIFFERS_FILE);
}

static void test_the_kernels_own(void **state)
{
	struct region stack = anon(5 * K, 9 * K), vdso = anon(20 * K, 21 * K), taken;
	struct map_line lines[] = { anon_line(3 * K, 9 * K), anon_line(20 * K, 21 * K) };
	struct differences found;

	stack.special = vdso.special = true;
	lines[0].flags = EV_REGION_STACK;
	lines[1].flags = EV_REGION_SPECIAL;
	lines[1].prot = PROT_READ | PROT_EXEC;
	found = find((struct region[]){ stack, vdso }, 2, lines, 2);
	assert_int_equal(found.n, 0);
	assert_int_equal(found.grown_bytes, 2 * K);
	assert_int_equal(found.own_bytes, K);
	assert_int_equal(found.bytes, 4 * K);
	differences__fini(&found);
	found = find(&stack, 1, lines, 2);	/* [uprobes] comes without a call */
	assert_int_equal(found.n, 0);
	differences__fini(&found);
	taken = anon(20 * K, 21 * K);		/* but nobody else can be there */
	found = find((struct region[]){ stack, taken }, 2, lines, 2);
	expect_one(&found, 20 * K, 21 * K, DIFFERS_PROT);
}

/* --- what lasts -------------------------------------------------------------------------------- */

/* ctx: when all of it was touched last; the n-th reading begins at 10 n. */
static bool touched(void *ctx, uint64_t start, uint64_t end, uint64_t since_ns)
{
	return *(const uint64_t *)ctx >= since_ns;
}

static void narrow_after(struct suspects *suspects, uint64_t start, uint64_t end, uint64_t touched_ns)
{
	struct map_line line = anon_line(start, end);
	struct differences found = find(NULL, 0, &line, end > start);

	assert_int_equal(suspects__narrow(suspects, &found, 10 * (suspects->n_readings + 1), touched,
					  &touched_ns), 0);
	differences__fini(&found);
}

static void narrow(struct suspects *suspects, uint64_t start, uint64_t end, bool moving)
{
	narrow_after(suspects, start, end, moving ? UINT64_MAX : 0);
}

static void test_only_what_lasts_counts(void **state)
{
	struct suspects suspects = { 0 };

	narrow(&suspects, K, 9 * K, false);
	assert_int_equal(suspects__bytes(&suspects, 3, true), 0);
	assert_false(suspects__settled(&suspects, 3));
	narrow(&suspects, 3 * K, 20 * K, false);
	narrow(&suspects, K, 5 * K, false);
	assert_true(suspects__settled(&suspects, 3));
	assert_int_equal(suspects__bytes(&suspects, 3, true), 2 * K);
	assert_int_equal(suspects.list.d[0].start, 3 * K);
	suspects__fini(&suspects);
}

static void test_seen_right_once_is_right(void **state)
{
	struct suspects suspects = { 0 };

	narrow(&suspects, K, 9 * K, false);
	narrow(&suspects, K, K, false);
	assert_true(suspects__settled(&suspects, 3));
	narrow(&suspects, K, 9 * K, false);
	assert_int_equal(suspects__bytes(&suspects, 3, false), 0);
	suspects__fini(&suspects);
}

static void test_what_moves_tells_nothing(void **state)
{
	struct suspects suspects = { 0 };

	for (int i = 0; i < 5; i++)
		narrow(&suspects, K, 2 * K, true);
	assert_false(suspects__settled(&suspects, 3));
	assert_int_equal(suspects__bytes(&suspects, 3, false), K);
	for (int i = 0; i < 3; i++)
		narrow(&suspects, K, 2 * K, false);
	assert_true(suspects__settled(&suspects, 3));
	assert_int_equal(suspects__bytes(&suspects, 3, true), K);
	suspects__fini(&suspects);
}

/* Given back and taken again between two readings: what was seen before was another call's. */
static void test_what_was_touched_in_between_begins_anew(void **state)
{
	struct suspects suspects = { 0 };

	narrow_after(&suspects, K, 2 * K, 0);		/* at 10 */
	narrow_after(&suspects, K, 2 * K, 0);		/* at 20 */
	narrow_after(&suspects, K, 2 * K, 25);		/* at 30 */
	assert_false(suspects__settled(&suspects, 3));
	narrow_after(&suspects, K, 2 * K, 25);
	narrow_after(&suspects, K, 2 * K, 45);		/* at 50 */
	narrow_after(&suspects, K, 2 * K, 45);
	assert_int_equal(suspects__bytes(&suspects, 3, true), 0);
	narrow_after(&suspects, K, 2 * K, 45);
	assert_int_equal(suspects__bytes(&suspects, 3, true), K);
	suspects__fini(&suspects);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_other_bounds_are_no_difference),
		cmocka_unit_test(test_nothing_at_all),
		cmocka_unit_test(test_missing_and_extra),
		cmocka_unit_test(test_neighbours_are_joined),
		cmocka_unit_test(test_attributes),
		cmocka_unit_test(test_reserved),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_the_kernels_own),
		cmocka_unit_test(test_only_what_lasts_counts),
		cmocka_unit_test(test_seen_right_once_is_right),
		cmocka_unit_test(test_what_moves_tells_nothing),
		cmocka_unit_test(test_what_was_touched_in_between_begins_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
