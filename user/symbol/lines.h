/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* From addresses to source lines, by DWARF. */
#ifndef UNFREED_SYMBOL_LINES_H
#define UNFREED_SYMBOL_LINES_H

#include <stdbool.h>
#include <stdint.h>

struct lines;

/*
 * Reads the debug sections of an ELF file and where its compilation units lie. fd must stay open
 * until lines__free(). `is_trusted`: nobody hostile can change the file, so it may be mapped, and
 * may be large. 0; 1: no DWARF, or more than the bounds in lines.c allow; -EBADMSG; -ENOMEM.
 */
int lines__new(struct lines **out, int fd, bool is_trusted);
struct lines *lines__free(struct lines *lines);

/* 0 with *file, a new string, the path as the compiler saw it, and the line; 1: none is known, or
 * -ENOMEM. Keeps what it parsed: see lines__is_worn(). */
int lines__find(struct lines *lines, uint64_t vaddr, char **file, uint32_t *line);

/* libdw has parsed so much that it is time to free it and open it anew. */
bool lines__is_worn(const struct lines *lines);

#endif /* UNFREED_SYMBOL_LINES_H */
