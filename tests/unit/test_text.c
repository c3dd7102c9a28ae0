/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The text buffer, and how sizes, durations, counts and hostile bytes read. Formats are tables of
 * value and expected text, chosen at the edges where rounding changes the unit.
 */
#include "user/base/text.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define N(a) (sizeof(a) / sizeof((a)[0]))

static void grows_and_stays_terminated(void **state)
{
	struct text text;
	size_t i;

	text__init(&text);
	assert_null(text.s);
	for (i = 0; i < 5000; i++) {
		text__addf(&text, "%zu,", i % 10);
		assert_int_equal(text.n, 2 * (i + 1));
		assert_int_equal(text.s[text.n], '\0');
		assert_true(text.n < text.capacity);
	}
	text__add(&text, "end");
	text__add_n(&text, "xyz", 1);
	assert_string_equal(text.s + text.n - 6, "9,endx");
	assert_int_equal(text__error(&text), 0);
	text__fini(&text);
	text__fini(&text);
	assert_null(text.s);
}

static void keeps_embedded_zeros(void **state)
{
	struct text text;

	text__init(&text);
	text__add_n(&text, "a\0b", 3);
	assert_int_equal(text.n, 3);
	assert_memory_equal(text.s, "a\0b", 4);
	text__fini(&text);
}

static void steals(void **state)
{
	struct text text;
	char *s;

	text__init(&text);
	s = text__steal(&text);
	assert_string_equal(s, "");
	free(s);
	text__add(&text, "mine");
	s = text__steal(&text);
	assert_string_equal(s, "mine");
	assert_null(text.s);
	assert_int_equal(text.n, 0);
	free(s);
}

static void failure_is_sticky(void **state)
{
	struct text text;

	text__init(&text);
	text__add(&text, "kept");
	/* The sum would overflow, so nothing is read from the source. */
	text__add_n(&text, "x", SIZE_MAX - 2);
	assert_int_equal(text__error(&text), -ENOMEM);
	text__add(&text, "later");
	text__addf(&text, "%d", 1);
	text__add_safe(&text, "later");
	assert_string_equal(text.s, "kept");
	assert_null(text__steal(&text));
	assert_int_equal(text__error(&text), 0);
	text__fini(&text);
}

static void hostile_bytes_are_spelled_out(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "", "" },
		{ "plain ~ text", "plain ~ text" },
		{ "a\\b", "a\\\\b" },
		{ "a\nb\tc\r", "a\\x0ab\\x09c\\x0d" },
		{ "\033[2J\a", "\\x1b[2J\\x07" },
		{ "\x7f", "\\x7f" },
		{ "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f" },			/* 2 bytes */
		{ "\xe2\x82\xac", "\xe2\x82\xac" },				/* 3 bytes */
		{ "\xf0\x9f\x90\xb3", "\xf0\x9f\x90\xb3" },			/* 4 bytes */
		{ "\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf" },			/* U+10FFFF */
		{ "\xc2\x80", "\\xc2\\x80" },					/* first C1 */
		{ "\xc2\x9b", "\\xc2\\x9b" },					/* CSI */
		{ "\xc2\x9f", "\\xc2\\x9f" },					/* last C1 */
		{ "\xc2\xa0", "\xc2\xa0" },					/* after C1 */
		{ "\xd8\x9c", "\\xd8\\x9c" },					/* U+061C */
		{ "\xe2\x80\x8e", "\\xe2\\x80\\x8e" },				/* U+200E */
		{ "\xe2\x80\x8f", "\\xe2\\x80\\x8f" },				/* U+200F */
		{ "\xe2\x80\xa8", "\\xe2\\x80\\xa8" },				/* U+2028 */
		{ "\xe2\x80\xaa", "\\xe2\\x80\\xaa" },				/* U+202A */
		{ "\xe2\x80\xae", "\\xe2\\x80\\xae" },				/* U+202E */
		{ "\xe2\x80\xaf", "\xe2\x80\xaf" },				/* U+202F: a space */
		{ "\xe2\x81\xa5", "\xe2\x81\xa5" },				/* U+2065 */
		{ "\xe2\x81\xa6", "\\xe2\\x81\\xa6" },				/* U+2066 */
		{ "\xe2\x81\xa9", "\\xe2\\x81\\xa9" },				/* U+2069 */
		{ "\x80", "\\x80" },						/* lone continuation */
		{ "\xff\xfe", "\\xff\\xfe" },
		{ "\xc0\xaf", "\\xc0\\xaf" },					/* overlong / */
		{ "\xc1\xbf", "\\xc1\\xbf" },
		{ "\xe0\x80\xaf", "\\xe0\\x80\\xaf" },
		{ "\xf0\x80\x80\xaf", "\\xf0\\x80\\x80\\xaf" },
		{ "\xed\xa0\x80", "\\xed\\xa0\\x80" },				/* surrogate */
		{ "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80" },			/* beyond Unicode */
		{ "\xe2\x82", "\\xe2\\x82" },					/* cut off */
		{ "\xe2\x82z", "\\xe2\\x82z" },
		{ "\xf0\x9f\x90", "\\xf0\\x9f\\x90" },
	};
	struct text text;
	size_t i;

	for (i = 0; i < N(cases); i++) {
		text__init(&text);
		text__add_safe(&text, cases[i].in);
		text__add(&text, "");
		assert_string_equal(text.s, cases[i].out);
		text__fini(&text);
	}
}

/* Whatever goes in: printable comes out, and it comes out the same a second time but for '\'. */
static void every_byte_pair_comes_out_harmless(void **state)
{
	char *in = malloc(2);	/* exact, so that a read behind it is seen */
	struct text text;
	int a, b;
	size_t i;

	for (a = 0; a < 256; a++) {
		for (b = 0; b < 256; b++) {
			in[0] = a;
			in[1] = b;
			text__init(&text);
			text__add_safe_n(&text, in, 2);
			for (i = 0; i < text.n; i++) {
				assert_in_range((uint8_t)text.s[i], 0x20, 0xdf);
				assert_int_not_equal(text.s[i], 0x7f);
			}
			text__fini(&text);
		}
	}
	free(in);
}

struct number_case {
	double value;
	const char *out;
};

static void check_numbers(void (*add)(struct text *, double), const struct number_case *cases,
			  size_t n)
{
	struct text text;

	for (; n; n--, cases++) {
		text__init(&text);
		add(&text, cases->value);
		assert_string_equal(text.s, cases->out);
		text__fini(&text);
	}
}

static void sizes(void **state)
{
	static const struct number_case cases[] = {
		{ 0, "0 B" },		    { 17, "17 B" },	    { 999, "999 B" },
		{ 999.4, "999 B" },	    { 999.5, "1.0 KB" },    { 1000, "1.0 KB" },
		{ 9500, "9.5 KB" },	    { 99940, "99.9 KB" },   { 99950, "100 KB" },
		{ 99960, "100 KB" },	    { 402e6, "402 MB" },    { 999.4e6, "999 MB" },
		{ 999.6e6, "1.0 GB" },	    { 8.4e9, "8.4 GB" },    { 84.31e9, "84.3 GB" },
		{ 1e12, "1.0 TB" },	    { 1.5e15, "1.5 PB" },   { 18446744073709551615.0, "18.4 EB" },
		{ 5e21, "5000 EB" },	    { -8.4e9, "-8.4 GB" },  { -0.2, "0 B" },
		{ NAN, "unknown" },	    { INFINITY, "unlimited" }, { 0.4, "0 B" },
	};

	check_numbers(text__add_size, cases, N(cases));
}

static void durations(void **state)
{
	static const struct number_case cases[] = {
		{ 0, "0.0 s" },		{ 0.34, "0.3 s" },	{ 9.94, "9.9 s" },
		{ 9.96, "10 s" },	{ 21, "21 s" },		{ 59.4, "59 s" },
		{ 59.6, "1.0 min" },	{ 60, "1.0 min" },	{ 270, "4.5 min" },
		{ 9.96 * 60, "10 min" }, { 3540, "59 min" },	{ 3594, "1.0 h" },
		{ 3.2 * 3600, "3.2 h" }, { 24 * 3600, "24 h" },	{ 47.4 * 3600, "47 h" },
		{ 48 * 3600, "2.0 days" }, { 12 * 86400.0, "12 days" }, { 1e9, "11574 days" },
		{ -21, "-21 s" },	{ INFINITY, "unlimited" }, { NAN, "unknown" },
	};

	check_numbers(text__add_duration, cases, N(cases));
}

static void counts(void **state)
{
	static const struct {
		uint64_t n;
		const char *out;
	} cases[] = {
		{ 0, "0" },
		{ 999, "999" },
		{ 1000, "1,000" },
		{ 196204, "196,204" },
		{ 1000000, "1,000,000" },
		{ UINT64_MAX, "18,446,744,073,709,551,615" },
	};
	struct text text;
	size_t i;

	for (i = 0; i < N(cases); i++) {
		text__init(&text);
		text__add_count(&text, cases[i].n);
		assert_string_equal(text.s, cases[i].out);
		text__fini(&text);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(grows_and_stays_terminated),
		cmocka_unit_test(keeps_embedded_zeros),
		cmocka_unit_test(steals),
		cmocka_unit_test(failure_is_sticky),
		cmocka_unit_test(hostile_bytes_are_spelled_out),
		cmocka_unit_test(every_byte_pair_comes_out_harmless),
		cmocka_unit_test(sizes),
		cmocka_unit_test(durations),
		cmocka_unit_test(counts),
	};

	return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
