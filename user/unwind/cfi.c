/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The provider for code that has call frame information: the row that holds at a pc, said as a
 * rule. A rule knows sp and bp only; a CFA in another register (the dynamic linker's resolver
 * while it binds a symbol, a few instructions of a prologue) makes it UNWIND_BROKEN.
 */
#include "user/unwind/cfi.h"

#include "user/unwind/module.h"
#include "user/unwind/providers.h"

static bool fits_s16(uint64_t value)
{
	return (uint64_t)(int64_t)(int16_t)value == value;
}

static bool fits_s32(uint64_t value)
{
	return (uint64_t)(int64_t)(int32_t)value == value;
}

static bool make_cfa(const struct cfi_column *cfa, uint64_t pc, struct unwind_rule *out)
{
	struct cfi_value value = { .off = cfa->off };

	if (cfa->how == CFI_OFFSET && cfa->reg == CFI_REG_SP)
		value.base = CFI_SP;
	else if (cfa->how == CFI_OFFSET && cfa->reg == CFI_REG_BP)
		value.base = CFI_BP;
	else if (cfa->how != CFI_EXPRESSION || !cfi__evaluate(cfa->expr, false, pc, &value))
		return false;
	if (!fits_s32(value.off) || !fits_s16(value.inner))
		return false;
	if (value.deref)
		out->kind = value.base == CFI_BP ? UNWIND_BP_DEREF : UNWIND_SP_DEREF;
	else
		out->kind = value.base == CFI_BP ? UNWIND_BP : UNWIND_SP;
	out->cfa_off = (__s32)value.off;
	out->deref_off = (__s16)value.inner;
	return true;
}

/* Where a column was saved, as an address: base and off. False: no rule can say it. */
static bool find_slot(const struct cfi_column *column, uint64_t pc, struct cfi_value *out)
{
	*out = (struct cfi_value){ .base = CFI_CFA, .off = column->off };
	if (column->how == CFI_OFFSET)
		return true;
	return column->how == CFI_EXPRESSION && cfi__evaluate(column->expr, true, pc, out) &&
	       !out->deref;
}

/* A bp that was saved where no rule can follow is taken as unchanged: it matters only if an outer
 * frame is reckoned from it, and that frame then fails to make sense. */
static void make_bp(const struct cfi_column *bp, uint64_t pc, struct unwind_rule *out)
{
	struct cfi_value slot;

	if (!find_slot(bp, pc, &slot))
		return;
	if (slot.base == CFI_SP) {
		if (out->kind != UNWIND_SP)
			return;
		slot.off -= (uint64_t)(int64_t)out->cfa_off;
	}
	if (!fits_s16(slot.off))
		return;
	out->bp_off = (__s16)slot.off;
	out->flags |= UNWIND_F_BP_SAVED;
	if (slot.base == CFI_BP)
		out->flags |= UNWIND_F_BP_AT_BP;
}

void cfi__make_rule(const struct cfi_row *row, uint64_t pc, struct unwind_rule *out)
{
	struct cfi_value slot;

	*out = (struct unwind_rule){ .kind = UNWIND_BROKEN };
	if (row->ra.how == CFI_UNDEFINED) {
		out->kind = UNWIND_END;
		return;
	}
	if (!find_slot(&row->ra, pc, &slot))
		return;
	if (slot.base == CFI_SP && slot.off == UNWIND_SIGNAL_IP_OFF) {
		out->kind = UNWIND_SIGNAL;
		return;
	}
	if (slot.base != CFI_CFA || !fits_s16(slot.off) || !make_cfa(&row->cfa, pc, out))
		return;
	out->ra_off = (__s16)slot.off;
	make_bp(&row->bp, pc, out);
}

static int cfi_rule(const struct unwind_place *place, struct unwind_rule *out)
{
	struct cfi_fde fde;
	struct cfi_row row;

	if (!place->module || !cfi__find(&place->module->image, place->vaddr, &fde))
		return 1;
	if (fde.ra_reg == CFI_REG_RA && cfi__run(&fde, place->vaddr, &row))
		cfi__make_rule(&row, place->pc, out);
	else
		*out = (struct unwind_rule){ .kind = UNWIND_BROKEN };
	return 0;
}

const struct unwind_provider cfi_provider = { .name = "cfi", .rule = cfi_rule };
