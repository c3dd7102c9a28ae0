/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Questions to the BPF system call. They go through bpf(2) itself: what libbpf's own tests say
 * depends on its age, and the answers about newer kernels (wording of the verifier, attach types)
 * are just what an older library gets wrong.
 *
 * The smallest program is loaded with what is asked about. Nothing stays loaded, and nothing is
 * attached but once to bpf_fentry_test1, a function that the kernel keeps for tests of BPF and
 * that nobody calls.
 */
#include <bpf/btf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdbool.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "user/base/cleanup.h"
#include "user/base/error.h"
#include "user/source/features_test.h"

/* Numbers of the kernel's interface that older headers lack. */
#define HELPER_PROBE_READ_KERNEL 113	/* 6ae08ae3dea2, Linux 5.5 */
#define HELPER_GET_CURRENT_TASK_BTF 158	/* 3ca1032ab7ab, Linux 5.11 */
#define HELPER_GET_ATTACH_COOKIE 174	/* 7adfc6c9b315, Linux 5.15 */
#define HELPER_TASK_PT_REGS 175		/* dd6e10fbd9fb, Linux 5.15 */
#define HELPER_FIND_VMA 180		/* 7c7e3d31e785, Linux 5.17 */
#define ATTACH_PERF_EVENT 41		/* b89fbfbb854c, Linux 5.15 */

#define INSN_EXIT { .code = BPF_JMP | BPF_EXIT }
#define INSN_RETURN_0 { .code = BPF_ALU64 | BPF_MOV | BPF_K }
#define INSN_CALL(helper) { .code = BPF_JMP | BPF_CALL, .imm = (helper) }

struct load {
	enum bpf_prog_type type;
	__u32 attach_type;
	int btf_id;
	int helper;		/* called first; 0: none */
	char log[4096];		/* the verifier's words */
};

static int sys_bpf(enum bpf_cmd cmd, union bpf_attr *attr)
{
	long r = syscall(SYS_bpf, cmd, attr, sizeof(*attr));

	return r < 0 ? negative_errno() : (int)r;
}

/* An fd of the program, or -errno. */
static int load(struct load *load)
{
	struct bpf_insn insns[] = { INSN_CALL(load->helper), INSN_RETURN_0, INSN_EXIT };
	unsigned int skip = load->helper ? 0 : 1;
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.prog_type = load->type;
	attr.expected_attach_type = load->attach_type;
	attr.attach_btf_id = (__u32)load->btf_id;
	attr.insns = (uintptr_t)(insns + skip);
	attr.insn_cnt = 3 - skip;
	/* Most helpers and all tracing programs ask for a licence that lets them. */
	attr.license = (uintptr_t) "Dual BSD/GPL";
	attr.log_buf = (uintptr_t)load->log;
	attr.log_size = sizeof(load->log);
	attr.log_level = 1;
	load->log[0] = '\0';
	return sys_bpf(BPF_PROG_LOAD, &attr);
}

/* Whether a program of this kind may call the helper: 0, -ENOENT (no), or -errno: not to be told,
 * since nothing can be loaded. Arguments are missing on purpose: to complain about them, the
 * verifier must know the helper. */
static int ask_helper(enum bpf_prog_type type, int helper)
{
	struct load request = { .type = type, .helper = helper };
	int fd = load(&request);

	if (fd >= 0) {
		close(fd);
		return 0;
	}
	/* The second is "program of this type cannot use helper" since Linux 6.8. */
	if (strstr(request.log, "invalid func ") || strstr(request.log, "unknown func ") ||
	    strstr(request.log, "cannot use helper"))
		return -ENOENT;
	return request.log[0] ? 0 : fd;
}

static void answer_helper(struct feature *out, int r, const char *name)
{
	if (!r)
		feature__yes(out, "there");
	else if (r == -ENOENT)
		feature__no(out, -r, "a newer kernel", "this kernel has no %s", name);
	else
		feature__unknown(out, -r, "no program can be loaded: %s", strerror(-r));
}

/* EPERM says nothing about the kernel while we may load no program at all; else it is an answer. */
static bool answer_refused(struct feature_tests *tests, struct feature *out, int r)
{
	if (r != -EPERM)
		return false;
	if (features__has(tests->out, FEATURE_BPF))
		feature__no(out, -r, "", "this system refuses it, although BPF works");
	else
		feature__unknown(out, -r, "not permitted");
	return true;
}

/* --- BTF ------------------------------------------------------------------------------------- */

/* /sys/kernel/btf/vmlinux: 341dfcf8d78e, Linux 5.4. */
void feature_tests__read_btf(struct feature_tests *tests)
{
	struct btf *btf = btf__parse("/sys/kernel/btf/vmlinux", NULL);
	int id;

	if (!btf) {
		tests->btf_error = negative_errno();
		return;
	}
	id = btf__find_by_name_kind(btf, "btf_trace_sched_process_exit", BTF_KIND_TYPEDEF);
	tests->btf_tracepoint = id > 0 ? id : 0;
	id = btf__find_by_name_kind(btf, "bpf_fentry_test1", BTF_KIND_FUNC);
	tests->btf_function = id > 0 ? id : 0;
	btf__free(btf);
}

void test_btf(struct feature_tests *tests, struct feature *out)
{
	if (!tests->btf_error)
		feature__yes(out, "/sys/kernel/btf/vmlinux");
	else if (tests->btf_error == -ENOENT)
		feature__no(out, ENOENT, "a kernel with CONFIG_DEBUG_INFO_BTF",
			    "no /sys/kernel/btf/vmlinux");
	else
		feature__no(out, -tests->btf_error, "", "/sys/kernel/btf/vmlinux: %s",
			    strerror(-tests->btf_error));
}

/* --- programs and maps ----------------------------------------------------------------------- */

void test_bpf(struct feature_tests *tests, struct feature *out)
{
	struct load request = { .type = BPF_PROG_TYPE_TRACEPOINT };
	int fd = load(&request);

	if (fd >= 0) {
		close(fd);
		feature__yes(out, "a program can be loaded");
	} else if (fd == -ENOSYS) {
		feature__no(out, -fd, "a kernel with CONFIG_BPF_SYSCALL", "no bpf system call");
	} else if (fd == -EPERM) {
		feature__no(out, -fd, "run as root in the initial user namespace, without a "
				      "seccomp filter on bpf; before Linux 5.11 also raise "
				      "RLIMIT_MEMLOCK", "not permitted");
	} else if (fd == -EINVAL) {
		feature__no(out, -fd, "a kernel with CONFIG_BPF_EVENTS",
			    "programs on tracepoints are unknown");
	} else {
		feature__no(out, -fd, "", "%s", strerror(-fd));
	}
}

/* 9d1f8be5cf42, Linux 5.4: in confidentiality mode the helper is not handed out. */
void test_lockdown(struct feature_tests *tests, struct feature *out)
{
	int r = ask_helper(BPF_PROG_TYPE_TRACEPOINT, HELPER_PROBE_READ_KERNEL);

	if (!r)
		feature__yes(out, "reading kernel memory is allowed");
	else if (r == -ENOENT)
		feature__no(out, EPERM,
			    "boot without lockdown=confidentiality (integrity is enough for us)",
			    "reading kernel memory is refused");
	else
		feature__unknown(out, -r, "no program can be loaded: %s", strerror(-r));
}

/* 457f44363a88, Linux 5.8 */
void test_ringbuf(struct feature_tests *tests, struct feature *out)
{
	union bpf_attr attr;
	int fd;

	memset(&attr, 0, sizeof(attr));
	attr.map_type = BPF_MAP_TYPE_RINGBUF;
	attr.max_entries = (__u32)sysconf(_SC_PAGESIZE);
	fd = sys_bpf(BPF_MAP_CREATE, &attr);
	if (fd >= 0) {
		close(fd);
		feature__yes(out, "a map can be made");
	} else if (fd == -EINVAL) {
		feature__no(out, -fd, "Linux 5.8 or later", "this kernel has none");
	} else if (fd == -EPERM) {
		feature__no(out, -fd, "see BPF programs; before Linux 5.11, raise RLIMIT_MEMLOCK",
			    "not permitted");
	} else {
		feature__no(out, -fd, "", "%s", strerror(-fd));
	}
}

void test_find_vma(struct feature_tests *tests, struct feature *out)
{
	answer_helper(out, ask_helper(BPF_PROG_TYPE_TRACEPOINT, HELPER_FIND_VMA), "bpf_find_vma");
}

void test_task_pt_regs(struct feature_tests *tests, struct feature *out)
{
	int r = ask_helper(BPF_PROG_TYPE_TRACEPOINT, HELPER_TASK_PT_REGS);

	if (!r)
		r = ask_helper(BPF_PROG_TYPE_TRACEPOINT, HELPER_GET_CURRENT_TASK_BTF);
	answer_helper(out, r, "bpf_task_pt_regs");
}

/* --- ways to attach -------------------------------------------------------------------------- */

/* BPF_TRACE_RAW_TP: 9e15db66136a, Linux 5.5 */
void test_tp_btf(struct feature_tests *tests, struct feature *out)
{
	struct load request = { .type = BPF_PROG_TYPE_TRACING, .attach_type = BPF_TRACE_RAW_TP,
				.btf_id = tests->btf_tracepoint };
	int fd;

	if (!tests->btf_tracepoint) {
		feature__unknown(out, 0, "the kernel's BTF does not name tracepoints");
		return;
	}
	fd = load(&request);
	if (fd >= 0) {
		close(fd);
		feature__yes(out, "a program can be loaded");
	} else if (!answer_refused(tests, out, fd)) {
		feature__no(out, -fd, "a newer kernel", "%s", strerror(-fd));
	}
}

/* The trampoline is x86-64's since fec56f5890d9 (Linux 5.5), arm64's since efc9909fdce0 (6.0):
 * without it loading succeeds and only attaching fails, so we attach. */
void test_fentry(struct feature_tests *tests, struct feature *out)
{
	struct load request = { .type = BPF_PROG_TYPE_TRACING, .attach_type = BPF_TRACE_FENTRY,
				.btf_id = tests->btf_function };
	cleanup_fd int fd = -1;
	union bpf_attr attr;
	int link;

	if (!tests->btf_function) {
		feature__unknown(out, 0, "this kernel has no function to try it on");
		return;
	}
	fd = load(&request);
	memset(&attr, 0, sizeof(attr));
	attr.raw_tracepoint.prog_fd = (__u32)fd;
	link = fd < 0 ? fd : sys_bpf(BPF_RAW_TRACEPOINT_OPEN, &attr);
	if (link >= 0) {
		close(link);
		feature__yes(out, "a program can be attached");
	} else if (!answer_refused(tests, out, link)) {
		feature__no(out, -link, "a newer kernel", "%s", strerror(-link));
	}
}

/* A link to no perf event: who knows perf links looks for the event first. */
void test_bpf_cookie(struct feature_tests *tests, struct feature *out)
{
	struct load request = { .type = BPF_PROG_TYPE_TRACEPOINT };
	cleanup_fd int fd = load(&request);
	union bpf_attr attr;
	int r;

	if (fd < 0) {
		feature__unknown(out, -fd, "no program can be loaded: %s", strerror(-fd));
		return;
	}
	memset(&attr, 0, sizeof(attr));
	attr.link_create.prog_fd = (__u32)fd;
	attr.link_create.target_fd = (__u32)-1;
	attr.link_create.attach_type = ATTACH_PERF_EVENT;
	r = sys_bpf(BPF_LINK_CREATE, &attr);
	if (r >= 0)
		close(r);
	if (r != -EBADF) {
		feature__no(out, -r, "Linux 5.15 or later", "this kernel has no BPF perf links");
		return;
	}
	answer_helper(out, ask_helper(BPF_PROG_TYPE_TRACEPOINT, HELPER_GET_ATTACH_COOKIE),
		      "bpf_get_attach_cookie");
}

/* The union of link_create from its 16th byte on; headers have it since Linux 6.6. */
struct uprobe_multi_attr {
	__u32 prog_fd, target_fd, attach_type, flags;
	__u64 path, offsets, ref_ctr_offsets, cookies;
	__u32 cnt, uprobe_flags, pid, pad;
};

static int link_uprobe_multi(int prog_fd, __u32 pid)
{
	__u64 offset = 0;
	struct uprobe_multi_attr attr = {
		.prog_fd = (__u32)prog_fd,
		.attach_type = FEATURES_UPROBE_MULTI_ATTACH_TYPE,
		.path = (uintptr_t) "/",
		.offsets = (uintptr_t)&offset,
		.cnt = 1,
		.pid = pid,
	};
	long r = syscall(SYS_bpf, BPF_LINK_CREATE, &attr, sizeof(attr));

	if (r < 0)
		return negative_errno();
	close((int)r);
	return -EIO;
}

/*
 * 89ae89f53d20, Linux 6.6. A probe in a directory: who knows these links says EBADF. At first the
 * pid filter matched one thread and not the process (46ba0e49b642, Linux 6.10, also in stable trees,
 * mended it); the fix also refuses a negative pid before it looks at the path.
 */
void test_uprobe_multi(struct feature_tests *tests, struct feature *out)
{
	struct load request = { .type = BPF_PROG_TYPE_KPROBE,
				.attach_type = FEATURES_UPROBE_MULTI_ATTACH_TYPE };
	cleanup_fd int fd = load(&request);
	int r;

	r = fd < 0 ? fd : link_uprobe_multi(fd, 0);
	if (answer_refused(tests, out, r))
		return;
	if (r != -EBADF)
		feature__no(out, -r, "Linux 6.6 or later", "this kernel has no such link");
	else if (link_uprobe_multi(fd, (__u32)-1) != -EINVAL)
		feature__no(out, 0, "Linux 6.10 or later, or its stable update",
			    "this kernel filters them by thread instead of by process");
	else
		feature__yes(out, "there, and its pid filter is sound");
}
