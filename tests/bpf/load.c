/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Every BPF program loads on this kernel, in each form that features.h may choose, and stays within
 * its budget of instructions the verifier looks at (budget.txt; "-" for no budgets, since verifiers
 * differ). Prints both counts, 0 for those of a kernel that does not tell. Exit 77 where BPF is not
 * permitted.
 */
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/source/bpf.h"
#include "user/source/features.h"
#include "user/source/programs.h"

static unsigned int budget_of(const char *path, const char *name)
{
	char line[128], found[64];
	unsigned int budget = strcmp(path, "-") ? 0 : UINT_MAX, n;
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

		if (!bpf_program__autoload(program))	/* the other way to the same end */
			continue;
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

static int load(const struct features *features, bool oldest, const char *budget_path)
{
	bool multi = features__has(features, FEATURE_UPROBE_MULTI);
	struct unfreed_bpf *bpf = unfreed_bpf__open();
	struct bpf_config *config;
	int r;

	if (!bpf)
		return 99;
	config = (struct bpf_config *)&bpf->rodata->config;
	*config = (struct bpf_config){ .self_tgid = 1, .default_flags = 3, .page_sz = 4096,
				       .wakeup_sz = 1, .oldest = oldest,
				       .asks = 1, .asks_per_ns = 1 };
	r = programs__choose(bpf, features);
	if (!r)
		r = unfreed_bpf__load(bpf);
	printf("%s, %s: %s\n", multi ? "uprobe_multi" : "perf uprobes",
	       oldest ? "helpers of Linux 5.8" : "newer helpers", r ? strerror(-r) : "loaded");
	if (!r)
		r = check(bpf, budget_path) ? 1 : 0;
	unfreed_bpf__destroy(bpf);
	return r;
}

int main(int argc, char **argv)
{
	const char *budget_path = argc > 1 ? argv[1] : "tests/bpf/budget.txt";
	struct features features;
	int r;

	features__probe(&features, NULL);
	r = load(&features, false, budget_path);
	if (r == -EPERM) {
		printf("BPF is not permitted here\n");
		return 77;
	}
	if (features__has(&features, FEATURE_UPROBE_MULTI) && !r) {
		features.of[FEATURE_UPROBE_MULTI].answer = FEATURE_NO;
		r = load(&features, false, budget_path);
	}
	features.of[FEATURE_FIND_VMA].answer = FEATURE_NO;
	if (!r)
		r = load(&features, true, budget_path);
	return r ? 1 : 0;
}
