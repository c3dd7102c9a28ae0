/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * What the watched programs share: options, pace, and the lines by which a test follows them.
 *
 * A program prints `ready pid=N` when everything that is not its subject is behind it, does its
 * work at a steady pace, prints `done pid=N ...` with its own counts, and exits 0. With --wait it
 * reads a line between ready and the work, with --hold another one between done and its exit, so
 * that a test can attach before the first event and compare before the last.
 */
#ifndef UNFREED_TESTS_PROGRAM_H
#define UNFREED_TESTS_PROGRAM_H

#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* The stack tests look for these functions by name: not inlined, not cloned, not renamed. */
#ifdef __clang__
#define KEEP_FRAME __attribute__((noinline, optnone))
#else
#define KEEP_FRAME __attribute__((noipa))
#endif

static inline _Noreturn void die(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(1);
}

static inline _Noreturn void die_usage(const char *usage)
{
	fprintf(stderr, "usage: %s\n", usage);
	exit(2);
}

static inline unsigned long number_of(const char *text, const char *usage)
{
	unsigned long value;
	char *end;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno || end == text || *end)
		die_usage(usage);
	return value;
}

/* Waits for a line, or the end, of standard input, without stdio: it would allocate. */
static inline void wait_for_line(void)
{
	char c;

	while (read(STDIN_FILENO, &c, 1) == 1 && c != '\n')
		;
}

/* One write per line: two processes may share the pipe. */
static inline void say(const char *line)
{
	if (write(STDOUT_FILENO, line, strlen(line)) < 0)
		exit(1);
}

static inline void say_ready(bool then_wait)
{
	char line[64];

	snprintf(line, sizeof(line), "ready pid=%d\n", getpid());
	say(line);
	if (then_wait)
		wait_for_line();
}

static inline void say_done(const char *counts, bool then_hold)
{
	char line[256];

	snprintf(line, sizeof(line), "done pid=%d %s\n", getpid(), counts);
	say(line);
	if (then_hold)
		wait_for_line();
}

struct pace {
	struct timespec start;
	uint64_t interval_ns;
	uint64_t n;
};

static inline void pace__init(struct pace *pace, unsigned long per_second)
{
	*pace = (struct pace){ .interval_ns = per_second ? 1000000000u / per_second : 0 };
	clock_gettime(CLOCK_MONOTONIC, &pace->start);
}

/* Sleeps until the next step is due. */
static inline void pace__step(struct pace *pace)
{
	uint64_t due = ++pace->n * pace->interval_ns + (uint64_t)pace->start.tv_nsec;
	struct timespec at = {
		.tv_sec = pace->start.tv_sec + (time_t)(due / 1000000000u),
		.tv_nsec = (long)(due % 1000000000u),
	};

	if (pace->interval_ns)
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
}

#endif /* UNFREED_TESTS_PROGRAM_H */
