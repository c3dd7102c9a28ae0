/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The table, and the only two things that are done with a row: is this its name, how many bytes
 * does the call take.
 *
 * zlib (zlib.h): every opener and closer has the stream as its first argument, and the stream's
 * address is its identity. inflateInit_ and deflateInit_ normally do their work by a call of the
 * "2_" form; when that call was inlined they do not, which probe_points.c finds out per file.
 * inflateBackInit_ gets its window from the caller. Copies take (dest, source).
 *
 * A JDK with zlib linked in keeps zlib's names in .symtab; when they were stripped, the JNI names
 * remain (the JVM looks them up). JDK 8 to 25: init(JNIEnv *, jclass, ...) allocates the z_stream
 * and opens it by inflateInit2_ or deflateInit2_, end(JNIEnv *, jclass, jlong) gets its address.
 */
#include "user/source/pairs.h"

#include <string.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

enum { ZLIB_INFLATE, ZLIB_DEFLATE };

/* A server that keeps a stream per open connection looks like a leak while it fills: not lower. A
 * broker that recovers its log opens 400 MB of them a second: not higher. */
#define ZLIB_GROWTH 10

const struct pair pairs[] = {
	[ZLIB_INFLATE] = { "zlib-inflate", "zlib inflate streams", ZLIB_GROWTH },
	[ZLIB_DEFLATE] = { "zlib-deflate", "zlib deflate streams", ZLIB_GROWTH },
};
const size_t n_pairs = ARRAY_SIZE(pairs);

const char *const pair_prefixes[] = { "z_", "Cr_z_" };
const size_t n_pair_prefixes = ARRAY_SIZE(pair_prefixes);

const char *const pair_uncounted[] = { "zng_inflateInit2", "zng_inflateInit2_", "zng_deflateInit2",
				       "zng_deflateInit2_" };
const size_t n_pair_uncounted = ARRAY_SIZE(pair_uncounted);

/* zconf.h: "about 7 kilobytes" beside the window, "a few kilobytes" beside window and hash; the
 * latter is sizeof(struct deflate_state), 5,960 bytes in 1.2.13 and much the same elsewhere. */
#define INFLATE_STATE_SZ (7 * 1024)
#define DEFLATE_STATE_SZ (6 * 1024)

#define OPEN(p) .pair = (p), .role = PAIR_OPEN, .copy_arg = -1
#define CLOSE(p) .pair = (p), .role = PAIR_CLOSE, .copy_arg = -1
#define COPY(p) .pair = (p), .role = PAIR_COPY, .copy_arg = 1
#define INFLATE_SIZE(window) .size = { PAIR_SIZE_INFLATE, (window), -1, 0 }
#define DEFLATE_SIZE(window, mem_level) .size = { PAIR_SIZE_DEFLATE, (window), (mem_level), 0 }

const struct pair_symbol pair_symbols[] = {
	{ OPEN(ZLIB_INFLATE), .name = "inflateInit2_", .prefixed = true, INFLATE_SIZE(1) },
	{ OPEN(ZLIB_INFLATE), .name = "inflateInit_", .prefixed = true, INFLATE_SIZE(-1),
	  .wraps = "inflateInit2_" },
	{ OPEN(ZLIB_INFLATE), .name = "inflateBackInit_", .prefixed = true,
	  .size = { PAIR_SIZE_CONSTANT, -1, -1, INFLATE_STATE_SZ } },
	{ COPY(ZLIB_INFLATE), .name = "inflateCopy", .prefixed = true },
	{ CLOSE(ZLIB_INFLATE), .name = "inflateEnd", .prefixed = true },
	{ CLOSE(ZLIB_INFLATE), .name = "inflateBackEnd", .prefixed = true },

	{ OPEN(ZLIB_DEFLATE), .name = "deflateInit2_", .prefixed = true, DEFLATE_SIZE(3, 4) },
	{ OPEN(ZLIB_DEFLATE), .name = "deflateInit_", .prefixed = true, DEFLATE_SIZE(-1, -1),
	  .wraps = "deflateInit2_" },
	{ COPY(ZLIB_DEFLATE), .name = "deflateCopy", .prefixed = true },
	{ CLOSE(ZLIB_DEFLATE), .name = "deflateEnd", .prefixed = true },

	/* Probed on the call inside: handle and sizes are that call's. */
	{ OPEN(ZLIB_INFLATE), .name = "Java_java_util_zip_Inflater_init", .fallback = true,
	  .site = PAIR_SITE_INNER_CALL, .wraps = "inflateInit2_", INFLATE_SIZE(1) },
	{ CLOSE(ZLIB_INFLATE), .name = "Java_java_util_zip_Inflater_end", .fallback = true,
	  .handle_arg = 2 },
	{ OPEN(ZLIB_DEFLATE), .name = "Java_java_util_zip_Deflater_init", .fallback = true,
	  .site = PAIR_SITE_INNER_CALL, .wraps = "deflateInit2_", DEFLATE_SIZE(3, 4) },
	{ CLOSE(ZLIB_DEFLATE), .name = "Java_java_util_zip_Deflater_end", .fallback = true,
	  .handle_arg = 2 },
};
const size_t n_pair_symbols = ARRAY_SIZE(pair_symbols);

static int clamp(int value, int low, int high)
{
	return value < low ? low : value > high ? high : value;
}

/* An int argument; what the caller left in the register's high half means nothing. */
static int int_arg(const uint64_t arg[PAIR_N_ARGS], int index, int fallback)
{
	return index < 0 || index >= PAIR_N_ARGS ? fallback : (int32_t)(uint32_t)arg[index];
}

/* inflate: 8..15; negative: raw; +16: gzip, +32: either; 0 (and 16, 32): the stream's header says,
 * at most 15. */
static uint64_t inflate_bytes(int window_bits)
{
	int bits = window_bits < 0 ? -clamp(window_bits, -15, -8) : window_bits & 15;

	return (1ull << (bits ? clamp(bits, 8, 15) : 15)) + INFLATE_STATE_SZ;
}

/* deflate: 9..15 (8 is taken as 9); negative: raw; +16: gzip. */
static uint64_t deflate_bytes(int window_bits, int mem_level)
{
	int bits = window_bits < 0 ? -clamp(window_bits, -15, -9) :
		   window_bits > 15 ? window_bits - 16 : window_bits;

	return (1ull << (clamp(bits, 9, 15) + 2)) + (1ull << (clamp(mem_level, 1, 9) + 9)) +
	       DEFLATE_STATE_SZ;
}

uint64_t pair_symbol__bytes(const struct pair_symbol *symbol, const uint64_t arg[PAIR_N_ARGS])
{
	const struct pair_size *size = &symbol->size;

	switch (size->kind) {
	case PAIR_SIZE_CONSTANT:
		return size->bytes;
	case PAIR_SIZE_INFLATE:
		return inflate_bytes(int_arg(arg, size->window_arg, 15));
	case PAIR_SIZE_DEFLATE:
		return deflate_bytes(int_arg(arg, size->window_arg, 15),
				     int_arg(arg, size->mem_level_arg, 8));
	case PAIR_SIZE_NONE:
		break;
	}
	return 0;
}

bool pair_symbol__matches(const struct pair_symbol *symbol, const char *name, size_t name_sz,
			  size_t *prefix_sz)
{
	size_t plain_sz = strlen(symbol->name);
	size_t before, i;

	if (name_sz < plain_sz || memcmp(name + name_sz - plain_sz, symbol->name, plain_sz))
		return false;
	before = name_sz - plain_sz;
	*prefix_sz = before;
	if (!before)
		return true;
	for (i = 0; symbol->prefixed && i < n_pair_prefixes; i++)
		if (strlen(pair_prefixes[i]) == before && !memcmp(name, pair_prefixes[i], before))
			return true;
	return false;
}
