/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Questions to everything but the BPF system call.
 *
 * Return probes: since ff474a78cef5 (Linux 6.11) a probed function on x86-64 returns through a
 * system call of its own, which a seccomp filter does not know and may answer by killing the
 * process. cf6cb56ef244 (6.14, and stable trees) lets it pass unfiltered. Whether it does is tried
 * on a child of our own: the call, made by hand, ends in SIGILL, unless the child's filter answers.
 * A handler turns the signal into an exit status, so that nobody's log tells of a crash.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/perf_event.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "user/base/cleanup.h"
#include "user/base/error.h"
#include "user/source/features_test.h"
#include "user/source/probe_stub.h"

#define INITIAL_PIDNS_INO 0xEFFFFFFCu	/* PROC_PID_INIT_INO, include/linux/proc_ns.h */

/* The first line of a small file as a number; `fallback` when it cannot be read. */
static long read_long(const char *path, long fallback)
{
	cleanup_file FILE *file = fopen(path, "re");
	long value;

	return file && fscanf(file, "%ld", &value) == 1 ? value : fallback;
}

uint64_t effective_caps(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { { 0 } };

	if (syscall(SYS_capget, &header, data))
		return 0;
	return (uint64_t)data[1].effective << 32 | data[0].effective;
}

void test_initial_pidns(struct feature_tests *tests, struct feature *out)
{
	struct stat st;

	if (stat("/proc/self/ns/pid", &st))
		feature__unknown(out, errno, "/proc/self/ns/pid: %s", strerror(errno));
	else if (st.st_ino == INITIAL_PIDNS_INO)
		feature__yes(out, "we are in it");
	else
		feature__no(out, 0, "run it on the host, or share the host's (docker --pid=host, "
				    "hostPID: true)",
			    "we are in a container's, where process ids are others");
}

/* Following the links is for CAP_CHECKPOINT_RESTORE (124ea650d307, Linux 5.9) or CAP_SYS_ADMIN. */
void test_map_files(struct feature_tests *tests, struct feature *out)
{
	cleanup_dir DIR *dir = opendir("/proc/self/map_files");
	struct dirent *entry;
	int fd;

	if (!dir) {
		feature__no(out, errno, "", "/proc/self/map_files: %s", strerror(errno));
		return;
	}
	do
		entry = readdir(dir);
	while (entry && entry->d_name[0] == '.');
	fd = entry ? openat(dirfd(dir), entry->d_name, O_PATH | O_CLOEXEC) : -1;
	if (fd >= 0) {
		close(fd);
		feature__yes(out, "can be followed");
	} else if (entry && errno == EPERM) {
		feature__no(out, EPERM, "run as root, or with CAP_CHECKPOINT_RESTORE",
			    "not permitted: paths are tried instead");
	} else {
		feature__unknown(out, entry ? errno : 0, "cannot be followed");
	}
}

static int open_perf(struct perf_event_attr *attr)
{
	long fd;

	attr->size = sizeof(*attr);
	fd = syscall(SYS_perf_event_open, attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
	return fd < 0 ? negative_errno() : (int)fd;
}

/* An event that counts nothing: what is asked is only whether we may. */
void test_perf(struct feature_tests *tests, struct feature *out)
{
	struct perf_event_attr attr = { .type = PERF_TYPE_SOFTWARE,
					.config = PERF_COUNT_SW_DUMMY };
	int fd = open_perf(&attr);

	if (fd >= 0) {
		close(fd);
		feature__yes(out, "may be opened");
	} else if (fd == -EACCES || fd == -EPERM) {
		feature__no(out, -fd, "run as root, or with CAP_PERFMON; in a container, allow "
				      "perf_event_open in its seccomp profile",
			    "not permitted (kernel.perf_event_paranoid is %ld)",
			    read_long("/proc/sys/kernel/perf_event_paranoid", 2));
	} else {
		feature__no(out, -fd, "a kernel with CONFIG_PERF_EVENTS", "%s", strerror(-fd));
	}
}

/* 33ea4b24277b, Linux 4.17. A probe in a file that is not there: permission is asked first. */
void test_uprobes(struct feature_tests *tests, struct feature *out)
{
	int type = probe_stubs__perf_type();
	struct perf_event_attr attr = { .type = (__u32)type };
	int fd;

	if (type < 0) {
		feature__no(out, ENOENT, "a kernel with CONFIG_UPROBE_EVENTS, and /sys mounted",
			    "no /sys/bus/event_source/devices/uprobe");
		return;
	}
	attr.config1 = (uintptr_t) "/proc/self/no-such-file";
	fd = open_perf(&attr);
	if (fd >= 0)
		close(fd);
	if (fd == -ENOENT)
		feature__yes(out, "may be set");
	else if (fd == -EACCES || fd == -EPERM)
		feature__no(out, -fd, "run as root, or with CAP_PERFMON", "not permitted");
	else
		feature__no(out, -fd, "", "unexpected answer: %s", strerror(-fd));
}

void test_jit(struct feature_tests *tests, struct feature *out)
{
	long jit = read_long("/proc/sys/net/core/bpf_jit_enable", -1);

	if (jit > 0)
		feature__yes(out, "net.core.bpf_jit_enable is %ld", jit);
	else if (!jit)
		feature__no(out, 0, "sysctl net.core.bpf_jit_enable=1",
			    "BPF programs are interpreted");
	else
		feature__unknown(out, 0, "net.core.bpf_jit_enable cannot be read");
}

/* 52526ca7fdb9, Linux 6.7. A request of size 0 is refused by who knows it. */
void test_pagemap_scan(struct feature_tests *tests, struct feature *out)
{
	struct { uint64_t size, rest[11]; } request = { 0 };	/* struct pm_scan_arg */
	cleanup_fd int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		feature__no(out, errno, "a kernel with CONFIG_PROC_PAGE_MONITOR",
			    "/proc/self/pagemap: %s", strerror(errno));
		return;
	}
	if (!ioctl(fd, _IOWR('f', 16, request), &request) || errno != ENOTTY)
		feature__yes(out, "there");
	else
		feature__no(out, ENOTTY, "Linux 6.7 or later", "this kernel does not know it");
}

/* --- return probes --------------------------------------------------------------------------- */

#ifdef __x86_64__

#define SYS_URETPROBE 335

enum child_says { CHILD_FAILED = 1, CHILD_NO_SUCH_CALL, CHILD_FILTERED, CHILD_REACHED };

static void exit_reached(int signal)
{
	_exit(CHILD_REACHED);
}

/* In the child, which has one thread and only calls what is safe after a fork. */
static void call_uretprobe(bool filtered)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_URETPROBE, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EDOM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = { .len = 4, .filter = code };

	prctl(PR_SET_DUMPABLE, 0);
	signal(SIGILL, exit_reached);
	if (filtered && (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
			 prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter)))
		_exit(CHILD_FAILED);
	if (syscall(SYS_URETPROBE) && errno == EDOM && filtered)
		_exit(CHILD_FILTERED);
	_exit(errno == ENOSYS ? CHILD_NO_SUCH_CALL : CHILD_REACHED);
}

static enum child_says ask_child(bool filtered)
{
	pid_t pid = fork(), r;
	int status;

	if (!pid)
		call_uretprobe(filtered);
	if (pid < 0)
		return CHILD_FAILED;
	do
		r = waitpid(pid, &status, 0);
	while (r < 0 && errno == EINTR);
	return r == pid && WIFEXITED(status) ? (enum child_says)WEXITSTATUS(status) : CHILD_FAILED;
}

void test_uretprobe(struct feature_tests *tests, struct feature *out)
{
	enum child_says says = ask_child(false);

	if (says == CHILD_NO_SUCH_CALL) {
		feature__yes(out, "functions return by a breakpoint");
		return;
	}
	if (says == CHILD_REACHED)
		says = ask_child(true);
	if (says == CHILD_REACHED)
		feature__yes(out, "seccomp lets their system call pass");
	else if (says == CHILD_FILTERED)
		feature__no(out, 0, "Linux 6.14 or later, or its stable update; until then no "
				    "return probes on processes with a seccomp filter",
			    "a seccomp filter can kill the process that hits one");
	else
		feature__unknown(out, 0, "the child that was to try it could not");
}

#else

void test_uretprobe(struct feature_tests *tests, struct feature *out)
{
	feature__yes(out, "functions return by a breakpoint");
}

#endif
