/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Names of a runtime's frames: which stacks they make one site, and what becomes of them. */
#include "tests/unit/model_rig.h"

#define INTERPRETER 0x7d0000002000ull
#define COMPILED 0x7d0000009000ull
#define ENTRY 0x7d000000c800ull

static struct site *site_of(struct rig *rig, uint64_t page)
{
	struct region region;

	assert_true(rig__at(rig, page, &region));
	return region.site;
}

/* Tells the names of a frame. */
static void tell(struct rig *rig, struct ev_frame frame, const struct ev_method_text *names, size_t n)
{
	_Alignas(8) uint8_t buf[4096];
	struct ev_method *e = (void *)buf;
	size_t sz = ev_write_method(buf, sizeof(buf), names, n);

	assert_true(sz);
	e->pc = frame.pc;
	memcpy(e->extra, frame.extra, sizeof(e->extra));
	rig__send(rig, buf, EV_METHOD, sz);
}

/* Defines a stack; returns its id. */
static uint64_t define(struct rig *rig, const struct ev_frame *frames, uint16_t n)
{
	uint64_t buf[8 + 4 * EV_MAX_FRAMES] = { 0 };
	struct ev_stack *e = (void *)buf;

	e->id = frames[0].pc ^ frames[0].extra[0] ^ frames[0].extra[1] << 8 ^ n;
	e->n_frames = n;
	e->mm_id = RIG_MM_ID;
	memcpy(e->frames, frames, n * sizeof(*frames));
	rig__send(rig, buf, EV_STACK, sizeof(*e) + n * sizeof(*frames));
	return e->id;
}

static const struct ev_frame interpreted[] = {
	{ .pc = INTERPRETER, .kind = EV_FRAME_INTERPRETED, .extra = { 0x1000, 0x1111 } },
	{ .pc = INTERPRETER, .kind = EV_FRAME_INTERPRETED, .extra = { 0x2000, 0x2222 } },
	{ .pc = ENTRY },
};
static const struct ev_frame compiled[] = {
	{ .pc = COMPILED, .kind = EV_FRAME_GUARDED, .extra = { 77 } },
	{ .pc = ENTRY },
};
static const struct ev_method_text entry = { "call_stub", NULL, 0, -1, EV_METHOD_STUB };

static struct ev_method_text method(const char *function, uint32_t line, int32_t bci,
				    enum ev_method_kind kind)
{
	return (struct ev_method_text){ function, "Log.scala", line, bci, kind };
}

/* The same two methods, interpreted and as one piece of code. */
static void tell_both(struct rig *rig, int32_t bci_compiled)
{
	const struct ev_method_text inner = method("Log.next", 64, 9, EV_METHOD_INTERPRETED);
	const struct ev_method_text outer = method("Log.recover", 186, 30, EV_METHOD_INTERPRETED);
	const struct ev_method_text both[] = {
		method("Log.next", 64, 9, EV_METHOD_INLINED),
		method("Log.recover", 186, bci_compiled, EV_METHOD_COMPILED),
	};

	tell(rig, interpreted[0], &inner, 1);
	tell(rig, interpreted[1], &outer, 1);
	tell(rig, interpreted[2], &entry, 1);
	tell(rig, compiled[0], both, 2);
}

static void test_one_site_in_all_states(void **state)
{
	struct rig *rig = *state;
	uint64_t a, b;
	struct site *site;

	tell_both(rig, 30);
	a = define(rig, interpreted, 3);
	b = define(rig, compiled, 2);
	rig__mmap(rig, a, 0x500, 1, RW, ANON);
	rig__mmap(rig, b, 0x600, 1, RW, ANON);
	site = site_of(rig, 0x500);
	assert_ptr_equal(site, site_of(rig, 0x600));
	assert_int_equal(site->opened, 2);
	assert_non_null(site->stack->frames[0].methods);
	assert_string_equal(site->stack->frames[0].methods->list[0].function, "Log.next");
	assert_int_equal(site->stack->frames[0].methods->list[0].line, 64);
}

static void test_another_call_is_another_site(void **state)
{
	struct rig *rig = *state;
	uint64_t a, b;

	tell_both(rig, 31);
	a = define(rig, interpreted, 3);
	b = define(rig, compiled, 2);
	rig__mmap(rig, a, 0x500, 1, RW, ANON);
	rig__mmap(rig, b, 0x600, 1, RW, ANON);
	assert_ptr_not_equal(site_of(rig, 0x500), site_of(rig, 0x600));
}

/* What a name was told for last counts for the stacks that follow; older ones keep theirs. */
static void test_told_again(void **state)
{
	const struct ev_method_text first = method("A.a", 1, 1, EV_METHOD_COMPILED);
	const struct ev_method_text second = method("B.b", 2, 2, EV_METHOD_COMPILED);
	struct rig *rig = *state;
	struct ev_frame frames[2] = { compiled[0], compiled[1] };

	tell(rig, frames[0], &first, 1);
	rig__mmap(rig, define(rig, frames, 1), 0x500, 1, RW, ANON);
	tell(rig, frames[0], &second, 1);
	rig__mmap(rig, define(rig, frames, 2), 0x600, 1, RW, ANON);
	assert_string_equal(site_of(rig, 0x500)->stack->frames[0].methods->list[0].function, "A.a");
	assert_string_equal(site_of(rig, 0x600)->stack->frames[0].methods->list[0].function, "B.b");
	assert_null(site_of(rig, 0x600)->stack->frames[1].methods);
}

static void test_bounded(void **state)
{
	struct rig *rig = *state;
	const struct ev_method_text name = method("A.a", 1, 1, EV_METHOD_COMPILED);
	struct ev_frame frame = compiled[0];
	uint64_t bytes = 0;

	rig__fini(rig);
	rig->opts = (struct world_opts){ .max_stacks = 5 };
	rig__init(rig);
	for (uint64_t i = 0; i < 100; i++) {
		frame.extra[0] = i;
		tell(rig, frame, &name, 1);
		if (i == 20)
			bytes = world__bytes_used(rig->world);
	}
	assert_true(world__lost(rig->world, EV_LOSS_MODEL_FULL) >= 50);
	assert_int_equal(world__bytes_used(rig->world), bytes);
	/* What is old makes room. */
	rig__ticks(rig, WORLD_TICKS(70000));
	bytes = world__lost(rig->world, EV_LOSS_MODEL_FULL);
	frame.extra[0] = 1000;
	tell(rig, frame, &name, 1);
	assert_int_equal(world__lost(rig->world, EV_LOSS_MODEL_FULL), bytes);
}

int main(void)
{
#define T RIG_TEST
	const struct CMUnitTest tests[] = {
		T(test_one_site_in_all_states), T(test_another_call_is_another_site),
		T(test_told_again), T(test_bounded),
	};

	return cmocka_run_group_tests_name("world_methods", tests, NULL, NULL);
}
