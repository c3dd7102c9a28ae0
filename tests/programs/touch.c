/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Two leaks side by side: pieces that are written to in their first half, and pieces four times as
 * large that nobody touches. One in ten of each is kept. `done` says how much of which.
 *
 *   --count N --rate R   pieces of each, pieces per second
 *   --advise A           in the end the kernel is told to take the touched pages back and leave the
 *                        mappings: dontneed, free (and to do it now), remove (of shared memory)
 */
#include <sys/mman.h>

#include "tests/programs/program.h"

#define USAGE "touch [--count N] [--rate R] [--advise dontneed|free|remove] [--wait] [--hold]"
#define PIECE (256ul << 10)
#define MAX_KEPT 1000

static KEEP_FRAME char *take(size_t sz, int sharing)
{
	char *p = mmap(NULL, sz, PROT_READ | PROT_WRITE, sharing | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED || madvise(p, sz, MADV_NOHUGEPAGE))
		die("mmap");
	return p;
}

KEEP_FRAME char *take_touched(int sharing);
KEEP_FRAME char *take_untouched(void);

KEEP_FRAME char *take_touched(int sharing)
{
	char *p = take(PIECE, sharing);

	memset(p, 1, PIECE / 2);
	return p;
}

KEEP_FRAME char *take_untouched(void)
{
	return take(4 * PIECE, MAP_PRIVATE);
}

static int advice_of(const char *name)
{
	if (!strcmp(name, "dontneed"))
		return MADV_DONTNEED;
	if (!strcmp(name, "free"))
		return MADV_FREE;
	if (strcmp(name, "remove"))
		die_usage(USAGE);
	return MADV_REMOVE;
}

static void advise(char *const *kept, unsigned long n, int advice)
{
	for (unsigned long i = 0; i < n; i++) {
		if (madvise(kept[i], PIECE, advice))
			die("madvise");
		/* Freed pages stay until somebody wants them. */
		if (advice == MADV_FREE && madvise(kept[i], PIECE, MADV_PAGEOUT))
			die("madvise");
	}
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "count", required_argument, NULL, 'n' }, { "rate", required_argument, NULL, 'r' },
		{ "wait", no_argument, NULL, 'w' },	   { "hold", no_argument, NULL, 'h' },
		{ "advise", required_argument, NULL, 'a' }, {},
	};
	unsigned long count = 1000, rate = 500, kept = 0;
	static char *pieces[MAX_KEPT];
	bool wait = false, hold = false;
	struct pace pace;
	char counts[128];
	int option, advice = MADV_NORMAL;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'n': count = number_of(optarg, USAGE); break;
		case 'r': rate = number_of(optarg, USAGE); break;
		case 'a': advice = advice_of(optarg); break;
		case 'w': wait = true; break;
		case 'h': hold = true; break;
		default: die_usage(USAGE);
		}
	}
	if (count > 10 * MAX_KEPT)
		die_usage(USAGE);
	say_ready(wait);
	pace__init(&pace, rate);
	for (unsigned long i = 0; i < count; i++) {
		char *touched = take_touched(advice == MADV_REMOVE ? MAP_SHARED : MAP_PRIVATE);
		char *untouched = take_untouched();

		if (i % 10) {
			munmap(touched, PIECE);
			munmap(untouched, 4 * PIECE);
		} else {
			pieces[kept++] = touched;
		}
		pace__step(&pace);
	}
	if (advice != MADV_NORMAL)
		advise(pieces, kept, advice);
	snprintf(counts, sizeof(counts), "touched=%lu touched_resident=%lu untouched=%lu",
		 kept * PIECE, advice == MADV_NORMAL ? kept * PIECE / 2 : 0, 4 * kept * PIECE);
	say_done(counts, hold);
	return 0;
}
