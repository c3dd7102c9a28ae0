/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Memos: what walks found lately, so that the next ones need not find it again.
 *
 * A thread that is seen often has nearly the same stack each time: all but the innermost frames are
 * the same calls, not yet returned, and a loop brings back the innermost ones too. The rest of a walk
 * depends on nothing but the state in which it comes to a frame (pc, sp, bp), on the rules from there
 * on, and on the words of the stack that they point to. So a walk may write down what it goes by; a
 * later one that comes to a frame of that list in the same state compares the words, and as far as
 * they are the same takes the frames as they are, without a look-up and a step for each. At the first
 * frame with another word it walks again.
 *
 * In most code bp is a register like others, saved and brought back while nobody finds his way by it,
 * and with another value each time. So a word that holds a saved bp is written down not where it is
 * read, but with the frame whose rule needs it. What was saved by frames before the one at which a later
 * walk joins lies elsewhere for that walk, perhaps: its own bp is compared instead.
 *
 * What it does not compare are the rules, and the code that a guard watches. So a memo is good for the
 * jiffy in which it was written, which is how often guards are looked at (struct unwind_rule, seen);
 * and for its own thread only. Each CPU has some, for the first of its walks that are under way;
 * which of them, the innermost pc and sp say, so that calls by different ways have different ones. A
 * thread that is seen seldom, not in this jiffy nor the last, has nothing written down for it.
 *
 * `unfreed attach --check-stacks` walks each stack a second time without, and compares.
 */
#ifndef UNFREED_MEMO_BPF_H
#define UNFREED_MEMO_BPF_H

#include "bpf/window.bpf.h"

#define MEMO_MAX_WORDS 256	/* a power of 2; a frame has one to three, the interpreter's five */
#define MEMO_BATCH 8

/* A word of the user's stack that a walk depends on. */
struct memo_word {
	__u64 at, value;
};

/* A frame, and the state in which the walk came to it: its pc, and */
struct memo_frame {
	struct ev_frame frame;
	__u64 sp;
	__u64 bp_at;			/* the word with its bp, if a frame before it saved one */
	__u8 bp_from, innermost;	/* as in struct walk */
	__u16 first_word, end_word;	/* of those that it and the step over it went by */
	__u16 pad;
};

struct memo {
	__u64 thread;		/* pid_tgid whose stack it was */
	__u32 mm_id;
	__u32 jiffy;
	__u64 hash;		/* of the whole walk */
	__u32 n_frames;		/* 0: nothing is known */
	__u32 n_words;		/* more than MEMO_MAX_WORDS: not all are here */
	struct memo_frame frames[EV_MAX_FRAMES];
	struct memo_word words[MEMO_MAX_WORDS];
	__u8 bp_from[MEMO_MAX_WORDS];	/* of a word that was a frame's bp; else MEMO_NO_BP */
};

#define MEMO_NO_BP 0xff

struct memos_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MEMOS_PER_CPU);	/* times the number of CPUs: user space sets it */
	__type(key, __u32);
	__type(value, struct memo);
};

extern struct memos_map memos SEC(".maps");

enum memo_says {
	MEMO_GOES_ON = 0,	/* to the next frame, with or without a step */
	MEMO_ENDS = 1,		/* the walk has ended */
	MEMO_MEETS = 2,		/* the walk has come to a frame of the memo */
};

static __always_inline struct memo *memo_of(const struct walk *w)
{
	__u32 no = w->memo_no;

	return bpf_map_lookup_elem(&memos, &no);
}

static __always_inline struct memo_frame *memo_frame(struct memo *memo, __u32 n)
{
	return &memo->frames[n & (EV_MAX_FRAMES - 1)];
}

/* --- writing one ------------------------------------------------------------------------------- */

static __always_inline void memo_keep_word(struct memo *memo, __u64 at, __u64 value, __u8 bp_from)
{
	__u32 n = memo->n_words++ & (MEMO_MAX_WORDS - 1);

	memo->words[n].at = at;
	memo->words[n].value = value;
	memo->bp_from[n] = bp_from;
}

/* The n-th of the words that were looked up, which the walk depends on; memo: NULL if it writes none. */
static __always_inline __u64 memo_keep(struct memo *memo, const struct walk *w, __u32 n)
{
	__u64 value = word(w, n);

	if (memo)
		memo_keep_word(memo, word_at(w, n), value, MEMO_NO_BP);
	return value;
}

/* The state in which the walk is, and the words from here on, are those of the frame it comes to. */
static __always_inline void memo_enter_frame(struct memo *memo, const struct walk *w)
{
	struct memo_frame *f = memo_frame(memo, w->n_frames);

	f->sp = w->sp;
	f->bp_at = w->bp_at;
	f->bp_from = w->bp_from;
	f->innermost = w->innermost;
	f->first_word = memo->n_words;
}

static __always_inline void memo_leave_frame(struct memo *memo, const struct ev_frame *frame, __u32 n)
{
	struct memo_frame *f = memo_frame(memo, n);

	f->frame = *frame;
	f->end_word = memo->n_words;
}

/* --- using one --------------------------------------------------------------------------------- */

static __always_inline void memo_do_without(struct walk *w)
{
	w->n_memo = 0;
	w->is_recording = 0;
	w->is_memo = 0;
}

/* Before the first step: whether this walk may use a memo, or should write one, or neither. */
static __always_inline void memo_begin(struct walk *w, __u64 pid_tgid)
{
	bool is_seen_often = w->last_thread == pid_tgid && w->jiffy - w->last_jiffy <= 1;
	struct memo *memo;

	w->last_thread = pid_tgid;
	w->last_jiffy = w->jiffy;
	memo_do_without(w);
	if (w->no % WALKS_PER_CPU || config.no_memo)
		return;
	w->memo_no = w->no / WALKS_PER_CPU * MEMOS_PER_CPU +
		     stack_hash_fold(w->pc, w->sp) % MEMOS_PER_CPU;
	memo = memo_of(w);
	if (!memo)
		return;
	w->cursor = 0;
	if (memo->thread == pid_tgid && memo->jiffy == w->jiffy && memo->mm_id == w->mm_id) {
		w->n_memo = memo->n_frames;
	} else if (is_seen_often) {
		w->is_recording = 1;
		memo->thread = pid_tgid;
		memo->jiffy = w->jiffy;
		memo->mm_id = w->mm_id;
		memo->n_frames = memo->n_words = 0;
	}
}

/* Only a whole stack can stand for the rest of another. */
static __always_inline void memo_end(const struct walk *w, bool is_complete)
{
	struct memo *memo;

	if (!w->is_recording || !is_complete)
		return;
	memo = memo_of(w);
	if (!memo || memo->n_words > MEMO_MAX_WORDS)
		return;
	memo->hash = w->hash;
	memo->n_frames = w->n_frames;
}

/* Both lists go outward, so frames of the memo that lie below the walk are behind it. */
static __always_inline enum memo_says memo_look(struct walk *w, struct memo *memo)
{
	const struct memo_frame *f = memo_frame(memo, w->cursor);

	if (f->sp < w->sp) {
		w->cursor++;
		return MEMO_GOES_ON;
	}
	return f->sp == w->sp && f->frame.pc == w->pc && f->innermost == w->innermost ? MEMO_MEETS :
										      MEMO_ENDS;
}

/* Compares some of the memo's words; 1: that was the last, or one is another now. */
__weak __noinline int memo_words(__u32 walk_no)
{
	struct walk *w = bpf_map_lookup_elem(&walks, &walk_no);
	struct memo *memo = w ? memo_of(w) : NULL;
	__u32 n, end;

	if (!memo)
		return 1;
	n = w->verified;
	end = n + MEMO_BATCH < memo->n_words ? n + MEMO_BATCH : memo->n_words;
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < MEMO_BATCH && n < end; i++, n++) {
		const struct memo_word *kept = &memo->words[n & (MEMO_MAX_WORDS - 1)];
		__u64 value = w->bp;	/* had been saved before the walk joined, if at all */

		if (memo->bp_from[n & (MEMO_MAX_WORDS - 1)] > w->joined &&
		    !read_word(w, kept->at, &value))
			break;
		if (value != kept->value)
			break;
	}
	w->verified = n;
	return n < end || n >= memo->n_words;
}

static __always_inline __u64 fold_frame(__u64 hash, const struct ev_frame *frame)
{
	hash = stack_hash_fold(hash, frame->pc);
	if (frame->kind != EV_FRAME_NATIVE)
		hash = stack_hash_extra(hash, frame->extra[0], frame->extra[1]);
	return hash;
}

/* The walk goes on by itself, from this frame on. Its bp may be another, if nobody needed it yet. */
static __always_inline enum memo_says memo_part(struct walk *w, const struct memo_frame *f)
{
	w->pc = f->frame.pc;
	w->sp = f->sp;
	w->innermost = f->innermost;
	if (f->bp_from <= w->joined)
		return MEMO_GOES_ON;
	w->end = EV_STACK_BROKEN;
	if (!look(w, f->bp_at, 1))
		return MEMO_ENDS;
	w->bp = word(w, 0);
	return MEMO_GOES_ON;
}

/* Takes some of the memo's frames, as far as their words are verified; else enum memo_says. */
__weak __noinline int memo_frames(__u32 walk_no)
{
	struct walk *w = bpf_map_lookup_elem(&walks, &walk_no);
	struct memo *memo = w ? memo_of(w) : NULL;

	if (!memo)
		return MEMO_ENDS;
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < MEMO_BATCH; i++) {
		const struct memo_frame *f = memo_frame(memo, w->cursor);

		if (w->cursor >= w->n_memo) {
			w->end = EV_STACK_COMPLETE;
			return MEMO_ENDS;
		}
		if (w->n_frames >= EV_MAX_FRAMES) {
			w->end = EV_STACK_TRUNCATED;
			return MEMO_ENDS;
		}
		w->cursor++;
		if (f->end_word > w->verified)
			return memo_part(w, f);
		w->frames[w->n_frames++ & (EV_MAX_FRAMES - 1)] = f->frame;
		w->hash = fold_frame(w->hash, &f->frame);
		if (config.check_stacks && !w->is_memo)
			__sync_fetch_and_add(&stack_check.memo_frames, 1);
	}
	return MEMO_MEETS;
}

/* From the frame of the memo that the walk has come to as far as they are alike; enum memo_says. If all
 * of it is, its frames stay where they are: seldom does anybody ask for them (memo_fill). */
static __always_inline int memo_join(struct walk *w, struct memo *memo)
{
	int says = MEMO_MEETS;

	w->joined = w->cursor;
	w->verified = memo_frame(memo, w->cursor)->first_word;
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < MEMO_MAX_WORDS / MEMO_BATCH; i++)
		if (memo_words(w->no))
			break;
	if (!w->n_frames && !w->cursor && w->verified >= memo->n_words) {
		w->hash = memo->hash;
		w->n_frames = memo->n_frames;
		w->end = EV_STACK_COMPLETE;
		w->is_memo = 1;
		if (config.check_stacks)
			__sync_fetch_and_add(&stack_check.memo_frames, w->n_frames);
		return MEMO_ENDS;
	}
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < EV_MAX_FRAMES / MEMO_BATCH + 1 && says == MEMO_MEETS; i++)
		says = memo_frames(w->no);
	return says;
}

/* The frames of a walk that is all memo, where others have theirs. */
static __always_inline void memo_fill(struct walk *w)
{
	w->n_frames = w->cursor = 0;
	w->hash = stack_hash_begin(w->tgid, w->mm_id);
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < EV_MAX_FRAMES / MEMO_BATCH + 1; i++)
		if (memo_frames(w->no) != MEMO_MEETS)
			break;
	w->is_memo = 0;
}

#endif /* UNFREED_MEMO_BPF_H */
