/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The program that serves every probe must learn which of them was hit. Where a probe cannot carry a
 * cookie, it carries a program of its own instead: a stub of some instructions, made here, that
 * puts its number where our program looks for it and goes on to that program by a tail call. So there
 * may be as many probes as elsewhere, and what is large is loaded and verified once.
 *
 * The number lies in a map with one place for each CPU. Kernels without cookies run programs of
 * probes with preemption off (a program on a uprobe can be preempted since Linux 6.0, 8c7dcb84e3b7),
 * and never one inside another on a CPU: nothing comes between the stub and the program behind it.
 */
#include "user/source/probe_stub.h"

#include <fcntl.h>
#include <linux/perf_event.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "user/base/cleanup.h"
#include "user/base/error.h"
#include "user/source/bpf.h"

struct probe_stubs {
	int cookies_fd;
	int programs_fd;	/* a map with the one program that stubs jump to */
	int perf_type;
};

int probe_stubs__perf_type(void)
{
	cleanup_file FILE *file = fopen("/sys/bus/event_source/devices/uprobe/type", "re");
	int type;

	if (!file)
		return negative_errno();
	return fscanf(file, "%d", &type) == 1 && type >= 0 ? type : -EINVAL;
}

int probe_stubs__new(struct probe_stubs **out, int program_fd, int cookies_fd)
{
	struct probe_stubs *stubs = calloc(1, sizeof(*stubs));
	int r, first = 0;

	if (!stubs)
		return -ENOMEM;
	stubs->cookies_fd = cookies_fd;
	r = stubs->perf_type = probe_stubs__perf_type();
	if (r >= 0)
		r = stubs->programs_fd = bpf_map_create(BPF_MAP_TYPE_PROG_ARRAY, "unfreed_stubs",
							sizeof(int), sizeof(int), 1, NULL);
	if (r >= 0)
		r = bpf_map_update_elem(stubs->programs_fd, &first, &program_fd, BPF_ANY);
	if (r < 0) {
		probe_stubs__free(stubs);
		return r;
	}
	*out = stubs;
	return 0;
}

struct probe_stubs *probe_stubs__free(struct probe_stubs *stubs)
{
	if (!stubs)
		return NULL;
	if (stubs->programs_fd > 0)
		close(stubs->programs_fd);
	free(stubs);
	return NULL;
}

/* clang-format off */
#define MOV64_REG(to, from) { .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = (to), .src_reg = (from) }
#define MOV64_IMM(to, n) { .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = (to), .imm = (n) }
#define ADD64_IMM(to, n) { .code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = (to), .imm = (n) }
#define LD_IMM64(to, kind, n)								\
	{ .code = BPF_LD | BPF_DW | BPF_IMM, .dst_reg = (to), .src_reg = (kind),	\
	  .imm = (int32_t)(uint32_t)(n) },						\
	{ .imm = (int32_t)(uint32_t)((uint64_t)(n) >> 32) }
#define ST_MEM_W(to, off_, n) \
	{ .code = BPF_ST | BPF_MEM | BPF_W, .dst_reg = (to), .off = (off_), .imm = (n) }
#define STX_MEM_DW(to, off_, from) \
	{ .code = BPF_STX | BPF_MEM | BPF_DW, .dst_reg = (to), .src_reg = (from), .off = (off_) }
#define JEQ_IMM(reg, n, over) \
	{ .code = BPF_JMP | BPF_JEQ | BPF_K, .dst_reg = (reg), .imm = (n), .off = (over) }
#define CALL(helper) { .code = BPF_JMP | BPF_CALL, .imm = (helper) }
#define EXIT { .code = BPF_JMP | BPF_EXIT }
/* clang-format on */

/* An fd of the program, or -errno. */
static int load_stub(const struct probe_stubs *stubs, uint64_t cookie)
{
	const struct bpf_insn insns[] = {
		MOV64_REG(BPF_REG_6, BPF_REG_1),
		ST_MEM_W(BPF_REG_10, -4, 0),
		MOV64_REG(BPF_REG_2, BPF_REG_10),
		ADD64_IMM(BPF_REG_2, -4),
		LD_IMM64(BPF_REG_1, BPF_PSEUDO_MAP_FD, stubs->cookies_fd),
		CALL(BPF_FUNC_map_lookup_elem),
		JEQ_IMM(BPF_REG_0, 0, 8),		/* to the end */
		LD_IMM64(BPF_REG_1, 0, cookie),
		STX_MEM_DW(BPF_REG_0, 0, BPF_REG_1),
		MOV64_REG(BPF_REG_1, BPF_REG_6),
		LD_IMM64(BPF_REG_2, BPF_PSEUDO_MAP_FD, stubs->programs_fd),
		MOV64_IMM(BPF_REG_3, 0),
		CALL(BPF_FUNC_tail_call),
		MOV64_IMM(BPF_REG_0, 0),
		EXIT,
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_KPROBE, "unfreed_stub", "Dual BSD/GPL", insns,
			       sizeof(insns) / sizeof(insns[0]), NULL);

	return fd < 0 ? negative_errno() : fd;
}

int probe_stubs__attach(const struct probe_stubs *stubs, const char *path, uint64_t offset,
			uint64_t cookie)
{
	struct perf_event_attr attr = {
		.type = (__u32)stubs->perf_type,
		.size = sizeof(attr),
		.config1 = (uintptr_t)path,
		.config2 = offset,
	};
	cleanup_fd int program = load_stub(stubs, cookie);
	int event, r;

	if (program < 0)
		return program;
	/* On one CPU's event, as tracepoints.c does: the program runs on every CPU. */
	event = syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
	if (event < 0)
		return negative_errno();
	if (ioctl(event, PERF_EVENT_IOC_SET_BPF, program) ||
	    ioctl(event, PERF_EVENT_IOC_ENABLE, 0)) {
		r = negative_errno();
		close(event);
		return r;
	}
	return event;
}
