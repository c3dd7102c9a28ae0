/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The input is an ELF file in memory: its functions, its code, its PLT, and names and lines of
 * places all over it. It has no path and DEBUGINFOD_URLS is not set, so no other file is opened but
 * a debug file whose build-id the fuzzer would have to guess.
 */
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "user/base/cleanup.h"
#include "user/symbol/elf_symbols.h"
#include "user/symbol/symbol.h"

#define N_PLACES 24

struct places {
	struct elf_symbol found[N_PLACES];
	size_t n;
};

static int note_symbol(void *ctx, const struct elf_symbol *symbol)
{
	struct places *places = ctx;

	if (!symbol->name[0])
		abort();
	places->found[places->n++ % N_PLACES] = *symbol;
	return 0;
}

static void resolve(struct symbolizer *symbolizer, uint64_t offset)
{
	struct symbol_query query = { .dev = 1, .ino = 1, .offset = offset };
	struct symbol symbol;
	int r = symbolizer__resolve(symbolizer, &query, &symbol);

	if (r != 0 && r != 1)
		abort();
	symbol__fini(&symbol);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t sz);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t sz)
{
	cleanup_fd int fd = memfd_create("fuzz", MFD_CLOEXEC);
	struct symbolizer *symbolizer;
	struct places places = {0};
	char name[ELF_NAME_MAX];
	uint8_t id[20], code[64];
	size_t n;

	if (fd < 0 || write(fd, data, sz) != (ssize_t)sz)
		return 0;
	elf_build_id(fd, id);
	elf_symbols__each(fd, note_symbol, &places);
	if (symbolizer__new(&symbolizer, &(struct symbolizer_opts){0}))
		return 0;
	if (symbolizer__add(symbolizer, 1, 1, dup(fd), NULL) == 0) {
		for (size_t i = 0; i < places.n && i < N_PLACES; i++) {
			elf_code__read(fd, places.found[i].vaddr, code, sizeof(code), &n);
			elf_plt__target(fd, places.found[i].vaddr, name);
			elf_got__target(fd, places.found[i].vaddr, name);
			resolve(symbolizer, places.found[i].file_offset);
			resolve(symbolizer, places.found[i].file_offset + 1);
		}
		for (uint64_t offset = 0; offset < sz; offset += 1 + sz / 32)
			resolve(symbolizer, offset);
	}
	symbolizer__free(symbolizer);
	return 0;
}
