/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Opening and reading below /proc. Everything about one process is read below one descriptor of
 * its directory: the kernel ties that to the process itself, so half of a record can never come
 * from the next process that got the number.
 *
 * Linked into libcore: the tests run it over recorded trees (tests/data/proc) without root.
 */
#include "user/source/procfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "user/base/cleanup.h"
#include "user/base/error.h"
#include "user/source/procfs_dir.h"

#define MOUNTINFO_MAX_SZ (8u << 20)

int procfs__new(struct procfs **out, const char *sysroot)
{
	cleanup_free struct procfs *procfs = calloc(1, sizeof(*procfs));
	cleanup_free char *mountinfo = NULL;
	cleanup_free char *path = NULL;
	cleanup_fd int fd = -1;
	int r;

	*out = NULL;
	if (!sysroot)
		sysroot = "";
	if (!procfs || asprintf(&path, "%s/proc", sysroot) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return negative_errno();

	/* Without it there are no cgroup limits, and the rest works all the same. */
	r = procfs__slurp_at(fd, "self/mountinfo", MOUNTINFO_MAX_SZ, &mountinfo);
	if (r == -ENOMEM)
		return r;
	r = cgroup_mounts__init(&procfs->mounts, r ? "" : mountinfo, sysroot);
	if (r)
		return r;
	procfs->proc_fd = steal_fd(&fd);
	*out = steal_ptr(&procfs);
	return 0;
}

struct procfs *procfs__free(struct procfs *procfs)
{
	if (procfs) {
		cgroup_mounts__fini(&procfs->mounts);
		close(procfs->proc_fd);
		free(procfs);
	}
	return NULL;
}

int procfs__open_at(int dir_fd, const char *name, int flags, int *out_fd)
{
	int fd = openat(dir_fd, name, flags | O_CLOEXEC);
	int r;

	*out_fd = fd;
	if (fd >= 0)
		return 0;
	r = negative_errno();
	return r == -ENOENT ? -ESRCH : r;
}

int procfs__open_dir(struct procfs *procfs, pid_t pid, int *out_fd)
{
	char name[16];

	*out_fd = -1;
	if (pid <= 0)
		return -ESRCH;
	snprintf(name, sizeof(name), "%d", pid);
	return procfs__open_at(procfs->proc_fd, name, O_PATH | O_DIRECTORY, out_fd);
}

int procfs__read_fd(int fd, char *buf, size_t buf_sz, size_t *n)
{
	size_t have = 0;

	while (have < buf_sz - 1) {
		ssize_t got = read(fd, buf + have, buf_sz - 1 - have);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return negative_errno();
		if (!got)
			break;
		have += (size_t)got;
	}
	buf[have] = '\0';
	*n = have;
	return 0;
}

int procfs__read_at(int dir_fd, const char *name, char *buf, size_t buf_sz, size_t *n)
{
	cleanup_fd int fd = -1;
	int r;

	buf[0] = '\0';
	*n = 0;
	r = procfs__open_at(dir_fd, name, O_RDONLY, &fd);
	return r ? r : procfs__read_fd(fd, buf, buf_sz, n);
}

int procfs__slurp_at(int dir_fd, const char *name, size_t max_sz, char **out)
{
	cleanup_free char *buf = NULL;
	cleanup_fd int fd = -1;
	size_t have = 0, room = 0;
	int r;

	*out = NULL;
	r = procfs__open_at(dir_fd, name, O_RDONLY, &fd);
	if (r)
		return r;
	do {
		size_t n;
		char *larger;

		if (have > max_sz)
			return -EFBIG;
		room = room ? room * 2 : 16384;
		larger = realloc(buf, room);
		if (!larger)
			return -ENOMEM;
		buf = larger;
		r = procfs__read_fd(fd, buf + have, room - have, &n);
		if (r)
			return r;
		have += n;
	} while (have == room - 1);
	*out = steal_ptr(&buf);
	return 0;
}

bool procfs_field(const char *text, const char *key, uint64_t *out)
{
	size_t key_sz = strlen(key);
	const char *line, *end;

	for (line = text; line && *line; line = end ? end + 1 : NULL) {
		uint64_t value = 0;
		const char *s;

		end = strchr(line, '\n');
		if (strncmp(line, key, key_sz))
			continue;
		s = line + key_sz + strspn(line + key_sz, " \t");
		if (*s < '0' || *s > '9')
			return false;
		for (; *s >= '0' && *s <= '9'; s++)
			if (__builtin_mul_overflow(value, 10u, &value) ||
			    __builtin_add_overflow(value, (unsigned int)(*s - '0'), &value))
				return false;
		*out = value;
		return true;
	}
	return false;
}

/* The number a directory of /proc is called, or 0. */
static pid_t pid_of_name(const char *name)
{
	pid_t pid = 0;

	if (*name == '0')
		return 0;
	for (; *name; name++) {
		if (*name < '0' || *name > '9' || pid > (1 << 22) / 10)
			return 0;
		pid = pid * 10 + (*name - '0');
	}
	return pid;
}

int procfs__each_process(struct procfs *procfs, procfs_process_fn fn, void *ctx)
{
	cleanup_fd int fd = openat(procfs->proc_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_dir DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir)
		return negative_errno();
	steal_fd(&fd);
	for (;;) {
		struct dirent *entry;
		pid_t pid;
		int r;

		errno = 0;
		entry = readdir(dir);
		if (!entry)
			return errno ? negative_errno() : 0;
		pid = pid_of_name(entry->d_name);
		if (!pid)
			continue;
		r = fn(ctx, pid);
		if (r)
			return r;
	}
}

int procfs__rss(struct procfs *procfs, pid_t pid, uint64_t *out_bytes)
{
	char name[32], text[256];
	unsigned long long size, resident;
	size_t n;
	int r;

	*out_bytes = 0;
	if (pid <= 0)
		return -ESRCH;
	snprintf(name, sizeof(name), "%d/statm", pid);
	r = procfs__read_at(procfs->proc_fd, name, text, sizeof(text), &n);
	if (r)
		return r;
	if (sscanf(text, "%llu %llu", &size, &resident) != 2 ||
	    __builtin_mul_overflow(resident, (unsigned long long)sysconf(_SC_PAGESIZE), out_bytes))
		return -EBADMSG;
	return 0;
}

int procfs__reopen_regular(int path_fd, int *out_fd)
{
	char name[64];
	struct stat st;

	*out_fd = -1;
	if (fstat(path_fd, &st))
		return negative_errno();
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	/* Our own descriptor: the real /proc also in tests. */
	snprintf(name, sizeof(name), "/proc/self/fd/%d", path_fd);
	*out_fd = open(name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	return *out_fd < 0 ? negative_errno() : 0;
}

int procfs__open_below(int root_fd, const char *path, int *out_fd)
{
	/* By number: the C library has no wrapper. The kernel side is Linux 5.6. An absolute link
	 * of a container must lead into the container, never into our own files. */
	struct open_how how = {
		.flags = O_PATH | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	cleanup_fd int fd = syscall(SYS_openat2, root_fd, path, &how, sizeof(how));

	*out_fd = -1;
	return fd < 0 ? negative_errno() : procfs__reopen_regular(fd, out_fd);
}
