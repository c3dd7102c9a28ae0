/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Lives of processes: fork, exec, exit. Raw tracepoints, so that both tasks of a fork can be looked
 * at: a child is watched as its parent is before it runs its first instruction.
 */
#include "bpf/order.bpf.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

/* What the copy left out (MADV_DONTFORK), or what other threads did to the parent since. The child
 * has not run yet. */
static __always_inline __u16 fork_flags(struct task_struct *parent, struct task_struct *child)
{
	struct mm_struct *from = BPF_CORE_READ(parent, mm), *to = BPF_CORE_READ(child, mm);
	__u16 flags = 0;

	if (from == to)
		return 0;
	if (BPF_CORE_READ(from, map_count) != BPF_CORE_READ(to, map_count) ||
	    BPF_CORE_READ(from, total_vm) != BPF_CORE_READ(to, total_vm))
		flags |= EV_F_NO_COPY;
	if (BPF_CORE_READ(parent, signal, nr_threads) > 1)
		flags |= EV_F_THREADS;
	return flags;
}

SEC("raw_tp/sched_process_fork")
int on_fork(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *parent = (void *)ctx->args[0], *child = (void *)ctx->args[1];
	__u32 child_tgid = BPF_CORE_READ(child, tgid), flags;
	__u64 pid_tgid = bpf_get_current_pid_tgid();
	struct ev_fork *ev;

	if ((__u32)BPF_CORE_READ(child, pid) != child_tgid)	/* a thread */
		return 0;
	flags = current_target_flags(pid_tgid >> 32);
	if (!flags)
		return 0;
	if (flags != config.default_flags)
		set_target(child_tgid, flags | TARGET_OWN);
	ev = reserve_record(ev_fork, EV_FORK, pid_tgid);
	if (!ev)
		return 0;
	ev->h.flags = fork_flags(parent, child);
	ev->child_tgid = child_tgid;
	ev->child_start_ns = BPF_CORE_READ(child, start_boottime);
	ev->shares_vm = BPF_CORE_READ(parent, mm) == BPF_CORE_READ(child, mm);
	if (!ev->shares_vm)
		set_order(&ev->h, false);	/* of the copy */
	submit_record_now(ev);
	return 0;
}

SEC("raw_tp/sched_process_exec")
int on_exec(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *task = (void *)ctx->args[0];
	__u64 pid_tgid = bpf_get_current_pid_tgid();
	struct ev_exec *ev;

	if (!current_target_flags(pid_tgid >> 32))
		return 0;
	ev = reserve_record(ev_exec, EV_EXEC, pid_tgid);
	if (!ev)
		return 0;
	ev->start_ns = BPF_CORE_READ(task, group_leader, start_boottime);
	submit_record_now(ev);
	return 0;
}

SEC("raw_tp/sched_process_exit")
int on_exit(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *task = (void *)ctx->args[0];
	__u64 pid_tgid = bpf_get_current_pid_tgid();
	__u32 tgid = pid_tgid >> 32;
	struct ev_exit *ev;

	if (BPF_CORE_READ(task, signal, live.counter))	/* other threads go on */
		return 0;
	if (!current_target_flags(tgid))
		return 0;
	set_target(tgid, 0);
	ev = reserve_record(ev_exit, EV_EXIT, pid_tgid);
	if (!ev)
		return 0;
	ev->code = BPF_CORE_READ(task, exit_code);
	ev->pad = 0;
	submit_record_now(ev);
	return 0;
}
