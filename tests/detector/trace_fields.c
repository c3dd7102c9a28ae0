/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Every field is checked against the whole word: what follows a number makes it none.
 */
#include "tests/detector/trace_fields.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/detector/trace.h"
#include "user/model/world.h"

bool field__to_u64(const char *s, uint64_t max, uint64_t *out)
{
	char *end;
	double d;

	errno = 0;
	*out = strtoull(s, &end, 10);
	if (*s < '0' || *s > '9' || errno)
		return false;
	if (*end) {
		d = strtod(s, &end);
		if (*end || !(d < 0x1p63))
			return false;
		*out = (uint64_t)d;
	}
	return *out <= max;
}

bool field__to_limit(const char *s, uint64_t *out)
{
	static const char *const none[] = { "none", "inf", "max", "unlimited", "-", "-1" };

	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		if (!strcmp(s, none[i])) {
			*out = 0;
			return true;
		}
	}
	return field__to_u64(s, UINT64_MAX, out);
}

bool field__to_tick(const char *s, uint32_t *out)
{
	uint64_t value;

	if (!field__to_u64(s, TRACE_MAX_TICK, &value))
		return false;
	*out = (uint32_t)value;
	return true;
}

bool field__to_double(const char *s, double *out)
{
	char *end;

	*out = strtod(s, &end);
	return end != s && !*end && isfinite(*out) && *out >= 0;
}

unsigned int field__to_kind(const char *s)
{
	static const char *const handles[] = { "handle", "stream", "zlib", "flate" };
	uint64_t number;

	if (field__to_u64(s, N_KINDS - 1, &number))
		return number == KIND_RESERVED ? KIND_ANON : (unsigned int)number;
	for (size_t i = 0; i < sizeof(handles) / sizeof(handles[0]); i++) {
		if (strstr(s, handles[i]))
			return KIND_PAIR_0;
	}
	if (!strcmp(s, "file"))
		return KIND_FILE;
	if (!strcmp(s, "shm"))
		return KIND_SHM;
	if (!strcmp(s, "brk"))
		return KIND_HEAP;
	return KIND_ANON;
}
