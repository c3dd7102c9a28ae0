/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * A process's own clock: equal to the wall's while it runs, standing still while it cannot, never
 * going back; and what is dated by it, across fork, vfork and exit.
 */
#include "tests/unit/model_rig.h"

#define MS 1000000ull
#define SECOND 1000000000ull
#define READ_EVERY (250 * MS)	/* as the live source does */

static void read_run(struct rig *rig, uint64_t cpu_ns, uint32_t state)
{
	struct ev_run e = { .cpu_ns = cpu_ns, .state = state };

	rig__send(rig, &e, EV_RUN, sizeof(e));
}

static uint32_t own(struct rig *rig, uint32_t tgid)
{
	return process__now_tick(rig__find(rig, tgid), rig->world);
}

/* Ticks by which the process's clock is behind the wall's. */
static uint32_t behind(struct rig *rig, uint32_t tgid)
{
	return world__now_tick(rig->world) - own(rig, tgid);
}

/* `ns` of a process that uses one part in `part` of a CPU (0: none), read at the usual pace. */
static void live(struct rig *rig, uint64_t *cpu_ns, uint64_t ns, uint64_t part, uint32_t state)
{
	uint64_t end = rig->now_ns + ns;

	while (rig->now_ns < end) {
		rig->now_ns += READ_EVERY;
		if (part)
			*cpu_ns += READ_EVERY / part;
		read_run(rig, *cpu_ns / (10 * MS) * (10 * MS), state);
	}
}

static void touch(struct rig *rig)
{
	rig__open(rig, 0, 0, rig->now_ns, 100, 0);
}

static void test_without_readings(void **state)
{
	struct rig rig = { 0 };

	rig__init(&rig);
	touch(&rig);
	rig__ticks(&rig, 36000);
	touch(&rig);
	assert_int_equal(own(&rig, 100), 36000);
	rig__fini(&rig);
}

static void test_at_work(void **state)
{
	static const uint64_t parts[] = { 1, 4, 30, 100 };

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		struct rig rig = { 0 };
		uint64_t cpu = 5 * SECOND;

		rig__init(&rig);
		touch(&rig);
		for (int minute = 0; minute < 60; minute++) {
			live(&rig, &cpu, 60 * SECOND, parts[i], 0);
			assert_int_equal(behind(&rig, 100), 0);
		}
		rig__fini(&rig);
	}
}

/* Eight idle seconds of ten, and a server that does little but does it. */
static void test_short_pauses(void **state)
{
	struct rig rig = { 0 };
	uint64_t cpu = 0;

	rig__init(&rig);
	touch(&rig);
	for (int i = 0; i < 100; i++) {
		live(&rig, &cpu, 2 * SECOND, 2, 0);
		live(&rig, &cpu, 8 * SECOND, 0, 0);
		assert_int_equal(behind(&rig, 100), 0);
	}
	for (int i = 0; i < 500; i++) {
		live(&rig, &cpu, 5 * SECOND, 0, 0);
		touch(&rig);
		assert_int_equal(behind(&rig, 100), 0);
	}
	rig__fini(&rig);
}

static void test_stopped(void **state)
{
	static const uint32_t reasons[] = { EV_RUN_STOPPED, EV_RUN_FROZEN };

	for (size_t i = 0; i < 2; i++) {
		struct rig rig = { 0 };
		uint64_t cpu = 0;
		uint32_t at;

		rig__init(&rig);
		touch(&rig);
		live(&rig, &cpu, 2 * SECOND, 2, 0);
		at = own(&rig, 100);
		live(&rig, &cpu, 5 * SECOND, 0, reasons[i]);
		/* Less than a reading passed before it was noticed. */
		assert_in_range(own(&rig, 100), at, at + WORLD_TICKS(300));
		at = own(&rig, 100);
		live(&rig, &cpu, 3600 * SECOND, 0, reasons[i]);
		assert_int_equal(own(&rig, 100), at);
		/* It may do nothing, but it can: it runs. */
		live(&rig, &cpu, SECOND, 0, 0);
		assert_in_range(own(&rig, 100), at + WORLD_TICKS(700), at + WORLD_TICKS(1000));
		rig__fini(&rig);
	}
}

static void test_record_ends_a_stop(void **state)
{
	struct rig rig = { 0 };
	struct region region;
	uint64_t cpu = 0, stopped_ns;
	uint32_t at;

	rig__init(&rig);
	touch(&rig);
	live(&rig, &cpu, SECOND, 2, EV_RUN_STOPPED);
	at = own(&rig, 100);
	stopped_ns = rig.now_ns;
	rig__ticks(&rig, 50);
	read_run(&rig, cpu, EV_RUN_STOPPED);
	/* Told late, but done before. */
	rig.now_ns = stopped_ns - 900 * MS;
	rig__mmap(&rig, 0, 10, 1, RW, ANON);
	assert_int_equal(own(&rig, 100), at);
	rig.now_ns = stopped_ns + 6 * SECOND;
	rig__mmap(&rig, 0, 20, 1, RW, ANON);
	assert_int_equal(own(&rig, 100), at);
	rig__ticks(&rig, 5);
	rig__mmap(&rig, 0, 30, 1, RW, ANON);
	assert_int_equal(own(&rig, 100), at + 5);
	assert_true(rig__at(&rig, 10, &region) && region.birth_tick == at);
	assert_true(rig__at(&rig, 20, &region) && region.birth_tick == at);
	assert_true(rig__at(&rig, 30, &region) && region.birth_tick == at + 5);
	rig__fini(&rig);
}

/* A runtime that idles all night with 0.2 % of a CPU, after eight hours of work. */
static void test_night(void **state)
{
	struct rig rig = { 0 };
	uint64_t cpu = 0;
	uint32_t day;

	rig__init(&rig);
	touch(&rig);
	live(&rig, &cpu, 8 * 3600 * SECOND, 3, 0);
	day = own(&rig, 100);
	assert_int_equal(behind(&rig, 100), 0);
	live(&rig, &cpu, 10 * 3600 * SECOND, 500, 0);
	assert_in_range(own(&rig, 100), day + day / 16, day + day / 15 + WORLD_TICKS(500));
	/* In the morning it runs again, from the first reading that shows it. */
	day = own(&rig, 100);
	live(&rig, &cpu, 60 * SECOND, 3, 0);
	assert_in_range(own(&rig, 100), day + WORLD_TICKS(59500), day + WORLD_TICKS(60000));
	rig__fini(&rig);
}

static void test_fork(void **state)
{
	struct rig rig = { 0 };
	struct region region;
	uint64_t cpu = 0;
	uint32_t born, at;

	rig__init(&rig);
	rig__ticks(&rig, 10);
	rig__mmap(&rig, 0, 10, 4, RW, ANON);
	born = own(&rig, 100);
	live(&rig, &cpu, 20 * SECOND, 0, EV_RUN_STOPPED);
	at = own(&rig, 100);
	rig__ticks(&rig, 1);
	rig__fork(&rig, 101, 0);
	rig__fork(&rig, 102, 1);
	assert_int_equal(own(&rig, 101), at);
	assert_int_equal(own(&rig, 102), at);
	rig.tgid = 101;
	assert_true(rig__at(&rig, 10, &region) && region.birth_tick == born);
	/* Each goes on by itself. */
	rig.tgid = 100;
	live(&rig, &cpu, 20 * SECOND, 0, EV_RUN_STOPPED);
	rig.tgid = 101;
	touch(&rig);
	assert_in_range(own(&rig, 101), at + WORLD_TICKS(19800), at + WORLD_TICKS(20300));
	assert_in_range(own(&rig, 100), at, at + WORLD_TICKS(300));
	/* Who shares the address space works for all of it, and inherits its clock. */
	at = own(&rig, 100);
	rig.tgid = 102;
	rig__mmap(&rig, 0, 20, 1, RW, ANON);
	rig__ticks(&rig, 7);
	rig__mmap(&rig, 0, 30, 1, RW, ANON);
	assert_int_equal(own(&rig, 100), at + 7);
	rig.tgid = 100;
	rig__exit(&rig);
	rig.tgid = 102;
	assert_int_equal(own(&rig, 102), at + 7);
	assert_true(rig__at(&rig, 20, &region) && region.birth_tick == at);
	rig__fini(&rig);
}

static void test_end_of_a_stopped_one(void **state)
{
	struct rig rig = { .opts = { .keep_exited = true } };
	const struct process *p;
	uint64_t cpu = 0;
	uint32_t at;

	rig__init(&rig);
	touch(&rig);
	live(&rig, &cpu, 20 * SECOND, 0, EV_RUN_STOPPED);
	at = own(&rig, 100);
	p = rig__find(&rig, 100);
	rig__ticks(&rig, 30);
	rig__exit(&rig);
	assert_int_equal(process__now_tick(p, rig.world), at);
	rig.tgid = 101;
	rig__ticks(&rig, 30);
	touch(&rig);
	assert_int_equal(process__now_tick(p, rig.world), at);
	rig__fini(&rig);
}

/* Whatever the readings say: never back, never faster than the wall. */
static void test_random(void **state)
{
	struct rig rig = { 0 };
	uint64_t seed = 7, cpu = 0;
	uint32_t before = 0, wall = 0;

	rig__init(&rig);
	touch(&rig);
	for (int i = 0; i < 20000; i++) {
		uint32_t now, now_wall;

		seed = seed * 6364136223846793005ull + 1442695040888963407ull;
		rig.now_ns += (seed >> 33) % (i % 100 ? 400 * MS : 4000 * SECOND);
		if (seed >> 60 < 3)
			cpu = seed >> 20;	/* nonsense, backwards too */
		else if (seed >> 60 < 8)
			cpu += (seed >> 40) % (300 * MS);
		if (seed >> 60 == 15)
			rig__close(&rig, 0, 1, "x");
		else
			read_run(&rig, cpu, (seed >> 50) % 5 < 3 ? 0 : (seed >> 50) % 5 - 2);
		now = own(&rig, 100);
		now_wall = world__now_tick(rig.world);
		assert_true(now >= before);
		assert_true(now - before <= now_wall - wall);
		before = now;
		wall = now_wall;
	}
	rig__fini(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_readings),
		cmocka_unit_test(test_at_work),
		cmocka_unit_test(test_short_pauses),
		cmocka_unit_test(test_stopped),
		cmocka_unit_test(test_record_ends_a_stop),
		cmocka_unit_test(test_night),
		cmocka_unit_test(test_fork),
		cmocka_unit_test(test_end_of_a_stopped_one),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
