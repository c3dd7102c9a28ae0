/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * What the source asks of an ELF file to place its probes: which functions it defines and where,
 * the bytes at an address, and which function a jump through the GOT ends in.
 *
 * All take an open file, which stays the caller's and whose position does not matter. All return
 *   0         done
 *   1         the answer is no; each function says what that means. Always 1 where the file is no
 *             ELF program or library (no ELF at all, an object file, a core, not a regular file)
 *   -EBADMSG  it says it is ELF, and is broken, or larger than the bounds in elf_file.h
 *   -errno    of reading it, or -ENOMEM
 */
#ifndef UNFREED_SYMBOL_ELF_SYMBOLS_H
#define UNFREED_SYMBOL_ELF_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ELF_NAME_MAX 4096	/* longer names are left out; with the terminator */

struct elf_symbol {
	const char *name;	/* as in the file, without @VERSION; valid during the call only */
	uint64_t vaddr;
	uint64_t file_offset;	/* of vaddr: what a uprobe is attached to */
	uint64_t size;		/* bytes; 0: the file does not say (hand-written assembly) */
	bool is_dynamic;	/* from .dynsym, so others can link to it */
	bool is_local;
};

/* Non-zero ends the walk. */
typedef int (*elf_symbol_fn)(void *ctx, const struct elf_symbol *symbol);

/*
 * Calls fn for every function the file defines in an executable segment: those of .dynsym, then
 * those of .symtab, none twice (same address and name). Indirect functions are left out: what they
 * name is a resolver. Returns what fn returned if that was not 0; 1: not ELF. A file without any
 * symbols is 0 and no call.
 */
int elf_symbols__each(int fd, elf_symbol_fn fn, void *ctx);

/*
 * Copies up to sz bytes of code at vaddr, fewer where the executable segment ends, and says how
 * many. 1: no executable segment has that address.
 */
int elf_code__read(int fd, uint64_t vaddr, void *buf, size_t sz, size_t *n_read);

/*
 * The name (without @VERSION) of the function that a PLT entry jumps to: vaddr is where a call
 * goes, name a buffer of ELF_NAME_MAX bytes. 1: there is no `jmp *GOT(%rip)` at vaddr (with or
 * without endbr64 and bnd before it), or no symbol belongs to that slot. x86-64 only, else 1.
 */
int elf_plt__target(int fd, uint64_t vaddr, char name[ELF_NAME_MAX]);

/* The same for the GOT slot itself, as in `call *slot(%rip)` of code built with -fno-plt. */
int elf_got__target(int fd, uint64_t slot_vaddr, char name[ELF_NAME_MAX]);

#endif /* UNFREED_SYMBOL_ELF_SYMBOLS_H */
