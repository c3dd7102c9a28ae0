/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The file behind a mapping, and the proof that it is that file.
 *
 * map_files leads to the very file, but needs a privilege and an exact (start, end). A path is a
 * guess: it is as our root sees it when the mount is ours, and as the process's mount namespace
 * sees it when not; the file may be deleted, upgraded, hidden by another mount, or have a name that
 * the map file cannot express. So whatever was opened is compared with (dev, ino) of the line.
 *
 * stat() does not always show the numbers that maps shows: btrfs has a device number per subvolume
 * there, overlayfs one per layer. The same kernel function fills in both columns for every process,
 * so in doubt the file is mapped here for a moment, and our own map file tells its numbers.
 *
 * A file on FUSE whose server does not answer can hold us in open(); so can a dead NFS server. Of
 * FUSE, the kernel lets only the mounting user in, root included, unless the host's administrator
 * permits allow_other in /etc/fuse.conf.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "user/base/cleanup.h"
#include "user/base/error.h"
#include "user/source/procfs_dir.h"

struct wanted {
	uint64_t start, ino;
	uint32_t dev;
};

/* 1: the same file; 2: another one. */
static int compare_map(void *ctx, const struct procfs_map *map)
{
	const struct wanted *wanted = ctx;

	if (map->end <= wanted->start)
		return 0;
	return map->start <= wanted->start && map->dev == wanted->dev && map->ino == wanted->ino ?
		       1 : 2;
}

static int compare_by_mapping(int fd, uint32_t dev, uint64_t ino)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *p = mmap(NULL, page, PROT_READ, MAP_PRIVATE, fd, 0);
	struct wanted wanted = { .start = (uintptr_t)p, .ino = ino, .dev = dev };
	cleanup_fd int self = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (p == MAP_FAILED)
		return negative_errno();
	r = self < 0 ? -ENOENT : procfs__each_map_at(self, compare_map, &wanted);
	munmap(p, page);
	return r == 1 ? 0 : -ESTALE;
}

/* 0: fd is the file of the mapping; -ESTALE: it is another; or -errno. */
static int check_identity(int fd, const struct procfs_map *map)
{
	struct stat st;

	if (fstat(fd, &st))
		return negative_errno();
	if (st.st_ino == map->ino && major(st.st_dev) == map->dev >> 20 &&
	    minor(st.st_dev) == (map->dev & 0xfffff))
		return 0;
	return compare_by_mapping(fd, map->dev, map->ino);
}

static int open_link(int dir_fd, const struct procfs_map *map, int *out_fd)
{
	char name[64];

	snprintf(name, sizeof(name), "map_files/%llx-%llx", (unsigned long long)map->start,
		 (unsigned long long)map->end);
	*out_fd = openat(dir_fd, name, O_PATH | O_CLOEXEC);
	return *out_fd < 0 ? negative_errno() : 0;
}

static int open_by_link(int dir_fd, const struct procfs_map *map, int *out_fd)
{
	cleanup_fd int link = -1, fd = -1;
	int r = open_link(dir_fd, map, &link);

	if (!r)
		r = procfs__reopen_regular(link, &fd);
	if (!r)
		r = check_identity(fd, map);
	if (!r)
		*out_fd = steal_fd(&fd);
	return r;
}

static int open_checked(int root_fd, const char *path, const struct procfs_map *map, int *out_fd)
{
	cleanup_fd int fd = -1;
	int r = procfs__open_below(root_fd, path, &fd);

	if (!r)
		r = check_identity(fd, map);
	if (!r)
		*out_fd = steal_fd(&fd);
	return r;
}

static int open_by_path(int dir_fd, const struct procfs_map *map, int *out_fd)
{
	cleanup_fd int process_root = openat(dir_fd, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	cleanup_fd int our_root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	/* The path is as our root sees it when the process merely lives in a chroot. */
	const int roots[] = { process_root, our_root };
	cleanup_free char *with_suffix = NULL;
	int r = -ENOENT;

	if (map->path[0] != '/')
		return -ENOENT;
	/* " (deleted)" may as well belong to the name. */
	if (map->deleted && asprintf(&with_suffix, "%s (deleted)", map->path) < 0) {
		with_suffix = NULL;
		return -ENOMEM;
	}
	for (size_t i = 0; i < 2; i++) {
		int r2;

		if (roots[i] < 0)
			continue;
		if (with_suffix && !open_checked(roots[i], with_suffix, map, out_fd))
			return 0;
		r2 = open_checked(roots[i], map->path, map, out_fd);
		if (!r2)
			return 0;
		if (r == -ENOENT)
			r = r2;
	}
	return r;
}

int procfs__open_mapped(struct procfs *procfs, pid_t pid, const struct procfs_map *map, int *out_fd)
{
	cleanup_fd int dir_fd = -1;
	int r, by_path;

	*out_fd = -1;
	if (!map->ino)
		return -ENOENT;
	r = procfs__open_dir(procfs, pid, &dir_fd);
	if (r)
		return r;
	r = open_by_link(dir_fd, map, out_fd);
	if (!r || r == -EINVAL)
		return r;
	by_path = open_by_path(dir_fd, map, out_fd);
	/* "Not permitted" says more than "no such name" where both ways failed. */
	return by_path == -ENOENT && (r == -EPERM || r == -EACCES) ? r : by_path;
}

static bool is_same_place(const char *ours, int dir_fd, const char *theirs)
{
	struct stat a, b;

	return !stat(ours, &a) && !fstatat(dir_fd, theirs, &b, 0) && a.st_dev == b.st_dev &&
	       a.st_ino == b.st_ino;
}

int procfs__open_other_root(struct procfs *procfs, pid_t pid, int *out_fd)
{
	cleanup_fd int dir_fd = -1;
	int r = procfs__open_dir(procfs, pid, &dir_fd);

	*out_fd = -1;
	if (r)
		return r;
	if (is_same_place("/proc/self/ns/mnt", dir_fd, "ns/mnt") &&
	    is_same_place("/", dir_fd, "root"))
		return 1;
	return procfs__open_at(dir_fd, "root", O_PATH | O_DIRECTORY, out_fd);
}

int procfs__fs_magic(struct procfs *procfs, pid_t pid, const struct procfs_map *map, uint32_t *out)
{
	cleanup_fd int dir_fd = -1, link = -1;
	struct statfs fs;
	int r;

	*out = 0;
	if (!map->ino)
		return -ENOENT;
	r = procfs__open_dir(procfs, pid, &dir_fd);
	if (!r)
		r = open_link(dir_fd, map, &link);
	if (r)
		return r;
	if (fstatfs(link, &fs))
		return negative_errno();
	*out = (uint32_t)fs.f_type;
	return 0;
}
