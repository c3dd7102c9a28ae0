/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * One scanner for digits, and unit tables after it. The form is judged before the magnitude: a
 * text with a wrong character is -EINVAL however long its digits are. *out is written only on
 * success.
 */
#include "user/base/parse.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define PID_MAX_LIMIT (1u << 22)	/* include/linux/threads.h, 64 bit */

struct unit {
	const char *suffix;
	uint64_t factor;
};

/* Digits, then one of the suffixes to the last character. A NULL suffix ends the table. */
static int parse_scaled(const char *s, const struct unit *units, uint64_t *out)
{
	const char *end = s;
	uint64_t value = 0;

	if (!s)
		return -EINVAL;
	while (*end >= '0' && *end <= '9')
		end++;
	if (end == s)
		return -EINVAL;
	while (units->suffix && strcmp(units->suffix, end))
		units++;
	if (!units->suffix)
		return -EINVAL;
	for (; s < end; s++) {
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*s - '0'), &value))
			return -ERANGE;
	}
	if (__builtin_mul_overflow(value, units->factor, &value))
		return -ERANGE;
	*out = value;
	return 0;
}

int parse_u64(const char *s, uint64_t *out)
{
	static const struct unit units[] = { { "", 1 }, { NULL, 0 } };

	return parse_scaled(s, units, out);
}

int parse_pid(const char *s, pid_t *out)
{
	uint64_t value;
	int r = parse_u64(s, &value);

	if (r)
		return r;
	if (value < 1 || value > PID_MAX_LIMIT)
		return -ERANGE;
	*out = (pid_t)value;
	return 0;
}

int parse_size(const char *s, uint64_t *out_bytes)
{
	static const struct unit units[] = {
		{ "", 1 },	   { "K", 1ull << 10 }, { "M", 1ull << 20 },
		{ "G", 1ull << 30 }, { "T", 1ull << 40 }, { NULL, 0 },
	};

	return parse_scaled(s, units, out_bytes);
}

int parse_duration(const char *s, uint64_t *out_ns)
{
	static const uint64_t second = 1000000000;
	const struct unit units[] = {
		{ "", second },	    { "ms", second / 1000 }, { "s", second },
		{ "m", 60 * second }, { "h", 3600 * second },  { "d", 86400 * second },
		{ NULL, 0 },
	};

	return parse_scaled(s, units, out_ns);
}

int parse_site(const char *s, uint64_t *out_digits, unsigned int *out_n_digits)
{
	size_t n = s ? strspn(s, "0123456789abcdefABCDEF") : 0;

	if (!n || s[n])
		return -EINVAL;
	if (n < 4 || n > 16)
		return -ERANGE;
	*out_digits = strtoull(s, NULL, 16);
	*out_n_digits = (unsigned int)n;
	return 0;
}
