/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Opens zlib streams where a stack is hard to walk.
 *
 *   --where signal       in a signal handler, which interrupted interrupted_work()
 *           alternate    likewise, on an alternate stack
 *           vdso         in the handler of a timer that interrupts the kernel's vdso, mostly
 *           deep         400 calls deep
 *           threads      one in each of --count threads, all of which live until the end
 *           libraries    called by take(open_stream) in a library given by --library, which is closed
 *                        again; then in the next one
 *   --count N --rate R   as everywhere
 */
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>
#include <zlib.h>

#include "tests/programs/program.h"

#define USAGE "limits --where PLACE [--count N] [--rate R] [--library L]... [--wait] [--hold]"
#define DEPTH 400
#define N_LIBRARIES 2

typedef void (*take_fn)(void (*open)(void));

struct work {
	unsigned long count, rate;
	const char *libraries[N_LIBRARIES];
	size_t n_libraries;
	pthread_barrier_t all_open, all_seen;
};

static volatile unsigned long opened;
static volatile unsigned long wanted;

static KEEP_FRAME void open_stream(void)
{
	z_stream *stream = calloc(1, sizeof(*stream));

	if (!stream || inflateInit2(stream, 15) != Z_OK)
		die("inflateInit2");
	__atomic_add_fetch(&opened, 1, __ATOMIC_RELAXED);
}

/* The interrupted function holds no lock of malloc's. */
static KEEP_FRAME void on_signal(int number)
{
	if (opened < wanted)
		open_stream();
}

static void catch(int number, int flags)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = flags };

	if (sigaction(number, &action, NULL))
		die("sigaction");
}

/* Without a function of the C library between it and the signal. */
static KEEP_FRAME void interrupted_work(struct pace *pace)
{
	__asm__ volatile("int3");
	pace__step(pace);
}

static void in_signals(struct work *work, bool alternate)
{
	stack_t stack = { .ss_size = 1 << 16, .ss_sp = malloc(1 << 16) };
	struct pace pace;

	if (alternate && sigaltstack(&stack, NULL))
		die("sigaltstack");
	catch(SIGTRAP, alternate ? SA_ONSTACK : 0);
	pace__init(&pace, work->rate);
	for (unsigned long i = 0; i < work->count; i++)
		interrupted_work(&pace);
}

static KEEP_FRAME void read_the_clock(void)
{
	struct timespec t;

	for (int i = 0; i < 1000; i++)
		clock_gettime(CLOCK_MONOTONIC, &t);
}

static void in_vdso(struct work *work)
{
	long us = 1000000 / (long)work->rate;
	struct itimerval timer = { .it_interval.tv_usec = us, .it_value.tv_usec = us };

	catch(SIGALRM, 0);
	if (setitimer(ITIMER_REAL, &timer, NULL))
		die("setitimer");
	while (opened < work->count)
		read_the_clock();
	timer = (struct itimerval){};
	setitimer(ITIMER_REAL, &timer, NULL);
}

static KEEP_FRAME unsigned int go_down(unsigned int depth)
{
	if (!depth)
		open_stream();
	return depth ? go_down(depth - 1) + 1 : 0;
}

static KEEP_FRAME void *thread_body(void *ctx)
{
	struct work *work = ctx;

	open_stream();
	pthread_barrier_wait(&work->all_open);
	pthread_barrier_wait(&work->all_seen);
	return NULL;
}

/* Returns when each has opened its stream; they end with the process. */
static void in_threads(struct work *work)
{
	pthread_attr_t attr;
	pthread_t thread;

	if (pthread_barrier_init(&work->all_open, NULL, (unsigned int)work->count + 1) ||
	    pthread_barrier_init(&work->all_seen, NULL, (unsigned int)work->count + 1) ||
	    pthread_attr_init(&attr) || pthread_attr_setstacksize(&attr, 64 << 10))
		die("attributes");
	for (unsigned long i = 0; i < work->count; i++) {
		errno = pthread_create(&thread, &attr, thread_body, work);
		if (errno)
			die("pthread_create");
	}
	pthread_barrier_wait(&work->all_open);
}

static void in_libraries(struct work *work)
{
	struct pace pace;

	pace__init(&pace, work->rate);
	for (size_t i = 0; i < work->n_libraries; i++) {
		void *library = dlopen(work->libraries[i], RTLD_LAZY);
		take_fn take = library ? (take_fn)dlsym(library, "take") : NULL;

		if (!take) {
			fprintf(stderr, "%s\n", dlerror());
			exit(1);
		}
		for (unsigned long n = 0; n < work->count; n++) {
			take(open_stream);
			pace__step(&pace);
		}
		dlclose(library);
	}
}

static void work_at(const char *where, struct work *work)
{
	struct pace pace;

	if (!strcmp(where, "signal") || !strcmp(where, "alternate")) {
		in_signals(work, where[0] == 'a');
	} else if (!strcmp(where, "vdso")) {
		in_vdso(work);
	} else if (!strcmp(where, "threads")) {
		in_threads(work);
	} else if (!strcmp(where, "libraries")) {
		in_libraries(work);
	} else if (!strcmp(where, "deep")) {
		pace__init(&pace, work->rate);
		for (unsigned long i = 0; i < work->count; i++) {
			go_down(DEPTH);
			pace__step(&pace);
		}
	} else {
		die_usage(USAGE);
	}
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "where", 1, NULL, 'W' }, { "count", 1, NULL, 'n' }, { "rate", 1, NULL, 'r' },
		{ "library", 1, NULL, 'l' }, { "wait", 0, NULL, 'w' }, { "hold", 0, NULL, 'h' }, {},
	};
	static struct work work = { .count = 200, .rate = 200 };
	bool waits = false, holds = false;
	const char *where = NULL;
	char counts[100];
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'W')
			where = optarg;
		else if (c == 'n')
			work.count = number_of(optarg, USAGE);
		else if (c == 'r')
			work.rate = number_of(optarg, USAGE);
		else if (c == 'l' && work.n_libraries < N_LIBRARIES)
			work.libraries[work.n_libraries++] = optarg;
		else if (c == 'w')
			waits = true;
		else if (c == 'h')
			holds = true;
		else
			die_usage(USAGE);
	}
	if (optind != argc || !where || !work.rate)
		die_usage(USAGE);
	wanted = work.count;	/* of signals: one may come too many */
	say_ready(waits);
	work_at(where, &work);
	snprintf(counts, sizeof(counts), "opened=%lu closed=0 open=%lu", opened, opened);
	say_done(counts, holds);
	_exit(0);
}
