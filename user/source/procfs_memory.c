/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * How much memory a process has, and how far it is from each limit that could stop it. The
 * arithmetic of the limits is stated in procfs.h, where the reader of a forecast will look for it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "user/base/cleanup.h"
#include "user/base/error.h"
#include "user/source/procfs_dir.h"

#define CGROUP_MAX_SZ (256u << 10)
#define NONE (~0ull)

static void set_limit(struct ev_memory *out, enum ev_limit_kind kind, uint64_t limit, uint64_t used)
{
	out->limit[kind] = limit;
	out->left[kind] = limit > used ? limit - used : 0;
}

/* A field in kB, as bytes; 0 when it is not there. */
static uint64_t kb_field(const char *text, const char *key)
{
	uint64_t kb;

	return procfs_field(text, key, &kb) && kb <= UINT64_MAX / 1024 ? kb * 1024 : 0;
}

static int read_status(int dir_fd, struct ev_memory *out)
{
	char text[8192];
	size_t n;
	uint64_t kb;
	int r = procfs__read_at(dir_fd, "status", text, sizeof(text), &n);

	if (r)
		return r;
	if (!procfs_field(text, "VmSize:", &kb))
		return PROCFS_NO_MEMORY;
	out->rss_anon = kb_field(text, "RssAnon:");
	out->rss_file = kb_field(text, "RssFile:");
	out->rss_shmem = kb_field(text, "RssShmem:");
	out->swap = kb_field(text, "VmSwap:");
	out->mapped = kb_field(text, "VmSize:");
	return 0;
}

static void read_cgroup(struct procfs *procfs, int dir_fd, struct ev_memory *out,
			struct procfs_groups *groups)
{
	cleanup_free char *text = NULL;
	struct cgroup_room room;

	if (!procfs->mounts.n || procfs__slurp_at(dir_fd, "cgroup", CGROUP_MAX_SZ, &text))
		return;
	cgroup__room(&procfs->mounts, text, &room);
	out->left[EV_LIMIT_CGROUP_MAX] = room.max_left;
	out->limit[EV_LIMIT_CGROUP_MAX] = room.max_limit;
	out->left[EV_LIMIT_CGROUP_HIGH] = room.high_left;
	out->limit[EV_LIMIT_CGROUP_HIGH] = room.high_limit;
	memcpy(groups->max, room.max_group, sizeof(groups->max));
	memcpy(groups->high, room.high_group, sizeof(groups->high));
}

static void read_rlimit(int dir_fd, struct ev_memory *out)
{
	uint64_t soft;	/* "unlimited" is no number */
	char text[4096];
	size_t n;

	if (!procfs__read_at(dir_fd, "limits", text, sizeof(text), &n) &&
	    procfs_field(text, "Max address space", &soft))
		set_limit(out, EV_LIMIT_RLIMIT_AS, soft, out->mapped);
}

static void read_host(struct procfs *procfs, struct ev_memory *out)
{
	char text[8192];
	size_t n;

	if (procfs__read_at(procfs->proc_fd, "meminfo", text, sizeof(text), &n) ||
	    !kb_field(text, "MemTotal:"))
		return;
	out->left[EV_LIMIT_HOST] = kb_field(text, "MemAvailable:") + kb_field(text, "SwapFree:");
	out->limit[EV_LIMIT_HOST] = kb_field(text, "MemTotal:") + kb_field(text, "SwapTotal:");
}

static int count_map(void *ctx, const struct procfs_map *map)
{
	++*(uint64_t *)ctx;
	return 0;
}

static int read_map_count(struct procfs *procfs, int dir_fd, struct ev_memory *out)
{
	uint64_t n_maps = 0, max;
	char text[32];
	size_t n;
	int r;

	if (procfs__read_at(procfs->proc_fd, "sys/vm/max_map_count", text, sizeof(text), &n) ||
	    !procfs_field(text, "", &max))
		return 0;
	r = procfs__each_map_at(dir_fd, count_map, &n_maps);
	if (!r)
		set_limit(out, EV_LIMIT_MAP_COUNT, max, n_maps);
	return r;
}

_Static_assert(sizeof(((struct cgroup_room *)0)->max_group) == EV_GROUP_PATH_MAX + 1, "one size");

int procfs__memory(struct procfs *procfs, pid_t pid, bool want_maps, struct ev_memory *out)
{
	struct procfs_groups groups;

	return procfs__memory_groups(procfs, pid, want_maps, out, &groups);
}

int procfs__memory_groups(struct procfs *procfs, pid_t pid, bool want_maps, struct ev_memory *out,
			  struct procfs_groups *groups)
{
	struct ev_header header = out->h;
	cleanup_fd int dir_fd = -1;
	int r;

	memset(out, 0, sizeof(*out));
	memset(groups, 0, sizeof(*groups));
	out->h = header;
	for (unsigned int i = 0; i < EV_N_LIMITS; i++)
		out->left[i] = out->limit[i] = NONE;

	r = procfs__open_dir(procfs, pid, &dir_fd);
	if (!r)
		r = read_status(dir_fd, out);
	if (r)
		return r;
	read_cgroup(procfs, dir_fd, out, groups);
	read_rlimit(dir_fd, out);
	read_host(procfs, out);
	return want_maps ? read_map_count(procfs, dir_fd, out) : 0;
}
