/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Mapped memory: the mmap family of system calls.
 *
 * A release is told when the call enters, an acquisition when it returns (docs/architecture.md,
 * "Order and loss"). Nothing has to be carried from entry to exit: at the return the thread's saved
 * user registers still hold the arguments, so there is no map of calls in flight that could fill up.
 * The stack is taken at the return as well: a thread inside a system call has not moved.
 */
#include "bpf/region.bpf.h"

#define MAP_ANONYMOUS 0x20
#define ENOMEM 12

/* What file a descriptor of the current task stands for. Nothing is filled in when it is closed. */
static __always_inline void fill_file(struct ev_mmap *ev, __u32 fd)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	struct file **fds, *file = NULL;

	if (fd >= BPF_CORE_READ(table, max_fds))
		return;
	fds = BPF_CORE_READ(table, fd);
	if (bpf_probe_read_kernel(&file, sizeof(file), fds + fd) || !file)
		return;
	fill_inode(ev, file);
}

SEC("tp/syscalls/sys_exit_mmap")
int exit_mmap(struct trace_event_raw_sys_exit *ctx)
{
	long ret = ctx->ret;	/* before anything else: the verifier wants the context unmodified */
	struct caller c = current_caller();
	const struct pt_regs *regs;
	struct regs_copy copy;
	struct ev_mmap *ev;
	__u16 flags = 0;
	__u64 stack;

	if (!c.flags)
		return 0;
	regs = user_regs(ctx, &copy);
	if (!regs)
		return 0;
	/* Before 6.12 (f8d112a4e657) what was in the way may have gone by then. */
	if (ret == -ENOMEM && regs->r10 & MAP_FIXED)
		return emit_undo(&c, EV_MMAP, ret);
	if (failed(ret))
		return 0;
	stack = caller_stack(&c, regs, &flags);
	ev = reserve_record(ev_mmap, EV_MMAP, c.pid_tgid);
	if (!ev)
		return 0;
	set_order(&ev->h, false);
	ev->h.flags = flags;
	ev->stack = stack;
	ev->addr = ret;
	ev->len = page_up(regs->si);
	ev->prot = regs->dx;
	ev->flags = regs->r10;
	ev->file_off = ev->ino = 0;
	ev->dev = ev->fs_magic = 0;
	if (!(ev->flags & MAP_ANONYMOUS)) {
		ev->file_off = regs->r9;
		fill_file(ev, regs->r8);
		if (ev->prot & 4) {	/* PROT_EXEC: a library somebody wants to probe */
			submit_record_now(ev);
			return 0;
		}
	}
	submit_record(ev);
	return 0;
}

SEC("tp/syscalls/sys_enter_munmap")
int enter_munmap(struct trace_event_raw_sys_enter *ctx)
{
	struct caller c = current_caller();

	if (c.flags && !config.ordered)
		emit_range(&c, EV_MUNMAP, 0, ctx->args[0], page_up(ctx->args[1]));
	return 0;
}

SEC("tp/syscalls/sys_exit_munmap")
int exit_munmap(struct trace_event_raw_sys_exit *ctx)
{
	return released(ctx, EV_MUNMAP);
}

static __always_inline void emit_mremap(const struct caller *c, __u16 type, __u64 stack,
					__u16 flags, const struct pt_regs *regs, __s64 ret)
{
	struct ev_mremap *ev = reserve_record(ev_mremap, type, c->pid_tgid);

	if (!ev)
		return;
	ev->h.flags = flags;
	ev->stack = stack;
	ev->addr = regs->di;
	ev->old_len = page_up(regs->si);
	ev->new_len = page_up(regs->dx);
	ev->flags = regs->r10;
	ev->ret = ret;
	ev->pad = 0;
	if (type == EV_MREMAP_END)
		set_order(&ev->h, false);
	submit_record(ev);
}

SEC("tp/syscalls/sys_enter_mremap")
int enter_mremap(struct trace_event_raw_sys_enter *ctx)
{
	struct caller c = current_caller();
	const struct pt_regs *regs;
	struct regs_copy copy;

	if (!c.flags || config.ordered)
		return 0;
	regs = user_regs(ctx, &copy);
	if (!regs)
		return 0;
	emit_mremap(&c, EV_MREMAP_BEGIN, 0, 0, regs, regs->r8);
	return 0;
}

SEC("tp/syscalls/sys_exit_mremap")
int exit_mremap(struct trace_event_raw_sys_exit *ctx)
{
	long ret = ctx->ret;
	struct caller c = current_caller();
	const struct pt_regs *regs;
	struct regs_copy copy;
	__u16 flags = 0;
	__u64 stack = 0;

	if (!c.flags)
		return 0;
	regs = user_regs(ctx, &copy);
	if (!regs)
		return 0;
	if (!failed(ret))
		stack = caller_stack(&c, regs, &flags);
	emit_mremap(&c, EV_MREMAP_END, stack, flags, regs, ret);
	return 0;
}

/* It goes from mapping to mapping and stops where it may not go on: what it did until then stays
 * done. A hole is known to the model; what else it may not change is not (EACCES). */
static __always_inline int protect(struct trace_event_raw_sys_exit *ctx)
{
	long ret = ctx->ret;
	struct caller c = current_caller();
	struct ev_mprotect *ev;
	const struct pt_regs *regs;
	struct regs_copy copy;
	__u16 flags = 0;
	__u64 stack;

	if (!c.flags)
		return 0;
	if (ret == -EACCES)
		return emit_undo(&c, EV_MPROTECT, ret);
	if (ret && ret != -ENOMEM)
		return 0;
	regs = user_regs(ctx, &copy);
	if (!regs)
		return 0;
	stack = caller_stack(&c, regs, &flags);
	ev = reserve_record(ev_mprotect, EV_MPROTECT, c.pid_tgid);
	if (!ev)
		return 0;
	set_order(&ev->h, false);
	ev->h.flags = flags | (ret >> 63 & EV_F_TO_HOLE);	/* no branch: it is not verified twice */
	ev->stack = stack;
	ev->addr = regs->di;
	ev->len = page_up(regs->si);
	ev->prot = regs->dx;
	ev->pad = 0;
	submit_record(ev);
	return 0;
}

SEC("tp/syscalls/sys_exit_mprotect")
int exit_mprotect(struct trace_event_raw_sys_exit *ctx)
{
	return protect(ctx);
}

SEC("tp/syscalls/sys_exit_pkey_mprotect")
int exit_pkey_mprotect(struct trace_event_raw_sys_exit *ctx)
{
	return protect(ctx);
}

/* A shrinking heap gives its tail back at entry, like munmap. */
SEC("tp/syscalls/sys_enter_brk")
int enter_brk(struct trace_event_raw_sys_enter *ctx)
{
	struct caller c = current_caller();
	struct task_struct *task;
	__u64 now, wanted;

	if (!c.flags || !ctx->args[0] || config.ordered)
		return 0;
	task = (void *)bpf_get_current_task();
	now = page_up(BPF_CORE_READ(task, mm, brk));
	wanted = page_up(ctx->args[0]);
	if (wanted < now && wanted >= BPF_CORE_READ(task, mm, start_brk))
		emit_range(&c, EV_MUNMAP, EV_F_BRK, wanted, now - wanted);
	return 0;
}

SEC("tp/syscalls/sys_exit_brk")
int exit_brk(struct trace_event_raw_sys_exit *ctx)
{
	long ret = ctx->ret;
	struct caller c = current_caller();
	struct task_struct *task;
	const struct pt_regs *regs;
	struct regs_copy copy;
	struct ev_brk *ev;
	__u16 flags = 0;
	__u64 stack;

	if (!c.flags)
		return 0;
	regs = user_regs(ctx, &copy);
	if (!regs)
		return 0;
	task = (void *)bpf_get_current_task();
	if (!regs->di || (__u64)ret != regs->di) {	/* a question, or refused: nothing moved */
		if (!config.ordered && page_up(regs->di) < page_up(ret) && page_up(regs->di) >= BPF_CORE_READ(task, mm, start_brk))
			emit_undo(&c, EV_MUNMAP, -ENOMEM);
		return 0;
	}
	stack = caller_stack(&c, regs, &flags);
	ev = reserve_record(ev_brk, EV_BRK, c.pid_tgid);
	if (!ev)
		return 0;
	set_order(&ev->h, true);
	ev->h.flags = flags;
	ev->stack = stack;
	ev->start = BPF_CORE_READ(task, mm, start_brk);
	ev->end = ret;
	submit_record(ev);
	return 0;
}
