/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The service's question: what was told stands for a while after its tests last held, unless half of
 * the survivors are given back, and teaches later runs nothing while it stands.
 */
#include "tests/unit/sim.h"
#include "user/detect/survival.h"
#include "user/detect/trend.h"

#define STANDS WORLD_TICKS(15 * 60 * 1000)	/* as for the daemon */
#define STREAMS 1000

static const struct trend *trend_of(const struct sim *sim)
{
	return sim->site->trend;
}

/* 1,000 streams in 2 s, which hold a sixth of the headroom, and no more of them. */
static void leak_and_stop(struct sim *sim, const struct detector_opts *opts, uint32_t *births)
{
	sim_init_with(sim, INFLATE, opts);
	fake_memory(&sim->world, sim->process, 0, 5ull * STREAMS * STREAM);
	open_streams(sim, STREAMS, 2, births);
	assert_int_equal(sim_verdict(sim), VERDICT_LEAK);
}

/* The ticks for which it was told although its tests failed. */
static uint32_t ticks_it_stood(struct sim *sim)
{
	uint32_t began = sim->step;

	while (sim_verdict(sim) == VERDICT_LEAK && sim->step - began < 2 * STANDS * 10)
		sim_idle(sim, 0.1);
	assert_true(sim_verdict(sim) < VERDICT_GROWTH);
	return trend_of(sim)->ended - trend_of(sim)->last_true;
}

static void it_stands_after_the_inflow_stopped(void **state)
{
	static const struct {
		uint32_t stands, least, most;	/* ticks */
	} rows[] = {
		{ 0, 1, 4 },		/* a sixteenth of the few seconds it took */
		{ 50, 50, 50 },
		{ STANDS, STANDS, STANDS + STANDS / 100 },	/* judged every hundredth of the time */
	};

	for (unsigned int i = 0; i < N(rows); i++) {
		struct sim sim;
		uint32_t stood;

		leak_and_stop(&sim, &(struct detector_opts){ .question = DETECTOR_SERVICE,
							     .stands_ticks = rows[i].stands }, NULL);
		stood = ticks_it_stood(&sim);
		assert_in_range(stood, rows[i].least, rows[i].most);
		assert_int_equal(trend_of(&sim)->ended_by, TEST_SATURATION);
		sim_fini(&sim);
	}
}

/* One less than half are given back: it stands. One more: it ends at once. */
static void it_ends_when_half_was_given_back(void **state)
{
	uint32_t births[STREAMS];
	struct sim sim;
	unsigned int half;

	leak_and_stop(&sim, &(struct detector_opts){ .question = DETECTOR_SERVICE,
						     .stands_ticks = STANDS }, births);
	sim_idle(&sim, 10);
	assert_int_equal(sim_verdict(&sim), VERDICT_LEAK);
	assert_false(trend_of(&sim)->test_true);
	half = (unsigned int)((trend_of(&sim)->kept + 1) / 2);
	for (unsigned int i = 0; i < half - 1; i++)
		fake_close(&sim.world, sim.site, STREAM, births[i]);
	sim_idle(&sim, 1);
	assert_int_equal(sim_verdict(&sim), VERDICT_LEAK);
	fake_close(&sim.world, sim.site, STREAM, births[half]);
	sim_idle(&sim, 0.5);
	assert_true(sim_verdict(&sim) < VERDICT_GROWTH);
	assert_int_equal(trend_of(&sim)->ended_by, TEST_GIVEN_BACK);
	sim_fini(&sim);
}

/* Nobody is woken for a process that ended. */
static void it_ends_with_the_process(void **state)
{
	struct sim sim;

	leak_and_stop(&sim, &(struct detector_opts){ .question = DETECTOR_SERVICE,
						     .stands_ticks = STANDS }, NULL);
	sim_exit(&sim);
	assert_true(sim_verdict(&sim) < VERDICT_GROWTH);
	sim_fini(&sim);
}

/* What is held levels off under either; but only of what is not told any more this is a lesson. */
/* A tenth of the room at its largest is a sixth of it as it is at the process's peak. */
static void room_is_weighed_at_the_peak(void **state)
{
	static const struct {
		uint64_t peak;	/* bytes, once */
		enum verdict verdict;
	} rows[] = { { 0, VERDICT_WATCH }, { 10000ull * STREAM, VERDICT_LEAK } };

	for (unsigned int i = 0; i < N(rows); i++) {
		struct sim sim;

		sim_init_with(&sim, INFLATE, &(struct detector_opts){ .question = DETECTOR_SERVICE });
		fake_memory(&sim.world, sim.process, rows[i].peak, 15000ull * STREAM - rows[i].peak);
		sim_idle(&sim, 1);
		fake_memory(&sim.world, sim.process, 0, 15000ull * STREAM);
		open_streams(&sim, STREAMS, 2, NULL);
		assert_int_equal(sim_verdict(&sim), rows[i].verdict);
		sim_fini(&sim);
	}
}

static void while_it_stands_it_teaches_nothing(void **state)
{
	static const uint32_t stands[] = { 0, STANDS };

	for (unsigned int i = 0; i < N(stands); i++) {
		struct past *past;
		struct lesson lesson;
		struct sim sim;

		assert_int_equal(past__new(&past), 0);
		leak_and_stop(&sim, &(struct detector_opts){ .question = DETECTOR_SERVICE,
							     .stands_ticks = stands[i],
							     .past = past }, NULL);
		sim_idle(&sim, 100);
		assert_int_equal(detector__learn(sim.detector), 0);
		lesson = past__find(past, sim.site->id, sim.site->kind);
		assert_int_equal(lesson.plateau > 0, stands[i] == 0);
		sim_fini(&sim);
		past__free(past);
	}
}

/* 1,000 streams in 2 s: what is left lasts for so many seconds more. */
static void haste_is_for_who_has_a_minute_left(void **state)
{
	static const struct {
		unsigned int seconds;
		bool urgent;
	} rows[] = { { 30, true }, { 120, false } };

	for (unsigned int i = 0; i < N(rows); i++) {
		struct sim sim;

		sim_init_with(&sim, INFLATE, &(struct detector_opts){ .question = DETECTOR_SERVICE });
		fake_memory(&sim.world, sim.process, 0, rows[i].seconds * 500ull * STREAM);
		open_streams(&sim, 1000, 2, NULL);
		assert_int_equal(detector__is_urgent(sim.detector), rows[i].urgent);
		sim_idle(&sim, 1);
		assert_false(detector__is_urgent(sim.detector));
		sim_fini(&sim);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_stands_after_the_inflow_stopped),
		cmocka_unit_test(it_ends_when_half_was_given_back),
		cmocka_unit_test(it_ends_with_the_process),
		cmocka_unit_test(room_is_weighed_at_the_peak),
		cmocka_unit_test(while_it_stands_it_teaches_nothing),
		cmocka_unit_test(haste_is_for_who_has_a_minute_left),
	};

	return cmocka_run_group_tests_name("service", tests, NULL, NULL);
}
