/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The walk over whatever rules and stack the input says: bytes 0..383 are the rules of the pcs
 * 0..15, then come bp and the stack. It must end within EV_MAX_FRAMES and read nothing but its copy.
 */
#include "user/unwind/walk.h"

#include <stdlib.h>
#include <string.h>

#include "user/unwind/unwind.h"

#define N_RULES 16
#define STACK_AT 0x7ffd00001000ull

struct input {
	struct unwind_rule rules[N_RULES];
	unsigned int n_asked;
};

static int input_rule(void *ctx, const struct unwind_key *key, bool again, struct unwind_rule *out)
{
	struct input *input = ctx;

	*out = input->rules[key->pc % N_RULES];
	input->n_asked++;
	return 0;
}

static int input_read(void *ctx, uint64_t addr, void *buf, size_t sz)
{
	if (addr % 3)
		return -1;
	memset(buf, (int)(addr % N_RULES), sz);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t sz);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t sz)
{
	static const struct walk_ops ops = { .rule = input_rule, .read = input_read };
	struct input input = { .n_asked = 0 };
	struct ev_miss *miss;
	struct ev_stack *out;

	if (sz < sizeof(input.rules) + 8)
		return 0;
	/* Both exactly as large as they are, so that one byte too far is seen. */
	miss = calloc(1, sizeof(*miss));
	out = malloc(UNWIND_STACK_SZ);
	if (!miss || !out)
		abort();
	memcpy(input.rules, data, sizeof(input.rules));
	memcpy(&miss->bp, data + sizeof(input.rules), 8);
	data += sizeof(input.rules) + 8;
	sz -= sizeof(input.rules) + 8;
	miss->ip = 1;
	miss->sp = STACK_AT;
	miss->stack_sz = (uint32_t)sz;	/* more than there is room for is part of the test */
	memcpy(miss->stack, data, sz < EV_MISS_STACK_SZ ? sz : EV_MISS_STACK_SZ);
	if (walk__run(miss, &ops, &input, out) || out->n_frames > EV_MAX_FRAMES ||
	    input.n_asked > 2 * EV_MAX_FRAMES || out->end > EV_STACK_BROKEN || !out->id)
		abort();
	free(miss);
	free(out);
	return 0;
}
