/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * An instruction that the kernel cannot emulate costs a uprobe a second trap, for the single step:
 * about 13 times the time of a hit, measured on 6.18 (9,500 ns against 700 for an empty probe). So the probe goes forward to the first
 * instruction that is emulated, as long as that changes nothing but the place:
 *
 *   - every call gets there: no branch, call or return lies between,
 *   - each gets there once: nothing in the function jumps into the stretch,
 *   - the arguments are still there: no argument register is written in between.
 *
 * Else the entry it is. The stack pointer may have moved; the unwinding rules are per address.
 * A jump table could lead into the stretch, too, but only were a function's first instructions the
 * body of a loop over a switch; compilers jump to the entry then.
 */
#include "user/source/probe_place.h"

#define STRETCH_MAX 64	/* bytes: prologues are shorter */

bool code_walk__next(struct code_walk *walk, struct x86_insn *insn)
{
	while (walk->at < walk->n) {
		walk->insn_at = walk->at;
		if (x86_insn__decode(walk->code + walk->at, walk->n - walk->at, insn)) {
			walk->at += walk->is_lost ? 1 : insn->length;
			if (!walk->is_lost)
				return true;
			if (insn->flow == X86_FLOW_JUMP || insn->flow == X86_FLOW_BRANCH ||
			    insn->flow == X86_FLOW_CALL)
				return true;
		} else {
			walk->is_lost = true;
			walk->at++;
		}
	}
	return false;
}

/* Whether anything jumps to (0, end]. */
static bool is_jumped_into(const uint8_t *code, size_t n, size_t end)
{
	struct code_walk walk = { .code = code, .n = n };
	struct x86_insn insn;
	int64_t target;

	while (code_walk__next(&walk, &insn)) {
		if (insn.flow != X86_FLOW_JUMP && insn.flow != X86_FLOW_BRANCH &&
		    insn.flow != X86_FLOW_CALL)
			continue;
		target = (int64_t)walk.insn_at + insn.target;
		if (target > 0 && target <= (int64_t)end)
			return true;
	}
	return false;
}

struct probe_place probe_place__find(const uint8_t *code, size_t n, bool is_whole)
{
	struct probe_place entry = { .offset = 0, .single_step = true };
	struct x86_insn insn;
	size_t at = 0;

	while (at < n && at < STRETCH_MAX) {
		if (!x86_insn__decode(code + at, n - at, &insn))
			return entry;
		if (insn.emulated) {
			if (at && (!is_whole || is_jumped_into(code, n, at)))
				return entry;
			return (struct probe_place){ .offset = at, .single_step = false };
		}
		if (insn.flow != X86_FLOW_NEXT || insn.writes)
			return entry;
		at += insn.length;
	}
	return entry;
}
