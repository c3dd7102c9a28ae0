/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Words of the user's stack, as a walk asks for them.
 *
 * What a read of user memory costs is the call, not the bytes (docs/overhead.md): so the stack is
 * read WINDOW_SZ bytes at a time and most frames find in the window what they look for.
 */
#ifndef UNFREED_WINDOW_BPF_H
#define UNFREED_WINDOW_BPF_H

#include "bpf/walk.bpf.h"

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
	__u32 sz = WINDOW_SZ;

	if (!w)
		return 0;
	window = &w->window;
	window->at = from;
	window->index = 0;
	window->sz = sz;
	if (!window->is_narrow && read_user(window->words, WINDOW_SZ, from))
		return 1;
	window->is_narrow = 1;	/* the stack's end is near: a read that fails is dear */
	sz = (WINDOW_SZ - from % WINDOW_SZ) & ~7u;	/* the rest of the page: that is there */
	if (sz < n_words * 8)
		sz = n_words * 8;
	window->sz = sz;
	return read_user(window->words, ((sz - 1) & (WINDOW_SZ - 1)) + 1, from);
}

/* Looks the words at that user address up, moving the window if need be. False: they cannot be read. */
static __always_inline bool look(struct walk *w, __u64 from, __u32 n_words)
{
	__u64 at = from - w->window.at;

	if (at >= WINDOW_SZ || at + n_words * 8 > w->window.sz || (at & 7))
		return move_window(w->no, from, n_words);
	w->window.index = at / 8;
	return true;
}

/* The n-th of the words that were looked up. */
static __always_inline __u64 word(const struct walk *w, __u32 n)
{
	return w->window.words[(w->window.index + n) & WINDOW_MASK];
}

/* One word, without remembering which: a loop over many has it in a register. */
static __always_inline bool read_word(struct walk *w, __u64 from, __u64 *value)
{
	__u64 at = from - w->window.at;

	if (at >= WINDOW_SZ || at + 8 > w->window.sz || (at & 7)) {
		if (!move_window(w->no, from, 1))
			return false;
		at = 0;
	}
	barrier_var(at);	/* its bounds are the compiler's knowledge, not that of every verifier (6.12) */
	*value = w->window.words[at / 8 & WINDOW_MASK];
	return true;
}

/* Where the n-th of them lies. */
static __always_inline __u64 word_at(const struct walk *w, __u32 n)
{
	return w->window.at + (w->window.index + n) * 8ull;
}

#endif /* UNFREED_WINDOW_BPF_H */
