/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* What each record about regions means to the model, one meaning a test. */
#include "tests/unit/model_rig.h"

#include <errno.h>
#include <sys/shm.h>

#define TMPFS 0x01021994u
#define HUGETLBFS 0x958458f6u

static void test_kinds(void **state)
{
	struct rig *rig = *state;

	rig__mmap(rig, 1, 10, 1, RW, ANON);
	rig__mmap(rig, 1, 20, 1, RW, MAP_SHARED | MAP_ANONYMOUS);
	rig__mmap(rig, 1, 30, 1, PROT_NONE, ANON | MAP_NORESERVE);
	rig__mmap_file(rig, 1, 40, 1, PROT_READ, MAP_PRIVATE, 5, 0, 0xEF53);
	rig__mmap_file(rig, 1, 50, 1, RW, MAP_PRIVATE, 5, 0, 0xEF53);
	rig__mmap_file(rig, 1, 60, 1, RW, MAP_SHARED, 6, 0, TMPFS);
	rig__mmap_file(rig, 1, 70, 1, RW, MAP_SHARED_VALIDATE, 6, 0, TMPFS);
	rig__mmap_file(rig, 1, 80, 1, RW, MAP_PRIVATE, 6, 0, TMPFS);
	rig__mmap_file(rig, 1, 90, 1, RW, MAP_SHARED, 5, 0, 0xEF53);
	rig__expect(rig, 10, KIND_ANON, 0);
	rig__expect(rig, 20, KIND_SHM, 0);
	rig__expect(rig, 30, KIND_RESERVED, 0);
	rig__expect(rig, 40, KIND_FILE, 0);
	rig__expect(rig, 50, KIND_FILE, 0);
	rig__expect(rig, 60, KIND_SHM, 0);
	rig__expect(rig, 70, KIND_SHM, 0);
	rig__expect(rig, 80, KIND_FILE, 0);
	rig__expect(rig, 90, KIND_FILE, 0);
	assert_int_equal(rig__find(rig, 100)->mapped_bytes, 9 * RIG_PAGE);
	assert_int_equal(rig__find(rig, 100)->reserved_bytes, RIG_PAGE);
}

static void test_huge_pages(void **state)
{
	struct rig *rig = *state;

	rig__mmap(rig, 1, 512, 1, RW, ANON | MAP_HUGETLB);
	rig__expect_kind(rig, KIND_ANON, 1, 1, 512);
	rig__mmap(rig, 1, 2048, 17, RW, ANON | MAP_HUGETLB | 16u << 26);
	rig__expect_kind(rig, KIND_ANON, 2, 2, 512 + 32);
	rig__mmap_file(rig, 1, 4096, 1, RW, MAP_SHARED, 9, 0, HUGETLBFS);
	rig__expect_kind(rig, KIND_SHM, 1, 1, 512);
}

/* Traps 3 and 9. */
static void test_partial_unmap(void **state)
{
	struct rig *rig = *state;

	rig__mmap(rig, 1, 100, 100, RW, ANON);
	rig__ticks(rig, 5);
	rig__munmap(rig, 101, 99);	/* all but the first page */
	rig__expect_kind(rig, KIND_ANON, 1, 1, 1);
	assert_int_equal(rig->died_whole, 0);
	rig__munmap(rig, 100, 1);
	rig__expect_kind(rig, KIND_ANON, 1, 0, 0);
	assert_int_equal(rig->died_whole, 1);

	rig__mmap(rig, 1, 100, 100, RW, ANON);
	rig__ticks(rig, 5);
	rig__munmap(rig, 100, 1);	/* the first page alone */
	rig__expect_kind(rig, KIND_ANON, 2, 1, 99);
	rig__expect(rig, 150, KIND_ANON, 5);
	rig__munmap(rig, 140, 10);	/* a hole: one object in two pieces */
	rig__expect_kind(rig, KIND_ANON, 2, 1, 89);
	rig__munmap(rig, 101, 39);	/* the piece that stood for it */
	rig__expect_kind(rig, KIND_ANON, 2, 1, 50);
	assert_int_equal(rig->died_whole, 1);
	rig__munmap(rig, 0, 1000);	/* over holes and more */
	rig__expect_kind(rig, KIND_ANON, 2, 0, 0);
	assert_int_equal(rig->died_whole, 2);
	assert_int_equal(rig->born_bytes, rig->died_bytes);
}

static void test_several_at_once(void **state)
{
	struct rig *rig = *state;
	uint64_t i;

	for (i = 0; i < 10; i++)
		rig__mmap(rig, 1 + i, 10 + 3 * i, 2, RW, ANON);
	rig__munmap(rig, 11, 3 * 9);	/* half of the first, all of eight, half of the last */
	rig__expect_kind(rig, KIND_ANON, 10, 2, 2);
	rig__expect(rig, 10, KIND_ANON, 0);
	rig__expect(rig, 38, KIND_ANON, 0);
	rig__expect(rig, 37, -1, 0);
}

static void test_overwrite(void **state)
{
	struct rig *rig = *state;

	rig__mmap(rig, 1, 10, 10, RW, ANON);
	rig__ticks(rig, 1);
	rig__mmap(rig, 2, 13, 2, RW, ANON | MAP_FIXED);
	rig__expect_kind(rig, KIND_ANON, 2, 2, 10);
	rig__expect(rig, 12, KIND_ANON, 0);
	rig__expect(rig, 13, KIND_ANON, 1);
	rig__expect(rig, 15, KIND_ANON, 0);
	rig__mmap(rig, 3, 5, 20, RW, ANON | MAP_FIXED);
	rig__expect_kind(rig, KIND_ANON, 3, 1, 20);
}

static void test_undo(void **state)
{
	struct rig *rig = *state;

	rig__mmap(rig, 1, 10, 10, RW, ANON);
	rig__mmap(rig, 2, 30, 10, RW, ANON);
	rig__ticks(rig, 7);
	rig__munmap(rig, 15, 20);
	rig__expect_kind(rig, KIND_ANON, 2, 2, 10);
	rig__undo(rig, EV_SHMDT);	/* not what was done */
	rig__expect_kind(rig, KIND_ANON, 2, 2, 10);
	rig__undo(rig, EV_MUNMAP);
	rig__expect_kind(rig, KIND_ANON, 2, 2, 20);
	rig__expect(rig, 15, KIND_ANON, 0);
	rig__expect(rig, 25, -1, 0);
	rig__undo(rig, EV_MUNMAP);	/* once only */
	rig__expect_kind(rig, KIND_ANON, 2, 2, 20);

	/* Wholly given back, and the place partly taken by another thread. */
	rig__munmap(rig, 10, 10);
	rig__expect_kind(rig, KIND_ANON, 2, 1, 10);
	rig->tid = 101;
	rig__mmap(rig, 3, 12, 2, RW, ANON);
	rig->tid = 100;
	rig__undo(rig, EV_MUNMAP);
	rig__expect_kind(rig, KIND_ANON, 3, 3, 20);
	rig__expect(rig, 11, KIND_ANON, 0);
	rig__expect(rig, 12, KIND_ANON, 7);
	rig__expect(rig, 14, KIND_ANON, 0);

	/* A later release of the thread forgets the earlier one, even one that makes no sense. */
	rig__munmap(rig, 30, 10);
	rig__munmap(rig, 1, 0);
	rig__undo(rig, EV_MUNMAP);
	rig__expect(rig, 30, -1, 0);
}

/* An object that comes back in two pieces is one object still. */
static void test_undo_in_pieces(void **state)
{
	struct rig *rig = *state;

	rig__mmap(rig, 1, 10, 10, RW, ANON);
	rig__ticks(rig, 1);
	rig__munmap(rig, 10, 10);
	rig->tid = 101;
	rig__mmap(rig, 2, 12, 2, RW, ANON);
	rig->tid = 100;
	rig__undo(rig, EV_MUNMAP);
	rig__expect_kind(rig, KIND_ANON, 2, 2, 10);
	rig__munmap(rig, 10, 2);
	rig__expect_kind(rig, KIND_ANON, 2, 2, 8);
	rig__munmap(rig, 14, 6);
	rig__expect_kind(rig, KIND_ANON, 2, 1, 2);
}

static void test_mremap_moves(void **state)
{
	struct rig *rig = *state;

	rig__mmap(rig, 1, 10, 10, RW, ANON);
	rig__ticks(rig, 3);
	rig__mremap(rig, EV_MREMAP_BEGIN, 0, 10, 10, 15, MREMAP_MAYMOVE, 0);
	rig__expect(rig, 10, -1, 0);
	rig__expect_kind(rig, KIND_ANON, 1, 1, 10);	/* in flight, but held */
	rig->tid = 101;
	rig__mmap(rig, 2, 10, 4, RW, ANON);		/* the place is given to somebody else */
	rig->tid = 100;
	rig__mremap(rig, EV_MREMAP_END, 3, 10, 10, 15, MREMAP_MAYMOVE, 50);
	rig__expect(rig, 10, KIND_ANON, 3);
	rig__expect(rig, 14, -1, 0);
	rig__expect(rig, 50, KIND_ANON, 0);		/* moved: as old as it was */
	rig__expect(rig, 59, KIND_ANON, 0);
	rig__expect(rig, 60, KIND_ANON, 3);		/* grown: new bytes, no new object */
	rig__expect_kind(rig, KIND_ANON, 2, 2, 19);
	assert_int_equal(rig->died, 0);
	rig__munmap(rig, 50, 15);
	rig__expect_kind(rig, KIND_ANON, 2, 1, 4);
	assert_int_equal(rig->died_whole, 1);
}

static void test_mremap_in_place(void **state)
{
	struct rig *rig = *state;

	rig__mmap_file(rig, 1, 10, 10, RW, MAP_SHARED, 5, 100, 0);
	rig__ticks(rig, 3);
	rig__mremap(rig, EV_MREMAP_BEGIN, 0, 10, 10, 4, 0, 0);
	rig__expect(rig, 13, KIND_FILE, 0);
	rig__expect(rig, 14, -1, 0);	/* another thread may be given it from here on */
	rig__mremap(rig, EV_MREMAP_END, 2, 10, 10, 4, 0, 10);
	rig__expect_kind(rig, KIND_FILE, 1, 1, 4);
	rig__mremap(rig, EV_MREMAP_BEGIN, 0, 10, 4, 6, 0, 0);
	rig__mremap(rig, EV_MREMAP_END, 2, 10, 4, 6, 0, 10);
	rig__expect_kind(rig, KIND_FILE, 1, 1, 6);
	rig__expect(rig, 14, KIND_FILE, 3);
	rig__mremap(rig, EV_MREMAP_END, 2, 10, 6, 8, 0, 10);	/* BEGIN lost */
	rig__expect_kind(rig, KIND_FILE, 1, 1, 8);
}

static void test_mremap_file_pages(void **state)
{
	struct rig *rig = *state;
	struct region region;

	rig__mmap_file(rig, 1, 10, 10, RW, MAP_SHARED, 5, 100, 0);
	rig__mremap(rig, EV_MREMAP_END, 2, 12, 4, 6, MREMAP_MAYMOVE, 50);
	assert_true(rig__at(rig, 50, &region));
	assert_int_equal(region.file_off, 102 * RIG_PAGE);
	assert_true(rig__at(rig, 55, &region));
	assert_int_equal(region.file_off + (55 * RIG_PAGE - region.start), 107 * RIG_PAGE);
	assert_int_equal(region.file->ino, 5);
	assert_true(region.shared);
}

/* Trap 4: a failed call loses nothing. */
static void test_mremap_fails(void **state)
{
	struct rig *rig = *state;

	rig__mmap(rig, 1, 10, 10, RW, ANON);
	rig__mmap(rig, 2, 50, 10, RW, ANON);
	rig__ticks(rig, 3);
	rig__mremap(rig, EV_MREMAP_BEGIN, 0, 10, 10, 20, MREMAP_MAYMOVE, 0);
	rig__mremap(rig, EV_MREMAP_END, 3, 10, 10, 20, MREMAP_MAYMOVE, -ENOMEM);
	rig__expect_kind(rig, KIND_ANON, 2, 2, 20);
	rig__expect(rig, 10, KIND_ANON, 0);
	assert_int_equal(rig->died, 0);
	assert_int_equal(rig->born, 2);

	rig__mremap(rig, EV_MREMAP_BEGIN, 0, 10, 10, 10, MREMAP_MAYMOVE | MREMAP_FIXED, 50);
	rig__expect_kind(rig, KIND_ANON, 2, 1, 10);
	rig__mremap(rig, EV_MREMAP_END, 3, 10, 10, 10, MREMAP_MAYMOVE | MREMAP_FIXED, -EINVAL);
	rig__expect_kind(rig, KIND_ANON, 2, 2, 20);
	assert_false(rig__find(rig, 100)->unsure);
	rig__mremap(rig, EV_MREMAP_BEGIN, 0, 10, 10, 10, MREMAP_MAYMOVE | MREMAP_FIXED, 50);
	rig__mremap(rig, EV_MREMAP_END, 3, 10, 10, 10, MREMAP_MAYMOVE | MREMAP_FIXED, -EFAULT);
	rig__expect_kind(rig, KIND_ANON, 2, 1, 10);
	assert_true(rig__find(rig, 100)->unsure);	/* it may have been unmapped, or not */
}

static void test_mremap_fixed(void **state)
{
	struct rig *rig = *state;

	rig__mmap(rig, 1, 10, 10, RW, ANON);
	rig__mmap(rig, 2, 50, 10, RW, ANON);
	rig__mremap(rig, EV_MREMAP_BEGIN, 0, 10, 10, 5, MREMAP_MAYMOVE | MREMAP_FIXED, 52);
	rig__mremap(rig, EV_MREMAP_END, 3, 10, 10, 5, MREMAP_MAYMOVE | MREMAP_FIXED, 52);
	rig__expect(rig, 10, -1, 0);
	rig__expect(rig, 19, -1, 0);
	rig__expect_kind(rig, KIND_ANON, 2, 2, 10);
}

static void test_mremap_from_inside(void **state)
{
	struct rig *rig = *state;

	rig__mmap(rig, 1, 10, 10, RW, ANON);
	rig__mremap(rig, EV_MREMAP_BEGIN, 0, 13, 4, 8, MREMAP_MAYMOVE, 0);
	rig__mremap(rig, EV_MREMAP_END, 2, 13, 4, 8, MREMAP_MAYMOVE, 50);
	rig__expect(rig, 12, KIND_ANON, 0);
	rig__expect(rig, 13, -1, 0);
	rig__expect(rig, 17, KIND_ANON, 0);
	rig__expect_kind(rig, KIND_ANON, 1, 1, 14);
	rig__munmap(rig, 10, 10);
	rig__expect_kind(rig, KIND_ANON, 1, 1, 8);	/* one object still, in what has moved */
}

static void test_mremap_dontunmap(void **state)
{
	struct rig *rig = *state;
	const uint32_t flags = MREMAP_MAYMOVE | 4;

	rig__mmap(rig, 1, 10, 10, RW, ANON);
	rig__ticks(rig, 3);
	rig__mremap(rig, EV_MREMAP_BEGIN, 0, 10, 10, 10, flags, 0);
	rig__mremap(rig, EV_MREMAP_END, 2, 10, 10, 10, flags, 50);
	rig__expect(rig, 10, KIND_ANON, 0);
	rig__expect(rig, 50, KIND_ANON, 3);
	rig__expect_kind(rig, KIND_ANON, 2, 2, 20);
}

static void test_mremap_duplicates(void **state)
{
	struct rig *rig = *state;

	rig__mmap(rig, 1, 10, 10, RW, MAP_SHARED | MAP_ANONYMOUS);
	rig__mremap(rig, EV_MREMAP_BEGIN, 0, 12, 0, 4, MREMAP_MAYMOVE, 0);
	rig__mremap(rig, EV_MREMAP_END, 2, 12, 0, 4, MREMAP_MAYMOVE, 50);
	rig__expect_kind(rig, KIND_SHM, 2, 2, 14);
	rig__mremap(rig, EV_MREMAP_END, 2, 900, 0, 4, MREMAP_MAYMOVE, 70);
	rig__expect_kind(rig, KIND_SHM, 3, 3, 18);
}

static void test_mremap_unknown(void **state)
{
	struct rig *rig = *state;

	rig__mremap(rig, EV_MREMAP_BEGIN, 0, 10, 4, 8, MREMAP_MAYMOVE, 0);
	rig__mremap(rig, EV_MREMAP_END, 2, 10, 4, 8, MREMAP_MAYMOVE, 50);
	rig__expect_kind(rig, KIND_ANON, 1, 1, 8);
	/* An END that never came: with the thread's next release the pieces are back. */
	rig__mremap(rig, EV_MREMAP_BEGIN, 0, 50, 8, 16, MREMAP_MAYMOVE, 0);
	rig__munmap(rig, 500, 1);
	rig__expect_kind(rig, KIND_ANON, 1, 1, 8);
	rig__expect(rig, 50, KIND_ANON, 0);
	assert_true(rig__find(rig, 100)->unsure);
}

/* Trap 12: an arena is reserved once and committed page by page. */
static void test_mprotect_commits(void **state)
{
	struct rig *rig = *state;
	uint64_t i;

	rig__mmap(rig, 1, 1000, 100, PROT_NONE, ANON);
	for (i = 0; i < 100; i++) {
		rig__ticks(rig, 1);
		rig__mprotect(rig, 2, 1000 + i, 1, RW);
		rig__expect_kind(rig, KIND_RESERVED, 1, i < 99, 99 - i);
		rig__expect_kind(rig, KIND_ANON, i + 1, i + 1, i + 1);
	}
	rig__ticks(rig, 1);
	rig__mprotect(rig, 3, 1000, 100, PROT_NONE);
	rig__expect_kind(rig, KIND_ANON, 100, 0, 0);
	rig__expect_kind(rig, KIND_RESERVED, 2, 1, 100);
	rig__expect(rig, 1050, KIND_RESERVED, 101);
	rig__munmap(rig, 1000, 100);
	assert_int_equal(rig->born_bytes, rig->died_bytes);
	assert_int_equal(rig->died_whole, 102);
}

static void test_mprotect_keeps_origin(void **state)
{
	struct rig *rig = *state;
	struct region region;

	rig__mmap(rig, 1, 10, 10, RW, ANON);
	rig__ticks(rig, 5);
	rig__mprotect(rig, 2, 13, 3, PROT_READ);
	rig__expect(rig, 13, KIND_ANON, 0);
	assert_true(rig__at(rig, 13, &region));
	assert_int_equal(region.prot, PROT_READ);
	assert_int_equal(region.end - region.start, 3 * RIG_PAGE);
	rig__expect_kind(rig, KIND_ANON, 1, 1, 10);
	rig__mprotect(rig, 2, 13, 3, RW);
	assert_true(rig__at(rig, 13, &region));
	assert_int_equal(region.end - region.start, 10 * RIG_PAGE);	/* one entry again */
	assert_int_equal(rig->born, 1);
	assert_int_equal(rig->died, 0);
}

/* Several kinds, pieces and holes under one call: one object for each kind. */
static void test_mprotect_spans(void **state)
{
	struct rig *rig = *state;

	rig__mmap(rig, 1, 10, 5, PROT_NONE, ANON);
	rig__mmap_file(rig, 1, 15, 5, PROT_NONE, MAP_PRIVATE, 5, 0, 0);
	rig__mmap(rig, 1, 25, 5, PROT_NONE, ANON);
	rig__ticks(rig, 1);
	rig__mprotect(rig, 2, 12, 16, RW);
	rig__expect_kind(rig, KIND_RESERVED, 3, 2, 4);
	rig__expect_kind(rig, KIND_ANON, 1, 1, 6);
	rig__expect_kind(rig, KIND_FILE, 1, 1, 5);
	rig__munmap(rig, 12, 3);
	rig__expect_kind(rig, KIND_ANON, 1, 1, 3);	/* its other piece stands for it */
}

/* Trap 9. */
static void test_brk(void **state)
{
	struct rig *rig = *state;
	const uint64_t start = 1000 * RIG_PAGE + 0x123;

	rig__brk(rig, 1, start, start + 100 * RIG_PAGE);	/* a heap nobody has seen */
	rig__expect_kind(rig, KIND_HEAP, 0, 0, 0);
	rig__ticks(rig, 1);
	rig__brk(rig, 1, start, start + 110 * RIG_PAGE);
	rig__expect_kind(rig, KIND_HEAP, 1, 1, 10);
	rig__expect(rig, 1101, KIND_HEAP, 1);
	rig__brk(rig, 1, start, start + 110 * RIG_PAGE + 1);	/* the same page */
	rig__expect_kind(rig, KIND_HEAP, 1, 1, 10);

	rig->flags = EV_F_BRK;
	rig__munmap(rig, 1105, 6);
	rig__expect_kind(rig, KIND_HEAP, 1, 1, 4);
	rig__undo(rig, EV_MUNMAP);
	rig__expect_kind(rig, KIND_HEAP, 1, 1, 10);
	rig->flags = EV_F_BRK;
	rig__munmap(rig, 1105, 6);
	rig->tid = 101;
	rig__mmap(rig, 1, 1106, 2, RW, ANON);	/* the kernel gave it away at once */
	rig->tid = 100;
	rig__brk(rig, 1, start, 1105 * RIG_PAGE);
	rig__expect_kind(rig, KIND_HEAP, 1, 1, 4);
	rig__expect_kind(rig, KIND_ANON, 1, 1, 2);
	rig__brk(rig, 1, start, 1106 * RIG_PAGE);
	rig__expect_kind(rig, KIND_HEAP, 2, 2, 5);
	rig__brk(rig, 1, start, 1103 * RIG_PAGE);	/* its munmap was lost */
	rig__expect_kind(rig, KIND_HEAP, 2, 1, 2);
	rig__brk(rig, 1, start, start - 1);
	assert_int_equal(rig->r, -EBADMSG);
	assert_int_equal(world__lost(rig->world, EV_LOSS_BAD_RECORD), 1);
}

static void test_brk_seeded(void **state)
{
	struct rig *rig = *state;

	rig__seed(rig, EV_SEED_BEGIN, EV_SEED_EXEC);
	rig__region(rig, 10, 5, PROT_READ | PROT_EXEC, 0, 5, 0);
	rig__seed(rig, EV_SEED_END, EV_SEED_EXEC);
	rig__brk(rig, 1, 100 * RIG_PAGE, 133 * RIG_PAGE);	/* from an empty heap */
	rig__expect_kind(rig, KIND_HEAP, 1, 1, 33);

	rig->tgid = 200;
	rig__seed(rig, EV_SEED_BEGIN, EV_SEED_ATTACH);
	rig__region(rig, 100, 33, RW, EV_REGION_HEAP, 0, 0);
	rig__seed(rig, EV_SEED_END, EV_SEED_ATTACH);
	rig__brk(rig, 1, 100 * RIG_PAGE, 140 * RIG_PAGE);
	rig__expect_kind(rig, KIND_HEAP, 2, 2, 40);
	assert_int_equal(rig__find(rig, 200)->kinds[KIND_HEAP].before_attach, 1);
	rig__brk(rig, 1, 100 * RIG_PAGE, 120 * RIG_PAGE);
	rig__expect_kind(rig, KIND_HEAP, 2, 1, 20);
}

static void test_shm(void **state)
{
	struct rig *rig = *state;

	rig__shmat(rig, 1, 10, 10);
	rig__mmap(rig, 1, 20, 5, RW, MAP_SHARED | MAP_ANONYMOUS);
	rig__munmap(rig, 12, 2);
	rig__mmap(rig, 1, 12, 1, RW, ANON);	/* somebody in the hole */
	rig__mprotect(rig, 1, 18, 1, PROT_READ);
	rig__shmdt(rig, 11);			/* nothing begins there: it will fail */
	rig__expect_kind(rig, KIND_SHM, 2, 2, 13);
	rig__shmdt(rig, 10);
	rig__expect_kind(rig, KIND_SHM, 2, 1, 5);
	rig__expect_kind(rig, KIND_ANON, 1, 1, 1);
	rig__undo(rig, EV_SHMDT);
	rig__expect_kind(rig, KIND_SHM, 2, 2, 13);
	rig__shmdt(rig, 20);			/* no attachment */
	rig__expect_kind(rig, KIND_SHM, 2, 2, 13);
	rig__shmat(rig, 1, 40, 0);		/* nobody knows how large */
	rig__expect_kind(rig, KIND_SHM, 2, 2, 13);
	assert_int_equal(world__lost(rig->world, EV_LOSS_READ), 1);
	assert_true(rig__find(rig, 100)->unsure);
}

static void test_same_file(void **state)
{
	struct rig *rig = *state;
	const struct site *site;
	uint64_t i;

	for (i = 0; i < 10; i++)	/* window after window */
		rig__mmap_file(rig, 1, 100 + 10 * i, 10, RW, MAP_SHARED, 5, 10 * i, 0);
	site = rig__find(rig, 100)->sites;
	assert_int_equal(site->same_file, 0);
	for (i = 0; i < 10; i++)	/* the same window again and again */
		rig__mmap_file(rig, 1, 300 + 10 * i, 10, RW, MAP_SHARED, 5, 0, 0);
	assert_int_equal(site->same_file, 10);
	rig__mmap_file(rig, 2, 500, 10, RW, MAP_SHARED, 5, 0, 0);	/* another site */
	assert_int_equal(site->same_file, 10);
	rig__munmap(rig, 305, 1);	/* it is one object in two pieces... */
	assert_int_equal(site->same_file, 10);
	rig__munmap(rig, 300, 5);
	assert_int_equal(site->same_file, 10);
	rig__munmap(rig, 300, 10);	/* ...and now it is gone */
	assert_int_equal(site->same_file, 9);
	rig__munmap(rig, 100, 300);
	assert_int_equal(site->same_file, 0);
	rig__mmap_file(rig, 1, 100, 10, RW, MAP_SHARED, 5, 0, 0);
	assert_int_equal(site->same_file, 0);
}

static void test_nonsense(void **state)
{
	struct rig *rig = *state;

	rig__mmap(rig, 1, 10, 1, RW, ANON);
	rig__mmap(rig, 1, 10, 0, RW, ANON);
	assert_int_equal(rig->r, -EBADMSG);
	rig__mmap(rig, 1, (1ull << 52) - 1, 2, RW, ANON);
	assert_int_equal(rig->r, -EBADMSG);
	rig__mmap(rig, 1, 1ull << 51, 1, RW, ANON);
	assert_int_equal(rig->r, -EBADMSG);
	rig__munmap(rig, 10, 1ull << 51);	/* a call that will fail */
	assert_int_equal(rig->r, 0);
	rig__mremap(rig, EV_MREMAP_BEGIN, 0, 1ull << 51, 1ull << 51, 1ull << 51, 3, 1ll << 50);
	assert_int_equal(rig->r, 0);
	rig__mremap(rig, EV_MREMAP_END, 0, 1ull << 51, 1, 1, 3, 10);
	assert_int_equal(rig->r, -EBADMSG);
	rig__expect_kind(rig, KIND_ANON, 1, 1, 1);
	assert_int_equal(world__lost(rig->world, EV_LOSS_BAD_RECORD), 4);
}

static void test_seed_overlay(void **state)
{
	struct rig *rig = *state;
	struct process *p;
	struct region region;

	rig__mmap(rig, 1, 10, 10, RW, ANON);
	rig__mmap(rig, 1, 40, 10, RW, ANON);
	rig__mmap(rig, 1, 60, 10, RW, MAP_SHARED | MAP_ANONYMOUS);
	rig__mmap_file(rig, 1, 80, 10, PROT_READ, MAP_PRIVATE, 5, 3, 0);
	rig__ticks(rig, 4);
	rig__seed(rig, EV_SEED_BEGIN, EV_SEED_HEAL);
	rig__region(rig, 5, 20, RW, 0, 0, 0);		/* larger than what is known */
	rig__region(rig, 45, 2, PROT_READ, 0, 0, 0);	/* smaller, and its protection changed */
	rig__region(rig, 60, 10, RW, EV_REGION_SHARED, 99, 0);	/* /dev/zero (deleted) */
	rig__region(rig, 80, 10, PROT_READ, 0, 6, 3);	/* another file */
	rig__region(rig, 100, 4, PROT_NONE, 0, 0, 0);
	rig__region(rig, 110, 4, RW, EV_REGION_STACK, 0, 0);
	rig__mmap(rig, 1, 200, 1, RW, ANON);		/* between the lines: it stays */
	rig__seed(rig, EV_SEED_END, EV_SEED_HEAL);
	rig__expect(rig, 9, KIND_ANON, 4);
	rig__expect(rig, 10, KIND_ANON, 0);
	rig__expect(rig, 24, KIND_ANON, 4);
	rig__expect(rig, 44, -1, 0);
	rig__expect(rig, 45, KIND_ANON, 0);
	rig__expect(rig, 47, -1, 0);
	rig__expect(rig, 60, KIND_SHM, 0);
	rig__expect(rig, 80, KIND_FILE, 4);
	rig__expect(rig, 100, KIND_RESERVED, 4);
	rig__expect(rig, 200, KIND_ANON, 4);
	assert_true(rig__at(rig, 45, &region));
	assert_int_equal(region.prot, PROT_READ);
	assert_true(rig__at(rig, 110, &region));
	assert_true(region.special && region.site->before_attach);
	p = rig__find(rig, 100);
	assert_true(p->seeded);
	assert_false(p->unsure);
	assert_int_equal(p->kinds[KIND_ANON].before_attach, 2);
	rig__munmap(rig, 5, 5);		/* a line with a hole in it is one object */
	assert_int_equal(p->kinds[KIND_ANON].before_attach, 2);
	rig__munmap(rig, 20, 5);
	assert_int_equal(p->kinds[KIND_ANON].before_attach, 1);
	rig__region(rig, 1, 1, RW, 0, 0, 0);
	assert_int_equal(rig->r, -EBADMSG);	/* outside of a reading */
	assert_false(world__find(rig->world, 300));
}

static void test_seed_again(void **state)
{
	struct rig *rig = *state;
	uint32_t i;

	for (i = 0; i < 3; i++) {
		rig__seed(rig, EV_SEED_BEGIN, i ? EV_SEED_HEAL : EV_SEED_ATTACH);
		rig__region(rig, 10, 5, PROT_READ | PROT_EXEC, 0, 5, 0);
		rig__region(rig, 20, 5, RW, EV_REGION_HEAP, 0, 0);
		rig__region(rig, 90, 2, PROT_READ, EV_REGION_SPECIAL, 0, 0);
		rig__seed(rig, EV_SEED_END, EV_SEED_HEAL);
		rig__ticks(rig, 1);
	}
	assert_int_equal(rig->born, 3);
	assert_int_equal(rig->died, 0);
	rig__seed(rig, EV_SEED_BEGIN, EV_SEED_HEAL);
	rig__seed(rig, EV_SEED_END, EV_SEED_HEAL);
	assert_int_equal(rig__find(rig, 100)->mapped_bytes, 0);
	assert_int_equal(rig->died_whole, 3);
}

int main(void)
{
#define T RIG_TEST
	const struct CMUnitTest tests[] = {
		T(test_kinds), T(test_huge_pages), T(test_partial_unmap), T(test_several_at_once),
		T(test_overwrite), T(test_undo), T(test_undo_in_pieces), T(test_mremap_moves), T(test_mremap_in_place),
		T(test_mremap_file_pages), T(test_mremap_fails), T(test_mremap_fixed),
		T(test_mremap_from_inside), T(test_mremap_dontunmap), T(test_mremap_duplicates),
		T(test_mremap_unknown), T(test_mprotect_commits), T(test_mprotect_keeps_origin),
		T(test_mprotect_spans), T(test_brk), T(test_brk_seeded), T(test_shm),
		T(test_same_file), T(test_nonsense), T(test_seed_overlay), T(test_seed_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
