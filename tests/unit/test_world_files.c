/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Files that come and go: what nobody maps is forgotten, what anybody names is not, and the number
 * of a forgotten one serves another without a mix-up.
 */
#include "tests/unit/model_rig.h"

#define HOUR_TICKS WORLD_TICKS(3600 * 1000)

static void map_and_unmap(struct rig *rig, uint64_t first_ino, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		rig->r = 0;
		rig__mmap_file(rig, 1, 1000, 1, RW, MAP_SHARED, first_ino + i, 0, 0);
		rig__munmap(rig, 1000, 1);
	}
}

static void what_nobody_maps_is_forgotten(void **state)
{
	struct rig *rig = *state;
	uint64_t used;

	map_and_unmap(rig, 100000, 8000);
	used = world__bytes_used(rig->world);
	map_and_unmap(rig, 200000, 20000);
	assert_true(world__evicted(rig->world) >= 20000);
	assert_true(world__bytes_used(rig->world) <= used);
}

static const struct file *file_at(struct rig *rig, uint64_t page)
{
	struct region region;

	assert_true(rig__at(rig, page, &region));
	assert_non_null(region.file);
	return region.file;
}

static void what_is_named_is_kept(void **state)
{
	struct rig *rig = *state;
	const uint64_t pcs[] = { 50 * RIG_PAGE + 16 };
	const struct site *site = NULL;
	struct region region;
	uint64_t id;

	rig__mmap_file(rig, 0, 20, 4, PROT_READ, MAP_PRIVATE, 7, 0, 0);
	rig__file(rig, 8, "/lib/gone.so", 8);
	rig__mmap_file(rig, 0, 50, 4, PROT_READ | PROT_EXEC, MAP_PRIVATE, 8, 0, 0);
	id = rig__stack(rig, pcs, 1, EV_STACK_COMPLETE);
	rig__mmap(rig, id, 90, 1, RW, ANON);
	rig__munmap(rig, 50, 4);	/* only a stack names it now */
	rig__mmap_file(rig, 0, 70, 4, PROT_READ, MAP_PRIVATE, 9, 0, 0);
	rig__munmap(rig, 70, 4);	/* what a thread may take back is nobody's, and not gone */
	rig__ticks(rig, 3 * HOUR_TICKS);
	rig->tid = 101;
	map_and_unmap(rig, 100000, 10000);
	assert_true(world__evicted(rig->world) > 1000);
	assert_int_equal(file_at(rig, 20)->ino, 7);
	assert_true(rig__at(rig, 90, &region));
	site = region.site;
	assert_non_null(site->stack);
	assert_string_equal(site->stack->frames[0].file->path, "/lib/gone.so");
	rig->tid = 100;
	rig__undo(rig, EV_MUNMAP);
	assert_int_equal(file_at(rig, 70)->ino, 9);
}

/* A file of which no stack is left keeps its name for two hours after it was told. */
static void names_are_kept_for_a_while(void **state)
{
	struct rig *rig = *state;

	rig__file(rig, 8, "/lib/libz.so.1", 8);
	rig__ticks(rig, HOUR_TICKS);
	map_and_unmap(rig, 100000, 10000);
	rig__mmap_file(rig, 0, 50, 4, PROT_READ | PROT_EXEC, MAP_PRIVATE, 8, 0, 0);
	assert_string_equal(file_at(rig, 50)->path, "/lib/libz.so.1");
	rig__munmap(rig, 50, 4);
	rig__ticks(rig, 2 * HOUR_TICKS);
	rig->tid = 101;		/* else the last release is kept for an undo */
	rig__munmap(rig, 60, 1);
	rig->tid = 100;
	map_and_unmap(rig, 200000, 20000);
	rig__mmap_file(rig, 0, 50, 4, PROT_READ | PROT_EXEC, MAP_PRIVATE, 8, 0, 0);
	assert_null(file_at(rig, 50)->path);
	rig__file(rig, 8, "/lib/libz.so.1", 8);
	assert_string_equal(file_at(rig, 50)->path, "/lib/libz.so.1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(what_nobody_maps_is_forgotten),
		RIG_TEST(what_is_named_is_kept),
		RIG_TEST(names_are_kept_for_a_while),
	};

	return cmocka_run_group_tests_name("world, files", tests, NULL, NULL);
}
