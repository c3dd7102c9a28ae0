/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * How fast a capture is written and replayed: the reader alone, and with model and detector behind
 * it, as `unfreed report` does it. The records are those of a server: 50 threads that open and close
 * streams and map memory, with a tick each 100 ms at 50,000 events a second.
 *
 *   bench_replay [EVENTS]     (2,000,000)
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "user/detect/detector.h"
#include "user/wire/capture.h"

#define TGID 4121
#define N_STACKS 200
#define EVENTS_PER_TICK 5000
#define STEP_NS 20000
#define LIVE 4096		/* handles and regions that are held at any time */

struct bench {
	struct capture_writer *writer;
	uint64_t now_ns, random;
};

/* Of CPU time: the machine may have other work. */
static uint64_t clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void must(int r, const char *what)
{
	if (r) {
		fprintf(stderr, "bench_replay: %s: %s\n", what, strerror(-r));
		exit(1);
	}
}

static uint64_t next_random(struct bench *bench)
{
	bench->random ^= bench->random << 13;
	bench->random ^= bench->random >> 7;
	return bench->random ^= bench->random << 17;
}

static void add(struct bench *bench, struct ev_header *h, uint16_t type, size_t size)
{
	h->time_ns = bench->now_ns;
	h->type = type;
	h->size = (uint32_t)size;
	if (type < EV_TICK) {
		h->tgid = TGID;
		h->tid = (uint32_t)(TGID + next_random(bench) % 50);
	}
	must(capture_writer__add(bench->writer, h), "add");
}

static void add_stacks(struct bench *bench)
{
	uint64_t buffer[(sizeof(struct ev_stack) + 20 * sizeof(struct ev_frame)) / 8] = { 0 };
	struct ev_stack *ev = (struct ev_stack *)buffer;

	ev->n_frames = 20;
	for (uint64_t id = 1; id <= N_STACKS; id++) {
		ev->id = id;
		for (int i = 0; i < 20; i++)
			ev->frames[i].pc = 0x400000 + 16 * (next_random(bench) % 100000);
		add(bench, &ev->h, EV_STACK, sizeof(buffer));
	}
}

/* One that is held is given back, another is taken in its place. */
static void add_pair_of_events(struct bench *bench, uint64_t i)
{
	uint64_t slot = next_random(bench) % LIVE, stack = 1 + next_random(bench) % N_STACKS;

	bench->now_ns += STEP_NS;
	if (i % 2) {
		struct ev_handle ev = { .handle = 0x10000 + 64 * slot, .bytes = 40000 };

		add(bench, &ev.h, EV_HANDLE_CLOSE, sizeof(ev));
		bench->now_ns += STEP_NS;
		ev.stack = stack;
		add(bench, &ev.h, EV_HANDLE_OPEN, sizeof(ev));
	} else {
		struct ev_mmap ev = { .stack = stack, .addr = 0x7f0000000000 + 0x20000 * slot,
				      .len = 0x10000, .prot = PROT_READ | PROT_WRITE,
				      .flags = MAP_PRIVATE | MAP_ANONYMOUS };
		struct ev_munmap gone = { .addr = ev.addr, .len = ev.len };

		add(bench, &gone.h, EV_MUNMAP, sizeof(gone));
		bench->now_ns += STEP_NS;
		add(bench, &ev.h, EV_MMAP, sizeof(ev));
	}
}

static void write_capture(const char *path, uint64_t n)
{
	static const struct capture_facts facts = { .flags = CAPTURE_KEEP_EXITED };
	struct bench bench = { .now_ns = 1, .random = 0x9E3779B97F4A7C15ull };
	uint64_t start = clock_ns(), ns;
	struct ev_header tick = {};

	must(capture_writer__new(&bench.writer, path, &facts), path);
	add_stacks(&bench);
	for (uint64_t i = 0; i < n / 2; i++) {
		add_pair_of_events(&bench, i);
		if (i % (EVENTS_PER_TICK / 2) == 0)
			add(&bench, &tick, EV_TICK, sizeof(tick));
	}
	must(capture_writer__end(bench.writer), "end");
	ns = clock_ns() - start;
	printf("  written:           %6.2f M events/s, %.1f bytes each in the file\n",
	       (double)n * 1e3 / (double)ns,
	       (double)capture_writer__size(bench.writer) / (double)n);
	capture_writer__free(bench.writer);
}

/* Reads it all; into the model and the detector when there is one. Returns the records. */
static uint64_t replay(const char *path, struct world *world, struct detector *detector)
{
	struct capture_reader *reader;
	const struct ev_header *h;
	FILE *file = fopen(path, "re");
	uint64_t n = 0;
	int r;

	if (!file)
		exit(1);
	must(capture_reader__new(&reader, file), "open");
	while ((r = capture_reader__next(reader, &h)) > 0) {
		n++;
		if (!world)
			continue;
		must(world__apply(world, h), "apply");
		if (h->type == EV_TICK)
			must(detector__check(detector, world), "check");
	}
	must(r, "read");
	capture_reader__free(reader);
	fclose(file);
	return n;
}

static void line(const char *what, uint64_t n, uint64_t ns)
{
	printf("  %-18s %6.2f M events/s (goal 1.00)\n", what, (double)n * 1e3 / (double)ns);
}

int main(int argc, char **argv)
{
	uint64_t n = argc > 1 ? strtoull(argv[1], NULL, 10) : 2000000, start;
	char path[] = "/tmp/bench_replay.XXXXXX";
	struct detector *detector;
	struct world *world;
	int fd = mkstemp(path);

	if (fd < 0 || !n)
		return 1;
	close(fd);
	printf("replay: %" PRIu64 " events\n", n);
	write_capture(path, n);
	start = clock_ns();
	n = replay(path, NULL, NULL);
	line("read:", n, clock_ns() - start);
	must(detector__new(&detector, &(struct detector_opts){ .question = DETECTOR_ONE_SHOT }), "new");
	must(world__new(&world, &(struct world_opts){ .keep_exited = true,
						      .watcher = &detector_watcher,
						      .watcher_ctx = detector }), "new");
	detector__watch(detector, world);
	start = clock_ns();
	n = replay(path, world, detector);
	line("read and judged:", n, clock_ns() - start);
	world__free(world);
	detector__free(detector);
	unlink(path);
	return 0;
}
