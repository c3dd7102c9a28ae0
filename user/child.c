/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Starting a command so that its first instruction is watched.
 *
 * The child is forked, and waits on a pipe until the parent has put its process id into the kernel's
 * table of targets. Its exec is then an event like any other. A second pipe, closed by a successful
 * exec, brings back why one failed.
 */
#include "user/child.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "user/base/cleanup.h"
#include "user/base/error.h"

#define END_PATIENCE_MS 5000

static void __attribute__((noreturn)) be_child(int gate_fd, int error_fd, char **argv,
					       const sigset_t *mask)
{
	char go;
	int e;

	sigprocmask(SIG_SETMASK, mask, NULL);
	signal(SIGPIPE, SIG_DFL);	/* main() ignores it, and exec would hand that on */
	if (read(gate_fd, &go, 1) != 1)
		_exit(127);	/* the parent gave up */
	execvp(argv[0], argv);
	e = errno;
	if (write(error_fd, &e, sizeof(e)) != sizeof(e))
		_exit(126);
	_exit(127);
}

int child__start(struct child *child, char **argv, const sigset_t *mask, struct log *log)
{
	int gate[2], error[2], r;

	memset(child, 0, sizeof(*child));
	if (pipe2(gate, O_CLOEXEC)) {
		r = negative_errno();
		log_error(log, "run: no pipe: %s", strerror(-r));
		return r;
	}
	if (pipe2(error, O_CLOEXEC)) {
		r = negative_errno();
		close(gate[0]);
		close(gate[1]);
		log_error(log, "run: no pipe: %s", strerror(-r));
		return r;
	}
	child->pid = fork();
	if (!child->pid) {
		close(gate[1]);
		close(error[0]);
		be_child(gate[0], error[1], argv, mask);
	}
	r = child->pid < 0 ? negative_errno() : 0;
	close(gate[0]);
	close(error[1]);
	child->gate_fd = gate[1];
	child->error_fd = error[0];
	if (r) {
		child->pid = 0;
		close(gate[1]);
		close(error[0]);
		log_error(log, "run: cannot start a process: %s", strerror(-r));
	}
	return r;
}

int child__go(struct child *child)
{
	int e = 0, status;
	ssize_t n;

	if (write(child->gate_fd, "g", 1) != 1)
		e = errno;
	close(child->gate_fd);
	do
		n = read(child->error_fd, &e, sizeof(e));
	while (n < 0 && errno == EINTR);
	close(child->error_fd);
	if (n <= 0)
		return 0;
	waitpid(child->pid, &status, 0);
	child->pid = 0;
	child->ended = true;
	return e > 0 ? -e : -EIO;
}

bool child__reap(struct child *child)
{
	if (child->pid && waitpid(child->pid, &child->status, WNOHANG) == child->pid) {
		child->pid = 0;
		child->ended = true;
	}
	return child->ended;
}

void child__end(struct child *child)
{
	static const struct timespec step = { .tv_nsec = 10000000 };

	if (!child->pid || child__reap(child))
		return;
	kill(child->pid, SIGTERM);
	for (int i = 0; i < END_PATIENCE_MS / 10; i++) {
		if (child__reap(child))
			return;
		nanosleep(&step, NULL);
	}
	kill(child->pid, SIGKILL);
	waitpid(child->pid, &child->status, 0);
	child->pid = 0;
	child->ended = true;
}

bool find_program(const char *name, char *path)
{
	const char *dirs = getenv("PATH"), *end;

	if (strchr(name, '/'))
		return realpath(name, path) != NULL;
	if (!dirs)
		dirs = "/usr/local/bin:/usr/bin:/bin";
	for (; *dirs; dirs = *end ? end + 1 : end) {
		char candidate[PATH_MAX];
		int n;

		end = strchrnul(dirs, ':');
		n = snprintf(candidate, sizeof(candidate), "%.*s/%s", (int)(end - dirs), dirs, name);
		if (n > 0 && n < (int)sizeof(candidate) && !access(candidate, X_OK))
			return realpath(candidate, path) != NULL;
	}
	return false;
}
