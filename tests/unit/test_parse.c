/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Strict parsing: what is taken, what is refused and as what, and that a refusal leaves *out alone.
 */
#include "user/base/parse.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define N(a) (sizeof(a) / sizeof((a)[0]))
#define UNTOUCHED 77

struct parse_case {
	const char *s;
	int r;
	uint64_t value;
};

static void check(int (*parse)(const char *, uint64_t *), const struct parse_case *cases, size_t n)
{
	uint64_t value;

	for (; n; n--, cases++) {
		value = UNTOUCHED;
		if (parse(cases->s, &value) != cases->r)
			fail_msg("\"%s\" gave not %d", cases->s, cases->r);
		assert_int_equal(value, cases->r ? UNTOUCHED : cases->value);
	}
}

static void u64(void **state)
{
	static const struct parse_case cases[] = {
		{ "0", 0, 0 },
		{ "007", 0, 7 },
		{ "18446744073709551615", 0, UINT64_MAX },
		{ "18446744073709551616", -ERANGE, 0 },
		{ "99999999999999999999999999", -ERANGE, 0 },
		{ "99999999999999999999999999x", -EINVAL, 0 },
		{ "", -EINVAL, 0 },
		{ " 1", -EINVAL, 0 },
		{ "1 ", -EINVAL, 0 },
		{ "1\n", -EINVAL, 0 },
		{ "+1", -EINVAL, 0 },
		{ "-1", -EINVAL, 0 },
		{ "0x10", -EINVAL, 0 },
		{ "1.5", -EINVAL, 0 },
		{ "1e3", -EINVAL, 0 },
		{ NULL, -EINVAL, 0 },
	};

	check(parse_u64, cases, N(cases));
}

static void size(void **state)
{
	static const struct parse_case cases[] = {
		{ "0", 0, 0 },
		{ "4096", 0, 4096 },
		{ "1K", 0, 1024 },
		{ "64M", 0, 64ull << 20 },
		{ "2G", 0, 2ull << 30 },
		{ "3T", 0, 3ull << 40 },
		{ "16777215T", 0, 16777215ull << 40 },
		{ "16777216T", -ERANGE, 0 },
		{ "18446744073709551616", -ERANGE, 0 },
		{ "K", -EINVAL, 0 },
		{ "64m", -EINVAL, 0 },
		{ "64MB", -EINVAL, 0 },
		{ "64 M", -EINVAL, 0 },
		{ "6M4", -EINVAL, 0 },
		{ "1.5G", -EINVAL, 0 },
		{ "-1K", -EINVAL, 0 },
		{ "", -EINVAL, 0 },
	};

	check(parse_size, cases, N(cases));
}

static void duration(void **state)
{
	static const struct parse_case cases[] = {
		{ "5", 0, 5000000000ull },
		{ "500ms", 0, 500000000ull },
		{ "90s", 0, 90000000000ull },
		{ "10m", 0, 600000000000ull },
		{ "2h", 0, 7200000000000ull },
		{ "3d", 0, 259200000000000ull },
		{ "0s", 0, 0 },
		{ "213503d", 0, 213503ull * 86400000000000ull },
		{ "213504d", -ERANGE, 0 },
		{ "18446744074", -ERANGE, 0 },
		{ "ms", -EINVAL, 0 },
		{ "5S", -EINVAL, 0 },
		{ "5us", -EINVAL, 0 },
		{ "1h30m", -EINVAL, 0 },
		{ "1 h", -EINVAL, 0 },
		{ "5sec", -EINVAL, 0 },
		{ "", -EINVAL, 0 },
	};

	check(parse_duration, cases, N(cases));
}

static void pid(void **state)
{
	static const struct parse_case cases[] = {
		{ "1", 0, 1 },
		{ "4194304", 0, 4194304 },
		{ "4194305", -ERANGE, 0 },
		{ "4294967297", -ERANGE, 0 },	/* would be 1 in 32 bits */
		{ "0", -ERANGE, 0 },
		{ "-1", -EINVAL, 0 },
		{ "self", -EINVAL, 0 },
		{ "1,2", -EINVAL, 0 },
		{ "", -EINVAL, 0 },
	};
	size_t i;
	pid_t value;

	for (i = 0; i < N(cases); i++) {
		value = UNTOUCHED;
		assert_int_equal(parse_pid(cases[i].s, &value), cases[i].r);
		assert_int_equal(value, cases[i].r ? UNTOUCHED : (pid_t)cases[i].value);
	}
}

static int site_digits(const char *s, uint64_t *out)
{
	unsigned int n_digits;

	return parse_site(s, out, &n_digits);
}

static void site(void **state)
{
	static const struct parse_case cases[] = {
		{ "0000", 0, 0 },
		{ "00c0fFEE", 0, 0xc0ffee },
		{ "ffffffffffffffff", 0, UINT64_MAX },
		{ "123", -ERANGE, 0 },
		{ "11112222333344445", -ERANGE, 0 },
		{ "", -EINVAL, 0 },
		{ "0x1234", -EINVAL, 0 },
		{ "1234 ", -EINVAL, 0 },
		{ "+1234", -EINVAL, 0 },
		{ NULL, -EINVAL, 0 },
	};
	unsigned int n_digits;
	uint64_t digits;

	check(site_digits, cases, N(cases));
	assert_int_equal(parse_site("00abcde", &digits, &n_digits), 0);
	assert_int_equal(n_digits, 7);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(u64),
		cmocka_unit_test(size),
		cmocka_unit_test(duration),
		cmocka_unit_test(pid),
		cmocka_unit_test(site),
	};

	return cmocka_run_group_tests_name("parse", tests, NULL, NULL);
}
