/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Call frame information (DWARF 5, 6.4; LSB 5, 10.6 for .eh_frame): from an address to the row of
 * the unwinding table that holds there. Only the three columns that a rule has are kept.
 */
#ifndef UNFREED_UNWIND_CFI_H
#define UNFREED_UNWIND_CFI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/rule.h"
#include "user/unwind/cursor.h"
#include "user/unwind/image.h"

/* DWARF's register numbers on x86-64 (psABI, figure 3.36). */
enum { CFI_REG_BP = 6, CFI_REG_SP = 7, CFI_REG_RA = 16 };

/* A common information entry, and the frame description entry that refers to it. */
struct cfi_fde {
	uint64_t start, end;		/* code, vaddr */
	uint64_t code_align, data_align;
	uint64_t ra_reg;
	struct cursor cie_program, program;
	uint8_t pointer_encoding;	/* DW_EH_PE_*, of the FDE's addresses */
	bool has_augmentation;		/* 'z' */
};

/* The FDE that covers vaddr, its cursors pointing into the image. False: there is none. */
bool cfi__find(const struct image *image, uint64_t vaddr, struct cfi_fde *out);

/* Builds the index of a section that has no search table. 0 or -ENOMEM. */
int cfi__index(const struct image_section *section, bool is_eh, struct image_index *out);

/* Reads .eh_frame_hdr: where .eh_frame begins, and the search table if it has the usual form.
 * False: the header is unusable. */
bool cfi__read_header(struct image *image, uint64_t *eh_frame_vaddr);

enum cfi_how {
	CFI_UNSPECIFIED = 0,
	CFI_UNDEFINED,
	CFI_SAME,
	CFI_OFFSET,		/* saved at CFA + off; the CFA itself: register reg + off */
	CFI_EXPRESSION,		/* saved at the address that expr yields; the CFA itself: is it */
	CFI_OTHER,		/* in another register or computed: not followed */
};

struct cfi_column {
	enum cfi_how how;
	uint64_t reg;		/* of the CFA */
	uint64_t off;
	struct cursor expr;
};

struct cfi_row {
	struct cfi_column cfa, ra, bp;
};

/* Runs the FDE's program up to vaddr. False: it is malformed or beyond our bounds. */
bool cfi__run(const struct cfi_fde *fde, uint64_t vaddr, struct cfi_row *out);

/* What a DWARF expression comes to, without a process to run it on. */
enum cfi_base { CFI_CONST, CFI_PC, CFI_CFA, CFI_SP, CFI_BP };

struct cfi_value {
	enum cfi_base base;
	bool deref;		/* value = *(base + inner) + off, else base + off */
	uint64_t inner, off;
};

/* `with_cfa`: the CFA lies on the stack at the beginning. `pc`: only its low 12 bits may matter,
 * as they are the same wherever the file is mapped. False: not of a form that a rule can express. */
bool cfi__evaluate(struct cursor expr, bool with_cfa, uint64_t pc, struct cfi_value *out);

/* The row as a rule; UNWIND_BROKEN when no rule can say it. */
void cfi__make_rule(const struct cfi_row *row, uint64_t pc, struct unwind_rule *out);

#endif /* UNFREED_UNWIND_CFI_H */
