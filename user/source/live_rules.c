/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The rules that the walker has, process by process. They go with the code they are for: when it is
 * unmapped or covered, at exec, at the end.
 *
 * Code that a runtime compiles comes and goes without a call to the kernel. The walker deletes a rule
 * whose guard fails, but only if it comes by; so whenever a process's rules have doubled, those whose
 * guard fails now are deleted here.
 */
#include "user/source/live_private.h"

#include <stdlib.h>

#include "user/base/cleanup.h"

#define SWEEP_FROM 1024		/* rules */

static bool guard_holds(struct live *live, const struct watched *p, const struct unwind_rule *rule)
{
	uint32_t value;

	if (!(rule->flags & UNWIND_F_GUARD))
		return true;
	return !live_unwind_ops.read(live, p->tgid, rule->guard_addr, &value, sizeof(value)) &&
	       value == rule->guard_value;
}

static void sweep(struct live *live, struct watched *p)
{
	cleanup_free struct unwind_key *dead = calloc(p->rules.n, sizeof(*dead));
	int fd = bpf_map__fd(live->bpf->maps.rules);
	const struct unwind_key *key;
	size_t cursor = 0, n = 0;

	while (dead && (key = table__next(&p->rules, &cursor))) {
		struct unwind_rule rule;

		if (bpf_map_lookup_elem(fd, key, &rule) || !guard_holds(live, p, &rule))
			dead[n++] = *key;
	}
	for (size_t i = 0; i < n; i++) {
		bpf_map_delete_elem(fd, &dead[i]);
		table__remove(&p->rules, &dead[i]);
	}
	p->rules_sweep_at = 2 * p->rules.n;
}

bool live_knows_rule(void *ctx, const struct unwind_key *key, struct unwind_rule *out)
{
	const struct live *live = ctx;

	return bpf_map_lookup_elem(bpf_map__fd(live->bpf->maps.rules), key, out) == 0;
}

void live_learn_rule(void *ctx, const struct unwind_key *key, const struct unwind_rule *rule)
{
	struct live *live = ctx;
	struct watched *p = live_find(live, key->tgid);
	int fd = bpf_map__fd(live->bpf->maps.rules);

	if (!p)
		return;
	if (p->rules.n >= SWEEP_FROM && p->rules.n >= p->rules_sweep_at)
		sweep(live, p);
	/* Remembered first: a rule that is not known here would never be dropped. A guarded one may
	 * have changed, or have been deleted by the walker. */
	if (!table__insert(&p->rules, key, NULL) || bpf_map_update_elem(fd, key, rule, BPF_ANY))
		live->own_losses[EV_LOSS_RULES_FULL]++;
}

/* Up to n of the process's rules whose pcs lie in [start, end). */
static size_t pick_rules(const struct watched *p, uint64_t start, uint64_t end,
			 struct unwind_key *keys, size_t n)
{
	const struct unwind_key *key;
	size_t cursor = 0, found = 0;

	while (found < n && (key = table__next(&p->rules, &cursor))) {
		uint64_t pc = key->pc & ~UNWIND_PC_INNERMOST;

		if (pc >= start && pc < end)
			keys[found++] = *key;
	}
	return found;
}

/* Forgets the rules of the pcs in [start, end): what lies there is another thing now. */
void live_drop_rules(struct live *live, struct watched *p, uint64_t start, uint64_t end)
{
	int fd = bpf_map__fd(live->bpf->maps.rules);
	struct unwind_key keys[256];
	size_t n;

	do {
		n = pick_rules(p, start, end, keys, sizeof(keys) / sizeof(keys[0]));
		for (size_t i = 0; i < n; i++) {
			bpf_map_delete_elem(fd, &keys[i]);
			table__remove(&p->rules, &keys[i]);
		}
	} while (n == sizeof(keys) / sizeof(keys[0]));
}
