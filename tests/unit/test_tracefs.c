/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* tracefs, mounted or not: the ids are the kernel's, and the host's mounts stay as they are. */
#include "user/source/tracefs.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cmocka.h>

static char *read_mounts(void)
{
	char *text = calloc(1, 1 << 20);
	FILE *f = fopen("/proc/self/mountinfo", "re");

	assert_non_null(f);
	assert_int_not_equal(fread(text, 1, (1 << 20) - 1, f), 0);
	fclose(f);
	return text;
}

static int open_or_skip(bool *mounted_by_us)
{
	int fd, r = tracefs__open(&fd, mounted_by_us);

	if (r == -EPERM || r == -EACCES || r == -ENODEV)
		skip();
	assert_int_equal(r, 0);
	assert_true(fd >= 0);
	return fd;
}

static void test_open(void **state)
{
	int warm_up = open_or_skip(NULL), fd;
	char *before, *after;
	struct statfs fs;
	bool ours;

	close(warm_up);
	before = read_mounts();
	fd = open_or_skip(&ours);
	assert_int_equal(fstatfs(fd, &fs), 0);
	assert_int_equal(fs.f_type, 0x74726163);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(ours, !strstr(before, " - tracefs "));
	after = read_mounts();
	assert_string_equal(after, before);
	free(before);
	free(after);
	close(fd);
}

static void test_ids(void **state)
{
	int fd = open_or_skip(NULL), a, b;

	a = tracefs__tracepoint_id(fd, "syscalls", "sys_exit_mmap");
	b = tracefs__tracepoint_id(fd, "sched", "sched_process_exit");
	assert_true(a > 0);
	assert_true(b > 0);
	assert_int_not_equal(a, b);
	assert_int_equal(tracefs__tracepoint_id(fd, "syscalls", "sys_exit_mmap"), a);
	assert_int_equal(tracefs__tracepoint_id(fd, "syscalls", "sys_exit_nothing"), -ENOENT);
	assert_int_equal(tracefs__tracepoint_id(fd, "nothing", "sys_exit_mmap"), -ENOENT);
	close(fd);
}

static void test_names(void **state)
{
	char long_name[300];

	memset(long_name, 'a', sizeof(long_name) - 1);
	long_name[sizeof(long_name) - 1] = '\0';
	assert_int_equal(tracefs__tracepoint_id(-1, "..", "x"), -EINVAL);
	assert_int_equal(tracefs__tracepoint_id(-1, "a", "../../b"), -EINVAL);
	assert_int_equal(tracefs__tracepoint_id(-1, "", "x"), -EINVAL);
	assert_int_equal(tracefs__tracepoint_id(-1, "x", ""), -EINVAL);
	assert_int_equal(tracefs__tracepoint_id(-1, "x", long_name), -EINVAL);
	assert_int_equal(tracefs__tracepoint_id(-1, "a", "b"), -EBADF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_open),
		cmocka_unit_test(test_ids),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
