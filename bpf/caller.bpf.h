/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Who is in a system call, with what arguments, and from where. */
#ifndef UNFREED_CALLER_BPF_H
#define UNFREED_CALLER_BPF_H

#include "bpf/stack.bpf.h"

#define MAX_ERRNO 4095

static __always_inline bool failed(long ret)
{
	return ret < 0 && ret >= -MAX_ERRNO;
}

/* Room for the kernel's struct pt_regs: ours has only the fields that are read here. */
struct regs_copy {
	__u64 words[21];
};

/*
 * The user's registers as they were saved when the call entered. Before bpf_task_pt_regs (Linux 5.15,
 * dd6e10fbd9fb) the tracepoint's own context tells where: its first word, which is for the kernel
 * alone and bpf_get_stackid() reads as well (bpf_get_stackid_tp). Both have the number of the call,
 * which must be the same. NULL, and a loss counted, when they cannot be had.
 */
static __always_inline const struct pt_regs *user_regs(const void *ctx, struct regs_copy *copy)
{
	const struct trace_event_raw_sys_exit *call = ctx;	/* an enter has its number there, too */
	const struct pt_regs *regs;

	if (kernel_has(task_pt_regs) && kernel_has(get_current_task_btf))
		return (void *)bpf_task_pt_regs(bpf_get_current_task_btf());
	regs = (const struct pt_regs *)copy;
	if (bpf_core_type_size(struct pt_regs) != sizeof(*copy) ||
	    bpf_probe_read_kernel(&copy->words[0], 8, ctx) ||
	    bpf_probe_read_kernel(copy, sizeof(*copy), (const void *)copy->words[0]) ||
	    regs->orig_ax != (__u64)call->id) {
		count_loss(EV_LOSS_READ);
		return NULL;
	}
	return regs;
}

/* Who is in a system call: set up by each program first. */
struct caller {
	__u64 pid_tgid;
	__u32 flags;		/* enum target_flag; 0: not watched */
};

static __always_inline struct caller current_caller(void)
{
	struct caller c = { .pid_tgid = bpf_get_current_pid_tgid() };

	c.flags = current_target_flags(c.pid_tgid >> 32);
	return c;
}

static __always_inline __u64 caller_stack(const struct caller *c, const struct pt_regs *regs,
					  __u16 *flags)
{
	if (!(c->flags & TARGET_STACKS))
		return 0;
	return take_stack(regs->ip, regs->sp, regs->bp, flags);
}

#endif /* UNFREED_CALLER_BPF_H */
