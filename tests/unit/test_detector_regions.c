/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The first verdict on mapped memory: strays, growth that goes on, growth that ends, and what is
 * none of the process's doing.
 */
#include "tests/unit/sim.h"

static void one_in_ten_mappings_leaks(void **state)
{
	struct sim sim;

	sim_init(&sim, KIND_ANON, DETECTOR_ONE_SHOT);
	map_regions(&sim, 500, 10);
	assert_int_equal(sim_verdict(&sim), VERDICT_LEAK);
	assert_in_range(sim.sure_step, 1, 400);
	sim_fini(&sim);

	/* Nothing more comes: what is kept is still kept. */
	sim_init(&sim, KIND_ANON, DETECTOR_ONE_SHOT);
	map_regions(&sim, 100, 10);
	sim_idle(&sim, 4);
	assert_int_equal(sim_verdict(&sim), VERDICT_LEAK);
	assert_evidence(&sim, "10 of 100 still held; the 90 given back lived at most 0.1 s, "
			      "the held ones are 4.1 s to 5.0 s old");
	sim_fini(&sim);
}

static void mappings_all_given_back_is_none(void **state)
{
	struct sim sim;

	sim_init(&sim, KIND_ANON, DETECTOR_ONE_SHOT);
	map_regions(&sim, 1000, 0);
	sim_exit(&sim);
	assert_int_equal(sim.leak_step, 0);
	assert_int_equal(sim_verdict(&sim), VERDICT_NONE);
	sim_fini(&sim);
}

/* An allocator's arenas: forty taken while it starts, a few given back, the rest kept. */
static void warm_up_of_regions_is_none(void **state)
{
	struct sim sim;

	sim_init(&sim, KIND_ANON, DETECTOR_ONE_SHOT);
	for (unsigned int i = 0; i < 60; i++) {
		uint32_t birth = fake_open(&sim.world, sim.site, 256 * 1024);

		sim_step(&sim);
		if (i % 3 == 0)
			fake_close(&sim.world, sim.site, 256 * 1024, birth);
	}
	sim_idle(&sim, 10);
	assert_int_equal(sim_verdict(&sim), VERDICT_NONE);
	sim_exit(&sim);
	assert_int_equal(sim_verdict(&sim), VERDICT_NONE);
	sim_fini(&sim);
}

/* A hundred regions a second, given back in three batches; then a pile that waits for the next one. */
static void a_pile_between_batches_is_none(void **state)
{
	struct sim sim;
	uint32_t births[600];
	unsigned int n = 0;

	sim_init(&sim, KIND_ANON, DETECTOR_ONE_SHOT);
	for (unsigned int i = 1; i <= N(births); i++) {
		births[n++] = fake_open(&sim.world, sim.site, 256 * 1024);
		sim_step(&sim);
		if (i % 50 || i > 150)
			continue;
		while (n)
			fake_close(&sim.world, sim.site, 256 * 1024, births[--n]);
	}
	assert_int_equal(sim.leak_step, 0);
	sim_fini(&sim);
}

/* 200 MB in four seconds. */
static void fill(struct sim *sim, double seconds)
{
	for (uint32_t i = 0; i < seconds * 10; i++) {
		for (unsigned int j = 0; j < 5; j++)
			fake_open(&sim->world, sim->site, MIB);
		sim_idle(sim, 0.1);
	}
}

static void growth_is_growth_until_it_stops(void **state)
{
	struct report *report;
	struct sim sim;

	sim_init(&sim, KIND_ANON, DETECTOR_ONE_SHOT);
	fill(&sim, 4);
	assert_int_equal(sim_verdict(&sim), VERDICT_GROWTH);
	assert_int_equal(detector__process_verdict(sim.detector, sim.process), VERDICT_GROWTH);
	report = sim_report(&sim);
	assert_int_equal(report->verdict, VERDICT_GROWTH);
	assert_int_equal(report__exit_status(report), 0);
	report__free(report);
	assert_evidence(&sim, "210 MB held and the least held still rises; "
			      "nothing given back so far");
	sim_idle(&sim, 4);
	assert_int_equal(sim_verdict(&sim), VERDICT_NONE);
	assert_int_equal(sim.leak_step, 0);
	sim_exit(&sim);
	assert_int_equal(sim_verdict(&sim), VERDICT_NONE);
	sim_fini(&sim);
}

/* The process grows by so many times what the site takes. */
static enum verdict verdict_in_a_growth_of(uint64_t times)
{
	enum verdict verdict;
	struct sim sim;

	sim_init(&sim, KIND_ANON, DETECTOR_ONE_SHOT);
	for (uint64_t i = 0; i < 40; i++) {
		fake_memory(&sim.world, sim.process, i * MIB * times, 1ull << 40);
		fake_open(&sim.world, sim.site, MIB);
		sim_idle(&sim, 0.1);
	}
	verdict = sim_verdict(&sim);
	sim_fini(&sim);
	return verdict;
}

static void growth_is_a_part_of_the_process_s(void **state)
{
	assert_int_equal(verdict_in_a_growth_of(5), VERDICT_GROWTH);
	assert_int_equal(verdict_in_a_growth_of(50), VERDICT_NONE);
}

static void growth_to_the_end_is_growth(void **state)
{
	struct sim sim;

	sim_init(&sim, KIND_ANON, DETECTOR_ONE_SHOT);
	fill(&sim, 3);
	sim_exit(&sim);
	assert_int_equal(sim_verdict(&sim), VERDICT_GROWTH);
	sim_fini(&sim);
}

/* Fills ever more slowly, then no more: never a leak, and none at the end. */
static void a_filling_cache_that_stops_is_none(void **state)
{
	double room = 100;
	struct sim sim;

	sim_init(&sim, KIND_ANON, DETECTOR_ONE_SHOT);
	for (unsigned int i = 0; i < 100; i++) {
		double n = room * 0.08;

		for (unsigned int j = 0; j < (unsigned int)n; j++)
			fake_open(&sim.world, sim.site, MIB);
		room -= (unsigned int)n;
		sim_idle(&sim, 0.1);
	}
	sim_idle(&sim, 5);
	assert_int_equal(sim_verdict(&sim), VERDICT_NONE);
	assert_int_equal(sim.leak_step, 0);
	sim_fini(&sim);
}

static void sawing_regions_do_not_grow(void **state)
{
	struct sim sim;

	sim_init(&sim, KIND_ANON, DETECTOR_ONE_SHOT);
	for (unsigned int tooth = 0; tooth < 10; tooth++) {
		uint32_t births[15];

		for (unsigned int i = 0; i < N(births); i++) {
			births[i] = fake_open(&sim.world, sim.site, MIB);
			sim_idle(&sim, 0.1);
			if (tooth >= 2)
				assert_int_equal(sim_verdict(&sim), VERDICT_NONE);
		}
		for (unsigned int i = 0; i < N(births); i++)
			fake_close(&sim.world, sim.site, MIB, births[i]);
	}
	assert_int_equal(sim.leak_step, 0);
	sim_fini(&sim);
}

static void reservations_and_what_was_there_are_none(void **state)
{
	struct report *report;
	struct sim sim;

	sim_init(&sim, KIND_RESERVED, DETECTOR_ONE_SHOT);
	fill(&sim, 4);
	assert_int_equal(sim_verdict(&sim), VERDICT_NONE);
	sim_fini(&sim);

	sim_init(&sim, KIND_ANON, DETECTOR_ONE_SHOT);
	sim.site->before_attach = true;
	map_regions(&sim, 500, 10);
	assert_int_equal(sim_verdict(&sim), VERDICT_NONE);
	fake_open(&sim.world, fake_site(&sim.world, sim.process, KIND_ANON), 4096);
	report = sim_report(&sim);
	assert_int_equal(report->processes[0].kinds[0].opened, 1);
	assert_int_equal(report->processes[0].kinds[0].open, 1);
	assert_int_equal(report->processes[0].kinds[0].bytes, 4096);
	report__free(report);
	sim_fini(&sim);

	/* The top of the heap is given back youngest first: that makes the rest no strays. */
	sim_init(&sim, KIND_HEAP, DETECTOR_ONE_SHOT);
	map_regions(&sim, 1000, 10);
	assert_int_equal(sim.leak_step, 0);
	sim_fini(&sim);
}

static void map_file(struct sim *sim, unsigned int n, bool same)
{
	for (unsigned int i = 0; i < n; i++) {
		fake_open(&sim->world, sim->site, 16384);
		sim->site->same_file += same && sim->site->open > 1;
		sim_step(sim);
	}
}

static void one_file_mapped_again_and_again_leaks(void **state)
{
	struct sim sim;

	sim_init(&sim, KIND_FILE, DETECTOR_ONE_SHOT);
	map_file(&sim, 200, true);
	assert_int_equal(sim_verdict(&sim), VERDICT_LEAK);
	assert_evidence(&sim, "199 mappings held of file ranges that were mapped here already; "
			      "0 of 200 given back");
	sim_fini(&sim);

	sim_init(&sim, KIND_FILE, DETECTOR_ONE_SHOT);
	map_file(&sim, 200, false);	/* a different file each time: an index, say */
	assert_int_equal(sim.leak_step, 0);
	sim_exit(&sim);
	assert_int_equal(sim.leak_step, 0);
	sim_fini(&sim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_in_ten_mappings_leaks),
		cmocka_unit_test(mappings_all_given_back_is_none),
		cmocka_unit_test(a_pile_between_batches_is_none),
		cmocka_unit_test(warm_up_of_regions_is_none),
		cmocka_unit_test(growth_is_growth_until_it_stops),
		cmocka_unit_test(growth_is_a_part_of_the_process_s),
		cmocka_unit_test(growth_to_the_end_is_growth),
		cmocka_unit_test(a_filling_cache_that_stops_is_none),
		cmocka_unit_test(sawing_regions_do_not_grow),
		cmocka_unit_test(reservations_and_what_was_there_are_none),
		cmocka_unit_test(one_file_mapped_again_and_again_leaks),
	};

	return cmocka_run_group_tests_name("detector_regions", tests, NULL, NULL);
}
