/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Lines of a perf map, and the names in them.
 *
 * The numbers are hexadecimal, with 0x before them or not. Everything behind the second blank is the
 * name, blanks included.
 */
#include "user/symbol/perf_map.h"

#include <errno.h>
#include <string.h>

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* A number and the blank behind it; the cursor moves past both. */
static bool take_hex(const char **s, const char *end, uint64_t *out)
{
	const char *p = *s, *digits;
	uint64_t value = 0;

	if (end - p > 2 && p[0] == '0' && (p[1] == 'x' || p[1] == 'X'))
		p += 2;
	for (digits = p; p < end && hex_digit(*p) >= 0; p++) {
		if (value >> 60)
			return false;
		value = value << 4 | (uint64_t)hex_digit(*p);
	}
	if (p == digits || p == end || *p != ' ')
		return false;
	*out = value;
	*s = p + 1;
	return true;
}

int perf_map_line__parse(const char *line, size_t n, struct perf_map_line *out)
{
	const char *end = line + n;
	uint64_t behind;

	if (n && end[-1] == '\r')
		end--;
	if (!take_hex(&line, end, &out->start) || !take_hex(&line, end, &out->size) ||
	    !out->size || __builtin_add_overflow(out->start, out->size, &behind) || line == end)
		return -EBADMSG;
	out->name = line;
	out->name_sz = (size_t)(end - line);
	return 0;
}

/* --- names ------------------------------------------------------------------------------------ */

static bool take_prefix(struct perf_map_name *name, const char *prefix)
{
	size_t n = strlen(prefix);

	if (name->function_sz <= n || memcmp(name->function, prefix, n) != 0)
		return false;
	name->function += n;
	name->function_sz -= n;
	return true;
}

/* ":digits" at the end of n bytes: the bytes before it; n: there is none, or it is no line number. */
static size_t before_number(const char *s, size_t n, uint32_t *value)
{
	uint64_t sum = 0, unit = 1;
	size_t at = n;

	while (at && s[at - 1] >= '0' && s[at - 1] <= '9' && n - at < 9) {
		sum += unit * (uint64_t)(s[--at] - '0');
		unit *= 10;
	}
	if (at == n || !at || s[at - 1] != ':')
		return n;
	*value = (uint32_t)sum;
	return at - 1;
}

/* Where the blank is that parts the function from its script: before what looks like a path, else the
 * last one. Both may have blanks in them. */
static const char *find_script(const char *s, size_t n)
{
	static const char *const begins[] = { " /", " file:", " node:" };
	const char *found = NULL, *p;

	for (size_t i = 0; i < sizeof(begins) / sizeof(begins[0]); i++) {
		p = memmem(s, n, begins[i], strlen(begins[i]));
		if (p && (!found || p < found))
			found = p;
	}
	return found ? found : memrchr(s, ' ', n);
}

/* V8: "JS:*leak /srv/app.js:4:22"; the mark is the compiler's: ~ interpreter, ^ + * the others. */
static bool split_v8(struct perf_map_name *name)
{
	static const char *const kinds[] = { "JS:", "LazyCompile:", "Function:", "Eval:", "Script:" };
	uint32_t column, line = 0;
	const char *blank;
	bool is_v8 = false;
	size_t n;

	for (size_t i = 0; !is_v8 && i < sizeof(kinds) / sizeof(kinds[0]); i++)
		is_v8 = take_prefix(name, kinds[i]);
	if (!is_v8)
		return false;
	if (name->function_sz > 1 && strchr("~^+*'", name->function[0])) {
		name->function++;
		name->function_sz--;
	}
	blank = find_script(name->function, name->function_sz);
	if (!blank)
		return true;
	name->file = blank + 1;
	name->file_sz = name->function_sz - (size_t)(blank + 1 - name->function);
	name->function_sz = (size_t)(blank - name->function);
	n = before_number(name->file, name->file_sz, &column);
	if (n < name->file_sz)
		n = before_number(name->file, name->file_sz = n, &line);
	name->file_sz = n;
	name->line = line;
	if (!name->function_sz) {
		name->function = "(anonymous)";
		name->function_sz = strlen(name->function);
	}
	return true;
}

/* CPython: "py::leak:/srv/app.py". */
static bool split_python(struct perf_map_name *name)
{
	const char *colon;
	size_t n;

	if (!take_prefix(name, "py::"))
		return false;
	colon = memchr(name->function, ':', name->function_sz);
	if (!colon || colon == name->function)
		return true;
	n = (size_t)(colon - name->function);
	name->file = colon + 1;
	name->file_sz = name->function_sz - n - 1;
	name->function_sz = n;
	return true;
}

/* .NET: "void [app] App.Server::Leak(string)[Tier0]". */
static void cut_tier(struct perf_map_name *name)
{
	const char *s = name->function, *open;

	if (s[name->function_sz - 1] != ']')
		return;
	open = memrchr(s, '[', name->function_sz);
	if (open && open > s && open[-1] == ')')
		name->function_sz = (size_t)(open - s);
}

void perf_map_name__split(const char *name, size_t n, struct perf_map_name *out)
{
	*out = (struct perf_map_name){ .function = name, .function_sz = n };
	if (n && !split_v8(out) && !split_python(out))
		cut_tier(out);
}
