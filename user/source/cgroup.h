/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Control groups: which unit or container a process belongs to, how much memory its group may
 * still take, and whether it is frozen. Used by procfs alone; the parsers are pure, so that tests need no cgroups.
 */
#ifndef UNFREED_SOURCE_CGROUP_H
#define UNFREED_SOURCE_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CGROUP_MAX_MOUNTS 8

struct cgroup_mount {
	bool v2;	/* else a v1 hierarchy that has one of: */
	bool memory, freezer;	/* v2 has both */
	char *root;	/* which cgroup is mounted, as our cgroup namespace calls it */
	int fd;		/* of the mount point, O_PATH; -1: could not be opened */
};

struct cgroup_mounts {
	struct cgroup_mount mount[CGROUP_MAX_MOUNTS];
	size_t n;
};

/* Finds them in the text of /proc/self/mountinfo, and opens them below `sysroot` ("" is ours).
 * Returns 0 or -ENOMEM. Lines that cannot be understood are passed over. */
int cgroup_mounts__init(struct cgroup_mounts *mounts, const char *mountinfo, const char *sysroot);
void cgroup_mounts__fini(struct cgroup_mounts *mounts);	/* idempotent */

/* The unit's name from the text of /proc/PID/cgroup; "" if it has none. See struct procfs_facts. */
void cgroup__unit(const char *cgroup_text, char *out, size_t out_sz);

/* The process's path in the v2 hierarchy ("0::/a") or in the v1 hierarchy that holds `controller`
 * ("4:cpu,memory:/a"; "name=systemd" for that one), from the text of /proc/PID/cgroup. False: it
 * is in none. */
bool cgroup_find_path(const char *cgroup_text, bool v2, const char *controller, char *out,
		      size_t out_sz);

struct cgroup_room {
	uint64_t max_left, max_limit;	/* bytes; ~0: no limit */
	uint64_t high_left, high_limit;
	char max_group[256], high_group[256];	/* whose limit that is, as our namespace names it; the
						 * end of a longer path. "" if there is none */
};

/* The tightest limits over the process's cgroup and its ancestors: see procfs__memory(). */
void cgroup__room(const struct cgroup_mounts *mounts, const char *cgroup_text,
		  struct cgroup_room *out);

/* Whether the process's cgroup, or one above it, is frozen; false where that cannot be seen. */
bool cgroup__is_frozen(const struct cgroup_mounts *mounts, const char *cgroup_text);

/*
 * Where below a mount of `root` the cgroup `path` lies, as our cgroup namespace names both: "a/b",
 * or "." for the root itself. False: not below it, or above our namespace's root where no name
 * reaches (paths with ..).
 */
bool cgroup_path_below(const char *root, const char *path, char *out, size_t out_sz);

#endif /* UNFREED_SOURCE_CGROUP_H */
