/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Memory of earlier runs: what is kept, what falls out, and bytes of every kind that are not one.
 */
#include "user/detect/past.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "user/model/world.h"

static struct past *new_past(void)
{
	struct past *past = NULL;

	assert_int_equal(past__new(&past), 0);
	return past;
}

static void learn(struct past *past, uint64_t site, uint32_t age, uint64_t plateau)
{
	struct lesson lesson = { .release_age = age, .plateau = plateau };

	assert_int_equal(past__learn(past, site, KIND_ANON, &lesson), 0);
}

static void the_greater_lesson_counts(void **state)
{
	struct past *past = new_past();
	struct lesson lesson;

	assert_false(past__is_changed(past));
	learn(past, 7, 100, 5);
	learn(past, 7, 50, 9);
	assert_true(past__is_changed(past));
	lesson = past__find(past, 7, KIND_ANON);
	assert_int_equal(lesson.release_age, 100);
	assert_int_equal(lesson.plateau, 9);
	assert_int_equal(past__find(past, 7, KIND_FILE).plateau, 0);
	assert_int_equal(past__find(NULL, 7, KIND_ANON).plateau, 0);
	learn(past, 8, 0, 0);	/* teaches nothing */
	learn(past, 0, 1, 1);	/* of nobody */
	assert_int_equal(past__n(past), 1);
	past__free(past);
	past__free(NULL);
}

static void the_oldest_falls_out(void **state)
{
	struct past *past = new_past();

	for (uint64_t site = 1; site <= PAST_MAX; site++)
		learn(past, site, 1, site);
	learn(past, 1, 1, 1);	/* learnt of anew: the oldest one is 2 now */
	for (uint64_t site = PAST_MAX + 1; site <= PAST_MAX + 10; site++)
		learn(past, site, 1, site);
	assert_int_equal(past__n(past), PAST_MAX);
	assert_int_equal(past__find(past, 1, KIND_ANON).plateau, 1);
	for (uint64_t site = 2; site <= 11; site++)
		assert_int_equal(past__find(past, site, KIND_ANON).plateau, 0);
	assert_int_equal(past__find(past, 12, KIND_ANON).plateau, 12);
	past__free(past);
}

static void written_and_read_it_is_the_same(void **state)
{
	struct past *past = new_past(), *again;
	uint8_t *bytes, *bytes_again;
	size_t sz, sz_again;
	const char *why;

	for (uint64_t site = 1; site <= PAST_MAX; site++)
		learn(past, site * 0x9e3779b97f4a7c15ull, (uint32_t)site, site << 40);
	assert_int_equal(past__write(past, &bytes, &sz), 0);
	assert_int_equal(sz, PAST_MAX_SZ);
	assert_false(past__is_changed(past));
	assert_int_equal(past__read(&again, bytes, sz, &why), 0);
	assert_null(why);
	assert_false(past__is_changed(again));
	assert_int_equal(past__n(again), PAST_MAX);
	assert_int_equal(past__write(again, &bytes_again, &sz_again), 0);
	assert_int_equal(sz, sz_again);
	assert_memory_equal(bytes, bytes_again, sz);
	learn(again, 3, 1, 1);	/* the order of age went through the file, too */
	assert_int_equal(past__find(again, 0x9e3779b97f4a7c15ull, KIND_ANON).plateau, 0);
	assert_int_equal(past__find(again, 2 * 0x9e3779b97f4a7c15ull, KIND_ANON).release_age, 2);
	free(bytes);
	free(bytes_again);
	past__free(past);
	past__free(again);
}

/* FNV-1a over the entries, as the header has it. */
static void seal(uint8_t *bytes, size_t sz)
{
	uint64_t h = 0xcbf29ce484222325ull;

	for (size_t i = PAST_HEADER_SZ; i < sz; i++)
		h = (h ^ bytes[i]) * 0x100000001b3ull;
	for (unsigned int i = 0; i < 8; i++)
		bytes[16 + i] = (uint8_t)(h >> (8 * i));
}

static void assert_refused(const uint8_t *bytes, size_t sz)
{
	struct past *past = NULL;
	const char *why = NULL;

	assert_int_equal(past__read(&past, bytes, sz, &why), 1);
	assert_non_null(why);
	assert_null(past);
}

static void damaged_bytes_are_refused(void **state)
{
	struct past *past = new_past();
	uint8_t *bytes, *whole;
	size_t sz;

	for (uint64_t site = 1; site <= 4; site++)
		learn(past, site, 10, 20);
	assert_int_equal(past__write(past, &whole, &sz), 0);
	past__free(past);
	for (size_t n = 0; n < sz; n++) {	/* torn anywhere; in a room that ends there */
		bytes = malloc(n + 1);
		assert_non_null(bytes);
		memcpy(bytes, whole, n);
		assert_refused(bytes, n);
		free(bytes);
	}
	bytes = malloc(sz + 1);
	assert_non_null(bytes);
	memcpy(bytes, whole, sz);
	bytes[sz] = 0;
	assert_refused(bytes, sz + 1);	/* longer than it says */
	for (size_t bit = 0; bit < 8 * sz; bit++) {
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_refused(bytes, sz);
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	free(bytes);
	free(whole);
}

/* With a right checksum, too. */
static void senseless_entries_are_refused(void **state)
{
	static const struct {
		size_t at;
		uint8_t value;
	} faults[] = {
		{ PAST_HEADER_SZ, 2 },		/* a site twice */
		{ PAST_HEADER_SZ, 0 },		/* no site */
		{ PAST_HEADER_SZ + 20, N_KINDS },
		{ PAST_HEADER_SZ + 22, 1 },
		{ 8, 1 },			/* an earlier version */
		{ 8, 3 },			/* a later one */
	};

	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		struct past *past = new_past();
		uint8_t *bytes;
		size_t sz;

		learn(past, 1, 10, 20);
		learn(past, 2, 10, 20);
		assert_int_equal(past__write(past, &bytes, &sz), 0);
		past__free(past);
		bytes[faults[i].at] = faults[i].value;
		seal(bytes, sz);
		assert_refused(bytes, sz);
		free(bytes);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_greater_lesson_counts),
		cmocka_unit_test(the_oldest_falls_out),
		cmocka_unit_test(written_and_read_it_is_the_same),
		cmocka_unit_test(damaged_bytes_are_refused),
		cmocka_unit_test(senseless_entries_are_refused),
	};

	return cmocka_run_group_tests_name("past", tests, NULL, NULL);
}
