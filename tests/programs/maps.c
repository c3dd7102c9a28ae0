/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Maps one page of a file again and again, which never join, until the kernel refuses the next: a
 * process of hardly any memory that ends at vm.max_map_count. --first N of them before `ready`.
 */
#include <fcntl.h>
#include <sys/mman.h>

#include "tests/programs/program.h"

#define USAGE "maps [--first N] [--rate PER_SECOND] [--wait] [--hold]"

bool map_segment(int fd);

KEEP_FRAME bool map_segment(int fd)
{
	return mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) != MAP_FAILED;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "first", required_argument, NULL, 'f' }, { "rate", required_argument, NULL, 'r' },
		{ "wait", no_argument, NULL, 'w' }, { "hold", no_argument, NULL, 'h' }, { 0 },
	};
	unsigned long first = 0, rate = 1000, n = 0;
	bool waits = false, holds = false;
	char counts[64];
	struct pace pace;
	int c, fd;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'f': first = number_of(optarg, USAGE); break;
		case 'r': rate = number_of(optarg, USAGE); break;
		case 'w': waits = true; break;
		case 'h': holds = true; break;
		default: die_usage(USAGE);
		}
	}
	if (optind != argc)
		die_usage(USAGE);
	fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		die("/proc/self/exe");
	while (first--)
		if (!map_segment(fd))
			die("the first mappings");
	say_ready(waits);
	pace__init(&pace, rate);
	while (map_segment(fd)) {
		n++;
		pace__step(&pace);
	}
	snprintf(counts, sizeof(counts), "mapped=%lu", n);
	say_done(counts, holds);
	return 0;
}
