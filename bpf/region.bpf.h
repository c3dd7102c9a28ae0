/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* What the programs that tell of mapped memory have in common. */
#ifndef UNFREED_REGION_BPF_H
#define UNFREED_REGION_BPF_H

#include "bpf/caller.bpf.h"
#include "bpf/order.bpf.h"
#include <bpf/bpf_tracing.h>

#define MAP_FIXED 0x10
#define EACCES 13

static __always_inline void fill_inode(struct ev_mmap *ev, struct file *file)
{
	struct inode *inode = BPF_CORE_READ(file, f_inode);
	struct super_block *sb = BPF_CORE_READ(inode, i_sb);

	ev->ino = BPF_CORE_READ(inode, i_ino);
	ev->dev = BPF_CORE_READ(sb, s_dev);
	ev->fs_magic = BPF_CORE_READ(sb, s_magic);
}

static __always_inline int emit_undo(const struct caller *c, __u32 undone, long ret)
{
	struct ev_undo *ev = reserve_record(ev_undo, EV_UNDO, c->pid_tgid);

	if (!ev)
		return 0;
	ev->ret = ret;
	ev->undone = undone;
	ev->pad = 0;
	submit_record(ev);
	return 0;
}

static __always_inline void emit_range(const struct caller *c, __u16 type, __u16 flags,
				       __u64 addr, __u64 len)
{
	struct ev_munmap *ev = reserve_record(ev_munmap, type, c->pid_tgid);

	if (!ev)
		return;
	ev->h.flags = flags;
	ev->addr = addr;
	ev->len = len;
	set_order(&ev->h, true);
	submit_record(ev);
}

/* The return of a munmap or shmdt that was told at its entry, or is told only now. */
static __always_inline int released(struct trace_event_raw_sys_exit *ctx, __u16 type)
{
	long ret = ctx->ret;
	const struct pt_regs *regs;
	struct regs_copy copy;
	struct caller c;

	if (!ret == !config.ordered)
		return 0;
	c = current_caller();
	if (!c.flags)
		return 0;
	if (ret)
		return emit_undo(&c, type, ret);
	regs = user_regs(ctx, &copy);
	if (!regs)
		return 0;
	emit_range(&c, type, 0, regs->di, type == EV_MUNMAP ? page_up(regs->si) : 0);
	return 0;
}

#endif /* UNFREED_REGION_BPF_H */
