/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * What the files behind procfs.h share, and nobody else uses.
 */
#ifndef UNFREED_SOURCE_PROCFS_DIR_H
#define UNFREED_SOURCE_PROCFS_DIR_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "user/source/cgroup.h"
#include "user/source/procfs.h"

struct procfs {
	int proc_fd;		/* /proc, O_PATH */
	struct cgroup_mounts mounts;
};

/* A descriptor of /proc/PID, the caller's: it stays with this process, and files opened below it
 * are -ESRCH once it is gone, whoever gets the number next. */
int procfs__open_dir(struct procfs *procfs, pid_t pid, int *out_fd);

/* openat() below /proc/PID, with -ENOENT turned into -ESRCH. */
int procfs__open_at(int dir_fd, const char *name, int flags, int *out_fd);

/* The whole file or its first buf_sz - 1 bytes, terminated. Returns 0 and *n, or -errno. */
int procfs__read_at(int dir_fd, const char *name, char *buf, size_t buf_sz, size_t *n);
int procfs__read_fd(int fd, char *buf, size_t buf_sz, size_t *n);

/* The whole file in new memory, terminated; -EFBIG when it has more than max_sz bytes. */
int procfs__slurp_at(int dir_fd, const char *name, size_t max_sz, char **out);

/* The number after "key" at the start of a line of `text`: "VmRSS:\t  1234 kB". False: none. */
bool procfs_field(const char *text, const char *key, uint64_t *out);

/* What `status` and `stat` tell, of the process whose /proc/PID is dir_fd; as procfs__facts(). */
int procfs__identity_at(int dir_fd, pid_t pid, struct procfs_facts *out);

/* each_map() of the process whose /proc/PID is dir_fd. */
int procfs__each_map_at(int dir_fd, procfs_map_fn fn, void *ctx);

/* Adds the resident bytes of one range; without `may_scan` as before Linux 6.7. */
int procfs__resident_at(int pagemap_fd, bool may_scan, uint64_t start, uint64_t end,
			uint64_t *resident);

/* Opens `path` with symbolic links resolved inside root_fd, regular files only, without touching
 * anything else. Returns 0, -EINVAL (not a regular file), or -errno. */
int procfs__open_below(int root_fd, const char *path, int *out_fd);

/* Opens for reading what the O_PATH descriptor stands for, if it is a regular file. */
int procfs__reopen_regular(int path_fd, int *out_fd);

#endif /* UNFREED_SOURCE_PROCFS_DIR_H */
