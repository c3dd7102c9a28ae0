/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * A runtime in small: it makes a function at run time, through which every leaked piece is taken, and
 * writes its perf map, /tmp/perf-PID.map, which it removes at the end. With --memfd the code lies in
 * memory that is a file without a folder, as .NET has it; with --trampoline it keeps no frame pointer, as
 * CPython 3.12's; with --no-map nothing is written.
 */
#include <sys/mman.h>

#include "tests/programs/program.h"

static const char usage[] = "jitted [--count N] [--rate R] [--memfd] [--trampoline] [--no-map] [--wait]"
			    " [--hold]";

#define CODE_SZ 4096
#define PIECE_SZ 65536

/* push %rbp; mov %rsp,%rbp; call *%rdi; pop %rbp; ret */
static const unsigned char framed[] = { 0x55, 0x48, 0x89, 0xe5, 0xff, 0xd7, 0x5d, 0xc3 };

/* sub $8,%rsp; call *%rdi; add $8,%rsp; ret */
static const unsigned char trampoline[] = { 0x48, 0x83, 0xec, 0x08, 0xff, 0xd7,
					    0x48, 0x83, 0xc4, 0x08, 0xc3 };

typedef void (*made_function)(void (*callee)(void));

static void *make_code(bool memfd, const unsigned char *code, size_t code_sz)
{
	int fd = memfd ? memfd_create("doublemapper", MFD_CLOEXEC) : -1;
	int flags = memfd ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS;
	char *writable, *place;

	if (memfd && (fd < 0 || ftruncate(fd, CODE_SZ)))
		die("memfd");
	writable = mmap(NULL, CODE_SZ, PROT_READ | PROT_WRITE, flags, fd, 0);
	if (writable == MAP_FAILED)
		die("mmap");
	memcpy(writable + 64, code, code_sz);
	place = writable;
	if (memfd)
		place = mmap(NULL, CODE_SZ, PROT_READ | PROT_EXEC, flags, fd, 0);
	if (place == MAP_FAILED || mprotect(place, CODE_SZ, PROT_READ | PROT_EXEC))
		die("executable memory");
	return place + 64;
}

static void write_map(const char *path, const void *place, size_t code_sz)
{
	FILE *f = fopen(path, "w");

	if (!f)
		die(path);
	fprintf(f, "%lx %zx py::forget_piece:/srv/made.py\n", (unsigned long)place, code_sz);
	if (fclose(f))
		die(path);
}

KEEP_FRAME static void take_piece(void)
{
	if (mmap(NULL, PIECE_SZ, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
	    MAP_FAILED)
		die("mmap");
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "count", required_argument, NULL, 'c' }, { "rate", required_argument, NULL, 'r' },
		{ "memfd", no_argument, NULL, 'm' },	   { "no-map", no_argument, NULL, 'n' },
		{ "trampoline", no_argument, NULL, 't' },
		{ "wait", no_argument, NULL, 'w' },	   { "hold", no_argument, NULL, 'h' },
		{}
	};
	unsigned long count = 300, rate = 300;
	const unsigned char *code = framed;
	size_t code_sz = sizeof(framed);
	bool memfd = false, map = true, wait = false, hold = false;
	char path[64], counts[64];
	struct pace pace;
	void *place;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'c': count = number_of(optarg, usage); break;
		case 'r': rate = number_of(optarg, usage); break;
		case 'm': memfd = true; break;
		case 't': code = trampoline; code_sz = sizeof(trampoline); break;
		case 'n': map = false; break;
		case 'w': wait = true; break;
		case 'h': hold = true; break;
		default: die_usage(usage);
		}
	}
	place = make_code(memfd, code, code_sz);
	snprintf(path, sizeof(path), "/tmp/perf-%d.map", getpid());
	if (map)
		write_map(path, place, code_sz);
	say_ready(wait);
	pace__init(&pace, rate);
	for (unsigned long i = 0; i < count; i++) {
		((made_function)place)(take_piece);
		pace__step(&pace);
	}
	snprintf(counts, sizeof(counts), "opened=%lu closed=0 open=%lu", count, count);
	say_done(counts, hold);
	if (map)
		unlink(path);
	return 0;
}
