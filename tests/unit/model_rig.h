/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * For tests of the model: one function per record, which builds it, passes it through the gate,
 * applies it and has the model checked. Addresses and lengths are in pages. Each includer uses
 * some of them.
 */
#ifndef UNFREED_TESTS_MODEL_RIG_H
#define UNFREED_TESTS_MODEL_RIG_H

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>

#include "bpf/rule.h"
#include "user/model/check.h"
#include "user/model/world.h"
#include "user/wire/decode.h"

#pragma GCC diagnostic ignored "-Wunused-function"

#define RIG_PAGE 4096ull
#define RIG_MM_ID 77
#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

struct rig {
	struct world *world;
	struct world_opts opts;
	uint64_t now_ns;
	uint32_t tgid, tid;	/* of the next record */
	uint16_t flags;		/* likewise */
	int r;			/* of the last record */
	/* what the watcher was told */
	uint64_t born, born_bytes, died, died_bytes, died_whole, sites_gone, processes_gone;
};

static void rig_born(void *ctx, struct site *site, uint64_t bytes)
{
	struct rig *rig = ctx;

	assert_non_null(site->process);
	rig->born++;
	rig->born_bytes += bytes;
}

static void rig_died(void *ctx, struct site *site, uint64_t bytes, uint32_t birth_tick, bool whole)
{
	struct rig *rig = ctx;

	assert_true(birth_tick <= world__now_tick(rig->world));
	rig->died++;
	rig->died_bytes += bytes;
	rig->died_whole += whole;
}

static void rig_site_gone(void *ctx, struct site *site)
{
	((struct rig *)ctx)->sites_gone++;
}

static void rig_process_gone(void *ctx, struct process *process)
{
	assert_int_equal(process->n_sites, 0);
	((struct rig *)ctx)->processes_gone++;
}

static const struct world_watcher rig_watcher = {
	.born = rig_born, .died = rig_died, .site_gone = rig_site_gone,
	.process_gone = rig_process_gone,
};

static void rig__init(struct rig *rig)
{
	const struct world_opts opts = rig->opts;

	*rig = (struct rig){ .opts = opts, .tgid = 100, .tid = 100, .now_ns = 1000000000ull };
	rig->opts.watcher = &rig_watcher;
	rig->opts.watcher_ctx = rig;
	assert_int_equal(world__new(&rig->world, &rig->opts), 0);
}

static void rig__fini(struct rig *rig)
{
	rig->world = world__free(rig->world);
}

/* cmocka's set-up and tear-down: a rig of its own for each test. */
static int rig_set_up(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	assert_non_null(rig);
	rig__init(rig);
	*state = rig;
	return 0;
}

static int rig_tear_down(void **state)
{
	rig__fini(*state);
	free(*state);
	return 0;
}

#define RIG_TEST(fn) cmocka_unit_test_setup_teardown(fn, rig_set_up, rig_tear_down)

static void rig__check(struct rig *rig)
{
	const char *why = world__check(rig->world);

	if (why)
		fail_msg("%s", why);
}

/* Fills in the header, unless the record was written with one. */
static void rig__send(struct rig *rig, void *record, uint16_t type, uint32_t size)
{
	struct ev_header *h = record;
	const struct ev_header *checked;
	const char *why = NULL;

	*h = (struct ev_header){ .time_ns = rig->now_ns, .tgid = rig->tgid, .tid = rig->tid,
				 .type = type, .flags = rig->flags, .size = size };
	rig->flags = 0;
	if (ev_check(record, size, &checked, &why) < 0)
		fail_msg("%s", why);
	rig->r = world__apply(rig->world, checked);
	rig__check(rig);
}

static void rig__ticks(struct rig *rig, uint32_t n)
{
	rig->now_ns += n * WORLD_TICK_NS;
}

static void rig__mmap(struct rig *rig, uint64_t stack, uint64_t page, uint64_t n, uint32_t prot,
		      uint32_t flags)
{
	struct ev_mmap e = { .stack = stack, .addr = page * RIG_PAGE, .len = n * RIG_PAGE,
			     .prot = prot, .flags = flags };

	rig__send(rig, &e, EV_MMAP, sizeof(e));
}

static void rig__mmap_file(struct rig *rig, uint64_t stack, uint64_t page, uint64_t n,
			   uint32_t prot, uint32_t flags, uint64_t ino, uint64_t file_page,
			   uint32_t fs_magic)
{
	struct ev_mmap e = { .stack = stack, .addr = page * RIG_PAGE, .len = n * RIG_PAGE,
			     .prot = prot, .flags = flags, .ino = ino, .dev = 8,
			     .file_off = file_page * RIG_PAGE, .fs_magic = fs_magic };

	rig__send(rig, &e, EV_MMAP, sizeof(e));
}

static void rig__munmap(struct rig *rig, uint64_t page, uint64_t n)
{
	struct ev_munmap e = { .addr = page * RIG_PAGE, .len = n * RIG_PAGE };

	rig__send(rig, &e, EV_MUNMAP, sizeof(e));
}

static void rig__undo(struct rig *rig, uint32_t undone)
{
	struct ev_undo e = { .ret = -22, .undone = undone };

	rig__send(rig, &e, EV_UNDO, sizeof(e));
}

static void rig__mremap(struct rig *rig, uint16_t type, uint64_t stack, uint64_t page,
			uint64_t old_n, uint64_t new_n, uint32_t flags, int64_t ret)
{
	struct ev_mremap e = { .stack = stack, .addr = page * RIG_PAGE,
			       .old_len = old_n * RIG_PAGE, .new_len = new_n * RIG_PAGE,
			       .flags = flags, .ret = ret < 0 ? ret : ret * (int64_t)RIG_PAGE };

	rig__send(rig, &e, type, sizeof(e));
}

static void rig__mprotect(struct rig *rig, uint64_t stack, uint64_t page, uint64_t n,
			  uint32_t prot)
{
	struct ev_mprotect e = { .stack = stack, .addr = page * RIG_PAGE, .len = n * RIG_PAGE,
				 .prot = prot };

	rig__send(rig, &e, EV_MPROTECT, sizeof(e));
}

static void rig__brk(struct rig *rig, uint64_t stack, uint64_t start, uint64_t end)
{
	struct ev_brk e = { .stack = stack, .start = start, .end = end };

	rig__send(rig, &e, EV_BRK, sizeof(e));
}

static void rig__shmat(struct rig *rig, uint64_t stack, uint64_t page, uint64_t n)
{
	struct ev_shmat e = { .stack = stack, .addr = page * RIG_PAGE, .len = n * RIG_PAGE };

	rig__send(rig, &e, EV_SHMAT, sizeof(e));
}

static void rig__shmdt(struct rig *rig, uint64_t page)
{
	struct ev_munmap e = { .addr = page * RIG_PAGE };

	rig__send(rig, &e, EV_SHMDT, sizeof(e));
}

static void rig__fork(struct rig *rig, uint32_t child, uint32_t shares_vm)
{
	struct ev_fork e = { .child_tgid = child, .child_start_ns = child + rig->now_ns,
			     .shares_vm = shares_vm };

	rig__send(rig, &e, EV_FORK, sizeof(e));
}

static void rig__exec(struct rig *rig)
{
	struct ev_exec e = { .start_ns = 0 };

	rig__send(rig, &e, EV_EXEC, sizeof(e));
}

static void rig__exit(struct rig *rig)
{
	struct ev_exit e = { .code = 0 };

	rig__send(rig, &e, EV_EXIT, sizeof(e));
}

static void rig__process(struct rig *rig, uint64_t start_ns, const char *comm,
			 const char *cmdline)
{
	const struct ev_process_text text = { .comm = comm, .cmdline = cmdline };
	uint64_t buf[64] = { 0 };
	struct ev_process *e = (void *)buf;
	size_t n = ev_write_process(buf, sizeof(buf), &text);

	e->start_ns = start_ns;
	rig__send(rig, buf, EV_PROCESS, n);
}

static void rig__seed(struct rig *rig, uint16_t type, uint32_t reason)
{
	struct ev_seed e = { .reason = reason };

	rig__send(rig, &e, type, sizeof(e));
}

static void rig__region(struct rig *rig, uint64_t page, uint64_t n, uint32_t prot, uint32_t flags,
			uint64_t ino, uint64_t file_page)
{
	struct ev_region e = { .start = page * RIG_PAGE, .end = (page + n) * RIG_PAGE,
			       .prot = prot, .flags = flags, .ino = ino, .dev = ino ? 8 : 0,
			       .file_off = file_page * RIG_PAGE };

	rig__send(rig, &e, EV_REGION, sizeof(e));
}

static void rig__file(struct rig *rig, uint64_t ino, const char *path, uint8_t build_id)
{
	uint64_t buf[64] = { 0 };
	uint8_t id[EV_BUILD_ID_MAX] = { build_id };
	struct ev_file *e = (void *)buf;
	size_t n = ev_write_file(buf, sizeof(buf), id, build_id ? sizeof(id) : 0, path);

	e->ino = ino;
	e->dev = 8;
	rig__send(rig, buf, EV_FILE, n);
}

static void rig__open(struct rig *rig, uint64_t stack, uint32_t pair, uint64_t handle,
		      uint64_t bytes, uint64_t copy_of)
{
	struct ev_handle e = { .stack = stack, .pair = pair, .handle = handle, .bytes = bytes,
			       .copy_of = copy_of };

	rig__send(rig, &e, EV_HANDLE_OPEN, sizeof(e));
}

static void rig__close(struct rig *rig, uint32_t pair, uint64_t handle, const char *comm)
{
	struct ev_handle e = { .pair = pair, .handle = handle };

	memcpy(e.comm, comm, strnlen(comm, sizeof(e.comm)));
	rig__send(rig, &e, EV_HANDLE_CLOSE, sizeof(e));
}

/* The id of a stack of native frames, as the kernel's walker would name it. */
static uint64_t rig__hash(const struct rig *rig, const uint64_t *pcs, uint32_t n)
{
	uint64_t hash = stack_hash_begin(rig->tgid, RIG_MM_ID);
	uint32_t i;

	for (i = 0; i < n; i++)
		hash = stack_hash_fold(hash, pcs[i]);
	return stack_hash_end(hash);
}

/* Defines it, and returns the id. */
static uint64_t rig__stack(struct rig *rig, const uint64_t *pcs, uint32_t n, uint16_t end)
{
	uint64_t buf[8 + 4 * EV_MAX_FRAMES] = { 0 };
	struct ev_stack *e = (void *)buf;
	uint32_t i;

	e->id = rig__hash(rig, pcs, n);
	e->n_frames = n;
	e->end = end;
	e->mm_id = RIG_MM_ID;
	for (i = 0; i < n; i++)
		e->frames[i].pc = pcs[i];
	rig__send(rig, buf, EV_STACK, sizeof(*e) + n * sizeof(e->frames[0]));
	return rig__hash(rig, pcs, n);
}

static struct process *rig__find(struct rig *rig, uint32_t tgid)
{
	struct process *p = world__find(rig->world, tgid);

	assert_non_null(p);
	return p;
}

struct rig_lookup {
	uint64_t addr;
	struct region region;
	bool found;
};

static int rig_lookup_fn(void *ctx, const struct region *region)
{
	struct rig_lookup *lookup = ctx;

	lookup->found = region->start <= lookup->addr && lookup->addr < region->end;
	if (lookup->found)
		lookup->region = *region;
	return lookup->found;
}

/* The region that holds a page of the current process; false: none does. */
static bool rig__at(struct rig *rig, uint64_t page, struct region *out)
{
	struct rig_lookup lookup = { .addr = page * RIG_PAGE };

	process__each_region(rig__find(rig, rig->tgid), rig_lookup_fn, &lookup);
	*out = lookup.region;
	return lookup.found;
}

/* Asserts what the model thinks of a page; pages are KIND_ANON = 0 and so on; -1: not mapped. */
static void rig__expect(struct rig *rig, uint64_t page, int kind, uint32_t birth_tick)
{
	struct region region;

	assert_int_equal(rig__at(rig, page, &region), kind >= 0);
	if (kind >= 0) {
		assert_int_equal(region.kind, kind);
		assert_int_equal(region.birth_tick, birth_tick);
	}
}

static void rig__expect_kind(struct rig *rig, unsigned int kind, uint64_t opened, uint64_t open,
			     uint64_t pages)
{
	const struct kind_totals *totals = &rig__find(rig, rig->tgid)->kinds[kind];

	assert_int_equal(totals->opened, opened);
	assert_int_equal(totals->open, open);
	assert_int_equal(totals->bytes, pages * RIG_PAGE);
}

#endif /* UNFREED_TESTS_MODEL_RIG_H */
