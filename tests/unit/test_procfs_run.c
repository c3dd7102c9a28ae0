/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Whether a process can run: recorded files of every layout, and children of this process. */
#include "user/source/procfs.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "tests/unit/proc_tree.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define NONE (~0ull)

static void write_text(struct proc_tree *tree, const char *path, const char *text)
{
	proc_tree__write(tree, path, text, strlen(text));
}

static uint32_t state_of(struct procfs *procfs, pid_t pid, uint64_t before)
{
	struct ev_run ev = { .h.time_ns = 5 };

	assert_int_equal(procfs__run(procfs, pid, before, &ev), 0);
	assert_int_equal(ev.h.time_ns, 5);
	assert_int_equal(ev.cpu_ns, 1230000000);
	return ev.state;
}

static void set_state(struct proc_tree *tree, const char *pid, char state)
{
	char path[64], text[256];

	snprintf(path, sizeof(path), "proc/%s/stat", pid);
	snprintf(text, sizeof(text), "%s (a) b) Z) %c 5 77 77 0 -1 4194304 1 0 0 0 100 23 7 7 20 0 1 0 1 "
		 "1000000 200 18446744073709551615\n", pid, state);
	write_text(tree, path, text);
}

static void test_states(void **state)
{
	struct proc_tree tree;
	struct procfs *procfs;
	struct ev_run ev;

	proc_tree__unpack(&tree, "docker-v1");
	assert_int_equal(procfs__new(&procfs, tree.dir), 0);
	set_state(&tree, "77", 'S');
	assert_int_equal(state_of(procfs, 77, NONE), 0);
	assert_int_equal(state_of(procfs, 77, 1230000000), 0);
	set_state(&tree, "77", 'T');
	assert_int_equal(state_of(procfs, 77, NONE), EV_RUN_STOPPED);
	assert_int_equal(state_of(procfs, 77, 1230000000), EV_RUN_STOPPED);
	/* Traced: stopped only if it got nowhere. */
	set_state(&tree, "77", 't');
	assert_int_equal(state_of(procfs, 77, 1220000000), 0);
	assert_int_equal(state_of(procfs, 77, 1230000000), EV_RUN_STOPPED);
	assert_int_equal(procfs__run(procfs, 4711, NONE, &ev), -ESRCH);
	write_text(&tree, "proc/77/stat", "77 (x) S 1 2 3");
	assert_int_equal(procfs__run(procfs, 77, NONE, &ev), -EBADMSG);
	procfs__free(procfs);
	proc_tree__fini(&tree);
}

static void test_freezer_v1(void **state)
{
	static const char file[] = "sys/fs/cgroup/freezer/docker/" ID "/freezer.state";
	struct proc_tree tree;
	struct procfs *procfs;

	proc_tree__unpack(&tree, "docker-v1");
	write_text(&tree, "proc/self/mountinfo",
		   "35 31 0:31 / /sys/fs/cgroup/the\\040memory rw shared:11 - cgroup cgroup rw,memory\n"
		   "36 31 0:32 / /sys/fs/cgroup/freezer rw shared:12 - cgroup cgroup rw,freezer\n");
	write_text(&tree, "proc/77/cgroup", "11:memory:/docker/" ID "\n3:freezer:/docker/" ID "\n");
	set_state(&tree, "77", 'D');
	write_text(&tree, file, "THAWED\n");
	assert_int_equal(procfs__new(&procfs, tree.dir), 0);
	assert_int_equal(state_of(procfs, 77, 1230000000), 0);
	write_text(&tree, file, "FROZEN\n");
	assert_int_equal(state_of(procfs, 77, 1230000000), EV_RUN_FROZEN);
	/* It used CPU since: it is not asked. */
	assert_int_equal(state_of(procfs, 77, 1220000000), 0);
	procfs__free(procfs);
	proc_tree__fini(&tree);
}

static void test_freezer_v2(void **state)
{
	static const char file[] = "sys/fs/cgroup/system.slice/kafka.service/cgroup.events";
	struct proc_tree tree;
	struct procfs *procfs;

	proc_tree__unpack(&tree, "kafka-v2");
	set_state(&tree, "4121", 'S');
	assert_int_equal(procfs__new(&procfs, tree.dir), 0);
	assert_int_equal(state_of(procfs, 4121, 1230000000), 0);
	write_text(&tree, file, "populated 1\nfrozen 0\n");
	assert_int_equal(state_of(procfs, 4121, 1230000000), 0);
	write_text(&tree, file, "populated 1\nfrozen 1\n");
	assert_int_equal(state_of(procfs, 4121, 1230000000), EV_RUN_FROZEN);
	procfs__free(procfs);
	proc_tree__fini(&tree);
}

static void test_child(void **state)
{
	struct procfs *procfs;
	struct ev_run ev = { 0 };
	uint64_t before;
	pid_t pid = fork();
	int status;

	if (!pid)
		for (;;)
			;
	assert_int_equal(procfs__new(&procfs, NULL), 0);
	usleep(200000);
	assert_int_equal(procfs__run(procfs, pid, NONE, &ev), 0);
	assert_int_equal(ev.state, 0);
	assert_true(ev.cpu_ns > 0);
	kill(pid, SIGSTOP);
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	assert_int_equal(procfs__run(procfs, pid, NONE, &ev), 0);
	assert_int_equal(ev.state, EV_RUN_STOPPED);
	before = ev.cpu_ns;
	usleep(100000);
	assert_int_equal(procfs__run(procfs, pid, NONE, &ev), 0);
	assert_int_equal(ev.cpu_ns, before);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	procfs__free(procfs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_states),
		cmocka_unit_test(test_freezer_v1),
		cmocka_unit_test(test_freezer_v2),
		cmocka_unit_test(test_child),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
