/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Losses that are known to be a process's own, and pages that nobody touched: what they do to
 * verdicts and to the order of a report.
 */
#include "tests/unit/sim.h"

/* 1,000 opened, one in keep_one_in seems to be open at the end; so many closes were lost. */
static bool leaks(unsigned int keep_one_in, unsigned int lost, unsigned int found)
{
	struct sim sim;
	bool leak;

	sim_init(&sim, INFLATE, DETECTOR_ONE_SHOT);
	sim.process->kinds[INFLATE].lost_closed = lost;
	sim.process->kinds[INFLATE].lost_closed_found = found;
	open_and_close(&sim, keep_one_in);
	sim_idle(&sim, 5);
	leak = sim.leak_step > 0;
	sim_fini(&sim);
	return leak;
}

static void lost_closes_are_no_leak(void **state)
{
	assert_true(leaks(20, 0, 0));
	assert_false(leaks(20, 50, 0));		/* all of it: 50 open, 50 closes lost */
	assert_true(leaks(20, 50, 50));		/* they have shown themselves since */
	assert_true(leaks(5, 50, 0));		/* four times as many as that explains */
	assert_false(leaks(5, 200, 0));
}

static void lost_opens_take_nothing_from_a_leak(void **state)
{
	struct sim sim;

	sim_init(&sim, INFLATE, DETECTOR_ONE_SHOT);
	sim.process->kinds[INFLATE].lost_opened = 1000;
	sim.process->lost_regions = 1000;
	open_and_close(&sim, 20);
	sim_idle(&sim, 5);
	assert_true(sim.leak_step > 0);
	sim_fini(&sim);
}

static void regions_of_a_lossy_process_are_not_judged(void **state)
{
	struct sim sim;

	sim_init(&sim, KIND_ANON, DETECTOR_ONE_SHOT);
	sim.process->lossy = true;
	map_regions(&sim, 1000, 10);
	sim_idle(&sim, 5);
	assert_int_equal(sim.leak_step, 0);
	sim.process->lossy = false;	/* its map file was read, and says they are there */
	map_regions(&sim, 200, 10);
	sim_idle(&sim, 5);
	assert_true(sim.leak_step > 0);
	sim_fini(&sim);
}

static void lost_releases_of_regions_count(void **state)
{
	struct sim sim;

	sim_init(&sim, KIND_ANON, DETECTOR_ONE_SHOT);
	sim.process->lost_regions = 100;	/* each of the 100 kept may have been replaced */
	map_regions(&sim, 1000, 10);
	sim_idle(&sim, 5);
	assert_int_equal(sim.leak_step, 0);
	sim_fini(&sim);
}

static void touch(struct sim *sim, struct site *site, double share)
{
	site->has_resident = true;
	site->resident_ns = sim->world.now_ns;
	site->resident_of = site->bytes;
	site->resident_bytes = (uint64_t)((double)site->bytes * share);
}

/* Two sites that leak; the one that takes twice as much is hardly touched. */
static void the_toucher_comes_first(void **state)
{
	struct site *large, *small;
	struct report *report;
	struct sim sim;

	sim_init(&sim, KIND_ANON, DETECTOR_ONE_SHOT);
	large = sim.site;
	small = fake_site(&sim.world, sim.process, KIND_ANON);
	for (unsigned int i = 0; i < 1000; i++) {
		uint32_t birth = fake_open(&sim.world, large, 131072);

		fake_open(&sim.world, small, 65536);
		sim_step(&sim);
		if (i % 10) {
			fake_close(&sim.world, large, 131072, birth);
			fake_close(&sim.world, small, 65536, birth);
		}
	}
	sim_check(&sim);
	report = sim_report(&sim);
	assert_int_equal(report->processes[0].sites[0].bytes, large->bytes);
	assert_false(report->processes[0].sites[0].has_resident);
	report__free(report);

	touch(&sim, large, 0.01);
	touch(&sim, small, 0.5);
	report = sim_report(&sim);
	assert_int_equal(report->processes[0].sites[0].bytes, small->bytes);
	assert_int_equal(report->processes[0].sites[0].resident_bytes, small->resident_bytes);
	assert_int_equal(report->processes[0].sites[1].verdict, VERDICT_LEAK);
	assert_int_equal(report->n_not_covered, 0);
	report__free(report);

	large->resident_of /= 2;	/* the look was cut short: that is said */
	report = sim_report(&sim);
	assert_int_equal(report->n_not_covered, 1);
	report__free(report);

	sim_idle(&sim, 11);	/* measured for an earlier report: over */
	report = sim_report(&sim);
	assert_false(report->processes[0].sites[0].has_resident);
	report__free(report);
	sim_fini(&sim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lost_closes_are_no_leak),
		cmocka_unit_test(lost_opens_take_nothing_from_a_leak),
		cmocka_unit_test(regions_of_a_lossy_process_are_not_judged),
		cmocka_unit_test(lost_releases_of_regions_count),
		cmocka_unit_test(the_toucher_comes_first),
	};

	return cmocka_run_group_tests_name("detector, losses", tests, NULL, NULL);
}
