/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The pair table: its rows are well-formed, names match exactly, and the sizes are what the zlib
 * that is installed really takes.
 */
#include "user/source/pairs.h"

#include "bpf/event.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

_Static_assert(PAIR_N_ARGS == EV_N_HANDLE_ARGS, "records carry all arguments");

static const struct pair_symbol *row(const char *name)
{
	for (size_t i = 0; i < n_pair_symbols; i++)
		if (!strcmp(pair_symbols[i].name, name))
			return &pair_symbols[i];
	fail_msg("no row %s", name);
	return NULL;
}

static uint64_t inflate_bytes(int window_bits)
{
	uint64_t arg[PAIR_N_ARGS] = { 1, 0xdeadbeef00000000ull | (uint32_t)window_bits, 2, 3 };

	return pair_symbol__bytes(row("inflateInit2_"), arg);
}

static uint64_t deflate_bytes(int window_bits, int mem_level)
{
	uint64_t arg[PAIR_N_ARGS] = { 1, 6, 8, 0xffffffff00000000ull | (uint32_t)window_bits,
				      0x1234567800000000ull | (uint32_t)mem_level, 0 };

	return pair_symbol__bytes(row("deflateInit2_"), arg);
}

static void rows_are_well_formed(void **state)
{
	assert_in_range(n_pairs, 1, PAIRS_MAX);
	for (size_t i = 0; i < n_pairs; i++) {
		assert_in_range(strlen(pairs[i].name), 1, 31);
		assert_non_null(pairs[i].noun);
	}
	for (size_t i = 0; i < n_pair_symbols; i++) {
		const struct pair_symbol *s = &pair_symbols[i];

		assert_true(s->pair < n_pairs);
		assert_in_range(s->handle_arg, 0, PAIR_N_ARGS - 1);
		assert_true(s->copy_arg < PAIR_N_ARGS);
		assert_true((s->role == PAIR_COPY) == (s->copy_arg >= 0));
		assert_true((s->role == PAIR_OPEN) == (s->size.kind != PAIR_SIZE_NONE));
		assert_true(s->size.window_arg < PAIR_N_ARGS);
		assert_true(s->size.mem_level_arg < PAIR_N_ARGS);
		assert_true(s->site == PAIR_SITE_ENTRY || (s->fallback && s->wraps));
		if (s->wraps) {
			assert_int_equal(row(s->wraps)->pair, s->pair);
			assert_int_equal(row(s->wraps)->role, PAIR_OPEN);
			assert_null(row(s->wraps)->wraps);
		}
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(s->name, pair_symbols[k].name);
	}
}

static bool matches(const char *row_name, const char *name, size_t *prefix_sz)
{
	return pair_symbol__matches(row(row_name), name, strlen(name), prefix_sz);
}

static void names_match_exactly(void **state)
{
	size_t prefix_sz = 99;

	assert_true(matches("inflateInit2_", "inflateInit2_", &prefix_sz));
	assert_int_equal(prefix_sz, 0);
	assert_true(matches("inflateInit2_", "z_inflateInit2_", &prefix_sz));
	assert_int_equal(prefix_sz, 2);
	assert_true(matches("inflateInit2_", "Cr_z_inflateInit2_", &prefix_sz));
	assert_int_equal(prefix_sz, 5);
	assert_false(matches("inflateInit2_", "xz_inflateInit2_", &prefix_sz));
	assert_false(matches("inflateInit2_", "_inflateInit2_", &prefix_sz));
	assert_false(matches("inflateInit2_", "inflateInit2", &prefix_sz));
	assert_false(matches("inflateInit2_", "inflateInit2_.part.0", &prefix_sz));
	assert_false(matches("inflateInit2_", "", &prefix_sz));
	assert_false(matches("inflateEnd", "zng_inflateEnd", &prefix_sz));
	assert_false(matches("Java_java_util_zip_Inflater_end",
			     "z_Java_java_util_zip_Inflater_end", &prefix_sz));
	/* Not terminated. */
	assert_true(pair_symbol__matches(row("inflateEnd"), "inflateEndless", 10, &prefix_sz));
}

static void window_bits_mean_what_zlib_says(void **state)
{
	const uint64_t full = inflate_bytes(15);

	assert_in_range(full, 32768 + 6000, 32768 + 8192);
	assert_int_equal(inflate_bytes(-15), full);
	assert_int_equal(inflate_bytes(15 + 16), full);
	assert_int_equal(inflate_bytes(15 + 32), full);
	assert_int_equal(inflate_bytes(0), full);
	assert_int_equal(inflate_bytes(16), full);
	assert_int_equal(inflate_bytes(32), full);
	assert_int_equal(full - inflate_bytes(9), 32768 - 512);
	assert_int_equal(full - inflate_bytes(-8), 32768 - 256);
	assert_int_equal(full - inflate_bytes(8 + 16), 32768 - 256);

	assert_int_equal(deflate_bytes(-15, 8), deflate_bytes(15, 8));
	assert_int_equal(deflate_bytes(31, 8), deflate_bytes(15, 8));
	assert_int_equal(deflate_bytes(8, 8), deflate_bytes(9, 8));
	assert_int_equal(deflate_bytes(-8, 8), deflate_bytes(9, 8));
	assert_int_equal(deflate_bytes(15, 9) - deflate_bytes(15, 8), 128 * 1024);
	assert_int_equal(deflate_bytes(15, 1) - deflate_bytes(9, 1), 128 * 1024 - 2048);
}

/* Arguments come from another process: whatever they are, no size beyond zlib's own. */
static void hostile_arguments_are_bounded(void **state)
{
	static const int values[] = { 0, 1, -1, 7, -7, 16, 17, 47, 48, 63, 64, 1000, -16, -1000,
				      INT32_MAX, INT32_MIN, INT32_MIN + 1, INT32_MAX - 15 };

	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
		assert_in_range(inflate_bytes(values[i]), 256 + 7168, 32768 + 7168);
		for (size_t k = 0; k < sizeof(values) / sizeof(*values); k++)
			assert_in_range(deflate_bytes(values[i], values[k]), 2048 + 1024 + 6144,
					131072 + 262144 + 6144);
	}
}

static void other_rows_have_their_sizes(void **state)
{
	const uint64_t arg[PAIR_N_ARGS] = { 1, 9, 9, 9, 1, 9 };

	assert_int_equal(pair_symbol__bytes(row("inflateInit_"), arg), inflate_bytes(15));
	assert_int_equal(pair_symbol__bytes(row("deflateInit_"), arg), deflate_bytes(15, 8));
	assert_in_range(pair_symbol__bytes(row("inflateBackInit_"), arg), 6000, 8192);
	assert_int_equal(pair_symbol__bytes(row("inflateEnd"), arg), 0);
	assert_int_equal(pair_symbol__bytes(row("deflateCopy"), arg), 0);
	assert_int_equal(pair_symbol__bytes(row("Java_java_util_zip_Inflater_init"), arg),
			 inflate_bytes(9));
	assert_int_equal(pair_symbol__bytes(row("Java_java_util_zip_Deflater_init"), arg),
			 deflate_bytes(9, 1));
}

static voidpf count_alloc(voidpf opaque, uInt n, uInt sz)
{
	*(uint64_t *)opaque += (uint64_t)n * sz;
	return calloc(n, sz);
}

static void count_free(voidpf opaque, voidpf p)
{
	free(p);
}

/* What zlib really asks its allocator for, with a stream that was used. */
static void estimates_agree_with_this_zlib(void **state)
{
	static const int windows[] = { 9, 12, 15 };
	uint8_t in[70000], out[140000], back[70000];
	double worst = 0;

	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)(i * 7 ^ i >> 5);
	for (size_t w = 0; w < 3; w++)
		for (int mem = 1; mem <= 9; mem++) {
			uint64_t took = 0, guess = deflate_bytes(windows[w], mem);
			z_stream z = { .zalloc = count_alloc, .zfree = count_free, .opaque = &took };

			assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, windows[w], mem, 0), Z_OK);
			z.next_in = in, z.avail_in = sizeof(in);
			z.next_out = out, z.avail_out = sizeof(out);
			assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
			assert_int_equal(deflateEnd(&z), Z_OK);
			assert_in_range(took, guess - guess / 8, guess + guess / 8);
			if (took > guess && (double)(took - guess) > worst)
				worst = took - guess;

			z_stream y = { .zalloc = count_alloc, .zfree = count_free, .opaque = &took,
				       .next_in = out, .avail_in = sizeof(out) - z.avail_out };

			took = 0;
			guess = inflate_bytes(windows[w]);
			assert_int_equal(inflateInit2(&y, windows[w]), Z_OK);
			/* In pieces: the window is taken only when it is needed. */
			for (int r = Z_OK; r != Z_STREAM_END;) {
				y.next_out = back, y.avail_out = 1000;
				r = inflate(&y, Z_NO_FLUSH);
				assert_in_range(r, Z_OK, Z_STREAM_END);
			}
			assert_int_equal(inflateEnd(&y), Z_OK);
			assert_in_range(took, guess - guess / 8, guess + guess / 8);
		}
	print_message("# zlib %s: estimates low by %.0f bytes at most\n", zlibVersion(), worst);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_are_well_formed),
		cmocka_unit_test(names_match_exactly),
		cmocka_unit_test(window_bits_mean_what_zlib_says),
		cmocka_unit_test(hostile_arguments_are_bounded),
		cmocka_unit_test(other_rows_have_their_sizes),
		cmocka_unit_test(estimates_agree_with_this_zlib),
	};

	return cmocka_run_group_tests_name("pairs", tests, NULL, NULL);
}
