/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * What watching costs the watched, held against probes that do nothing.
 *
 * One run goes through all modes in turn, several rounds of it, every other round backwards: what
 * the machine does besides hits all modes alike. Each figure is the median over the rounds; what a
 * mode adds is the median of its differences to the untraced call of the same round. The target
 * (target.c) measures its own CPU time. It and this program, which reads the ring meanwhile, sit on
 * a CPU each if there are two.
 *
 * Somebody else's probes cost the target, too, and would hide ours. A round counts only if untraced
 * calls were about as fast at its beginning and its end as in the best round.
 *
 * The kernel's bpf_get_stack() follows frame pointers: it is measured on a target that was built
 * with them, ours on one that was not, each against its own empty probes.
 *
 * Exit status: 0; 1: something is broken (a mode that saw nothing, records lost, stacks that are
 * not what they should be); 77: it cannot run here. Never because of a number: see docs/overhead.md.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>

#include "bpf/config.h"
#include "tests/bench/attach.h"
#include "user/base/cleanup.h"
#include "user/base/error.h"
#include "user/base/log.h"
#include "user/base/loop.h"

#define MAX_ROUNDS 200
#define QUIET 1.25		/* an untraced call in a round that counts, over the fastest */
#define TRACED_NS 25		/* any system call pays more as soon as the first one is traced */
#define QUIET_NS 20		/* ... or so many more */
#define N_SHALLOW 10
#define N_DEEP 35

enum kind { KIND_MMAP, KIND_ZLIB, KIND_OTHER, N_KINDS };

static const struct {
	const char *name, *title;
	unsigned int n_hits;	/* of probes per pair */
	unsigned int n_records;
} kinds[N_KINDS] = {
	[KIND_MMAP] = { "mmap", "mmap + munmap of 64 KiB", 3, 2 },
	[KIND_ZLIB] = { "zlib", "inflateInit2_ + inflateEnd", 2, 2 },
	[KIND_OTHER] = { "other", "any other system call (getppid)", 0, 0 },
};

enum mode {
	MODE_NOTHING,
	MODE_EMPTY,
	MODE_UNWATCHED,
	MODE_COUNTING,
	MODE_SHALLOW,
	MODE_DEEP,
	MODE_FULL_SHALLOW,
	MODE_FULL_DEEP,
	MODE_FP_DEEP,
	MODE_FP_SHALLOW,
	MODE_FP_EMPTY,
	MODE_FP_NOTHING,
	N_MODES
};

static const struct {
	const char *title;
	enum attach_what what;
	uint32_t target_flags;
	bool with_fp;		/* the target that was built with frame pointers */
	int depth;
	enum mode nothing, empty, base;	/* base: the same without stacks */
} modes[N_MODES] = {
	[MODE_NOTHING] = { "nothing attached", ATTACH_NOTHING, 0, false, N_SHALLOW,
			   MODE_NOTHING, MODE_EMPTY, MODE_NOTHING },
	[MODE_EMPTY] = { "empty programs", ATTACH_EMPTY, 0, false, N_SHALLOW,
			 MODE_NOTHING, MODE_EMPTY, MODE_EMPTY },
	[MODE_UNWATCHED] = { "ours, another process watched", ATTACH_OURS, 0, false, N_SHALLOW,
			     MODE_NOTHING, MODE_EMPTY, MODE_UNWATCHED },
	[MODE_COUNTING] = { "ours, counting", ATTACH_OURS, TARGET_WATCHED, false, N_SHALLOW,
			    MODE_NOTHING, MODE_EMPTY, MODE_COUNTING },
	[MODE_SHALLOW] = { "ours, stacks", ATTACH_OURS, TARGET_WATCHED | TARGET_STACKS, false,
			   N_SHALLOW, MODE_NOTHING, MODE_EMPTY, MODE_COUNTING },
	[MODE_DEEP] = { "ours, stacks", ATTACH_OURS, TARGET_WATCHED | TARGET_STACKS, false,
			N_DEEP, MODE_NOTHING, MODE_EMPTY, MODE_COUNTING },
	[MODE_FULL_SHALLOW] = { "ours, stacks never the same", ATTACH_OURS_NO_MEMO,
				TARGET_WATCHED | TARGET_STACKS, false, N_SHALLOW,
				MODE_NOTHING, MODE_EMPTY, MODE_COUNTING },
	[MODE_FULL_DEEP] = { "ours, stacks never the same", ATTACH_OURS_NO_MEMO,
			     TARGET_WATCHED | TARGET_STACKS, false, N_DEEP,
			     MODE_NOTHING, MODE_EMPTY, MODE_COUNTING },
	[MODE_FP_NOTHING] = { "nothing attached (frame pointers)", ATTACH_NOTHING, 0, true,
			      N_SHALLOW, MODE_FP_NOTHING, MODE_FP_EMPTY, MODE_FP_NOTHING },
	[MODE_FP_EMPTY] = { "empty programs (frame pointers)", ATTACH_EMPTY, 0, true, N_SHALLOW,
			    MODE_FP_NOTHING, MODE_FP_EMPTY, MODE_FP_EMPTY },
	[MODE_FP_SHALLOW] = { "bpf_get_stack (frame pointers)", ATTACH_GET_STACK, 0, true,
			      N_SHALLOW, MODE_FP_NOTHING, MODE_FP_EMPTY, MODE_FP_EMPTY },
	[MODE_FP_DEEP] = { "bpf_get_stack (frame pointers)", ATTACH_GET_STACK, 0, true, N_DEEP,
			   MODE_FP_NOTHING, MODE_FP_EMPTY, MODE_FP_EMPTY },
};

struct target {
	pid_t pid;
	int to, from;		/* its standard input and output */
};

struct bench {
	struct log *log;
	struct attach *attach;
	struct target targets[2];	/* [with_fp] */
	int n_rounds, n_quiet;
	bool quiet[MAX_ROUNDS];
	long n_pairs;
	char answer[64];
	double ns[N_KINDS][N_MODES][MAX_ROUNDS];
	uint32_t n_frames[N_KINDS][N_MODES];
	bool broken, doubted[N_KINDS][N_MODES];
};

/* --- the target -------------------------------------------------------------------------------- */

static void pin(pid_t pid, unsigned int nth)
{
	cpu_set_t allowed, one;

	if (sched_getaffinity(0, sizeof(allowed), &allowed) || CPU_COUNT(&allowed) < 2)
		return;
	for (unsigned int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &allowed) || nth--)
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		sched_setaffinity(pid, sizeof(one), &one);
		return;
	}
}

static int start_target(struct target *target, const char *program)
{
	int to[2], from[2];

	if (pipe2(to, O_CLOEXEC) || pipe2(from, O_CLOEXEC))
		return negative_errno();
	target->pid = fork();
	if (target->pid < 0)
		return negative_errno();
	if (!target->pid) {
		dup2(to[0], STDIN_FILENO);
		dup2(from[1], STDOUT_FILENO);
		execl(program, program, NULL);
		_exit(127);
	}
	close(to[0]);
	close(from[1]);
	target->to = to[1];
	target->from = from[0];
	pin(target->pid, 1);
	return 0;
}

static void end_target(struct target *target)
{
	if (target->pid <= 0)
		return;
	close(target->to);
	close(target->from);
	waitpid(target->pid, NULL, 0);
}

static int on_answer(void *ctx, int fd, uint32_t events)
{
	struct bench *bench = ctx;
	ssize_t n = read(fd, bench->answer, sizeof(bench->answer) - 1);

	if (n <= 0)
		return n ? negative_errno() : -EPIPE;
	bench->answer[n] = '\0';
	return 1;
}

static int on_timeout(void *ctx, uint64_t now)
{
	return 1;
}

/* Lets the target do its pairs while the ring is read; *ns: what it says that one took. */
static int ask(struct bench *bench, const struct target *target, enum kind kind, int depth,
	       long n_pairs, double *ns)
{
	struct loop *loop = attach__loop(bench->attach);
	char line[64];
	int n = snprintf(line, sizeof(line), "%s %d %ld\n", kinds[kind].name, depth, n_pairs), r;

	if (write(target->to, line, (size_t)n) != n)
		return negative_errno();
	r = loop__add_fd(loop, target->from, EPOLLIN, on_answer, bench);
	if (r)
		return r;
	r = loop__run(loop);
	loop__remove_fd(loop, target->from);
	if (r < 0)
		return r;
	*ns = strtod(bench->answer, NULL);
	return 0;
}

/* --- measuring --------------------------------------------------------------------------------- */

/* A few pairs, and time for the answers to the walker's questions. */
static int warm_up(struct bench *bench, const struct target *target, enum kind kind, enum mode mode)
{
	int n_times = modes[mode].target_flags & TARGET_STACKS ? 3 : 1, r = 0;
	double ns;

	for (int i = 0; i < n_times && !r; i++) {
		r = ask(bench, target, kind, modes[mode].depth, 100, &ns);
		if (!r)
			r = loop__add_timeout(attach__loop(bench->attach), 5000000, on_timeout, NULL);
		if (!r)
			r = loop__run(attach__loop(bench->attach));
		r = r < 0 ? r : 0;
	}
	return r;
}

static void doubt(struct bench *bench, enum kind kind, enum mode mode, const char *what,
		  unsigned long is, unsigned long should_be)
{
	if (bench->doubted[kind][mode])
		return;
	bench->doubted[kind][mode] = true;
	fprintf(stderr, "broken: %s: %s, %d frames: %s: %lu, not %lu\n", kinds[kind].title,
		modes[mode].title, modes[mode].depth, what, is, should_be);
	bench->broken = true;
}

/* Whether a mode did what is said to cost so much. */
static void check(struct bench *bench, enum kind kind, enum mode mode)
{
	struct attach_seen seen = attach__seen(bench->attach);
	uint64_t n_pairs = (uint64_t)bench->n_pairs, hits = 0;
	bool stacks = modes[mode].target_flags & TARGET_STACKS;

	if (modes[mode].what == ATTACH_EMPTY || modes[mode].what == ATTACH_GET_STACK)
		hits = kinds[kind].n_hits * n_pairs;
	else if (modes[mode].target_flags)
		hits = kinds[kind].n_records * n_pairs;
	if (seen.lost)
		doubt(bench, kind, mode, "records lost", seen.lost, 0);
	else if (hits ? seen.hits < hits : seen.hits > n_pairs / 2)
		doubt(bench, kind, mode, "hits", seen.hits, hits);
	if (!hits)
		return;
	bench->n_frames[kind][mode] = seen.n_frames;
	if (stacks && seen.complete < n_pairs)
		doubt(bench, kind, mode, "complete stacks", seen.complete, n_pairs);
	if (stacks && seen.n_frames != (unsigned int)modes[mode].depth)
		doubt(bench, kind, mode, "frames", seen.n_frames, (unsigned int)modes[mode].depth);
}

static int measure(struct bench *bench, enum mode mode, int round)
{
	const struct target *target = &bench->targets[modes[mode].with_fp];
	int r;

	r = attach__switch(bench->attach, modes[mode].what, target->pid, modes[mode].target_flags);
	for (int kind = 0; kind < N_KINDS && !r; kind++) {
		r = warm_up(bench, target, kind, mode);
		if (r)
			return r;
		attach__clear(bench->attach);
		r = ask(bench, target, kind, modes[mode].depth, bench->n_pairs,
			&bench->ns[kind][mode][round]);
		if (!r)
			check(bench, kind, mode);
	}
	return r;
}

static int run(struct bench *bench)
{
	int r = 0;

	for (int round = 0; round < bench->n_rounds; round++)
		for (int i = 0; i < N_MODES && !r; i++)
			r = measure(bench, round % 2 ? N_MODES - 1 - i : i, round);
	if (r)
		fprintf(stderr, "a measurement failed: %s\n", strerror(-r));
	return r;
}

static double fastest(const struct bench *bench, enum kind kind, enum mode mode)
{
	double ns = bench->ns[kind][mode][0];

	for (int i = 1; i < bench->n_rounds; i++)
		ns = bench->ns[kind][mode][i] < ns ? bench->ns[kind][mode][i] : ns;
	return ns;
}

static bool is_quiet(const struct bench *bench, enum mode mode, int round)
{
	for (int kind = KIND_ZLIB; kind < N_KINDS; kind++)
		if (bench->ns[kind][mode][round] >
		    fastest(bench, kind, mode) * QUIET + QUIET_NS)
			return false;
	return true;
}

static void find_quiet(struct bench *bench)
{
	for (int i = 0; i < bench->n_rounds; i++) {
		bench->quiet[i] = is_quiet(bench, MODE_NOTHING, i) &&
				  is_quiet(bench, MODE_FP_NOTHING, i);
		bench->n_quiet += bench->quiet[i];
	}
}

/* --- the table --------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Of what `mode` takes beyond `less`, round by round; less == N_MODES: of what it takes. */
static double median(const struct bench *bench, enum kind kind, enum mode mode, enum mode less)
{
	double ns[MAX_ROUNDS];
	int n = 0;

	for (int i = 0; i < bench->n_rounds; i++)
		if (bench->quiet[i] || !bench->n_quiet)
			ns[n++] = bench->ns[kind][mode][i] -
				  (less < N_MODES ? bench->ns[kind][less][i] : 0);
	qsort(ns, (size_t)n, sizeof(ns[0]), compare);
	return ns[n / 2];
}

static void print_mode(const struct bench *bench, enum kind kind, enum mode mode)
{
	double ns = median(bench, kind, mode, N_MODES);
	double added = median(bench, kind, mode, modes[mode].nothing);
	double empty = median(bench, kind, modes[mode].empty, modes[mode].nothing);
	bool stacks = modes[mode].base != mode && kind != KIND_OTHER;

	printf("  %-34s", modes[mode].title);
	if (stacks)
		printf("%6u", bench->n_frames[kind][mode]);
	else
		printf("%6s", "");
	printf(" %9.0f", ns);
	if (modes[mode].nothing != mode)
		printf(" %+9.0f %9.2f", added, added / empty);
	if (stacks)
		printf(" %9.0f", median(bench, kind, mode, modes[mode].base) /
			(bench->n_frames[kind][mode] ? bench->n_frames[kind][mode] : 1));
	putchar('\n');
}

static void print_table(const struct bench *bench)
{
	printf("ns of CPU time per pair of calls; %d of %d rounds count\n", bench->n_quiet,
	       bench->n_rounds);
	if (median(bench, KIND_OTHER, MODE_EMPTY, MODE_NOTHING) < TRACED_NS)
		puts("somebody else traces system calls: \"of empty\" says nothing about mmap");
	putchar('\n');
	for (int kind = 0; kind < N_KINDS; kind++) {
		printf("%-36s%6s %9s %9s %9s %9s\n", kinds[kind].title, "frames", "ns", "added",
		       "of empty", "a frame");
		for (int mode = 0; mode < N_MODES; mode++)
			if (kind != KIND_OTHER || !modes[mode].with_fp)
				print_mode(bench, kind, mode);
		putchar('\n');
	}
}

static int set_up(struct bench *bench, char **programs)
{
	int r;

	r = log__new(&bench->log, stderr, LOG_LEVEL_WARNING);
	for (int i = 0; i < 2 && !r; i++)
		r = start_target(&bench->targets[i], programs[i]);
	pin(0, 0);
	if (!r)
		r = attach__new(&bench->attach, bench->log);
	return r;
}

static void tear_down(struct bench *bench)
{
	bench->attach = attach__free(bench->attach);
	for (int i = 0; i < 2; i++)
		end_target(&bench->targets[i]);
	log__free(bench->log);
	free(bench);
}

int main(int argc, char **argv)
{
	struct bench *bench;
	bool broken;
	int r;

	if (argc != 5) {
		fprintf(stderr, "usage: bench_probes ROUNDS PAIRS TARGET TARGET-WITH-FRAME-POINTERS\n");
		return 2;
	}
	if (geteuid()) {
		fprintf(stderr, "BENCH NOT RUN: needs root\n");
		return 77;
	}
	bench = calloc(1, sizeof(*bench));
	if (!bench)
		return 1;
	signal(SIGPIPE, SIG_IGN);
	bench->n_rounds = atoi(argv[1]);
	bench->n_pairs = atol(argv[2]);
	if (bench->n_rounds < 1 || bench->n_rounds > MAX_ROUNDS || bench->n_pairs < 100) {
		fprintf(stderr, "bench_probes: 1 to %d rounds, 100 pairs or more\n", MAX_ROUNDS);
		free(bench);
		return 2;
	}
	r = set_up(bench, argv + 3);
	if (!r)
		r = run(bench);
	if (!r) {
		find_quiet(bench);
		print_table(bench);
	}
	broken = r || bench->broken;
	tear_down(bench);
	return broken;
}
