/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* When each thread released an mmap lock last: see order.bpf.h. One of these is loaded, and only
 * when it is asked for. */
#include "bpf/order.bpf.h"

static __always_inline int note_unlock(bool write)
{
	__u64 pid_tgid = bpf_get_current_pid_tgid(), now;
	struct lock_times *times, fresh = {};
	__u32 tid = (__u32)pid_tgid;

	if (!current_target_flags(pid_tgid >> 32))
		return 0;
	now = bpf_ktime_get_ns();
	times = bpf_map_lookup_elem(&lock_times, &tid);
	if (!times) {
		if (write)
			fresh.written_ns = now;
		else
			fresh.read_ns = now;
		if (bpf_map_update_elem(&lock_times, &tid, &fresh, BPF_ANY))
			count_loss(EV_LOSS_ENTRY_FULL);
		return 0;
	}
	if (write)
		times->written_ns = now;
	else
		times->read_ns = now;
	return 0;
}

/* (mm, write) */
SEC("raw_tp/mmap_lock_released")
int on_unlock(struct bpf_raw_tracepoint_args *ctx)
{
	return note_unlock(ctx->args[1]);
}

/* Older kernels: (mm, path of the memory cgroup, write). */
SEC("raw_tp/mmap_lock_released")
int on_unlock_memcg(struct bpf_raw_tracepoint_args *ctx)
{
	return note_unlock(ctx->args[2]);
}
