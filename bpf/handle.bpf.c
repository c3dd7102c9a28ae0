/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Handles: one program for every opener and closer of every pair. The probe's cookie says which row
 * of the table it stands for, so the next resource is data, not code. Entry probes only: the handle
 * is an argument.
 */
#include "bpf/stack.bpf.h"
#include <bpf/bpf_tracing.h>

#define TASK_COMM_SZ 16

static __always_inline __u64 current_cookie(struct pt_regs *ctx)
{
	__u32 first = 0;
	__u64 *cookie;

	if (kernel_has(get_attach_cookie))
		return bpf_get_attach_cookie(ctx);
	cookie = bpf_map_lookup_elem(&cookies, &first);
	return cookie ? *cookie : 0;
}

/* The thread's name. In place it costs two reads, the helper most of a clock reading. */
static __always_inline void read_comm(char comm[TASK_COMM_SZ])
{
	if (kernel_has(get_current_task_btf)) {
		const struct task_struct *task = bpf_get_current_task_btf();

		((__u64 *)comm)[0] = ((const __u64 *)task->comm)[0];
		((__u64 *)comm)[1] = ((const __u64 *)task->comm)[1];
	} else {
		bpf_get_current_comm(comm, TASK_COMM_SZ);
	}
}

SEC("uprobe")
int handle_call(struct pt_regs *ctx)
{
	__u64 pid_tgid = bpf_get_current_pid_tgid(), raw, stack = 0;
	__u32 target = current_target_flags(pid_tgid >> 32);
	struct handle_cookie cookie;
	struct ev_handle *ev;
	__u16 flags = 0;

	if (!target)
		return 0;
	raw = current_cookie(ctx);
	__builtin_memcpy(&cookie, &raw, sizeof(cookie));
	if (!cookie.is_close && (target & TARGET_STACKS))
		stack = take_stack(PT_REGS_IP(ctx), PT_REGS_SP(ctx), PT_REGS_FP(ctx), &flags);
	ev = reserve_record_of(ev_handle, cookie.is_close ? EV_HANDLE_CLOSE : EV_HANDLE_OPEN,
			       pid_tgid, cookie.pair);
	if (!ev)
		return 0;
	ev->h.flags = flags;
	ev->stack = stack;
	ev->bytes = ev->copy_of = 0;
	ev->arg[0] = PT_REGS_PARM1(ctx);
	ev->arg[1] = PT_REGS_PARM2(ctx);
	ev->arg[2] = PT_REGS_PARM3(ctx);
	ev->arg[3] = PT_REGS_PARM4(ctx);
	ev->arg[4] = PT_REGS_PARM5(ctx);
	ev->arg[5] = ctx->r9;
	switch (cookie.handle_arg) {
	case 0: ev->handle = ev->arg[0]; break;
	case 1: ev->handle = ev->arg[1]; break;
	case 2: ev->handle = ev->arg[2]; break;
	case 3: ev->handle = ev->arg[3]; break;
	case 4: ev->handle = ev->arg[4]; break;
	default: ev->handle = ev->arg[5]; break;
	}
	ev->pair = cookie.pair;
	ev->symbol = cookie.symbol;
	ev->file = cookie.file;
	__builtin_memset(ev->comm, 0, sizeof(ev->comm));
	if (cookie.is_close)
		read_comm(ev->comm);
	submit_record(ev);
	return 0;
}
