/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* This process's own perf map: what is opened, and what is not; and what is said of runtimes. */
#include "user/source/procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "user/source/runtime_names.h"

struct rig {
	struct procfs *procfs;
	char path[64], other[64];
};

static int open_map(const struct rig *rig)
{
	int fd, r = procfs__open_perf_map(rig->procfs, getpid(), &fd);

	if (r)
		assert_int_equal(fd, -1);
	else
		close(fd);
	return r;
}

static void write_map(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "1000 10 f\n", 10), 10);
	close(fd);
}

static void set_age(const char *path, time_t seconds)
{
	struct timespec times[2];

	clock_gettime(CLOCK_REALTIME, &times[0]);
	times[0].tv_sec -= seconds;
	times[1] = times[0];
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void test_open(void **state)
{
	const struct rig *rig = *state;
	int fd;

	assert_int_equal(open_map(rig), -ENOENT);
	write_map(rig->path);
	assert_int_equal(open_map(rig), 0);
	assert_int_equal(procfs__open_perf_map(rig->procfs, 1 << 22, &fd), -ESRCH);

	set_age(rig->path, 86400);	/* of a process that had this number before */
	assert_int_equal(open_map(rig), -ESTALE);
	set_age(rig->path, 0);
	assert_int_equal(open_map(rig), 0);

	assert_int_equal(link(rig->path, rig->other), 0);
	assert_int_equal(open_map(rig), -EPERM);
	assert_int_equal(unlink(rig->other), 0);
	assert_int_equal(open_map(rig), 0);
}

static void test_not_plain(void **state)
{
	const struct rig *rig = *state;

	write_map(rig->other);
	assert_int_equal(symlink(rig->other, rig->path), 0);
	assert_int_equal(open_map(rig), -EINVAL);
	assert_int_equal(unlink(rig->path), 0);
	assert_int_equal(mkfifo(rig->path, 0600), 0);
	assert_int_equal(open_map(rig), -EINVAL);	/* must not wait for a writer */
	assert_int_equal(unlink(rig->path), 0);
	assert_int_equal(mkdir(rig->path, 0700), 0);
	assert_int_equal(open_map(rig), -EINVAL);
	assert_int_equal(rmdir(rig->path), 0);
}

static void test_owner(void **state)
{
	const struct rig *rig = *state;

	if (geteuid() != 0)
		skip();
	write_map(rig->path);
	assert_int_equal(chown(rig->path, 65534, 65534), 0);
	assert_int_equal(open_map(rig), -EPERM);
	/* Its own, though it is not root's. */
	assert_int_equal(seteuid(65534), 0);
	assert_int_equal(open_map(rig), 0);
	assert_int_equal(seteuid(0), 0);
	assert_int_equal(chown(rig->path, 0, 0), 0);
	assert_int_equal(open_map(rig), 0);
}

static char *sentence(const char *runtime, int perf_map)
{
	struct text text;

	text__init(&text);
	runtime__add_unnamed(&text, runtime, perf_map);
	return text.n ? text__steal(&text) : NULL;
}

static void expect(const char *runtime, int perf_map, const char *part)
{
	char *said = sentence(runtime, perf_map);

	assert_int_equal(!!said, !!part);
	if (part)
		assert_non_null(strstr(said, part));
	free(said);
}

static void test_sentences(void **state)
{
	expect("", -ENOENT, NULL);
	expect("hotspot 17.0.15", -ENOENT, NULL);
	expect("go", -ENOENT, NULL);
	expect("node", -ENOENT, "it writes no perf map; start it with --perf-basic-prof");
	expect("node", -EPERM, "another user's");
	expect("node", 0, "--interpreted-frames-native-stack");
	expect("dotnet", -ENOENT, "DOTNET_PerfMapEnabled=1");
	expect("dotnet", 0, NULL);
	expect("python3.11", -ENOENT, "Python 3.12 and later");
	expect("python3.11", 0, "have no names");
	expect("python3.12", -ENOENT, "-X perf");
	expect("python3.13", 0, NULL);
	expect("perl", -ENOENT, "functions of Perl");
	assert_true(runtime__compiles("node"));
	assert_false(runtime__compiles("python3.11"));
	assert_false(runtime__compiles("hotspot 17.0.15"));
}

static int set_up(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	if (!rig || procfs__new(&rig->procfs, NULL))
		return -1;
	snprintf(rig->path, sizeof(rig->path), "/tmp/perf-%d.map", getpid());
	snprintf(rig->other, sizeof(rig->other), "/tmp/unfreed-test-%d.map", getpid());
	*state = rig;
	return 0;
}

static int tear_down(void **state)
{
	struct rig *rig = *state;

	unlink(rig->path);
	unlink(rig->other);
	procfs__free(rig->procfs);
	free(rig);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_open, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_not_plain, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_owner, set_up, tear_down),
		cmocka_unit_test(test_sentences),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
