/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The one error theory, for every function under user/ that returns int:
 *
 *   0          done
 *   negative   -errno: fatal to the operation, forwarded unchanged by everyone on the way up
 *   positive   a condition the caller is expected to handle; each function documents its own
 *
 * A failure is reported (log.h) where it is raised, with what and where, and nowhere else.
 * Functions that free or forget things return nothing or NULL and accept NULL.
 */
#ifndef UNFREED_BASE_ERROR_H
#define UNFREED_BASE_ERROR_H

#include <errno.h>

/* errno as a negative number, never 0, read before anything else can change it. */
static inline int negative_errno(void)
{
	int e = errno;

	return e > 0 ? -e : -EIO;
}

/* The program's exit statuses, the same for every command (unfreed(8)). */
enum exit_status {
	EXIT_NO_LEAK = 0,
	EXIT_TOOL_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_LEAK = 3,
};

#endif /* UNFREED_BASE_ERROR_H */
