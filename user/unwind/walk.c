/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * bpf/rule.h defines the walk; this is its other half beside bpf/stack.bpf.h, and differs only in
 * that a rule is always to be had. What was copied answers first, as it is the moment of the
 * probe; the live process answers for what lies beyond it (deeper frames, alternate stacks), as long
 * as the thread has not returned to there: the outermost piece of the copy still stands in its
 * place. Else the walk ends, and its id is the hash of the beginning that it saw.
 */
#include "user/unwind/walk.h"

#include <string.h>

struct walk {
	const struct ev_miss *miss;
	const struct walk_ops *ops;
	void *ctx;
	struct ev_stack *out;
	struct unwind_rule rule;
	uint64_t pc, sp, bp, hash;
	uint64_t beginning;		/* the hash as of the last pc */
	uint64_t interpreter[10];	/* from bp - 64 on, for a rule of that kind */
	bool innermost;
	bool returned;			/* the thread is not where it was any more */
};

enum { WALK_ON = -1 };		/* beside enum ev_stack_end */

#define WITNESS_SZ 256		/* bytes of the copy's end */

static uint64_t copied(const struct walk *w)
{
	return w->miss->stack_sz < EV_MISS_STACK_SZ ? w->miss->stack_sz : EV_MISS_STACK_SZ;
}

/* Whether the process still has on its stack what the copy ends with. */
static bool still_stands(const struct walk *w)
{
	uint64_t have = copied(w), n = have < WITNESS_SZ ? have : WITNESS_SZ;
	uint8_t now[WITNESS_SZ];

	return w->ops->read(w->ctx, w->miss->sp + have - n, now, n) == 0 &&
	       memcmp(now, w->miss->stack + have - n, n) == 0;
}

/* A piece of the stack. */
static bool read_memory(struct walk *w, uint64_t addr, void *buf, size_t sz)
{
	const struct ev_miss *miss = w->miss;
	uint64_t have = copied(w);
	uint64_t off = addr - miss->sp;

	if (addr >= miss->sp && have >= sz && off <= have - sz) {
		memcpy(buf, miss->stack + off, sz);
		return true;
	}
	if (w->ops->read(w->ctx, addr, buf, sz))
		return false;
	w->returned = !still_stands(w);		/* after it was read: it did stand until then */
	return !w->returned;
}

static bool guard_holds(const struct walk *w)
{
	uint32_t value;

	if (!(w->rule.flags & UNWIND_F_GUARD))
		return true;
	return w->ops->read(w->ctx, w->rule.guard_addr, &value, sizeof(value)) == 0 &&
	       value == w->rule.guard_value;
}

/* The rule for this pc. One that is stale at once is not worth a third question. */
static int get_rule(struct walk *w)
{
	struct unwind_key key = unwind_key_of(w->pc, w->innermost, w->miss->h.tgid, w->miss->mm_id);
	int r;

	r = w->ops->rule(w->ctx, &key, false, &w->rule);
	if (r || guard_holds(w))
		return r;
	r = w->ops->rule(w->ctx, &key, true, &w->rule);
	if (!r && !guard_holds(w))
		w->rule = (struct unwind_rule){ .kind = UNWIND_BROKEN };
	return r;
}

/* False: what the frame would add to the stack cannot be read. */
static bool add_frame(struct walk *w)
{
	struct ev_frame frame = { .pc = w->pc, .kind = EV_FRAME_NATIVE };

	if (w->rule.flags & UNWIND_F_GUARD) {
		frame.kind = EV_FRAME_GUARDED;
		frame.extra[0] = w->rule.guard_value;
	}
	if (w->rule.flags & UNWIND_F_SAVED_PC &&
	    !read_memory(w, w->sp + (uint64_t)(int64_t)w->rule.deref_off, &frame.extra[1],
			 sizeof(frame.extra[1])))
		return false;
	if (w->rule.kind == UNWIND_INTERPRETER) {
		if (!read_memory(w, w->bp + (uint64_t)UNWIND_INTERPRETER_BCP_OFF, w->interpreter,
				 sizeof(w->interpreter)))
			return false;
		frame.kind = EV_FRAME_INTERPRETED;
		frame.extra[0] = w->interpreter[5];
		frame.extra[1] = w->interpreter[w->rule.deref_off == UNWIND_INTERPRETER_BCP_8];
	}
	if (frame.kind != EV_FRAME_NATIVE)
		w->hash = stack_hash_extra(w->hash, frame.extra[0], frame.extra[1]);
	w->out->frames[w->out->n_frames++] = frame;
	return true;
}

static int step_interpreter(struct walk *w)
{
	if (w->interpreter[7] <= w->sp)
		return EV_STACK_BROKEN;
	w->sp = w->interpreter[7];
	w->bp = w->interpreter[8];
	w->pc = w->interpreter[9];
	w->innermost = false;
	return WALK_ON;
}

static int step_signal(struct walk *w)
{
	uint64_t v[7];

	if (!read_memory(w, w->sp + UNWIND_SIGNAL_OFF, v, sizeof(v)))
		return EV_STACK_BROKEN;
	w->bp = v[0];
	w->sp = v[5];
	w->pc = v[6];
	w->innermost = true;
	return WALK_ON;
}

static int step_cfa(struct walk *w)
{
	const struct unwind_rule *rule = &w->rule;
	uint64_t cfa = unwind_base(rule, w->sp, w->bp), ra;

	if (unwind_is_outermost(rule, w->bp))
		return EV_STACK_COMPLETE;
	if (unwind_derefs(rule) &&
	    !read_memory(w, cfa + (uint64_t)(int64_t)rule->deref_off, &cfa, sizeof(cfa)))
		return EV_STACK_BROKEN;
	cfa += (uint64_t)(int64_t)rule->cfa_off;
	if (cfa <= w->sp || !read_memory(w, cfa + (uint64_t)(int64_t)rule->ra_off, &ra, sizeof(ra)))
		return EV_STACK_BROKEN;
	if (rule->flags & UNWIND_F_BP_SAVED &&
	    !read_memory(w, unwind_bp_slot(rule, w->bp, cfa), &w->bp, sizeof(w->bp)))
		return EV_STACK_BROKEN;
	w->sp = cfa;
	w->pc = ra;
	w->innermost = false;
	return WALK_ON;
}

static int step(struct walk *w)
{
	switch (w->rule.kind) {
	case UNWIND_SP:
	case UNWIND_BP:
	case UNWIND_SP_DEREF:
	case UNWIND_BP_DEREF:
		return step_cfa(w);
	case UNWIND_SIGNAL:
		return step_signal(w);
	case UNWIND_INTERPRETER:
		return step_interpreter(w);
	case UNWIND_END:
		return EV_STACK_COMPLETE;
	default:
		return EV_STACK_BROKEN;
	}
}

/* 0 and *end, or what walk_ops.rule failed with. */
static int follow(struct walk *w, int *end)
{
	int r;

	do {
		*end = w->out->n_frames == EV_MAX_FRAMES ? EV_STACK_TRUNCATED : EV_STACK_BROKEN;
		if (*end == EV_STACK_TRUNCATED || unwind_pc_is_bad(w->pc))
			return 0;
		w->hash = w->beginning = stack_hash_fold(w->hash, w->pc);
		r = get_rule(w);
		if (r)
			return r;
		if (!add_frame(w))
			return 0;
		*end = step(w);
		if (*end == WALK_ON && w->pc == 0)
			*end = EV_STACK_COMPLETE;
	} while (*end == WALK_ON);
	return 0;
}

int walk__run(const struct ev_miss *miss, const struct walk_ops *ops, void *ctx,
	      struct ev_stack *out)
{
	struct walk w = {
		.miss = miss,
		.ops = ops,
		.ctx = ctx,
		.out = out,
		.pc = miss->ip,
		.sp = miss->sp,
		.bp = miss->bp,
		.hash = stack_hash_begin(miss->h.tgid, miss->mm_id),
		.innermost = true,
	};
	int end, r;

	*out = (struct ev_stack){ .h = miss->h };
	out->h.type = EV_STACK;
	out->h.flags = 0;
	r = follow(&w, &end);
	if (r)
		return r;
	out->id = stack_hash_end(w.returned ? w.beginning : w.hash);
	out->end = (uint16_t)end;
	out->mm_id = miss->mm_id;
	out->h.size = (uint32_t)(sizeof(*out) + out->n_frames * sizeof(struct ev_frame));
	return 0;
}
