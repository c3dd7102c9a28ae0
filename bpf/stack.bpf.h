/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The rule walker: who called, in a few instructions a frame, whatever the code was built with.
 *
 * rule.h describes the walk; user/unwind/walk.c does the same over a copied stack, and
 * tests/unit/test_unwind_walk.c holds the two descriptions together. Its frames are kept with the
 * walk (walk.bpf.h): for an id not seen before they are the definition, which goes into the ring.
 * A thread that is seen often has most of its stack in common with the time before: memo.bpf.h.
 */
#ifndef UNFREED_STACK_BPF_H
#define UNFREED_STACK_BPF_H

#include "bpf/emit.bpf.h"
#include "bpf/memo.bpf.h"

enum walk_end {
	WALK_COMPLETE = EV_STACK_COMPLETE,
	WALK_TRUNCATED = EV_STACK_TRUNCATED,
	WALK_BROKEN = EV_STACK_BROKEN,
	WALK_MISS,
};

/* What the interpreter's frame holds, in words from bp - 64 on. */
enum interpreter_word {
	INTERPRETER_BCP = 0,		/* bp - 64 */
	INTERPRETER_BCP_8 = 1,		/* bp - 56: in JDK 8 */
	INTERPRETER_METHOD = 5,		/* bp - 24 */
	INTERPRETER_SENDER_SP = 7,	/* bp - 8 */
	INTERPRETER_BP = 8,		/* bp */
	INTERPRETER_PC = 9,		/* bp + 8 */
	INTERPRETER_N_WORDS
};

/* The n-th of the words that were looked up is the caller's bp. */
static __always_inline void take_bp(struct walk *w, __u32 n)
{
	w->bp = word(w, n);
	w->bp_at = word_at(w, n);
	w->bp_from = w->n_frames;	/* which counts this frame already */
}

/* Steps over the frame by its rule; it is looked up already when the rule is the interpreter's.
 * False: it could not be read or does not lead upward. */
static __always_inline bool walk_leave(struct walk *w, const struct unwind_rule *rule,
				       struct memo *memo)
{
	__u64 cfa;

	switch (rule->kind) {
	case UNWIND_INTERPRETER:
		if (word(w, INTERPRETER_SENDER_SP) <= w->sp)
			return false;
		w->sp = memo_keep(memo, w, INTERPRETER_SENDER_SP);
		take_bp(w, INTERPRETER_BP);
		w->pc = memo_keep(memo, w, INTERPRETER_PC);
		w->innermost = 0;
		return true;
	case UNWIND_SIGNAL:
		if (!look(w, w->sp + UNWIND_SIGNAL_OFF, 7))
			return false;
		take_bp(w, 0);
		w->sp = memo_keep(memo, w, 5);	/* may lie on another stack: the frame limit ends a loop */
		w->pc = memo_keep(memo, w, 6);
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
	if (unwind_derefs(rule)) {
		if (!look(w, cfa + rule->deref_off, 1))
			return false;
		cfa = memo_keep(memo, w, 0);
	}
	cfa += rule->cfa_off;
	if (cfa <= w->sp)
		return false;

	/* The saved bp first: it lies below the return address, so that one window has both. */
	if (rule->flags & UNWIND_F_BP_SAVED) {
		if (!look(w, unwind_bp_slot(rule, w->bp, cfa), 1))
			return false;
		take_bp(w, 0);
	}
	if (!look(w, cfa + rule->ra_off, 1))
		return false;
	w->pc = memo_keep(memo, w, 0);
	w->sp = cfa;
	w->innermost = 0;
	return true;
}

static __always_inline bool guard_holds(const struct walk *w, struct unwind_rule *rule)
{
	__u32 value = 0;

	if (rule->seen == w->jiffy)
		return true;
	if (!read_user(&value, sizeof(value), rule->guard_addr) || value != rule->guard_value)
		return false;
	rule->seen = w->jiffy;
	return true;
}

/* What the rule adds to the frame, for the record; false: it could not be read. */
static __always_inline bool walk_note(struct walk *w, const struct unwind_rule *rule, struct memo *memo,
				      struct ev_frame *frame)
{
	if (memo && unwind_needs_bp(rule))
		memo_keep_word(memo, w->bp_at, w->bp, w->bp_from);
	if (rule->flags & UNWIND_F_SAVED_PC) {
		if (!look(w, w->sp + rule->deref_off, 1))
			return false;
		frame->extra[1] = memo_keep(memo, w, 0);
	}
	if (rule->kind == UNWIND_INTERPRETER) {
		if (!look(w, w->bp + UNWIND_INTERPRETER_BCP_OFF, INTERPRETER_N_WORDS))
			return false;
		frame->extra[0] = memo_keep(memo, w, INTERPRETER_METHOD);
		frame->extra[1] = memo_keep(memo, w, rule->deref_off == UNWIND_INTERPRETER_BCP_8 ?
						  INTERPRETER_BCP_8 : INTERPRETER_BCP);
		frame->kind = EV_FRAME_INTERPRETED;
	}
	return true;
}

/*
 * One frame; enum memo_says. It counts in n_frames when it was recorded. Like move_window() verified
 * once, so that the rounds do not multiply what the verifier has to look at.
 */
__weak __noinline int walk_step(__u32 walk_no)
{
	struct walk *w = bpf_map_lookup_elem(&walks, &walk_no);
	struct ev_frame *frame;
	struct unwind_key key;
	struct unwind_rule *rule;
	struct memo *memo;
	enum memo_says says;
	bool is_last;
	__u32 n;

	if (!w)
		return MEMO_ENDS;
	if (w->cursor < w->n_memo) {
		memo = memo_of(w);
		says = memo ? memo_look(w, memo) : MEMO_ENDS;
		if (says == MEMO_MEETS)
			return memo_join(w, memo);
		if (says == MEMO_GOES_ON)
			return says;
	}
	n = w->n_frames;
	w->end = WALK_TRUNCATED;
	if (n >= EV_MAX_FRAMES)
		return MEMO_ENDS;
	w->end = WALK_BROKEN;
	barrier_var(n);		/* the compiler knows it is small enough; the verifier of 5.10 does not */
	frame = &w->frames[n & (EV_MAX_FRAMES - 1)];
	memo = w->is_recording ? memo_of(w) : NULL;
	if (memo)
		memo_enter_frame(memo, w);
	frame->pc = w->pc;
	frame->extra[0] = frame->extra[1] = 0;
	frame->kind = EV_FRAME_NATIVE;
	if (unwind_pc_is_bad(w->pc))
		return MEMO_ENDS;
	w->hash = stack_hash_fold(w->hash, w->pc);
	w->end = WALK_MISS;
	key = unwind_key_of(w->pc, w->innermost, w->tgid, w->mm_id);
	rule = bpf_map_lookup_elem(&rules, &key);
	if (!rule)
		return MEMO_ENDS;

	if (rule->flags & UNWIND_F_GUARD) {
		if (!guard_holds(w, rule)) {
			bpf_map_delete_elem(&rules, &key);	/* the code there was replaced */
			return MEMO_ENDS;
		}
		frame->extra[0] = rule->guard_value;
		frame->kind = EV_FRAME_GUARDED;
	}
	w->end = WALK_BROKEN;
	if (!walk_note(w, rule, memo, frame))
		return MEMO_ENDS;
	if (frame->kind != EV_FRAME_NATIVE)
		w->hash = stack_hash_extra(w->hash, frame->extra[0], frame->extra[1]);
	w->n_frames++;

	is_last = rule->kind == UNWIND_END || unwind_is_outermost(rule, w->bp);
	if (!is_last && !walk_leave(w, rule, memo))
		return MEMO_ENDS;
	if (memo)
		memo_leave_frame(memo, frame, n);
	if (!is_last && w->pc)
		return MEMO_GOES_ON;
	w->end = WALK_COMPLETE;
	return MEMO_ENDS;
}

/* All of a walk; verified once, again. Each round brings a frame, or takes one of the memo or leaves
 * it behind. */
__weak __noinline int walk_steps(__u32 walk_no)
{
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i <= 2 * EV_MAX_FRAMES; i++)
		if (walk_step(walk_no) == MEMO_ENDS)
			break;
	return 0;
}

static __always_inline void walk(struct walk *w, __u64 ip, __u64 sp, __u64 bp)
{
	w->pc = ip;
	w->sp = sp;
	w->bp = bp;
	w->bp_at = w->bp_from = 0;
	w->innermost = 1;
	w->hash = stack_hash_begin(w->tgid, w->mm_id);
	w->n_frames = 0;
	w->end = WALK_BROKEN;
	w->window.is_narrow = 0;
	move_window(w->no, sp, 1);
	walk_steps(w->no);
}

/* Once more, as if there were no memo; leaves what this walk found. Where a rule is missing it may have
 * come, or gone, between the two: not compared. */
static __always_inline void check_walk(struct walk *w, __u64 ip, __u64 sp, __u64 bp)
{
	__u64 hash = w->hash, filled;
	__u32 end = w->end, n_frames = w->n_frames;

	if (end == WALK_MISS)
		return;
	if (w->is_memo)
		memo_fill(w);
	filled = w->hash;
	memo_do_without(w);
	walk(w, ip, sp, bp);
	if (w->end == WALK_MISS)
		return;
	__sync_fetch_and_add(&stack_check.walks, 1);
	__sync_fetch_and_add(&stack_check.frames, n_frames);
	if (filled != hash || w->hash != hash || w->end != end || w->n_frames != n_frames)
		__sync_fetch_and_add(&stack_check.differ, 1);
}

/* Sends what the id stands for; false when the ring has no room, so that it is tried again. */
static __always_inline bool define_stack(const struct walk *w, __u64 pid_tgid, __u64 id)
{
	struct ev_stack *definition;
	const __u32 sz = sizeof(struct ev_stack) + sizeof(w->frames);

	if (!w->n_frames)
		return false;
	definition = bpf_ringbuf_reserve(&ring, sz, 0);
	if (!definition) {
		count_loss(EV_LOSS_STACK_RING_FULL);
		return false;
	}
	fill_header(&definition->h, pid_tgid, EV_STACK, sz);
	definition->id = id;
	definition->n_frames = w->n_frames;
	definition->end = w->end;
	definition->mm_id = w->mm_id;
	bpf_probe_read_kernel(definition->frames, sizeof(w->frames), w->frames);
	submit_record(definition);
	return true;
}

/*
 * How much of the stack one more question for this rule may bring, 0: it is over the budget. Threads
 * that ask at once may count one short: no harm. Answers take time, and a JVM that starts asks much:
 * as the ring fills questions get shorter, then fewer, and leave the last of it to events.
 */
static __always_inline __u32 may_ask(const struct unwind_key *key, __u64 now)
{
	struct asked first = { .since_ns = now, .n = 1 }, *asked_before;
	const __u64 waiting = bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA);
	const __u64 eighth = bpf_ringbuf_query(&ring, BPF_RB_RING_SIZE) / 8;
	const __u32 room = waiting < 2 * eighth ? EV_MISS_STACK_SZ : EV_MISS_SHORT_STACK_SZ;
	__u64 n;

	if (waiting >= 7 * eighth)
		return 0;
	asked_before = bpf_map_lookup_elem(&asked, key);
	if (!asked_before || now - asked_before->since_ns >= config.asks_per_ns) {
		bpf_map_update_elem(&asked, key, &first, BPF_ANY);	/* LRU: makes room by itself */
		return room;
	}
	n = asked_before->n++;
	if (n < config.asks)
		return room;
	return n < config.asks + config.short_asks && waiting < 4 * eighth ?
		       EV_MISS_SHORT_STACK_SZ : 0;
}

/* A question with room for that much of the stack, a constant. */
static __always_inline bool send_miss(struct walk *w, __u64 pid_tgid, __u64 token, const __u32 room,
				      __u64 ip, __u64 sp, __u64 bp)
{
	const __u32 sz = sizeof(struct ev_miss) - EV_MISS_STACK_SZ + room;
	struct ev_miss *miss = bpf_ringbuf_reserve(&ring, sz, 0);

	if (!miss) {
		count_loss(EV_LOSS_MISS_RING_FULL);
		return false;
	}
	fill_header(&miss->h, pid_tgid, EV_MISS, sz);
	miss->token = token;
	miss->ip = ip;
	miss->sp = sp;
	miss->bp = bp;
	miss->missing_pc = w->pc;
	miss->mm_id = w->mm_id;
	miss->stack_sz = 0;
	for (__u32 i = 0; i < room / 1024; i++) {
		if (!read_user(miss->stack + i * 1024, 1024, sp + i * 1024))
			break;
		miss->stack_sz = (i + 1) * 1024;
	}
	submit_record_now(miss);
	return true;
}

/*
 * Asks user space for a rule. True: the event carries *token. Several questions for one rule may be
 * on their way at once: each brings the whole stack of its own event, and stacks that share the
 * missing pc differ further out. When there are many, the later ones bring the inner frames only:
 * enough to tell which of the whole stacks it is.
 */
static __always_inline bool ask(struct walk *w, __u64 pid_tgid, __u64 *token,
				__u64 ip, __u64 sp, __u64 bp)
{
	struct unwind_key key = unwind_key_of(w->pc, w->innermost, w->tgid, w->mm_id);
	__u64 now = bpf_ktime_get_ns();
	__u32 room = may_ask(&key, now);

	*token = stack_hash_end(stack_hash_fold(pid_tgid, now));
	if (room == EV_MISS_STACK_SZ)
		return send_miss(w, pid_tgid, *token, EV_MISS_STACK_SZ, ip, sp, bp);
	if (room == EV_MISS_SHORT_STACK_SZ)
		return send_miss(w, pid_tgid, *token, EV_MISS_SHORT_STACK_SZ, ip, sp, bp);
	return false;	/* the answer is on its way */
}

/* Which image of a process runs: as in struct unwind_key. */
static __always_inline __u32 current_mm_id(void)
{
	struct task_struct *task;

	if (kernel_has(get_current_task_btf)) {
		task = bpf_get_current_task_btf();
		return (__u32)(task->group_leader->start_boottime >> 8) + (__u32)task->self_exec_id;
	}
	task = (void *)bpf_get_current_task();
	return (__u32)(BPF_CORE_READ(task, group_leader, start_boottime) >> 8) +
	       (__u32)BPF_CORE_READ(task, self_exec_id);
}

static __always_inline __u64 walk_and_tell(struct walk *w, __u64 ip, __u64 sp, __u64 bp, __u16 *flags)
{
	__u64 pid_tgid = bpf_get_current_pid_tgid(), id, token;
	__u8 one = 1;

	w->tgid = pid_tgid >> 32;
	w->mm_id = current_mm_id();
	w->jiffy = (__u32)bpf_jiffies64();
	w->pc = ip;
	w->sp = sp;
	memo_begin(w, pid_tgid);
	walk(w, ip, sp, bp);
	memo_end(w, w->end == WALK_COMPLETE);
	if (config.check_stacks)
		check_walk(w, ip, sp, bp);
	id = stack_hash_end(w->hash);
	if (w->end == WALK_MISS) {
		if (ask(w, pid_tgid, &token, ip, sp, bp)) {
			*flags = EV_F_STACK_TOKEN;
			return token;
		}
		*flags = EV_F_STACK_PARTIAL;
		return id;
	}
	if (bpf_map_lookup_elem(&known_stacks, &id))
		return id;
	if (w->is_memo)
		memo_fill(w);
	if (define_stack(w, pid_tgid, id))
		bpf_map_update_elem(&known_stacks, &id, &one, BPF_ANY);
	return id;
}

/*
 * The id of the current thread's user stack at these registers, and in *flags what kind of id it is.
 * The definition of an id that was not seen before, or the question for a rule, precedes the event
 * in the ring.
 */
static __noinline __u64 take_stack(__u64 ip, __u64 sp, __u64 bp, __u16 *flags)
{
	struct walk *w = take_walk();
	__u64 id;

	if (!w) {
		*flags = EV_F_STACK_PARTIAL;	/* of no frame */
		return stack_hash_end(ip);
	}
	id = walk_and_tell(w, ip, sp, bp, flags);
	give_walk(w);
	return id;
}

#endif /* UNFREED_STACK_BPF_H */
