/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The provider for small pieces of code that came from no file and keep no frame pointer: a call, and
 * behind it nothing but the way out. CPython 3.12 makes one for each function of Python when it is
 * asked for a perf map (-X perf; its successors keep a frame pointer):
 *
 *   sub $8,%rsp; call *%rcx; add $8,%rsp; ret
 *
 * What is read behind the call is what will be executed, so the frame's size is known for sure as long
 * as these bytes are there: they are the rule's guard.
 */
#include "user/unwind/providers.h"

#include <string.h>

#include "user/unwind/hotspot.h"
#include "user/unwind/hotspot_read.h"

#define READ_BUDGET 4096

static int trampoline_rule(const struct unwind_place *place, struct unwind_rule *out)
{
	struct remote remote = jvms__remote(place->jvms, place->tgid, READ_BUDGET);
	uint8_t code[5];	/* add $imm8,%rsp; ret */

	if (place->module || place->innermost || !remote__read(&remote, place->pc, code, sizeof(code)) ||
	    code[0] != 0x48 || code[1] != 0x83 || code[2] != 0xc4 || code[3] > 0x78 || code[3] % 8 ||
	    code[4] != 0xc3)
		return 1;
	*out = (struct unwind_rule){
		.kind = UNWIND_SP,
		.flags = UNWIND_F_GUARD,
		.cfa_off = code[3] + 8,
		.ra_off = -8,
		.guard_addr = place->pc,
	};
	memcpy(&out->guard_value, code, sizeof(out->guard_value));
	return 0;
}

const struct unwind_provider trampoline_provider = {
	.name = "trampoline",
	.rule = trampoline_rule,
};
