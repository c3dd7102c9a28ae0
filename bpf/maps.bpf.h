/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Everything the BPF programs share: maps, configuration, counters. Declared here, defined once in
 * maps.bpf.c; the static linker of bpftool joins the objects.
 */
#ifndef UNFREED_MAPS_BPF_H
#define UNFREED_MAPS_BPF_H

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#include "bpf/event.h"
#include "bpf/rule.h"
#include "bpf/config.h"

#ifndef NULL
#define NULL ((void *)0)
#endif
#define BPF_F_MMAPABLE (1 << 10)	/* <linux/bpf.h>, which cannot be had beside vmlinux.h */

#define BPF_RINGBUF_HDR_SZ 8	/* likewise: before each record */
#define RING_SZ_DEFAULT (16 << 20)	/* bytes; user space sets another before the load */

struct ring_map {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, RING_SZ_DEFAULT);
};

/* Which processes are watched, and how. An array of all there can be, not a hash: every mmap and
 * munmap on the system looks here first. */
struct targets_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);	/* user space writes single bytes */
	__uint(max_entries, TARGETS_N / TARGETS_PAGE);
	__type(key, __u32);
	__type(value, struct target_page);
};

/* Unwinding rules; written by user space in answer to EV_MISS. */
struct rules_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, struct unwind_key);
	__type(value, struct unwind_rule);
};

/* Stack ids whose definition was sent. An evicted one is sent again: harmless. */
struct known_stacks_map {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, __u64);
	__type(value, __u8);
};

/* How often a missing rule was asked for lately. */
struct asked {
	__u64 since_ns;
	__u64 n;
};

struct asked_map {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, struct unwind_key);
	__type(value, struct asked);
};

/* How many records the ring had no room for, and whose. */
struct lost_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, struct lost_key);
	__type(value, __u64);
};

/* Where a kernel has no BPF cookies: that of the probe that was hit, from the program that hangs there
 * to ours (user/source/probe_stub.h). Nothing comes between on such kernels. */
struct cookies_map {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
};

extern struct ring_map ring SEC(".maps");
extern struct targets_map targets SEC(".maps");
extern struct rules_map rules SEC(".maps");
extern struct known_stacks_map known_stacks SEC(".maps");
extern struct asked_map asked SEC(".maps");
extern struct lost_map lost SEC(".maps");
extern struct cookies_map cookies SEC(".maps");

extern const volatile struct bpf_config config;

/*
 * Whether this kernel has a helper: settled when the programs are loaded, by the kernel's own types,
 * and the verifier does not look at what is for the other case. What may stand there is what every
 * verifier can read past: no callback before Linux 5.13 (69c087ba6225).
 */
#define kernel_has(helper)								\
	(bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_##helper) && !config.oldest)

/* Losses since the load, by enum ev_loss_cause. Read by user space once a tick. */
extern __u64 losses[EV_N_LOSSES];
/* Of EV_LOSS_RING_FULL, those that did not fit into the map of lost records. */
extern __u64 lost_unnamed;

/* With config.check_stacks, since the load. */
extern struct stack_check stack_check;

static __always_inline void count_loss(enum ev_loss_cause cause)
{
	__sync_fetch_and_add(&losses[cause], 1);
}

#endif /* UNFREED_MAPS_BPF_H */
