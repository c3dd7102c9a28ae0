/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * A 32-bit program without a library, which no distribution has to have: it maps 64 pieces of 1 MiB,
 * 20 ms apart, gives every fourth back, says `done`, and stays. The Makefile builds it with -m32.
 */
#define SYS_WRITE 4
#define SYS_MMAP 90	/* the old one, with its arguments in memory */
#define SYS_MUNMAP 91
#define SYS_NANOSLEEP 162
#define SYS_PAUSE 29
#define PIECE (1u << 20)

static long call(long number, const void *a, unsigned long b, unsigned long c)
{
	long r;

	__asm__ volatile("int $0x80" : "=a"(r) : "a"(number), "b"(a), "c"(b), "d"(c) : "memory");
	return r;
}

static void take(unsigned int i)
{
	static const unsigned long arguments[6] = { 0, PIECE, 3, 0x22, -1ul, 0 };
	static const long pause[2] = { 0, 20000000 };
	long p = call(SYS_MMAP, arguments, 0, 0);

	if (i % 4 == 3)
		call(SYS_MUNMAP, (const void *)p, PIECE, 0);
	call(SYS_NANOSLEEP, pause, 0, 0);
}

void _start(void);
void _start(void)
{
	for (unsigned int i = 0; i < 64; i++)
		take(i);
	call(SYS_WRITE, (const void *)1, (unsigned long)"done\n", 5);
	for (;;)
		call(SYS_PAUSE, (const void *)0, 0, 0);
}
