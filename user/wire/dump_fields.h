/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* What a record's line consists of. Private to dump*.c and tests. */
#ifndef UNFREED_WIRE_DUMP_FIELDS_H
#define UNFREED_WIRE_DUMP_FIELDS_H

#include <stddef.h>
#include <stdint.h>

enum field_kind {
	FIELD_DEC, FIELD_HEX, FIELD_SIGNED,
	FIELD_WORD,	/* one of `words` */
	FIELD_LIST,	/* 64-bit numbers, up to the last that is not 0; ~0 is written `-` */
	FIELD_HEX_LIST,
	FIELD_CHARS,	/* a string in an array, up to its zero */
	FIELD_BYTES,	/* in an array, as hex; their number is at count_at */
	FIELD_TEXT,	/* trailing text, behind that of the fields before; likewise */
	FIELD_FRAMES,	/* of a stack: pc[:kind:extra0:extra1],... */
	FIELD_METHODS,	/* the names of a frame: kind:line:bci:"function":"file",... */
};

struct field {
	const char *name;
	enum field_kind kind;
	uint16_t at;			/* offset in the struct */
	uint16_t size;			/* bytes: of the number, or of the whole array */
	uint16_t count_at, count_sz;	/* the number that says how many */
	const char *const *words;	/* of FIELD_WORD, NULL at the end */
};

struct line_shape {
	const struct field *fields;
	size_t n_fields;
	size_t fixed_sz;	/* of the struct; of records with trailing text where that begins */
};

extern const struct line_shape facts_shape;

/* NULL: no such type. */
const struct line_shape *line_shape_of(uint16_t type);

/* The number of `size` bytes (1, 2, 4, 8) at `at`, and the other way round. */
uint64_t field_get(const void *base, size_t at, size_t size);
void field_put(void *base, size_t at, size_t size, uint64_t value);

#endif /* UNFREED_WIRE_DUMP_FIELDS_H */
