/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Unwinding rules: how to leave a frame, given its pc alone.
 *
 * User space learns a rule the first time a pc turns up on a stack (user/unwind) and puts it into
 * the kernel's rule map; the walkers in bpf/stack.bpf.h and user/unwind/walk.c both follow it.
 * What must be the same on both sides, the arithmetic of a step and the hash of a stack, is here
 * as inline functions without helpers, so that it is tested natively (tests/unit/test_rule.c).
 *
 * x86-64. Everything a rule reads belongs to a hostile process: a step may only move sp upward.
 */
#ifndef UNFREED_RULE_H
#define UNFREED_RULE_H

#ifndef __bpf__
#include <linux/types.h>
#endif

enum unwind_kind {
	UNWIND_SP = 0,		/* CFA = sp + cfa_off */
	UNWIND_BP = 1,		/* CFA = bp + cfa_off */
	UNWIND_END = 2,		/* the outermost frame: the walk is complete */
	UNWIND_PLT = 3,		/* CFA = sp + 8, or sp + 16 once the stub has pushed its index:
				 * (pc & 15) >= cfa_off */
	UNWIND_SIGNAL = 4,	/* sp points at the ucontext that the kernel pushed */
	UNWIND_INTERPRETER = 5,	/* HotSpot: sender's sp, bp, pc at bp-8, bp, bp+8 */
	UNWIND_SP_DEREF = 6,	/* CFA = *(sp + deref_off) + cfa_off: realigned stacks */
	UNWIND_BP_DEREF = 7,	/* CFA = *(bp + deref_off) + cfa_off: realigned stacks */
	UNWIND_BROKEN = 8,	/* known not to be unwindable: the walk ends, incomplete */
};

enum unwind_flag {
	UNWIND_F_BP_SAVED = 1 << 0,	/* the caller's bp lies at CFA + bp_off */
	UNWIND_F_GUARD = 1 << 1,	/* valid only while *(u32 *)guard_addr == guard_value */
};

/* Set in the key of a probe's own pc: the rule there may differ from that of a return address. */
#define UNWIND_PC_INNERMOST (1ull << 63)

struct unwind_key {
	__u64 pc;	/* with UNWIND_PC_INNERMOST for the first frame of a walk and the one after a
			 * signal frame */
	__u32 tgid;
	__u32 mm_id;	/* tells the images of one process apart: bits of the mm's address */
};

struct unwind_rule {
	__s32 cfa_off;
	__s16 ra_off;		/* the return address lies at CFA + ra_off; -8 but for rarities */
	__s16 bp_off;
	__s16 deref_off;
	__u8 kind;		/* enum unwind_kind */
	__u8 flags;		/* enum unwind_flag */
	__u32 guard_value;
	__u64 guard_addr;
};

_Static_assert(sizeof(struct unwind_key) == 16, "unwind_key");
_Static_assert(sizeof(struct unwind_rule) == 24, "unwind_rule");

/* Where the kernel's signal frame keeps the interrupted registers, from sp: struct ucontext's
 * uc_mcontext at 40, then r8..r15, di, si, bp, bx, dx, ax, cx, sp, ip (arch/x86 sigcontext_64).
 */
#define UNWIND_SIGNAL_BP_OFF 120
#define UNWIND_SIGNAL_SP_OFF 160
#define UNWIND_SIGNAL_IP_OFF 168

/* HotSpot's interpreter frame, from bp. */
#define UNWIND_INTERPRETER_METHOD_OFF (-24)
#define UNWIND_INTERPRETER_BCP_OFF (-64)

/*
 * The id of a stack: its frames folded in order, beginning with the process. Each frame folds its
 * pc before its rule is looked up, so the id of a walk that stopped for want of a rule already
 * tells by which pc, and is the id of that beginning in every full stack that shares it.
 */
static inline __u64 stack_hash_fold(__u64 hash, __u64 value)
{
	hash = (hash ^ value) * 0x9E3779B97F4A7C15ull;	/* 2^64 / golden ratio, odd */
	return hash ^ (hash >> 29);
}

static inline __u64 stack_hash_begin(__u32 tgid, __u32 mm_id)
{
	return stack_hash_fold(0x756e6672656564ull, ((__u64)tgid << 32) | mm_id);
}

/* Folds what a rule adds to a frame; called only when there is something. */
static inline __u64 stack_hash_extra(__u64 hash, __u64 extra0, __u64 extra1)
{
	return stack_hash_fold(stack_hash_fold(hash, extra0), extra1);
}

/* 0 means "no stack" on the wire. */
static inline __u64 stack_hash_end(__u64 hash)
{
	return hash ? hash : 1;
}

#endif /* UNFREED_RULE_H */
