/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * What the model costs: bytes per live region and per live handle, all told (as malloc counts them,
 * so with its headers and what the tables leave empty), and the time to apply a record while so
 * many are live. Regions come in the order of a kernel that hands out addresses downward, and in
 * random order.
 *
 *   bench_model [LIVE]     (1,000,000)
 */
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "user/model/region_map.h"
#include "user/model/world.h"

#define PAGE 4096ull
#define TGID 4121
#define N_STACKS 500
#define N_THREADS 50

struct bench {
	uint64_t n;
	uint32_t *order;	/* a permutation of 0..n-1 */
	struct world *world;
	uint64_t now_ns;
};

/* Of CPU time: the machine may have other work. */
static uint64_t clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* Large tables are mapped by themselves: malloc counts those apart. */
static uint64_t malloc_bytes(void)
{
	struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
}

static void must(int r, const char *what)
{
	if (r) {
		fprintf(stderr, "bench_model: %s: %s\n", what, strerror(-r));
		exit(1);
	}
}

static void shuffle(struct bench *bench)
{
	uint64_t s = 0x9E3779B97F4A7C15ull, i;

	for (i = 0; i < bench->n; i++)
		bench->order[i] = (uint32_t)i;
	for (i = bench->n - 1; i; i--) {
		uint32_t swapped = bench->order[i];
		uint64_t j;

		s ^= s << 13;
		s ^= s >> 7;
		s ^= s << 17;
		j = s % (i + 1);
		bench->order[i] = bench->order[j];
		bench->order[j] = swapped;
	}
}

static void line(const char *what, uint64_t n, uint64_t ns, uint64_t bytes)
{
	printf("  %-44s %7.0f ns each", what, (double)ns / (double)n);
	if (ns)
		printf("  %6.2f M/s", (double)n * 1e3 / (double)ns);
	if (bytes)
		printf("  %6.1f bytes each", (double)bytes / (double)n);
	printf("\n");
}

/* --- the interval map alone ------------------------------------------------------------------- */

static struct region_entry entry_at(uint64_t i)
{
	return (struct region_entry){ .start = (2 * i + 1) * PAGE, .end = (2 * i + 2) * PAGE,
				      .file = REGION_NO_FILE };
}

static void bench_map(const struct bench *bench, bool random)
{
	const uint64_t before = malloc_bytes();
	struct region_map map;
	struct region_entry e;
	uint64_t i, at, start, ns_insert, bytes;

	region_map__init(&map);
	start = clock_ns();
	for (i = 0; i < bench->n; i++) {
		e = entry_at(random ? bench->order[i] : bench->n - i);
		must(region_map__insert(&map, &e), "insert");
	}
	ns_insert = clock_ns() - start;
	bytes = malloc_bytes() - before;
	line(random ? "map: insert, random order" : "map: insert, downward", bench->n, ns_insert,
	     bytes);
	start = clock_ns();
	for (i = 0; i < bench->n; i++) {	/* at the full size, one out and in again */
		at = bench->order[bench->n - 1 - i] + !random;
		e = entry_at(at);
		region_map__remove(&map, e.start, e.end);
		must(region_map__insert(&map, &e), "insert");
	}
	line("map: remove and insert again, random", bench->n, clock_ns() - start, 0);
	region_map__fini(&map);
}

/* --- records ---------------------------------------------------------------------------------- */

static void apply(struct bench *bench, void *record, uint16_t type, size_t size, uint64_t i)
{
	struct ev_header *h = record;

	*h = (struct ev_header){ .time_ns = bench->now_ns += 1000, .tgid = TGID,
				 .tid = TGID + (uint32_t)(i % N_THREADS), .type = type,
				 .size = (uint32_t)size };
	must(world__apply(bench->world, h), "apply");
}

static void send_mmap(struct bench *bench, uint64_t i, uint64_t at)
{
	struct ev_mmap e = { .stack = 1 + i % N_STACKS, .addr = (2 * at + 1) * PAGE, .len = PAGE,
			     .prot = PROT_READ | PROT_WRITE,
			     .flags = MAP_PRIVATE | MAP_ANONYMOUS };

	apply(bench, &e, EV_MMAP, sizeof(e), i);
}

static void send_munmap(struct bench *bench, uint64_t i, uint64_t at)
{
	struct ev_munmap e = { .addr = (2 * at + 1) * PAGE, .len = PAGE };

	apply(bench, &e, EV_MUNMAP, sizeof(e), i);
}

static void send_open(struct bench *bench, uint64_t i, uint64_t at)
{
	struct ev_handle e = { .stack = 1 + i % N_STACKS, .handle = 0x7f0000000000 + at * 112,
			       .bytes = 40000 };

	apply(bench, &e, EV_HANDLE_OPEN, sizeof(e), i);
}

static void send_close(struct bench *bench, uint64_t i, uint64_t at)
{
	struct ev_handle e = { .handle = 0x7f0000000000 + at * 112, .comm = "main" };

	apply(bench, &e, EV_HANDLE_CLOSE, sizeof(e), i);
}

typedef void (*send_fn)(struct bench *bench, uint64_t i, uint64_t at);

static void bench_records(struct bench *bench, const char *what, send_fn take, send_fn give_back,
			  bool random)
{
	const struct world_opts opts = { .max_regions = 2 * bench->n, .max_handles = 2 * bench->n };
	char text[64];
	uint64_t i, before, start, bytes, ns;

	must(world__new(&bench->world, &opts), "world");
	send_open(bench, 0, bench->n + 1);	/* the process, before bytes are counted */
	before = malloc_bytes();
	start = clock_ns();
	for (i = 0; i < bench->n; i++)
		take(bench, i, random ? bench->order[i] : bench->n - 1 - i);
	ns = clock_ns() - start;
	bytes = malloc_bytes() - before;
	snprintf(text, sizeof(text), "%s: take, %s", what, random ? "random order" : "downward");
	line(text, bench->n, ns, bytes);
	start = clock_ns();
	for (i = 0; i < bench->n; i++) {
		give_back(bench, i, bench->order[bench->n - 1 - i]);
		take(bench, i, bench->order[bench->n - 1 - i]);
	}
	snprintf(text, sizeof(text), "%s: give back or take, random", what);
	line(text, 2 * bench->n, clock_ns() - start, 0);
	printf("  %-44s %7.1f MB\n", "the model says it holds",
	       (double)world__bytes_used(bench->world) / 1e6);
	bench->world = world__free(bench->world);
}

int main(int argc, char **argv)
{
	struct bench bench = { .n = 1000000, .now_ns = 1 };

	if (argc > 1)
		bench.n = strtoull(argv[1], NULL, 10);
	if (argc > 2 || bench.n < 2 || bench.n > UINT32_MAX / 4) {
		fprintf(stderr, "usage: bench_model [LIVE]\n");
		return 2;
	}
	bench.order = malloc(bench.n * sizeof(*bench.order));
	if (!bench.order)
		return 1;
	shuffle(&bench);
	printf("%" PRIu64 " live:\n", bench.n);
	bench_map(&bench, false);
	bench_map(&bench, true);
	bench_records(&bench, "regions", send_mmap, send_munmap, false);
	bench_records(&bench, "regions", send_mmap, send_munmap, true);
	bench_records(&bench, "handles", send_open, send_close, true);
	free(bench.order);
	return 0;
}
