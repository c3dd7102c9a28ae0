/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* The command that `unfreed run` starts: held back until we watch it, then let go. */
#ifndef UNFREED_CHILD_H
#define UNFREED_CHILD_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

#include "user/base/log.h"

struct child {
	pid_t pid;		/* 0: none, or reaped */
	int gate_fd;		/* closing it unread ends the child, a byte lets it exec */
	int error_fd;		/* the errno of a failed exec comes out here */
	bool ended;
	int status;		/* as of waitpid(), once ended */
};

/* Forks a child that waits to exec argv with this signal mask. 0 or -errno, logged. */
int child__start(struct child *child, char **argv, const sigset_t *mask, struct log *log);
/* Lets it exec. Returns 0, or -errno of the exec: it has ended then. Not logged. */
int child__go(struct child *child);
/* Reaps it if it has ended, without waiting. */
bool child__reap(struct child *child);
/* Ends a child that still runs: SIGTERM, after 5 s SIGKILL; reaps it. Accepts one never started. */
void child__end(struct child *child);

/* Where execvp() would find `name`, in path (PATH_MAX bytes); false: nowhere. */
bool find_program(const char *name, char *path);

#endif /* UNFREED_CHILD_H */
