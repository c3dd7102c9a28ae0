/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * A world, its state as records, and a second world of these: the same processes and regions, and
 * what comes next is understood by both. Records are told as text (user/wire/dump.h).
 */
#include "user/model/snapshot.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/unit/records.h"
#include "user/base/cleanup.h"
#include "user/base/text.h"
#include "user/model/check.h"
#include "user/wire/dump.h"

struct scene {
	struct world *first, *second;
	struct snapshot *snapshot;
	struct text log;	/* the snapshot's records as text, but for many stacks */
	size_t n_stacks;
};

static int set_up(void **state)
{
	struct scene *scene = calloc(1, sizeof(*scene));

	assert_int_equal(world__new(&scene->first, &(struct world_opts){}), 0);
	assert_int_equal(world__new(&scene->second, &(struct world_opts){}), 0);
	assert_int_equal(snapshot__new(&scene->snapshot), 0);
	text__init(&scene->log);
	*state = scene;
	return 0;
}

static int tear_down(void **state)
{
	struct scene *scene = *state;

	world__free(scene->first);
	world__free(scene->second);
	snapshot__free(scene->snapshot);
	text__fini(&scene->log);
	free(scene);
	return 0;
}

static void parse(const char *line, union record *r)
{
	const char *why = dump__parse_record(line, r);

	if (why)
		fail_msg("%s: %s", line, why);
}

/* Both the model and the keeper hear it, as in user/pipeline.c. */
static void tell(struct scene *scene, const char *line)
{
	static union record r;

	parse(line, &r);
	assert_int_equal(snapshot__keep(scene->snapshot, &r.h), 0);
	assert_int_equal(world__apply(scene->first, &r.h), 0);
}

static int to_second(void *ctx, const struct ev_header *record)
{
	struct scene *scene = ctx;
	const struct ev_header *checked;

	assert_int_equal(ev_check(record, record->size, &checked, NULL), 0);
	scene->n_stacks += record->type == EV_STACK;
	if (scene->n_stacks < 10)
		dump__add_record(&scene->log, record);
	assert_int_equal(world__apply(scene->second, record), 0);
	return 0;
}

static void take_snapshot(struct scene *scene)
{
	assert_int_equal(snapshot__write(scene->snapshot, scene->first, to_second, scene), 0);
}

static int add_region(void *ctx, const struct region *r)
{
	text__addf(ctx, "%lx-%lx prot=%x kind=%u shared=%d special=%d file=%lx:%lx\n", r->start, r->end,
		   r->prot, r->kind, r->shared, r->special, r->file ? r->file->ino : 0,
		   r->file ? r->file_off : 0);
	return 0;
}

/* Regions of the process, one a line; adjacent ones that differ only in origin count as one. */
static char *regions_of(const struct world *world, uint32_t tgid)
{
	const struct process *p = world__find(world, tgid);
	struct text text;

	text__init(&text);
	text__add(&text, "");
	if (p)
		process__each_region(p, add_region, &text);
	return text__steal(&text);
}

static void assert_same_regions(const struct scene *scene, uint32_t tgid)
{
	cleanup_free char *a = regions_of(scene->first, tgid), *b = regions_of(scene->second, tgid);

	assert_true(strlen(a) > 0);
	assert_string_equal(a, b);
}

static void introduce(struct scene *scene)
{
	tell(scene, "pair time=1 name=\"zlib-inflate\"");
	tell(scene, "note time=1 text=\"of the system\"");
	tell(scene, "process time=2 tgid=7 start_ns=1 comm=\"a\" cmdline=\"a b\" unit=\"u\" runtime=\"r\"");
	tell(scene, "seed-begin time=2 tgid=7");
	tell(scene, "region time=2 tgid=7 start=0x400000 end=0x500000 ino=11 dev=0x1 prot=0x5");
	tell(scene, "region time=2 tgid=7 start=0x600000 end=0x640000 prot=0x3 flags=0x2");
	tell(scene, "region time=2 tgid=7 start=0x7ff000000000 end=0x7ff000021000 prot=0x3 flags=0x4");
	tell(scene, "seed-end time=2 tgid=7");
	tell(scene, "file time=2 tgid=7 ino=11 dev=0x1 build_id=00ff path=\"/bin/a\"");
	tell(scene, "stack time=3 tgid=7 tid=7 id=0x51 mm_id=0x1 frames=0x401000,0x402000");
}

static void test_regions(void **state)
{
	struct scene *scene = *state;
	const struct process *p;

	introduce(scene);
	tell(scene, "mmap time=4 tgid=7 tid=7 stack=0x51 addr=0x10000000 len=40960 prot=0x3 flags=0x22");
	tell(scene, "munmap time=5 tgid=7 tid=7 addr=0x10002000 len=8192");
	tell(scene, "mmap time=5 tgid=7 tid=7 stack=0x51 addr=0x20000000 len=1073741824 flags=0x4022");
	tell(scene, "mprotect time=5 tgid=7 tid=7 addr=0x20000000 len=8192 prot=0x3");
	tell(scene, "mmap time=6 tgid=7 tid=7 addr=0x70000000 len=8192 file_off=4096 ino=12 dev=0x1 prot=0x1 "
		    "flags=0x2");
	tell(scene, "mmap time=6 tgid=7 tid=7 addr=0x71000000 len=8192 prot=0x3 flags=0x21");
	tell(scene, "mmap time=6 tgid=7 tid=7 addr=0x72000000 len=8192 ino=13 dev=0x2 prot=0x3 flags=0x1 "
		    "fs_magic=0x1021994");
	tell(scene, "memory time=7 tgid=7 rss_anon=4096 mapped=5000000");
	take_snapshot(scene);
	assert_same_regions(scene, 7);
	p = world__find(scene->second, 7);
	assert_string_equal(p->comm, "a");
	assert_string_equal(p->cmdline, "a b");
	assert_string_equal(p->unit, "u");
	assert_string_equal(p->runtime, "r");
	assert_int_equal(p->memory.rss_anon, 4096);
	assert_true(p->seeded && !p->unsure);
	assert_string_equal(world__kind_name(scene->second, KIND_PAIR_0), "zlib-inflate");
	assert_string_equal(world__note(scene->second, 0, 0), "of the system");
	assert_int_equal(p->accessible_bytes, world__find(scene->first, 7)->accessible_bytes);
	assert_int_equal(p->reserved_bytes, world__find(scene->first, 7)->reserved_bytes);
}

/* What comes next finds the stack that was defined before, with the same site. */
static void test_stacks(void **state)
{
	struct scene *scene = *state;
	const struct site *a, *b;
	static union record r;

	introduce(scene);
	take_snapshot(scene);
	parse("handle-open time=9 tgid=7 tid=7 stack=0x51 handle=0x5 bytes=40", &r);
	assert_int_equal(world__apply(scene->first, &r.h), 0);
	assert_int_equal(world__apply(scene->second, &r.h), 0);
	a = world__find(scene->first, 7)->sites;
	b = world__find(scene->second, 7)->sites;
	assert_non_null(a->stack);
	assert_non_null(b->stack);
	assert_int_equal(a->id, b->id);
	assert_int_equal(b->stack->frames[0].offset, 0x1000);
	assert_string_equal(b->stack->frames[0].file->path, "/bin/a");
}

/* The newest of each key; nothing of who is gone; no claim about a map that was not read. */
static void test_who_is_told(void **state)
{
	struct scene *scene = *state;

	introduce(scene);
	tell(scene, "process time=3 tgid=7 start_ns=1 comm=\"renamed\"");
	tell(scene, "process time=3 tgid=8 start_ns=2 comm=\"gone\"");
	tell(scene, "stack time=3 tgid=8 tid=8 id=0x61 mm_id=0x1 frames=0x401000");
	tell(scene, "exit time=4 tgid=8 tid=8");
	tell(scene, "process time=4 tgid=9 start_ns=3 comm=\"young\"");
	tell(scene, "mmap time=5 tgid=9 tid=9 addr=0x10000000 len=4096 prot=0x3 flags=0x22");
	take_snapshot(scene);
	assert_string_equal(world__find(scene->second, 7)->comm, "renamed");
	assert_null(world__find(scene->second, 8));
	assert_null(strstr(scene->log.s, "gone"));
	assert_null(strstr(scene->log.s, "id=0x61"));
	assert_false(world__find(scene->second, 9)->seeded);
	assert_null(strstr(scene->log.s, "seed-begin time=5 tgid=9"));
}

/* Losses before the snapshot are told, and harm nobody behind it; later ones do. */
static void test_losses(void **state)
{
	struct scene *scene = *state;
	static union record r;

	introduce(scene);
	tell(scene, "loss time=4 count=7,1,0,0,0,2");
	tell(scene, "trust time=4 stacks=9 stacks_complete=8 healed=1");
	take_snapshot(scene);
	assert_int_equal(world__lost(scene->second, EV_LOSS_RING_FULL), 7);
	assert_int_equal(world__lost(scene->second, EV_LOSS_READ), 2);
	assert_int_equal(world__lost_unnamed(scene->second), 0);
	assert_int_equal(world__trust(scene->second).stacks, 9);
	assert_false(world__find(scene->second, 7)->unsure);
	parse("loss time=5 count=8,1,0,0,0,2", &r);
	assert_int_equal(world__apply(scene->second, &r.h), 0);
	assert_true(world__find(scene->second, 7)->unsure);
}

/* All records of a snapshot bear its moment: time never goes back. */
static void test_time(void **state)
{
	struct scene *scene = *state;
	char *line, *rest;

	introduce(scene);
	tell(scene, "tick time=1234567");
	take_snapshot(scene);
	for (line = strtok_r(scene->log.s, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		assert_non_null(strstr(line, " time=1234567"));
	/* A second one is like the first. */
	text__fini(&scene->log);
	text__init(&scene->log);
	take_snapshot(scene);
	assert_same_regions(scene, 7);
}

/* A definition that is too much is not kept: the limit holds, whatever comes. */
static void test_bounded(void **state)
{
	struct scene *scene = *state;
	static union record r;
	uint64_t i;

	introduce(scene);
	memset(&r, 0, sizeof(r));
	r.h = (struct ev_header){ .tgid = 7, .type = EV_STACK,
				  .size = sizeof(r.stack) + EV_MAX_FRAMES * sizeof(struct ev_frame) };
	r.stack.n_frames = EV_MAX_FRAMES;
	for (i = 0; i < 40000; i++) {	/* 165 MB of them */
		r.stack.id = 1000 + i;
		assert_int_equal(snapshot__keep(scene->snapshot, &r.h), 0);
	}
	tell(scene, "process time=3 tgid=7 start_ns=1 comm=\"late\"");
	take_snapshot(scene);
	assert_in_range(scene->n_stacks, 30000, (128 << 20) / sizeof(struct ev_frame) / EV_MAX_FRAMES);
	assert_same_regions(scene, 7);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(test_regions), T(test_stacks), T(test_who_is_told), T(test_losses), T(test_time),
		T(test_bounded),
	};

	return cmocka_run_group_tests_name("snapshot", tests, NULL, NULL);
}
