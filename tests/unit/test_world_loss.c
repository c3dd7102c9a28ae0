/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * What the model does about records it did not get: who is unsure and until when, closes that show
 * themselves later, and resident bytes.
 */
#include <errno.h>

#include "tests/unit/model_rig.h"

#define ZLIB 0u
#define KIND (KIND_PAIR_0 + ZLIB)

static void lose(struct rig *rig, uint16_t type, uint32_t pair, uint64_t n)
{
	struct ev_lost lost = { .n = n, .type = type, .pair = pair };

	rig__send(rig, &lost, EV_LOST, sizeof(lost));
}

static void lose_in_all(struct rig *rig, uint64_t n, uint16_t flags)
{
	struct ev_loss loss = { .count = { [EV_LOSS_RING_FULL] = n } };
	uint32_t tgid = rig->tgid;

	rig->tgid = 0;
	rig->flags = flags;
	rig__send(rig, &loss, EV_LOSS, sizeof(loss));
	rig->tgid = tgid;
}

static void only_the_touched_are_unsure(void **state)
{
	struct rig *rig = *state;

	rig->tgid = 200;
	rig__mmap(rig, 1, 10, 1, RW, ANON);
	rig->tgid = 100;
	rig__mmap(rig, 1, 10, 1, RW, ANON);
	lose(rig, EV_MUNMAP, 0, 7);
	lose_in_all(rig, 7, EV_F_NAMED);
	assert_true(rig__find(rig, 100)->unsure && rig__find(rig, 100)->lossy);
	assert_false(rig__find(rig, 200)->unsure || rig__find(rig, 200)->lossy);
	assert_int_equal(rig__find(rig, 100)->lost_regions, 7);
	assert_int_equal(world__lost(rig->world, EV_LOSS_RING_FULL), 7);
	assert_int_equal(world__lost_unnamed(rig->world), 0);
	lose_in_all(rig, 9, 0);	/* two of nobody knows whom */
	assert_true(rig__find(rig, 200)->unsure);
	assert_int_equal(world__lost_unnamed(rig->world), 2);
}

static void a_reading_heals(void **state)
{
	struct rig *rig = *state;
	struct region region;

	rig__mmap(rig, 1, 10, 4, RW, ANON);
	rig__mmap(rig, 1, 20, 4, RW, ANON);
	lose(rig, EV_MUNMAP, 0, 1);
	lose(rig, EV_MMAP, 0, 1);
	rig__seed(rig, EV_SEED_BEGIN, EV_SEED_HEAL);
	rig__region(rig, 10, 4, RW, 0, 0, 0);
	rig__region(rig, 30, 4, RW, 0, 0, 0);
	rig__seed(rig, EV_SEED_END, EV_SEED_HEAL);
	assert_false(rig__find(rig, 100)->unsure || rig__find(rig, 100)->lossy);
	assert_true(rig__at(rig, 10, &region));
	assert_false(region.site->before_attach);
	assert_false(rig__at(rig, 20, &region));
	/* Of unknown age: no site that is judged. */
	assert_true(rig__at(rig, 30, &region));
	assert_true(region.site->before_attach);
	assert_int_equal(rig__find(rig, 100)->lost_regions, 2);
}

static void an_exec_forgets_losses(void **state)
{
	struct rig *rig = *state;

	rig__open(rig, 1, ZLIB, 500, 40000, 0);
	lose(rig, EV_HANDLE_CLOSE, ZLIB, 3);
	lose(rig, EV_MMAP, 0, 3);
	rig__exec(rig);
	assert_int_equal(rig__find(rig, 100)->lost_regions, 0);
	assert_int_equal(rig__find(rig, 100)->kinds[KIND].lost_closed, 0);
	assert_false(rig__find(rig, 100)->lossy);
}

static void a_lost_close_shows_itself(void **state)
{
	struct rig *rig = *state;
	const struct process *p;

	rig__open(rig, 1, ZLIB, 500, 40000, 0);
	lose(rig, EV_HANDLE_CLOSE, ZLIB, 1);
	p = rig__find(rig, 100);
	assert_false(p->unsure);	/* its regions are right */
	rig__open(rig, 1, ZLIB, 500, 40000, 0);
	assert_int_equal(p->kinds[KIND].open, 1);
	assert_int_equal(p->kinds[KIND].closed, 1);
	assert_int_equal(p->kinds[KIND].lost_closed_found, 1);
	assert_int_equal(p->sites->reopened, 0);
	rig__open(rig, 1, ZLIB, 500, 40000, 0);	/* and this one was never closed */
	assert_int_equal(p->kinds[KIND].open, 2);
	assert_int_equal(p->sites->reopened, 1);
}

static void a_child_inherits_what_was_lost(void **state)
{
	struct rig *rig = *state;

	rig__open(rig, 1, ZLIB, 500, 40000, 0);
	lose(rig, EV_HANDLE_CLOSE, ZLIB, 3);
	rig__fork(rig, 101, 0);
	assert_int_equal(rig__find(rig, 101)->kinds[KIND].open, 1);
	assert_int_equal(rig__find(rig, 101)->kinds[KIND].lost_closed, 3);
}

/* Losses are told at ticks, so after the fork of whoever copied what was wrong. */
static void a_child_forked_before_the_loss_was_told(void **state)
{
	struct rig *rig = *state;
	struct ev_header tick;

	rig__open(rig, 1, ZLIB, 500, 40000, 0);
	rig__mmap(rig, 1, 10, 1, RW, ANON);
	rig__fork(rig, 101, 0);
	rig__ticks(rig, 1);
	rig__send(rig, &tick, EV_TICK, sizeof(tick));
	rig__fork(rig, 102, 0);
	rig->tgid = 102;
	rig__fork(rig, 103, 0);
	rig->tgid = 100;
	lose(rig, EV_HANDLE_CLOSE, ZLIB, 3);
	lose(rig, EV_MUNMAP, 0, 2);
	assert_int_equal(rig__find(rig, 101)->kinds[KIND].lost_closed, 0);
	assert_false(rig__find(rig, 101)->lossy);
	for (uint32_t tgid = 102; tgid <= 103; tgid++) {
		assert_int_equal(rig__find(rig, tgid)->kinds[KIND].lost_closed, 3);
		assert_int_equal(rig__find(rig, tgid)->lost_regions, 2);
		assert_true(rig__find(rig, tgid)->lossy && rig__find(rig, tgid)->unsure);
	}
	rig->tgid = 103;	/* and not up the tree */
	lose(rig, EV_MUNMAP, 0, 1);
	assert_int_equal(rig__find(rig, 102)->lost_regions, 2);
}

static void losses_of_strangers_make_no_process(void **state)
{
	struct rig *rig = *state;

	lose(rig, EV_EXIT, 0, 1);
	assert_int_equal(rig->r, 0);
	assert_null(world__find(rig->world, 100));
	lose(rig, EV_HANDLE_OPEN, N_KINDS, 1);
	assert_int_equal(rig->r, -EBADMSG);
}

static void resident_bytes_of_a_site(void **state)
{
	struct rig *rig = *state;
	struct ev_resident ev = { .addr = 11 * RIG_PAGE, .looked_at = 4 * RIG_PAGE,
				  .resident = 3 * RIG_PAGE };
	struct region region;

	rig__mmap(rig, 1, 10, 4, RW, ANON);
	rig__send(rig, &ev, EV_RESIDENT, sizeof(ev));
	assert_true(rig__at(rig, 10, &region));
	assert_true(region.site->has_resident);
	assert_int_equal(region.site->resident_bytes, 3 * RIG_PAGE);
	assert_int_equal(region.site->resident_of, 4 * RIG_PAGE);
	ev.addr = 90 * RIG_PAGE;	/* given back meanwhile */
	rig__send(rig, &ev, EV_RESIDENT, sizeof(ev));
	assert_int_equal(rig->r, 0);
	ev.resident = 5 * RIG_PAGE;
	rig__send(rig, &ev, EV_RESIDENT, sizeof(ev));
	assert_int_equal(rig->r, -EBADMSG);
	rig->tgid = 300;
	rig__send(rig, &ev, EV_RESIDENT, sizeof(ev));
	assert_null(world__find(rig->world, 300));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(only_the_touched_are_unsure),
		RIG_TEST(a_reading_heals),
		RIG_TEST(an_exec_forgets_losses),
		RIG_TEST(a_lost_close_shows_itself),
		RIG_TEST(a_child_inherits_what_was_lost),
		RIG_TEST(a_child_forked_before_the_loss_was_told),
		RIG_TEST(losses_of_strangers_make_no_process),
		RIG_TEST(resident_bytes_of_a_site),
	};

	return cmocka_run_group_tests_name("world, losses", tests, NULL, NULL);
}
