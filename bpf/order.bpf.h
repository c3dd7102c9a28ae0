/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The kernel's own order of what threads do to one address space (config.ordered, else nothing).
 *
 * Every change of an address space is made under its mmap lock, held for writing. The tracepoint
 * mmap_lock_released fires while it is still held, so the times taken there are in the order of the
 * changes; a record carries the time of its call's last release instead of its own. Then nothing
 * has to be told at entry: user space sorts (user/source/live_order.c).
 *
 * munmap and a shrinking brk go on with the lock held for reading, and release it so: nobody can
 * have changed anything in between. Other calls may take it for reading once more (to populate), so
 * for them only a release for writing counts.
 */
#ifndef UNFREED_ORDER_BPF_H
#define UNFREED_ORDER_BPF_H

#include "bpf/emit.bpf.h"

struct lock_times {
	__u64 written_ns, read_ns;	/* a thread's last releases; 0: none seen */
};

struct lock_times_map {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u32);
	__type(value, struct lock_times);
};

extern struct lock_times_map lock_times SEC(".maps");

/* `either`: a call that may end with the lock held for reading. */
static __always_inline void set_order(struct ev_header *h, bool either)
{
	struct lock_times *times;
	__u32 tid = h->tid;

	if (!config.ordered)
		return;
	times = bpf_map_lookup_elem(&lock_times, &tid);
	if (!times)
		return;
	if (either && times->read_ns > times->written_ns)
		h->time_ns = times->read_ns;
	else if (times->written_ns)
		h->time_ns = times->written_ns;
}

#endif /* UNFREED_ORDER_BPF_H */
