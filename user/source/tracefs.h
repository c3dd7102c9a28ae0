/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The kernel's list of tracepoints, wherever it is mounted, or a private mount of our own where it
 * is not. Nothing on the host changes: a mount of our own is attached to no directory and is gone
 * with the descriptor.
 */
#ifndef UNFREED_SOURCE_TRACEFS_H
#define UNFREED_SOURCE_TRACEFS_H

#include <stdbool.h>

/*
 * Yields a directory descriptor of tracefs (close-on-exec, O_PATH: good for openat() and no more),
 * the caller's to close. *mounted_by_us, which may be NULL, tells whether it is a mount of our own.
 *
 * Returns 0; -EPERM or -EACCES: tracefs is not mounted where we can see it and we may not mount it
 * (CAP_SYS_ADMIN) or not even look; -ENODEV: this kernel has no tracefs; or another -errno.
 */
int tracefs__open(int *out_dirfd, bool *mounted_by_us);

/*
 * The id of a tracepoint, as perf_event_open() wants it in attr.config: positive.
 * Returns -ENOENT: this kernel has no such tracepoint; -EINVAL: not a name of one; -EBADMSG: the
 * kernel said something that is no id; or another -errno, such as -EACCES.
 */
int tracefs__tracepoint_id(int dirfd, const char *category, const char *name);

#endif /* UNFREED_SOURCE_TRACEFS_H */
