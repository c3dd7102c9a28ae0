/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* What user space tells the BPF programs before they are loaded, and flags that both sides use. */
#ifndef UNFREED_CONFIG_H
#define UNFREED_CONFIG_H

#ifndef __bpf__
#include <linux/types.h>
#endif

/* Of a process in the target map, and bpf_config.default_flags. */
enum target_flag {
	TARGET_WATCHED = 1 << 0,	/* its records are wanted */
	TARGET_STACKS = 1 << 1,		/* ... with stacks */
	TARGET_OWN = 1 << 7,		/* in the map only: these hold, not the default */
};

/* The target map: one byte for each process id there can be (PID_MAX_LIMIT), in pages. */
#define TARGETS_N (1 << 22)
#define TARGETS_PAGE 4096

struct target_page {
	__u8 flags[TARGETS_PAGE];	/* enum target_flag; 0: bpf_config.default_flags count */
};

struct bpf_config {
	__u32 self_tgid;	/* never watched */
	__u32 default_flags;	/* enum target_flag of a process without an entry */
	__u32 page_sz;
	__u32 wakeup_sz;	/* wake the reader each time so many bytes were written; a power of 2 */
	__u32 oldest;		/* do without what came after Linux 5.8 even where it is: for tests */
	__u32 asks;		/* the same missing rule is asked for at most so often ... */
	__u64 asks_per_ns;	/* ... in such a time */
	__u32 short_asks;	/* and so often more with less of the stack, while the ring is empty
				 * enough */
	__u32 check_stacks;	/* walk each a second time, without the memo, and compare */
	__u32 no_memo;		/* walk each in full, as if it were never the same: for measuring */
	__u32 ordered;		/* records carry the time at which the mmap lock was released */
};

/* Walks of stacks that can be under way on one CPU: see walk.bpf.h. */
#define WALKS_PER_CPU 4
/* Memos of the first of them: see memo.bpf.h. */
#define MEMOS_PER_CPU 4

/* Key of the map of lost records. */
struct lost_key {
	__u32 tgid;
	__u16 type;	/* enum ev_type */
	__u16 pair;	/* of a handle, else 0 */
};

/* What config.check_stacks found. */
struct stack_check {
	__u64 walks;		/* that were repeated */
	__u64 differ;		/* of these, the second gave another stack or another end */
	__u64 frames;		/* of the first walks */
	__u64 memo_frames;	/* of these, taken from the memo */
};

/*
 * The cookie of a handle probe: which row of the symbol table it serves, and what to do there, so
 * that one program serves every probe.
 */
struct handle_cookie {
	__u16 symbol;		/* row of pair_symbols */
	__u8 pair;
	__u8 is_close;		/* 0 or 1 */
	__u8 handle_arg;	/* 0..5 */
	__u8 pad;
	__u16 file;		/* serial number of the probed file */
};

_Static_assert(sizeof(struct handle_cookie) == 8, "handle_cookie");
_Static_assert(sizeof(struct lost_key) == 8, "lost_key");

#endif /* UNFREED_CONFIG_H */
