/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * `unfreed doctor`: what this kernel, this user and a process allow, in words for somebody who has
 * never seen the tool: what works, what does not, why, and the cure.
 */
#ifndef UNFREED_DOCTOR_H
#define UNFREED_DOCTOR_H

#include <stdio.h>
#include <sys/types.h>

#include "user/base/log.h"
#include "user/base/text.h"
#include "user/source/features.h"
#include "user/source/procfs.h"

/*
 * Without pids prints the table of what is needed and what helps; with pids, one paragraph for
 * each process. A process that cannot be examined (gone, a thread's id, a kernel thread, not
 * permitted) is one line of log.
 *
 * Returns EXIT_NO_LEAK when everything needed works and every process could be examined, else
 * EXIT_TOOL_FAILED.
 */
int doctor__run(struct log *log, FILE *out, int n_pids, const pid_t *pids);

/* The paragraph of one process, added to `text` (doctor_process.c). Returns 0, -ENOMEM, or another
 * -errno, logged: it could not be examined. */
int doctor__describe(struct procfs *procfs, pid_t pid, const struct features *features,
		     struct text *text, struct log *log);

#endif /* UNFREED_DOCTOR_H */
