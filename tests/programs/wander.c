/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Comes to the same place by ever changing ways, as fast as it can: a random path of calls through
 * four functions that treat the frame pointer in four ways, of which every fourth round changes a little. At the
 * end of the path it opens and closes a zlib stream and maps a page. So most of a stack is as it was
 * the last time, what lies at one address is often the same return address and often not, and a saved
 * bp is now a frame's and now just a number.
 *
 *   --count N     rounds of each thread
 *   --threads T   each on paths of its own
 */
#include <alloca.h>
#include <pthread.h>
#include <sys/mman.h>
#include <zlib.h>

#include "tests/programs/program.h"

#define USAGE "wander [--count N] [--threads T] [--wait] [--hold]"
#define MAX_DEPTH 60
#define MAX_THREADS 64
#define N_WAYS 4

struct path {
	uint64_t random;
	unsigned int depth;
	uint8_t way[MAX_DEPTH];
};

static unsigned long n_rounds = 20000;

static uint64_t next_random(struct path *path)
{
	path->random ^= path->random << 13;	/* xorshift64: Marsaglia, 2003 */
	path->random ^= path->random >> 7;
	path->random ^= path->random << 17;
	return path->random;
}

static KEEP_FRAME void arrive(void)
{
	z_stream stream = {};
	void *page;

	if (inflateInit2(&stream, 15) != Z_OK || inflateEnd(&stream) != Z_OK)
		die("inflate");
	page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED || munmap(page, 4096))
		die("mmap");
}

static unsigned long go_on(struct path *path, unsigned int at, unsigned long number);

#ifdef __clang__
#define FRAME_POINTER(how)
#else
#define FRAME_POINTER(how) __attribute__((optimize(how)))
#endif

/* Two numbers live across the call: one of them in bp. */
static KEEP_FRAME FRAME_POINTER("omit-frame-pointer")
unsigned long with_numbers(struct path *path, unsigned int at, unsigned long number)
{
	unsigned long other = number * 3 + at;

	return go_on(path, at, other ^ number) + other * number;
}

static KEEP_FRAME FRAME_POINTER("no-omit-frame-pointer")
unsigned long with_frame_pointer(struct path *path, unsigned int at, unsigned long number)
{
	return go_on(path, at, number + 1) ^ number;
}

/* Its size differs from call to call: only bp tells where its frame ends. */
static KEEP_FRAME unsigned long with_alloca(struct path *path, unsigned int at, unsigned long number)
{
	volatile char *room = alloca(16 + path->way[at - 1] * 16u);

	*room = 1;
	return go_on(path, at, number) + (unsigned long)*room;
}

static KEEP_FRAME FRAME_POINTER("omit-frame-pointer")
unsigned long with_nothing(struct path *path, unsigned int at, unsigned long number)
{
	return go_on(path, at, number) + 1;
}

static unsigned long go_on(struct path *path, unsigned int at, unsigned long number)
{
	static unsigned long (*const ways[N_WAYS])(struct path *, unsigned int, unsigned long) = {
		with_numbers, with_frame_pointer, with_alloca, with_nothing,
	};

	if (at < path->depth)
		return ways[path->way[at] % N_WAYS](path, at + 1, number);
	arrive();
	return number;
}

/* A turn at a random place, mostly far from the start; seldom another depth. */
static void change(struct path *path)
{
	uint64_t random = next_random(path);
	unsigned int place = (unsigned int)(random >> 8) % MAX_DEPTH;

	if (random % 4)
		place |= MAX_DEPTH / 2;
	path->way[place % MAX_DEPTH] = (uint8_t)(random >> 32);
	if (!(random % 16))
		path->depth = 1 + (unsigned int)(random >> 40) % MAX_DEPTH;
}

static KEEP_FRAME void *wander(void *ctx)
{
	struct path path = { .random = 0x9E3779B97F4A7C15ull * (uintptr_t)ctx, .depth = MAX_DEPTH };

	for (unsigned int i = 0; i < MAX_DEPTH; i++)
		path.way[i] = (uint8_t)(next_random(&path) >> 32);
	for (unsigned long i = 0; i < n_rounds; i++) {
		if (i % 4 == 0)
			change(&path);
		go_on(&path, 0, i);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	static const struct option rows[] = {
		{ "count", required_argument, NULL, 'c' }, { "threads", required_argument, NULL, 't' },
		{ "wait", no_argument, NULL, 'w' }, { "hold", no_argument, NULL, 'h' }, {},
	};
	unsigned long n_threads = 1;
	bool then_wait = false, then_hold = false;
	pthread_t threads[MAX_THREADS];
	char counts[64];
	int option;

	while ((option = getopt_long(argc, argv, "", rows, NULL)) != -1) {
		switch (option) {
		case 'c': n_rounds = number_of(optarg, USAGE); break;
		case 't': n_threads = number_of(optarg, USAGE); break;
		case 'w': then_wait = true; break;
		case 'h': then_hold = true; break;
		default: die_usage(USAGE);
		}
	}
	if (optind != argc || !n_threads || n_threads > MAX_THREADS)
		die_usage(USAGE);

	say_ready(then_wait);
	for (uintptr_t i = 0; i < n_threads; i++)
		if (pthread_create(&threads[i], NULL, wander, (void *)(i + 1)))
			die("pthread_create");
	for (uintptr_t i = 0; i < n_threads; i++)
		pthread_join(threads[i], NULL);
	n_rounds *= n_threads;
	snprintf(counts, sizeof(counts), "opened=%lu closed=%lu open=0", n_rounds, n_rounds);
	say_done(counts, then_hold);
	return 0;
}
