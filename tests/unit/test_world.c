/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Processes, stacks and sites, handles, facts and limits. */
#include "tests/unit/model_rig.h"

#include <errno.h>

static size_t count_sites(const struct process *p)
{
	const struct site *site;
	size_t n = 0;

	for (site = p->sites; site; site = site->next)
		n++;
	return n;
}

static struct site *site_of(struct rig *rig, uint64_t page)
{
	struct region region;

	assert_true(rig__at(rig, page, &region));
	return region.site;
}

/* --- processes -------------------------------------------------------------------------------- */

static void test_fork_copies(void **state)
{
	struct rig *rig = *state;
	const uint64_t pcs[] = { 0x1000, 0x2000 };
	uint64_t stack = rig__stack(rig, pcs, 2, EV_STACK_COMPLETE);
	struct site *site;
	uint64_t bytes;

	rig__process(rig, 5, "parent", "parent --flag");
	rig__mmap(rig, stack, 10, 10, RW, ANON);
	rig__munmap(rig, 14, 2);
	rig__open(rig, stack, 0, 0xabc, 500, 0);
	rig__ticks(rig, 9);
	rig__fork(rig, 200, 0);
	assert_int_equal(rig->born, 2 + 2 + 1);	/* two pieces, one handle */
	rig->tgid = 200;
	assert_string_equal(rig__find(rig, 200)->comm, "parent");
	assert_int_equal(rig__find(rig, 200)->ppid, 100);
	rig__expect_kind(rig, KIND_ANON, 1, 1, 8);
	rig__expect(rig, 10, KIND_ANON, 0);
	assert_ptr_equal(site_of(rig, 10)->process, rig__find(rig, 200));
	assert_ptr_equal(site_of(rig, 10)->stack, rig__find(rig, 100)->sites->stack);
	assert_true(process__handle(rig__find(rig, 200), KIND_PAIR_0, 0xabc, &site, &bytes));
	assert_ptr_equal(site->process, rig__find(rig, 200));
	assert_int_equal(bytes, 500);
	rig__munmap(rig, 10, 10);
	rig__close(rig, 0, 0xabc, "child");
	rig__expect_kind(rig, KIND_ANON, 1, 0, 0);
	rig->tgid = 100;
	rig__expect_kind(rig, KIND_ANON, 1, 1, 8);
	rig__close(rig, 0, 0xabc, "parent");
	assert_int_equal(rig__find(rig, 100)->kinds[KIND_PAIR_0].closed, 1);
}

/* The source may have met the child, and even read its map, before its fork is reported. */
static void test_fork_of_a_known_child(void **state)
{
	struct rig *rig = *state;
	const uint64_t start = rig->now_ns + 200;	/* as rig__fork() says */

	rig__mmap(rig, 1, 10, 10, RW, ANON);
	rig->tgid = 200;
	rig__process(rig, start, "child", "");
	rig->tgid = 100;
	rig__fork(rig, 200, 0);		/* met only: the map is the parent's */
	rig->tgid = 200;
	rig__expect_kind(rig, KIND_ANON, 1, 1, 10);
	assert_int_equal(rig->processes_gone, 1);
	rig__seed(rig, EV_SEED_BEGIN, EV_SEED_ATTACH);
	rig__region(rig, 10, 5, RW, 0, 0, 0);
	rig__seed(rig, EV_SEED_END, EV_SEED_ATTACH);
	rig->tgid = 100;
	rig__fork(rig, 200, 0);		/* read already: nothing to add */
	rig->tgid = 200;
	rig__expect_kind(rig, KIND_ANON, 1, 1, 5);
	assert_int_equal(rig->processes_gone, 1);
}

/* A child that shares its parent's space is counted for the parent, until the parent leaves. */
static void test_vfork_shares(void **state)
{
	struct rig *rig = *state;

	rig__mmap(rig, 1, 10, 10, RW, ANON);
	rig__fork(rig, 200, 1);
	rig->tgid = 200;
	rig__mmap(rig, 2, 30, 5, RW, ANON);
	rig__munmap(rig, 10, 2);
	rig__open(rig, 2, 0, 0xabc, 500, 0);
	assert_int_equal(rig__find(rig, 200)->mapped_bytes, 0);
	assert_int_equal(rig__find(rig, 100)->mapped_bytes, 13 * RIG_PAGE);
	rig__expect(rig, 30, KIND_ANON, 0);	/* it sees the space, though */
	rig__exec(rig);
	rig__mmap(rig, 3, 10, 1, RW, ANON);
	assert_int_equal(rig__find(rig, 200)->mapped_bytes, RIG_PAGE);
	rig__exit(rig);
	assert_null(world__find(rig->world, 200));
	assert_int_equal(rig__find(rig, 100)->mapped_bytes, 13 * RIG_PAGE);
}

static void test_owner_leaves(void **state)
{
	struct rig *rig = *state;
	struct site *site;
	uint64_t bytes;

	rig__mmap(rig, 1, 10, 10, RW, ANON);
	rig__munmap(rig, 15, 1);
	rig__open(rig, 1, 0, 0xabc, 500, 0);
	rig__ticks(rig, 5);
	rig__fork(rig, 200, 1);
	rig__fork(rig, 300, 1);
	rig__mremap(rig, EV_MREMAP_BEGIN, 0, 10, 2, 2, MREMAP_MAYMOVE, 0);
	rig__exec(rig);
	assert_int_equal(rig__find(rig, 100)->mapped_bytes, 0);
	rig->tgid = 200;
	rig__expect_kind(rig, KIND_ANON, 1, 1, 9);	/* two pages are in flight */
	rig__expect(rig, 12, KIND_ANON, 0);
	assert_true(process__handle(rig__find(rig, 300), KIND_PAIR_0, 0xabc, &site, &bytes));
	assert_int_equal(site->process->tgid, 200);
	rig__exit(rig);
	rig->tgid = 300;
	rig__expect_kind(rig, KIND_ANON, 1, 1, 9);
	rig__exit(rig);
	rig->tgid = 100;
	rig__exit(rig);
	assert_null(world__processes(rig->world));
	assert_int_equal(rig->died, 1);		/* the munmap; ends are no deaths */
	assert_int_equal(rig->processes_gone, 3);
}

/* Traps 6: a number that comes back is another process. */
static void test_pid_reuse(void **state)
{
	struct rig *rig = *state;

	rig__mmap(rig, 1, 10, 10, RW, ANON);
	rig__process(rig, 5, "a", "");
	assert_int_equal(rig__find(rig, 100)->mapped_bytes, 10 * RIG_PAGE);
	rig__process(rig, 5, "b", "");
	assert_string_equal(rig__find(rig, 100)->comm, "b");
	assert_int_equal(rig__find(rig, 100)->mapped_bytes, 10 * RIG_PAGE);
	rig__process(rig, 6, "c", "");
	assert_int_equal(rig->processes_gone, 1);
	assert_int_equal(rig__find(rig, 100)->mapped_bytes, 0);
	rig__mmap(rig, 1, 10, 10, RW, ANON);
	rig->tgid = 90;
	rig__fork(rig, 100, 0);			/* its exit was lost */
	assert_int_equal(rig->processes_gone, 2);
	assert_int_equal(rig__find(rig, 100)->mapped_bytes, 0);
	assert_int_equal(rig__find(rig, 100)->ppid, 90);
}

static void test_exec(void **state)
{
	struct rig *rig = *state;
	struct ev_memory memory = { .rss_anon = 5 };

	rig__mmap(rig, 1, 10, 10, RW, ANON);
	rig__open(rig, 1, 0, 0xabc, 500, 0);
	rig__send(rig, &memory, EV_MEMORY, sizeof(memory));
	assert_int_equal(rig__find(rig, 100)->memory_first.rss_anon, 5);
	rig__exec(rig);
	assert_int_equal(rig->sites_gone, 2);
	assert_int_equal(rig->died, 0);
	assert_int_equal(rig__find(rig, 100)->mapped_bytes, 0);
	assert_int_equal(rig__find(rig, 100)->kinds[KIND_PAIR_0].open, 0);
	assert_false(rig__find(rig, 100)->has_memory);
	rig__close(rig, 0, 0xabc, "x");
	assert_int_equal(rig__find(rig, 100)->kinds[KIND_PAIR_0].before_attach, 1);
}

static void test_keep_exited(void **state)
{
	struct rig *rig = *state;
	struct process *p;
	uint32_t i;

	rig__fini(rig);
	rig->opts = (struct world_opts){ .keep_exited = true, .max_processes = 4 };
	rig__init(rig);
	rig__mmap(rig, 1, 10, 10, RW, ANON);
	rig__open(rig, 1, 0, 0xabc, 500, 0);
	rig__exit(rig);
	assert_null(world__find(rig->world, 100));
	p = world__processes(rig->world);
	assert_true(p->exited);
	assert_int_equal(p->mapped_bytes, 10 * RIG_PAGE);
	assert_int_equal(count_sites(p), 2);
	assert_int_equal(rig->sites_gone, 0);
	rig__mmap(rig, 1, 10, 3, RW, ANON);	/* the number again */
	assert_ptr_not_equal(rig__find(rig, 100), p);
	assert_ptr_equal(p->next, rig__find(rig, 100));
	rig__expect_kind(rig, KIND_ANON, 1, 1, 3);
	assert_int_equal(p->mapped_bytes, 10 * RIG_PAGE);
	for (i = 0; i < 4; i++) {	/* the kept one makes room, a live one does not */
		rig->tgid = 200 + i;
		rig__mmap(rig, 1, 10, 1, RW, ANON);
	}
	assert_int_equal(rig->processes_gone, 1);
	assert_int_equal(world__lost(rig->world, EV_LOSS_MODEL_FULL), 1);
	assert_null(world__find(rig->world, 203));
	assert_int_equal(rig__find(rig, 100)->mapped_bytes, 3 * RIG_PAGE);
}

static void test_process_text(void **state)
{
	struct rig *rig = *state;
	uint64_t buf[16] = { 0 };
	struct ev_process *e = (void *)buf;

	assert_null(world__find(rig->world, 100));
	e->comm_sz = 2;
	e->cmdline_sz = 8;
	memcpy(e->text, "ab" "x\0-y\0\0\0\0", 10);
	rig__send(rig, buf, EV_PROCESS, sizeof(*e) + 16);
	assert_string_equal(rig__find(rig, 100)->comm, "ab");
	assert_string_equal(rig__find(rig, 100)->cmdline, "x -y");
	assert_string_equal(rig__find(rig, 100)->unit, "");
}

/* --- stacks and sites ------------------------------------------------------------------------- */

static void map_code(struct rig *rig, uint64_t page)
{
	rig__file(rig, 5, "/usr/lib/libz.so.1", 0xaa);
	rig__mmap_file(rig, 0, page, 16, PROT_READ | PROT_EXEC, MAP_PRIVATE, 5, 2, 0);
}

static void test_frames(void **state)
{
	struct rig *rig = *state;
	const uint64_t pcs[] = { 0x100010, 0x101000, 0x110000, 0x999999 };
	const struct stack *stack;
	struct site *site;
	uint64_t id;

	map_code(rig, 0x100);
	id = rig__stack(rig, pcs, 4, EV_STACK_TRUNCATED);
	rig__mmap(rig, id, 0x500, 1, RW, ANON);
	site = site_of(rig, 0x500);
	stack = site->stack;
	assert_non_null(stack);
	assert_int_equal(stack->n_frames, 4);
	assert_int_equal(stack->end, EV_STACK_TRUNCATED);
	assert_int_equal(stack->frames[0].file->ino, 5);
	assert_string_equal(stack->frames[0].file->path, "/usr/lib/libz.so.1");
	assert_int_equal(stack->frames[0].offset, 0x2010);
	assert_true(stack->frames[0].innermost);
	assert_int_equal(stack->frames[1].offset, 0x3000);
	assert_false(stack->frames[1].innermost);
	assert_non_null(stack->frames[2].file);	/* a call was the last instruction there */
	assert_int_equal(stack->frames[2].offset, 0x12000);
	assert_null(stack->frames[3].file);
	assert_int_equal(stack->frames[3].offset, 0x999999);
}

/* The same code elsewhere, in another process, under another inode: the same site id. */
static void test_site_id_is_stable(void **state)
{
	struct rig *rig = *state;
	const uint64_t a[] = { 0x100010, 0x101000, 0x999999 };
	const uint64_t b[] = { 0x700010, 0x701000, 0x888888 };
	const uint64_t c[] = { 0x700010, 0x701008, 0x888888 };
	struct site *first, *second;

	map_code(rig, 0x100);
	rig__mmap(rig, rig__stack(rig, a, 3, EV_STACK_COMPLETE), 0x500, 1, RW, ANON);
	first = site_of(rig, 0x500);
	assert_int_not_equal(first->id, 0);
	rig->tgid = 200;
	rig__file(rig, 77, "/container/usr/lib/libz.so.1", 0xaa);
	rig__mmap_file(rig, 0, 0x700, 16, PROT_READ | PROT_EXEC, MAP_PRIVATE, 77, 2, 0);
	rig__mmap(rig, rig__stack(rig, b, 3, EV_STACK_COMPLETE), 0x500, 1, RW, ANON);
	second = site_of(rig, 0x500);
	assert_int_equal(first->id, second->id);
	assert_ptr_not_equal(first, second);
	rig__mmap(rig, rig__stack(rig, c, 3, EV_STACK_COMPLETE), 0x600, 1, RW, ANON);
	assert_int_not_equal(site_of(rig, 0x600)->id, first->id);
	rig__mmap(rig, rig__hash(rig, b, 3), 0x700, 1, PROT_NONE, ANON);
	assert_int_not_equal(site_of(rig, 0x700)->id, first->id);	/* another kind */
}

/* Two wire ids that mean one site are one site. */
static void test_sites_merge(void **state)
{
	struct rig *rig = *state;
	const uint64_t a[] = { 0x100010, 0x999999 }, b[] = { 0x100010, 0x888888 };
	struct site *site;

	map_code(rig, 0x100);
	rig__mmap(rig, rig__stack(rig, a, 2, EV_STACK_COMPLETE), 0x500, 1, RW, ANON);
	rig__mmap(rig, rig__stack(rig, b, 2, EV_STACK_COMPLETE), 0x600, 1, RW, ANON);
	site = site_of(rig, 0x500);
	assert_ptr_equal(site, site_of(rig, 0x600));
	assert_int_equal(site->opened, 2);
	rig__mmap(rig, rig__hash(rig, a, 2), 0x700, 1, PROT_NONE, ANON);
	assert_ptr_not_equal(site, site_of(rig, 0x700));
}

/* A definition that comes late names its site; when there is one of that id, the two become one. */
static void test_late_definition(void **state)
{
	struct rig *rig = *state;
	const uint64_t a[] = { 0x100010, 0x999999 }, b[] = { 0x100010, 0x888888 };
	struct site *site;
	uint64_t gone;

	map_code(rig, 0x100);
	rig__mmap(rig, rig__hash(rig, a, 2), 0x500, 1, RW, ANON);
	site = site_of(rig, 0x500);
	assert_null(site->stack);
	assert_int_equal(site->id, 0);
	rig__stack(rig, a, 2, EV_STACK_COMPLETE);
	assert_non_null(site->stack);
	assert_int_not_equal(site->id, 0);
	assert_ptr_equal(site, site_of(rig, 0x500));

	rig__mmap(rig, rig__hash(rig, b, 2), 0x600, 4, RW, ANON);
	rig__mmap(rig, rig__hash(rig, b, 2), 0x610, 1, RW, ANON);
	rig__munmap(rig, 0x601, 1);
	rig__munmap(rig, 0x610, 1);
	assert_ptr_not_equal(site, site_of(rig, 0x600));
	gone = rig->sites_gone;
	rig__stack(rig, b, 2, EV_STACK_COMPLETE);
	assert_int_equal(rig->sites_gone, gone + 1);
	assert_ptr_equal(site, site_of(rig, 0x600));
	assert_int_equal(site->opened, 3);
	assert_int_equal(site->closed, 1);
	assert_int_equal(site->bytes, 4 * RIG_PAGE);
	rig__munmap(rig, 0x600, 1);	/* its pieces are found by the site they share now */
	assert_int_equal(site->open, 2);
	rig__munmap(rig, 0x602, 2);
	assert_int_equal(site->open, 1);
}

static void test_partial_stacks(void **state)
{
	struct rig *rig = *state;
	const uint64_t a[] = { 0x100010, 0x100020, 0x100030 };
	const uint64_t b[] = { 0x100010, 0x100021, 0x100031 };
	struct site *full, *none;

	map_code(rig, 0x100);
	rig->flags = EV_F_STACK_PARTIAL;
	rig__mmap(rig, rig__hash(rig, a, 2), 0x500, 1, RW, ANON);
	none = site_of(rig, 0x500);
	assert_true(none->partial);
	assert_null(none->stack);
	rig__mmap(rig, rig__stack(rig, a, 3, EV_STACK_COMPLETE), 0x501, 1, RW, ANON);
	full = site_of(rig, 0x501);
	assert_false(full->partial);
	rig->flags = EV_F_STACK_PARTIAL;
	rig__mmap(rig, rig__hash(rig, a, 1), 0x502, 1, RW, ANON);
	assert_ptr_equal(site_of(rig, 0x502), full);
	rig__stack(rig, b, 3, EV_STACK_COMPLETE);
	rig->flags = EV_F_STACK_PARTIAL;
	rig__mmap(rig, rig__hash(rig, a, 1), 0x503, 1, RW, ANON);	/* two begin like this */
	assert_ptr_equal(site_of(rig, 0x503), none);
	rig->flags = EV_F_STACK_PARTIAL;
	rig__mmap(rig, rig__hash(rig, a, 2), 0x504, 1, RW, ANON);
	assert_ptr_equal(site_of(rig, 0x504), full);
	rig->flags = EV_F_STACK_TOKEN;
	rig__mmap(rig, 12345, 0x505, 1, RW, ANON);
	assert_null(site_of(rig, 0x505)->stack);
	assert_false(site_of(rig, 0x505)->partial);
}

/* Another file under a known inode number: old stacks keep theirs. */
static void test_inode_reused(void **state)
{
	struct rig *rig = *state;
	const uint64_t a[] = { 0x100010 }, b[] = { 0x200010 };

	map_code(rig, 0x100);
	rig__mmap(rig, rig__stack(rig, a, 1, EV_STACK_COMPLETE), 0x500, 1, RW, ANON);
	rig__file(rig, 5, "/usr/lib/other.so", 0xbb);
	rig__mmap_file(rig, 0, 0x200, 16, PROT_READ | PROT_EXEC, MAP_PRIVATE, 5, 2, 0);
	rig__mmap(rig, rig__stack(rig, b, 1, EV_STACK_COMPLETE), 0x501, 1, RW, ANON);
	assert_string_equal(site_of(rig, 0x500)->stack->frames[0].file->path,
			    "/usr/lib/libz.so.1");
	assert_string_equal(site_of(rig, 0x501)->stack->frames[0].file->path,
			    "/usr/lib/other.so");
	assert_int_not_equal(site_of(rig, 0x500)->id, site_of(rig, 0x501)->id);
}

/* --- handles ---------------------------------------------------------------------------------- */

static void test_handles(void **state)
{
	struct rig *rig = *state;
	const struct kind_totals *totals;
	struct site *site;
	uint64_t bytes;

	rig__open(rig, 1, 2, 0xabc, 40000, 0);
	rig__open(rig, 1, 3, 0xabc, 7, 0);		/* another pair: another handle */
	assert_true(process__handle(rig__find(rig, 100), KIND_PAIR_0 + 2, 0xabc, &site, &bytes));
	assert_int_equal(bytes, 40000);
	totals = &rig__find(rig, 100)->kinds[KIND_PAIR_0 + 2];
	assert_int_equal(totals->open, 1);
	rig__open(rig, 1, 2, 0xdef, 1, 0xabc);		/* a copy weighs what it copies */
	assert_int_equal(totals->bytes, 80000);
	rig__open(rig, 1, 2, 0xfff, 5, 0x123);		/* of what nobody knows: the estimate */
	assert_int_equal(totals->bytes, 80005);
	rig__close(rig, 2, 0xdef, "main");
	rig__close(rig, 2, 0xdef, "main");		/* once more: nobody saw it opened */
	assert_int_equal(totals->closed, 1);
	assert_int_equal(totals->before_attach, 1);
	assert_int_equal(totals->bytes, 40005);
	assert_false(process__handle(rig__find(rig, 100), KIND_PAIR_0 + 2, 0xdef, &site, &bytes));
	rig__open(rig, 1, 32, 1, 1, 0);
	assert_int_equal(rig->r, -EBADMSG);
	rig__close(rig, 32, 1, "");
	assert_int_equal(rig->r, -EBADMSG);
	assert_int_equal(rig__find(rig, 100)->mapped_bytes, 0);
}

static void test_reopened(void **state)
{
	struct rig *rig = *state;
	const struct kind_totals *totals;
	struct site *site;
	uint64_t bytes;

	rig__open(rig, 1, 0, 0xabc, 100, 0);
	assert_true(process__handle(rig__find(rig, 100), KIND_PAIR_0, 0xabc, &site, &bytes));
	rig__open(rig, 2, 0, 0xabc, 10, 0);
	assert_int_equal(site->reopened, 1);
	assert_int_equal(site->open, 1);
	assert_int_equal(site->bytes, 100);
	totals = &rig__find(rig, 100)->kinds[KIND_PAIR_0];
	assert_int_equal(totals->open, 2);
	rig__close(rig, 0, 0xabc, "main");
	assert_int_equal(totals->open, 1);	/* the first is lost for good */
	assert_int_equal(totals->bytes, 100);
	rig__close(rig, 0, 0xabc, "main");
	assert_int_equal(totals->before_attach, 1);
	assert_int_equal(site->open, 1);
}

static void test_collector(void **state)
{
	static const char *const comms[] = {
		"Common-Cleaner", "Finalizer", "Reference Handl", "Reference Handler", "Cleaner-0",
		"Finalizer2", "cleaner", "", "Common-Cleaner2", "main",
	};
	struct rig *rig = *state;
	const struct kind_totals *totals;
	uint64_t i;

	for (i = 0; i < 10; i++) {
		rig__open(rig, 1, 0, i, 1, 0);
		rig__close(rig, 0, i, comms[i]);
	}
	totals = &rig__find(rig, 100)->kinds[KIND_PAIR_0];
	assert_int_equal(totals->closed_by_collector, 5);
	assert_int_equal(totals->closed, 10);
	assert_int_equal(rig__find(rig, 100)->sites->closed_by_collector, 5);
}

/* --- facts ------------------------------------------------------------------------------------ */

static void send_note(struct rig *rig, const char *text)
{
	uint64_t buf[32] = { 0 };
	size_t n = ev_write_note(buf, sizeof(buf), text);

	rig__send(rig, buf, EV_NOTE, n);
}

static void test_notes(void **state)
{
	struct rig *rig = *state;
	char text[32];
	uint32_t i;

	assert_null(world__note(rig->world, 0, 0));
	assert_null(world__note(rig->world, 100, 0));
	for (i = 0; i < 600; i++) {
		snprintf(text, sizeof(text), "note %u", i / 2);
		rig->tgid = 0;
		send_note(rig, text);
		rig->tgid = 100;
		send_note(rig, text);
	}
	assert_string_equal(world__note(rig->world, 0, 0), "note 0");
	assert_string_equal(world__note(rig->world, 0, 255), "note 255");
	assert_null(world__note(rig->world, 0, 256));
	assert_string_equal(world__note(rig->world, 100, 15), "note 15");
	assert_null(world__note(rig->world, 100, 16));
	assert_null(world__note(rig->world, 101, 0));
}

static void test_facts(void **state)
{
	struct rig *rig = *state;
	struct ev_loss loss = { .count = { [EV_LOSS_RING_FULL] = 3 } };
	struct ev_trust trust = { .stacks = 9, .stacks_complete = 8 };
	struct ev_pair pair = { .pair = 1, .growth_percent = 10, .name = "zlib-deflate" };
	struct ev_header tick;

	assert_int_equal(world__trust(rig->world).stacks, 0);
	rig__mmap(rig, 1, 10, 1, RW, ANON);
	rig->tgid = 0;
	rig__send(rig, &trust, EV_TRUST, sizeof(trust));
	rig__send(rig, &pair, EV_PAIR, sizeof(pair));
	rig__send(rig, &loss, EV_LOSS, sizeof(loss));
	assert_int_equal(world__trust(rig->world).stacks_complete, 8);
	assert_string_equal(world__kind_name(rig->world, KIND_PAIR_0 + 1), "zlib-deflate");
	assert_int_equal(world__growth_percent(rig->world, KIND_PAIR_0 + 1), 10);
	assert_int_equal(world__growth_percent(rig->world, KIND_PAIR_0), 0);
	assert_int_equal(world__growth_percent(rig->world, KIND_HEAP), 0);
	assert_int_equal(world__growth_percent(rig->world, 1000), 0);
	assert_string_equal(world__kind_name(rig->world, KIND_PAIR_0), "?");
	assert_string_equal(world__kind_name(rig->world, KIND_HEAP), "heap");
	assert_string_equal(world__kind_name(rig->world, 1000), "?");
	assert_int_equal(world__lost(rig->world, EV_LOSS_RING_FULL), 3);
	assert_true(rig__find(rig, 100)->unsure);
	rig__ticks(rig, 12);
	rig__send(rig, &tick, EV_TICK, sizeof(tick));
	assert_int_equal(world__now_tick(rig->world), 12);
	assert_int_equal(world__n_events(rig->world), 1);
	rig->tgid = 100;
	rig__seed(rig, EV_SEED_BEGIN, EV_SEED_HEAL);
	rig__region(rig, 10, 1, RW, 0, 0, 0);
	rig__seed(rig, EV_SEED_END, EV_SEED_HEAL);
	assert_false(rig__find(rig, 100)->unsure);
	rig->tgid = 0;
	rig__send(rig, &loss, EV_LOSS, sizeof(loss));	/* nothing new */
	loss.count[EV_LOSS_STACK_RING_FULL] = 5;	/* nor harmful */
	rig__send(rig, &loss, EV_LOSS, sizeof(loss));
	assert_false(rig__find(rig, 100)->unsure);
	rig__mmap(rig, 1, 10, 1, RW, ANON);		/* of no process */
	assert_int_equal(rig->r, -EBADMSG);
}

/* --- limits ----------------------------------------------------------------------------------- */

static void test_limits(void **state)
{
	struct rig *rig = *state;
	uint64_t i, pc;

	rig__fini(rig);
	rig->opts = (struct world_opts){ .max_regions = 100, .max_handles = 10, .max_sites = 20,
					 .max_stacks = 30, .max_processes = 4 };
	rig__init(rig);
	for (i = 0; i < 150; i++)
		rig__mmap(rig, 1, 10 + 2 * i, 1, RW, ANON);
	rig__expect_kind(rig, KIND_ANON, 100, 100, 100);
	assert_int_equal(world__lost(rig->world, EV_LOSS_MODEL_FULL), 50);
	assert_true(rig__find(rig, 100)->unsure);
	rig__munmap(rig, 0, 1000);
	rig__mmap(rig, 1, 10, 10, RW, ANON);		/* room again */
	rig__expect_kind(rig, KIND_ANON, 101, 1, 10);

	for (i = 0; i < 15; i++)
		rig__open(rig, 1, 0, i, 1, 0);
	assert_int_equal(rig__find(rig, 100)->kinds[KIND_PAIR_0].open, 10);
	assert_int_equal(world__lost(rig->world, EV_LOSS_MODEL_FULL), 55);

	for (i = 0; i < 40; i++)	/* origins are lost, bytes are not */
		rig__mmap(rig, 100 + i, 1000 + 2 * i, 1, RW, ANON);
	rig__expect_kind(rig, KIND_ANON, 141, 41, 50);
	assert_true(count_sites(rig__find(rig, 100)) <= 21);
	for (i = 0; i < 40; i++) {
		pc = 0x1000 + i;
		rig__stack(rig, &pc, 1, EV_STACK_COMPLETE);
	}
	for (i = 0; i < 10; i++) {	/* the first of these find no room for the copy */
		rig__fork(rig, 200 + i, 0);
		rig->tgid = 200 + i;
	}
	assert_null(world__find(rig->world, 203));
}

/* What is freed is counted off again. */
static void test_bytes_used(void **state)
{
	struct rig *rig = *state;
	uint64_t before = world__bytes_used(rig->world), i, full, pcs[8];

	for (i = 0; i < 2000; i++)
		rig__mmap(rig, 1 + i % 50, 10 + 2 * i, 1, RW, ANON);
	for (i = 0; i < 50; i++) {
		memset(pcs, (int)i + 1, sizeof(pcs));
		rig__stack(rig, pcs, 8, EV_STACK_COMPLETE);
	}
	full = world__bytes_used(rig->world);
	assert_true(full > before + 2000 * 40 + 50 * 8 * sizeof(struct frame));
	rig__exit(rig);
	assert_true(world__bytes_used(rig->world) < before + 20000);
}

int main(void)
{
#define T RIG_TEST
	const struct CMUnitTest tests[] = {
		T(test_fork_copies), T(test_fork_of_a_known_child), T(test_vfork_shares),
		T(test_owner_leaves), T(test_pid_reuse),
		T(test_exec), T(test_keep_exited), T(test_process_text), T(test_frames),
		T(test_site_id_is_stable), T(test_sites_merge), T(test_late_definition),
		T(test_partial_stacks), T(test_inode_reused), T(test_handles), T(test_reopened),
		T(test_collector), T(test_notes), T(test_facts), T(test_limits),
		T(test_bytes_used),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
