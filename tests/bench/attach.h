/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* What the benchmark hangs on its probe points, one thing at a time. */
#ifndef UNFREED_BENCH_ATTACH_H
#define UNFREED_BENCH_ATTACH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "bpf/event.h"

struct attach;
struct log;
struct loop;

enum attach_what {
	ATTACH_NOTHING,
	ATTACH_EMPTY,		/* programs that count */
	ATTACH_GET_STACK,	/* ... and call bpf_get_stack() where something is acquired */
	ATTACH_OURS,
	ATTACH_OURS_NO_MEMO,	/* each stack is walked in full, as if it were never the same */
};

int attach__new(struct attach **out, struct log *log);
struct attach *attach__free(struct attach *attach);

/* Takes off what is on, puts on `what`. Ours watch `pid`, for which target_flags (enum
 * target_flag) then hold. Returns 0 or -errno, logged. */
int attach__switch(struct attach *attach, enum attach_what what, pid_t pid, uint32_t target_flags);

/* The loop that reads the ring of what is attached; another one after each switch. */
struct loop *attach__loop(const struct attach *attach);

/* What was seen since the last attach__clear(). */
struct attach_seen {
	uint64_t hits;			/* of the empty programs; records of ours */
	uint64_t lost;			/* records of ours that the ring had no room for */
	uint64_t stacks, complete;	/* ours */
	uint32_t n_frames;		/* of the last stack that was taken, or defined */
};
void attach__clear(struct attach *attach);
struct attach_seen attach__seen(struct attach *attach);

/* Instruction counts of ours: fn(ctx, name, instructions, verified). Attached at the time. */
void attach__each_program(const struct attach *attach,
			  void (*fn)(void *ctx, const char *name, size_t n, size_t verified));

#endif /* UNFREED_BENCH_ATTACH_H */
