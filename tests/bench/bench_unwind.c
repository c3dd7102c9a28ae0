/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * What one EV_MISS costs in user space: cold (nothing known of any file), after a restart of the
 * target (files are checked again), warm (all rules kept). The stack is this process's own, through
 * the C library; its map is read beforehand, as the live source keeps it, too.
 *
 *   bench_unwind [ANSWERS]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tests/unit/unwind_self.h"

#define MAX_MAPS 512

struct bench {
	struct unwind_map maps[MAX_MAPS];
	size_t n_maps;
	unsigned long n_answers;
	struct ev_miss miss;
	_Alignas(8) char stack[UNWIND_STACK_SZ];
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static int kept_find_map(void *ctx, uint32_t tgid, uint64_t pc, bool again, struct unwind_map *out)
{
	struct bench *bench = ctx;
	size_t i;

	for (i = 0; i < bench->n_maps; i++) {
		*out = bench->maps[i];
		if (pc >= out->start && pc < out->end)
			return 0;
	}
	if (bench->n_maps == MAX_MAPS || self_find_map(NULL, tgid, pc, again, out))
		return -ENOENT;
	bench->maps[bench->n_maps++] = *out;
	return 0;
}

static void ignore_rule(void *ctx, const struct unwind_key *key, const struct unwind_rule *rule)
{
}

static void must(int r, const char *what)
{
	if (r) {
		fprintf(stderr, "bench_unwind: %s: %s\n", what, strerror(-r));
		exit(1);
	}
}

static void answer(struct bench *bench, struct unwinder *unwinder)
{
	const struct unwind_walker walker = { .learn = ignore_rule };

	must(unwinder__answer(unwinder, &bench->miss, &walker, (struct ev_stack *)bench->stack), "answer");
}

static void report(const char *name, uint64_t ns, unsigned long n)
{
	printf("%-10s %8.2f us an answer\n", name, (double)ns / 1e3 / (double)n);
}

static void measure(struct bench *bench)
{
	struct unwind_target_ops ops = self_ops;
	const struct unwinder_opts opts = { .ops = &ops, .ops_ctx = bench };
	const struct ev_stack *stack = (const struct ev_stack *)bench->stack;
	unsigned long i, n_cold = bench->n_answers / 1000 + 1;
	struct unwinder *unwinder;
	uint64_t begin, ns = 0;

	ops.find_map = kept_find_map;
	for (i = 0; i < n_cold; i++) {
		must(unwinder__new(&unwinder, &opts), "new");
		begin = now_ns();
		answer(bench, unwinder);
		ns += now_ns() - begin;
		if (i + 1 < n_cold)
			unwinder__free(unwinder);
	}
	printf("%u frames, end %u, %zu files\n", stack->n_frames, stack->end,
	       unwinder__stats(unwinder).n_files);
	report("cold", ns, n_cold);
	begin = now_ns();
	for (i = 0; i < n_cold; i++) {
		unwinder__forget(unwinder, bench->miss.h.tgid);
		answer(bench, unwinder);
	}
	report("restarted", now_ns() - begin, n_cold);
	begin = now_ns();
	for (i = 0; i < bench->n_answers; i++)
		answer(bench, unwinder);
	report("warm", now_ns() - begin, bench->n_answers);
	unwinder__free(unwinder);
}

static int compare(const void *a, const void *b, void *ctx)
{
	struct bench *bench = ctx;
	struct ev_miss *miss = &bench->miss;

	if (miss->stack_sz)
		return 0;
	__asm__ volatile("lea 0(%%rip), %0\n\tmov %%rsp, %1\n\tmov %%rbp, %2"
			 : "=&r"(miss->ip), "=&r"(miss->sp), "=&r"(miss->bp));
	while (miss->stack_sz < EV_MISS_STACK_SZ &&
	       !self_read(NULL, 0, miss->sp + miss->stack_sz, miss->stack + miss->stack_sz, 1024))
		miss->stack_sz += 1024;
	measure(bench);
	return 0;
}

static __attribute__((noinline)) void descend(struct bench *bench, unsigned int depth)
{
	int numbers[2] = { 1, 0 };

	if (depth)
		descend(bench, depth - 1);
	else
		qsort_r(numbers, 2, sizeof(int), compare, bench);
	__asm__ volatile("" ::: "memory");	/* no tail call */
}

int main(int argc, char **argv)
{
	struct bench *bench = calloc(1, sizeof(*bench));

	must(bench ? 0 : -ENOMEM, "start");
	bench->n_answers = argc > 1 ? strtoul(argv[1], NULL, 10) : 100000;
	bench->miss.h.tgid = (uint32_t)getpid();
	descend(bench, 12);
	free(bench);
	return 0;
}
