/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The call frame program of one FDE, run up to an address (DWARF 5, 6.4.2). Nothing is allocated:
 * three columns are followed, all others are read and forgotten, and remembered states lie in a
 * fixed array. Each instruction takes at least a byte, so the program's size bounds the time.
 */
#include "user/unwind/cfi.h"

#include <dwarf.h>

#define MAX_REMEMBERED 16	/* compilers nest one deep */

struct machine {
	const struct cfi_fde *fde;
	struct cursor c;
	uint64_t location, target;
	struct cfi_row row, initial;
	struct cfi_row remembered[MAX_REMEMBERED];
	size_t n_remembered;
	bool is_initial;	/* in the CIE's program: its rows hold everywhere */
	bool done;		/* the location has passed the target */
};

static struct cfi_column *column_of(const struct machine *m, struct cfi_row *row, uint64_t reg)
{
	if (reg == m->fde->ra_reg)
		return &row->ra;
	return reg == CFI_REG_BP ? &row->bp : NULL;
}

static void set(struct machine *m, uint64_t reg, enum cfi_how how, uint64_t off)
{
	struct cfi_column *column = column_of(m, &m->row, reg);

	if (column)
		*column = (struct cfi_column){ .how = how, .off = off };
}

static void restore(struct machine *m, uint64_t reg)
{
	struct cfi_column *column = column_of(m, &m->row, reg);

	if (column)
		*column = *column_of(m, &m->initial, reg);
}

static void set_cfa(struct machine *m, uint64_t reg, uint64_t off)
{
	m->row.cfa = (struct cfi_column){ .how = CFI_OFFSET, .reg = reg, .off = off };
}

static void advance(struct machine *m, uint64_t delta)
{
	uint64_t step;

	if (m->is_initial)
		return;
	if (__builtin_mul_overflow(delta, m->fde->code_align, &step) ||
	    __builtin_add_overflow(m->location, step, &m->location))
		m->c.bad = true;
	m->done = m->location > m->target;
}

static struct cursor take_block(struct cursor *c)
{
	uint64_t n = cursor_uleb(c);
	const uint8_t *p = cursor_take(c, n);

	return (struct cursor){ .p = p, .end = p ? p + n : NULL, .bad = !p };
}

static void remember(struct machine *m)
{
	if (m->n_remembered == MAX_REMEMBERED)
		m->c.bad = true;
	else
		m->remembered[m->n_remembered++] = m->row;
}

static void recall(struct machine *m)
{
	if (!m->n_remembered)
		m->c.bad = true;
	else
		m->row = m->remembered[--m->n_remembered];
}

static void set_expression(struct machine *m, uint64_t reg, enum cfi_how how)
{
	struct cfi_column *column = column_of(m, &m->row, reg);
	struct cursor expr = take_block(&m->c);

	if (column)
		*column = (struct cfi_column){ .how = how, .expr = expr };
}

/* The instructions that define the CFA. False: it is none of them. */
static bool step_cfa(struct machine *m, uint8_t op)
{
	uint64_t align = m->fde->data_align, reg;
	struct cursor *c = &m->c;

	switch (op) {
	case DW_CFA_def_cfa:
		reg = cursor_uleb(c);
		set_cfa(m, reg, cursor_uleb(c));
		return true;
	case DW_CFA_def_cfa_sf:
		reg = cursor_uleb(c);
		set_cfa(m, reg, cursor_sleb(c) * align);
		return true;
	case DW_CFA_def_cfa_register:
		set_cfa(m, cursor_uleb(c), m->row.cfa.off);
		return true;
	case DW_CFA_def_cfa_offset:
		set_cfa(m, m->row.cfa.reg, cursor_uleb(c));
		return true;
	case DW_CFA_def_cfa_offset_sf:
		set_cfa(m, m->row.cfa.reg, cursor_sleb(c) * align);
		return true;
	case DW_CFA_def_cfa_expression:
		m->row.cfa = (struct cfi_column){ .how = CFI_EXPRESSION, .expr = take_block(c) };
		return true;
	default:
		return false;
	}
}

/* Those that say where a register was saved. False: it is none of them. */
static bool step_register(struct machine *m, uint8_t op)
{
	uint64_t align = m->fde->data_align, reg;
	struct cursor *c = &m->c;

	if (op < DW_CFA_offset_extended || op == DW_CFA_remember_state ||
	    op == DW_CFA_restore_state || op == DW_CFA_GNU_args_size)
		return false;
	reg = cursor_uleb(c);
	switch (op) {
	case DW_CFA_offset_extended:
		set(m, reg, CFI_OFFSET, cursor_uleb(c) * align);
		return true;
	case DW_CFA_offset_extended_sf:
		set(m, reg, CFI_OFFSET, cursor_sleb(c) * align);
		return true;
	case DW_CFA_GNU_negative_offset_extended:
		set(m, reg, CFI_OFFSET, -(cursor_uleb(c) * align));
		return true;
	case DW_CFA_restore_extended:
		restore(m, reg);
		return true;
	case DW_CFA_undefined:
		set(m, reg, CFI_UNDEFINED, 0);
		return true;
	case DW_CFA_same_value:
		set(m, reg, CFI_SAME, 0);
		return true;
	case DW_CFA_register:
	case DW_CFA_val_offset:
	case DW_CFA_val_offset_sf:
		cursor_uleb(c);
		set(m, reg, CFI_OTHER, 0);
		return true;
	case DW_CFA_expression:
		set_expression(m, reg, CFI_EXPRESSION);
		return true;
	case DW_CFA_val_expression:
		set_expression(m, reg, CFI_OTHER);
		return true;
	default:
		return false;
	}
}

static void step(struct machine *m)
{
	struct cursor *c = &m->c;
	uint8_t op = (uint8_t)cursor_unsigned(c, 1), low = op & 0x3f;

	switch (op & 0xc0) {
	case DW_CFA_advance_loc:
		advance(m, low);
		return;
	case DW_CFA_offset:
		set(m, low, CFI_OFFSET, cursor_uleb(c) * m->fde->data_align);
		return;
	case DW_CFA_restore:
		restore(m, low);
		return;
	}
	switch (op) {
	case DW_CFA_nop:
		return;
	case DW_CFA_advance_loc1:
		advance(m, cursor_unsigned(c, 1));
		return;
	case DW_CFA_advance_loc2:
		advance(m, cursor_unsigned(c, 2));
		return;
	case DW_CFA_advance_loc4:
		advance(m, cursor_unsigned(c, 4));
		return;
	case DW_CFA_remember_state:
		remember(m);
		return;
	case DW_CFA_restore_state:
		recall(m);
		return;
	case DW_CFA_GNU_args_size:
		cursor_uleb(c);
		return;
	default:
		/* DW_CFA_set_loc is among the rest: no compiler for x86-64 writes it. */
		if (!step_cfa(m, op) && !step_register(m, op))
			c->bad = true;
	}
}

static bool run(struct machine *m, struct cursor program)
{
	m->c = program;
	while (!m->c.bad && !m->done && cursor_left(&m->c))
		step(m);
	return !m->c.bad;
}

bool cfi__run(const struct cfi_fde *fde, uint64_t vaddr, struct cfi_row *out)
{
	struct machine m = { .fde = fde, .location = fde->start, .target = vaddr };

	m.is_initial = true;
	if (!run(&m, fde->cie_program))
		return false;
	m.is_initial = false;
	m.initial = m.row;
	m.n_remembered = 0;
	if (!run(&m, fde->program))
		return false;
	*out = m.row;
	return true;
}
