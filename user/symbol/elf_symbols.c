/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The functions of a file are gathered from .dynsym and .symtab into one array, an index of it
 * sorted by address, source and name shows which repeat an earlier one, and the rest is handed out
 * in the order of the file. The names of both tables are read whole for the time of the walk.
 *
 * A table that is broken spoils the walk (-EBADMSG): a probe must not be placed by half a table.
 */
#include "user/symbol/elf_symbols.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/cleanup.h"
#include "user/symbol/elf_file.h"

struct entry {
	uint64_t vaddr;
	uint64_t size;
	const char *name;	/* in names[] of the gathering, terminated there */
	uint32_t name_sz;	/* bytes before @VERSION or the terminator */
	bool is_dynamic, is_local, is_repeated;
};

struct gathering {
	const struct elf_file *file;
	char *names;		/* the string table of the section that is being walked */
	size_t names_sz;
	uint64_t work_left;	/* bytes of names: see gather() */
	bool is_dynamic;
	struct entry *entries;
	size_t n, capacity;
};

static int gather_one(void *ctx, const GElf_Sym *symbol)
{
	struct gathering *g = ctx;
	uint64_t offset;
	const char *name, *version;
	size_t sz;

	if (!elf_is_function(symbol))
		return 0;
	if (symbol->st_name >= g->names_sz)
		return -EBADMSG;
	name = g->names + symbol->st_name;
	sz = strnlen(name, ELF_NAME_MAX);
	if (__builtin_sub_overflow(g->work_left, sz, &g->work_left))
		return -EBADMSG;
	version = memchr(name, '@', sz);
	if (version)
		sz = version - name;
	if (!sz || sz == ELF_NAME_MAX)
		return 0;
	if (elf_file__offset_of(g->file, symbol->st_value, true, &offset, NULL))
		return 0;
	if (g->n == g->capacity) {
		size_t capacity = g->capacity ? g->capacity * 2 : 1024;
		struct entry *entries = reallocarray(g->entries, capacity, sizeof(*entries));

		if (!entries)
			return -ENOMEM;
		g->entries = entries;
		g->capacity = capacity;
	}
	g->entries[g->n++] = (struct entry){
		.vaddr = symbol->st_value,
		.size = symbol->st_size,
		.name = name,
		.name_sz = sz,
		.is_dynamic = g->is_dynamic,
		.is_local = GELF_ST_BIND(symbol->st_info) == STB_LOCAL,
	};
	return 0;
}

/* Gathers from the first section of that type. The names go to *names, which must outlive the
 * entries. No such section is no error. */
static int gather(struct gathering *g, uint32_t type, char **names)
{
	GElf_Shdr symbols, strings;
	int r;

	r = elf_file__find_section(g->file, type, NULL, &symbols);
	if (r)
		return r > 0 ? 0 : r;
	r = elf_file__section(g->file, symbols.sh_link, &strings);
	if (r)
		return r;
	if (strings.sh_type != SHT_STRTAB || strings.sh_size > ELF_MAX_NAMES_SZ ||
	    (strings.sh_flags & SHF_COMPRESSED))
		return -EBADMSG;
	*names = malloc(strings.sh_size + 1);
	if (!*names)
		return -ENOMEM;
	r = elf_file__read(g->file, strings.sh_offset, *names, strings.sh_size);
	if (r)
		return r;
	(*names)[strings.sh_size] = '\0';
	g->names = *names;
	g->names_sz = strings.sh_size;
	/* Names may share their ends, but not so that sorting them never comes to an end. */
	g->work_left = 4 * (uint64_t)strings.sh_size;
	g->is_dynamic = type == SHT_DYNSYM;
	return elf_file__each_symbol(g->file, &symbols, gather_one, g);
}

static int compare_names(const struct entry *a, const struct entry *b)
{
	if (a->name_sz != b->name_sz)
		return a->name_sz < b->name_sz ? -1 : 1;
	return memcmp(a->name, b->name, a->name_sz);
}

/* Equal entries stay in the order of the array, so that the first of them is the one kept. */
static int compare_entries(const void *va, const void *vb)
{
	const struct entry *a = *(struct entry *const *)va;
	const struct entry *b = *(struct entry *const *)vb;
	int r;

	if (a->vaddr != b->vaddr)
		return a->vaddr < b->vaddr ? -1 : 1;
	r = compare_names(a, b);
	if (r)
		return r;
	return a < b ? -1 : a > b;
}

static int mark_repeated(struct gathering *g)
{
	cleanup_free struct entry **sorted = NULL;

	if (!g->n)
		return 0;
	sorted = malloc(g->n * sizeof(*sorted));
	if (!sorted)
		return -ENOMEM;
	for (size_t i = 0; i < g->n; i++)
		sorted[i] = &g->entries[i];
	qsort(sorted, g->n, sizeof(*sorted), compare_entries);
	for (size_t i = 1; i < g->n; i++)
		if (sorted[i]->vaddr == sorted[i - 1]->vaddr &&
		    !compare_names(sorted[i], sorted[i - 1]))
			sorted[i]->is_repeated = true;
	return 0;
}

static int hand_out(const struct gathering *g, elf_symbol_fn fn, void *ctx)
{
	char name[ELF_NAME_MAX];
	int r;

	for (size_t i = 0; i < g->n; i++) {
		const struct entry *e = &g->entries[i];
		struct elf_symbol symbol = {
			.name = e->name,
			.vaddr = e->vaddr,
			.size = e->size,
			.is_dynamic = e->is_dynamic,
			.is_local = e->is_local,
		};

		if (e->is_repeated)
			continue;
		if (e->name[e->name_sz]) {
			memcpy(name, e->name, e->name_sz);
			name[e->name_sz] = '\0';
			symbol.name = name;
		}
		if (elf_file__offset_of(g->file, e->vaddr, true, &symbol.file_offset, NULL))
			continue;
		r = fn(ctx, &symbol);
		if (r)
			return r;
	}
	return 0;
}

int elf_symbols__each(int fd, elf_symbol_fn fn, void *ctx)
{
	cleanup_elf_file struct elf_file *file = NULL;
	cleanup_free char *dynamic_names = NULL, *static_names = NULL;
	cleanup_free struct entry *entries = NULL;
	struct gathering g = {0};
	int r;

	r = elf_file__open(&file, fd);
	if (r)
		return r;
	g.file = file;
	r = gather(&g, SHT_DYNSYM, &dynamic_names);
	if (!r)
		r = gather(&g, SHT_SYMTAB, &static_names);
	entries = g.entries;
	if (!r)
		r = mark_repeated(&g);
	return r ? r : hand_out(&g, fn, ctx);
}

int elf_code__read(int fd, uint64_t vaddr, void *buf, size_t sz, size_t *n_read)
{
	cleanup_elf_file struct elf_file *file = NULL;
	uint64_t offset, left;
	int r;

	*n_read = 0;
	r = elf_file__open(&file, fd);
	if (r)
		return r;
	if (elf_file__offset_of(file, vaddr, true, &offset, &left))
		return 1;
	if (sz > left)
		sz = left;
	r = elf_file__read(file, offset, buf, sz);
	if (!r)
		*n_read = sz;
	return r;
}
