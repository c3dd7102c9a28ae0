/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * DWARF expressions in call frame information, evaluated without a process: each value on the
 * stack is a register plus a number, or what lies at one plus a number. That covers what is found
 * in practice: stacks that were realigned (`breg6 -8; deref`), PLT stubs (by pc & 15), saved
 * registers of a signal frame (`breg7 120`), hand-written assembly (`breg7 112; deref;
 * plus_uconst 8`). Everything else is refused. There are no branches, so the size bounds the time.
 */
#include "user/unwind/cfi.h"

#include <dwarf.h>

#define MAX_VALUES 16

struct evaluation {
	struct cursor c;
	uint64_t pc;
	struct cfi_value values[MAX_VALUES];
	size_t n;
	bool failed;
};

static void push(struct evaluation *e, struct cfi_value value)
{
	if (e->n == MAX_VALUES)
		e->failed = true;
	else
		e->values[e->n++] = value;
}

static void push_const(struct evaluation *e, uint64_t number)
{
	push(e, (struct cfi_value){ .base = CFI_CONST, .off = number });
}

static struct cfi_value pop(struct evaluation *e)
{
	if (!e->n) {
		e->failed = true;
		return (struct cfi_value){ 0 };
	}
	return e->values[--e->n];
}

static void push_register(struct evaluation *e, uint64_t reg, uint64_t off)
{
	struct cfi_value value = { .off = off };

	if (reg == CFI_REG_SP)
		value.base = CFI_SP;
	else if (reg == CFI_REG_BP)
		value.base = CFI_BP;
	else if (reg == CFI_REG_RA)
		value.base = CFI_PC;
	else
		e->failed = true;
	push(e, value);
}

static void dereference(struct evaluation *e)
{
	struct cfi_value value = pop(e);

	if (value.deref || value.base == CFI_CONST || value.base == CFI_PC)
		e->failed = true;
	value.deref = true;
	value.inner = value.off;
	value.off = 0;
	push(e, value);
}

static uint64_t compute(struct evaluation *e, uint8_t op, uint64_t a, uint64_t b)
{
	int64_t x = (int64_t)a, y = (int64_t)b;

	switch (op) {
	case DW_OP_and:
		return a & b;
	case DW_OP_or:
		return a | b;
	case DW_OP_shl:
		return b < 64 ? a << b : 0;
	case DW_OP_shr:
		return b < 64 ? a >> b : 0;
	case DW_OP_mul:
		return a * b;
	case DW_OP_ge:
		return x >= y;
	case DW_OP_gt:
		return x > y;
	case DW_OP_le:
		return x <= y;
	case DW_OP_lt:
		return x < y;
	case DW_OP_eq:
		return x == y;
	case DW_OP_ne:
		return x != y;
	default:
		e->failed = true;
		return 0;
	}
}

static void combine(struct evaluation *e, uint8_t op)
{
	struct cfi_value b = pop(e), a = pop(e);

	if (op == DW_OP_plus && a.base == CFI_CONST) {
		b.off += a.off;
		push(e, b);
	} else if (op == DW_OP_plus && b.base == CFI_CONST) {
		a.off += b.off;
		push(e, a);
	} else if (op == DW_OP_minus && b.base == CFI_CONST) {
		a.off -= b.off;
		push(e, a);
	} else if (op == DW_OP_and && a.base == CFI_PC && b.base == CFI_CONST && b.off < 4096) {
		push_const(e, (e->pc + a.off) & b.off);
	} else if (a.base == CFI_CONST && b.base == CFI_CONST) {
		push_const(e, compute(e, op, a.off, b.off));
	} else {
		e->failed = true;
	}
}

/* The constants. False: op is none. */
static bool step_const(struct evaluation *e, uint8_t op)
{
	struct cursor *c = &e->c;

	if (op >= DW_OP_lit0 && op <= DW_OP_lit31) {
		push_const(e, op - DW_OP_lit0);
		return true;
	}
	switch (op) {
	case DW_OP_const1u:
	case DW_OP_const2u:
	case DW_OP_const4u:
	case DW_OP_const8u:
		push_const(e, cursor_unsigned(c, 1u << (op - DW_OP_const1u) / 2));
		return true;
	case DW_OP_const1s:
	case DW_OP_const2s:
	case DW_OP_const4s:
	case DW_OP_const8s:
		push_const(e, cursor_signed(c, 1u << (op - DW_OP_const1s) / 2));
		return true;
	case DW_OP_constu:
		push_const(e, cursor_uleb(c));
		return true;
	case DW_OP_consts:
		push_const(e, cursor_sleb(c));
		return true;
	default:
		return false;
	}
}

static void step(struct evaluation *e)
{
	uint8_t op = (uint8_t)cursor_unsigned(&e->c, 1);
	struct cfi_value value;
	uint64_t reg;

	if (step_const(e, op))
		return;
	if (op >= DW_OP_breg0 && op <= DW_OP_breg31) {
		push_register(e, op - DW_OP_breg0, cursor_sleb(&e->c));
		return;
	}
	switch (op) {
	case DW_OP_bregx:
		reg = cursor_uleb(&e->c);
		push_register(e, reg, cursor_sleb(&e->c));
		break;
	case DW_OP_deref:
		dereference(e);
		break;
	case DW_OP_plus_uconst:
		value = pop(e);
		value.off += cursor_uleb(&e->c);
		push(e, value);
		break;
	case DW_OP_dup:
		value = pop(e);
		push(e, value);
		push(e, value);
		break;
	case DW_OP_drop:
		pop(e);
		break;
	case DW_OP_nop:
		break;
	default:
		combine(e, op);
	}
}

bool cfi__evaluate(struct cursor expr, bool with_cfa, uint64_t pc, struct cfi_value *out)
{
	struct evaluation e = { .c = expr, .pc = pc };

	if (with_cfa)
		push(&e, (struct cfi_value){ .base = CFI_CFA });
	while (!e.failed && !e.c.bad && cursor_left(&e.c))
		step(&e);
	*out = pop(&e);
	return !e.failed && !e.c.bad && out->base != CFI_CONST && out->base != CFI_PC;
}
