/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Records that passed the gate and make no sense: a capture file may hold any of them. Every field
 * is drawn from a few values that hurt (limits, the same small addresses, ids that recur). The
 * model must stay whole, bounded, and add up.
 */
#include "tests/unit/model_rig.h"

#include <errno.h>

struct hostile {
	struct rig rig;
	uint64_t random;
	uint32_t n_applied;
	uint64_t buf[(sizeof(struct ev_stack) + 8 * sizeof(struct ev_frame)) / 8];
};

static uint64_t below(struct hostile *t, uint64_t n)
{
	t->random ^= t->random << 13;
	t->random ^= t->random >> 7;
	t->random ^= t->random << 17;
	return (t->random >> 11) % n;
}

static uint64_t value(struct hostile *t)
{
	switch (below(t, 8)) {
	case 0:
		return below(t, 4);
	case 1:
		return UINT64_MAX - below(t, 5000);
	case 2:
		return 1ull << below(t, 64);
	case 3:
		return (1ull << 57) - (below(t, 3) << 12);
	case 4:
		return below(t, 100);
	default:
		return below(t, 64) << 12;
	}
}

static const struct {
	uint16_t type;
	uint32_t size;
} types[] = {
	{ EV_MMAP, sizeof(struct ev_mmap) },
	{ EV_MUNMAP, sizeof(struct ev_munmap) },
	{ EV_MREMAP_BEGIN, sizeof(struct ev_mremap) },
	{ EV_MREMAP_END, sizeof(struct ev_mremap) },
	{ EV_MPROTECT, sizeof(struct ev_mprotect) },
	{ EV_BRK, sizeof(struct ev_brk) },
	{ EV_SHMAT, sizeof(struct ev_shmat) },
	{ EV_SHMDT, sizeof(struct ev_munmap) },
	{ EV_UNDO, sizeof(struct ev_undo) },
	{ EV_FORK, sizeof(struct ev_fork) },
	{ EV_EXEC, sizeof(struct ev_exec) },
	{ EV_EXIT, sizeof(struct ev_exit) },
	{ EV_HANDLE_OPEN, sizeof(struct ev_handle) },
	{ EV_HANDLE_CLOSE, sizeof(struct ev_handle) },
	{ EV_STACK, sizeof(struct ev_stack) + 8 * sizeof(struct ev_frame) },
	{ EV_TICK, sizeof(struct ev_header) },
	{ EV_PROCESS, sizeof(struct ev_process) },
	{ EV_SEED_BEGIN, sizeof(struct ev_seed) },
	{ EV_REGION, sizeof(struct ev_region) },
	{ EV_SEED_END, sizeof(struct ev_seed) },
	{ EV_FILE, sizeof(struct ev_file) },
	{ EV_MEMORY, sizeof(struct ev_memory) },
	{ EV_LOSS, sizeof(struct ev_loss) },
	{ EV_PAIR, sizeof(struct ev_pair) },
	{ EV_NOTE, sizeof(struct ev_note) + 4 },
	{ EV_TRUST, sizeof(struct ev_trust) },
};

/* What the gate insists on; the rest stays as drawn. */
static void pass_the_gate(struct hostile *t, uint16_t type)
{
	struct ev_stack *stack = (void *)t->buf;
	struct ev_process *process = (void *)t->buf;
	struct ev_file *file = (void *)t->buf;
	struct ev_note *note = (void *)t->buf;
	uint32_t i;

	switch (type) {
	case EV_UNDO:
		((struct ev_undo *)t->buf)->undone = below(t, 2) ? EV_MUNMAP : EV_SHMDT;
		break;
	case EV_FORK:
		((struct ev_fork *)t->buf)->child_tgid = 1 + below(t, 6);
		((struct ev_fork *)t->buf)->shares_vm = below(t, 2);
		break;
	case EV_STACK:
		stack->n_frames = 1 + below(t, 8);
		stack->end = below(t, 3);
		for (i = 0; i < 8; i++)
			stack->frames[i].kind = below(t, 3);
		break;
	case EV_PROCESS:
		process->comm_sz = process->cmdline_sz = 0;
		process->unit_sz = process->runtime_sz = 0;
		break;
	case EV_SEED_BEGIN:
	case EV_SEED_END:
		((struct ev_seed *)t->buf)->reason = below(t, 3);
		break;
	case EV_REGION:
		((struct ev_region *)t->buf)->flags &= 15;
		break;
	case EV_FILE:
		file->build_id_sz = below(t, 21);
		file->path_sz = 0;
		break;
	case EV_PAIR:
		((struct ev_pair *)t->buf)->name[31] = '\0';
		break;
	case EV_NOTE:
		note->text_sz = 4 + sizeof(*note) - offsetof(struct ev_note, text);
		break;
	}
}

static void step(struct hostile *t)
{
	const uint32_t kind = below(t, sizeof(types) / sizeof(types[0]));
	struct ev_header *h = (void *)t->buf;
	const struct ev_header *checked;
	const char *why = "";
	uint32_t i;

	for (i = 0; i < sizeof(t->buf) / 8; i++)
		t->buf[i] = value(t);
	for (i = 3; i < sizeof(t->buf) / 8 && below(t, 2); i++)	/* two 32-bit fields */
		t->buf[i] = (value(t) & UINT32_MAX) | value(t) << 32;
	pass_the_gate(t, types[kind].type);
	*h = (struct ev_header){
		.time_ns = below(t, 50) ? below(t, 1ull << 40) : value(t),
		.tgid = below(t, 6), .tid = below(t, 4), .type = types[kind].type,
		.flags = below(t, 4) ? 0 : below(t, 8), .size = types[kind].size,
	};
	if (ev_check(t->buf, h->size, &checked, &why) < 0)
		return;
	t->rig.r = world__apply(t->rig.world, checked);
	assert_true(t->rig.r == 0 || t->rig.r == -EBADMSG);
	t->n_applied += !t->rig.r;
	if (below(t, 16) == 0)
		rig__check(&t->rig);
}

static void run(uint64_t seed, bool keep_exited, uint64_t limit)
{
	struct hostile *t = calloc(1, sizeof(*t));
	uint32_t i;

	assert_non_null(t);
	t->rig.opts = (struct world_opts){
		.keep_exited = keep_exited, .max_regions = limit, .max_handles = limit,
		.max_sites = limit, .max_stacks = limit, .max_processes = limit ? 5 : 0,
	};
	rig__init(&t->rig);
	t->random = seed * 0x9E3779B97F4A7C15ull;
	for (i = 0; i < 30000; i++)
		step(t);
	rig__check(&t->rig);
	assert_true(t->n_applied > 10000);
	if (limit)
		assert_true(world__bytes_used(t->rig.world) < 1u << 20);
	rig__fini(&t->rig);
	free(t);
}

static void test_hostile(void **state)
{
	run(1, false, 0);
	run(2, true, 0);
}

static void test_hostile_at_limits(void **state)
{
	run(3, false, 20);
	run(4, true, 30);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_hostile_at_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
