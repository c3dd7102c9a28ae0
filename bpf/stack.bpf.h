/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The rule walker: who called, in a few instructions a frame, whatever the code was built with.
 *
 * rule.h describes the walk; user/unwind/walk.c does the same over a copied stack, and
 * tests/unit/test_unwind_walk.c holds the two descriptions together. The walk runs once to learn the
 * stack's id, and only for an id not seen before a second time to write the definition straight into
 * the ring: no per-CPU scratch, so a program that is preempted by another one of ours cannot be
 * disturbed (uprobe programs run preemptible since Linux 6.0).
 */
#ifndef UNFREED_STACK_BPF_H
#define UNFREED_STACK_BPF_H

#include "bpf/emit.bpf.h"
#include <bpf/bpf_core_read.h>

enum walk_end {
	WALK_COMPLETE = EV_STACK_COMPLETE,
	WALK_TRUNCATED = EV_STACK_TRUNCATED,
	WALK_BROKEN = EV_STACK_BROKEN,
	WALK_MISS,
};

struct walk {
	__u64 pc, sp, bp;
	__u64 hash;
	__u32 tgid, mm_id;
	__u32 n_frames;
	__u16 end;		/* enum walk_end */
	__u16 innermost;	/* pc is where the thread was interrupted */
	struct ev_stack *definition;	/* NULL: only the id is wanted */
};

static __always_inline bool read_user(void *to, __u32 sz, __u64 from)
{
	return bpf_probe_read_user(to, sz, (const void *)from) == 0;
}

/* What the interpreter's frame holds, from bp - 64 on. */
struct interpreter_frame {
	__u64 bcp;		/* bp - 64 */
	__u64 unused[4];
	__u64 method;		/* bp - 24 */
	__u64 unused_too;
	__u64 sender_sp;	/* bp - 8 */
	__u64 bp;		/* bp */
	__u64 pc;		/* bp + 8 */
};

/* Steps over the frame by its rule; `f` is read already when the rule is the interpreter's. False:
 * it could not be read or does not lead upward. */
static __always_inline bool walk_leave(struct walk *w, const struct unwind_rule *rule,
				       const struct interpreter_frame *f)
{
	__u64 cfa, words[7];

	switch (rule->kind) {
	case UNWIND_INTERPRETER:
		if (f->sender_sp <= w->sp)
			return false;
		w->sp = f->sender_sp;
		w->bp = f->bp;
		w->pc = f->pc;
		w->innermost = 0;
		return true;
	case UNWIND_SIGNAL:
		if (!read_user(words, sizeof(words), w->sp + UNWIND_SIGNAL_OFF))
			return false;
		w->bp = words[0];
		w->sp = words[5];	/* may lie on another stack: the frame limit ends a loop */
		w->pc = words[6];
		w->innermost = 1;
		return true;
	case UNWIND_SP:
	case UNWIND_BP:
	case UNWIND_SP_DEREF:
	case UNWIND_BP_DEREF:
		break;
	default:	/* UNWIND_BROKEN, and kinds of a newer user space */
		return false;
	}
	cfa = unwind_base(rule, w->sp, w->bp);
	if (unwind_derefs(rule) && !read_user(&cfa, 8, cfa + rule->deref_off))
		return false;
	cfa += rule->cfa_off;
	if (cfa <= w->sp)
		return false;

	/* The usual frame keeps the caller's bp right below the return address: one read. */
	if (rule->ra_off == -8 && rule->bp_off == -16 && rule->flags == UNWIND_F_BP_SAVED) {
		if (!read_user(words, 16, cfa - 16))
			return false;
		w->bp = words[0];
		w->pc = words[1];
	} else {
		if (!read_user(&w->pc, 8, cfa + rule->ra_off))
			return false;
		if ((rule->flags & UNWIND_F_BP_SAVED) &&
		    !read_user(&w->bp, 8, unwind_bp_slot(rule, w->bp, cfa)))
			return false;
	}
	w->sp = cfa;
	w->innermost = 0;
	return true;
}

/* One frame; 1 ends the walk. Called by bpf_loop or a bounded loop. */
static __noinline long walk_frame(__u32 i, struct walk *w)
{
	struct unwind_key key = unwind_key_of(w->pc, w->innermost, w->tgid, w->mm_id);
	struct interpreter_frame f = {};
	struct unwind_rule *rule;
	__u64 extra0 = 0, extra1 = 0;
	__u32 kind = EV_FRAME_NATIVE;

	w->end = WALK_BROKEN;
	if (unwind_pc_is_bad(w->pc))
		return 1;
	w->hash = stack_hash_fold(w->hash, w->pc);
	w->end = WALK_MISS;
	rule = bpf_map_lookup_elem(&rules, &key);
	if (!rule)
		return 1;

	if (rule->flags & UNWIND_F_GUARD) {
		__u32 value = 0;

		if (!read_user(&value, sizeof(value), rule->guard_addr) ||
		    value != rule->guard_value) {
			bpf_map_delete_elem(&rules, &key);	/* the code there was replaced */
			return 1;
		}
		extra0 = value;
		kind = EV_FRAME_GUARDED;
	}
	w->end = WALK_BROKEN;
	if (rule->kind == UNWIND_INTERPRETER) {
		if (!read_user(&f, sizeof(f), w->bp + UNWIND_INTERPRETER_BCP_OFF))
			return 1;
		extra0 = f.method;
		extra1 = f.bcp;
		kind = EV_FRAME_INTERPRETED;
	}
	if (kind != EV_FRAME_NATIVE)
		w->hash = stack_hash_extra(w->hash, extra0, extra1);
	if (w->definition) {
		struct ev_frame *frame = &w->definition->frames[i & (EV_MAX_FRAMES - 1)];

		frame->pc = w->pc;
		frame->extra[0] = extra0;
		frame->extra[1] = extra1;
		frame->kind = kind;
		frame->pad = 0;
	}
	w->n_frames = i + 1;

	if (rule->kind == UNWIND_END || unwind_is_outermost(rule, w->bp)) {
		w->end = WALK_COMPLETE;
		return 1;
	}
	if (!walk_leave(w, rule, &f))
		return 1;
	w->end = w->pc ? WALK_TRUNCATED : WALK_COMPLETE;	/* truncated, unless more frames come */
	return w->pc == 0;
}

static __always_inline void walk(struct walk *w, __u64 ip, __u64 sp, __u64 bp)
{
	w->pc = ip;
	w->sp = sp;
	w->bp = bp;
	w->innermost = 1;
	w->hash = stack_hash_begin(w->tgid, w->mm_id);
	w->n_frames = 0;
	w->end = WALK_BROKEN;
	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_loop) && !config.no_bpf_loop) {
		bpf_loop(EV_MAX_FRAMES, walk_frame, w, 0);
		return;
	}
	/* Before Linux 5.17 (e6f2dd0f8067): the verifier looks at every round. */
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < EV_MAX_FRAMES; i++)
		if (walk_frame(i, w))
			break;
}

/* Sends what the id stands for; false when the ring has no room, so that it is tried again. */
static __always_inline bool define_stack(struct walk *w, __u64 pid_tgid, __u64 id,
					 __u64 ip, __u64 sp, __u64 bp)
{
	struct ev_stack *definition;
	const __u32 sz = sizeof(struct ev_stack) + EV_MAX_FRAMES * sizeof(struct ev_frame);

	definition = bpf_ringbuf_reserve(&ring, sz, 0);
	if (!definition) {
		count_loss(EV_LOSS_STACK_RING_FULL);
		return false;
	}
	fill_header(&definition->h, pid_tgid, EV_STACK, sz);
	w->definition = definition;
	walk(w, ip, sp, bp);
	w->definition = NULL;
	definition->id = stack_hash_end(w->hash);
	definition->n_frames = w->n_frames;
	definition->end = w->end;
	definition->mm_id = w->mm_id;
	if (definition->id != id || !w->n_frames) {	/* a rule came or went meanwhile */
		bpf_ringbuf_discard(definition, BPF_RB_NO_WAKEUP);
		return false;
	}
	bpf_ringbuf_submit(definition, BPF_RB_NO_WAKEUP);
	return true;
}

/* Whether one more question for this rule is within the budget. Threads that ask at once may count
 * one short: no harm. */
static __always_inline bool may_ask(const struct unwind_key *key, __u64 now)
{
	struct asked first = { .since_ns = now, .n = 1 }, *asked_before;

	asked_before = bpf_map_lookup_elem(&asked, key);
	if (asked_before && now - asked_before->since_ns < config.asks_per_ns)
		return asked_before->n++ < config.asks;
	bpf_map_update_elem(&asked, key, &first, BPF_ANY);	/* LRU: makes room by itself */
	return true;
}

/*
 * Asks user space for a rule. True: the event carries *token. Several questions for one rule may be
 * on their way at once: each brings the whole stack of its own event, and stacks that share the
 * missing pc differ further out.
 */
static __always_inline bool ask(struct walk *w, __u64 pid_tgid, __u64 *token,
				__u64 ip, __u64 sp, __u64 bp)
{
	struct unwind_key key = unwind_key_of(w->pc, w->innermost, w->tgid, w->mm_id);
	__u64 now = bpf_ktime_get_ns();
	struct ev_miss *miss;

	if (!may_ask(&key, now))
		return false;	/* the answer is on its way */
	miss = bpf_ringbuf_reserve(&ring, sizeof(*miss), 0);
	if (!miss) {
		count_loss(EV_LOSS_MISS_RING_FULL);
		return false;
	}
	fill_header(&miss->h, pid_tgid, EV_MISS, sizeof(*miss));
	miss->token = *token = stack_hash_end(stack_hash_fold(pid_tgid, now));
	miss->ip = ip;
	miss->sp = sp;
	miss->bp = bp;
	miss->missing_pc = w->pc;
	miss->mm_id = w->mm_id;
	miss->stack_sz = 0;
	for (int i = 0; i < EV_MISS_STACK_SZ / 1024; i++) {
		if (!read_user(miss->stack + i * 1024, 1024, sp + i * 1024))
			break;
		miss->stack_sz = (i + 1) * 1024;
	}
	submit_record_now(miss);
	return true;
}

/*
 * The id of the current thread's user stack at these registers, and in *flags what kind of id it is.
 * The definition of an id that was not seen before, or the question for a rule, precedes the event
 * in the ring.
 */
static __noinline __u64 take_stack(__u64 ip, __u64 sp, __u64 bp, __u16 *flags)
{
	__u64 pid_tgid = bpf_get_current_pid_tgid();
	struct task_struct *task = (void *)bpf_get_current_task();
	struct walk w = { .tgid = pid_tgid >> 32 };
	__u64 id, token;

	w.mm_id = (__u64)BPF_CORE_READ(task, mm) >> 6;
	walk(&w, ip, sp, bp);
	id = stack_hash_end(w.hash);
	if (w.end == WALK_MISS) {
		if (ask(&w, pid_tgid, &token, ip, sp, bp)) {
			*flags = EV_F_STACK_TOKEN;
			return token;
		}
		*flags = EV_F_STACK_PARTIAL;
		return id;
	}
	if (!bpf_map_lookup_elem(&known_stacks, &id) && define_stack(&w, pid_tgid, id, ip, sp, bp)) {
		__u8 one = 1;

		bpf_map_update_elem(&known_stacks, &id, &one, BPF_ANY);
	}
	return id;
}

#endif /* UNFREED_STACK_BPF_H */
