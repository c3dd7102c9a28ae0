/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Looks like a HotSpot JVM to who reads its memory, of the JDK asked for, and may lie: it maps a file
 * libjvm.so and beside it, as memory without a file, the rest of a made-up image (tests/unit/fake_jvm.h)
 * with a few real instructions in it. Opens zlib streams through an "interpreted" and a "compiled"
 * frame there.
 *
 *   --jdk N           8, 11, 17, 21, 25...
 *   --folder F        where libjvm.so is to be written
 *   --harm none       the image is a good one
 *          header     libjvm.so is no ELF file: a JVM of another make
 *          garbage    noise over all the tables
 *          endless    tables, heaps and compiled code that claim to be as long as can be
 *          cycle      code and scopes that lead in circles
 *          random     a few words that hurt, by --seed
 *          stacks     each stack is another one, with a method that is anywhere
 *   --count N --rate R    how many streams, how many per second (0: as fast as it goes)
 */
#include <sys/mman.h>
#include <fcntl.h>
#include <zlib.h>

#include "tests/programs/program.h"
#include "tests/unit/fake_jvm.h"

#define USAGE "fakejvm --jdk N --folder F [--harm HOW] [--seed S] [--count N] [--rate R] [--wait] [--hold]"

/* void (opener) with opener in rdi: push rbp; sub rsp,32; call rdi; add rsp,32; pop rbp; ret */
static const uint8_t compiled_before[] = { 0x55, 0x48, 0x83, 0xec, 0x20, 0xff, 0xd7 };
static const uint8_t compiled_behind[] = { 0x48, 0x83, 0xc4, 0x20, 0x5d, 0xc3 };

/* void (compiled, opener, method, bcp): an interpreter's frame around a call of compiled(opener) */
static const uint8_t interpreter_before[] = {
	0x55, 0x48, 0x89, 0xe5, 0x48, 0x8d, 0x45, 0x10, 0x50, 0x48, 0x83, 0xec, 0x58, 0x48, 0x89, 0x55,
	0xe8, 0x48, 0x89, 0x4d, 0xc0, 0x48, 0x89, 0xf8, 0x48, 0x89, 0xf7, 0xff, 0xd0,
};
static const uint8_t interpreter_behind[] = { 0xc9, 0xc3 };

typedef void (*opener_fn)(void);
typedef void (*compiled_fn)(opener_fn open);
typedef void (*interpreter_fn)(compiled_fn compiled, opener_fn open, uint64_t method, uint64_t bcp);

static KEEP_FRAME void open_stream(void)
{
	z_stream *stream = calloc(1, sizeof(*stream));

	if (!stream || inflateInit2(stream, 15) != Z_OK)
		die("inflateInit2");
}

static void put_code(struct fake_jvm *f, uint64_t pc, const uint8_t *before, size_t n_before,
		     const uint8_t *behind, size_t n_behind)
{
	memcpy(f->bytes + (pc - FAKE_BASE) - n_before, before, n_before);
	memcpy(f->bytes + (pc - FAKE_BASE), behind, n_behind);
}

static void harm(struct fake_jvm *f, const char *how, uint64_t seed)
{
	uint64_t state = seed * 0x9E3779B97F4A7C15ull | 1;

	if (!strcmp(how, "header"))
		memset(f->bytes, 0, 64);
	else if (!strcmp(how, "garbage"))
		for (size_t at = FAKE_CODE_OFF + FAKE_CODE_SZ; at + 8 <= f->used; at += 8)
			fake_put(f, FAKE_BASE + at, fake_random(&state), 8);
	else if (!strcmp(how, "endless"))
		fake_jvm__stretch(f);
	else if (!strcmp(how, "cycle"))
		fake_jvm__bend(f);
	else if (!strcmp(how, "random"))
		fake_jvm__harm(f, &state);
	else if (strcmp(how, "none") != 0 && strcmp(how, "stacks") != 0)
		die_usage(USAGE);
}

/* The first part as a file, the rest without. */
static void map_image(const struct fake_jvm *f, const char *folder)
{
	char path[4096];
	uint8_t *at;
	int fd;

	snprintf(path, sizeof(path), "%s/libjvm.so", folder);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);
	if (fd < 0 || write(fd, f->bytes, FAKE_CODE_OFF) != FAKE_CODE_OFF)
		die(path);
	at = mmap((void *)FAKE_BASE, FAKE_CODE_OFF, PROT_READ | PROT_EXEC,
		  MAP_PRIVATE | MAP_FIXED_NOREPLACE, fd, 0);
	if (at != (uint8_t *)FAKE_BASE)
		die("mmap of the file");
	at = mmap((void *)(FAKE_BASE + FAKE_CODE_OFF), FAKE_SZ - FAKE_CODE_OFF,
		  PROT_READ | PROT_WRITE | PROT_EXEC,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (at != (uint8_t *)FAKE_BASE + FAKE_CODE_OFF)
		die("mmap of the rest");
	memcpy(at, f->bytes + FAKE_CODE_OFF, FAKE_SZ - FAKE_CODE_OFF);
	close(fd);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "jdk", 1, NULL, 'j' }, { "folder", 1, NULL, 'f' }, { "harm", 1, NULL, 'H' },
		{ "seed", 1, NULL, 's' }, { "count", 1, NULL, 'n' }, { "rate", 1, NULL, 'r' },
		{ "wait", 0, NULL, 'w' }, { "hold", 0, NULL, 'h' }, {},
	};
	unsigned long jdk = 17, count = 100, rate = 200, seed = 1;
	const char *folder = NULL, *how = "none";
	bool waits = false, holds = false;
	struct fake_jvm *f = malloc(sizeof(*f));
	uint64_t state = 88172645463325252ull;
	char counts[100];
	struct pace pace;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'j': jdk = number_of(optarg, USAGE); break;
		case 'f': folder = optarg; break;
		case 'H': how = optarg; break;
		case 's': seed = number_of(optarg, USAGE); break;
		case 'n': count = number_of(optarg, USAGE); break;
		case 'r': rate = number_of(optarg, USAGE); break;
		case 'w': waits = true; break;
		case 'h': holds = true; break;
		default: die_usage(USAGE);
		}
	}
	if (optind != argc || !folder || !f)
		die_usage(USAGE);
	fake_jvm__init(f, (int)jdk);
	harm(f, how, seed);
	put_code(f, f->compiled_pc, compiled_before, sizeof(compiled_before), compiled_behind,
		 sizeof(compiled_behind));
	put_code(f, f->interpreter_pc, interpreter_before, sizeof(interpreter_before),
		 interpreter_behind, sizeof(interpreter_behind));
	if (jdk == 8)	/* the bcp is one word higher */
		f->bytes[f->interpreter_pc - FAKE_BASE - 9] = 0xc8;
	map_image(f, folder);
	say_ready(waits);
	pace__init(&pace, rate);
	for (unsigned long i = 0; i < count; i++) {
		uint64_t method = f->outer, bcp = f->outer_code + 12;

		if (!strcmp(how, "stacks")) {
			method = FAKE_BASE + fake_random(&state) % FAKE_SZ;
			bcp = i;
		}
		((interpreter_fn)(f->interpreter_pc - sizeof(interpreter_before)))(
			(compiled_fn)(f->compiled_pc - sizeof(compiled_before)), open_stream, method, bcp);
		pace__step(&pace);
	}
	snprintf(counts, sizeof(counts), "opened=%lu closed=0 open=%lu", count, count);
	say_done(counts, holds);
	return 0;
}
