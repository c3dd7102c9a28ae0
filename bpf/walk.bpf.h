/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * What a walk of a stack keeps while it lasts, and whose it is.
 *
 * It lives in a map and not on the BPF stack. There 512 bytes must do for everybody from the probe
 * inward before Linux 6.13 (e00931c02568), and a function that the verifier looks at once, not once
 * for each call, takes no pointers before 5.12 (e5069b9c23b3): such functions get the number of a
 * walk and look it up, which the JIT turns into a few instructions. Nor does the verifier follow what
 * is written there, so that the rounds of the walk all look alike to it.
 *
 * Programs on uprobes run preemptible since Linux 6.0 (8c7dcb84e3b7), if never moved to another CPU:
 * one can be interrupted by another of ours. So each CPU has several, and a walk is whose attempt
 * found it free. Who comes while all are taken goes without a stack, which counts as incomplete.
 */
#ifndef UNFREED_WALK_BPF_H
#define UNFREED_WALK_BPF_H

#include "bpf/maps.bpf.h"

#define WINDOW_SZ 4096		/* a page: of what is needed the rest of its page can be read, too */
#define WINDOW_MASK (WINDOW_SZ / 8 - 1)

/* A copy of a piece of the user's stack. */
struct window {
	__u64 at;		/* user address */
	__u32 sz;		/* bytes that were read */
	__u32 is_narrow;	/* it could not be filled once: not read beyond a page since */
	__u32 index;		/* of the word that was looked up */
	__u32 pad;
	__u64 words[WINDOW_SZ / 8];
};

struct walk {
	__u32 n_takers;		/* 1: somebody's; more: somebody's, and others are trying */
	__u32 no;		/* its own number */
	__u32 n_frames;
	__u32 jiffy;		/* low half, of the beginning */
	__u64 pc, sp, bp;
	__u64 bp_at;		/* where bp was read, unless it is the register itself */
	__u64 hash;
	__u32 tgid, mm_id;
	__u32 end;		/* enum walk_end */
	__u32 innermost;	/* pc is where the thread was interrupted */
	__u32 bp_from;		/* 1 + number of the frame that had saved bp; 0: it is the register */
	__u32 memo_no;		/* memo.bpf.h: the memo of this walk, */
	__u32 n_memo;		/* its frames, 0 without one, */
	__u32 cursor;		/* the first of them that may still be met, */
	__u32 verified;		/* the words before this one are as they were, */
	__u32 joined;		/* since this walk joined it at this frame */
	__u32 is_recording;	/* this walk writes the memo, */
	__u32 is_memo;		/* or is all of it: the frames are there */
	__u32 last_jiffy;	/* of the walk before, and whose it was */
	__u64 last_thread;
	struct window window;
	struct ev_frame frames[EV_MAX_FRAMES];	/* n_frames of them */
};

struct walks_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, WALKS_PER_CPU);	/* times the number of CPUs: user space sets it */
	__type(key, __u32);
	__type(value, struct walk);
};

extern struct walks_map walks SEC(".maps");

/* Adds by one instruction: on one CPU nothing comes between, and no other CPU looks here. */
static __always_inline __u32 add_taker(struct walk *w, __u32 n)
{
	__sync_fetch_and_add(&w->n_takers, n);
	return *(volatile __u32 *)&w->n_takers;
}

/* A walk of our own until give_walk(); NULL: all are taken. */
static __always_inline struct walk *take_walk(void)
{
	__u32 no = bpf_get_smp_processor_id() * WALKS_PER_CPU;
	struct walk *w;

#pragma clang loop unroll(full)
	for (__u32 i = 0; i < WALKS_PER_CPU; i++, no++) {
		w = bpf_map_lookup_elem(&walks, &no);
		if (!w)
			return NULL;
		if (add_taker(w, 1) == 1) {
			w->no = no;
			return w;
		}
		add_taker(w, -1);
	}
	return NULL;
}

static __always_inline void give_walk(struct walk *w)
{
	add_taker(w, -1);
}

#endif /* UNFREED_WALK_BPF_H */
