/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The first verdict on handles: leaks and, beside each, the harmless twin that looks like it.
 */
#include "tests/unit/sim.h"

static void ten_of_a_thousand_leak(void **state)
{
	struct sim sim;

	sim_init(&sim, INFLATE, DETECTOR_ONE_SHOT);
	open_and_close(&sim, 100);
	assert_int_equal(sim.site->open, 10);
	sim_idle(&sim, 3);
	assert_int_equal(sim_verdict(&sim), VERDICT_LEAK);
	assert_int_equal(detector__process_verdict(sim.detector, sim.process), VERDICT_LEAK);
	assert_true(sim.sure_step > 0);
	assert_evidence(&sim, "10 of 1,000 still open; the 990 closed lived at most 0.1 s, "
			      "the open ones are 3.2 s to 5.0 s old");
	sim_fini(&sim);
}

/* As tests/programs/zstreams does it: 500 a second, each closed 2 ms after it was opened. */
static void pass_through(struct sim *sim, unsigned int n, unsigned int keep_one_in)
{
	uint32_t birth = 0;

	for (unsigned int i = 0; i < n; i++) {
		uint32_t next = fake_open(&sim->world, sim->site, STREAM);

		if (i && (!keep_one_in || i % keep_one_in))
			fake_close(&sim->world, sim->site, STREAM, birth);
		birth = next;
		if (i % 5 == 4)
			sim_step(sim);
	}
	fake_close(&sim->world, sim->site, STREAM, birth);
}

static void ten_strays_are_found_at_once(void **state)
{
	struct sim sim;

	sim_init(&sim, INFLATE, DETECTOR_ONE_SHOT);
	sim_idle(&sim, 0.7);
	pass_through(&sim, 1000, 100);
	assert_int_equal(sim.site->open, 9);
	sim_idle(&sim, 0.3);
	assert_int_equal(sim_verdict(&sim), VERDICT_LEAK);
	sim_fini(&sim);

	/* And at the very end of a process that goes on no longer. */
	sim_init(&sim, INFLATE, DETECTOR_ONE_SHOT);
	pass_through(&sim, 1000, 100);
	sim_exit(&sim);
	assert_int_equal(sim_verdict(&sim), VERDICT_LEAK);
	sim_fini(&sim);

	sim_init(&sim, INFLATE, DETECTOR_ONE_SHOT);
	pass_through(&sim, 1000, 0);
	sim_idle(&sim, 0.3);
	assert_int_equal(sim.leak_step, 0);
	assert_int_equal(sim_verdict(&sim), VERDICT_NONE);
	sim_fini(&sim);
}

static void a_thousand_all_closed_is_none(void **state)
{
	struct sim sim;

	sim_init(&sim, INFLATE, DETECTOR_ONE_SHOT);
	open_and_close(&sim, 0);
	sim_idle(&sim, 5);
	sim_exit(&sim);
	assert_int_equal(sim.leak_step, 0);
	assert_int_equal(sim_verdict(&sim), VERDICT_NONE);
	sim_fini(&sim);
}

/* The same ten, and the process ends with them two seconds later. */
static void ten_of_a_thousand_at_the_end_leak(void **state)
{
	struct sim sim;

	sim_init(&sim, INFLATE, DETECTOR_ONE_SHOT);
	open_and_close(&sim, 100);
	sim_idle(&sim, 1);
	sim_exit(&sim);
	assert_int_equal(sim_verdict(&sim), VERDICT_LEAK);
	assert_true(detector__is_sure(sim.detector));
	sim_fini(&sim);
}

/* Ten in use when the process ends: as young as those that were closed. */
static void in_use_at_the_end_is_none(void **state)
{
	uint32_t births[10];
	struct sim sim;

	sim_init(&sim, INFLATE, DETECTOR_ONE_SHOT);
	for (unsigned int i = 0; i < 40; i++) {
		for (unsigned int j = 0; j < N(births); j++)
			births[j] = fake_open(&sim.world, sim.site, STREAM);
		sim_idle(&sim, 0.1);
		if (i == 39)
			break;
		for (unsigned int j = 0; j < N(births); j++)
			fake_close(&sim.world, sim.site, STREAM, births[j]);
	}
	sim_exit(&sim);
	assert_int_equal(sim.site->open, 10);
	assert_int_equal(sim.leak_step, 0);
	sim_fini(&sim);
}

static void steady_inflow_never_closed_leaks(void **state)
{
	struct sim sim;

	sim_init(&sim, INFLATE, DETECTOR_ONE_SHOT);
	sim_idle(&sim, 2);
	open_streams(&sim, 10250, 5, NULL);
	assert_int_equal(sim_verdict(&sim), VERDICT_LEAK);
	assert_in_range(sim.leak_step, 200, 300);
	assert_in_range(sim.sure_step, 200, 550);
	assert_evidence(&sim, "none of 10,250 was ever closed; the open ones are up to 5.0 s old");
	/* The inflow stops, as at the end of log recovery: they are still leaked. */
	sim_idle(&sim, 60);
	assert_int_equal(sim_verdict(&sim), VERDICT_LEAK);
	sim_fini(&sim);
}

static void a_burst_that_is_kept_leaks(void **state)
{
	static const double lasting[] = { 0, 0.05, 0.3, 1 };

	for (unsigned int i = 0; i < N(lasting); i++) {
		struct sim sim;

		sim_init(&sim, INFLATE, DETECTOR_ONE_SHOT);
		sim_idle(&sim, 0.5);
		open_streams(&sim, 10000, lasting[i], NULL);
		sim_idle(&sim, 4);
		assert_int_equal(sim_verdict(&sim), VERDICT_LEAK);
		assert_true(sim.sure_step > 0);
		sim_fini(&sim);
	}
}

static void a_pool_opened_at_start_is_none(void **state)
{
	struct sim sim;

	sim_init(&sim, INFLATE, DETECTOR_ONE_SHOT);
	open_streams(&sim, 16, 0.1, NULL);
	sim_idle(&sim, 20);
	assert_int_equal(sim_verdict(&sim), VERDICT_NONE);
	sim_exit(&sim);
	assert_int_equal(sim.leak_step, 0);
	sim_fini(&sim);
}

static void a_thousand_kept_to_the_end_leak(void **state)
{
	struct sim sim;

	sim_init(&sim, INFLATE, DETECTOR_ONE_SHOT);
	open_streams(&sim, 1000, 0, NULL);	/* as fast as python can */
	sim_idle(&sim, 0.05);
	sim_exit(&sim);
	assert_int_equal(sim_verdict(&sim), VERDICT_LEAK);
	sim_fini(&sim);
}

/* The twin: the list goes out of scope before the end. */
static void all_closed_at_once_at_the_end_is_none(void **state)
{
	uint32_t births[1000];
	struct sim sim;

	sim_init(&sim, INFLATE, DETECTOR_ONE_SHOT);
	open_streams(&sim, N(births), 0.5, births);
	sim_idle(&sim, 0.1);
	for (unsigned int i = 0; i < N(births); i++)
		fake_close(&sim.world, sim.site, STREAM, births[i]);
	sim_exit(&sim);
	assert_int_equal(sim_verdict(&sim), VERDICT_NONE);
	assert_int_equal(sim.sure_step, 0);
	sim_fini(&sim);

	/* Held for long before that: said to leak meanwhile, and taken back. */
	sim_init(&sim, INFLATE, DETECTOR_ONE_SHOT);
	open_streams(&sim, N(births), 1, births);
	sim_idle(&sim, 5);
	assert_int_equal(sim_verdict(&sim), VERDICT_LEAK);
	for (unsigned int i = 0; i < N(births) * 45 / 100; i++)
		fake_close(&sim.world, sim.site, STREAM, births[i]);
	sim_idle(&sim, 0.2);
	assert_int_equal(sim_verdict(&sim), VERDICT_LEAK);	/* not half of them yet */
	for (unsigned int i = N(births) * 45 / 100; i < N(births) * 55 / 100; i++)
		fake_close(&sim.world, sim.site, STREAM, births[i]);
	sim_idle(&sim, 0.3);
	assert_int_not_equal(sim_verdict(&sim), VERDICT_LEAK);
	assert_int_equal(sim.site->open, 450);
	sim_fini(&sim);
}

/* Each lives two seconds: the first second looks like a leak, nothing may be sure about it. */
static void steady_churn_is_none(void **state)
{
	static const double life[] = { 0.02, 0.3, 2 };

	for (unsigned int i = 0; i < N(life); i++) {
		unsigned int lag = (unsigned int)(life[i] * STEPS_PER_S);
		uint32_t births[200];
		struct sim sim;

		sim_init(&sim, INFLATE, DETECTOR_ONE_SHOT);
		for (unsigned int t = 0; t < 3000; t++) {
			if (t >= lag)
				fake_close(&sim.world, sim.site, STREAM, births[t % lag]);
			births[t % lag] = fake_open(&sim.world, sim.site, STREAM);
			sim_step(&sim);
		}
		assert_int_equal(sim.sure_step, 0);
		assert_int_equal(sim_verdict(&sim), VERDICT_NONE);
		sim_fini(&sim);
	}
}

static void a_sawtooth_is_no_leak(void **state)
{
	struct sim sim;

	sim_init(&sim, INFLATE, DETECTOR_ONE_SHOT);
	saw(&sim, 1, 2, 0);
	for (unsigned int tooth = 0; tooth < 8; tooth++) {
		sim.leak_step = 0;
		/* Never again after the first fall, and at the brink least of all. */
		saw(&sim, 1, tooth % 2 ? 1.5 : 2.5, 0);
		assert_int_equal(sim.leak_step, 0);
	}
	sim_idle(&sim, 0.3);
	assert_int_equal(sim.sure_step, 0);
	assert_int_equal(sim_verdict(&sim), VERDICT_WATCH);
	assert_evidence(&sim, "0 of 1,800 still open; closed only by the collector: "
			      "a forgotten close()");
	sim_fini(&sim);
}

/* What the collector never gets at stays below the teeth: the floor rises. */
static void a_leak_under_a_sawtooth_leaks(void **state)
{
	struct sim sim;

	sim_init(&sim, INFLATE, DETECTOR_ONE_SHOT);
	saw(&sim, 12, 2, 10);
	assert_int_equal(sim_verdict(&sim), VERDICT_LEAK);
	sim_fini(&sim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ten_of_a_thousand_leak),
		cmocka_unit_test(ten_strays_are_found_at_once),
		cmocka_unit_test(a_thousand_all_closed_is_none),
		cmocka_unit_test(ten_of_a_thousand_at_the_end_leak),
		cmocka_unit_test(in_use_at_the_end_is_none),
		cmocka_unit_test(steady_inflow_never_closed_leaks),
		cmocka_unit_test(a_burst_that_is_kept_leaks),
		cmocka_unit_test(a_pool_opened_at_start_is_none),
		cmocka_unit_test(a_thousand_kept_to_the_end_leak),
		cmocka_unit_test(all_closed_at_once_at_the_end_is_none),
		cmocka_unit_test(steady_churn_is_none),
		cmocka_unit_test(a_sawtooth_is_no_leak),
		cmocka_unit_test(a_leak_under_a_sawtooth_leaks),
	};

	return cmocka_run_group_tests_name("detector", tests, NULL, NULL);
}
