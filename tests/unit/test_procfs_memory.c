/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Memory and limits: cgroup v2, v1, hybrid and namespaces, against numbers worked out by hand from
 * tests/data/proc, and this process about itself.
 */
#include "user/source/procfs.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "tests/unit/proc_tree.h"
#include "user/source/cgroup.h"

#define NONE (~0ull)
#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static struct procfs *open_tree(struct proc_tree *tree, const char *name)
{
	struct procfs *procfs;

	proc_tree__unpack(tree, name);
	assert_int_equal(procfs__new(&procfs, tree->dir), 0);
	return procfs;
}

static void close_tree(struct proc_tree *tree, struct procfs *procfs)
{
	procfs__free(procfs);
	proc_tree__fini(tree);
}

static void check_limit(const struct ev_memory *m, enum ev_limit_kind kind, uint64_t left,
			uint64_t limit)
{
	if (m->left[kind] != left || m->limit[kind] != limit)
		fail_msg("limit %d: %llu of %llu, not %llu of %llu", kind,
			 (unsigned long long)m->left[kind], (unsigned long long)m->limit[kind],
			 (unsigned long long)left, (unsigned long long)limit);
}

static void test_v2(void **state)
{
	struct ev_memory m = { .h.tgid = 4121, .h.time_ns = 5 };
	struct proc_tree tree;
	struct procfs *procfs = open_tree(&tree, "kafka-v2");
	uint64_t rss;

	assert_int_equal(procfs__memory(procfs, 4121, true, &m), 0);
	assert_int_equal(m.h.tgid, 4121);
	assert_int_equal(m.h.time_ns, 5);
	assert_int_equal(m.rss_anon, 1100000 * 1024ull);
	assert_int_equal(m.rss_file, 90000 * 1024ull);
	assert_int_equal(m.rss_shmem, 10000 * 1024ull);
	assert_int_equal(m.swap, 512 * 1024ull);
	assert_int_equal(m.mapped, 9645061 * 1024ull);
	/* Its own: 1.5e9 used, 5e7 of it inactive file. */
	check_limit(&m, EV_LIMIT_CGROUP_MAX, 6550000000, 8000000000);
	/* The slice's: 2.5e9 used, 1e8 of it inactive file. */
	check_limit(&m, EV_LIMIT_CGROUP_HIGH, 600000000, 3000000000);
	check_limit(&m, EV_LIMIT_RLIMIT_AS, 10000000000 - 9645061 * 1024ull, 10000000000);
	check_limit(&m, EV_LIMIT_HOST, 11500000 * 1024ull, 26684096 * 1024ull);
	check_limit(&m, EV_LIMIT_MAP_COUNT, 65526, 65530);

	assert_int_equal(procfs__memory(procfs, 4121, false, &m), 0);
	check_limit(&m, EV_LIMIT_MAP_COUNT, NONE, NONE);
	assert_int_equal(procfs__rss(procfs, 4121, &rss), 0);
	assert_int_equal(rss, 300000ull * (unsigned long)sysconf(_SC_PAGESIZE));
	assert_int_equal(procfs__rss(procfs, 4122, &rss), -ESRCH);
	assert_int_equal(rss, 0);
	close_tree(&tree, procfs);
}

static void test_v1(void **state)
{
	struct ev_memory m = { 0 };
	struct proc_tree tree;
	struct procfs *procfs = open_tree(&tree, "docker-v1");

	assert_int_equal(procfs__memory(procfs, 77, false, &m), 0);
	/* The container has 201000 left, all containers together 100000. */
	check_limit(&m, EV_LIMIT_CGROUP_MAX, 100000, 600000);
	check_limit(&m, EV_LIMIT_CGROUP_HIGH, NONE, NONE);
	check_limit(&m, EV_LIMIT_RLIMIT_AS, NONE, NONE);
	check_limit(&m, EV_LIMIT_HOST, 400 * 1024, 1000 * 1024);

	proc_tree__write(&tree, "sys/fs/cgroup/the memory/docker/" ID "/memory.limit_in_bytes",
			 "9223372036854771712\n", 20);
	proc_tree__write(&tree, "sys/fs/cgroup/the memory/docker/memory.limit_in_bytes",
			 "9223372036854771712\n", 20);
	assert_int_equal(procfs__memory(procfs, 77, false, &m), 0);
	check_limit(&m, EV_LIMIT_CGROUP_MAX, NONE, NONE);

	assert_int_equal(procfs__memory(procfs, 2, true, &m), PROCFS_NO_MEMORY);
	check_limit(&m, EV_LIMIT_HOST, NONE, NONE);
	assert_int_equal(procfs__memory(procfs, 79, true, &m), PROCFS_NO_MEMORY);
	assert_int_equal(procfs__memory(procfs, 80, true, &m), -ESRCH);
	close_tree(&tree, procfs);
}

static void test_hybrid(void **state)
{
	struct procfs_facts facts;
	struct ev_memory m = { 0 };
	struct proc_tree tree;
	struct procfs *procfs = open_tree(&tree, "hybrid");

	for (pid_t pid = 5; pid <= 6; pid++) {
		assert_int_equal(procfs__memory(procfs, pid, false, &m), 0);
		/* Over the limit: nothing is left, rather than very much. */
		check_limit(&m, EV_LIMIT_CGROUP_MAX, 0, 1000);
		check_limit(&m, EV_LIMIT_CGROUP_HIGH, NONE, NONE);
	}
	proc_tree__write(&tree, "proc/5/stat", "5 (a) S 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1", 48);
	assert_int_equal(procfs__facts(procfs, 5, &facts), 0);
	assert_string_equal(facts.unit, "session-3.scope");
	close_tree(&tree, procfs);
}

static void test_namespaces(void **state)
{
	struct ev_memory m = { 0 };
	struct proc_tree tree;
	struct procfs *procfs = open_tree(&tree, "container-v2");

	assert_int_equal(procfs__memory(procfs, 1, false, &m), 0);
	check_limit(&m, EV_LIMIT_CGROUP_MAX, 600, 700);
	check_limit(&m, EV_LIMIT_CGROUP_HIGH, 500, 600);
	assert_int_equal(procfs__memory(procfs, 9, false, &m), 0);
	check_limit(&m, EV_LIMIT_CGROUP_MAX, 30, 50);
	check_limit(&m, EV_LIMIT_CGROUP_HIGH, NONE, NONE);
	/* No name leads there; a wrong one would have found a limit of 3. */
	assert_int_equal(procfs__memory(procfs, 10, false, &m), 0);
	check_limit(&m, EV_LIMIT_CGROUP_MAX, NONE, NONE);
	close_tree(&tree, procfs);
}

static void test_limits_that_change(void **state)
{
	static const char dir[] = "sys/fs/cgroup/system.slice/kafka.service";
	struct ev_memory m = { 0 };
	struct proc_tree tree;
	struct procfs *procfs = open_tree(&tree, "kafka-v2");
	char name[256];

	snprintf(name, sizeof(name), "%s/memory.max", dir);
	proc_tree__write(&tree, name, "0\n", 2);
	assert_int_equal(procfs__memory(procfs, 4121, false, &m), 0);
	check_limit(&m, EV_LIMIT_CGROUP_MAX, 0, 0);
	proc_tree__write(&tree, name, "max\n", 4);
	assert_int_equal(procfs__memory(procfs, 4121, false, &m), 0);
	check_limit(&m, EV_LIMIT_CGROUP_MAX, NONE, NONE);
	proc_tree__write(&tree, name, "99999999999999999999999\n", 24);
	assert_int_equal(procfs__memory(procfs, 4121, false, &m), 0);
	check_limit(&m, EV_LIMIT_CGROUP_MAX, NONE, NONE);
	close_tree(&tree, procfs);
}

/* --- pure ------------------------------------------------------------------------------------ */

static void test_path_below(void **state)
{
	char out[32];

	assert_true(cgroup_path_below("/", "/", out, sizeof(out)));
	assert_string_equal(out, ".");
	assert_true(cgroup_path_below("/", "/a/b", out, sizeof(out)));
	assert_string_equal(out, "a/b");
	assert_true(cgroup_path_below("/docker/x", "/docker/x/y", out, sizeof(out)));
	assert_string_equal(out, "y");
	assert_true(cgroup_path_below("/docker/x", "/docker/x", out, sizeof(out)));
	assert_string_equal(out, ".");
	assert_true(cgroup_path_below("/..", "/../a", out, sizeof(out)));
	assert_string_equal(out, "a");
	assert_true(cgroup_path_below("/", "/a..b/..c/d..", out, sizeof(out)));

	assert_false(cgroup_path_below("/docker/x", "/docker/xy", out, sizeof(out)));
	assert_false(cgroup_path_below("/docker/x", "/docker", out, sizeof(out)));
	assert_false(cgroup_path_below("/", "/../a", out, sizeof(out)));
	assert_false(cgroup_path_below("/", "/a/..", out, sizeof(out)));
	assert_false(cgroup_path_below("/..", "/../../a", out, sizeof(out)));
	assert_false(cgroup_path_below("/", "a", out, sizeof(out)));
	assert_false(cgroup_path_below("/", "", out, sizeof(out)));
	assert_false(cgroup_path_below("/", "/0123456789012345678901234567890123456789", out,
				       sizeof(out)));
}

static const char *unit_of(const char *path)
{
	static char out[128];
	char text[8192];

	snprintf(text, sizeof(text), "0::%s\n", path);
	cgroup__unit(text, out, sizeof(out));
	return out;
}

static void test_units(void **state)
{
	char long_name[400], out[16];

	assert_string_equal(unit_of("/"), "");
	assert_string_equal(unit_of("/system.slice"), "");
	assert_string_equal(unit_of("/system.slice/kafka.service"), "kafka.service");
	assert_string_equal(unit_of("/system.slice/kafka.service/worker"), "kafka.service");
	assert_string_equal(unit_of("/system.slice/kafka.service (deleted)"), "kafka.service");
	assert_string_equal(unit_of("/../../system.slice/kafka.service"), "kafka.service");
	assert_string_equal(unit_of("/user.slice/user-1.slice/user@1.service/app.slice/foo.service"),
			    "foo.service");
	assert_string_equal(unit_of("/user.slice/user-0.slice/session-2.scope"), "session-2.scope");
	assert_string_equal(unit_of("/init.scope"), "init.scope");
	assert_string_equal(unit_of("/system.slice/system-getty.slice/getty@tty1.service"),
			    "getty@tty1.service");

	assert_string_equal(unit_of("/docker/" ID), "docker-0123456789ab");
	assert_string_equal(unit_of("/system.slice/docker-" ID ".scope"), "docker-0123456789ab");
	assert_string_equal(unit_of("/docker/" ID "/init"), "docker-0123456789ab");
	assert_string_equal(unit_of("/machine.slice/libpod-" ID ".scope/container"),
			    "libpod-0123456789ab");
	assert_string_equal(unit_of("/" ID), "container-0123456789ab");
	assert_string_equal(unit_of("/ecs/task-1/" ID), "task-1-0123456789ab");
	assert_string_equal(unit_of("/kubepods/burstable/pod00000000-1111-2222-3333-444444444444/" ID),
			    "pod00000000-1111-2222-3333-444444444444/0123456789ab");
	assert_string_equal(unit_of("/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-"
				    "pod00000000_1111_2222_3333_444444444444.slice/cri-containerd-" ID
				    ".scope"),
			    "pod00000000-1111-2222-3333-444444444444/0123456789ab");
	assert_string_equal(unit_of("/system.slice/containerd.service/kubepods-besteffort-"
				    "pod00000000_1111_2222_3333_444444444444.slice:cri-containerd:" ID),
			    "pod00000000-1111-2222-3333-444444444444/0123456789ab");
	assert_string_equal(unit_of("/system.slice/a.slice:docker:" ID), "docker-0123456789ab");
	assert_string_equal(unit_of("/lxc.payload.web/system.slice"), "lxc-web");

	/* Nearly. */
	assert_string_equal(unit_of("/docker/" ID "0"), "");
	assert_string_equal(unit_of("/docker/0123456789abcdef"), "");
	assert_string_equal(unit_of("/.service"), "");
	assert_string_equal(unit_of("/x.service.d"), "");

	/* Too long: cut. */
	memset(long_name, 'a', sizeof(long_name));
	memcpy(long_name, "0::/", 4);
	strcpy(long_name + sizeof(long_name) - 9, ".service");
	cgroup__unit(long_name, out, sizeof(out));
	assert_string_equal(out, "aaaaaaaaaaaaaaa");

	/* No text, or none that is one. */
	cgroup__unit("", out, sizeof(out));
	assert_string_equal(out, "");
	cgroup__unit("0:\n::\nx\n\n0::", out, sizeof(out));
	assert_string_equal(out, "");
}

/* --- this process ---------------------------------------------------------------------------- */

/* In a child, since the limit stays: what is left under RLIMIT_AS is what can be mapped. */
static int check_rlimit(void)
{
	struct rlimit limit;
	struct ev_memory m = { 0 };
	struct procfs *procfs;
	void *p;

	if (procfs__new(&procfs, NULL) || procfs__memory(procfs, getpid(), false, &m))
		return 1;
	limit.rlim_cur = limit.rlim_max = m.mapped + (256 << 20);
	if (setrlimit(RLIMIT_AS, &limit) || procfs__memory(procfs, getpid(), false, &m))
		return 2;
	if (m.limit[EV_LIMIT_RLIMIT_AS] != limit.rlim_cur ||
	    m.left[EV_LIMIT_RLIMIT_AS] > 256 << 20 || m.left[EV_LIMIT_RLIMIT_AS] < 200 << 20)
		return 3;
	p = mmap(NULL, m.left[EV_LIMIT_RLIMIT_AS] + 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
		 -1, 0);
	if (p != MAP_FAILED)
		return 4;
	p = mmap(NULL, m.left[EV_LIMIT_RLIMIT_AS], PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return p == MAP_FAILED ? 5 : 0;
}

static void test_own_rlimit(void **state)
{
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(check_rlimit());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_own_memory(void **state)
{
	const size_t size = 64 << 20;
	struct ev_memory before = { 0 }, after = { 0 };
	struct procfs *procfs;
	uint64_t rss;
	char *p;

	assert_int_equal(procfs__new(&procfs, NULL), 0);
	assert_int_equal(procfs__memory(procfs, getpid(), true, &before), 0);
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(p, 1, size);
	assert_int_equal(procfs__memory(procfs, getpid(), true, &after), 0);
	assert_in_range(after.mapped - before.mapped, size, size + (1 << 20));
	/* The kernel's counters may lag by some hundred KB. */
	assert_in_range(after.rss_anon - before.rss_anon, size - (2 << 20), size + (2 << 20));
	assert_int_equal(procfs__rss(procfs, getpid(), &rss), 0);
	assert_in_range(rss, after.rss_anon + after.rss_file - (2 << 20),
			after.rss_anon + after.rss_file + after.rss_shmem + (2 << 20));
	assert_in_range(after.left[EV_LIMIT_MAP_COUNT], before.left[EV_LIMIT_MAP_COUNT] - 2,
			before.left[EV_LIMIT_MAP_COUNT]);
	assert_true(after.left[EV_LIMIT_HOST] <= after.limit[EV_LIMIT_HOST]);
	munmap(p, size);
	procfs__free(procfs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_v2),
		cmocka_unit_test(test_v1),
		cmocka_unit_test(test_hybrid),
		cmocka_unit_test(test_namespaces),
		cmocka_unit_test(test_limits_that_change),
		cmocka_unit_test(test_path_below),
		cmocka_unit_test(test_units),
		cmocka_unit_test(test_own_rlimit),
		cmocka_unit_test(test_own_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
