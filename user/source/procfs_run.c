/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Whether a process can run, and how much it did. One short read that takes no lock (`stat`); the
 * control group is asked only of a process that used no CPU since it was asked last.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "user/base/cleanup.h"
#include "user/base/error.h"
#include "user/source/procfs_dir.h"

#define CGROUP_MAX_SZ (256u << 10)

/* Fields as proc(5) counts them: 3 state, 14 utime and 15 stime of all threads, in USER_HZ. */
static int parse_run(const char *text, char *state, uint64_t *cpu_ns)
{
	const char *s = strrchr(text, ')');
	unsigned long long user, system, sum;

	if (!s || sscanf(s + 1, " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", state, &user,
			 &system) != 3)
		return -EBADMSG;
	if (__builtin_add_overflow(user, system, &sum) ||
	    __builtin_mul_overflow(sum, PROCFS_TICK_NS, &sum))
		return -EBADMSG;
	*cpu_ns = sum;
	return 0;
}

int procfs__run(struct procfs *procfs, pid_t pid, uint64_t cpu_before_ns, struct ev_run *out)
{
	struct ev_header header = out->h;
	cleanup_free char *cgroup = NULL;
	cleanup_fd int dir_fd = -1;
	uint64_t cpu_ns;
	char text[8192];
	char state;
	size_t n;
	int r;

	memset(out, 0, sizeof(*out));
	out->h = header;
	r = procfs__open_dir(procfs, pid, &dir_fd);
	if (!r)
		r = procfs__read_at(dir_fd, "stat", text, sizeof(text), &n);
	if (!r)
		r = parse_run(text, &state, &cpu_ns);
	if (r)
		return r;
	out->cpu_ns = cpu_ns;
	/* A tracer stops a process for moments all the time: only one that got nowhere was held. */
	if (state == 'T' || (state == 't' && cpu_ns == cpu_before_ns))
		out->state |= EV_RUN_STOPPED;
	if (cpu_ns == cpu_before_ns && procfs->mounts.n &&
	    !procfs__slurp_at(dir_fd, "cgroup", CGROUP_MAX_SZ, &cgroup) &&
	    cgroup__is_frozen(&procfs->mounts, cgroup))
		out->state |= EV_RUN_FROZEN;
	return 0;
}
