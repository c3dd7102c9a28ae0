/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * What the tests of the symbol room share: a folder of their own, libraries compiled into it, files
 * as byte arrays, and where this process has its own code.
 */
#ifndef UNFREED_TESTS_SYMBOL_FILES_H
#define UNFREED_TESTS_SYMBOL_FILES_H

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cmocka.h>

#include "user/base/cleanup.h"
#include "user/symbol/elf_symbols.h"
#include "user/symbol/symbol.h"

#define EXIT_SKIPPED 77

struct folder {
	char path[64];
};

static inline void folder__init(struct folder *folder)
{
	snprintf(folder->path, sizeof(folder->path), "/tmp/test_symbol.XXXXXX");
	assert_non_null(mkdtemp(folder->path));
}

/* A shell command, run in the folder, silent. */
__attribute__((format(printf, 2, 3)))
static inline bool run(const struct folder *folder, const char *format, ...)
{
	char command[2048], whole[2304];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	snprintf(whole, sizeof(whole), "cd %s && { %s; } >/dev/null 2>&1", folder->path, command);
	return system(whole) == 0;
}

static inline void folder__fini(struct folder *folder)
{
	run(folder, "rm -rf %s", folder->path);
}

static inline int open_in(const struct folder *folder, const char *name)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", folder->path, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static inline bool write_file(const struct folder *folder, const char *name, const char *text)
{
	cleanup_file FILE *f = NULL;
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", folder->path, name);
	f = fopen(path, "w");
	return f && fputs(text, f) >= 0;
}

/* A library of every kind of symbol, with a PLT call in `outer`, line tables and a build-id.
 * False: there is no compiler. */
static inline bool build_library(const struct folder *folder)
{
	static const char source[] =
		"#include <stdlib.h>\n"
		"int counter;\n"
		"__attribute__((noinline)) static int hidden(int x) { return (counter += x) * 3; }\n"
		"int alpha(int x) { return hidden(x) + 1; }\n"
		"int _alpha_alias(int x) __attribute__((alias(\"alpha\")));\n"
		"int weak_name(int x) __attribute__((weak, alias(\"beta\")));\n"
		"int beta(int x) { return hidden(x + 1) * 7; }\n"
		"void *outer(unsigned long n) { void *p = malloc(n); counter++; return p; }\n"
		"asm(\".text\\n.globl raw\\n.type raw, @function\\nraw: nop; nop; nop; nop; ret\\n\"\n"
		"    \".globl raw2\\n.type raw2, @function\\nraw2: nop; nop\\n ret\\n\");\n";

	return write_file(folder, "lib.c", source) &&
	       run(folder, "cc -O1 -g -fPIC -shared -Wl,--build-id=sha1 -o lib.so lib.c");
}

/* cmocka's set-up and tear-down of a group: a folder with that library. Skips without a compiler. */
static inline int library_set_up(void **state)
{
	static struct folder folder;

	folder__init(&folder);
	*state = &folder;
	if (!build_library(&folder)) {
		folder__fini(&folder);
		exit(EXIT_SKIPPED);
	}
	return 0;
}

static inline int library_tear_down(void **state)
{
	folder__fini(*state);
	return 0;
}

struct wanted {
	const char *name;
	struct elf_symbol found;	/* its name is not set */
	size_t n;
};

static inline int match_wanted(void *ctx, const struct elf_symbol *symbol)
{
	struct wanted *wanted = ctx;

	if (strcmp(symbol->name, wanted->name))
		return 0;
	wanted->found = *symbol;
	wanted->found.name = NULL;
	wanted->n++;
	return 0;
}

/* How often elf_symbols__each() names a function, and where it last did. */
static inline size_t find_symbol(int fd, const char *name, struct elf_symbol *out)
{
	struct wanted wanted = { .name = name };

	if (out)
		*out = (struct elf_symbol){0};

	assert_int_equal(elf_symbols__each(fd, match_wanted, &wanted), 0);
	if (wanted.n && out)
		*out = wanted.found;
	return wanted.n;
}

/* Where an address of this process lies in a file. */
struct place {
	char path[256];
	uint64_t offset, ino;
	uint32_t dev;
};

static inline struct place place_of(const void *address)
{
	cleanup_file FILE *f = fopen("/proc/self/maps", "r");
	uint64_t start, end, offset, ino, at = (uintptr_t)address;
	unsigned int dev_major, dev_minor;
	struct place place = {0};
	char line[512];

	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*s %" SCNx64 " %x:%x %" SCNu64 " %255s",
			   &start, &end, &offset, &dev_major, &dev_minor, &ino, place.path) != 7 ||
		    at < start || at >= end)
			continue;
		place.offset = at - start + offset;
		place.ino = ino;
		place.dev = dev_major << 20 | dev_minor;
		return place;
	}
	fail_msg("no mapping holds %p", address);
	return place;
}

#endif /* UNFREED_TESTS_SYMBOL_FILES_H */
