/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The state machine of DWARF 5, section 6.2, and of its predecessors. It is here because libdw's
 * reads past the end of its buffers on a broken unit (0.188, strlen() of a name that no zero ends;
 * tests/unit/test_symbol_elf.c flips the bits that show it), and we read it as root from files that
 * traced processes own.
 *
 * Rows are handed out as they come; nothing is kept. Of the machine's registers only those that
 * give a file and a line are run: columns, statements, blocks and discriminators are skipped over.
 * Processors with several operations in an instruction (op_index) are not supported.
 */
#include "user/symbol/line_program.h"

#include <dwarf.h>
#include <errno.h>
#include <string.h>

struct cursor {
	const uint8_t *bytes;
	size_t at, end;
	bool is_over;		/* was asked for more than there is */
};

static const uint8_t *take(struct cursor *c, uint64_t n)
{
	const uint8_t *p = c->bytes + c->at;

	if (n > c->end - c->at) {
		c->is_over = true;
		c->at = c->end;
		return NULL;
	}
	c->at += n;
	return p;
}

/* An unsigned number of 1 to 8 bytes in our byte order. */
static uint64_t take_number(struct cursor *c, size_t n)
{
	const uint8_t *p = take(c, n);
	uint64_t u64;
	uint32_t u32;
	uint16_t u16;

	if (!p)
		return 0;
	switch (n) {
	case 1:
		return *p;
	case 2:
		memcpy(&u16, p, sizeof(u16));
		return u16;
	case 4:
		memcpy(&u32, p, sizeof(u32));
		return u32;
	case 8:
		memcpy(&u64, p, sizeof(u64));
		return u64;
	}
	c->is_over = true;
	return 0;
}

static uint64_t take_uleb(struct cursor *c)
{
	uint64_t value = 0;
	uint8_t byte;

	for (unsigned int shift = 0;; shift += 7) {
		byte = take_number(c, 1);
		if (shift < 64)
			value |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return value;
	}
}

static int64_t take_sleb(struct cursor *c)
{
	uint64_t value = 0;
	unsigned int shift = 0;
	uint8_t byte;

	do {
		byte = take_number(c, 1);
		if (shift < 64)
			value |= (uint64_t)(byte & 0x7f) << shift;
		shift += 7;
	} while (byte & 0x80);
	if (shift < 64 && (byte & 0x40))
		value |= ~0ull << shift;
	return (int64_t)value;
}

/* Passes over a string; false: it does not end. */
static bool take_string(struct cursor *c)
{
	const uint8_t *end = memchr(c->bytes + c->at, '\0', c->end - c->at);

	if (!end) {
		c->is_over = true;
		c->at = c->end;
		return false;
	}
	c->at = end + 1 - c->bytes;
	return true;
}

static struct cursor cursor_at(const struct line_unit *unit, size_t at)
{
	return (struct cursor){ .bytes = unit->bytes, .at = at, .end = unit->sz };
}

uint64_t line_unit__size(const uint8_t bytes[12])
{
	struct cursor c = { .bytes = bytes, .end = 12 };
	uint64_t length = take_number(&c, 4), sz;

	if (length == 0xffffffff)
		length = take_number(&c, 8);
	else if (length >= 0xfffffff0)
		return 0;
	return __builtin_add_overflow(length, c.at, &sz) ? 0 : sz;
}

int line_unit__init(struct line_unit *unit, const uint8_t *bytes, size_t sz)
{
	struct cursor c = { .bytes = bytes, .end = sz };
	uint64_t header_sz;

	*unit = (struct line_unit){ .bytes = bytes, .sz = sz, .address_sz = sizeof(uint64_t) };
	unit->is_64 = take_number(&c, 4) == 0xffffffff;
	if (unit->is_64)
		take(&c, 8);
	unit->version = take_number(&c, 2);
	if (unit->version < 2 || unit->version > 5)
		return -EBADMSG;
	if (unit->version >= 5) {
		unit->address_sz = take_number(&c, 1);
		take(&c, 1);	/* segment selectors */
	}
	header_sz = take_number(&c, unit->is_64 ? 8 : 4);
	if (header_sz > sz - c.at)
		return -EBADMSG;
	unit->program_at = c.at + header_sz;
	unit->min_instruction_sz = take_number(&c, 1);
	if (unit->version >= 4)
		take(&c, 1);	/* operations in an instruction */
	take(&c, 1);		/* is_stmt */
	unit->line_base = (int8_t)take_number(&c, 1);
	unit->line_range = take_number(&c, 1);
	unit->opcode_base = take_number(&c, 1);
	if (!unit->line_range || !unit->opcode_base)
		return -EBADMSG;
	unit->operands = take(&c, unit->opcode_base - 1u);
	unit->names_at = c.at;
	return c.is_over || c.at > unit->program_at ? -EBADMSG : 0;
}

/* --- the program ----------------------------------------------------------------------------- */

struct machine {
	const struct line_unit *unit;
	struct cursor c;
	struct line_row row;
	line_row_fn fn;
	void *ctx;
};

static void reset(struct machine *m)
{
	m->row = (struct line_row){ .file = 1, .line = 1 };
}

static int emit(struct machine *m)
{
	m->row.next_at = m->c.at;
	return m->fn(m->ctx, &m->row);
}

static void advance(struct machine *m, uint64_t instructions)
{
	m->row.address += instructions * m->unit->min_instruction_sz;
}

static int run_extended(struct machine *m)
{
	uint64_t sz = take_uleb(&m->c), left;
	size_t end;
	int r = 0;

	if (sz > m->c.end - m->c.at) {
		m->c.is_over = true;
		return 0;
	}
	if (!sz)
		return 0;
	end = m->c.at + sz;
	switch (take_number(&m->c, 1)) {
	case DW_LNE_end_sequence:
		m->row.is_end = true;
		m->c.at = end;
		r = emit(m);
		reset(m);
		break;
	case DW_LNE_set_address:
		left = end - m->c.at;
		m->row.address = take_number(&m->c, left == 4 ? 4 : 8);
		break;
	}
	m->c.at = end;
	return r;
}

static int run_standard(struct machine *m, uint8_t opcode)
{
	switch (opcode) {
	case DW_LNS_copy:
		return emit(m);
	case DW_LNS_advance_pc:
		advance(m, take_uleb(&m->c));
		return 0;
	case DW_LNS_advance_line:
		m->row.line += (uint64_t)take_sleb(&m->c);
		return 0;
	case DW_LNS_set_file:
		m->row.file = take_uleb(&m->c);
		return 0;
	case DW_LNS_const_add_pc:
		advance(m, (255 - m->unit->opcode_base) / m->unit->line_range);
		return 0;
	case DW_LNS_fixed_advance_pc:
		m->row.address += take_number(&m->c, 2);
		return 0;
	}
	/* Any other, known or not: its operands are as many LEB128 numbers as the header says. */
	for (uint8_t n = m->unit->operands[opcode - 1]; n > 0; n--)
		take_uleb(&m->c);
	return 0;
}

int line_unit__run(const struct line_unit *unit, size_t at, line_row_fn fn, void *ctx)
{
	struct machine m = { .unit = unit, .c = cursor_at(unit, at), .fn = fn, .ctx = ctx };
	uint8_t opcode, special;
	int r = 0;

	if (at > unit->sz)
		return 0;
	reset(&m);
	while (!r && !m.c.is_over && m.c.at < m.c.end) {
		opcode = take_number(&m.c, 1);
		if (opcode >= unit->opcode_base) {
			special = opcode - unit->opcode_base;
			advance(&m, special / unit->line_range);
			m.row.line += (uint64_t)(int64_t)(unit->line_base +
							  special % unit->line_range);
			r = emit(&m);
		} else {
			r = opcode ? run_standard(&m, opcode) : run_extended(&m);
		}
	}
	return r;
}

/* --- names of files -------------------------------------------------------------------------- */

/* Before version 5: directories from 1 on, an empty one ends them; then files, likewise. */
static int find_old_file(const struct line_unit *unit, uint64_t file, struct line_name *name,
			 struct line_name *directory)
{
	struct cursor c = cursor_at(unit, unit->names_at);
	uint64_t in_directory = 0;
	size_t start;

	while (c.at < c.end && c.bytes[c.at])
		take_string(&c);
	take(&c, 1);
	for (uint64_t n = 1; c.at < c.end && c.bytes[c.at]; n++) {
		start = c.at;
		if (!take_string(&c))
			return 1;
		in_directory = take_uleb(&c);
		take_uleb(&c);		/* time */
		take_uleb(&c);		/* size */
		if (n != file)
			continue;
		*name = (struct line_name){ LINE_NAME_HERE, start };
		*directory = (struct line_name){0};
		break;
	}
	if (c.is_over || name->kind == LINE_NAME_NONE)
		return 1;
	c = cursor_at(unit, unit->names_at);
	for (uint64_t n = 1; n <= in_directory && c.at < c.end && c.bytes[c.at]; n++) {
		start = c.at;
		if (take_string(&c) && n == in_directory)
			*directory = (struct line_name){ LINE_NAME_HERE, start };
	}
	return 0;
}

/* A value of an entry of version 5: a name, or a number in *number. */
static void take_form(struct cursor *c, const struct line_unit *unit, uint64_t form,
		      struct line_name *name, uint64_t *number)
{
	const size_t offset_sz = unit->is_64 ? 8 : 4;

	*name = (struct line_name){0};
	*number = 0;
	switch (form) {
	case DW_FORM_string:
		*name = (struct line_name){ LINE_NAME_HERE, c->at };
		take_string(c);
		break;
	case DW_FORM_line_strp:
		*name = (struct line_name){ LINE_NAME_LINE_STR, take_number(c, offset_sz) };
		break;
	case DW_FORM_strp:
		*name = (struct line_name){ LINE_NAME_STR, take_number(c, offset_sz) };
		break;
	case DW_FORM_strp_sup:
		take(c, offset_sz);
		break;
	case DW_FORM_data1:
	case DW_FORM_strx1:
		*number = take_number(c, 1);
		break;
	case DW_FORM_data2:
	case DW_FORM_strx2:
		*number = take_number(c, 2);
		break;
	case DW_FORM_data4:
	case DW_FORM_strx4:
		*number = take_number(c, 4);
		break;
	case DW_FORM_data8:
		*number = take_number(c, 8);
		break;
	case DW_FORM_strx3:
		take(c, 3);
		break;
	case DW_FORM_data16:
		take(c, 16);
		break;
	case DW_FORM_udata:
	case DW_FORM_strx:
		*number = take_uleb(c);
		break;
	case DW_FORM_block:
		take(c, take_uleb(c));
		break;
	default:
		c->is_over = true;
	}
}

/* A list of entries as version 5 has it, from 0 on; goes past it. False: it has no entry `wanted`,
 * or is broken. */
static bool take_list(struct cursor *c, const struct line_unit *unit, uint64_t wanted,
		      struct line_name *name, uint64_t *directory)
{
	uint8_t n_fields = take_number(c, 1);
	size_t formats_at = c->at;
	uint64_t n, kind, number;
	struct line_name text;
	bool found = false;

	for (uint8_t f = 0; f < n_fields; f++) {
		take_uleb(c);
		take_uleb(c);
	}
	n = take_uleb(c);
	/* Entries without fields take no bytes, so their number is no bound on the work. */
	for (uint64_t i = 0; i < n && n_fields && !c->is_over; i++) {
		struct cursor formats = cursor_at(unit, formats_at);

		for (uint8_t f = 0; f < n_fields; f++) {
			size_t before = c->at;

			kind = take_uleb(&formats);
			take_form(c, unit, take_uleb(&formats), &text, &number);
			/* A field takes a byte at least; a block of none has its length. */
			if (c->at == before)
				c->is_over = true;
			if (i == wanted && kind == DW_LNCT_path) {
				*name = text;
				found = text.kind != LINE_NAME_NONE;
			} else if (i == wanted && kind == DW_LNCT_directory_index) {
				*directory = number;
			}
		}
	}
	return found && !c->is_over;
}

static int find_new_file(const struct line_unit *unit, uint64_t file, struct line_name *name,
			 struct line_name *directory)
{
	struct cursor c = cursor_at(unit, unit->names_at);
	uint64_t index = 0, none;

	take_list(&c, unit, 0, directory, &none);
	if (!take_list(&c, unit, file, name, &index))
		return 1;
	*directory = (struct line_name){0};
	c = cursor_at(unit, unit->names_at);
	if (!take_list(&c, unit, index, directory, &none))
		*directory = (struct line_name){0};
	return 0;
}

int line_unit__file(const struct line_unit *unit, uint64_t file, struct line_name *name,
		    struct line_name *directory)
{
	*name = *directory = (struct line_name){0};
	return unit->version >= 5 ? find_new_file(unit, file, name, directory) :
				    find_old_file(unit, file, name, directory);
}
