/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Tracepoints are attached by number, and the numbers stand in tracefs alone. Minimal systems and
 * containers do not mount it, and then every tool that only looks at /sys/kernel/tracing is blind.
 *
 * Order: the mount point that systemd uses; then a detached mount made with fsopen() and fsmount(),
 * which no other process can see; and only then debugfs' old place, because merely walking into
 * /sys/kernel/debug/tracing makes the kernel mount tracefs there for everybody (an automount).
 * All instances of tracefs are the same file system, so a mount of our own shows the same ids.
 *
 * A directory of that name that is not tracefs (an empty mount point, a decoy in a container) is
 * told by its super block magic.
 */
#include "user/source/tracefs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/mount.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#include "user/base/cleanup.h"
#include "user/base/error.h"
#include "user/base/parse.h"

#define TRACEFS_SUPER_MAGIC 0x74726163

/* 0, or -ENOENT when something else is there. */
static int open_mounted(const char *path, int *out_dirfd)
{
	cleanup_fd int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct statfs fs;

	if (fd < 0 || fstatfs(fd, &fs))
		return negative_errno();
	if (fs.f_type != TRACEFS_SUPER_MAGIC)
		return -ENOENT;
	*out_dirfd = steal_fd(&fd);
	return 0;
}

/* By number, since the wrappers came with glibc 2.36 only. The kernel side is Linux 5.2. */
static int open_detached(int *out_dirfd)
{
	cleanup_fd int fs = syscall(SYS_fsopen, "tracefs", FSOPEN_CLOEXEC);
	int fd;

	if (fs < 0)
		return negative_errno();
	if (syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		return negative_errno();
	fd = syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC,
		     MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	if (fd < 0)
		return negative_errno();
	*out_dirfd = fd;
	return 0;
}

int tracefs__open(int *out_dirfd, bool *mounted_by_us)
{
	int r;

	*out_dirfd = -1;
	if (mounted_by_us)
		*mounted_by_us = false;
	if (!open_mounted("/sys/kernel/tracing", out_dirfd))
		return 0;

	r = open_detached(out_dirfd);
	if (!r) {
		if (mounted_by_us)
			*mounted_by_us = true;
		return 0;
	}
	/* The reason why our own mount failed says more than "not there either". */
	return open_mounted("/sys/kernel/debug/tracing", out_dirfd) ? r : 0;
}

/* One path component: names come from our own tables, but a slip must not leave the directory. */
static bool is_component(const char *s)
{
	return *s && *s != '.' && !strchr(s, '/');
}

int tracefs__tracepoint_id(int dirfd, const char *category, const char *name)
{
	char path[256], text[32];
	uint64_t id;
	ssize_t n;
	int len;

	if (!is_component(category) || !is_component(name))
		return -EINVAL;
	len = snprintf(path, sizeof(path), "events/%s/%s/id", category, name);
	if (len < 0 || (size_t)len >= sizeof(path))
		return -EINVAL;

	cleanup_fd int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return negative_errno();
	do
		n = read(fd, text, sizeof(text) - 1);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return negative_errno();

	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	if (parse_u64(text, &id) || !id || id > INT_MAX)
		return -EBADMSG;
	return (int)id;
}
