/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The provider for everything else: code that came from no file (V8, .NET, other JITs) and files
 * without call frame information (Go). All of these keep frame pointers, and where a piece of them
 * does not, nothing better is known.
 */
#include "user/unwind/providers.h"

static int frame_pointer_rule(const struct unwind_place *place, struct unwind_rule *out)
{
	*out = (struct unwind_rule){
		.kind = UNWIND_BP,
		.flags = UNWIND_F_BP_SAVED,
		.cfa_off = 16,
		.ra_off = -8,
		.bp_off = -16,
	};
	return 0;
}

const struct unwind_provider frame_pointer_provider = {
	.name = "frame_pointer",
	.rule = frame_pointer_rule,
};
