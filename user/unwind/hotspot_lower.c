/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Compiled code has one frame size, but not everywhere. The out-of-line part of a GC barrier (ZGC's
 * in every JDK, G1's since 24) lowers the stack pointer, saves the live registers there, calls the
 * collector and restores them: HotSpot itself never walks such a frame, so nothing records it. It
 * looks the same in all of them:
 *
 *	sub $0x20,%rsp; mov %r10,0x18(%rsp); ...; call ZBarrierSetRuntime::...
 *	mov %rax,%rcx; ...; mov 0x18(%rsp),%r10; add $0x20,%rsp; jmp back
 *
 * The code after the call is read to where it jumps: what it gives back until there, it had taken.
 * The end of a method gives back its whole frame, but takes the caller's bp from it then.
 */
#include "user/unwind/hotspot.h"

#include <string.h>

#include "user/base/x86_insn.h"

#define CODE_SZ 512		/* sixteen saved AVX-512 registers are 16 * 11 bytes of code */
#define MAX_LOWERED 4096	/* 32 * 64 bytes for these, and some */

/* What an instruction that ends at p + n adds to the stack pointer; *bp: it takes bp from the stack. */
static int32_t raise_of(const uint8_t *p, size_t n, bool *bp)
{
	int32_t value = 0;

	*bp = n == 1 && p[0] == 0x5d;
	if ((n == 1 && (p[0] & 0xf8) == 0x58) || (n == 2 && p[0] == 0x41 && (p[1] & 0xf8) == 0x58))
		return 8;
	if ((n == 1 && (p[0] & 0xf8) == 0x50) || (n == 2 && p[0] == 0x41 && (p[1] & 0xf8) == 0x50))
		return -8;
	if (n < 4 || p[0] != 0x48 || (p[2] != 0xc4 && p[2] != 0xec))
		return 0;
	if (n == 4 && p[1] == 0x83)
		value = (int8_t)p[3];
	else if (n == 7 && p[1] == 0x81)
		memcpy(&value, p + 3, sizeof(value));
	if (value > MAX_LOWERED || value < -MAX_LOWERED)
		return 0;
	return p[2] == 0xc4 ? value : -value;
}

uint32_t jvm__lowered_at(struct remote *remote, const struct code_blob *blob, uint64_t pc)
{
	uint64_t left = blob->at + blob->sz - pc;
	uint8_t code[CODE_SZ];
	size_t n = left < sizeof(code) ? left : sizeof(code), at = 0;
	struct x86_insn insn;
	int32_t raised = 0;
	bool bp;

	if (!remote__read(remote, pc, code, n))
		return 0;
	while (x86_insn__decode(code + at, n - at, &insn)) {
		if (insn.flow == X86_FLOW_JUMP)
			return raised > 0 && raised <= MAX_LOWERED && raised % 8 == 0 ?
				       (uint32_t)raised : 0;
		if (insn.flow != X86_FLOW_NEXT && insn.flow != X86_FLOW_BRANCH)
			return 0;
		raised += raise_of(code + at, insn.length, &bp);
		if (bp)
			return 0;
		at += insn.length;
	}
	return 0;
}
