/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF. */
#include "user/sink/escape.h"

#define REPLACEMENT "\xef\xbf\xbd"	/* U+FFFD */

/* Bytes of the well-formed sequence at s, 0: there is none. Reads no further than a bad byte. */
static size_t sequence(const unsigned char *s)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t n;

	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		n = 2;
	else if (s[0] >= 0xe0 && s[0] <= 0xef)
		n = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		n = 4;
	else
		return 0;
	if (s[0] == 0xe0)
		low = 0xa0;	/* overlong */
	else if (s[0] == 0xed)
		high = 0x9f;	/* surrogates */
	else if (s[0] == 0xf0)
		low = 0x90;	/* overlong */
	else if (s[0] == 0xf4)
		high = 0x8f;	/* above U+10FFFF */
	if (s[1] < low || s[1] > high)
		return 0;
	for (size_t i = 2; i < n; i++) {
		if (s[i] < 0x80 || s[i] > 0xbf)
			return 0;
	}
	return n;
}

uint32_t utf8_next(const char *str, size_t *n)
{
	const unsigned char *s = (const unsigned char *)str;
	uint32_t c;

	*n = sequence(s);
	if (*n == 0) {
		*n = 1;
		return 0xfffd;
	}
	c = *n == 1 ? s[0] : s[0] & (0x7fu >> *n);
	for (size_t i = 1; i < *n; i++)
		c = c << 6 | (s[i] & 0x3f);
	return c;
}

int is_obeyed(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x61c || c == 0xfeff ||
	       (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
	       (c >= 0x2066 && c <= 0x2069);
}

void escape_utf8(struct text *out, const char *s)
{
	size_t n;

	for (; *s; s += n) {
		if (utf8_next(s, &n) == 0xfffd)
			text__add(out, REPLACEMENT);
		else
			text__add_n(out, s, n);
	}
}

void escape_label(struct text *out, const char *s)
{
	size_t n;

	for (; *s; s += n) {
		uint32_t c = utf8_next(s, &n);

		if (c == '\n')
			text__add(out, "\\n");
		else if (c == '\\' || c == '"')
			text__addf(out, "\\%c", (int)c);
		else if (c == 0xfffd || is_obeyed(c))
			text__add(out, REPLACEMENT);
		else
			text__add_n(out, s, n);
	}
}
