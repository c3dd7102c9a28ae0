/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * What the report says of the tests: that they are those of the verdict, in order, with the numbers
 * they had, for either question; and that asking for them changes nothing.
 */
#include "tests/unit/sim.h"
#include "user/detect/report_tests.h"

#include <math.h>
#include <string.h>

#define ID 0x1234567890abcdefull
#define ALL_DIGITS { ID, 16 }

enum result { NOT_ASKED, MISSED, MET };

struct asked {
	struct sim sim;
	struct report *report;
	const struct report_site *site;
	const struct report_tests *tests;
};

static void ask(struct asked *a)
{
	a->report = sim_report(&a->sim);
	assert_int_equal(a->report->n_processes, 1);
	a->site = NULL;
	for (size_t i = 0; i < a->report->processes[0].n_sites; i++)
		if (a->report->processes[0].sites[i].tests)
			a->site = &a->report->processes[0].sites[i];
	assert_non_null(a->site);
	a->tests = a->site->tests;
	for (size_t i = 0; i < a->tests->n; i++) {
		const struct report_test *t = &a->tests->list[i];

		if (t->asked)
			assert_int_equal(t->met, t->at_most ? t->measured <= t->threshold :
							      t->measured >= t->threshold);
	}
}

static void ask_no_more(struct asked *a)
{
	report__free(a->report);
	sim_fini(&a->sim);
}

/* By the first words of way and test. */
static const struct report_test *find(const struct asked *a, const char *way, const char *name)
{
	for (size_t i = 0; i < a->tests->n; i++) {
		const struct report_test *t = &a->tests->list[i];

		if (!strncmp(t->way, way, strlen(way)) && !strncmp(t->name, name, strlen(name)))
			return t;
	}
	fail_msg("no test %s of %s", name, way);
	return NULL;
}

static void expect(const struct asked *a, const char *way, const char *name, enum result result)
{
	const struct report_test *t = find(a, way, name);
	enum result found = !t->asked ? NOT_ASKED : t->met ? MET : MISSED;

	if (found != result)
		fail_msg("%s, %s: %d, not %d", way, name, found, result);
}

/* Every test of the way came out so. */
static void expect_all(const struct asked *a, const char *way, enum result result)
{
	unsigned int n = 0;

	for (size_t i = 0; i < a->tests->n; i++) {
		if (strncmp(a->tests->list[i].way, way, strlen(way)))
			continue;
		expect(a, a->tests->list[i].way, a->tests->list[i].name, result);
		n++;
	}
	assert_true(n > 0);
}

static void begin(struct asked *a, unsigned int kind, enum detector_question question)
{
	sim_init_with(&a->sim, kind, &(struct detector_opts){ .question = question,
							      .explain = ALL_DIGITS });
	a->sim.site->id = ID;
}

static void what_is_never_closed(void **state)
{
	struct asked a;

	begin(&a, INFLATE, DETECTOR_ONE_SHOT);
	open_streams(&a.sim, 1000, 4, NULL);
	ask(&a);
	assert_int_equal(a.site->verdict, VERDICT_LEAK);
	assert_false(a.tests->service || a.tests->has_limit || a.tests->unasked);
	expect(&a, "strays: survival is flat", "given back later", MET);
	expect(&a, "strays: survival is flat", "siblings", MISSED);
	expect(&a, "strays: survival is flat", "survivors", NOT_ASKED);
	expect(&a, "strays: few", "siblings", MISSED);
	expect_all(&a, "never closed", MET);
	expect_all(&a, "what was found", MET);
	expect_all(&a, "growth", NOT_ASKED);
	assert_true(find(&a, "never closed", "survivors")->measured == 1000);
	assert_true(find(&a, "never closed", "survivors")->threshold == 35);
	assert_true(find(&a, "never closed", "given back later")->threshold == 0.1);
	assert_true(a.tests->holds && a.tests->held == a.tests->at && !a.tests->retracted);
	ask_no_more(&a);
}

static void strays(void **state)
{
	struct asked a;

	begin(&a, INFLATE, DETECTOR_ONE_SHOT);
	open_and_close(&a.sim, 100);
	sim_idle(&a.sim, 5);
	ask(&a);
	assert_int_equal(a.site->verdict, VERDICT_LEAK);
	expect_all(&a, "strays: few", MET);
	expect(&a, "what was found", "held for", MET);
	assert_true(find(&a, "strays: few", "survivors")->measured == 10);
	assert_true(find(&a, "strays: few", "siblings")->measured == 990);
	ask_no_more(&a);
}

static void growth(void **state)
{
	struct asked a;

	begin(&a, KIND_ANON, DETECTOR_ONE_SHOT);
	map_regions(&a.sim, 400, 1);
	ask(&a);
	assert_int_equal(a.site->verdict, VERDICT_GROWTH);
	expect_all(&a, "growth", MET);
	expect(&a, "one file range", "mapped while mapped", MISSED);
	expect_all(&a, "what was found", NOT_ASKED);
	ask_no_more(&a);
}

static void nothing(void **state)
{
	struct asked a;

	begin(&a, INFLATE, DETECTOR_ONE_SHOT);
	open_and_close(&a.sim, 0);
	ask(&a);
	assert_int_equal(a.site->verdict, VERDICT_NONE);
	expect(&a, "never closed", "survivors", MISSED);
	expect_all(&a, "what was found", NOT_ASKED);
	expect(&a, "growth", "floor", MISSED);
	assert_false(a.tests->holds || a.tests->retracted);
	assert_true(a.tests->held < 0);
	ask_no_more(&a);
}

static void what_was_taken_back(void **state)
{
	uint32_t births[1000];
	struct asked a;

	begin(&a, INFLATE, DETECTOR_ONE_SHOT);
	open_streams(&a.sim, N(births), 4, births);
	assert_int_equal(sim_verdict(&a.sim), VERDICT_LEAK);
	for (unsigned int i = 0; i < N(births); i++)
		fake_close(&a.sim.world, a.sim.site, STREAM, births[i]);
	sim_idle(&a.sim, 2);
	ask(&a);
	assert_int_equal(a.site->verdict, VERDICT_NONE);
	assert_true(a.tests->retracted);
	assert_true(fabs(a.tests->retracted_at - 4.1) < 0.15);
	assert_string_equal(a.tests->retracted_why, "half of the survivors were given back");
	ask_no_more(&a);
}

/* 1,000 streams in 2 s, with so many times their bytes left. */
static void serve(struct asked *a, uint64_t times)
{
	begin(a, INFLATE, DETECTOR_SERVICE);
	fake_memory(&a->sim.world, a->sim.process, 0, times * 1000 * STREAM);
	open_streams(&a->sim, 1000, 2, NULL);
}

static void the_service_says_by_how_much(void **state)
{
	const struct report_test *size;
	struct asked a;

	serve(&a, 5);
	ask(&a);
	assert_int_equal(a.site->verdict, VERDICT_LEAK);
	assert_true(a.tests->service && a.tests->has_limit);
	assert_int_equal(a.tests->limit, EV_LIMIT_HOST);
	assert_true(a.tests->bytes_left == 5e3 * STREAM);
	expect_all(&a, "survival", MET);
	assert_true(find(&a, "survival", "generations")->threshold == 5);
	assert_true(find(&a, "survival", "size, beside earlier")->threshold == 0);
	size = find(&a, "survival", "size of");
	/* A tenth of what is left and what survives; half of that since it is told. */
	assert_true(fabs(size->threshold - 0.05 * (5e3 * STREAM + size->measured)) < 1);
	assert_true(size->age > 0 && size->age < 1);
	ask_no_more(&a);

	serve(&a, 20);
	ask(&a);
	assert_int_equal(a.site->verdict, VERDICT_WATCH);
	expect(&a, "survival", "patience", MET);
	expect(&a, "survival", "size of", MISSED);
	expect(&a, "survival", "held for", NOT_ASKED);
	ask_no_more(&a);
}

static void what_earlier_runs_knew(void **state)
{
	struct lesson lesson = { .release_age = WORLD_TICKS(100000), .plateau = 500 * MIB };
	struct past *past;
	struct asked a;

	assert_int_equal(past__new(&past), 0);
	assert_int_equal(past__learn(past, ID, INFLATE, &lesson), 0);
	sim_init_with(&a.sim, INFLATE, &(struct detector_opts){ .question = DETECTOR_SERVICE,
								.past = past, .explain = ALL_DIGITS });
	a.sim.site->id = ID;
	fake_memory(&a.sim.world, a.sim.process, 0, 5000 * STREAM);
	open_streams(&a.sim, 1000, 2, NULL);
	ask(&a);
	assert_true(a.site->verdict < VERDICT_GROWTH);
	expect(&a, "survival", "age, beside earlier", MISSED);
	expect(&a, "survival", "size, beside earlier", NOT_ASKED);
	assert_true(find(&a, "survival", "age, beside earlier")->threshold == 125);
	ask_no_more(&a);
	past__free(past);
}

/* The inflow stopped: the tests fail, the verdict stands. */
static void what_stands(void **state)
{
	struct asked a;

	sim_init_with(&a.sim, INFLATE, &(struct detector_opts){ .question = DETECTOR_SERVICE,
								.stands_ticks = WORLD_TICKS(900000),
								.explain = ALL_DIGITS });
	a.sim.site->id = ID;
	fake_memory(&a.sim.world, a.sim.process, 0, 5000 * STREAM);
	open_streams(&a.sim, 1000, 2, NULL);
	sim_idle(&a.sim, 20);
	ask(&a);
	assert_int_equal(a.site->verdict, VERDICT_LEAK);
	assert_false(a.tests->holds);
	assert_true(a.tests->held > 1 && a.tests->held < 5 && a.tests->at > 20);
	assert_true(a.tests->kept > 0 && a.tests->kept_died == 0);
	expect(&a, "survival", "as it slows", MISSED);
	ask_no_more(&a);
}

static void why_none_was_made(void **state)
{
	struct asked a;
	struct site *reserved;

	begin(&a, INFLATE, DETECTOR_ONE_SHOT);
	a.sim.site->id = 0;
	reserved = fake_site(&a.sim.world, a.sim.process, KIND_RESERVED);
	reserved->id = ID;
	fake_open(&a.sim.world, reserved, MIB);
	open_streams(&a.sim, 100, 1, NULL);
	ask(&a);
	assert_int_equal(a.tests->n, 0);
	assert_non_null(strstr(a.tests->unasked, "reserved"));
	ask_no_more(&a);

	begin(&a, KIND_ANON, DETECTOR_ONE_SHOT);
	a.sim.process->lossy = true;
	map_regions(&a.sim, 100, 1);
	ask(&a);
	assert_non_null(strstr(a.tests->unasked, "lost"));
	ask_no_more(&a);
}

static void only_of_the_site_that_was_meant(void **state)
{
	static const struct {
		struct site_prefix prefix;
		bool meant;
	} rows[] = {
		{ { 0x1234, 4 }, true },
		{ ALL_DIGITS, true },
		{ { 0x1235, 4 }, false },
		{ { 0, 0 }, false },
	};

	for (unsigned int i = 0; i < N(rows); i++) {
		struct report *report;
		struct sim sim;

		sim_init_with(&sim, INFLATE, &(struct detector_opts){ .explain = rows[i].prefix });
		sim.site->id = ID;
		open_streams(&sim, 100, 1, NULL);
		report = sim_report(&sim);
		assert_int_equal(report->processes[0].sites[0].tests != NULL, rows[i].meant);
		report__free(report);
		sim_fini(&sim);
	}
}

/* A capture of every step: the same verdicts whether somebody asks or not. */
static void asking_changes_nothing(void **state)
{
	for (unsigned int scene = 0; scene < 8; scene++) {
		struct sim sims[2];

		for (unsigned int i = 0; i < 2; i++) {
			struct detector_opts opts = { .question = scene & 1 ? DETECTOR_SERVICE :
									      DETECTOR_ONE_SHOT };
			struct sim *sim = &sims[i];

			if (i)
				opts.explain = (struct site_prefix)ALL_DIGITS;
			sim_init_with(sim, scene < 6 ? INFLATE : KIND_ANON, &opts);
			sim->site->id = ID;
			fake_memory(&sim->world, sim->process, 0, 3000ull * STREAM);
			if (scene < 2)
				open_and_close(sim, 50);
			else if (scene < 4)
				saw(sim, 6, 2, 10);
			else
				map_regions(sim, 2000, scene < 6 ? 20 : 4);
			open_streams(sim, 1000, 3, NULL);
			sim_idle(sim, 5);
		}
		assert_int_equal(sim_verdict(&sims[0]), sim_verdict(&sims[1]));
		assert_int_equal(sims[0].leak_step, sims[1].leak_step);
		assert_int_equal(sims[0].sure_step, sims[1].sure_step);
		sim_fini(&sims[0]);
		sim_fini(&sims[1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_never_closed),
		cmocka_unit_test(strays),
		cmocka_unit_test(growth),
		cmocka_unit_test(nothing),
		cmocka_unit_test(what_was_taken_back),
		cmocka_unit_test(the_service_says_by_how_much),
		cmocka_unit_test(what_earlier_runs_knew),
		cmocka_unit_test(what_stands),
		cmocka_unit_test(why_none_was_made),
		cmocka_unit_test(only_of_the_site_that_was_meant),
		cmocka_unit_test(asking_changes_nothing),
	};

	return cmocka_run_group_tests_name("explain", tests, NULL, NULL);
}
