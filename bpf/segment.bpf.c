/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Mapped memory, by other calls than the mmap family (region.bpf.c): System V segments, which a call
 * maps without saying how large they are, remap_file_pages, and the rings of asynchronous I/O.
 */
#include "bpf/region.bpf.h"

#define MAP_SHARED 1

static long note_vma_len(struct task_struct *task, struct vm_area_struct *vma, __u64 *len)
{
	*len = vma->vm_end - vma->vm_start;
	return 0;
}

static __always_inline int attached(struct trace_event_raw_sys_exit *ctx, bool find_vma)
{
	long ret = ctx->ret;
	struct caller c = current_caller();
	const struct pt_regs *regs;
	struct regs_copy copy;
	struct ev_shmat *ev;
	__u64 stack, len = 0;
	__u16 flags = 0;

	if (!c.flags || failed(ret))
		return 0;
	regs = user_regs(ctx, &copy);
	if (!regs)
		return 0;
	stack = caller_stack(&c, regs, &flags);
	if (find_vma)
		bpf_find_vma(bpf_get_current_task_btf(), ret, note_vma_len, &len, 0);
	ev = reserve_record(ev_shmat, EV_SHMAT, c.pid_tgid);
	if (!ev)
		return 0;
	set_order(&ev->h, false);
	ev->h.flags = flags;
	ev->stack = stack;
	ev->addr = ret;
	ev->len = len;
	ev->shmid = regs->di;
	ev->flags = regs->dx;
	submit_record(ev);
	return 0;
}

SEC("tp/syscalls/sys_exit_shmat")
int exit_shmat(struct trace_event_raw_sys_exit *ctx)
{
	return attached(ctx, true);
}

/* Instead, before Linux 5.17 (7c7e3d31e785): user space looks up how long it is. */
SEC("tp/syscalls/sys_exit_shmat")
int exit_shmat_blind(struct trace_event_raw_sys_exit *ctx)
{
	return attached(ctx, false);
}

struct vma_facts {
	__u64 flags;
	struct file *file;
};

static long note_vma(struct task_struct *task, struct vm_area_struct *vma, struct vma_facts *facts)
{
	facts->flags = BPF_CORE_READ(vma, vm_flags);
	facts->file = BPF_CORE_READ(vma, vm_file);
	return 0;
}

/* Maps other pages of the same file at the same place: told as the mmap that the kernel makes of it
 * (mm/mmap.c since 4.0). */
SEC("tp/syscalls/sys_exit_remap_file_pages")
int exit_remap_file_pages(struct trace_event_raw_sys_exit *ctx)
{
	long ret = ctx->ret;
	struct caller c = current_caller();
	struct vma_facts facts = {};
	const struct pt_regs *regs;
	struct regs_copy copy;
	struct ev_mmap *ev;
	__u16 flags = 0;
	__u64 stack;

	if (!c.flags || ret)
		return 0;
	regs = user_regs(ctx, &copy);
	if (!regs)
		return 0;
	bpf_find_vma(bpf_get_current_task_btf(), regs->di, note_vma, &facts, 0);
	if (!facts.file)
		return emit_undo(&c, EV_MMAP, -EACCES);	/* to be read from the map */
	stack = caller_stack(&c, regs, &flags);
	ev = reserve_record(ev_mmap, EV_MMAP, c.pid_tgid);
	if (!ev)
		return 0;
	set_order(&ev->h, false);
	ev->h.flags = flags;
	ev->stack = stack;
	ev->addr = regs->di & ~((__u64)config.page_sz - 1);
	ev->len = regs->si & ~((__u64)config.page_sz - 1);
	ev->prot = facts.flags & 7;	/* VM_READ, VM_WRITE, VM_EXEC are PROT_* */
	ev->flags = MAP_SHARED | MAP_FIXED;
	ev->file_off = regs->r10 * config.page_sz;
	fill_inode(ev, facts.file);
	submit_record(ev);
	return 0;
}

/* Where and how large cannot be told: the map is read for it. */
static __always_inline int moved_unseen(long ret)
{
	struct caller c = current_caller();

	return c.flags && !failed(ret) ? emit_undo(&c, EV_MMAP, -EACCES) : 0;
}

/* Instead, before Linux 5.17 (7c7e3d31e785). */
SEC("tp/syscalls/sys_exit_remap_file_pages")
int exit_remap_file_pages_blind(struct trace_event_raw_sys_exit *ctx)
{
	long ret = ctx->ret;

	return moved_unseen(ret);
}

/* The ring of asynchronous I/O: where the kernel likes, and as large. */
SEC("tp/syscalls/sys_exit_io_setup")
int exit_io_setup(struct trace_event_raw_sys_exit *ctx)
{
	long ret = ctx->ret;

	return moved_unseen(ret);
}

SEC("tp/syscalls/sys_exit_io_destroy")
int exit_io_destroy(struct trace_event_raw_sys_exit *ctx)
{
	long ret = ctx->ret;

	return moved_unseen(ret);
}

SEC("tp/syscalls/sys_enter_shmdt")
int enter_shmdt(struct trace_event_raw_sys_enter *ctx)
{
	struct caller c = current_caller();

	if (c.flags)
		emit_range(&c, EV_SHMDT, 0, ctx->args[0], 0);
	return 0;
}

SEC("tp/syscalls/sys_exit_shmdt")
int exit_shmdt(struct trace_event_raw_sys_exit *ctx)
{
	return released(ctx, EV_SHMDT);
}
