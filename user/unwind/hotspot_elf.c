/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Exported symbols of a library, found in memory as the dynamic linker finds them: program headers,
 * PT_DYNAMIC, DT_GNU_HASH. No file is opened, so a deleted or replaced one does not matter. JDKs are
 * linked with a GNU hash table, glibc's and musl's alike.
 */
#include "user/unwind/hotspot_read.h"

#include <elf.h>
#include <string.h>

#define MAX_PHDRS 64
#define MAX_DYNAMIC 256
#define MAX_CHAIN 1024
#define MAX_TABLE (1u << 24)	/* entries of a hash table */

static bool read_phdrs(struct remote *remote, uint64_t base, Elf64_Phdr *phdrs, size_t *n)
{
	Elf64_Ehdr ehdr;

	if (!remote__read(remote, base, &ehdr, sizeof(ehdr)) ||
	    memcmp(ehdr.e_ident, ELFMAG, SELFMAG) != 0 || ehdr.e_ident[EI_CLASS] != ELFCLASS64 ||
	    ehdr.e_ident[EI_DATA] != ELFDATA2LSB || ehdr.e_phentsize != sizeof(*phdrs) ||
	    !ehdr.e_phnum || ehdr.e_phnum > MAX_PHDRS)
		return false;
	*n = ehdr.e_phnum;
	return remote__read(remote, base + ehdr.e_phoff, phdrs, *n * sizeof(*phdrs));
}

/* glibc relocates the pointers of the dynamic section in place, musl leaves them as they are. */
static uint64_t dynamic_address(const struct remote_elf *elf, uint64_t value)
{
	return value < elf->bias ? elf->bias + value : value;
}

static bool read_dynamic(struct remote *remote, uint64_t addr, uint64_t sz, struct remote_elf *elf)
{
	Elf64_Dyn dynamic[MAX_DYNAMIC];
	size_t n = sz / sizeof(dynamic[0]);

	if (n > MAX_DYNAMIC)
		n = MAX_DYNAMIC;
	if (!remote__read(remote, addr, dynamic, n * sizeof(dynamic[0])))
		return false;
	for (size_t i = 0; i < n && dynamic[i].d_tag != DT_NULL; i++) {
		uint64_t value = dynamic_address(elf, dynamic[i].d_un.d_ptr);

		switch (dynamic[i].d_tag) {
		case DT_SYMTAB:
			elf->symtab = value;
			break;
		case DT_STRTAB:
			elf->strtab = value;
			break;
		case DT_GNU_HASH:
			elf->hash = value;
			break;
		default:
			break;
		}
	}
	return elf->symtab && elf->strtab && elf->hash;
}

bool remote_elf__open(struct remote *remote, uint64_t base, struct remote_elf *out)
{
	const Elf64_Phdr *first = NULL, *dynamic = NULL;
	Elf64_Phdr phdrs[MAX_PHDRS];
	uint32_t header[4];
	size_t n;

	*out = (struct remote_elf){};
	if (!read_phdrs(remote, base, phdrs, &n))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (phdrs[i].p_type == PT_LOAD && !first)
			first = &phdrs[i];
		if (phdrs[i].p_type == PT_DYNAMIC)
			dynamic = &phdrs[i];
	}
	if (!first || !dynamic)
		return false;
	out->bias = base - (first->p_vaddr - first->p_offset);
	if (!read_dynamic(remote, out->bias + dynamic->p_vaddr, dynamic->p_memsz, out) ||
	    !remote__read(remote, out->hash, header, sizeof(header)))
		return false;
	out->n_buckets = header[0];
	out->first_hashed = header[1];
	out->n_bloom = header[2];
	return out->n_buckets && out->n_buckets < MAX_TABLE && out->n_bloom < MAX_TABLE;
}

static uint32_t gnu_hash(const char *name)
{
	uint32_t hash = 5381;

	for (; *name; name++)
		hash = hash * 33 + (uint8_t)*name;
	return hash;
}

static bool has_name(struct remote *remote, const struct remote_elf *elf, const Elf64_Sym *symbol,
		     const char *name)
{
	char found[64];

	return remote__string(remote, elf->strtab + symbol->st_name, found, sizeof(found)) &&
	       !strcmp(found, name);
}

bool remote_elf__symbol(struct remote *remote, const struct remote_elf *elf, const char *name,
			uint64_t *addr)
{
	uint64_t buckets = elf->hash + 16 + 8ull * elf->n_bloom;
	uint64_t chains = buckets + 4ull * elf->n_buckets, index, link;
	uint32_t hash = gnu_hash(name);

	if (!remote__number(remote, buckets + 4ull * (hash % elf->n_buckets), 4, &index) ||
	    index < elf->first_hashed)
		return false;
	for (unsigned int i = 0; i < MAX_CHAIN; i++, index++) {
		Elf64_Sym symbol;

		if (!remote__number(remote, chains + 4 * (index - elf->first_hashed), 4, &link))
			return false;
		if ((link | 1) == (hash | 1) &&
		    remote__read(remote, elf->symtab + index * sizeof(symbol), &symbol,
				 sizeof(symbol)) &&
		    symbol.st_shndx != SHN_UNDEF && has_name(remote, elf, &symbol, name)) {
			*addr = elf->bias + symbol.st_value;
			return true;
		}
		if (link & 1)
			return false;
	}
	return false;
}
