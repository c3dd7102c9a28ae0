/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * An array of 16-byte entries sorted by address. A lookup goes to the last entry that starts at or
 * before the address and walks back from there, a bounded way: functions hardly ever nest, but
 * assembly has entry points inside of functions.
 *
 * A function without a size first gets all that is left of its section, and once everything is
 * sorted, no more than the way to the next one. Without the section's end, `_init` of .init would
 * be the name of the whole .plt.
 */
#include "user/symbol/symtab.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/cleanup.h"

#define MAX_TABLES 4
#define MAX_SIZE ((1u << 27) - 1)	/* of a function, bytes; larger ones are cut */
#define MAX_STEPS_BACK 64		/* entries */

struct function {
	uint64_t vaddr;
	uint32_t name;			/* offset in the names of its table */
	uint32_t size : 27;
	uint32_t is_guess : 1;		/* the size is ours, not the file's */
	uint32_t table : 2;
	uint32_t is_local : 1;
};

struct names {
	int fd;
	uint64_t offset, sz;
};

struct symtab {
	struct function *functions;
	size_t n, capacity;
	struct names tables[MAX_TABLES];
	size_t n_tables;
	bool has_symtab;		/* so every function is here, also the local ones */
	bool is_cut;
};

struct adding {
	struct symtab *symtab;
	const struct elf_file *file;
	size_t max_functions;
};

int symtab__new(struct symtab **out)
{
	*out = calloc(1, sizeof(**out));
	return *out ? 0 : -ENOMEM;
}

struct symtab *symtab__free(struct symtab *symtab)
{
	if (!symtab)
		return NULL;
	free(symtab->functions);
	free(symtab);
	return NULL;
}

size_t symtab__bytes(const struct symtab *symtab)
{
	return sizeof(*symtab) + symtab->capacity * sizeof(*symtab->functions);
}

/* Bytes from the symbol to the end of its section; without a section, as many as can be. */
static uint64_t left_of_section(const struct elf_file *file, const GElf_Sym *symbol)
{
	Elf_Scn *section = NULL;
	GElf_Shdr shdr;

	if (symbol->st_shndx < SHN_LORESERVE)
		section = elf_getscn(file->elf, symbol->st_shndx);
	if (!section || !gelf_getshdr(section, &shdr))
		return MAX_SIZE;
	if (symbol->st_value < shdr.sh_addr || symbol->st_value - shdr.sh_addr >= shdr.sh_size)
		return 0;
	return shdr.sh_size - (symbol->st_value - shdr.sh_addr);
}

static int add_function(void *ctx, const GElf_Sym *symbol)
{
	struct adding *adding = ctx;
	struct symtab *symtab = adding->symtab;
	uint64_t size = symbol->st_size;

	if (!elf_is_function(symbol))
		return 0;
	if (symtab->n >= adding->max_functions) {
		symtab->is_cut = true;
		return 1;
	}
	if (symtab->n == symtab->capacity) {
		size_t capacity = symtab->capacity ? symtab->capacity * 2 : 64;
		struct function *functions =
			reallocarray(symtab->functions, capacity, sizeof(*functions));

		if (!functions)
			return -ENOMEM;
		symtab->functions = functions;
		symtab->capacity = capacity;
	}
	if (!size)
		size = left_of_section(adding->file, symbol);
	symtab->functions[symtab->n++] = (struct function){
		.vaddr = symbol->st_value,
		.name = symbol->st_name,
		.size = size < MAX_SIZE ? size : MAX_SIZE,
		.is_guess = !symbol->st_size,
		.table = symtab->n_tables - 1,
		.is_local = GELF_ST_BIND(symbol->st_info) == STB_LOCAL,
	};
	return 0;
}

int symtab__add(struct symtab *symtab, const struct elf_file *file, uint32_t type,
		size_t max_functions)
{
	struct adding adding = { symtab, file, max_functions };
	GElf_Shdr symbols, strings;
	int r;

	r = elf_file__find_section(file, type, NULL, &symbols);
	if (r)
		return r;
	r = elf_file__section(file, symbols.sh_link, &strings);
	if (r)
		return r;
	if (strings.sh_type != SHT_STRTAB || (strings.sh_flags & SHF_COMPRESSED) ||
	    symtab->n_tables == MAX_TABLES)
		return -EBADMSG;
	symtab->tables[symtab->n_tables++] =
		(struct names){ file->fd, strings.sh_offset, strings.sh_size };
	r = elf_file__each_symbol(file, &symbols, add_function, &adding);
	if (r >= 0 && type == SHT_SYMTAB)
		symtab->has_symtab = true;
	return r > 0 ? 0 : r;
}

static int compare_functions(const void *va, const void *vb)
{
	const struct function *a = va, *b = vb;

	return a->vaddr < b->vaddr ? -1 : a->vaddr > b->vaddr;
}

void symtab__finish(struct symtab *symtab)
{
	struct function *f = symtab->functions;
	uint64_t next = 0;
	size_t capacity = symtab->n ? symtab->n : 1;

	if (!f)
		return;
	qsort(f, symtab->n, sizeof(*f), compare_functions);
	for (size_t i = symtab->n; i-- > 0;) {
		if (i + 1 < symtab->n && f[i + 1].vaddr != f[i].vaddr)
			next = f[i + 1].vaddr;
		if (!f[i].is_guess)
			continue;
		if (symtab->is_cut || !symtab->has_symtab)
			f[i].size = 0;
		else if (next > f[i].vaddr && next - f[i].vaddr < f[i].size)
			f[i].size = next - f[i].vaddr;
	}
	f = realloc(f, capacity * sizeof(*f));
	if (f) {
		symtab->functions = f;
		symtab->capacity = capacity;
	}
}

static int read_name(const struct symtab *symtab, const struct function *f, char name[ELF_NAME_MAX])
{
	const struct names *names = &symtab->tables[f->table];
	int r = elf_read_name(names->fd, names->offset, names->sz, f->name, name, ELF_NAME_MAX);

	if (r)
		return r;
	name[strcspn(name, "@")] = '\0';
	return !name[0];
}

/* Rule 3, where both are local or neither is. */
static bool is_better_name(const char *a, const char *b)
{
	size_t a_bars = strspn(a, "_"), b_bars = strspn(b, "_");
	size_t a_sz = strlen(a), b_sz = strlen(b);

	if (a_bars != b_bars)
		return a_bars < b_bars;
	return a_sz != b_sz ? a_sz < b_sz : strcmp(a, b) < 0;
}

static bool holds(const struct function *f, uint64_t vaddr)
{
	return vaddr - f->vaddr < f->size;
}

/* The best name among the entries that start where `found` does and hold vaddr. */
static int choose_name(const struct symtab *symtab, const struct function *found, uint64_t vaddr,
		       char name[ELF_NAME_MAX])
{
	const struct function *first = found, *end = symtab->functions + symtab->n, *f;
	bool is_local = true;
	char other[ELF_NAME_MAX];
	int r, result = 1;

	while (first > symtab->functions && first[-1].vaddr == found->vaddr &&
	       found - first < MAX_STEPS_BACK)
		first--;
	for (f = first; f < end && f->vaddr == found->vaddr && f - first < MAX_STEPS_BACK; f++) {
		if (!holds(f, vaddr) || f->is_guess != found->is_guess ||
		    (f->is_local && !is_local))
			continue;
		r = read_name(symtab, f, other);
		if (r) {
			result = result ? r : 0;
			continue;
		}
		if (result || (is_local && !f->is_local) || is_better_name(other, name)) {
			memcpy(name, other, strlen(other) + 1);
			is_local = f->is_local;
			result = 0;
		}
	}
	return result;
}

int symtab__find(const struct symtab *symtab, uint64_t vaddr, char name[ELF_NAME_MAX])
{
	const struct function *guess = NULL, *f;
	size_t low = 0, high = symtab->n, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (symtab->functions[middle].vaddr <= vaddr)
			low = middle + 1;
		else
			high = middle;
	}
	for (size_t step = 0; low > 0 && step < MAX_STEPS_BACK; step++) {
		f = &symtab->functions[--low];
		if (!holds(f, vaddr))
			continue;
		if (!f->is_guess)
			return choose_name(symtab, f, vaddr, name);
		if (!guess)
			guess = f;
	}
	return guess ? choose_name(symtab, guess, vaddr, name) : 1;
}
