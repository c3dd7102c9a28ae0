/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Unwinding rules: how to leave a frame, given its pc alone.
 *
 * User space learns a rule the first time a pc turns up on a stack (user/unwind) and puts it into
 * the kernel's rule map; the walkers in bpf/stack.bpf.h and user/unwind/walk.c both follow it.
 * What must be the same on both sides, the arithmetic of a step and the hash of a stack, is here
 * as inline functions without helpers, so that it is tested natively (tests/unit/test_unwind_walk.c).
 *
 * x86-64. Everything a rule reads belongs to a hostile process: a step may only move sp upward.
 *
 * The walk, the same in both places to the last bit of its hash. All arithmetic wraps at 2^64;
 * any read that fails ends the walk as EV_STACK_BROKEN.
 *
 *   hash = stack_hash_begin(tgid, mm_id)
 *   pc, sp, bp = the registers; innermost = true; n = 0
 *   loop:
 *	n == EV_MAX_FRAMES: end TRUNCATED (this pc is neither folded nor recorded)
 *	unwind_pc_is_bad(pc): end BROKEN (likewise)
 *	hash = stack_hash_fold(hash, pc)
 *	rule = rules[unwind_key_of(pc, innermost, tgid, mm_id)]; none: MISS
 *	UNWIND_F_GUARD: read u32 at guard_addr; unreadable or not guard_value: delete rule, MISS
 *		(the kernel's walker looks once in a jiffy: see struct unwind_rule)
 *	INTERPRETER (never guarded): v[10] = 80 bytes at bp - 64
 *	UNWIND_F_SAVED_PC (with UNWIND_F_GUARD): saved = u64 at sp + deref_off; else saved = 0
 *	frame[n++] = { pc, NATIVE }
 *	UNWIND_F_GUARD: kind = GUARDED, extra = { guard_value, saved },
 *		hash = stack_hash_extra(hash, guard_value, saved)
 *	by kind:
 *	  END: end COMPLETE		BROKEN: end BROKEN
 *	  INTERPRETER: bcp = deref_off == UNWIND_INTERPRETER_BCP_8 ? v[1] : v[0]
 *		kind = INTERPRETED, extra = { v[5], bcp }, hash = stack_hash_extra(hash, v[5], bcp)
 *		v[7] <= sp: end BROKEN
 *		sp = v[7], bp = v[8], pc = v[9], innermost = false
 *	  SIGNAL: v[7] = 56 bytes at sp + UNWIND_SIGNAL_OFF
 *		bp = v[0], sp = v[5], pc = v[6], innermost = true
 *		(sp may move anywhere: the handler may have run on an alternate stack)
 *	  SP, BP, SP_DEREF, BP_DEREF:
 *		unwind_is_outermost(rule, bp): end COMPLETE
 *		base = unwind_base(rule, sp, bp)
 *		*_DEREF: base = u64 at base + deref_off
 *		cfa = base + cfa_off; cfa <= sp: end BROKEN
 *		ra = u64 at cfa + ra_off
 *		UNWIND_F_BP_SAVED: bp = u64 at unwind_bp_slot(rule, bp, cfa)
 *		sp = cfa, pc = ra, innermost = false
 *	  anything else: end BROKEN
 *	pc == 0: end COMPLETE
 *
 * The id is stack_hash_end(hash) wherever the walk stopped; after a MISS it is the partial id,
 * which has folded the pc that has no rule but not recorded its frame.
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
	UNWIND_SIGNAL = 3,	/* sp points at the ucontext that the kernel pushed */
	UNWIND_INTERPRETER = 4,	/* HotSpot: sender's sp, bp, pc at bp-8, bp, bp+8 */
	UNWIND_SP_DEREF = 5,	/* CFA = *(sp + deref_off) + cfa_off: realigned stacks */
	UNWIND_BP_DEREF = 6,	/* CFA = *(bp + deref_off) + cfa_off: realigned stacks */
	UNWIND_BROKEN = 7,	/* known not to be unwindable: the walk ends, incomplete */
};

/* A PLT stub's CFA is an expression over the pc; a rule belongs to one pc, so it is UNWIND_SP with
 * the 8 or 16 that the expression yields there. */

enum unwind_flag {
	UNWIND_F_BP_SAVED = 1 << 0,	/* the caller's bp lies at unwind_bp_slot() */
	UNWIND_F_GUARD = 1 << 1,	/* valid only while *(u32 *)guard_addr == guard_value */
	UNWIND_F_BP_AT_BP = 1 << 2,	/* bp_off counts from bp, not from the CFA: functions that
					 * realign their stack save it so */
	UNWIND_F_SAVED_PC = 1 << 3,	/* the frame's true pc lies at sp + deref_off: a deoptimized
					 * nmethod's, whose pc was replaced by the handler's */
};

/* Set in the key of a probe's own pc: the rule there may differ from that of a return address. */
#define UNWIND_PC_INNERMOST (1ull << 63)

struct unwind_key {
	__u64 pc;	/* with UNWIND_PC_INNERMOST for the first frame of a walk and the one after a
			 * signal frame */
	__u32 tgid;
	__u32 mm_id;	/* tells the images of one process apart, and processes that have one tgid in turn:
			 * when it began, and how often it called exec */
};

struct unwind_rule {
	__s32 cfa_off;
	__s16 ra_off;		/* the return address lies at CFA + ra_off; -8 but for rarities */
	__s16 bp_off;		/* with UNWIND_F_BP_SAVED */
	__s16 deref_off;	/* of the *_DEREF kinds and UNWIND_F_SAVED_PC; UNWIND_INTERPRETER:
				 * where the bcp is, from UNWIND_INTERPRETER_BCP_OFF */
	__u8 kind;		/* enum unwind_kind */
	__u8 flags;		/* enum unwind_flag */
	__u32 guard_value;
	__u64 guard_addr;
	/*
	 * The jiffy in which the kernel's walker last saw that the guard holds; 0: in none. It does not
	 * look again in the same one: that read is most of what a compiled Java frame costs. Code that
	 * is replaced and called within some milliseconds, and returns to the same address, is taken for
	 * the old until then.
	 */
	__u32 seen;
	__u32 pad;
};

_Static_assert(sizeof(struct unwind_key) == 16, "unwind_key");
_Static_assert(sizeof(struct unwind_rule) == 32, "unwind_rule");

/* Where the kernel's signal frame keeps the interrupted registers, from sp: struct ucontext's
 * uc_mcontext at 40, then r8..r15, di, si, bp, bx, dx, ax, cx, sp, ip (arch/x86 sigcontext_64).
 */
#define UNWIND_SIGNAL_BP_OFF 120
#define UNWIND_SIGNAL_SP_OFF 160
#define UNWIND_SIGNAL_IP_OFF 168
#define UNWIND_SIGNAL_OFF UNWIND_SIGNAL_BP_OFF	/* one read of 7 words: bp [0], sp [5], ip [6] */

/* HotSpot's interpreter frame, from bp. */
#define UNWIND_INTERPRETER_METHOD_OFF (-24)
#define UNWIND_INTERPRETER_BCP_OFF (-64)
#define UNWIND_INTERPRETER_BCP_8 8	/* deref_off in JDK 8: one word higher */

/* No code of a user lives in the kernel's half, and the key's top bit is taken. */
static inline int unwind_pc_is_bad(__u64 pc)
{
	return pc >> 63;
}

static inline struct unwind_key unwind_key_of(__u64 pc, int innermost, __u32 tgid, __u32 mm_id)
{
	struct unwind_key key = {
		.pc = innermost ? pc | UNWIND_PC_INNERMOST : pc,
		.tgid = tgid,
		.mm_id = mm_id,
	};

	return key;
}

/* Of the kinds SP, BP and the two *_DEREF: the register that the CFA is reckoned from. */
static inline __u64 unwind_base(const struct unwind_rule *rule, __u64 sp, __u64 bp)
{
	return rule->kind == UNWIND_BP || rule->kind == UNWIND_BP_DEREF ? bp : sp;
}

/* Whether the step over a frame, or what the walk notes of it, depends on its bp. */
static inline int unwind_needs_bp(const struct unwind_rule *rule)
{
	return rule->kind == UNWIND_BP || rule->kind == UNWIND_BP_DEREF ||
	       rule->kind == UNWIND_INTERPRETER || (rule->flags & UNWIND_F_BP_AT_BP);
}

/* By the psABI a frame pointer of 0 marks the outermost frame: the kernel starts a program so, and
 * the entry code of the dynamic linker has no other mark. */
static inline int unwind_is_outermost(const struct unwind_rule *rule, __u64 bp)
{
	return rule->kind == UNWIND_BP && bp == 0;
}

static inline int unwind_derefs(const struct unwind_rule *rule)
{
	return rule->kind == UNWIND_SP_DEREF || rule->kind == UNWIND_BP_DEREF;
}

/* Where the caller's bp was saved, with UNWIND_F_BP_SAVED. */
static inline __u64 unwind_bp_slot(const struct unwind_rule *rule, __u64 bp, __u64 cfa)
{
	return (rule->flags & UNWIND_F_BP_AT_BP ? bp : cfa) + (__u64)(__s64)rule->bp_off;
}

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
