/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The program that is measured. It reads "KIND DEPTH PAIRS" from its standard input, does so many
 * pairs of calls under so many frames, and answers with the nanoseconds of its own CPU time that one
 * pair took: the median of SLICES slices, so that an interrupt spoils one and not the answer.
 *
 * DEPTH counts physical frames, from the function with the probe to _start.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#define SLICES 9
#define MAP_SZ (64 << 10)
/* The probed function, pair_x(), slice(), measure(), main(), __libc_start_call_main(),
 * __libc_start_main() and _start(). */
#define FIXED_FRAMES 8

/* Keeps the compiler from turning a call into a jump. */
#define stay() __asm__ volatile("" ::: "memory")

typedef void (*pair_fn)(void);

static _Alignas(64) char zlib_memory[64 << 10];

static void *take(void *opaque, unsigned int n, unsigned int sz)
{
	return (size_t)n * sz <= sizeof(zlib_memory) ? zlib_memory : NULL;
}

static void give_back(void *opaque, void *memory)
{
}

static __attribute__((noinline)) void pair_zlib(void)
{
	z_stream stream = { .zalloc = take, .zfree = give_back };

	if (inflateInit2_(&stream, 15, ZLIB_VERSION, (int)sizeof(stream)) != Z_OK)
		_exit(1);
	inflateEnd(&stream);
	stay();
}

static __attribute__((noinline)) void pair_mmap(void)
{
	void *p = mmap(NULL, MAP_SZ, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		_exit(1);
	munmap(p, MAP_SZ);
	stay();
}

static __attribute__((noinline)) void pair_other(void)
{
	syscall(SYS_getppid);
	stay();
}

static unsigned long cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (unsigned long)t.tv_sec * 1000000000 + (unsigned long)t.tv_nsec;
}

/* One slice of the pairs, below `deeper` further frames. */
static __attribute__((noinline)) double slice(pair_fn pair, int deeper, long n_pairs)
{
	unsigned long start;
	double ns;

	if (deeper > 0) {
		ns = slice(pair, deeper - 1, n_pairs);
		stay();
		return ns;
	}
	start = cpu_ns();
	for (long i = 0; i < n_pairs; i++)
		pair();
	return (double)(cpu_ns() - start) / (double)n_pairs;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static __attribute__((noinline)) double measure(pair_fn pair, int depth, long n_pairs)
{
	double ns[SLICES];

	for (int i = 0; i < SLICES; i++)
		ns[i] = slice(pair, depth - FIXED_FRAMES, (n_pairs + SLICES - 1) / SLICES);
	qsort(ns, SLICES, sizeof(ns[0]), compare);
	return ns[SLICES / 2];
}

int main(void)
{
	char kind[16];
	long n_pairs;
	int depth;

	while (scanf("%15s %d %ld", kind, &depth, &n_pairs) == 3) {
		pair_fn pair = !strcmp(kind, "mmap") ? pair_mmap :
			       !strcmp(kind, "zlib") ? pair_zlib : pair_other;

		if (depth < FIXED_FRAMES || depth > 1000 || n_pairs < SLICES)
			return 2;
		printf("%.2f\n", measure(pair, depth, n_pairs));
		fflush(stdout);
	}
	return 0;
}
