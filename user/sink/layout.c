/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Columns, cuts and line breaks, counted after escaping, in code points. */
#include "user/sink/layout.h"

#include <stdbool.h>
#include <string.h>

/* Code points in n bytes of UTF-8. */
static size_t columns(const char *s, size_t n)
{
	size_t c = 0;

	for (size_t i = 0; i < n; i++)
		c += ((unsigned char)s[i] & 0xc0) != 0x80;
	return c;
}

size_t layout_add_cut(struct text *out, const char *s, size_t most)
{
	struct text safe;
	size_t n = 0, used;

	text__init(&safe);
	text__add_safe(&safe, s);
	used = safe.s ? columns(safe.s, safe.n) : 0;
	if (used <= most) {
		text__add_n(out, safe.s ? safe.s : "", safe.n);
	} else {
		for (size_t c = 0; n < safe.n; n++) {
			c += ((unsigned char)safe.s[n] & 0xc0) != 0x80;
			if (c > most - 3)
				break;
		}
		text__add_n(out, safe.s, n);
		text__add(out, "...");
		used = most;
	}
	if (text__error(&safe))
		out->failed = true;
	text__fini(&safe);
	return used;
}

void layout_add_spaces(struct text *out, size_t n)
{
	while (n--)
		text__add(out, " ");
}

/* Bytes of the first word of s, at most as many columns as a line has. */
static size_t word(const char *s, size_t most)
{
	size_t n = 0, c = 0;

	for (; s[n] && s[n] != ' '; n++) {
		c += ((unsigned char)s[n] & 0xc0) != 0x80;
		if (c > most)
			break;
	}
	return n;
}

void layout_add_wrapped(struct text *out, const char *s, size_t begun, size_t indent)
{
	size_t at = begun, n;
	bool spaced = false;
	struct text safe;
	const char *p;

	text__init(&safe);
	text__add_safe(&safe, s);
	if (text__error(&safe))
		out->failed = true;
	for (p = safe.s; p && *p; p += n) {
		size_t c;

		n = word(p, LAYOUT_WIDTH - indent);
		c = columns(p, n);
		if (at > indent && at + spaced + c > LAYOUT_WIDTH) {
			text__add(out, "\n");
			layout_add_spaces(out, indent);
			at = indent;
		} else if (spaced) {
			text__add(out, " ");
			at++;
		}
		text__add_n(out, p, n);
		at += c;
		spaced = p[n] == ' ';
		n += strspn(p + n, " ");
	}
	text__add(out, "\n");
	text__fini(&safe);
}

size_t layout_columns(const char *s)
{
	struct text safe;
	size_t c;

	text__init(&safe);
	text__add_safe(&safe, s);
	c = safe.s ? columns(safe.s, safe.n) : 0;
	text__fini(&safe);
	return c;
}
