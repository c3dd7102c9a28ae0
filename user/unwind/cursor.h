/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Reading numbers out of bytes that may lie: a cursor that runs past its end yields zeros and is
 * `bad` from then on, so a parser checks once, at the end. Little endian, unaligned.
 */
#ifndef UNFREED_UNWIND_CURSOR_H
#define UNFREED_UNWIND_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct cursor {
	const uint8_t *p, *end;
	bool bad;
};

static inline size_t cursor_left(const struct cursor *c)
{
	return (size_t)(c->end - c->p);
}

static inline const uint8_t *cursor_take(struct cursor *c, uint64_t n)
{
	const uint8_t *p = c->p;

	if (c->bad || n > cursor_left(c)) {
		c->bad = true;
		return NULL;
	}
	c->p += n;
	return p;
}

/* An unsigned number of n <= 8 bytes. */
static inline uint64_t cursor_unsigned(struct cursor *c, unsigned int n)
{
	const uint8_t *p = cursor_take(c, n);
	uint64_t value = 0;

	if (p)
		memcpy(&value, p, n);
	return value;
}

/* The same, its sign extended. */
static inline uint64_t cursor_signed(struct cursor *c, unsigned int n)
{
	uint64_t value = cursor_unsigned(c, n), sign = 1ull << (8 * n - 1);

	return (value ^ sign) - sign;
}

static inline uint64_t cursor_leb(struct cursor *c, bool is_signed)
{
	uint64_t value = 0;
	unsigned int shift = 0;
	uint8_t byte;

	do {
		byte = (uint8_t)cursor_unsigned(c, 1);
		if (shift < 64)
			value |= (uint64_t)(byte & 0x7f) << shift;
		shift += 7;
	} while (byte & 0x80 && !c->bad);
	if (is_signed && shift < 64 && byte & 0x40)
		value |= ~0ull << shift;
	return value;
}

static inline uint64_t cursor_uleb(struct cursor *c)
{
	return cursor_leb(c, false);
}

static inline uint64_t cursor_sleb(struct cursor *c)
{
	return cursor_leb(c, true);
}

#endif /* UNFREED_UNWIND_CURSOR_H */
