/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The first verdict on scripted processes: leaks and, beside each, the harmless twin that looks
 * like it. A script runs in steps of 10 ms, the detector checks every 100 ms, as live.
 */
#include "user/detect/detector.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "tests/unit/fake_world.h"

#define STEP_NS 10000000ull
#define STEPS_PER_S 100
#define STREAM 39000	/* bytes of an inflate stream, about */
#define INFLATE KIND_PAIR_0
#define MIB (1024 * 1024)
#define N(a) (sizeof(a) / sizeof((a)[0]))

struct sim {
	struct world world;
	struct detector *detector;
	struct process *process;
	struct site *site;	/* the one in question */
	uint32_t step;
	uint32_t sure_step;	/* when the detector was sure first; 0: never */
	uint32_t leak_step;	/* when the site was said to leak first; 0: never */
};

static void sim_init(struct sim *sim, unsigned int kind, enum detector_question question)
{
	struct detector_opts opts = { .question = question };

	memset(sim, 0, sizeof(*sim));
	assert_int_equal(detector__new(&sim->detector, &opts), 0);
	sim->world.now_ns = FAKE_EPOCH_NS;
	sim->world.watcher = &detector_watcher;
	sim->world.watcher_ctx = sim->detector;
	detector__watch(sim->detector, &sim->world);
	sim->process = fake_process(&sim->world, 100, "sim");
	sim->site = fake_site(&sim->world, sim->process, kind);
}

static void sim_fini(struct sim *sim)
{
	fake_world_fini(&sim->world);
	sim->detector = detector__free(sim->detector);
}

static enum verdict sim_verdict(const struct sim *sim)
{
	return detector__site_verdict(sim->detector, sim->site);
}

static void sim_check(struct sim *sim)
{
	assert_int_equal(detector__check(sim->detector, &sim->world), 0);
	if (!sim->sure_step && detector__is_sure(sim->detector))
		sim->sure_step = sim->step;
	if (!sim->leak_step && sim_verdict(sim) == VERDICT_LEAK)
		sim->leak_step = sim->step;
}

/* Lets 10 ms pass. */
static void sim_step(struct sim *sim)
{
	sim->step++;
	sim->world.now_ns += STEP_NS;
	if (sim->step % 10 == 0)
		sim_check(sim);
}

static void sim_idle(struct sim *sim, double seconds)
{
	for (uint32_t i = 0; i < seconds * STEPS_PER_S; i++)
		sim_step(sim);
}

static void sim_exit(struct sim *sim)
{
	fake_exit(&sim->world, sim->process);
	sim->world.now_ns += STEP_NS;
	sim_check(sim);
}

static struct report *sim_report(const struct sim *sim)
{
	struct report_facts facts = { .command = "run", .host = "h", .started_ns = FAKE_EPOCH_NS };
	struct report *report = NULL;

	assert_int_equal(detector__report(sim->detector, &sim->world, &facts, &report), 0);
	return report;
}

static void assert_evidence(const struct sim *sim, const char *expected)
{
	struct report *report = sim_report(sim);

	assert_true(report->n_processes == 1 && report->processes[0].n_sites >= 1);
	assert_string_equal(report->processes[0].sites[0].evidence, expected);
	report__free(report);
}

/* --- strays ------------------------------------------------------------------------------------- */

/* 1,000 opened, each closed a step later but every hundredth, within 2 s; then idle. */
static void open_and_close(struct sim *sim, unsigned int keep_one_in)
{
	for (unsigned int i = 0; i < 200; i++) {
		uint32_t births[5];

		for (unsigned int j = 0; j < N(births); j++)
			births[j] = fake_open(&sim->world, sim->site, STREAM);
		sim_step(sim);
		for (unsigned int j = 0; j < N(births); j++) {
			if (!keep_one_in || (i * N(births) + j) % keep_one_in)
				fake_close(&sim->world, sim->site, STREAM, births[j]);
		}
	}
}

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
	assert_evidence(&sim, "10 of 1,000 still open; the 990 closed lived at most 0.2 s, "
			      "the open ones are 3.2 s to 5.0 s old");
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

static void map_regions(struct sim *sim, unsigned int n, unsigned int keep_one_in)
{
	for (unsigned int i = 0; i < n; i++) {
		uint32_t birth = fake_open(&sim->world, sim->site, 65536);

		sim_step(sim);
		if (!keep_one_in || i % keep_one_in)
			fake_close(&sim->world, sim->site, 65536, birth);
	}
}

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
	assert_evidence(&sim, "10 of 100 still held; the 90 given back lived at most 0.2 s, "
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

/* --- never closed ------------------------------------------------------------------------------- */

/* Opens `n` streams within `seconds` and keeps them. Returns nothing: who closes, remembers. */
static void open_streams(struct sim *sim, unsigned int n, double seconds, uint32_t *births)
{
	unsigned int steps = (unsigned int)(seconds * STEPS_PER_S), done = 0;

	for (unsigned int i = 0; i < (steps ? steps : 1); i++) {
		unsigned int until = steps ? (unsigned int)((uint64_t)n * (i + 1) / steps) : n;

		for (; done < until; done++) {
			uint32_t birth = fake_open(&sim->world, sim->site, STREAM);

			if (births)
				births[done] = birth;
		}
		sim_step(sim);
	}
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
	assert_evidence(&sim, "none of 10,250 was ever closed; the open ones are 0.1 s to 5.0 s old");
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

/* The collector closes what has piled up every five seconds. */
static void saw(struct sim *sim, unsigned int teeth, double period, unsigned int leak_one_in)
{
	static uint32_t births[4096];

	for (unsigned int tooth = 0; tooth < teeth; tooth++) {
		unsigned int n = (unsigned int)(period * STEPS_PER_S);

		for (unsigned int i = 0; i < n; i++) {
			births[i] = fake_open(&sim->world, sim->site, STREAM);
			sim_step(sim);
		}
		for (unsigned int i = 0; i < n; i++) {
			if (!leak_one_in || i % leak_one_in)
				fake_close_by(&sim->world, sim->site, STREAM, births[i], true);
		}
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

/* --- regions ------------------------------------------------------------------------------------ */

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
	struct sim sim;

	sim_init(&sim, KIND_RESERVED, DETECTOR_ONE_SHOT);
	fill(&sim, 4);
	assert_int_equal(sim_verdict(&sim), VERDICT_NONE);
	sim_fini(&sim);

	sim_init(&sim, KIND_ANON, DETECTOR_ONE_SHOT);
	sim.site->before_attach = true;
	map_regions(&sim, 500, 10);
	assert_int_equal(sim_verdict(&sim), VERDICT_NONE);
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

/* --- loss, the service, and the report ------------------------------------------------------------ */

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
	assert_true(p->limit.seconds_low > 24 && p->limit.seconds_high < 26);
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
		cmocka_unit_test(ten_of_a_thousand_leak),
		cmocka_unit_test(a_thousand_all_closed_is_none),
		cmocka_unit_test(ten_of_a_thousand_at_the_end_leak),
		cmocka_unit_test(in_use_at_the_end_is_none),
		cmocka_unit_test(one_in_ten_mappings_leaks),
		cmocka_unit_test(mappings_all_given_back_is_none),
		cmocka_unit_test(warm_up_of_regions_is_none),
		cmocka_unit_test(steady_inflow_never_closed_leaks),
		cmocka_unit_test(a_burst_that_is_kept_leaks),
		cmocka_unit_test(a_pool_opened_at_start_is_none),
		cmocka_unit_test(a_thousand_kept_to_the_end_leak),
		cmocka_unit_test(all_closed_at_once_at_the_end_is_none),
		cmocka_unit_test(steady_churn_is_none),
		cmocka_unit_test(a_sawtooth_is_no_leak),
		cmocka_unit_test(a_leak_under_a_sawtooth_leaks),
		cmocka_unit_test(growth_is_growth_until_it_stops),
		cmocka_unit_test(growth_to_the_end_is_growth),
		cmocka_unit_test(a_filling_cache_that_stops_is_none),
		cmocka_unit_test(sawing_regions_do_not_grow),
		cmocka_unit_test(reservations_and_what_was_there_are_none),
		cmocka_unit_test(one_file_mapped_again_and_again_leaks),
		cmocka_unit_test(losses_demand_more_survivors),
		cmocka_unit_test(the_service_weighs_by_the_limit),
		cmocka_unit_test(growth_and_time_left),
		cmocka_unit_test(handles_and_their_heap_are_not_counted_twice),
		cmocka_unit_test(whole_system_leaves_out_the_healthy),
		cmocka_unit_test(nothing_watched_is_a_report),
		cmocka_unit_test(equal_events_equal_reports),
	};

	return cmocka_run_group_tests_name("detector", tests, NULL, NULL);
}
