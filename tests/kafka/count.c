/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The independent witness: starts a command and counts, by the kernel's own perf events and no code
 * of unfreed's, each call that it makes of two functions:
 *
 *   count FILE LIBRARY OPEN_OFFSET CLOSE_OFFSET COMMAND ARG...
 *
 * FILE gets each call, `o` or `c`, the thread and nanoseconds of CLOCK_MONOTONIC, and when the
 * command has ended a last line `end` with the number of samples that the kernel had no room for:
 * 0, or the counts are none. SIGINT and SIGTERM kill the command.
 *
 * The events are of the whole system and sorted out here: one of perf's uprobes cannot be inherited
 * by threads (the kernel reads its path anew, in the thread's own memory).
 */
#include <errno.h>
#include <linux/perf_event.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define RING_PAGES 256
#define RING_SZ (RING_PAGES * 4096ul)
#define EVERY_MS 5
#define CPUS_MAX 256

struct counter {
	int fd;
	char letter;
	struct perf_event_mmap_page *ring;
};

static struct counter counters[2 * CPUS_MAX];
static size_t n_counters;
static volatile sig_atomic_t ended_by;
static unsigned long untold;

static void die(const char *what)
{
	fprintf(stderr, "count: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int uprobe_type(void)
{
	FILE *file = fopen("/sys/bus/event_source/devices/uprobe/type", "r");
	int type;

	if (!file || fscanf(file, "%d", &type) != 1)
		die("perf's uprobes");
	fclose(file);
	return type;
}

static void add(int cpu, const char *path, const char *offset, char letter)
{
	struct perf_event_attr attr = {
		.type = (unsigned int)uprobe_type(),
		.size = sizeof(attr),
		.config1 = (unsigned long)path,
		.config2 = strtoul(offset, NULL, 0),
		.sample_period = 1,
		.sample_type = PERF_SAMPLE_TID | PERF_SAMPLE_TIME,
		.use_clockid = 1,
		.clockid = CLOCK_MONOTONIC,
		.watermark = 1,
		.wakeup_watermark = RING_SZ / 2,
	};
	struct counter *c = &counters[n_counters++];

	c->letter = letter;
	c->fd = (int)syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
	if (c->fd < 0)
		die("perf_event_open");
	c->ring = mmap(NULL, 4096 + RING_SZ, PROT_READ | PROT_WRITE, MAP_SHARED, c->fd, 0);
	if (c->ring == MAP_FAILED)
		die("mmap");
}

/* Records lie at multiples of 8 and their size is one: 64-bit words never wrap. */
static unsigned long word(const struct counter *c, unsigned long at)
{
	return *(const unsigned long *)((const char *)c->ring + 4096 + at % RING_SZ);
}

static void drain(struct counter *c, pid_t pid, FILE *out)
{
	unsigned long head = __atomic_load_n(&c->ring->data_head, __ATOMIC_ACQUIRE);
	unsigned long tail = c->ring->data_tail;

	while (tail < head) {
		unsigned long first = word(c, tail);
		struct perf_event_header h;

		memcpy(&h, &first, sizeof(h));
		if (h.type == PERF_RECORD_SAMPLE && (pid_t)word(c, tail + 8) == pid)
			fprintf(out, "%c %lu %lu\n", c->letter, word(c, tail + 8) >> 32,
				word(c, tail + 16));
		else if (h.type == PERF_RECORD_LOST)	/* id, lost */
			untold += word(c, tail + 16);
		tail += h.size;
	}
	__atomic_store_n(&c->ring->data_tail, tail, __ATOMIC_RELEASE);
}

static void on_signal(int number)
{
	ended_by = number;
}

/* The command waits for a byte, so that it is counted from its first instruction. */
static pid_t start(char **argv, int *go)
{
	int fds[2];
	pid_t pid;
	char byte;

	if (pipe(fds))
		die("pipe");
	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid) {
		close(fds[1]);
		if (read(fds[0], &byte, 1) != 1)
			_exit(1);
		close(fds[0]);
		execvp(argv[0], argv);
		die(argv[0]);
	}
	close(fds[0]);
	*go = fds[1];
	return pid;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_signal };
	long n_cpus = sysconf(_SC_NPROCESSORS_CONF);
	int go, status;
	FILE *out;
	pid_t pid;

	if (argc < 6 || n_cpus > CPUS_MAX) {
		fprintf(stderr, "count FILE LIBRARY OPEN_OFFSET CLOSE_OFFSET COMMAND ARG...\n");
		return 2;
	}
	out = fopen(argv[1], "we");
	if (!out)
		die(argv[1]);
	pid = start(argv + 5, &go);
	for (int cpu = 0; cpu < n_cpus; cpu++) {
		add(cpu, argv[2], argv[3], 'o');
		add(cpu, argv[2], argv[4], 'c');
	}
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	if (write(go, "", 1) != 1)
		die("the command");
	close(go);
	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (ended_by)
			kill(pid, SIGKILL);
		for (size_t i = 0; i < n_counters; i++)
			drain(&counters[i], pid, out);
		poll(NULL, 0, EVERY_MS);
	}
	for (size_t i = 0; i < n_counters; i++)
		drain(&counters[i], pid, out);
	fprintf(out, "end %lu\n", untold);
	return fclose(out) ? 1 : 0;
}
