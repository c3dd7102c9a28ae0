/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Reading a function's x86-64 code for a place to probe. Pure: bytes in, offsets out. All offsets
 * count from the function's entry.
 */
#ifndef UNFREED_SOURCE_PROBE_PLACE_H
#define UNFREED_SOURCE_PROBE_PLACE_H

#include "user/base/x86_insn.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct probe_place {
	size_t offset;
	bool single_step;	/* the kernel has to: dear */
};

/*
 * The cheapest place at which exactly every call of the function passes once, with its argument
 * registers as they came. code[0..n) is the whole function; `is_whole` false: it is longer than
 * that, so jumps to its beginning cannot be ruled out and the entry is taken.
 */
struct probe_place probe_place__find(const uint8_t *code, size_t n, bool is_whole);

/*
 * A walk over the function's instructions, in the order of their addresses. After the first
 * instruction that is not known it goes on byte by byte and shows only what could be a direct jump
 * or call: nothing real is missed, but not all of it need be real.
 */
struct code_walk {
	const uint8_t *code;
	size_t n;
	size_t at;		/* where it goes on */
	size_t insn_at;		/* of the instruction shown last */
	bool is_lost;		/* from here on byte by byte */
};

bool code_walk__next(struct code_walk *walk, struct x86_insn *insn);	/* false: at the end */

#endif /* UNFREED_SOURCE_PROBE_PLACE_H */
