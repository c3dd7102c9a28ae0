/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The live source's look at files: which are opened to be probed, and by what identity they are
 * known. A file is opened through the process that maps it, or below its root before anything does.
 */
#include "user/source/live_private.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "user/base/cleanup.h"
#include "user/source/procfs_dir.h"

void live_path_of(int fd, char *path)
{
	char link[64];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, PATH_MAX - 1);
	path[n > 0 ? n : 0] = '\0';
}

int live_probe_mapping(struct live *live, pid_t pid, const struct procfs_map *map)
{
	cleanup_fd int fd = -1;
	char path[PATH_MAX];
	int r;

	if (live->opts.regions_only || !map->executable || !map->ino ||
	    file_probes__knows(live->probes, map->dev, map->ino))
		return 0;
	r = procfs__open_mapped(live->procfs, pid, map, &fd);
	if (r)
		return r == -ENOMEM ? r : 0;	/* changed meanwhile, or no regular file */
	live_path_of(fd, path);
	r = file_probes__add(live->probes, map->dev, map->ino, fd, path);
	return r < 0 ? r : 0;
}

struct probing {
	struct live *live;
	pid_t pid;
};

static int probe_map(void *ctx, const struct procfs_map *map)
{
	struct probing *probing = ctx;

	return live_probe_mapping(probing->live, probing->pid, map);
}

int live_probe_process(struct live *live, pid_t pid)
{
	struct probing probing = { .live = live, .pid = pid };
	int r = procfs__each_map(live->procfs, pid, probe_map, &probing);

	return r == -ENOMEM ? r : 0;
}

struct own_mapping {
	uint64_t addr;
	uint64_t ino;
	uint32_t dev;
};

static int find_own_mapping(void *ctx, const struct procfs_map *map)
{
	struct own_mapping *own = ctx;

	if (map->start != own->addr)
		return 0;
	own->ino = map->ino;
	own->dev = map->dev;
	return 1;
}

/* A file is known by what maps show of it, which is not always what stat() says (overlayfs, btrfs):
 * so it is mapped, and looked up in our own map file. */
static void probe_file(struct live *live, int fd, const char *path)
{
	size_t page_sz = (size_t)sysconf(_SC_PAGESIZE);
	struct own_mapping own = {};
	void *page;
	int r;

	page = mmap(NULL, page_sz, PROT_READ, MAP_PRIVATE, fd, 0);
	if (page == MAP_FAILED)
		return;
	own.addr = (uintptr_t)page;
	r = procfs__each_map(live->procfs, (pid_t)live->self_tgid, find_own_mapping, &own);
	munmap(page, page_sz);
	if (r == 1 && own.ino)
		file_probes__add(live->probes, own.dev, own.ino, fd, path);
}

void live_probe_path(struct live *live, pid_t pid, const char *path)
{
	cleanup_fd int root = -1, fd = -1;
	char root_path[32] = "/";

	if (pid)
		snprintf(root_path, sizeof(root_path), "/proc/%d/root", pid);
	root = open(root_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root >= 0 && !procfs__open_below(root, path, &fd))
		probe_file(live, fd, path);
}

void live_probe_system_zlib(struct live *live, pid_t pid)
{
	static const char *const usual[] = {
		"/lib/x86_64-linux-gnu/libz.so.1", "/usr/lib/x86_64-linux-gnu/libz.so.1",
		"/usr/lib64/libz.so.1", "/lib64/libz.so.1", "/usr/lib/libz.so.1", "/lib/libz.so.1",
	};

	for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++)
		live_probe_path(live, pid, usual[i]);
}
