/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The functions of one file, sorted by address, from any of its symbol tables: its own .dynsym and
 * .symtab, and the .symtab of a separate debug file.
 *
 * Names stay in the files and are read when they are asked for, so 300,000 functions take 4.8 MB;
 * the descriptors given must stay open as long as the table lives.
 *
 * Which name an address gets:
 *   1. of the functions whose [start, start + size) holds it, the one that starts last;
 *   2. if there is none, the last function of unknown size before it (hand-written assembly), up to
 *      the next function or the end of its section; not where only .dynsym is left, since what
 *      follows may then be a local function, and a wrong name is worse than none;
 *   3. of several names for one start: global or weak before local (libc's public names are weak),
 *      then the fewest leading underscores (mmap, not __mmap), then the shortest, then the first in
 *      the alphabet.
 */
#ifndef UNFREED_SYMBOL_SYMTAB_H
#define UNFREED_SYMBOL_SYMTAB_H

#include <stddef.h>
#include <stdint.h>

#include "user/symbol/elf_file.h"
#include "user/symbol/elf_symbols.h"

struct symtab;

int symtab__new(struct symtab **out);
struct symtab *symtab__free(struct symtab *symtab);

/*
 * Adds the functions of a section of `type` (SHT_DYNSYM, SHT_SYMTAB). Stops, and gives no guess by
 * rule 2 any more, when the table holds max_functions. 0; 1: no such section; -EBADMSG, with what
 * was read up to there added; -errno. At most four sections.
 */
int symtab__add(struct symtab *symtab, const struct elf_file *file, uint32_t type,
		size_t max_functions);
/* Sorts; once, after the last symtab__add() and before the first symtab__find(). */
void symtab__finish(struct symtab *symtab);

/* The name (as in the file, without @VERSION) of the function at vaddr. 1: none is known. Else
 * -errno, -EBADMSG of reading the name. */
int symtab__find(const struct symtab *symtab, uint64_t vaddr, char name[ELF_NAME_MAX]);

size_t symtab__bytes(const struct symtab *symtab);	/* of memory held */

#endif /* UNFREED_SYMBOL_SYMTAB_H */
