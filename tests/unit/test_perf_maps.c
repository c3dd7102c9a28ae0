/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* The perf maps of several processes: names, the bound of memory, and a file that never stays. */
#include "user/source/perf_maps.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "user/base/loop.h"
#include "user/source/procfs.h"

#define N_CHILDREN 3

struct rig {
	struct procfs *procfs;
	struct perf_maps *maps;
	pid_t children[N_CHILDREN];
};

static void write_map(pid_t pid, const char *mode, unsigned int n, const char *name)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/tmp/perf-%d.map", pid);
	f = fopen(path, mode);
	assert_non_null(f);
	for (unsigned int i = 0; i < n; i++)
		fprintf(f, "%x 10 JS:*%s%u /srv/app.js:%u:1\n", 0x1000 + 16 * i, name, i, i + 1);
	assert_int_equal(fclose(f), 0);
}

/* NULL: no name is expected. */
static void expect(struct rig *rig, pid_t pid, uint64_t addr, const char *function, uint32_t line)
{
	struct unwind_name name;
	int fd, why;
	bool known;

	assert_int_equal(perf_maps__open(rig->maps, pid, &fd, &why), 0);
	known = perf_maps__name(rig->maps, pid, fd, addr, &name);
	close(fd);
	assert_int_equal(known, !!function);
	if (!function)
		return;
	assert_string_equal(name.function, function);
	assert_string_equal(name.file, "/srv/app.js");
	assert_int_equal(name.line, line);
	assert_int_equal(name.kind, EV_METHOD_STUB);
}

static void test_names(void **state)
{
	struct rig *rig = *state;
	pid_t pid = rig->children[0];
	int fd, why;

	assert_int_equal(perf_maps__open(rig->maps, pid, &fd, &why), 1);
	assert_int_equal(why, -ENOENT);
	write_map(pid, "w", 10, "f");
	expect(rig, pid, 0x1010, "f1", 2);
	expect(rig, pid, 0x1100, NULL, 0);
	/* Written after it was looked at first: read at once. */
	write_map(pid, "a", 20, "g");
	expect(rig, pid, 0x1130, "g19", 20);
	expect(rig, pid, 0x1010, "g1", 2);
	perf_maps__forget(rig->maps, pid);
	assert_int_equal(perf_maps__bytes(rig->maps), 0);
	expect(rig, pid, 0x1010, "g1", 2);
}

static void test_memory(void **state)
{
	struct rig *rig = *state;
	const size_t one = 2048 * 24 + 4096;	/* 1,500 lines are kept in room for 2,048 */

	perf_maps__free(rig->maps);
	assert_int_equal(perf_maps__new(&rig->maps, rig->procfs, 2 * one), 0);
	for (int i = 0; i < N_CHILDREN; i++)
		write_map(rig->children[i], "w", 1500, "f");
	for (int round = 0; round < 4; round++)
		for (int i = 0; i < N_CHILDREN; i++) {
			expect(rig, rig->children[i], 0x1010, "f1", 2);
			assert_in_range(perf_maps__bytes(rig->maps), 1, 2 * one);
		}
	/* Two have room; in turn, each of three pushes out the one that is used next. */
	assert_int_equal(perf_maps__n_evicted(rig->maps), 4 * N_CHILDREN - 2);
	expect(rig, rig->children[N_CHILDREN - 1], 0x1010, "f1", 2);
	assert_int_equal(perf_maps__n_evicted(rig->maps), 4 * N_CHILDREN - 2);
}

/* Written anew all the time: what is spent on it stays a small part of the time. */
static void test_restless(void **state)
{
	struct rig *rig = *state;
	pid_t pid = rig->children[0];
	uint64_t began_ns = clock_monotonic_ns(), spent_ns = 0, from_ns;
	int fd, why, n = 0;

	write_map(pid, "w", 100000, "f");
	while (clock_monotonic_ns() - began_ns < 1500000000) {
		write_map(pid, "w", 1, "g");
		write_map(pid, "a", 60000 - 20 * (unsigned int)n, "f");	/* shorter: all of it */
		from_ns = clock_monotonic_ns();
		assert_int_equal(perf_maps__open(rig->maps, pid, &fd, &why), 0);
		spent_ns += clock_monotonic_ns() - from_ns;
		close(fd);
		n++;
	}
	print_message("%d times anew: %.0f ms spent on it\n", n, (double)spent_ns / 1e6);
	assert_true(n > 10);
	/* 50 ms at once and a twentieth of 1.5 s, the last reading, and room for a busy machine. */
	assert_true(spent_ns < 300000000);
}

static int set_up(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	if (!rig || procfs__new(&rig->procfs, NULL) || perf_maps__new(&rig->maps, rig->procfs, 0))
		return -1;
	for (int i = 0; i < N_CHILDREN; i++) {
		rig->children[i] = fork();
		if (!rig->children[i]) {
			alarm(60);
			for (;;)
				pause();
		}
	}
	*state = rig;
	return 0;
}

static int tear_down(void **state)
{
	struct rig *rig = *state;
	char path[64];

	for (int i = 0; i < N_CHILDREN; i++) {
		snprintf(path, sizeof(path), "/tmp/perf-%d.map", rig->children[i]);
		unlink(path);
		kill(rig->children[i], SIGKILL);
		waitpid(rig->children[i], NULL, 0);
	}
	perf_maps__free(rig->maps);
	procfs__free(rig->procfs);
	free(rig);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_names, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_memory, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_restless, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
