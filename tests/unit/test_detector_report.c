/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * What is made of the verdicts: losses, the service's question, growth, shares, the report.
 */
#include "tests/unit/sim.h"

static void losses_demand_more_survivors(void **state)
{
	struct sim sim;

	/* 10 of 1,000, but one event in a hundred was lost: it may have been their closes. */
	sim_init(&sim, INFLATE, DETECTOR_ONE_SHOT);
	open_and_close(&sim, 100);
	sim.world.lost[EV_LOSS_RING_FULL] = 20;
	sim_idle(&sim, 5);
	assert_int_equal(sim.leak_step, 0);
	sim_fini(&sim);

	sim_init(&sim, INFLATE, DETECTOR_ONE_SHOT);
	open_and_close(&sim, 10);
	sim.world.lost[EV_LOSS_RING_FULL] = 20;
	sim_idle(&sim, 5);
	assert_true(sim.leak_step > 0);
	sim_fini(&sim);
}

static void the_service_weighs_by_the_limit(void **state)
{
	static const struct {
		uint64_t left;
		enum verdict verdict;
	} rows[] = {
		{ 1000ull * STREAM * 20, VERDICT_WATCH },	/* 5 % of the headroom */
		{ 1000ull * STREAM * 5, VERDICT_LEAK },		/* 17 % */
	};

	for (unsigned int i = 0; i < N(rows); i++) {
		struct sim sim;

		sim_init(&sim, INFLATE, DETECTOR_SERVICE);
		fake_memory(&sim.world, sim.process, 0, rows[i].left);
		open_streams(&sim, 1000, 2, NULL);
		assert_int_equal(sim_verdict(&sim), rows[i].verdict);
		sim_fini(&sim);
	}
}

static void growth_and_time_left(void **state)
{
	const struct report_process *p;
	struct report *report;
	struct sim sim;

	sim_init(&sim, INFLATE, DETECTOR_ONE_SHOT);
	for (unsigned int i = 0; i < 50; i++) {
		/* 10 MB a tick: 4 of streams, 4 of other anonymous memory, the rest unexplained. */
		fake_memory(&sim.world, sim.process, 50000000 + 10000000ull * i,
			    3000000000 - 10000000ull * i);
		for (unsigned int j = 0; j < 100; j++)
			fake_open(&sim.world, sim.site, 40000);
		sim_idle(&sim, 0.1);
	}
	sim.world.trust = (struct ev_trust){ .stacks = 5000, .stacks_complete = 4999 };
	sim.world.notes[0] = "Something is not covered.";
	report = sim_report(&sim);
	p = &report->processes[0];
	assert_int_equal(report->verdict, VERDICT_LEAK);
	assert_int_equal(report__exit_status(report), 3);
	assert_true(p->growth_bytes_per_second > 99e6 && p->growth_bytes_per_second < 101e6);
	assert_true(p->explained_share > 0.38 && p->explained_share < 0.42);
	assert_true(p->sites[0].share == p->explained_share);
	assert_true(p->has_limit);
	assert_int_equal(p->limit.kind, EV_LIMIT_HOST);
	/* 25 s if all goes on; 55 s if what is not explained ends after as long again as it has lasted. */
	assert_true(p->limit.seconds_low > 23 && p->limit.seconds_low < 26);
	assert_true(p->limit.seconds_high > 50 && p->limit.seconds_high < 60);
	assert_true(p->limit.seconds_low <= p->limit.seconds_high);
	assert_int_equal(p->kinds[0].opened, 5000);
	assert_int_equal(report->n_not_covered, 1);
	assert_int_equal(report->stacks_complete, 4999);
	assert_int_equal(p->sites[0].n_frames, 2);
	assert_string_equal(p->sites[0].frames[0].module, "libz.so.1");
	assert_string_equal(p->sites[0].frames[0].build_id, "ab0c");
	assert_true(p->sites[0].complete && p->sites[0].frames[0].innermost);
	assert_null(p->sites[0].frames[1].module);
	report__free(report);
	sim_fini(&sim);
}

/* The heap grows by what the streams take: one growth, not two. */
static void handles_and_their_heap_are_not_counted_twice(void **state)
{
	const struct report_process *p;
	struct site *heap;
	struct report *report;
	struct sim sim;

	sim_init(&sim, INFLATE, DETECTOR_ONE_SHOT);
	heap = fake_site(&sim.world, sim.process, KIND_HEAP);
	for (unsigned int i = 0; i < 50; i++) {
		fake_memory(&sim.world, sim.process, 4000000ull * i, 1000000000);
		for (unsigned int j = 0; j < 100; j++)
			fake_open(&sim.world, sim.site, 38000);
		fake_open(&sim.world, heap, 4000000);
		sim_idle(&sim, 0.1);
	}
	report = sim_report(&sim);
	p = &report->processes[0];
	assert_int_equal(p->sites[0].verdict, VERDICT_LEAK);
	assert_int_equal(p->sites[1].verdict, VERDICT_GROWTH);
	assert_true(p->sites[0].share > 0.9 && p->sites[0].share <= 1);
	assert_true(p->sites[0].share + p->sites[1].share <= 1.000001);
	assert_true(p->explained_share <= 1);
	report__free(report);
	sim_fini(&sim);
}

static void whole_system_leaves_out_the_healthy(void **state)
{
	struct report_facts facts = { .command = "daemon", .host = "h", .whole_system = true };
	struct report *report = NULL;
	struct process *healthy;
	struct sim sim;

	sim_init(&sim, INFLATE, DETECTOR_ONE_SHOT);
	healthy = fake_process(&sim.world, 200, "healthy");
	healthy->unsure = true;
	open_streams(&sim, 1000, 2, NULL);
	assert_int_equal(detector__report(sim.detector, &sim.world, &facts, &report), 0);
	assert_int_equal(report->n_processes, 1);
	assert_int_equal(report->processes[0].pid, 100);
	assert_int_equal(report->n_not_covered, 0);
	report__free(report);
	report = sim_report(&sim);
	assert_int_equal(report->n_processes, 2);
	assert_int_equal(report->processes[0].pid, 100);	/* worst first */
	assert_int_equal(report->n_not_covered, 1);
	report__free(report);
	sim_fini(&sim);
}

/* A world that died before its first tick, or has nothing at all, still makes a report. */
static void nothing_watched_is_a_report(void **state)
{
	struct report *report;
	struct sim sim;

	sim_init(&sim, INFLATE, DETECTOR_ONE_SHOT);
	report = sim_report(&sim);
	assert_int_equal(report->n_processes, 0);	/* never checked */
	assert_int_equal(report__exit_status(report), 0);
	report__free(report);
	sim_check(&sim);
	report = sim_report(&sim);
	assert_int_equal(report->n_processes, 1);
	assert_int_equal(report->processes[0].n_sites, 0);
	report__free(report);
	sim_fini(&sim);
}

/* The same events give the same report, whenever and wherever. */
static void equal_events_equal_reports(void **state)
{
	char *evidence[2];

	for (unsigned int i = 0; i < 2; i++) {
		struct report *report;
		struct sim sim;

		sim_init(&sim, INFLATE, DETECTOR_ONE_SHOT);
		saw(&sim, 5, 1.3, 7);
		report = sim_report(&sim);
		evidence[i] = strdup(report->processes[0].sites[0].evidence);
		report__free(report);
		sim_fini(&sim);
	}
	assert_string_equal(evidence[0], evidence[1]);
	free(evidence[0]);
	free(evidence[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(losses_demand_more_survivors),
		cmocka_unit_test(the_service_weighs_by_the_limit),
		cmocka_unit_test(growth_and_time_left),
		cmocka_unit_test(handles_and_their_heap_are_not_counted_twice),
		cmocka_unit_test(whole_system_leaves_out_the_healthy),
		cmocka_unit_test(nothing_watched_is_a_report),
		cmocka_unit_test(equal_events_equal_reports),
	};

	return cmocka_run_group_tests_name("detector_report", tests, NULL, NULL);
}
