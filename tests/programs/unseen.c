/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * What `unfreed verify` must find: a 64-bit program that moves memory by 32-bit system calls, which
 * pass other tracepoints. Once it is told to go it maps 16 pages in the ordinary way, gives the upper
 * half back unseen, maps 1 MiB unseen, and says where:
 *
 *   done extra=ADDR missing=ADDR      in decimal; 8 pages and 1 MiB
 */
#include <sys/mman.h>

#include "tests/programs/program.h"

#define USAGE "unseen [--wait] [--hold]"
#define PAGE 4096ul

static long call32(unsigned int number, uintptr_t a, unsigned long b)
{
	long r;

	__asm__ volatile("int $0x80"
			 : "=a"(r)
			 : "a"(number), "b"(a), "c"(b)
			 : "memory", "r8", "r9", "r10", "r11");
	return r;
}

static char *low(size_t sz)
{
	char *p = mmap(NULL, sz, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);

	if (p == MAP_FAILED)
		die("mmap");
	return p;
}

int main(int argc, char **argv)
{
	/* Apart, so that neither joins a mapping beside it. */
	const uint32_t fixed = 0x60000000;
	const uint32_t arguments[6] = { fixed, 1 << 20, PROT_READ | PROT_WRITE,
					MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1u, 0 };
	char counts[96], *memory, *seen;
	bool hold = argc > 2;	/* as the harness starts it: --wait --hold */

	memory = memcpy(low(PAGE), arguments, sizeof(arguments));
	say_ready(argc > 1);
	seen = low(16 * PAGE);
	if (call32(91, (uintptr_t)seen + 8 * PAGE, 8 * PAGE))
		die("munmap");
	if ((uint32_t)call32(90, (uintptr_t)memory, 0) != fixed)
		die("mmap");
	snprintf(counts, sizeof(counts), "extra=%lu missing=%lu",
		 (unsigned long)((uintptr_t)seen + 8 * PAGE), (unsigned long)fixed);
	say_done(counts, hold);
	return 0;
}
