/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * elfutils' client is used as it is, libdebuginfod.so.1, loaded when it is needed and installed. It
 * has limits of its own, but they are minutes, and a name server that does not answer holds it
 * whatever they are. So it works in a child process, which stops by itself when its time is over, and
 * ends by SIGALRM if even that does not come to pass, with ours by its parent's death, and by
 * debug_servers__free().
 *
 * The client keeps what it has fetched, and what it knows not to be there, in its own cache
 * (DEBUGINFOD_CACHE_PATH). That is why nothing has to be kept of a question that was not waited for:
 * once its child has ended, asking again takes some milliseconds.
 */
#include "user/symbol/debug_servers.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "user/base/cleanup.h"
#include "user/base/error.h"
#include "user/base/log.h"
#include "user/base/loop.h"
#include "user/symbol/debugfile.h"

#define SECOND_NS 1000000000ull

struct debug_servers {
	struct log *log;
	bool waits;
	pid_t child;		/* 0: none */
	int pipe_fd;		/* its answer: a path, or nothing */
	uint64_t asked_ns;
	uint64_t spent_ns;	/* waiting, since window_ns */
	uint64_t window_ns;
	uint64_t silent_until_ns;
};

/* As elfutils/debuginfod.h declares them; the header is another package to install. */
struct client_api {
	void *(*begin)(void);
	void (*set_progressfn)(void *client, int (*fn)(void *client, long a, long b));
	void (*set_user_data)(void *client, void *data);
	int (*find_debuginfo)(void *client, const unsigned char *id, int id_sz, char **path);
};

int debug_servers__new(struct debug_servers **out, bool waits, struct log *log)
{
	struct debug_servers *servers = calloc(1, sizeof(*servers));

	if (!servers)
		return -ENOMEM;
	servers->waits = waits;
	servers->log = log;
	servers->pipe_fd = -1;
	*out = servers;
	return 0;
}

static void end_child(struct debug_servers *servers)
{
	if (servers->child > 0) {
		kill(servers->child, SIGKILL);
		while (waitpid(servers->child, NULL, 0) < 0 && errno == EINTR)
			;
	}
	servers->child = 0;
	if (servers->pipe_fd >= 0)
		close(servers->pipe_fd);
	servers->pipe_fd = -1;
}

struct debug_servers *debug_servers__free(struct debug_servers *servers)
{
	if (servers)
		end_child(servers);
	free(servers);
	return NULL;
}

/* --- in the child ----------------------------------------------------------------------------- */

enum child_status {
	CHILD_FOUND = 0,
	CHILD_NONE = 1,
	CHILD_SILENCE = 2,
};

static bool load_client(struct client_api *api)
{
	void *library = dlopen("libdebuginfod.so.1", RTLD_NOW | RTLD_GLOBAL);

	if (!library)
		return false;
	api->begin = dlsym(library, "debuginfod_begin");
	api->set_progressfn = dlsym(library, "debuginfod_set_progressfn");
	api->set_user_data = dlsym(library, "debuginfod_set_user_data");
	api->find_debuginfo = dlsym(library, "debuginfod_find_debuginfo");
	return api->begin && api->set_progressfn && api->set_user_data && api->find_debuginfo;
}

/* Called about once a second; `size` is not 0 once a server has begun to send. Non-zero gives up, and
 * the client removes what it has of the file. */
static int on_progress(void *client, long received, long size)
{
	void *(*get_user_data)(void *) = dlsym(RTLD_DEFAULT, "debuginfod_get_user_data");
	const uint64_t *began_ns = get_user_data ? get_user_data(client) : NULL;
	uint64_t limit_ns = size > 0 ? DEBUG_SERVERS_FILE_NS : DEBUG_SERVERS_SILENCE_NS;

	return !began_ns || clock_monotonic_ns() - *began_ns >= limit_ns;
}

static enum child_status ask_client(int out_fd, const uint8_t *id, size_t id_sz)
{
	uint64_t began_ns = clock_monotonic_ns();
	struct client_api api;
	char *path = NULL;
	void *client;
	int fd;

	client = load_client(&api) ? api.begin() : NULL;
	if (!client)
		return CHILD_NONE;
	api.set_user_data(client, &began_ns);
	api.set_progressfn(client, on_progress);
	fd = api.find_debuginfo(client, id, (int)id_sz, &path);
	/* Less than PIPE_BUF: all of it or nothing. */
	if (fd >= 0 && path)
		return write(out_fd, path, strnlen(path, PATH_MAX)) > 0 ? CHILD_FOUND : CHILD_NONE;
	return clock_monotonic_ns() - began_ns >= DEBUG_SERVERS_SILENCE_NS ? CHILD_SILENCE : CHILD_NONE;
}

static void __attribute__((noreturn)) be_child(int out_fd, pid_t parent, const uint8_t *id,
					       size_t id_sz)
{
	sigset_t none;

	signal(SIGALRM, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	alarm(DEBUG_SERVERS_FILE_NS / SECOND_NS + 1);
	_exit(getppid() == parent ? ask_client(out_fd, id, id_sz) : CHILD_NONE);
}

/* --- and here --------------------------------------------------------------------------------- */

static int start_child(struct debug_servers *servers, const uint8_t *id, size_t id_sz)
{
	pid_t parent = getpid();
	int fds[2];

	if (pipe2(fds, O_CLOEXEC))
		return negative_errno();
	servers->pipe_fd = fds[0];
	servers->child = fork();
	if (!servers->child)
		be_child(fds[1], parent, id, id_sz);
	close(fds[1]);
	servers->asked_ns = clock_monotonic_ns();
	if (servers->child > 0)
		return 0;
	end_child(servers);
	return -EAGAIN;
}

static void note_silence(struct debug_servers *servers)
{
	servers->silent_until_ns = clock_monotonic_ns() + DEBUG_SERVERS_AGAIN_NS;
	log_info(servers->log, "no server of DEBUGINFOD_URLS sends a debug file in time: they are not "
		 "asked for the next %llu minutes", DEBUG_SERVERS_AGAIN_NS / SECOND_NS / 60);
}

/* Waits until the child has ended; false: it has not. */
static bool wait_for_child(const struct debug_servers *servers, uint64_t ns)
{
	struct pollfd poll_fd = { .fd = servers->pipe_fd, .events = POLLIN };
	uint64_t end_ns = clock_monotonic_ns() + ns, now;
	int r;

	do {	/* a signal that is not blocked may come */
		now = clock_monotonic_ns();
		r = poll(&poll_fd, 1, now < end_ns ? (int)((end_ns - now) / 1000000) : 0);
	} while (r < 0 && errno == EINTR);
	return r > 0;
}

/* Of a child that has ended or is about to: its path, "" for none. */
static void take_answer(struct debug_servers *servers, char path[PATH_MAX])
{
	ssize_t n = read(servers->pipe_fd, path, PATH_MAX - 1);
	int status = 0;

	path[n > 0 ? n : 0] = '\0';
	while (waitpid(servers->child, &status, 0) < 0 && errno == EINTR)
		;
	servers->child = 0;
	end_child(servers);
	if (!WIFEXITED(status) || WEXITSTATUS(status) == CHILD_SILENCE)
		note_silence(servers);
}

bool debug_servers__are_ready(struct debug_servers *servers)
{
	char path[PATH_MAX];

	if (!servers->child)
		return true;
	if (!wait_for_child(servers, 0))
		return false;
	take_answer(servers, path);
	return true;
}

static bool may_ask(struct debug_servers *servers)
{
	uint64_t now = clock_monotonic_ns();

	if (now - servers->window_ns > DEBUG_SERVERS_AGAIN_NS) {
		servers->window_ns = now;
		servers->spent_ns = 0;
	}
	return now >= servers->silent_until_ns && servers->spent_ns < DEBUG_SERVERS_ALL_NS;
}

int debug_servers__find(struct debug_servers *servers, const uint8_t *id, size_t id_sz, int *fd)
{
	const char *urls = getenv("DEBUGINFOD_URLS");
	char path[PATH_MAX];
	bool ended;
	int r;

	if (!urls || !urls[0] || !id_sz)
		return 1;
	if (!debug_servers__are_ready(servers))
		return 2;
	if (!may_ask(servers))
		return 1;
	r = start_child(servers, id, id_sz);
	if (r)
		return r == -ENOMEM ? r : 1;
	ended = wait_for_child(servers, servers->waits ? DEBUG_SERVERS_FILE_NS + 2 * SECOND_NS :
							 DEBUG_SERVERS_PEEK_NS);
	servers->spent_ns += clock_monotonic_ns() - servers->asked_ns;
	if (!ended && !servers->waits)
		return 2;
	if (!ended) {
		end_child(servers);
		note_silence(servers);
		return 1;
	}
	take_answer(servers, path);
	*fd = path[0] ? open_regular(path) : -ENOENT;
	return *fd < 0 ? 1 : 0;
}
