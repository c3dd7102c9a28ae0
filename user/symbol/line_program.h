/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * One unit of .debug_line (DWARF 2 to 5, 32 and 64 bit), in memory: its rows, and the names of its
 * files. Every byte is taken for hostile: reading past the end yields zeros and marks the unit, and
 * the work is linear in its size.
 */
#ifndef UNFREED_SYMBOL_LINE_PROGRAM_H
#define UNFREED_SYMBOL_LINE_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct line_unit {
	const uint8_t *bytes;	/* from its length on; borrowed */
	size_t sz;
	bool is_64;		/* of offsets, not of addresses */
	uint16_t version;
	uint8_t address_sz;
	uint8_t min_instruction_sz;
	int8_t line_base;
	uint8_t line_range;	/* not 0 */
	uint8_t opcode_base;	/* not 0 */
	const uint8_t *operands;	/* how many each standard opcode has; opcode_base - 1 */
	size_t names_at;	/* where directories and files are listed */
	size_t program_at;	/* where the program starts */
};

struct line_row {
	uint64_t address;
	uint64_t file;
	uint64_t line;
	bool is_end;		/* one past the last address of a sequence, no place in a file */
	size_t next_at;		/* where the program goes on after this row */
};

/* Where a name of a file or directory is: a string of the unit, or an offset into a section. */
struct line_name {
	enum { LINE_NAME_NONE, LINE_NAME_HERE, LINE_NAME_LINE_STR, LINE_NAME_STR } kind;
	uint64_t at;		/* in the unit (HERE: terminated there), or in the section */
};

/* Reads the length of the unit at bytes (at least 12 must be there): the bytes of the whole unit,
 * its length field included; 0: no unit. */
uint64_t line_unit__size(const uint8_t bytes[12]);

/* 0, or -EBADMSG. sz is what line_unit__size() said. */
int line_unit__init(struct line_unit *unit, const uint8_t *bytes, size_t sz);

/* Non-zero ends the run and is returned by it. */
typedef int (*line_row_fn)(void *ctx, const struct line_row *row);

/* Runs the program from `at`, the start of a sequence (program_at, or next_at of a row that is an
 * end). Returns 0 at the end of the program, or where it is broken. */
int line_unit__run(const struct line_unit *unit, size_t at, line_row_fn fn, void *ctx);

/* The name of a file as rows count them, and of its directory (kind NONE: where the compiler ran;
 * version 5 names that too).
 * 1: there is none of that number, or its name cannot be read. */
int line_unit__file(const struct line_unit *unit, uint64_t file, struct line_name *name,
		    struct line_name *directory);

#endif /* UNFREED_SYMBOL_LINE_PROGRAM_H */
