/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * What has to be known of an x86-64 instruction to read on behind it, or to move a probe past it: how
 * long it is, whether it goes elsewhere, which argument registers it may write, and whether the
 * kernel can do it in its own code when a uprobe sits on it.
 */
#ifndef UNFREED_BASE_X86_INSN_H
#define UNFREED_BASE_X86_INSN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define X86_MAX_INSN_SZ 15

enum x86_flow {
	X86_FLOW_NEXT,		/* on to the next instruction */
	X86_FLOW_JUMP,		/* always, to a known place */
	X86_FLOW_BRANCH,	/* there or to the next instruction */
	X86_FLOW_CALL,		/* to a known place */
	X86_FLOW_INDIRECT,	/* a jump or call through a register or memory */
	X86_FLOW_END,		/* return, trap */
};

/* Bit n of x86_insn.writes is integer argument n: rdi, rsi, rdx, rcx, r8, r9. */
#define X86_WRITES_ALL 0x3f

struct x86_insn {
	uint8_t length;		/* bytes, 1..15 */
	uint8_t writes;		/* argument registers it may write, any part of them */
	bool emulated;		/* every kernel since 5.0 runs it without a single step */
	enum x86_flow flow;
	int64_t target;		/* JUMP, BRANCH, CALL: from the instruction's first byte. INDIRECT: likewise,
				 * where the pointer lies that it goes through, or 0: not a fixed place */
};

/*
 * Decodes the instruction that `code` begins with, in 64-bit mode. False when it is not known to
 * the table, or cut off after `n` bytes; *out is undefined then. An instruction that is not valid
 * may pass; one that is known has its true length.
 */
bool x86_insn__decode(const uint8_t *code, size_t n, struct x86_insn *out);

#endif /* UNFREED_BASE_X86_INSN_H */
