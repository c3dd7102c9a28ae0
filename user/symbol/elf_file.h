/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * An ELF program, library or separate debug file, opened by descriptor and checked: its segments,
 * its build-id, its sections, and walks over their entries.
 *
 * Nothing is mapped. The files belong to the traced processes, and a process that truncates a file
 * that we have mapped would end us by SIGBUS; so everything is read (libelf's ELF_C_READ), and only
 * what is asked for: opening node's 100 MB reads its headers.
 *
 * Errors, where a function returns int: -EBADMSG when the file contradicts itself or the bounds
 * below, -errno of reading, -ENOMEM; 1 as said.
 */
#ifndef UNFREED_SYMBOL_ELF_FILE_H
#define UNFREED_SYMBOL_ELF_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <gelf.h>

/* Bounds on what is believed. Chromium with all its symbols: 1.1 million, names of 130 MB. */
#define ELF_MAX_SEGMENTS 256		/* PT_LOAD kept; of at most 4096 program headers */
#define ELF_MAX_SECTIONS 65536
#define ELF_MAX_SYMBOLS (4u << 20)
#define ELF_MAX_NAMES_SZ (256u << 20)	/* bytes of a string table that is read whole */
#define ELF_BUILD_ID_MAX 20

struct elf_segment {
	uint64_t offset, vaddr, filesz;	/* vaddr + filesz and offset + filesz do not overflow */
	bool executable;
};

struct elf_file {
	int fd;			/* borrowed */
	Elf *elf;
	uint64_t size;		/* of the file, bytes, when it was opened */
	uint16_t machine;	/* EM_* */
	bool is_64;
	size_t n_segments;
	struct elf_segment segments[ELF_MAX_SEGMENTS];
};

/* fd must stay open until elf_file__free(). 1: no ELF program, library or debug file. */
int elf_file__open(struct elf_file **out, int fd);
struct elf_file *elf_file__free(struct elf_file *file);

static inline void cleanup_elf_file_fn(struct elf_file **file)
{
	elf_file__free(*file);
}
#define cleanup_elf_file __attribute__((cleanup(cleanup_elf_file_fn)))

/* The address that an offset in the file was linked for; 1: it is in no segment. Where two segments
 * hold it, the executable one counts. */
int elf_segments__vaddr_of(const struct elf_segment *segments, size_t n_segments, uint64_t offset,
			   uint64_t *vaddr);
/* And back; 1: in no (executable) segment. *left: bytes of the segment from there on, or NULL. */
int elf_file__offset_of(const struct elf_file *file, uint64_t vaddr, bool executable,
			uint64_t *offset, uint64_t *left);

/* Bytes written to id, 1 to 20; 0: none. */
size_t elf_file__build_id(const struct elf_file *file, uint8_t id[ELF_BUILD_ID_MAX]);

/* Reads exactly sz bytes; -EBADMSG when the file is shorter. */
int elf_read(int fd, uint64_t offset, void *buf, size_t sz);
int elf_file__read(const struct elf_file *file, uint64_t offset, void *buf, size_t sz);
/* A terminated string of less than sz bytes at `at` in the string table that has names_sz bytes
 * from names_offset on; 1: it is empty or too long; -EBADMSG: it lies outside. Needs no elf_file,
 * so that a name can be read long after its place was found. */
int elf_read_name(int fd, uint64_t names_offset, uint64_t names_sz, uint64_t at, char *buf,
		  size_t sz);

/* The section with that index, checked to lie in the file (SHT_NOBITS: not). */
int elf_file__section(const struct elf_file *file, size_t index, GElf_Shdr *out);
/* The first of that type (SHT_NULL: any) and name (NULL: any); 1: there is none. */
int elf_file__find_section(const struct elf_file *file, uint32_t type, const char *name,
			   GElf_Shdr *out);
int elf_file__find_section_index(const struct elf_file *file, uint32_t type, const char *name,
				 size_t *index);

/* Non-zero ends the walk and is returned by it. */
typedef int (*elf_symbol_entry_fn)(void *ctx, const GElf_Sym *symbol);
typedef int (*elf_reloc_entry_fn)(void *ctx, const GElf_Rela *reloc);

/* Every entry of a SHT_SYMTAB or SHT_DYNSYM, through a small buffer. */
int elf_file__each_symbol(const struct elf_file *file, const GElf_Shdr *section,
			  elf_symbol_entry_fn fn, void *ctx);
/* Every entry of a SHT_RELA of a 64-bit file; 1 at once for a 32-bit one. */
int elf_file__each_reloc(const struct elf_file *file, const GElf_Shdr *section,
			 elf_reloc_entry_fn fn, void *ctx);

/* A symbol that names code: a function, defined, at an address. Indirect functions are not: what
 * they name is a resolver. */
bool elf_is_function(const GElf_Sym *symbol);

#endif /* UNFREED_SYMBOL_ELF_FILE_H */
