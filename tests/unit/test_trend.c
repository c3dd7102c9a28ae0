/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * What the detector remembers of a site, against a naive twin that forgets nothing: random births
 * and deaths at every pace, the bounds and the sums checked after each step. And the readings.
 */
#include "user/detect/trend.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "user/detect/series.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))
#define OBJECTS 20000

struct twin {
	uint32_t birth[OBJECTS];
	size_t n;
};

static uint32_t roll(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

static uint64_t older(const struct twin *twin, uint32_t now, uint32_t age)
{
	uint64_t n = 0;

	for (size_t i = 0; i < twin->n; i++)
		n += now - twin->birth[i] >= age;
	return n;
}

static void check(const struct trend *trend, const struct twin *twin, uint32_t now)
{
	uint64_t live = 0, bytes = 0;

	assert_in_range(trend->n_cohorts, 0, TREND_COHORTS);
	for (uint32_t i = 0; i < trend->n_cohorts; i++) {
		const struct cohort *c = &trend->cohorts[i];

		assert_true(c->start < c->end && c->live <= c->births);
		assert_true(i == 0 || c->start >= c[-1].end);
		live += c->live;
		bytes += c->bytes;
	}
	assert_int_equal(live, twin->n);
	assert_int_equal(trend->live, twin->n);
	assert_int_equal(bytes, 10 * twin->n);
	assert_int_equal(trend__survivors(trend, now, 0).n, twin->n);
	/* Never more than there are, and by no more out than the cohorts are wide. */
	for (uint32_t age = 1; age <= now; age = age * 3 + 1) {
		struct survivors s = trend__survivors(trend, now, age);

		assert_true(s.n <= older(twin, now, age));
		assert_true(s.n >= older(twin, now, age + age / 2 + 2));
		assert_true(s.n == 0 || (s.youngest >= age && s.oldest >= s.youngest));
	}
}

static void agrees_with_a_twin_that_forgets_nothing(void **state)
{
	static struct twin twin;

	for (uint32_t pace = 1; pace <= 1000; pace *= 10) {
		struct site site = { .kind = KIND_PAIR_0 };
		struct trend *trend = trend__new(&site, 0);
		uint32_t now = 0, seed = pace;

		assert_non_null(trend);
		twin.n = 0;
		for (unsigned int step = 0; step < 3000; step++) {
			if (roll(&seed) % 4 == 0)
				now += roll(&seed) % (2 * pace);
			if (roll(&seed) % 100 < 60 && twin.n < OBJECTS) {
				twin.birth[twin.n++] = now;
				site.open++;
				assert_int_equal(trend__born(trend, now, 1, 10), 0);
			} else if (twin.n) {
				size_t i = roll(&seed) % twin.n;

				site.open--;
				trend__died(trend, now, twin.birth[i], 10, true);
				twin.birth[i] = twin.birth[--twin.n];
			}
			if (step % 16 == 0)
				check(trend, &twin, now);
		}
		assert_int_equal(trend->n_cohorts > 24, 1);
		trend__free(trend);
	}
}

/* A child's objects, or those of a site that was merged: their births were told late or never. */
static void keeps_in_step_with_what_is_open(void **state)
{
	struct site site = { .kind = KIND_PAIR_0, .open = 10 };
	struct trend *trend = trend__new(&site, 0);

	trend__born(trend, 100, 10, 100);	/* told at 100, born at 50 */
	for (unsigned int i = 0; i < 10; i++) {
		site.open--;
		trend__died(trend, 200, 50, 10, true);
		assert_int_equal(trend->live, site.open);
	}
	assert_int_equal(trend__survivors(trend, 300, 0).n, 0);
	trend__free(trend);

	/* Inherited and never told: their deaths take nobody else's place. */
	site.open = 15;
	trend = trend__new(&site, 0);
	trend__born(trend, 100, 5, 50);
	for (unsigned int i = 0; i < 10; i++) {
		site.open--;
		trend__died(trend, 200, 50, 10, true);
	}
	assert_int_equal(trend->live, 5);
	assert_int_equal(trend__survivors(trend, 300, 0).n, 5);
	trend__free(trend);
}

static void a_release_that_failed_did_not_happen(void **state)
{
	struct site site = { .kind = KIND_ANON, .open = 3 };
	struct trend *trend = trend__new(&site, 0);

	trend__born(trend, 10, 3, 30);
	site.open--;
	trend__died(trend, 20, 10, 10, true);
	assert_int_equal(trend->live, 2);
	site.open++;
	trend__restored(trend, 1, 10);
	assert_int_equal(trend->live, 3);
	assert_int_equal(trend->n_deaths, 0);
	assert_int_equal(trend__deaths_from(trend, 0), 0);
	assert_int_equal(trend__survivors(trend, 30, 20).n, 3);
	assert_int_equal(trend__survivors(trend, 30, 20).bytes, 30);
	trend__free(trend);
}

static void ages_fall_into_half_octaves(void **state)
{
	assert_int_equal(trend_age_cell(0), 0);
	for (unsigned int cell = 0; cell + 1 < TREND_AGES; cell++) {
		uint32_t first = trend_cell_age(cell), next = trend_cell_age(cell + 1);

		assert_true(next > first);
		assert_int_equal(trend_age_cell(first), cell);
		assert_int_equal(trend_age_cell(next - 1), cell);
		assert_true(cell < 6 || fabs((double)next / first - sqrt(2)) < 0.1);
	}
	assert_int_equal(trend_age_cell(UINT32_MAX), TREND_AGES - 1);
}

static void levels_rise_only_when_floor_and_peak_do(void **state)
{
	struct levels levels = { .start = 1000, .width = 1 };
	uint32_t t;

	for (t = 1000; t < 1003; t++)
		levels__note(&levels, t, 1024 * t);
	assert_int_equal(levels__rise(&levels), 0);	/* too early */
	for (; t < 3000; t++)
		levels__note(&levels, t, 1024 * t);
	assert_true(levels__rise(&levels) > 1024 * 300);
	assert_in_range(levels.n, TREND_LEVELS / 2, TREND_LEVELS);
	for (; t < 6000; t++)	/* the floor stays, the peak too */
		levels__note(&levels, t, t % 50 ? 3072000 : 2048000);
	assert_int_equal(levels__rise(&levels), 0);
	levels__note(&levels, 4000000, 3072000);		/* a long silence costs no time */
	assert_int_equal(levels__rise(&levels), 0);
	assert_int_equal(levels.most[levels.n - 1], 3000);
}

static void rates_are_robust(void **state)
{
	struct series series = { 0 };
	struct rate rate;

	assert_false(series__rate(&series).known);
	for (uint64_t i = 0; i < 9999; i++) {
		/* 5 bytes a nanosecond's tenth, and every seventh reading is nonsense. */
		series__add(&series, 1000000000 * i, i % 7 == 3 ? 123456789 : 1000 + 5000 * i);
		assert_in_range(series.n, 1, SERIES_MAX);
	}
	series__add(&series, 5, 77);	/* out of order: ignored */
	rate = series__rate(&series);
	assert_true(rate.known);
	assert_true(rate.mid > 4900 && rate.mid < 5100);
	assert_true(rate.low <= rate.mid && rate.mid <= rate.high);
	assert_true(rate.recent > 4000 && rate.recent < 6000);
	assert_true(series.time_ns[0] == 0);
	assert_int_equal(series.last, 1000 + 5000 * 9998);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_with_a_twin_that_forgets_nothing),
		cmocka_unit_test(keeps_in_step_with_what_is_open),
		cmocka_unit_test(a_release_that_failed_did_not_happen),
		cmocka_unit_test(ages_fall_into_half_octaves),
		cmocka_unit_test(levels_rise_only_when_floor_and_peak_do),
		cmocka_unit_test(rates_are_robust),
	};

	return cmocka_run_group_tests_name("trend", tests, NULL, NULL);
}
