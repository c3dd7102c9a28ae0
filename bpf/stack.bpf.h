/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The rule walker: who called, in a few instructions a frame, whatever the code was built with.
 *
 * rule.h describes the walk; user/unwind/walk.c does the same over a copied stack, and
 * tests/unit/test_unwind_walk.c holds the two descriptions together. Its frames are kept with the
 * walk (walk.bpf.h): for an id not seen before they are the definition, which goes into the ring.
 *
 * What a read of user memory costs is the call, not the bytes (docs/overhead.md): so the walk reads
 * the stack WINDOW_SZ bytes at a time and most frames find in the window what they look for.
 */
#ifndef UNFREED_STACK_BPF_H
#define UNFREED_STACK_BPF_H

#include "bpf/emit.bpf.h"
#include "bpf/walk.bpf.h"

enum walk_end {
	WALK_COMPLETE = EV_STACK_COMPLETE,
	WALK_TRUNCATED = EV_STACK_TRUNCATED,
	WALK_BROKEN = EV_STACK_BROKEN,
	WALK_MISS,
};

static __always_inline bool read_user(void *to, __u32 sz, __u64 from)
{
	return bpf_probe_read_user(to, sz, (const void *)from) == 0;
}

/*
 * Moves the window of a walk there; 1: the words that are needed could be read. A function of its own
 * to the verifier, which looks into it once and not once for each way through a frame; weak, since
 * each object that includes this has it.
 */
__weak __noinline int move_window(__u32 walk_no, __u64 from, __u32 n_words)
{
	struct walk *w = bpf_map_lookup_elem(&walks, &walk_no);
	struct window *window;

	if (!w)
		return 0;
	window = &w->window;
	window->at = from;
	window->index = 0;
	if (!window->is_narrow && read_user(window->words, WINDOW_SZ, from))
		return 1;
	window->is_narrow = 1;	/* the stack's end is near: a read that fails is dear */
	return read_user(window->words, (n_words & WINDOW_MASK) * 8, from);
}

/* Looks the words at that user address up, moving the window if need be. False: they cannot be read. */
static __always_inline bool look(struct walk *w, __u64 from, __u32 n_words)
{
	__u64 at = from - w->window.at;

	if (w->window.is_narrow || at > WINDOW_SZ - n_words * 8 || (at & 7))
		return move_window(w->no, from, n_words);
	w->window.index = at / 8;
	return true;
}

/* The n-th of the words that were looked up. */
static __always_inline __u64 word(const struct walk *w, __u32 n)
{
	return w->window.words[(w->window.index + n) & WINDOW_MASK];
}

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

/* Steps over the frame by its rule; it is looked up already when the rule is the interpreter's.
 * False: it could not be read or does not lead upward. */
static __always_inline bool walk_leave(struct walk *w, const struct unwind_rule *rule)
{
	__u64 cfa;

	switch (rule->kind) {
	case UNWIND_INTERPRETER:
		if (word(w, INTERPRETER_SENDER_SP) <= w->sp)
			return false;
		w->sp = word(w, INTERPRETER_SENDER_SP);
		w->bp = word(w, INTERPRETER_BP);
		w->pc = word(w, INTERPRETER_PC);
		w->innermost = 0;
		return true;
	case UNWIND_SIGNAL:
		if (!look(w, w->sp + UNWIND_SIGNAL_OFF, 7))
			return false;
		w->bp = word(w, 0);
		w->sp = word(w, 5);	/* may lie on another stack: the frame limit ends a loop */
		w->pc = word(w, 6);
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
		cfa = word(w, 0);
	}
	cfa += rule->cfa_off;
	if (cfa <= w->sp)
		return false;

	/* The saved bp first: it lies below the return address, so that one window has both. */
	if (rule->flags & UNWIND_F_BP_SAVED) {
		if (!look(w, unwind_bp_slot(rule, w->bp, cfa), 1))
			return false;
		w->bp = word(w, 0);
	}
	if (!look(w, cfa + rule->ra_off, 1))
		return false;
	w->pc = word(w, 0);
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

/*
 * One frame; 1 ends the walk. It counts in n_frames when it was recorded. Like move_window() verified
 * once, so that the rounds do not multiply what the verifier has to look at.
 */
__weak __noinline int walk_step(__u32 walk_no)
{
	struct walk *w = bpf_map_lookup_elem(&walks, &walk_no);
	struct ev_frame *frame;
	struct unwind_key key;
	struct unwind_rule *rule;

	if (!w)
		return 1;
	w->end = WALK_BROKEN;
	frame = &w->frames[w->n_frames & (EV_MAX_FRAMES - 1)];
	frame->pc = w->pc;
	frame->extra[0] = frame->extra[1] = 0;
	frame->kind = EV_FRAME_NATIVE;
	if (unwind_pc_is_bad(w->pc))
		return 1;
	w->hash = stack_hash_fold(w->hash, w->pc);
	w->end = WALK_MISS;
	key = unwind_key_of(w->pc, w->innermost, w->tgid, w->mm_id);
	rule = bpf_map_lookup_elem(&rules, &key);
	if (!rule)
		return 1;

	if (rule->flags & UNWIND_F_GUARD) {
		if (!guard_holds(w, rule)) {
			bpf_map_delete_elem(&rules, &key);	/* the code there was replaced */
			return 1;
		}
		frame->extra[0] = rule->guard_value;
		frame->kind = EV_FRAME_GUARDED;
	}
	w->end = WALK_BROKEN;
	if (rule->flags & UNWIND_F_SAVED_PC) {
		if (!look(w, w->sp + rule->deref_off, 1))
			return 1;
		frame->extra[1] = word(w, 0);
	}
	if (rule->kind == UNWIND_INTERPRETER) {
		if (!look(w, w->bp + UNWIND_INTERPRETER_BCP_OFF, INTERPRETER_N_WORDS))
			return 1;
		frame->extra[0] = word(w, INTERPRETER_METHOD);
		frame->extra[1] = word(w, rule->deref_off == UNWIND_INTERPRETER_BCP_8 ?
						  INTERPRETER_BCP_8 : INTERPRETER_BCP);
		frame->kind = EV_FRAME_INTERPRETED;
	}
	if (frame->kind != EV_FRAME_NATIVE)
		w->hash = stack_hash_extra(w->hash, frame->extra[0], frame->extra[1]);
	w->n_frames++;

	if (rule->kind == UNWIND_END || unwind_is_outermost(rule, w->bp)) {
		w->end = WALK_COMPLETE;
		return 1;
	}
	if (!walk_leave(w, rule))
		return 1;
	w->end = w->pc ? WALK_TRUNCATED : WALK_COMPLETE;	/* truncated, unless more frames come */
	return w->pc == 0;
}

/* All of a walk; verified once, again. */
__weak __noinline int walk_steps(__u32 walk_no)
{
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < EV_MAX_FRAMES; i++)
		if (walk_step(walk_no))
			break;
	return 0;
}

static __always_inline void walk(struct walk *w, __u64 ip, __u64 sp, __u64 bp)
{
	w->pc = ip;
	w->sp = sp;
	w->bp = bp;
	w->innermost = 1;
	w->jiffy = (__u32)bpf_jiffies64();
	w->hash = stack_hash_begin(w->tgid, w->mm_id);
	w->n_frames = 0;
	w->end = WALK_BROKEN;
	w->window.is_narrow = 0;
	move_window(w->no, sp, 1);
	walk_steps(w->no);
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
	walk(w, ip, sp, bp);
	id = stack_hash_end(w->hash);
	if (w->end == WALK_MISS) {
		if (ask(w, pid_tgid, &token, ip, sp, bp)) {
			*flags = EV_F_STACK_TOKEN;
			return token;
		}
		*flags = EV_F_STACK_PARTIAL;
		return id;
	}
	if (!bpf_map_lookup_elem(&known_stacks, &id) && define_stack(w, pid_tgid, id))
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
