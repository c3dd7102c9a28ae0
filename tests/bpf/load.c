/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Every BPF program loads on this kernel, in each form that features.h may choose, and stays within
 * its budget of instructions the verifier looks at (budget.txt). Prints both counts. Exit 77 where
 * BPF is not permitted.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/source/bpf.h"

#define ATTACH_UPROBE_MULTI 48

static unsigned int budget_of(const char *path, const char *name)
{
	char line[128], found[64];
	unsigned int budget = 0, n;
	FILE *f = fopen(path, "r");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%63s %u", found, &n) == 2 && !strcmp(found, name))
			budget = n;
	if (f)
		fclose(f);
	return budget;
}

static int check(struct unfreed_bpf *bpf, const char *budget_path)
{
	struct bpf_program *program;
	int n_failed = 0;

	bpf_object__for_each_program(program, bpf->obj) {
		const char *name = bpf_program__name(program);
		struct bpf_prog_info info = {};
		__u32 sz = sizeof(info);
		unsigned int budget = budget_of(budget_path, name);

		if (bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &sz)) {
			printf("FAIL %s: no information\n", name);
			n_failed++;
			continue;
		}
		printf("%-20s %5zu instructions, %6u verified, budget %u\n", name,
		       bpf_program__insn_cnt(program), info.verified_insns, budget);
		if (!budget || info.verified_insns > budget) {
			printf("FAIL %s: %s\n", name, budget ? "over its budget" : "has no budget");
			n_failed++;
		}
	}
	return n_failed;
}

static int load(bool multi, bool no_bpf_loop, const char *budget_path)
{
	struct unfreed_bpf *bpf = unfreed_bpf__open();
	struct bpf_config *config;
	int r;

	if (!bpf)
		return 99;
	config = (struct bpf_config *)&bpf->rodata->config;
	*config = (struct bpf_config){ .self_tgid = 1, .default_flags = 3, .page_sz = 4096,
				       .wakeup_sz = 1, .no_bpf_loop = no_bpf_loop,
				       .asks = 1, .asks_per_ns = 1 };
	if (multi)
		bpf_program__set_expected_attach_type(bpf->progs.handle_call, ATTACH_UPROBE_MULTI);
	r = unfreed_bpf__load(bpf);
	printf("%s, %s: %s\n", multi ? "uprobe_multi" : "perf uprobes",
	       no_bpf_loop ? "bounded loop" : "bpf_loop", r ? strerror(-r) : "loaded");
	if (!r && !no_bpf_loop)	/* the bounded loop has the verifier's own limit: one million */
		r = check(bpf, budget_path) ? 1 : 0;
	unfreed_bpf__destroy(bpf);
	return r;
}

int main(int argc, char **argv)
{
	const char *budget_path = argc > 1 ? argv[1] : "tests/bpf/budget.txt";
	int r = load(false, false, budget_path);

	if (r == -EPERM) {
		printf("BPF is not permitted here\n");
		return 77;
	}
	if (!r)
		r = load(false, true, budget_path);
	if (!r)
		r = load(true, false, budget_path);
	if (r == -EINVAL) {	/* before Linux 6.6 there is no such attach type */
		printf("this kernel has no uprobe_multi\n");
		r = 0;
	}
	return r ? 1 : 0;
}
