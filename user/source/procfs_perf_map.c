/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The perf map of a process: tmp/perf-PID.map below its own root, with the id that it has in its own
 * pid namespace, which is how the runtime inside calls the file.
 *
 * /tmp is everybody's, and the name can be guessed. So it must be a plain file with that one name, no
 * symbolic link, and belong to the process's user or to root. Ids come again, in a container at every
 * restart (its first process is always 1): a file that was written last before this process began is
 * a dead one's.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "user/base/cleanup.h"
#include "user/base/error.h"
#include "user/base/loop.h"
#include "user/source/procfs_dir.h"

/* The clocks of files and of processes have ticks of 10 ms at most. */
#define SLACK_NS 100000000ll

static int64_t nanoseconds(const struct timespec *t)
{
	return (int64_t)t->tv_sec * 1000000000 + t->tv_nsec;
}

/* When the process began by the clock of files. A clock that was set since then makes it wrong by as
 * much; what is written from then on counts. */
static int64_t began_at(uint64_t start_ns)
{
	return (int64_t)(clock_realtime_ns() - clock_boottime_ns() + start_ns);
}

static int check(int fd, const struct procfs_facts *owner)
{
	struct stat st;

	if (fstat(fd, &st))
		return negative_errno();
	if ((st.st_uid != owner->uid && st.st_uid != 0) || st.st_nlink != 1)
		return -EPERM;
	if (nanoseconds(&st.st_mtim) + SLACK_NS < began_at(owner->start_ns))
		return -ESTALE;
	return 0;
}

int procfs__open_perf_map(struct procfs *procfs, pid_t pid, int *out_fd)
{
	struct open_how how = {
		.flags = O_PATH | O_CLOEXEC | O_NOFOLLOW,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	cleanup_fd int dir_fd = -1, root_fd = -1, link = -1, fd = -1;
	struct procfs_facts owner;
	char path[64];
	int r;

	*out_fd = -1;
	r = procfs__open_dir(procfs, pid, &dir_fd);
	if (!r)
		r = procfs__identity_at(dir_fd, pid, &owner);
	if (r)
		return r;
	r = procfs__open_at(dir_fd, "root", O_PATH | O_DIRECTORY, &root_fd);
	if (r)
		return r;
	snprintf(path, sizeof(path), "tmp/perf-%d.map", owner.nspid);
	link = (int)syscall(SYS_openat2, root_fd, path, &how, sizeof(how));
	if (link < 0)
		return negative_errno();
	r = procfs__reopen_regular(link, &fd);
	if (!r)
		r = check(fd, &owner);
	if (!r)
		*out_fd = steal_fd(&fd);
	return r;
}
