/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * A storm of calls from several threads, far more than a small ring can hold: each thread maps and
 * unmaps at random in a window of its own (parts, holes, protections, MAP_FIXED over what is
 * there), and opens and closes zlib streams, all of which it closes in the end. What it then holds
 * is only in the kernel's map: `done` names the streams it opened.
 *
 *   --threads T --seconds S   how long the storm lasts
 *   --children N              so many processes are forked meanwhile, each takes a page and exits
 *   --stay                    ... or lives, with what it copied, as long as its parent
 */
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <zlib.h>

#include "tests/programs/program.h"

#define USAGE "storm [--threads T] [--seconds S] [--children N] [--stay] [--wait] [--hold]"
#define MAX_THREADS 64
#define WINDOW_PAGES 512ul
#define PAGE 4096ul
#define N_STREAMS 32

struct thread {
	pthread_t id;
	uint64_t random, until_ns;
	unsigned long opened;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t next_random(struct thread *thread)
{
	thread->random ^= thread->random << 13;
	thread->random ^= thread->random >> 7;
	thread->random ^= thread->random << 17;
	return thread->random;
}

static KEEP_FRAME void take_pages(char *at, size_t sz, int prot)
{
	if (mmap(at, sz, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
		die("mmap");
}

static void step(struct thread *thread, char *window)
{
	uint64_t r = next_random(thread), first = (r >> 8) % WINDOW_PAGES;
	size_t n = 1 + (r >> 32) % 16;
	char *at = window + first * PAGE;

	if (n > WINDOW_PAGES - first)
		n = WINDOW_PAGES - first;
	switch (r % 4) {
	case 0:
		munmap(at, n * PAGE);
		break;
	case 1:
		mprotect(at, n * PAGE, PROT_READ);
		break;
	default:
		take_pages(at, n * PAGE, r & 16 ? PROT_READ | PROT_WRITE : PROT_READ);
	}
}

static void *run(void *arg)
{
	struct thread *thread = arg;
	z_stream streams[N_STREAMS] = {};
	char *window = mmap(NULL, WINDOW_PAGES * PAGE, PROT_NONE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	unsigned int i;

	if (window == MAP_FAILED)
		die("mmap");
	for (i = 0; now_ns() < thread->until_ns; i = (i + 1) % N_STREAMS) {
		step(thread, window);
		if (streams[i].state)
			inflateEnd(&streams[i]);
		if (inflateInit2(&streams[i], 15) != Z_OK)
			die("inflateInit2");
		thread->opened++;
	}
	for (i = 0; i < N_STREAMS; i++)
		inflateEnd(&streams[i]);
	return NULL;
}

static void be_child(bool stay)
{
	mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (stay) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	_exit(0);
}

static void fork_children(unsigned long n, bool stay)
{
	for (unsigned long i = 0; i < n; i++) {
		pid_t pid = fork();

		if (pid < 0)
			die("fork");
		if (!pid)
			be_child(stay);
		if (stay)
			usleep(20000);
		else
			waitpid(pid, NULL, 0);
	}
}

int main(int argc, char **argv)
{
	enum { THREADS = 256, SECONDS, CHILDREN, STAY, WAIT, HOLD };
	static const struct option options[] = {
		{ "threads", required_argument, NULL, THREADS },
		{ "seconds", required_argument, NULL, SECONDS },
		{ "children", required_argument, NULL, CHILDREN },
		{ "stay", no_argument, NULL, STAY },
		{ "wait", no_argument, NULL, WAIT },
		{ "hold", no_argument, NULL, HOLD },
		{},
	};
	unsigned long n_threads = 4, seconds = 2, children = 0, opened = 0;
	static struct thread threads[MAX_THREADS];
	bool wait = false, stay = false, hold = false;
	char counts[64];
	uint64_t until;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case THREADS: n_threads = number_of(optarg, USAGE); break;
		case SECONDS: seconds = number_of(optarg, USAGE); break;
		case CHILDREN: children = number_of(optarg, USAGE); break;
		case STAY: stay = true; break;
		case WAIT: wait = true; break;
		case HOLD: hold = true; break;
		default: die_usage(USAGE);
		}
	}
	if (n_threads > MAX_THREADS)
		die_usage(USAGE);
	say_ready(wait);
	until = now_ns() + seconds * 1000000000ull;
	for (unsigned long i = 0; i < n_threads; i++) {
		threads[i].random = 88172645463325252ull + i * 7919;
		threads[i].until_ns = until;
		if (pthread_create(&threads[i].id, NULL, run, &threads[i]))
			die("pthread_create");
	}
	fork_children(children, stay);
	for (unsigned long i = 0; i < n_threads; i++) {
		pthread_join(threads[i].id, NULL);
		opened += threads[i].opened;
	}
	snprintf(counts, sizeof(counts), "opened=%lu closed=%lu open=0", opened, opened);
	say_done(counts, hold);
	return 0;
}
