/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * A healthy server with threads: each keeps a working set of blocks of all sizes, which grows for
 * --fill seconds to --blocks and is then replaced at random, for ever. glibc gives each thread an arena,
 * which it reserves, commits piece by piece and mostly keeps: memory grows and no object is behind it.
 */
#include <pthread.h>

#include "tests/programs/program.h"

#define USAGE \
	"arenas [--threads N] [--blocks N] [--fill S] [--seconds S] [--wait] [--hold]"
#define STEP_NS 1000000

static unsigned long n_blocks = 4000, fill_s = 3, seconds = 8;

struct worker {
	pthread_t thread;
	uint64_t random;
	void **blocks;
};

static uint64_t next_random(struct worker *w)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return w->random;
}

/* Mostly small, a few of up to 64 KiB: below what glibc maps for itself. */
static size_t draw_size(struct worker *w)
{
	return 16 + (next_random(w) % 4096 << (next_random(w) % 16 ? 0 : 4));
}

void replace_block(struct worker *w, unsigned long i);

KEEP_FRAME void replace_block(struct worker *w, unsigned long i)
{
	size_t size = draw_size(w);

	free(w->blocks[i]);
	w->blocks[i] = malloc(size);
	if (!w->blocks[i])
		die("malloc");
	memset(w->blocks[i], 1, size);
}

static void *work(void *arg)
{
	const unsigned long n_steps = seconds * 1000, n_fill = fill_s * 1000;
	struct worker *w = arg;
	struct pace pace;

	pace__init(&pace, 1000000000 / STEP_NS);
	for (unsigned long step = 0; step < n_steps; step++) {
		unsigned long bound = step < n_fill ? n_blocks * (step + 1) / n_fill : n_blocks;

		for (int i = 0; i < 10 && bound; i++)
			replace_block(w, next_random(w) % bound);
		pace__step(&pace);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "threads", required_argument, NULL, 't' }, { "blocks", required_argument, NULL, 'b' },
		{ "fill", required_argument, NULL, 'f' }, { "seconds", required_argument, NULL, 's' },
		{ "wait", no_argument, NULL, 'w' }, { "hold", no_argument, NULL, 'h' }, { 0 },
	};
	unsigned long n_threads = 8;
	bool waits = false, holds = false;
	struct worker *workers;
	char counts[64];
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 't': n_threads = number_of(optarg, USAGE); break;
		case 'b': n_blocks = number_of(optarg, USAGE); break;
		case 'f': fill_s = number_of(optarg, USAGE); break;
		case 's': seconds = number_of(optarg, USAGE); break;
		case 'w': waits = true; break;
		case 'h': holds = true; break;
		default: die_usage(USAGE);
		}
	}
	if (optind != argc)
		die_usage(USAGE);
	workers = calloc(n_threads, sizeof(*workers));
	if (!workers)
		die("calloc");
	say_ready(waits);
	for (unsigned long i = 0; i < n_threads; i++) {
		workers[i].random = 0x9e3779b97f4a7c15u * (i + 1);
		workers[i].blocks = calloc(n_blocks, sizeof(void *));
		if (!workers[i].blocks || pthread_create(&workers[i].thread, NULL, work, &workers[i]))
			die("a thread");
	}
	for (unsigned long i = 0; i < n_threads; i++)
		pthread_join(workers[i].thread, NULL);
	snprintf(counts, sizeof(counts), "threads=%lu", n_threads);
	say_done(counts, holds);
	return 0;
}
