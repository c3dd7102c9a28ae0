/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Two leaks side by side: pieces that are written to in their first half, and pieces four times as
 * large that nobody touches. One in ten of each is kept. `done` says how much of which.
 *
 *   --count N --rate R   pieces of each, pieces per second
 */
#include <sys/mman.h>

#include "tests/programs/program.h"

#define USAGE "touch [--count N] [--rate R] [--wait] [--hold]"
#define PIECE (256ul << 10)

static KEEP_FRAME char *take(size_t sz)
{
	char *p = mmap(NULL, sz, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED || madvise(p, sz, MADV_NOHUGEPAGE))
		die("mmap");
	return p;
}

KEEP_FRAME char *take_touched(void);
KEEP_FRAME char *take_untouched(void);

KEEP_FRAME char *take_touched(void)
{
	char *p = take(PIECE);

	memset(p, 1, PIECE / 2);
	return p;
}

KEEP_FRAME char *take_untouched(void)
{
	return take(4 * PIECE);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "count", required_argument, NULL, 'n' }, { "rate", required_argument, NULL, 'r' },
		{ "wait", no_argument, NULL, 'w' },	   { "hold", no_argument, NULL, 'h' },
		{},
	};
	unsigned long count = 1000, rate = 500, kept = 0;
	bool wait = false, hold = false;
	struct pace pace;
	char counts[128];
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'n': count = number_of(optarg, USAGE); break;
		case 'r': rate = number_of(optarg, USAGE); break;
		case 'w': wait = true; break;
		case 'h': hold = true; break;
		default: die_usage(USAGE);
		}
	}
	say_ready(wait);
	pace__init(&pace, rate);
	for (unsigned long i = 0; i < count; i++) {
		char *touched = take_touched(), *untouched = take_untouched();

		if (i % 10) {
			munmap(touched, PIECE);
			munmap(untouched, 4 * PIECE);
		} else {
			kept++;
		}
		pace__step(&pace);
	}
	snprintf(counts, sizeof(counts), "touched=%lu touched_resident=%lu untouched=%lu",
		 kept * PIECE, kept * PIECE / 2, 4 * kept * PIECE);
	say_done(counts, hold);
	return 0;
}
