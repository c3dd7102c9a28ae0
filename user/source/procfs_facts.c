/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Who a process is. Only `stat` and `status` must be readable; the rest is left empty where it is
 * not permitted, because a process that cannot be opened should still be named in a report.
 *
 * comm may hold spaces and parentheses, so `stat` is read from its last ')'; `status` comes with
 * comm escaped by the kernel, so no process can forge a line of it.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "user/base/cleanup.h"
#include "user/base/error.h"
#include "user/source/procfs_dir.h"

#define PF_KTHREAD 0x00200000	/* include/linux/sched.h; shown in stat since Linux 2.6.27 */
#define CGROUP_MAX_SZ (256u << 10)

static int parse_stat(const char *text, struct procfs_facts *out)
{
	const char *s = strrchr(text, ')');
	unsigned long long start, end, stack = 0;
	unsigned int flags;
	char state;
	int ppid, threads;

	/* Fields as proc(5) counts them: 3 state, 4 ppid, 9 flags, 20 num_threads, 22 starttime in
	 * USER_HZ, 28 startstack. */
	if (!s || sscanf(s + 1, " %c %d %*d %*d %*d %*d %u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d "
				"%d %*d %llu %*u %*d %*u %*u %*u %llu", &state, &ppid, &flags,
			 &threads, &start, &stack) < 5)
		return -EBADMSG;
	if (ppid < 0 || __builtin_mul_overflow(start, PROCFS_TICK_NS, &end))
		return -EBADMSG;
	out->ppid = ppid;
	out->kernel_thread = flags & PF_KTHREAD;
	out->zombie = state == 'Z' || state == 'X';
	out->ended = out->zombie && threads <= 1;
	out->image = stack > 1 ? stack : 0;	/* 1 is what the kernel shows to the unprivileged */
	out->start_ns = end;
	return 0;
}

/* The last of the numbers in a line such as "NSpid:\t4121\t1"; 0 when there is none. */
static uint64_t last_number(const char *text, const char *key)
{
	const char *s = strstr(text, key);
	uint64_t value = 0;

	for (s = s ? s + strlen(key) : ""; *s && *s != '\n'; s++) {
		if (*s < '0' || *s > '9')
			value = s[1] >= '0' && s[1] <= '9' ? 0 : value;
		else if (value < 1u << 30)
			value = value * 10 + (uint64_t)(*s - '0');
	}
	return value;
}

static int parse_status(const char *text, struct procfs_facts *out)
{
	const char *uid = strstr(text, "\nUid:");
	unsigned int real, effective;
	uint64_t value;

	if (!procfs_field(text, "Tgid:", &value) || value > INT32_MAX || !uid ||
	    sscanf(uid + 5, "%u %u", &real, &effective) != 2)
		return -EBADMSG;
	out->tgid = (pid_t)value;
	out->uid = effective;
	out->seccomp = procfs_field(text, "Seccomp:", &value) ? (int)value : -1;
	value = last_number(text, "\nNSpid:");
	out->nspid = value ? (pid_t)value : out->tgid;
	return 0;
}

static void read_comm(int dir_fd, struct procfs_facts *out)
{
	size_t n;

	if (!procfs__read_at(dir_fd, "comm", out->comm, sizeof(out->comm), &n) && n &&
	    out->comm[n - 1] == '\n')
		out->comm[n - 1] = '\0';
}

static void read_cmdline(int dir_fd, struct procfs_facts *out)
{
	size_t n, i;

	if (procfs__read_at(dir_fd, "cmdline", out->cmdline, sizeof(out->cmdline), &n))
		return;
	while (n && !out->cmdline[n - 1])
		n--;
	for (i = 0; i < n; i++)
		if (!out->cmdline[i])
			out->cmdline[i] = ' ';
}

static void read_exe(int dir_fd, struct procfs_facts *out)
{
	cleanup_fd int fd = -1;
	char ident[EI_NIDENT + 1];
	size_t n;

	if (procfs__open_at(dir_fd, "exe", O_RDONLY | O_NONBLOCK | O_NOCTTY, &fd))
		return;
	out->exe_readable = true;
	out->is_32bit = !procfs__read_fd(fd, ident, sizeof(ident), &n) && n > EI_CLASS &&
			!memcmp(ident, ELFMAG, SELFMAG) && ident[EI_CLASS] == ELFCLASS32;
}

static void read_mnt_ns(int dir_fd, struct procfs_facts *out)
{
	unsigned long long ino;
	char text[64];
	ssize_t n = readlinkat(dir_fd, "ns/mnt", text, sizeof(text) - 1);

	if (n <= 0)
		return;
	text[n] = '\0';
	if (sscanf(text, "mnt:[%llu]", &ino) == 1)
		out->mnt_ns = ino;
}

static void read_unit(int dir_fd, struct procfs_facts *out)
{
	cleanup_free char *text = NULL;

	if (!procfs__slurp_at(dir_fd, "cgroup", CGROUP_MAX_SZ, &text))
		cgroup__unit(text, out->unit, sizeof(out->unit));
}

int procfs__identity_at(int dir_fd, pid_t pid, struct procfs_facts *out)
{
	char text[8192];
	size_t n;
	int r;

	memset(out, 0, sizeof(*out));
	r = procfs__read_at(dir_fd, "status", text, sizeof(text), &n);
	if (!r)
		r = parse_status(text, out);
	if (r)
		return r;
	/* /proc/TID exists although no listing shows it. */
	if (out->tgid != pid)
		return PROCFS_NOT_A_LEADER;
	r = procfs__read_at(dir_fd, "stat", text, sizeof(text), &n);
	return r ? r : parse_stat(text, out);
}

int procfs__facts(struct procfs *procfs, pid_t pid, struct procfs_facts *out)
{
	cleanup_fd int dir_fd = -1;
	int r;

	memset(out, 0, sizeof(*out));
	r = procfs__open_dir(procfs, pid, &dir_fd);
	if (!r)
		r = procfs__identity_at(dir_fd, pid, out);
	if (r)
		return r;

	read_comm(dir_fd, out);
	read_cmdline(dir_fd, out);
	if (!out->kernel_thread)
		read_exe(dir_fd, out);
	read_mnt_ns(dir_fd, out);
	read_unit(dir_fd, out);
	return 0;
}

int procfs__life(struct procfs *procfs, pid_t pid, struct procfs_life *out)
{
	cleanup_fd int dir_fd = -1;
	struct procfs_facts facts;
	char text[8192];
	size_t n;
	int r;

	*out = (struct procfs_life){ 0 };
	r = procfs__open_dir(procfs, pid, &dir_fd);
	if (!r)
		r = procfs__read_at(dir_fd, "stat", text, sizeof(text), &n);
	if (!r)
		r = parse_stat(text, &facts);
	if (r)
		return r;
	out->start_ns = facts.start_ns;
	out->image = facts.image;
	out->ended = facts.ended;
	return 0;
}
