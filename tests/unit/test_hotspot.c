/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* HotSpot from outside, over made-up memory images of the JDKs that have support, and over broken ones. */
#include "user/unwind/unwind.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/fake_jvm.h"
#include "user/base/cleanup.h"
#include "user/base/loop.h"
#include "user/unwind/hotspot.h"

static const int versions[] = { 8, 11, 17, 20, 21, 24, 25 };
#define N_VERSIONS (sizeof(versions) / sizeof(versions[0]))

struct rig {
	struct fake_jvm jvm;
	struct unwinder *unwinder;
	struct unwind_name names[UNWIND_MAX_NAMES];
};

static struct rig *new_rig(int version)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	assert_non_null(rig);
	fake_jvm__init(&rig->jvm, version);
	assert_int_equal(unwinder__new(&rig->unwinder, &(struct unwinder_opts){ .ops = &fake_ops,
						       .ops_ctx = &rig->jvm }), 0);
	return rig;
}

static void free_rig(struct rig *rig)
{
	unwinder__free(rig->unwinder);
	free(rig);
}

static struct unwind_rule rule_at(struct rig *rig, uint64_t pc)
{
	struct unwind_rule rule;

	assert_in_range(unwinder__rule(rig->unwinder, FAKE_TGID, pc, false, &rule), 0,
			rig->jvm.n_bytes > HOTSPOT_PER_SECOND / 2);
	return rule;
}

static size_t name(struct rig *rig, struct ev_frame frame)
{
	rule_at(rig, frame.pc);		/* a frame is named after it was walked */
	return unwinder__name(rig->unwinder, FAKE_TGID, &frame, rig->names, UNWIND_MAX_NAMES);
}

static void assert_name(const struct unwind_name *n, enum ev_method_kind kind, const char *function,
			uint32_t line, int32_t bci)
{
	assert_string_equal(n->function, function);
	assert_string_equal(n->file, kind == EV_METHOD_STUB ? "" : "Log.scala");
	assert_int_equal(n->kind, kind);
	assert_int_equal(n->line, line);
	assert_int_equal(n->bci, bci);
}

/* --- rules --------------------------------------------------------------------------------------- */

static void check_frame_rule(struct unwind_rule rule, int words, unsigned int flags)
{
	assert_int_equal(rule.kind, UNWIND_SP);
	assert_int_equal(rule.flags, UNWIND_F_BP_SAVED | flags);
	assert_int_equal(rule.cfa_off, words * 8);
	assert_int_equal(rule.ra_off, -8);
	assert_int_equal(rule.bp_off, -16);
}

static void check_rules(struct rig *rig)
{
	const struct fake_jvm *jvm = &rig->jvm;
	struct unwind_rule rule = rule_at(rig, jvm->compiled_pc);

	check_frame_rule(rule, FAKE_FRAME_WORDS, UNWIND_F_GUARD);
	assert_int_equal(rule.guard_value, FAKE_COMPILE_ID);
	assert_int_equal(*(const uint32_t *)(jvm->bytes + (rule.guard_addr - FAKE_BASE)),
			 FAKE_COMPILE_ID);
	rule = rule_at(rig, jvm->deopt_pc);
	check_frame_rule(rule, FAKE_FRAME_WORDS, UNWIND_F_GUARD | UNWIND_F_SAVED_PC);
	assert_int_equal(rule.deref_off, FAKE_ORIG_PC);
	check_frame_rule(rule_at(rig, jvm->native_pc), 10, UNWIND_F_GUARD);
	check_frame_rule(rule_at(rig, jvm->stub_pc), 4, 0);
	rule = rule_at(rig, jvm->interpreter_pc);
	assert_int_equal(rule.kind, UNWIND_INTERPRETER);
	assert_int_equal(rule.deref_off, jvm->version == 8 ? UNWIND_INTERPRETER_BCP_8 : 0);
	rule = rule_at(rig, jvm->call_stub_pc);
	assert_int_equal(rule.kind, UNWIND_BP);
	assert_int_equal(rule.cfa_off, 16);
}

static void test_rules(void **state)
{
	for (size_t i = 0; i < N_VERSIONS; i++) {
		struct rig *rig = new_rig(versions[i]);

		check_rules(rig);
		assert_null(unwinder__trouble(rig->unwinder, FAKE_TGID));
		free_rig(rig);
	}
}

/* As C2 and C1 wrote it behind a call; recorded with gdb. */
static const struct {
	uint8_t code[40];
	int lowered;
} behind_calls[] = {
	/* JDK 17, 25, ZGC's load barrier: mov rcx,rax; r9 to r10 restored; vzeroupper; add rsp,0x20; jmp */
	{ { 0x48, 0x8b, 0xc8, 0x4c, 0x8b, 0x0c, 0x24, 0x4c, 0x8b, 0x44, 0x24, 0x08, 0x4c, 0x8b, 0x5c,
	    0x24, 0x10, 0x4c, 0x8b, 0x54, 0x24, 0x18, 0xc5, 0xf8, 0x77, 0x48, 0x83, 0xc4, 0x20, 0xe9,
	    0xb2, 0xf6, 0xff, 0xff }, 0x20 },
	/* add rsp,0x480; jmp: with the vector registers saved */
	{ { 0x48, 0x81, 0xc4, 0x80, 0x04, 0, 0, 0xe9, 0, 0, 0, 0 }, 0x480 },
	/* pop r11; pop rcx; jmp */
	{ { 0x41, 0x5b, 0x59, 0xeb, 0x10 }, 16 },
	/* C2's and C1's ends of a method: add rsp,0x50; pop rbp; cmp rsp,[r15+0x340]; ja; ret */
	{ { 0x48, 0x83, 0xc4, 0x50, 0x5d, 0x49, 0x3b, 0xa7, 0x40, 0x03, 0, 0, 0x0f, 0x87, 1, 0, 0, 0,
	    0xc3 }, 0 },
	/* add rsp,0x50; pop rbp; jmp rethrow_stub */
	{ { 0x48, 0x83, 0xc4, 0x50, 0x5d, 0xe9, 0, 0, 0, 0 }, 0 },
	{ { 0x48, 0x8b, 0xc8, 0xe9, 0, 0, 0, 0 }, 0 },		/* a leaf call: mov rcx,rax; jmp */
	{ { 0x48, 0x83, 0xc4, 0x20, 0xe8, 0, 0, 0, 0 }, 0 },	/* another call first: not that */
	{ { 0x48, 0x83, 0xec, 0x20, 0xe9, 0, 0, 0, 0 }, 0 },
	{ { 0x48, 0x83, 0xc4, 0x21, 0xe9, 0, 0, 0, 0 }, 0 },
	{ { 0x48, 0x81, 0xc4, 0, 0, 0, 0x10, 0xe9, 0, 0, 0, 0 }, 0 },
	{ { 0x06 }, 0 },					/* no instruction */
};

static void test_a_lowered_stack(void **state)
{
	for (size_t i = 0; i < sizeof(behind_calls) / sizeof(behind_calls[0]); i++) {
		struct rig *rig = new_rig(17 + 8 * (i % 2));
		struct unwind_rule rule;

		memcpy(rig->jvm.bytes + (rig->jvm.barrier_pc - FAKE_BASE), behind_calls[i].code,
		       sizeof(behind_calls[i].code));
		rule = rule_at(rig, rig->jvm.barrier_pc);
		assert_int_equal(rule.cfa_off, FAKE_FRAME_WORDS * 8 + behind_calls[i].lowered);
		assert_int_equal(rule.ra_off, -8);
		assert_int_equal(rule.guard_value, FAKE_COMPILE_ID);
		free_rig(rig);
	}
}

/* --- names --------------------------------------------------------------------------------------- */

static void check_names(struct rig *rig)
{
	const struct fake_jvm *jvm = &rig->jvm;

	assert_int_equal(name(rig, (struct ev_frame){ .pc = jvm->compiled_pc, .kind = EV_FRAME_GUARDED,
						      .extra = { FAKE_COMPILE_ID } }), 2);
	assert_name(&rig->names[0], EV_METHOD_INLINED, "kafka.message.ByteBufferMessageSet.deepIterator",
		    1105, 31);
	assert_name(&rig->names[1], EV_METHOD_COMPILED, "kafka.log.LogSegment.recover", 105, 12);
	/* By the pc that was saved when the frame was deoptimized. */
	assert_int_equal(name(rig, (struct ev_frame){ .pc = jvm->deopt_pc, .kind = EV_FRAME_GUARDED,
						      .extra = { FAKE_COMPILE_ID,
								 jvm->compiled_pc } }), 2);
	/* Where nothing is recorded for the pc: the method. */
	assert_int_equal(name(rig, (struct ev_frame){ .pc = jvm->compiled_pc + 4,
						      .kind = EV_FRAME_GUARDED,
						      .extra = { FAKE_COMPILE_ID } }), 1);
	assert_name(&rig->names[0], EV_METHOD_COMPILED, "kafka.log.LogSegment.recover", 0, -1);
	/* Other code by now. */
	assert_int_equal(name(rig, (struct ev_frame){ .pc = jvm->compiled_pc, .kind = EV_FRAME_GUARDED,
						      .extra = { FAKE_COMPILE_ID + 1 } }), 0);
	assert_int_equal(name(rig, (struct ev_frame){ .pc = jvm->native_pc, .kind = EV_FRAME_GUARDED,
						      .extra = { 5 } }), 1);
	assert_name(&rig->names[0], EV_METHOD_COMPILED, "kafka.log.Log$$Lambda.run", 0, -1);
	assert_int_equal(name(rig, (struct ev_frame){ .pc = jvm->interpreter_pc,
						      .kind = EV_FRAME_INTERPRETED,
						      .extra = { jvm->outer, jvm->outer_code + 9 } }), 1);
	assert_name(&rig->names[0], EV_METHOD_INTERPRETED, "kafka.log.LogSegment.recover", 100, 9);
	/* A native method has no bytecodes. */
	assert_int_equal(name(rig, (struct ev_frame){ .pc = jvm->interpreter_pc,
						      .kind = EV_FRAME_INTERPRETED,
						      .extra = { jvm->outer, 0 } }), 1);
	assert_name(&rig->names[0], EV_METHOD_INTERPRETED, "kafka.log.LogSegment.recover", 0, -1);
	assert_int_equal(name(rig, (struct ev_frame){ .pc = jvm->call_stub_pc }), 1);
	assert_name(&rig->names[0], EV_METHOD_STUB, "call_stub", 0, -1);
	assert_int_equal(name(rig, (struct ev_frame){ .pc = jvm->stub_pc }), 1);
	assert_name(&rig->names[0], EV_METHOD_STUB, "wrong_method_stub", 0, -1);
	assert_int_equal(name(rig, (struct ev_frame){ .pc = 0x401000 }), 0);
}

static void test_names(void **state)
{
	for (size_t i = 0; i < N_VERSIONS; i++) {
		struct rig *rig = new_rig(versions[i]);

		check_names(rig);
		free_rig(rig);
	}
}

static void test_fewer_than_there_are(void **state)
{
	struct rig *rig = new_rig(17);
	struct ev_frame frame = { .pc = rig->jvm.compiled_pc, .kind = EV_FRAME_GUARDED,
				  .extra = { FAKE_COMPILE_ID } };

	rule_at(rig, frame.pc);
	assert_int_equal(unwinder__name(rig->unwinder, FAKE_TGID, &frame, rig->names, 1), 1);
	assert_int_equal(unwinder__name(rig->unwinder, FAKE_TGID, &frame, rig->names, 0), 0);
	free_rig(rig);
}

/* Every number up to where all numbers of bytes were seen, then some large ones. */
static void test_compressed_numbers(void **state)
{
	static struct fake_jvm fake;
	static struct jvm jvm;

	for (int version = 17; version <= 21; version += 4) {
		fake.version = version;
		jvm.tables.version = (unsigned int)version;
		for (uint64_t value = 0; value <= UINT32_MAX; value += value < 300000 ? 1 : 0x654321) {
			uint8_t bytes[8], *end = fake_unsigned5(&fake, bytes, (uint32_t)value);
			const uint8_t *p = bytes;
			uint32_t out;

			assert_in_range(end - bytes, 1, 5);
			assert_true(hotspot_unsigned5(&jvm, &p, end, &out));
			assert_int_equal(out, value);
			assert_ptr_equal(p, end);
			p = bytes;
			assert_false(hotspot_unsigned5(&jvm, &p, end - 1, &out));
		}
	}
}

/* --- a whole stack ------------------------------------------------------------------------------- */

#define STACK_AT 0x7ffd00001000ull

/* What the kernel's walker would have been told. */
struct walker_rules {
	struct {
		struct unwind_key key;
		struct unwind_rule rule;
	} list[8];
	size_t n;
};

static void learn(void *ctx, const struct unwind_key *key, const struct unwind_rule *rule)
{
	struct walker_rules *rules = ctx;

	assert_true(rules->n < sizeof(rules->list) / sizeof(rules->list[0]));
	rules->list[rules->n].key = *key;
	rules->list[rules->n++].rule = *rule;
}

static bool knows(void *ctx, const struct unwind_key *key, struct unwind_rule *out)
{
	const struct walker_rules *rules = ctx;

	for (size_t i = rules->n; i; i--) {
		if (memcmp(&rules->list[i - 1].key, key, sizeof(*key)))
			continue;
		*out = rules->list[i - 1].rule;
		return true;
	}
	return false;
}

static void put_word(struct ev_miss *miss, uint64_t addr, uint64_t value)
{
	memcpy(miss->stack + (addr - STACK_AT), &value, sizeof(value));
}

/* compiled <- deoptimized <- interpreted <- call_stub, whose frame pointer is the last. */
static void build_stack(const struct fake_jvm *jvm, struct ev_miss *miss)
{
	uint64_t frame = FAKE_FRAME_WORDS * 8, second = STACK_AT + frame, third = second + frame;
	uint64_t bp = third + 0x60, sender = bp + 0x10, stub_bp = sender + 0x20;

	*miss = (struct ev_miss){ .h = { .tgid = FAKE_TGID, .type = EV_MISS }, .mm_id = 1,
				  .ip = jvm->compiled_pc, .sp = STACK_AT, .stack_sz = 1024 };
	put_word(miss, second - 8, jvm->deopt_pc);
	put_word(miss, second + FAKE_ORIG_PC, jvm->compiled_pc);
	put_word(miss, third - 16, bp);
	put_word(miss, third - 8, jvm->interpreter_pc);
	put_word(miss, bp - 24, jvm->outer);
	put_word(miss, bp - (jvm->version == 8 ? 56 : 64), jvm->outer_code + 12);
	put_word(miss, bp - 8, sender);
	put_word(miss, bp, stub_bp);
	put_word(miss, bp + 8, jvm->call_stub_pc);
	put_word(miss, stub_bp, 0);
	put_word(miss, stub_bp + 8, 0);
}

static void answer(struct rig *rig, const struct ev_miss *miss, struct walker_rules *rules,
		   struct ev_stack *stack)
{
	const struct unwind_walker walker = { knows, learn, rules };

	assert_int_equal(unwinder__answer(rig->unwinder, miss, &walker, stack), 0);
}

static void test_a_whole_stack(void **state)
{
	cleanup_free struct ev_stack *stack = malloc(UNWIND_STACK_SZ);
	cleanup_free struct ev_miss *miss = malloc(sizeof(*miss));

	for (size_t i = 0; i < N_VERSIONS; i++) {
		struct rig *rig = new_rig(versions[i]);
		const struct ev_frame *f = stack->frames;
		struct walker_rules rules = { .n = 0 };

		build_stack(&rig->jvm, miss);
		answer(rig, miss, &rules, stack);
		assert_int_equal(rules.n, 4);
		assert_int_equal(stack->end, EV_STACK_COMPLETE);
		assert_int_equal(stack->n_frames, 4);
		assert_int_equal(f[0].kind, EV_FRAME_GUARDED);
		assert_int_equal(f[0].extra[1], 0);
		assert_int_equal(f[1].kind, EV_FRAME_GUARDED);
		assert_int_equal(f[1].extra[0], FAKE_COMPILE_ID);
		assert_int_equal(f[1].extra[1], rig->jvm.compiled_pc);
		assert_int_equal(f[2].kind, EV_FRAME_INTERPRETED);
		assert_int_equal(f[2].extra[0], rig->jvm.outer);
		assert_int_equal(f[2].extra[1], rig->jvm.outer_code + 12);
		assert_int_equal(f[3].pc, rig->jvm.call_stub_pc);
		free_rig(rig);
	}
}

/* A storm of questions about one stack: the JVM is asked once; a rule whose guard fails is asked for again. */
static void test_known_rules_ask_nothing(void **state)
{
	cleanup_free struct ev_stack *stack = malloc(UNWIND_STACK_SZ);
	cleanup_free struct ev_miss *miss = malloc(sizeof(*miss));
	struct rig *rig = new_rig(17);
	struct walker_rules rules = { .n = 0 };
	uint64_t n_reads;

	build_stack(&rig->jvm, miss);
	answer(rig, miss, &rules, stack);
	n_reads = rig->jvm.n_reads;
	for (size_t i = 0; i < 100; i++)
		answer(rig, miss, &rules, stack);
	assert_int_equal(stack->end, EV_STACK_COMPLETE);
	assert_int_equal(stack->n_frames, 4);
	assert_int_equal(rules.n, 4);
	assert_int_equal(rig->jvm.n_reads - n_reads, 100 * 2);	/* the guards of two frames */

	for (size_t i = 0; i < rules.n; i++)
		rules.list[i].rule.guard_value++;
	answer(rig, miss, &rules, stack);
	assert_int_equal(stack->end, EV_STACK_COMPLETE);
	assert_int_equal(rules.n, 6);
	free_rig(rig);
}

/* --- what is no HotSpot -------------------------------------------------------------------------- */

static void test_no_jvm(void **state)
{
	struct rig *rig = new_rig(17);

	rig->jvm.library = NULL;
	assert_int_equal(rule_at(rig, rig->jvm.compiled_pc).kind, UNWIND_BP);
	assert_null(unwinder__trouble(rig->unwinder, FAKE_TGID));
	/* It is loaded later: looked for again once code was mapped. */
	rig->jvm.library = "libjvm.so";
	assert_int_equal(rule_at(rig, rig->jvm.compiled_pc).kind, UNWIND_BP);
	unwinder__code_changed(rig->unwinder, FAKE_TGID, FAKE_BASE, FAKE_BASE + 4096);
	assert_int_equal(rule_at(rig, rig->jvm.compiled_pc).kind, UNWIND_SP);
	free_rig(rig);
}

static void test_another_jvm(void **state)
{
	struct rig *rig = new_rig(17);

	memset(rig->jvm.bytes, 0, 4096);
	assert_int_equal(rule_at(rig, rig->jvm.compiled_pc).kind, UNWIND_BP);
	assert_non_null(unwinder__trouble(rig->unwinder, FAKE_TGID));
	unwinder__forget(rig->unwinder, FAKE_TGID);
	assert_null(unwinder__trouble(rig->unwinder, FAKE_TGID));
	free_rig(rig);
}

/* Code that comes and goes elsewhere does not make it read the tables again. */
static void test_tables_are_kept(void **state)
{
	struct rig *rig = new_rig(25);
	uint64_t before;

	rule_at(rig, rig->jvm.compiled_pc);
	before = rig->jvm.n_reads;
	assert_in_range(before, 1, 200);
	unwinder__code_changed(rig->unwinder, FAKE_TGID, FAKE_BASE + FAKE_CODE_OFF,
			       FAKE_BASE + FAKE_CODE_OFF + 4096);
	rule_at(rig, rig->jvm.compiled_pc);
	assert_in_range(rig->jvm.n_reads - before, 1, 20);
	free_rig(rig);
}

/* --- hostile images ------------------------------------------------------------------------------ */

static void ask_everything(struct rig *rig)
{
	const struct fake_jvm *jvm = &rig->jvm;
	const uint64_t pcs[] = { jvm->compiled_pc, jvm->deopt_pc, jvm->native_pc, jvm->interpreter_pc,
				 jvm->stub_pc, jvm->call_stub_pc };

	for (size_t i = 0; i < sizeof(pcs) / sizeof(pcs[0]); i++)
		for (uint32_t kind = 0; kind <= EV_FRAME_GUARDED; kind++) {
			uint64_t extra = kind == EV_FRAME_GUARDED ? FAKE_COMPILE_ID : jvm->outer;
			size_t n = name(rig, (struct ev_frame){ .pc = pcs[i], .kind = kind,
								.extra = { extra, jvm->outer_code } });

			assert_true(n <= UNWIND_MAX_NAMES);
			for (size_t k = 0; k < n; k++) {
				assert_true(strlen(rig->names[k].function) < sizeof(rig->names[k].function));
				assert_true(strlen(rig->names[k].file) < sizeof(rig->names[k].file));
				assert_in_range(rig->names[k].bci + 1, 0, 65536);
			}
		}
}

static void test_hostile_images(void **state)
{
	uint64_t seed = 0x9E3779B97F4A7C15ull, most = 0;

	for (int round = 0; round < 1500; round++) {
		struct rig *rig = new_rig(versions[round % N_VERSIONS]);

		fake_jvm__harm(&rig->jvm, &seed);
		ask_everything(rig);
		most = rig->jvm.n_bytes > most ? rig->jvm.n_bytes : most;
		free_rig(rig);
	}
	assert_true(most < HOTSPOT_PER_SECOND);
}

static void test_endless_and_circular_images(void **state)
{
	for (size_t i = 0; i < 2 * N_VERSIONS; i++) {
		struct rig *rig = new_rig(versions[i / 2]);

		if (i % 2)
			fake_jvm__stretch(&rig->jvm);
		else
			fake_jvm__bend(&rig->jvm);
		ask_everything(rig);
		assert_true(rig->jvm.n_bytes < HOTSPOT_PER_SECOND);
		assert_true(rig->jvm.n_reads < HOTSPOT_PER_SECOND / REMOTE_READ_COST);
		free_rig(rig);
	}
}

/* However much a process makes us ask, it is asked for no more than its share of each second. */
static void test_asked_without_end(void **state)
{
	struct rig *rig = new_rig(17);
	struct ev_frame frame = { .pc = rig->jvm.compiled_pc, .kind = EV_FRAME_GUARDED,
				  .extra = { FAKE_COMPILE_ID } };
	uint64_t begun = clock_monotonic_ns(), seconds;
	struct unwind_rule rule;
	size_t n = 0;

	rule_at(rig, frame.pc);
	assert_null(unwinder__trouble(rig->unwinder, FAKE_TGID));
	fake_jvm__stretch(&rig->jvm);
	while (!unwinder__trouble(rig->unwinder, FAKE_TGID) && n++ < 1000000)
		unwinder__name(rig->unwinder, FAKE_TGID, &frame, rig->names, UNWIND_MAX_NAMES);
	assert_non_null(strstr(unwinder__trouble(rig->unwinder, FAKE_TGID), "in a second"));
	seconds = 1 + (clock_monotonic_ns() - begun) / 1000000000;
	assert_true(rig->jvm.n_bytes + rig->jvm.n_reads * REMOTE_READ_COST <=
		    seconds * HOTSPOT_PER_SECOND);
	/* Nor is anything learnt of it meanwhile. */
	if (seconds == 1) {
		assert_int_equal(unwinder__rule(rig->unwinder, FAKE_TGID, frame.pc, false, &rule), 1);
		assert_int_equal(rule.kind, UNWIND_BROKEN);
	}
	free_rig(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_a_lowered_stack),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_fewer_than_there_are),
		cmocka_unit_test(test_compressed_numbers),
		cmocka_unit_test(test_a_whole_stack),
		cmocka_unit_test(test_known_rules_ask_nothing),
		cmocka_unit_test(test_no_jvm),
		cmocka_unit_test(test_another_jvm),
		cmocka_unit_test(test_tables_are_kept),
		cmocka_unit_test(test_hostile_images),
		cmocka_unit_test(test_endless_and_circular_images),
		cmocka_unit_test(test_asked_without_end),
	};

	return cmocka_run_group_tests_name("hotspot", tests, NULL, NULL);
}
