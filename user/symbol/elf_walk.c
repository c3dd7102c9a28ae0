/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Walks over the entries of symbol tables and relocations: read in pieces of whole entries and
 * widened to 64 bits, so that a table of any size takes one small buffer. The byte order is ours,
 * elf_file__open() has seen to that.
 */
#include "user/symbol/elf_file.h"

#include <errno.h>
#include <stdlib.h>

#include "user/base/cleanup.h"

#define CHUNK_SZ 49152		/* bytes; a multiple of 16 and of 24, the sizes of the entries */

typedef int (*chunk_fn)(void *ctx, const void *entries, size_t n);

struct walk {
	const struct elf_file *file;
	elf_symbol_entry_fn symbol;
	elf_reloc_entry_fn reloc;
	void *ctx;
};

static int walk_chunks(const struct elf_file *file, const GElf_Shdr *section, Elf_Type type,
		       chunk_fn fn, void *ctx)
{
	size_t entry_sz = gelf_fsize(file->elf, type, 1, EV_CURRENT);
	cleanup_free char *buf = malloc(CHUNK_SZ);
	uint64_t n, left;
	size_t sz;
	int r;

	if (!buf)
		return -ENOMEM;
	if (!entry_sz || section->sh_entsize != entry_sz || (section->sh_flags & SHF_COMPRESSED))
		return -EBADMSG;
	n = section->sh_size / entry_sz;
	if (n > ELF_MAX_SYMBOLS)
		return -EBADMSG;
	left = n * entry_sz;
	for (uint64_t at = section->sh_offset; left; at += sz, left -= sz) {
		sz = left < CHUNK_SZ ? left : CHUNK_SZ;
		r = elf_file__read(file, at, buf, sz);
		if (r)
			return r;
		r = fn(ctx, buf, sz / entry_sz);
		if (r)
			return r;
	}
	return 0;
}

static int walk_symbols(void *ctx, const void *entries, size_t n)
{
	const struct walk *walk = ctx;
	int r = 0;

	for (size_t i = 0; i < n && !r; i++) {
		if (walk->file->is_64) {
			r = walk->symbol(walk->ctx, (const Elf64_Sym *)entries + i);
		} else {
			const Elf32_Sym *s = (const Elf32_Sym *)entries + i;
			GElf_Sym wide = {
				.st_name = s->st_name,
				.st_info = s->st_info,
				.st_other = s->st_other,
				.st_shndx = s->st_shndx,
				.st_value = s->st_value,
				.st_size = s->st_size,
			};

			r = walk->symbol(walk->ctx, &wide);
		}
	}
	return r;
}

int elf_file__each_symbol(const struct elf_file *file, const GElf_Shdr *section,
			  elf_symbol_entry_fn fn, void *ctx)
{
	struct walk walk = { .file = file, .symbol = fn, .ctx = ctx };

	return walk_chunks(file, section, ELF_T_SYM, walk_symbols, &walk);
}

static int walk_relocs(void *ctx, const void *entries, size_t n)
{
	const struct walk *walk = ctx;
	int r = 0;

	for (size_t i = 0; i < n && !r; i++)
		r = walk->reloc(walk->ctx, (const Elf64_Rela *)entries + i);
	return r;
}

int elf_file__each_reloc(const struct elf_file *file, const GElf_Shdr *section,
			 elf_reloc_entry_fn fn, void *ctx)
{
	struct walk walk = { .file = file, .reloc = fn, .ctx = ctx };

	if (!file->is_64)
		return 1;
	return walk_chunks(file, section, ELF_T_RELA, walk_relocs, &walk);
}
