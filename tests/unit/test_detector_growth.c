/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * What a process grew by, how much of it is explained and what the rest is; when it meets which limit,
 * beside others of its group, under a sawtooth, and by the count of its mappings.
 */
#include "tests/unit/sim.h"

#define MB 1000000ull

/* One reading: resident memory by its kinds, what others of the group use, and the limits. */
struct reading {
	uint64_t anon, file, shared, others;
	uint64_t max;		/* of the cgroup; 0: none */
	uint64_t n_maps;	/* of 65,530; 0: not counted */
};

static void send_reading(struct sim *sim, const struct reading *r)
{
	struct ev_memory *m = &sim->process->memory;
	uint64_t used = r->anon + r->file + r->shared + r->others;

	const bool first = !sim->process->has_memory;

	fake_memory(&sim->world, sim->process, r->anon, 100000 * MB);
	m->rss_file = r->file;
	m->rss_shmem = r->shared;
	m->limit[EV_LIMIT_HOST] = 200000 * MB;
	if (r->max) {
		m->limit[EV_LIMIT_CGROUP_MAX] = r->max;
		m->left[EV_LIMIT_CGROUP_MAX] = used < r->max ? r->max - used : 0;
	}
	if (r->n_maps) {
		m->limit[EV_LIMIT_MAP_COUNT] = 65530;
		m->left[EV_LIMIT_MAP_COUNT] = 65530 - r->n_maps;
	}
	if (first)
		sim->process->memory_first = *m;
}

/* A site takes `bytes` and its process's account of the kind knows it. */
static void take(struct sim *sim, struct site *site, unsigned int n, uint64_t bytes)
{
	for (unsigned int i = 0; i < n; i++)
		fake_open(&sim->world, site, bytes);
}

static bool near(double got, double wanted, double part)
{
	return got >= wanted * (1 - part) && got <= wanted * (1 + part);
}

/* 100 MB: 40 of streams, 20 files, 10 shared, 10 kept by an allocator, 15 touched later, 5 nobody knows. */
static void the_rest_is_told_by_cause(void **state)
{
	const struct report_growth *growth;
	struct site *arena, *allocator;
	struct report *report;
	struct sim sim;

	sim_init(&sim, INFLATE, DETECTOR_ONE_SHOT);
	arena = fake_site(&sim.world, sim.process, KIND_ANON);
	allocator = fake_site(&sim.world, sim.process, KIND_ANON);
	arena->before_attach = true;	/* where the streams lie: it is no site that is judged */
	/* All at once, so that it is no growth by itself. */
	take(&sim, allocator, 1, 10 * MB);
	for (unsigned int i = 0; i <= 100; i++) {
		struct reading r = {
			.anon = 50 * MB + i * 700000, .file = 20 * MB + i * 200000,
			.shared = i * 100000,
		};

		send_reading(&sim, &r);
		if (i)
			take(&sim, sim.site, 10, 40000);
		/* Of the 70 MB of private memory that it grew by, 55 were asked for meanwhile. */
		sim.process->kinds[KIND_ANON].bytes = 100 * MB + i * 550000;
		sim_idle(&sim, 0.1);
	}
	report = sim_report(&sim);
	growth = &report->processes[0].growth;
	assert_true(near(growth->resident_bytes, 100e6, 0.02));
	assert_true(near(growth->private_bytes, 55e6, 0.02));
	assert_true(near(report->processes[0].explained_share, 0.40, 0.02));
	assert_true(near(growth->private_explained_share, 40.0 / 55, 0.02));
	assert_true(near(growth->rest[REST_FILE], 20e6, 0.02));
	assert_true(near(growth->rest[REST_SHARED], 10e6, 0.02));
	assert_true(near(growth->rest[REST_TOUCHED_LATER], 15e6, 0.03));
	assert_true(near(growth->rest[REST_ALLOCATOR], 10e6, 0.02));
	assert_true(near(growth->rest[REST_UNKNOWN], 5e6, 0.10));
	assert_true(growth->watch);
	report__free(report);
	sim_fini(&sim);
}

/* What goes between the last reading and the end is no first use of what was there before. */
static void what_was_given_back_since_is_told_as_such(void **state)
{
	const struct report_growth *growth;
	struct report *report;
	struct sim sim;

	sim_init(&sim, INFLATE, DETECTOR_ONE_SHOT);
	for (unsigned int i = 0; i <= 50; i++) {
		send_reading(&sim, &(struct reading){ .anon = 10 * MB + i * MB });
		sim.process->kinds[KIND_ANON].bytes = 20 * MB + i * MB;
		sim_idle(&sim, 0.1);
	}
	sim.process->kinds[KIND_ANON].bytes = 20 * MB;
	sim_idle(&sim, 0.1);
	report = sim_report(&sim);
	growth = &report->processes[0].growth;
	assert_true(near(growth->resident_bytes, 50e6, 0.02));
	assert_true(near(growth->rest[REST_GIVEN_BACK], 50e6, 0.02));
	assert_true(growth->rest[REST_TOUCHED_LATER] < 1e6);
	assert_false(growth->watch);
	report__free(report);
	sim_fini(&sim);
}

/* Arenas grow and no object is known behind them: to be watched, and said; never more. */
static void growth_without_objects_is_watched(void **state)
{
	struct report *report;
	struct sim sim;

	sim_init(&sim, INFLATE, DETECTOR_ONE_SHOT);
	for (unsigned int i = 0; i <= 50; i++) {
		send_reading(&sim, &(struct reading){ .anon = 10 * MB + i * MB });
		sim_idle(&sim, 0.1);
	}
	report = sim_report(&sim);
	assert_int_equal(report->verdict, VERDICT_NONE);
	assert_true(report->processes[0].growth.watch);
	report__free(report);
	/* It ends, and so does the watching. */
	for (unsigned int i = 0; i <= 200; i++) {
		send_reading(&sim, &(struct reading){ .anon = 60 * MB });
		sim_idle(&sim, 0.1);
	}
	report = sim_report(&sim);
	assert_false(report->processes[0].growth.watch);
	report__free(report);
	sim_fini(&sim);
}

static void no_growth_is_no_account(void **state)
{
	struct report *report;
	struct sim sim;

	sim_init(&sim, INFLATE, DETECTOR_ONE_SHOT);
	for (unsigned int i = 0; i <= 50; i++) {
		send_reading(&sim, &(struct reading){ .anon = 100 * MB - i * MB, .file = i * MB / 2 });
		sim_idle(&sim, 0.1);
	}
	report = sim_report(&sim);
	for (unsigned int i = 0; i < N_RESTS; i++)
		assert_true(report->processes[0].growth.rest[i] == 0);
	assert_false(report->processes[0].growth.watch);
	report__free(report);
	sim_fini(&sim);
}

static struct report_limit limit_after(struct sim *sim, struct report **report)
{
	*report = sim_report(sim);
	assert_true((*report)->processes[0].has_limit);
	return (*report)->processes[0].limit;
}

/* 4 MB/s are kept below a sawtooth of 0 to 100 MB: the limit is met at one of its peaks. */
static void a_sawtooth_is_no_room(void **state)
{
	struct report_limit limit;
	struct report *report;
	struct sim sim;

	sim_init(&sim, INFLATE, DETECTOR_ONE_SHOT);
	for (unsigned int i = 0; i < 205; i++) {
		take(&sim, sim.site, 10, 40000);
		send_reading(&sim, &(struct reading){ .anon = 50 * MB + i * 400000 + i % 20 * 5 * MB,
						      .max = 600 * MB });
		sim_idle(&sim, 0.1);
	}
	limit = limit_after(&sim, &report);
	assert_int_equal(limit.kind, EV_LIMIT_CGROUP_MAX);
	assert_int_equal(limit.bytes_limit, 600 * MB);
	/* 600 - 50 - 82 kept - a peak of 95, at 4 MB/s. */
	assert_true(limit.seconds_low < 93.3 && limit.seconds_high > 93.3);
	assert_true(limit.seconds_high < 1.3 * limit.seconds_low);
	report__free(report);
	sim_fini(&sim);
}

/* The process keeps 4 MB/s, others of its group 12: whoever forgets them is off by four. */
static void others_of_the_group_count(void **state)
{
	struct report_limit limit;
	struct report *report;
	struct sim sim;

	sim_init(&sim, INFLATE, DETECTOR_ONE_SHOT);
	sim.process->groups[EV_LIMIT_CGROUP_MAX] = (char *)"/shop.slice";
	for (unsigned int i = 0; i <= 100; i++) {
		take(&sim, sim.site, 10, 40000);
		send_reading(&sim, &(struct reading){ .anon = 50 * MB + i * 400000,
						      .others = i * 1200000, .max = 1000 * MB });
		sim_idle(&sim, 0.1);
	}
	limit = limit_after(&sim, &report);
	assert_true(near(limit.seconds_low, (1000 - 50 - 160) / 16.0, 0.1));
	assert_string_equal(report->processes[0].limit_group, "/shop.slice");
	assert_int_equal(report->n_groups, 1);
	assert_string_equal(report->groups[0].group, "/shop.slice");
	assert_int_equal(report->groups[0].pids[0], 100);
	assert_true(near(report->groups[0].limit.seconds_low, (1000 - 50 - 160) / 16.0, 0.1));
	assert_true(near(report->groups[0].limit.seconds_high, (1000 - 50 - 160) / 16.0, 0.1));
	report__free(report);
	/* Another limit: what was used of the old one is no history of it. */
	send_reading(&sim, &(struct reading){ .anon = 90 * MB, .max = 5000 * MB });
	sim_idle(&sim, 0.2);
	limit = limit_after(&sim, &report);
	assert_int_equal(limit.bytes_limit, 5000 * MB);
	assert_true(limit.seconds_low > 1000);
	report__free(report);
	sim_fini(&sim);
}

static void mappings_run_out(void **state)
{
	struct report_limit limit;
	struct report *report;
	struct sim sim;

	sim_init(&sim, INFLATE, DETECTOR_ONE_SHOT);
	for (unsigned int i = 0; i <= 50; i++) {
		send_reading(&sim, &(struct reading){ .anon = 50 * MB, .n_maps = 60000 + 50 * i });
		sim_idle(&sim, 0.1);
	}
	limit = limit_after(&sim, &report);
	assert_int_equal(limit.kind, EV_LIMIT_MAP_COUNT);
	assert_int_equal(limit.bytes_left, 3030);
	assert_true(near(limit.seconds_low, 6.06, 0.02) && near(limit.seconds_high, 6.06, 0.02));
	report__free(report);
	sim_fini(&sim);
}

/* 32 MB of strays are nothing to a host with 100 GB, and much to a process with 2,000 mappings left. */
static void the_service_knows_of_mappings(void **state)
{
	static const struct {
		uint64_t n_maps;
		enum verdict verdict;
	} rows[] = { { 1000, VERDICT_WATCH }, { 63000, VERDICT_LEAK } };

	for (unsigned int i = 0; i < N(rows); i++) {
		struct sim sim;

		sim_init(&sim, KIND_ANON, DETECTOR_SERVICE);
		send_reading(&sim, &(struct reading){ .anon = 100 * MB, .n_maps = rows[i].n_maps });
		map_regions(&sim, 2000, 4);
		assert_int_equal(sim_verdict(&sim), rows[i].verdict);
		sim_fini(&sim);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_rest_is_told_by_cause),
		cmocka_unit_test(what_was_given_back_since_is_told_as_such),
		cmocka_unit_test(growth_without_objects_is_watched),
		cmocka_unit_test(no_growth_is_no_account),
		cmocka_unit_test(a_sawtooth_is_no_room),
		cmocka_unit_test(others_of_the_group_count),
		cmocka_unit_test(mappings_run_out),
		cmocka_unit_test(the_service_knows_of_mappings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
