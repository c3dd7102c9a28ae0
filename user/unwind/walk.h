/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* The walk of bpf/rule.h over a copied stack. */
#ifndef UNFREED_UNWIND_WALK_H
#define UNFREED_UNWIND_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/event.h"
#include "bpf/rule.h"

struct walk_ops {
	/* The rule for a key. `again`: the guard of the last answer failed. 0, or -errno, which
	 * ends the walk and is forwarded. */
	int (*rule)(void *ctx, const struct unwind_key *key, bool again, struct unwind_rule *out);
	/* The target's memory, for what lies outside the copy: 0 or -errno. */
	int (*read)(void *ctx, uint64_t addr, void *buf, size_t sz);
};

/*
 * Makes `out` (UNWIND_STACK_SZ bytes) the EV_STACK of a miss. Never more than EV_MAX_FRAMES steps,
 * whatever the copy holds; not one (n_frames 0, so it is no record) when the registers are no
 * user's. 0, or what walk_ops.rule failed with.
 */
int walk__run(const struct ev_miss *miss, const struct walk_ops *ops, void *ctx,
	      struct ev_stack *out);

#endif /* UNFREED_UNWIND_WALK_H */
