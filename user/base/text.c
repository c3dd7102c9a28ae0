/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The buffer doubles, and stays terminated after every call. Once an allocation fails the text is
 * marked and keeps what it had; callers add on without checking and ask text__error() once.
 *
 * What counts as safe to show: printable UTF-8. Everything that could move the cursor, end the
 * line, or show the bytes after it in another order is spelled out byte by byte, and so are bytes
 * that are no UTF-8, overlong forms and surrogates among them.
 */
#include "user/base/text.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_CAPACITY_MIN 64

void text__init(struct text *text)
{
	*text = (struct text){ 0 };
}

void text__fini(struct text *text)
{
	free(text->s);
	text__init(text);
}

int text__error(const struct text *text)
{
	return text->failed ? -ENOMEM : 0;
}

char *text__steal(struct text *text)
{
	char *s = text->s;

	if (text->failed) {
		text__fini(text);
		return NULL;
	}
	text__init(text);
	return s ? s : calloc(1, 1);
}

/* Makes room for `more` bytes and the terminator. False: failed, now or before. */
static bool text__reserve(struct text *text, size_t more)
{
	size_t want, capacity = text->capacity ? text->capacity : TEXT_CAPACITY_MIN;
	char *s;

	if (text->failed)
		return false;
	if (__builtin_add_overflow(text->n, more, &want) || __builtin_add_overflow(want, 1, &want))
		goto failed;
	if (want <= text->capacity)
		return true;
	while (capacity < want) {
		if (__builtin_mul_overflow(capacity, 2, &capacity))
			goto failed;
	}
	s = realloc(text->s, capacity);
	if (!s)
		goto failed;
	text->s = s;
	text->capacity = capacity;
	return true;
failed:
	text->failed = true;
	return false;
}

void text__add_n(struct text *text, const char *s, size_t n)
{
	if (!text__reserve(text, n))
		return;
	if (n)
		memcpy(text->s + text->n, s, n);
	text->n += n;
	text->s[text->n] = '\0';
}

void text__add(struct text *text, const char *s)
{
	text__add_n(text, s, strlen(s));
}

void text__addf(struct text *text, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (n < 0) {
		text->failed = true;
		return;
	}
	if (!text__reserve(text, n))
		return;
	va_start(args, format);
	vsnprintf(text->s + text->n, (size_t)n + 1, format, args);
	va_end(args);
	text->n += n;
}

/* The code point at `s` in *out and its length in bytes; 0: not UTF-8. */
static size_t utf8_decode(const uint8_t *s, size_t n, uint32_t *out)
{
	static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint32_t c = s[0];
	size_t i, length;

	if (c < 0x80) {
		*out = c;
		return 1;
	}
	if (c >= 0xc2 && c <= 0xdf)
		length = 2;
	else if (c >= 0xe0 && c <= 0xef)
		length = 3;
	else if (c >= 0xf0 && c <= 0xf4)
		length = 4;
	else
		return 0;
	if (length > n)
		return 0;
	c &= 0x7f >> length;
	for (i = 1; i < length; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < smallest[length] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	*out = c;
	return length;
}

static bool is_printable(uint32_t c)
{
	if (c < 0x20 || (c >= 0x7f && c < 0xa0))
		return false;	/* C0, DEL, C1 */
	if (c == 0x2028 || c == 0x2029)
		return false;	/* line and paragraph separators */
	if (c == 0x061c || c == 0x200e || c == 0x200f || (c >= 0x202a && c <= 0x202e) ||
	    (c >= 0x2066 && c <= 0x2069))
		return false;	/* bidirectional controls */
	return true;
}

void text__add_safe_n(struct text *text, const char *s, size_t n)
{
	const uint8_t *p = (const uint8_t *)s;
	size_t i, length, at = 0;
	uint32_t c;

	while (at < n && !text->failed) {
		length = utf8_decode(p + at, n - at, &c);
		if (length && c == '\\') {
			text__add_n(text, "\\\\", 2);
		} else if (length && is_printable(c)) {
			text__add_n(text, s + at, length);
		} else {
			length = length ? length : 1;
			for (i = 0; i < length; i++)
				text__addf(text, "\\x%02x", p[at + i]);
		}
		at += length;
	}
}

void text__add_safe(struct text *text, const char *s)
{
	text__add_safe_n(text, s, strlen(s));
}

/* NaN and infinities are no numbers to show to anybody. True: written. */
static bool text__add_odd(struct text *text, double value)
{
	if (isnan(value))
		text__add(text, "unknown");
	else if (isinf(value))
		text__add(text, value < 0 ? "-unlimited" : "unlimited");
	else
		return false;
	return true;
}

/*
 * Three figures at most: one decimal below 100, none above. A value that rounds up to 1000 goes on
 * to the next unit, so "1000 KB" never shows.
 */
void text__add_size(struct text *text, double bytes)
{
	static const char *const units[] = { "B", "KB", "MB", "GB", "TB", "PB", "EB" };
	const size_t last = sizeof(units) / sizeof(units[0]) - 1;
	double value = fabs(bytes);
	size_t unit = 0;

	if (text__add_odd(text, bytes))
		return;
	while (unit < last && value >= 999.5) {
		value /= 1000;
		unit++;
	}
	if (bytes < 0 && value >= 0.5)
		text__add(text, "-");
	if (unit && value < 99.95)
		text__addf(text, "%.1f %s", value, units[unit]);
	else
		text__addf(text, "%.0f %s", value, units[unit]);
}

/*
 * One decimal below 10 of a unit, none above. Each unit ends where rounding would reach its limit,
 * so "60 s" and "60 min" never show; hours go on for two days, so "1 days" never shows.
 */
void text__add_duration(struct text *text, double seconds)
{
	static const struct {
		const char *name;
		double seconds, end;
	} units[] = {
		{ "s", 1, 59.5 },
		{ "min", 60, 59.5 },
		{ "h", 3600, 47.5 },
		{ "days", 86400, INFINITY },
	};
	double value = fabs(seconds);
	size_t unit = 0;

	if (text__add_odd(text, seconds))
		return;
	while (value / units[unit].seconds >= units[unit].end)
		unit++;
	value /= units[unit].seconds;
	if (seconds < 0 && value >= 0.05)
		text__add(text, "-");
	text__addf(text, value < 9.95 ? "%.1f %s" : "%.0f %s", value, units[unit].name);
}

void text__add_count(struct text *text, uint64_t n)
{
	char digits[32];
	int i, length = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)n);

	for (i = 0; i < length; i++) {
		if (i && (length - i) % 3 == 0)
			text__add_n(text, ",", 1);
		text__add_n(text, digits + i, 1);
	}
}
