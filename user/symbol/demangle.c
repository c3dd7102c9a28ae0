/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Names of C++ (Itanium ABI) and Rust (legacy and v0), by libiberty.
 *
 * The parameters of the function itself are left out: `kafka::Log::recover` reads better in a stack
 * than four lines of templates, and an overload is told apart by the line number or the offset
 * beside it. Parameters inside a name stay, where they say which local class or lambda is meant,
 * and so do template arguments. What a compiler split off a function keeps its mark:
 * `f [clone .cold]`. The hash at the end of a legacy Rust name goes.
 *
 * Mangled names are programs for the demangler: back references can double the text with every few
 * letters. So the input is bounded, the depth is libiberty's (DMGL_NO_RECURSE_LIMIT is never
 * given), and when the text passes its bound we leave by longjmp(), since a callback cannot stop
 * the demangler otherwise. That is safe where libiberty works on its stack: in all of C++ and
 * legacy Rust. Decoding a non-ASCII identifier of Rust v0 allocates; a bomb that goes off in
 * exactly that call loses those at most 16 KB.
 */
#include "user/symbol/symbol.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <libiberty/demangle.h>

#include "user/base/text.h"

#define MAX_MANGLED_SZ 4096	/* bytes; longer names stay as they are */
#define MAX_DEMANGLED_SZ 16384	/* bytes; names that would be longer stay as they are */

struct output {
	struct text text;
	jmp_buf too_long;
};

static void collect(const char *s, size_t n, void *ctx)
{
	struct output *out = ctx;

	if (n > MAX_DEMANGLED_SZ - out->text.n)
		longjmp(out->too_long, 1);
	text__add_n(&out->text, s, n);
}

/* 0 with the text in *out; 1: not mangled so, or too long. */
static int demangle_rust(struct output *out, const char *name)
{
	if (setjmp(out->too_long))
		return 1;
	return rust_demangle_callback(name, DMGL_NO_OPTS, collect, out) && out->text.n ? 0 : 1;
}

static int demangle_cpp(struct output *out, const char *name)
{
	if (setjmp(out->too_long))
		return 1;
	return cplus_demangle_v3_callback(name, DMGL_ANSI, collect, out) && out->text.n ? 0 : 1;
}

static int demangle_any(struct output *out, const char *name)
{
	char base[MAX_MANGLED_SZ];
	const char *clone;
	size_t sz;

	/* Rust first: its legacy names are C++ names too, with `$` and `.` in them. */
	if (!demangle_rust(out, name))
		return 0;
	text__fini(&out->text);
	if (strncmp(name, "_Z", 2))
		return 1;
	/* Without parameters libiberty stops at the end of the name, and so drops `.cold`. */
	clone = strchr(name, '.');
	sz = clone ? (size_t)(clone - name) : strlen(name);
	memcpy(base, name, sz);
	base[sz] = '\0';
	if (demangle_cpp(out, base))
		return 1;
	if (clone)
		text__addf(&out->text, " [clone %s]", clone);
	return 0;
}

char *demangle(const char *name)
{
	struct output out;
	char *s = NULL;

	text__init(&out.text);
	if ((!strncmp(name, "_Z", 2) || !strncmp(name, "_R", 2)) &&
	    strnlen(name, MAX_MANGLED_SZ) < MAX_MANGLED_SZ && !demangle_any(&out, name))
		s = text__steal(&out.text);
	else
		s = strdup(name);
	text__fini(&out.text);
	return s;
}
