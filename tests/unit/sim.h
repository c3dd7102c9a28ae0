/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * A scripted process before a detector: time goes in steps of 10 ms, the detector checks every
 * tick of 50 ms, as live. Included once, by a test.
 */
#ifndef UNFREED_TESTS_SIM_H
#define UNFREED_TESTS_SIM_H

#include "user/detect/detector.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "tests/unit/fake_objects.h"

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

static inline void sim_init_with(struct sim *sim, unsigned int kind, const struct detector_opts *opts)
{
	memset(sim, 0, sizeof(*sim));
	assert_int_equal(detector__new(&sim->detector, opts), 0);
	sim->world.now_ns = FAKE_EPOCH_NS;
	sim->world.watcher = &detector_watcher;
	sim->world.watcher_ctx = sim->detector;
	detector__watch(sim->detector, &sim->world);
	sim->process = fake_process(&sim->world, 100, "sim");
	sim->site = fake_site(&sim->world, sim->process, kind);
}

static inline void sim_init(struct sim *sim, unsigned int kind, enum detector_question question)
{
	sim_init_with(sim, kind, &(struct detector_opts){ .question = question });
}

static inline void sim_fini(struct sim *sim)
{
	fake_world_fini(&sim->world);
	sim->detector = detector__free(sim->detector);
}

static inline enum verdict sim_verdict(const struct sim *sim)
{
	return detector__site_verdict(sim->detector, sim->site);
}

static inline void sim_check(struct sim *sim)
{
	assert_int_equal(detector__check(sim->detector, &sim->world), 0);
	if (!sim->sure_step && detector__is_sure(sim->detector))
		sim->sure_step = sim->step;
	if (!sim->leak_step && sim_verdict(sim) == VERDICT_LEAK)
		sim->leak_step = sim->step;
}

/* Lets 10 ms pass. */
static inline void sim_step(struct sim *sim)
{
	sim->step++;
	sim->world.now_ns += STEP_NS;
	if (sim->step % (WORLD_TICK_NS / STEP_NS) == 0)
		sim_check(sim);
}

static inline void sim_idle(struct sim *sim, double seconds)
{
	for (uint32_t i = 0; i < seconds * STEPS_PER_S; i++)
		sim_step(sim);
}

static inline void sim_exit(struct sim *sim)
{
	fake_exit(&sim->world, sim->process);
	sim->world.now_ns += STEP_NS;
	sim_check(sim);
}

static inline struct report *sim_report(const struct sim *sim)
{
	struct report_facts facts = { .command = "run", .host = "h", .started_ns = FAKE_EPOCH_NS };
	struct report *report = NULL;

	assert_int_equal(detector__report(sim->detector, &sim->world, &facts, &report), 0);
	return report;
}

static inline void assert_evidence(const struct sim *sim, const char *expected)
{
	struct report *report = sim_report(sim);

	assert_true(report->n_processes == 1 && report->processes[0].n_sites >= 1);
	assert_string_equal(report->processes[0].sites[0].evidence, expected);
	report__free(report);
}

/* Opens `n` streams within `seconds` and keeps them; their birth ticks go to births[], if any. */
static inline void open_streams(struct sim *sim, unsigned int n, double seconds, uint32_t *births)
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

/* Takes n regions, one each step, and gives back the last one but every keep_one_in-th. */
static inline void map_regions(struct sim *sim, unsigned int n, unsigned int keep_one_in)
{
	for (unsigned int i = 0; i < n; i++) {
		uint32_t birth = fake_open(&sim->world, sim->site, 65536);

		sim_step(sim);
		if (!keep_one_in || i % keep_one_in)
			fake_close(&sim->world, sim->site, 65536, birth);
	}
}

/* 1,000 opened, each closed a step later but every hundredth, within 2 s; then idle. */
static inline void open_and_close(struct sim *sim, unsigned int keep_one_in)
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

/* The collector closes what has piled up every five seconds. */
static inline void saw(struct sim *sim, unsigned int teeth, double period, unsigned int leak_one_in)
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

#endif /* UNFREED_TESTS_SIM_H */
