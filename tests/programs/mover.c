/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Moves memory in every way the kernel knows, at random, until it is killed or --seconds are over.
 * What it leaves lying is what `unfreed verify` compares; it pauses now and then, so that there is
 * a moment to compare.
 *
 *   mover --mode MODE [--seconds S] [--seed N] [--threads N]
 *
 * Modes: see `modes` at the end. A random operation works on one of SLOTS places in an arena of its
 * own, so that holes, splits and merges happen all the time.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif
#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

#define PAGE 4096ul
#define PAGES 256		/* of the arena */

struct mover {
	char *arena;		/* PAGES pages */
	int file, memfd;
	char *self;
	unsigned int seed;
	unsigned int n_threads;
};

/* Arenas lie where the kernel puts nothing by itself: a hole in one must not become somebody's stack. */
#define ARENAS 0x200000000000ul
#define APART 0x40000000ul

static char *arena_at(unsigned long at)
{
	return mmap((void *)at, PAGES * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void pause_ms(long ms)
{
	struct timespec t = { .tv_nsec = ms * 1000000 };

	nanosleep(&t, NULL);
}

static unsigned int upto(unsigned int *seed, unsigned int n)
{
	return (unsigned int)rand_r(seed) % n;
}

static char *place(struct mover *m, unsigned int *seed, size_t *len)
{
	unsigned int first = upto(seed, PAGES), n = 1 + upto(seed, 24);

	if (first + n > PAGES)
		n = PAGES - first;
	*len = n * PAGE;
	return m->arena + first * PAGE;
}

static int any_prot(unsigned int *seed)
{
	static const int prots[] = { PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE,
				     PROT_READ | PROT_WRITE, PROT_READ | PROT_EXEC };

	return prots[upto(seed, 5)];
}

static void move_map(struct mover *m, unsigned int *seed, char *at, size_t len)
{
	int prot = any_prot(seed), fixed = MAP_FIXED;
	off_t off = (off_t)(upto(seed, 8) * PAGE);

	if (!upto(seed, 4))
		fixed = MAP_FIXED_NOREPLACE;
	switch (upto(seed, 6)) {
	case 0:
		mmap(at, len, prot, MAP_SHARED | MAP_ANONYMOUS | fixed, -1, 0);
		break;
	case 1:
		mmap(at, len, prot, MAP_PRIVATE | fixed, m->file, off);
		break;
	case 2:
		mmap(at, len, prot, MAP_SHARED | fixed, m->memfd, off);
		break;
	case 3:
		mmap(at, len - upto(seed, 4000), prot, MAP_SHARED | fixed, m->file, off);
		break;
	default:
		mmap(at, len - upto(seed, 4000), prot, MAP_PRIVATE | MAP_ANONYMOUS | fixed, -1, 0);
	}
}

/* One mapping of that length, so that what moves it cannot fail once its target is unmapped. */
static void make_one(unsigned int *seed, char *at, size_t len)
{
	mmap(at, len, any_prot(seed), (upto(seed, 2) ? MAP_SHARED : MAP_PRIVATE) | MAP_ANONYMOUS |
	     MAP_FIXED, -1, 0);
}

static void move_remap(struct mover *m, unsigned int *seed, char *at, size_t len)
{
	size_t n;
	char *to = place(m, seed, &n), *got;

	switch (upto(seed, 6)) {
	case 0:
		mremap(at, len, len > PAGE ? len / 2 : len, 0);
		break;
	case 1:
		mremap(at, len, len + n, 0);
		break;
	case 2:
		make_one(seed, at, len);
		mremap(at, len, n, MREMAP_MAYMOVE | MREMAP_FIXED, to);
		break;
	case 3:
		make_one(seed, at, len);
		mremap(at, len, len, MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, to);
		break;
	case 4:
		mmap(at, len, any_prot(seed), MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		mremap(at, 0, len, MREMAP_MAYMOVE | MREMAP_FIXED, to);
		break;
	default:
		got = mremap(at, len, len + n, MREMAP_MAYMOVE);
		if (got != MAP_FAILED && (got < m->arena || got >= m->arena + PAGES * PAGE))
			munmap(got, len + n);
	}
}

static void move_shm(unsigned int *seed, char *at, size_t len)
{
	int id = shmget(IPC_PRIVATE, len, IPC_CREAT | 0600);
	void *p = shmat(id, at, (upto(seed, 2) ? SHM_REMAP : 0) | (upto(seed, 2) ? SHM_RDONLY : 0));

	shmctl(id, IPC_RMID, NULL);
	if (p != (void *)-1 && !upto(seed, 3))
		munmap(at + len / 2 / PAGE * PAGE, PAGE);
	if (upto(seed, 2))
		shmdt(at);
}

static void move_advise(unsigned int *seed, char *at, size_t len)
{
	static const int advices[] = { MADV_DONTNEED, MADV_FREE, MADV_REMOVE, MADV_DONTFORK,
				       MADV_DOFORK, MADV_WIPEONFORK, MADV_KEEPONFORK,
				       MADV_NORMAL, MADV_MERGEABLE };

	madvise(at, len, advices[upto(seed, 9)]);
}

/* Above where the heap ended at first: below lies what malloc handed out. Besides its end, what moves
 * is a neighbour that stands in its way, and holes and other mappings inside, which a shrinking heap
 * takes along. */
static void move_brk(unsigned int *seed)
{
	static const long steps[] = { 4096, 70000, 13, 1 << 20, -4096, -70001, -(1 << 20) + 77 };
	static char *first, *neighbour;
	char *top = (char *)(((uintptr_t)sbrk(0) + PAGE - 1) & -PAGE);
	char *inside = top - (1 + upto(seed, 8)) * PAGE;
	long step = steps[upto(seed, 7)];

	if (!first)
		first = top;
	switch (upto(seed, 12)) {
	case 0:
		if (!neighbour)
			neighbour = mmap(top + upto(seed, 8) * PAGE, 2 * PAGE, any_prot(seed), MAP_PRIVATE |
					 MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
		if (neighbour == MAP_FAILED)
			neighbour = NULL;
		break;
	case 1:
		if (neighbour)
			munmap(neighbour, 2 * PAGE);
		neighbour = NULL;
		break;
	case 2:
		if (inside >= first)
			mmap(inside, PAGE, any_prot(seed),
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		break;
	case 3:
		if (inside >= first)
			munmap(inside, PAGE);
		break;
	default:
		if (step > 0 || (char *)sbrk(0) + step >= first)
			(void)!sbrk(step);
	}
}

static void move_any(struct mover *m, unsigned int *seed)
{
	size_t len;
	char *at = place(m, seed, &len);

	switch (upto(seed, 12)) {
	case 0: case 1: case 2:
		move_map(m, seed, at, len);
		break;
	case 3: case 4:
		munmap(at, len - upto(seed, 4000));
		break;
	case 5: case 6:
		move_remap(m, seed, at, len);
		break;
	case 7: case 8:
		mprotect(at, len - upto(seed, 4000), any_prot(seed));
		break;
	case 9:
		move_shm(seed, at, len);
		break;
	case 10:
		move_advise(seed, at, len);
		break;
	case 11:
		syscall(SYS_remap_file_pages, at, len, 0, upto(seed, 8), 0);
		break;
	}
}

/* --- modes ------------------------------------------------------------------------------------- */

static void mode_any(struct mover *m)
{
	for (int i = 0; i < 2000; i++)
		move_any(m, &m->seed);
}

static void mode_brk(struct mover *m)
{
	for (int i = 0; i < 500; i++)
		move_brk(&m->seed);
}

/* A mapping that the kernel grows downward when it is touched below. */
static void mode_growsdown(struct mover *m)
{
	static char *stack;
	const size_t room = 512 * PAGE;

	if (stack)
		munmap(stack - room, room + 16 * PAGE);
	stack = mmap(NULL, room + 16 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	munmap(stack, room + 16 * PAGE);
	stack = mmap(stack + room, 16 * PAGE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_FIXED, -1, 0);
	for (size_t i = 1; i < 100 + upto(&m->seed, 100); i++)
		*(volatile char *)(stack - i * PAGE) = 1;
}

static __attribute__((noinline)) int deep(volatile int n)
{
	volatile char page[8192];

	page[0] = (char)n;
	return n ? deep(n - 1) + page[0] : 0;
}

static void mode_stack(struct mover *m)
{
	deep(400);
	mode_any(m);
}

static void wait_for(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
}

/* A child that goes on by itself, and outlives this round. */
static void mode_fork(struct mover *m)
{
	static pid_t last;
	pid_t pid;

	mode_any(m);
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		m->seed += (unsigned int)getpid();
		for (;;) {
			for (int i = 0; i < 50; i++)
				move_any(m, &m->seed);
			pause_ms(20);
		}
	}
	if (last > 0) {
		kill(last, SIGKILL);
		wait_for(last);
	}
	last = pid;
}

static void mode_vfork(struct mover *m)
{
	static int i;
	pid_t pid;

	for (i = 0; i < 20; i++) {
		pid = vfork();
		if (!pid) {
			/* what a vfork child does, it does to its parent */
			mmap(m->arena, 3 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
			munmap(m->arena + PAGE, PAGE);
			if (i & 1)
				execl("/bin/true", "true", NULL);
			_exit(0);
		}
		wait_for(pid);
		for (int k = 0; k < 50; k++)
			move_any(m, &m->seed);
	}
}

struct thread {
	struct mover *m;
	unsigned int seed;
	unsigned int k;		/* which of the threads */
	int n;
};

static void *thread_moves(void *arg)
{
	struct thread *t = arg;

	for (int i = 0; i < t->n; i++)
		move_any(t->m, &t->seed);
	return NULL;
}

static void run_threads(struct mover *m, void *(*fn)(void *), int n)
{
	struct thread threads[64];
	pthread_t ids[64];
	unsigned int k;

	for (k = 0; k < m->n_threads && k < 64; k++) {
		threads[k] = (struct thread){ .m = m, .seed = m->seed + k * 7919, .k = k, .n = n };
		if (pthread_create(&ids[k], NULL, fn, &threads[k]))
			break;
	}
	m->seed += 104729;
	while (k)
		pthread_join(ids[--k], NULL);
}

/* All threads in one arena: whatever they do, they do to each other. */
static void mode_race(struct mover *m)
{
	run_threads(m, thread_moves, 1000);
}

static void *thread_hammers(void *arg)
{
	struct thread *t = arg;

	for (int i = 0; i < t->n; i++) {
		char *at = t->m->arena + upto(&t->seed, 4) * PAGE;

		if (upto(&t->seed, 2))
			mmap(at, PAGE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		else
			munmap(at, PAGE);
	}
	return NULL;
}

/* mmap and munmap of the same four pages only: the order of the calls is all there is. Each time
 * other four pages: what was taken in the wrong order stays wrong until it is seen. */
static void mode_hammer(struct mover *m)
{
	struct mover four = *m;

	for (int i = 0; i < PAGES / 4; i++) {
		four.arena = m->arena + (size_t)i * 4 * PAGE;
		run_threads(&four, thread_hammers, 100);
	}
	m->seed = four.seed;
	pause_ms(200);
}

static void *thread_own_arena(void *arg)
{
	struct thread *t = arg;
	struct mover own = *t->m;

	own.arena = arena_at(ARENAS + (t->k + 1) * APART);
	for (int i = 0; i < t->n; i++)
		move_any(&own, &t->seed);
	if (upto(&t->seed, 2))
		munmap(own.arena, PAGES * PAGE);
	return NULL;
}

/* Threads that come and go, each with what is its own, while the first one forks. */
static void mode_threads(struct mover *m)
{
	run_threads(m, thread_own_arena, 300);
	mode_fork(m);
}

static void *thread_execs(void *arg)
{
	struct thread *t = arg;
	char seed[16];

	pause_ms(200);
	snprintf(seed, sizeof(seed), "%u", t->seed);
	execl("/proc/self/exe", t->m->self, "--mode", "exec", "--seed", seed, NULL);
	return NULL;
}

/* A thread that is not the first calls execve: the process starts over with its id. */
static void mode_exec(struct mover *m)
{
	pthread_t id;
	struct thread t = { .m = m, .seed = m->seed + 1 };

	mode_any(m);
	if (!pthread_create(&id, NULL, thread_execs, &t))
		pthread_join(id, NULL);
}

/* The first thread ends; the process goes on. */
static void mode_leader(struct mover *m)
{
	run_threads(m, thread_moves, 200);
}

static void mode_many(struct mover *m)
{
	static bool made;
	pid_t pid;

	if (!made) {
		char *p = mmap(NULL, 25000 * 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		for (size_t i = 0; i < 25000; i++)	/* 50,000 regions; 65,530 is the limit */
			mprotect(p + i * 2 * PAGE, PAGE, PROT_READ);
		made = true;
	}
	mode_any(m);
	pid = fork();
	if (!pid) {
		for (int i = 0; i < 500; i++)
			move_any(m, &m->seed);
		pause_ms(150);
		_exit(0);
	}
	wait_for(pid);
}

static const struct mode {
	const char *name;
	void (*round)(struct mover *m);
} modes[] = {
	{ "any", mode_any }, { "brk", mode_brk }, { "growsdown", mode_growsdown },
	{ "stack", mode_stack }, { "fork", mode_fork }, { "vfork", mode_vfork },
	{ "race", mode_race }, { "hammer", mode_hammer }, { "threads", mode_threads },
	{ "exec", mode_exec }, { "leader", mode_leader }, { "many", mode_many },
};

static int open_file(void)
{
	char name[] = "/tmp/moverXXXXXX";
	int fd = mkstemp(name);

	if (fd >= 0) {
		unlink(name);
		if (ftruncate(fd, 64 * PAGE))
			return -1;
	}
	return fd;
}

struct run {
	struct mover *m;
	const struct mode *mode;
	double end;
};

static void *run_mode(void *arg)
{
	struct run *run = arg;

	while (now() < run->end) {
		run->mode->round(run->m);
		pause_ms(60);
	}
	exit(0);
}

int main(int argc, char **argv)
{
	struct mover m = { .self = argv[0], .seed = 1, .n_threads = 4 };
	struct run run = { .m = &m, .end = now() + 3600 };
	pthread_t id;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (int i = 1; i + 1 < argc; i += 2) {
		if (!strcmp(argv[i], "--seconds"))
			run.end = now() + atof(argv[i + 1]);
		else if (!strcmp(argv[i], "--seed"))
			m.seed = (unsigned int)atoi(argv[i + 1]);
		else if (!strcmp(argv[i], "--threads"))
			m.n_threads = (unsigned int)atoi(argv[i + 1]);
		else if (!strcmp(argv[i], "--mode"))
			for (size_t k = 0; k < sizeof(modes) / sizeof(modes[0]); k++)
				if (!strcmp(argv[i + 1], modes[k].name))
					run.mode = &modes[k];
	}
	m.file = open_file();
	m.memfd = memfd_create("mover", 0);
	m.arena = arena_at(ARENAS);
	if (!run.mode || m.file < 0 || m.memfd < 0 || m.arena == MAP_FAILED ||
	    ftruncate(m.memfd, 64 * PAGE))
		return 2;
	printf("ready pid=%d\n", getpid());
	fflush(stdout);
	if (strcmp(run.mode->name, "leader"))
		run_mode(&run);
	if (!pthread_create(&id, NULL, run_mode, &run))
		pthread_exit(NULL);
	return 1;
}
