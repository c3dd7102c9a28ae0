/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The walk. First for real: this process copies its own stack at the end of some call path (through
 * the C library, a signal frame, a realigned frame, code without call frame information, a thread)
 * and the answer must be what libgcc's unwinder says, frame by frame. Then over made-up stacks and
 * rules: every kind of rule, the hash to the last bit, and stacks that lie.
 */
#include "user/unwind/walk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include <alloca.h>
#include <pthread.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unwind.h>

#include "tests/unit/unwind_self.h"

#ifndef __clang__
#pragma GCC optimize("omit-frame-pointer")
#endif

#define MM_ID 77
#define MAX_LEARNT 512

/* --- this process ------------------------------------------------------------------------------- */

struct learnt {
	struct unwind_key key;
	struct unwind_rule rule;
};

struct scene {
	struct ev_miss miss;
	uint64_t pcs[EV_MAX_FRAMES + 64];	/* libgcc's, from the function that made the copy */
	size_t n_pcs;
	struct learnt learnt[MAX_LEARNT];
	size_t n_learnt;
	union {
		struct ev_stack stack;
		char room[UNWIND_STACK_SZ];
	};
};

static _Unwind_Reason_Code note_pc(struct _Unwind_Context *context, void *ctx)
{
	struct scene *scene = ctx;
	uint64_t pc = _Unwind_GetIP(context);

	if (pc && scene->n_pcs < sizeof(scene->pcs) / sizeof(scene->pcs[0]))
		scene->pcs[scene->n_pcs++] = pc;
	return _URC_NO_REASON;
}

/* As the probe would: the registers here, and the stack in pieces of 1 KB until it ends. */
static __attribute__((noinline)) void capture(struct scene *scene)
{
	struct ev_miss *miss = &scene->miss;

	miss->h.type = EV_MISS;
	miss->h.tgid = (uint32_t)getpid();
	miss->h.size = sizeof(*miss);
	miss->mm_id = MM_ID;
	_Unwind_Backtrace(note_pc, scene);
	__asm__ volatile("lea 0(%%rip), %0\n\tmov %%rsp, %1\n\tmov %%rbp, %2"
			 : "=&r"(miss->ip), "=&r"(miss->sp), "=&r"(miss->bp));
	for (miss->stack_sz = 0; miss->stack_sz < EV_MISS_STACK_SZ; miss->stack_sz += 1024)
		if (self_read(NULL, 0, miss->sp + miss->stack_sz, miss->stack + miss->stack_sz, 1024))
			break;
	__asm__ volatile("" ::: "memory");
}

static void note_rule(void *ctx, const struct unwind_key *key, const struct unwind_rule *rule)
{
	struct scene *scene = ctx;

	assert_true(scene->n_learnt < MAX_LEARNT);
	scene->learnt[scene->n_learnt++] = (struct learnt){ *key, *rule };
}

static void ask(struct unwinder *unwinder, struct scene *scene)
{
	const struct unwind_walker walker = { .learn = note_rule, .ctx = scene };

	assert_int_equal(unwinder__answer(unwinder, &scene->miss, &walker, &scene->stack), 0);
}

static void answer(struct scene *scene)
{
	struct unwinder *unwinder;

	assert_int_equal(unwinder__new(&unwinder, &(struct unwinder_opts){ .ops = &self_ops }), 0);
	ask(unwinder, scene);
	unwinder__free(unwinder);
}

static bool has_learnt(const struct scene *scene, uint8_t kind)
{
	size_t i;

	for (i = 0; i < scene->n_learnt; i++)
		if (scene->learnt[i].rule.kind == kind)
			return true;
	return false;
}

/* The record is well-formed, and the same as libgcc's from the copying function's caller on. */
static void check(const struct scene *scene, uint32_t end)
{
	const struct ev_stack *stack = &scene->stack;
	size_t i, n = scene->n_pcs < EV_MAX_FRAMES ? scene->n_pcs : EV_MAX_FRAMES;

	assert_int_equal(stack->h.type, EV_STACK);
	assert_int_equal(stack->h.tgid, getpid());
	assert_int_equal(stack->mm_id, MM_ID);
	assert_int_equal(stack->h.size, sizeof(*stack) + stack->n_frames * sizeof(struct ev_frame));
	assert_int_equal(stack->frames[0].pc, scene->miss.ip);
	assert_int_equal(stack->n_frames, n);
	for (i = 1; i < n; i++)
		assert_int_equal(stack->frames[i].pc, scene->pcs[i]);
	assert_int_equal(stack->end, end);
	assert_int_equal(scene->n_learnt, n);
	assert_int_equal(scene->learnt[0].key.pc, scene->miss.ip | UNWIND_PC_INNERMOST);
	assert_int_equal(scene->learnt[1].key.pc, stack->frames[1].pc);
	assert_int_equal(scene->learnt[1].key.mm_id, MM_ID);
}

static struct scene *new_scene(void)
{
	struct scene *scene = calloc(1, sizeof(*scene));

	assert_non_null(scene);
	return scene;
}

/* qsort hands no context through, nor does a signal. */
static struct scene *current;

static int compare_and_capture(const void *a, const void *b)
{
	if (!current->n_pcs) {
		capture(current);
		answer(current);	/* here, where all that was not copied still stands */
	}
	return *(const int *)a - *(const int *)b;
}

static __attribute__((noinline)) void through_qsort(struct scene *scene, unsigned int depth)
{
	int numbers[4] = { 3, 1, 2, 0 };

	current = scene;
	if (depth)
		through_qsort(scene, depth - 1);
	else
		qsort(numbers, 4, sizeof(int), compare_and_capture);
	__asm__ volatile("" ::: "memory");	/* no tail call */
}

static void test_through_libc(void **state)
{
	cleanup_free struct scene *scene = new_scene();

	through_qsort(scene, 5);
	assert_true(scene->n_pcs > 10);
	check(scene, EV_STACK_COMPLETE);
	assert_true(has_learnt(scene, UNWIND_SP));
	assert_true(has_learnt(scene, UNWIND_END));
}

static void test_too_deep(void **state)
{
	cleanup_free struct scene *scene = new_scene();

	through_qsort(scene, EV_MAX_FRAMES + 40);
	assert_true(scene->n_pcs > EV_MAX_FRAMES);
	check(scene, EV_STACK_TRUNCATED);
}

static __attribute__((noinline)) void with_large_frame(struct scene *scene)
{
	volatile char room[3 * EV_MISS_STACK_SZ];
	size_t i = (size_t)getpid() % sizeof(room);

	room[i] = 1;
	through_qsort(scene, (unsigned int)room[i]);
	room[i] = 2;
}

static int no_read(void *ctx, uint32_t tgid, uint64_t addr, void *buf, size_t sz)
{
	return -ESRCH;
}

/* What was not copied comes from the process, or not at all. */
static void test_beyond_the_copy(void **state)
{
	cleanup_free struct scene *scene = new_scene(), *gone = new_scene();
	struct unwind_target_ops ops = self_ops;
	struct unwinder *unwinder;

	with_large_frame(scene);
	check(scene, EV_STACK_COMPLETE);

	gone->miss = scene->miss;
	ops.read = no_read;
	assert_int_equal(unwinder__new(&unwinder, &(struct unwinder_opts){ .ops = &ops }), 0);
	ask(unwinder, gone);
	assert_int_equal(unwinder__stats(unwinder).n_broken, 1);
	unwinder__free(unwinder);
	assert_int_equal(gone->stack.end, EV_STACK_BROKEN);
	assert_true(gone->stack.n_frames > 3 && gone->stack.n_frames < scene->stack.n_frames);
	assert_memory_equal(gone->stack.frames, scene->stack.frames,
			    gone->stack.n_frames * sizeof(struct ev_frame));
}

static __attribute__((noinline)) void realigned(struct scene *scene, size_t n)
{
	_Alignas(64) volatile char aligned[64] = { 0 };
	volatile char *room = alloca(n);

	room[0] = aligned[0];
	through_qsort(scene, 1);
	room[1] = aligned[1];
}

static void test_realigned(void **state)
{
	cleanup_free struct scene *scene = new_scene();

	realigned(scene, (size_t)getpid() % 100 + 16);
	check(scene, EV_STACK_COMPLETE);
	assert_true(has_learnt(scene, UNWIND_BP) || has_learnt(scene, UNWIND_BP_DEREF));
}

static void *in_thread(void *arg)
{
	through_qsort(arg, 2);
	return NULL;
}

static void test_thread(void **state)
{
	cleanup_free struct scene *scene = new_scene();
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, in_thread, scene), 0);
	pthread_join(thread, NULL);
	check(scene, EV_STACK_COMPLETE);
	assert_true(has_learnt(scene, UNWIND_END));
}

static void on_signal(int signal)
{
	through_qsort(current, 1);
}

static __attribute__((noinline)) void raise_signal(struct scene *scene, int flags)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = flags }, old;

	current = scene;
	assert_int_equal(sigaction(SIGUSR1, &action, &old), 0);
	raise(SIGUSR1);
	sigaction(SIGUSR1, &old, NULL);
}

static void test_signal(void **state)
{
	cleanup_free struct scene *scene = new_scene();
	size_t i;

	raise_signal(scene, 0);
	check(scene, EV_STACK_COMPLETE);
	for (i = 0; scene->learnt[i].rule.kind != UNWIND_SIGNAL; i++)
		assert_true(i < scene->n_learnt);
	assert_int_equal(scene->learnt[i + 1].key.pc,
			 scene->stack.frames[i + 1].pc | UNWIND_PC_INNERMOST);
}

/* The alternate stack may lie above the thread's own: sp then moves down once. */
static void test_signal_on_alternate_stack(void **state)
{
	size_t sz = 1 << 16;
	uint8_t *room = mmap(NULL, sz, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	stack_t stack = { .ss_sp = room, .ss_size = sz }, old;
	cleanup_free struct scene *scene = new_scene();

	assert_true(room != MAP_FAILED);
	assert_int_equal(sigaltstack(&stack, &old), 0);
	raise_signal(scene, SA_ONSTACK);
	check(scene, EV_STACK_COMPLETE);
	assert_true(has_learnt(scene, UNWIND_SIGNAL));
	sigaltstack(&old, NULL);
	munmap(room, sz);
}

/* push %rbp; mov %rsp, %rbp; sub $16, %rsp; call *%rsi; leave; ret */
static const uint8_t jit_code[] = { 0x55, 0x48, 0x89, 0xe5, 0x48, 0x83, 0xec, 0x10,
				    0xff, 0xd6, 0xc9, 0xc3 };

static void capture_once(struct scene *scene)
{
	through_qsort(scene, 1);
}

static void test_jit(void **state)
{
	cleanup_free struct scene *scene = new_scene();
	void (*code)(struct scene *, void (*)(struct scene *));
	void *room = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	const struct ev_stack *stack = &scene->stack;
	size_t i;

	assert_true(room != MAP_FAILED);
	memcpy(room, jit_code, sizeof(jit_code));
	memcpy(&code, &room, sizeof(code));
	code(scene, capture_once);
	/* libgcc stops at code that it has no information about. */
	assert_true(stack->n_frames > scene->n_pcs + 3);
	for (i = 1; i < scene->n_pcs; i++)
		assert_int_equal(stack->frames[i].pc, scene->pcs[i]);
	assert_int_equal(stack->frames[i - 1].pc, (uint64_t)(uintptr_t)room + 10);
	assert_int_equal(stack->end, EV_STACK_COMPLETE);
	munmap(room, 4096);
}

/* sub $8, %rsp; call *%rsi; add $8, %rsp; ret: without a frame pointer, in callers that keep none. */
static const uint8_t trampoline_code[] = { 0x48, 0x83, 0xec, 0x08, 0xff, 0xd6,
					   0x48, 0x83, 0xc4, 0x08, 0xc3 };

static void test_trampoline(void **state)
{
	cleanup_free struct scene *scene = new_scene();
	void (*code)(struct scene *, void (*)(struct scene *));
	void *room = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	const struct ev_stack *stack = &scene->stack;
	const struct ev_frame *frame;
	size_t i;

	assert_true(room != MAP_FAILED);
	memcpy(room, trampoline_code, sizeof(trampoline_code));
	memcpy(&code, &room, sizeof(code));
	code(scene, capture_once);
	assert_true(stack->n_frames > scene->n_pcs + 3);
	for (i = 1; i < scene->n_pcs; i++)
		assert_int_equal(stack->frames[i].pc, scene->pcs[i]);
	frame = &stack->frames[i - 1];
	assert_int_equal(frame->pc, (uint64_t)(uintptr_t)room + 6);
	assert_int_equal(frame->kind, EV_FRAME_GUARDED);
	assert_int_equal(frame->extra[0], 0x08c48348);
	assert_int_equal(stack->end, EV_STACK_COMPLETE);
	munmap(room, 4096);
}

/* --- the front: rules by pc, the caches ----------------------------------------------------------- */

static void test_pcs_without_code(void **state)
{
	static const uint64_t pcs[] = { 1, 4096, 0x7fffffffffff, ~0ull >> 1 };
	uint64_t on_stack = (uint64_t)(uintptr_t)&on_stack;
	struct unwinder *unwinder;
	struct unwind_rule rule;
	size_t i;

	assert_int_equal(unwinder__new(&unwinder, &(struct unwinder_opts){ .ops = &self_ops }), 0);
	for (i = 0; i < sizeof(pcs) / sizeof(pcs[0]); i++) {
		assert_int_equal(unwinder__rule(unwinder, 1, pcs[i], false, &rule), 0);
		assert_int_equal(rule.kind, UNWIND_BROKEN);
	}
	assert_int_equal(unwinder__rule(unwinder, 1, on_stack, true, &rule), 0);
	assert_int_equal(rule.kind, UNWIND_BROKEN);
	assert_int_equal(unwinder__stats(unwinder).n_rules_broken, i + 1);
	unwinder__free(unwinder);
}

static int busy_find_map(void *ctx, uint32_t tgid, uint64_t pc, bool again, struct unwind_map *out)
{
	return -EAGAIN;
}

/* What is only unknown now must not be learnt: nobody would ask again. */
static void test_map_file_cannot_be_read_now(void **state)
{
	struct unwind_target_ops ops = self_ops;
	cleanup_free struct scene *scene = new_scene();
	struct unwinder *unwinder;

	through_qsort(scene, 1);
	scene->n_learnt = 0;
	ops.find_map = busy_find_map;
	assert_int_equal(unwinder__new(&unwinder, &(struct unwinder_opts){ .ops = &ops }), 0);
	ask(unwinder, scene);
	assert_int_equal(scene->n_learnt, 0);
	assert_int_equal(scene->stack.n_frames, 1);
	assert_int_equal(scene->stack.end, EV_STACK_BROKEN);
	unwinder__free(unwinder);
}

static void test_caches_are_bounded(void **state)
{
	uint64_t base = (uint64_t)(uintptr_t)qsort, other = (uint64_t)(uintptr_t)_cmocka_run_group_tests;
	struct unwinder_opts opts = { .ops = &self_ops, .max_files = 1, .max_rules = 10 };
	struct unwind_rule first, rule;
	struct unwinder *unwinder;
	uint64_t pc;

	assert_int_equal(unwinder__new(&unwinder, &opts), 0);
	assert_int_equal(unwinder__rule(unwinder, 1, base, true, &first), 0);
	for (pc = base; pc < base + 100; pc++) {
		assert_int_equal(unwinder__rule(unwinder, 1, pc, true, &rule), 0);
		assert_int_equal(unwinder__rule(unwinder, 1, other, true, &rule), 0);
		assert_true(unwinder__stats(unwinder).n_files <= 1);
		assert_true(unwinder__stats(unwinder).n_rules_kept <= 10);
	}
	assert_int_equal(unwinder__rule(unwinder, 2, base, true, &rule), 0);
	assert_memory_equal(&rule, &first, sizeof(rule));
	unwinder__forget(unwinder, 1);
	assert_int_equal(unwinder__rule(unwinder, 1, base, true, &rule), 0);
	assert_memory_equal(&rule, &first, sizeof(rule));
	unwinder__free(unwinder);
}

static void test_vdso(void **state)
{
	uint64_t base = getauxval(AT_SYSINFO_EHDR), n_cfi = 0, pc;
	struct unwinder *unwinder;
	struct unwind_rule rule;

	assert_int_equal(unwinder__new(&unwinder, &(struct unwinder_opts){ .ops = &self_ops }), 0);
	for (pc = base; pc < base + 4096; pc++) {
		assert_int_equal(unwinder__rule(unwinder, 1, pc, true, &rule), 0);
		n_cfi += unwinder__stats(unwinder).n_rules_cfi > n_cfi;
	}
	assert_true(n_cfi > 100);
	assert_int_equal(unwinder__stats(unwinder).n_files, 1);
	unwinder__forget(unwinder, 1);
	assert_int_equal(unwinder__stats(unwinder).n_files, 0);
	unwinder__free(unwinder);
}

/* --- made-up stacks ------------------------------------------------------------------------------- */

#define STACK_AT 0x7ffd00001000ull
#define N_RULES 16

struct stage {
	struct ev_miss miss;
	struct unwind_rule rules[N_RULES];	/* of pc 1, 2, ...; others are broken */
	uint64_t innermost_pcs;			/* bit n: the rule of pc n was asked for as such */
	unsigned int n_asked, n_asked_again, n_reads;
	bool heals;				/* a stale guard's rule is good when asked again */
	union {
		struct ev_stack stack;
		char room[UNWIND_STACK_SZ];
	};
};

static int stage_rule(void *ctx, const struct unwind_key *key, bool again, struct unwind_rule *out)
{
	uint64_t pc = key->pc & ~UNWIND_PC_INNERMOST;
	struct stage *stage = ctx;

	stage->n_asked++;
	stage->n_asked_again += again;
	*out = (struct unwind_rule){ .kind = UNWIND_BROKEN };
	if (pc >= N_RULES)
		return 0;
	*out = stage->rules[pc];
	if (again && stage->heals)
		out->flags = 0;
	if (key->pc & UNWIND_PC_INNERMOST)
		stage->innermost_pcs |= 1ull << pc;
	return 0;
}

/* Beyond the copy there is one word more: 42 at address 4096. */
static int stage_read(void *ctx, uint64_t addr, void *buf, size_t sz)
{
	static const uint32_t value = 42;
	struct stage *stage = ctx;

	stage->n_reads++;
	if (addr != 4096 || sz != sizeof(value))
		return -EFAULT;
	memcpy(buf, &value, sz);
	return 0;
}

static const struct walk_ops stage_ops = { .rule = stage_rule, .read = stage_read };

static struct stage *new_stage(uint32_t stack_sz)
{
	struct stage *stage = calloc(1, sizeof(*stage));

	assert_non_null(stage);
	stage->miss.h.tgid = 5;
	stage->miss.mm_id = MM_ID;
	stage->miss.ip = 1;
	stage->miss.sp = STACK_AT;
	stage->miss.stack_sz = stack_sz;
	return stage;
}

static void put(struct stage *stage, uint64_t off, uint64_t value)
{
	memcpy(stage->miss.stack + off, &value, sizeof(value));
}

static void run(struct stage *stage, uint32_t n_frames, uint32_t end)
{
	assert_int_equal(walk__run(&stage->miss, &stage_ops, stage, &stage->stack), 0);
	assert_int_equal(stage->stack.n_frames, n_frames);
	assert_int_equal(stage->stack.end, end);
}

static const struct unwind_rule sp16 = {
	.kind = UNWIND_SP, .cfa_off = 16, .ra_off = -8, .bp_off = -16, .flags = UNWIND_F_BP_SAVED,
};

/* The hash written out, so that neither side can change it alone. */
static uint64_t fold(uint64_t hash, uint64_t value)
{
	hash = (hash ^ value) * 0x9E3779B97F4A7C15ull;
	return hash ^ hash >> 29;
}

static void test_hash(void **state)
{
	cleanup_free struct stage *stage = new_stage(64);
	uint64_t hash = fold(fold(fold(0x756e6672656564ull, 5ull << 32 | MM_ID), 1), 2);

	stage->rules[1] = sp16;
	stage->rules[2].kind = UNWIND_END;
	put(stage, 8, 2);
	run(stage, 2, EV_STACK_COMPLETE);
	assert_int_equal(stage->stack.id, hash);
	assert_int_equal(stage->stack.frames[0].pc, 1);
	assert_int_equal(stage->stack.frames[1].pc, 2);
	assert_int_equal(stage->innermost_pcs, 1 << 1);
}

static void test_return_to_zero_is_the_end(void **state)
{
	cleanup_free struct stage *stage = new_stage(64);

	stage->rules[1] = sp16;
	run(stage, 1, EV_STACK_COMPLETE);
	assert_int_equal(stage->n_asked, 1);
}

static void test_bp_and_derefs(void **state)
{
	cleanup_free struct stage *stage = new_stage(256);

	/* 1: CFA = *(sp + 8) + 16, the caller's bp at bp - 24; 2: CFA = bp + 16;
	 * 3: CFA = *(bp - 8), the caller's bp at bp. */
	stage->miss.bp = STACK_AT + 48;
	stage->rules[1] = (struct unwind_rule){ .kind = UNWIND_SP_DEREF, .deref_off = 8,
		.cfa_off = 16, .ra_off = -8, .bp_off = -24,
		.flags = UNWIND_F_BP_SAVED | UNWIND_F_BP_AT_BP };
	put(stage, 8, STACK_AT + 64);
	put(stage, 24, STACK_AT + 96);
	put(stage, 72, 2);
	stage->rules[2] = (struct unwind_rule){ .kind = UNWIND_BP, .cfa_off = 16, .ra_off = -8,
		.bp_off = -16, .flags = UNWIND_F_BP_SAVED };
	put(stage, 96, STACK_AT + 128);
	put(stage, 104, 3);
	stage->rules[3] = (struct unwind_rule){ .kind = UNWIND_BP_DEREF, .deref_off = -8,
		.ra_off = -16, .flags = UNWIND_F_BP_SAVED | UNWIND_F_BP_AT_BP };
	put(stage, 120, STACK_AT + 160);
	put(stage, 128, STACK_AT + 184);
	put(stage, 144, 4);
	stage->rules[4] = stage->rules[2];
	put(stage, 192, 5);
	stage->rules[5].kind = UNWIND_END;
	run(stage, 5, EV_STACK_COMPLETE);
	assert_int_equal(stage->n_reads, 0);
}

static void test_signal_rule(void **state)
{
	cleanup_free struct stage *stage = new_stage(512);

	stage->rules[1] = (struct unwind_rule){ .kind = UNWIND_SIGNAL };
	put(stage, 120, STACK_AT + 256);
	put(stage, 160, STACK_AT + 240);
	put(stage, 168, 2);
	stage->rules[2] = (struct unwind_rule){ .kind = UNWIND_BP, .cfa_off = 16, .ra_off = -8 };
	put(stage, 264, 3);
	stage->rules[3].kind = UNWIND_END;
	run(stage, 3, EV_STACK_COMPLETE);
	assert_int_equal(stage->innermost_pcs, 1 << 1 | 1 << 2);
}

static void test_interpreter_rule(void **state)
{
	cleanup_free struct stage *stage = new_stage(512);
	uint64_t hash = fold(0x756e6672656564ull, 5ull << 32 | MM_ID);

	stage->miss.bp = STACK_AT + 128;
	stage->rules[1].kind = UNWIND_INTERPRETER;
	put(stage, 128 - 64, 0xbc);
	put(stage, 128 - 24, 0x3e);
	put(stage, 128 - 8, STACK_AT + 150);
	put(stage, 128, STACK_AT + 200);
	put(stage, 128 + 8, 2);
	stage->rules[2].kind = UNWIND_END;
	run(stage, 2, EV_STACK_COMPLETE);
	assert_int_equal(stage->stack.frames[0].kind, EV_FRAME_INTERPRETED);
	assert_int_equal(stage->stack.frames[0].extra[0], 0x3e);
	assert_int_equal(stage->stack.frames[0].extra[1], 0xbc);
	assert_int_equal(stage->stack.id, fold(fold(fold(fold(hash, 1), 0x3e), 0xbc), 2));
	put(stage, 128 - 8, STACK_AT);
	run(stage, 1, EV_STACK_BROKEN);
	stage->miss.bp = 64;
	run(stage, 0, EV_STACK_BROKEN);
	assert_int_equal(stage->stack.id, fold(hash, 1));
}

static void test_guard(void **state)
{
	cleanup_free struct stage *stage = new_stage(64);
	uint64_t hash = fold(0x756e6672656564ull, 5ull << 32 | MM_ID);

	stage->rules[1] = sp16;
	stage->rules[1].flags |= UNWIND_F_GUARD;
	stage->rules[1].guard_addr = 4096;
	stage->rules[1].guard_value = 42;
	run(stage, 1, EV_STACK_COMPLETE);
	assert_int_equal(stage->n_asked, 1);
	assert_int_equal(stage->stack.frames[0].kind, EV_FRAME_GUARDED);
	assert_int_equal(stage->stack.frames[0].extra[0], 42);
	assert_int_equal(stage->stack.id, fold(fold(fold(hash, 1), 42), 0));

	stage->rules[1].guard_value = 43;
	run(stage, 1, EV_STACK_BROKEN);
	assert_int_equal(stage->n_asked_again, 1);
	stage->heals = true;
	run(stage, 1, EV_STACK_COMPLETE);
	assert_int_equal(stage->stack.frames[0].kind, EV_FRAME_NATIVE);
}

/* --- stacks that lie ------------------------------------------------------------------------------ */

static void test_sp_never_moves_down(void **state)
{
	static const int32_t offs[] = { 0, -8, -16, INT32_MIN };
	cleanup_free struct stage *stage = new_stage(64);
	size_t i;

	stage->rules[1] = sp16;
	put(stage, 8, 1);
	for (i = 0; i < sizeof(offs) / sizeof(offs[0]); i++) {
		stage->rules[1].cfa_off = offs[i];
		run(stage, 1, EV_STACK_BROKEN);
	}
}

static void test_bad_pcs(void **state)
{
	cleanup_free struct stage *stage = new_stage(64);

	stage->rules[1] = sp16;
	put(stage, 8, 1 | UNWIND_PC_INNERMOST);
	run(stage, 1, EV_STACK_BROKEN);
	stage->miss.ip = ~0ull;
	run(stage, 0, EV_STACK_BROKEN);
}

/* A handler that "interrupted" itself: the one step that may lead back. */
static void test_signal_cycle(void **state)
{
	cleanup_free struct stage *stage = new_stage(512);

	stage->rules[1].kind = UNWIND_SIGNAL;
	put(stage, 160, STACK_AT);
	put(stage, 168, 1);
	run(stage, EV_MAX_FRAMES, EV_STACK_TRUNCATED);
	assert_int_equal(stage->n_asked, EV_MAX_FRAMES);
}

static void test_random_stacks(void **state)
{
	static const uint32_t sizes[] = { 0, 1, 7, 8, 1024, EV_MISS_STACK_SZ, ~0u };
	uint64_t seed = 0xbad5eed, word;
	unsigned int round, i;

	for (round = 0; round < 20000; round++) {
		cleanup_free struct stage *stage = new_stage(sizes[round % 7]);

		for (i = 0; i < 256; i++) {
			word = next_random(&seed);
			put(stage, 8 * i, word & 1 ? word >> 8 & 15 : STACK_AT + (word >> 8 & 2047));
		}
		for (i = 0; i < N_RULES; i++) {
			word = next_random(&seed);
			stage->rules[i] = (struct unwind_rule){
				.kind = word & 15,
				.flags = word >> 4 & 7,
				.cfa_off = (int32_t)(word >> 8 & 255) - 32,
				.ra_off = word >> 16 & 1 ? (int16_t)(word >> 24) : -8,
				.bp_off = (int16_t)(word >> 32 & 127) - 64,
				.deref_off = (int16_t)(word >> 40 & 63),
				.guard_addr = word >> 48 & 3 ? 4096 : word,
				.guard_value = word >> 50 & 3 ? 42 : 0,
			};
		}
		word = next_random(&seed);
		stage->miss.bp = word & 3 ? STACK_AT + (word >> 8 & 2047) : word;
		if ((word >> 4 & 7) == 0)
			stage->miss.sp = ~0ull - (word >> 8 & 2047);
		assert_int_equal(walk__run(&stage->miss, &stage_ops, stage, &stage->stack), 0);
		assert_in_range(stage->stack.n_frames, 0, EV_MAX_FRAMES);
		assert_true(stage->n_asked <= 2 * EV_MAX_FRAMES);
		assert_true(stage->stack.end <= EV_STACK_BROKEN);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_through_libc),
		cmocka_unit_test(test_too_deep),
		cmocka_unit_test(test_beyond_the_copy),
		cmocka_unit_test(test_realigned),
		cmocka_unit_test(test_thread),
		cmocka_unit_test(test_signal),
		cmocka_unit_test(test_signal_on_alternate_stack),
		cmocka_unit_test(test_jit),
		cmocka_unit_test(test_trampoline),
		cmocka_unit_test(test_pcs_without_code),
		cmocka_unit_test(test_map_file_cannot_be_read_now),
		cmocka_unit_test(test_caches_are_bounded),
		cmocka_unit_test(test_vdso),
		cmocka_unit_test(test_hash),
		cmocka_unit_test(test_return_to_zero_is_the_end),
		cmocka_unit_test(test_bp_and_derefs),
		cmocka_unit_test(test_signal_rule),
		cmocka_unit_test(test_interpreter_rule),
		cmocka_unit_test(test_guard),
		cmocka_unit_test(test_sp_never_moves_down),
		cmocka_unit_test(test_bad_pcs),
		cmocka_unit_test(test_signal_cycle),
		cmocka_unit_test(test_random_stacks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
