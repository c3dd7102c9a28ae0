/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* From addresses to source lines, by the line tables of DWARF (.debug_line). */
#ifndef UNFREED_SYMBOL_LINES_H
#define UNFREED_SYMBOL_LINES_H

#include <stddef.h>
#include <stdint.h>

struct lines;

/*
 * Goes through .debug_line once and keeps which addresses each part of it is about, in at most
 * max_bytes (the rest is left out). fd must stay open until lines__free().
 * 0; 1: there are no line tables, or none that can be used; -EBADMSG; -ENOMEM; -errno.
 */
int lines__new(struct lines **out, int fd, size_t max_bytes);
struct lines *lines__free(struct lines *lines);

/* 0 with *file, a new string, the path as the compiler was given it (relative ones are relative to
 * where it ran), and the line; 1: none is known; -EBADMSG, -ENOMEM, -errno. */
int lines__find(const struct lines *lines, uint64_t vaddr, char **file, uint32_t *line);

size_t lines__bytes(const struct lines *lines);	/* of memory held */

#endif /* UNFREED_SYMBOL_LINES_H */
