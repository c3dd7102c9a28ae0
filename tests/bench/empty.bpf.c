/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * What a probe costs that does nothing: a counter at each point where the real programs sit, so that
 * they can be held against it. And the same with the kernel's own stack walk, which follows frame
 * pointers, in place of ours.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

#include "bpf/config.h"

#define MAX_FRAMES 127		/* kernel.perf_event_max_stack as it comes */

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64[MAX_FRAMES]);
} scratch SEC(".maps");

/* Not atomic: one thread is measured, and an empty program should cost nothing of its own. */
__u64 hits, frames;

static __always_inline int count_frames(void *ctx)
{
	__u32 zero = 0;
	void *stack = bpf_map_lookup_elem(&scratch, &zero);
	long sz;

	if (!stack)
		return 0;
	sz = bpf_get_stack(ctx, stack, MAX_FRAMES * sizeof(__u64), BPF_F_USER_STACK);
	if (sz > 0)
		frames = sz / sizeof(__u64);
	return 0;
}

SEC("tp/syscalls/sys_exit_mmap")
int empty_exit_mmap(void *ctx)
{
	hits++;
	return 0;
}

SEC("tp/syscalls/sys_enter_munmap")
int empty_enter_munmap(void *ctx)
{
	hits++;
	return 0;
}

SEC("tp/syscalls/sys_exit_munmap")
int empty_exit_munmap(void *ctx)
{
	hits++;
	return 0;
}

SEC("uprobe")
int empty_call(struct pt_regs *ctx)
{
	hits++;
	return 0;
}

SEC("tp/syscalls/sys_exit_mmap")
int stack_exit_mmap(void *ctx)
{
	hits++;
	return count_frames(ctx);
}

SEC("uprobe")
int stack_call(struct pt_regs *ctx)
{
	__u64 raw = bpf_get_attach_cookie(ctx);
	struct handle_cookie cookie;

	hits++;
	__builtin_memcpy(&cookie, &raw, sizeof(cookie));
	return cookie.is_close ? 0 : count_frames(ctx);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
