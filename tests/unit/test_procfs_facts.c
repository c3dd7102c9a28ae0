/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Who a process is: from laid-down files, and this process about itself. */
#include "user/source/procfs.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include <cmocka.h>

#include "tests/unit/proc_tree.h"

static struct procfs *open_tree(struct proc_tree *tree, const char *name)
{
	struct procfs *procfs;

	proc_tree__unpack(tree, name);
	assert_int_equal(procfs__new(&procfs, tree->dir), 0);
	return procfs;
}

static void close_tree(struct proc_tree *tree, struct procfs *procfs)
{
	assert_null(procfs__free(procfs));
	proc_tree__fini(tree);
}

/* comm tries to look like the rest of the line. */
static void test_facts(void **state)
{
	struct procfs_facts facts;
	struct proc_tree tree;
	struct procfs *procfs = open_tree(&tree, "kafka-v2");

	assert_int_equal(procfs__facts(procfs, 4121, &facts), 0);
	assert_int_equal(facts.tgid, 4121);
	assert_int_equal(facts.ppid, 1);
	assert_int_equal(facts.nspid, 4121);
	assert_int_equal(facts.uid, 1002);
	assert_int_equal(facts.start_ns, 1234560000000);
	assert_int_equal(facts.mnt_ns, 4026532891);
	assert_int_equal(facts.seccomp, 2);
	assert_false(facts.kernel_thread);
	assert_false(facts.zombie);
	assert_true(facts.exe_readable);
	assert_false(facts.is_32bit);
	assert_string_equal(facts.comm, "java (S) 1 R");
	assert_string_equal(facts.cmdline,
			    "/usr/lib/jvm/java-17/bin/java -Xmx4g -cp /opt/kafka/libs/* kafka.Kafka");
	assert_string_equal(facts.unit, "kafka.service");
	close_tree(&tree, procfs);
}

static void test_others(void **state)
{
	struct procfs_facts facts;
	struct proc_tree tree;
	struct procfs *procfs = open_tree(&tree, "docker-v1");

	assert_int_equal(procfs__facts(procfs, 77, &facts), 0);
	assert_int_equal(facts.nspid, 1);
	assert_int_equal(facts.seccomp, 0);
	assert_int_equal(facts.mnt_ns, 0);
	assert_false(facts.exe_readable);
	assert_string_equal(facts.cmdline, "");
	assert_string_equal(facts.unit, "docker-0123456789ab");

	assert_int_equal(procfs__facts(procfs, 78, &facts), PROCFS_NOT_A_LEADER);
	assert_int_equal(facts.tgid, 77);
	assert_int_equal(procfs__facts(procfs, 2, &facts), 0);
	assert_true(facts.kernel_thread);
	assert_int_equal(procfs__facts(procfs, 79, &facts), 0);
	assert_true(facts.zombie);
	assert_int_equal(facts.seccomp, -1);
	assert_int_equal(procfs__facts(procfs, 80, &facts), -ESRCH);
	assert_int_equal(procfs__facts(procfs, 0, &facts), -ESRCH);
	assert_int_equal(procfs__facts(procfs, -77, &facts), -ESRCH);
	close_tree(&tree, procfs);
}

static void test_broken(void **state)
{
	static const char *const stats[] = {
		"", "77", "77 (node", "77 (node)", "77 (node) R 5 77 77",
		"77 (node) R -5 77 77 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 1 0",
		"77 (node) R 5 77 77 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 18446744073709551615 0",
	};
	static const char *const statuses[] = {
		"", "Name:\tnode\n", "Name:\tnode\nTgid:\t77\n", "Tgid:\tx\nUid:\t0 0\n",
		"Tgid:\t99999999999\nUid:\t0\t0\n", "Tgid:\t77\nUid:\troot\n",
	};
	struct procfs_facts facts;
	struct proc_tree tree;
	struct procfs *procfs = open_tree(&tree, "docker-v1");

	for (size_t i = 0; i < sizeof(stats) / sizeof(stats[0]); i++) {
		proc_tree__write(&tree, "proc/77/stat", stats[i], strlen(stats[i]));
		assert_int_equal(procfs__facts(procfs, 77, &facts), -EBADMSG);
	}
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		proc_tree__write(&tree, "proc/77/status", statuses[i], strlen(statuses[i]));
		assert_int_equal(procfs__facts(procfs, 77, &facts), -EBADMSG);
	}
	close_tree(&tree, procfs);
}

/* Longer than there is room: cut and terminated. */
static void test_long_texts(void **state)
{
	struct procfs_facts facts;
	struct proc_tree tree;
	struct procfs *procfs = open_tree(&tree, "docker-v1");
	char *text = malloc(100000);

	memset(text, 'a', 100000);
	text[3] = text[4] = '\0';
	proc_tree__write(&tree, "proc/77/cmdline", text, 100000);
	proc_tree__write(&tree, "proc/77/comm", text + 10, 5000);
	assert_int_equal(procfs__facts(procfs, 77, &facts), 0);
	assert_int_equal(strlen(facts.cmdline), sizeof(facts.cmdline) - 1);
	assert_memory_equal(facts.cmdline, "aaa  aaa", 8);
	assert_int_equal(strlen(facts.comm), sizeof(facts.comm) - 1);

	/* Nothing but zeros, and nothing. */
	memset(text, 0, 50);
	proc_tree__write(&tree, "proc/77/cmdline", text, 50);
	proc_tree__write(&tree, "proc/77/comm", "", 0);
	assert_int_equal(procfs__facts(procfs, 77, &facts), 0);
	assert_string_equal(facts.cmdline, "");
	assert_string_equal(facts.comm, "");
	free(text);
	close_tree(&tree, procfs);
}

static void test_elf_class(void **state)
{
	Elf64_Ehdr header = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS32 } };
	struct procfs_facts facts;
	struct proc_tree tree;
	struct procfs *procfs = open_tree(&tree, "docker-v1");

	proc_tree__write(&tree, "proc/77/exe", &header, sizeof(header));
	assert_int_equal(procfs__facts(procfs, 77, &facts), 0);
	assert_true(facts.exe_readable && facts.is_32bit);
	header.e_ident[EI_CLASS] = ELFCLASS64;
	proc_tree__write(&tree, "proc/77/exe", &header, sizeof(header));
	assert_int_equal(procfs__facts(procfs, 77, &facts), 0);
	assert_true(facts.exe_readable && !facts.is_32bit);
	proc_tree__write(&tree, "proc/77/exe", &header, 3);
	assert_int_equal(procfs__facts(procfs, 77, &facts), 0);
	assert_true(facts.exe_readable && !facts.is_32bit);
	close_tree(&tree, procfs);
}

/* --- runtimes -------------------------------------------------------------------------------- */

/* The guess for a process that maps these files, one a line, and runs `exe`. */
static const char *runtime_of(const char *exe, const char *files)
{
	static char out[64];
	struct procfs *procfs;
	struct proc_tree tree;
	const char *s = files;
	unsigned int at = 1;
	FILE *maps;

	proc_tree__init(&tree);
	proc_tree__link(&tree, "proc/7/exe", exe);
	maps = proc_tree__create(&tree, "proc/7/maps");
	fprintf(maps, "00400000-00500000 r-xp 00000000 fe:01 1    %s\n", exe);
	while (*s) {
		int n = (int)strcspn(s, "\n");

		fprintf(maps, "7f%06x000-7f%06x000 r-xp 00000000 fe:01 %u    %.*s\n", at, at + 1,
			at + 1, n, s);
		at++;
		s += n + (s[n] == '\n');
	}
	fclose(maps);
	assert_int_equal(procfs__new(&procfs, tree.dir), 0);
	assert_int_equal(procfs__runtime(procfs, 7, out, sizeof(out)), 0);
	procfs__free(procfs);
	proc_tree__fini(&tree);
	return out;
}

static void test_runtimes(void **state)
{
	assert_string_equal(runtime_of("/opt/bin/node", ""), "node");
	assert_string_equal(runtime_of("/opt/x", "/usr/lib/libnode.so.108"), "node");
	assert_string_equal(runtime_of("/opt/nodeagent", ""), "");
	assert_string_equal(runtime_of("/usr/bin/python3.11", ""), "python3.11");
	assert_string_equal(runtime_of("/usr/bin/python3", ""), "python3");
	assert_string_equal(runtime_of("/usr/bin/uwsgi", "/usr/lib/libpython3.9.so.1.0"), "python3.9");
	assert_string_equal(runtime_of("/usr/bin/uwsgi", "/usr/lib/libpython3.so"), "python3");
	assert_string_equal(runtime_of("/usr/bin/x", "/usr/lib/libpython3.11-thing.so"), "");
	assert_string_equal(runtime_of("/usr/bin/puma", "/usr/lib/libruby-3.1.so.3.1"), "ruby3.1");
	assert_string_equal(runtime_of("/usr/bin/app", "/x/libcoreclr.so"), "dotnet");
	assert_string_equal(runtime_of("/x/beam.smp", ""), "erlang");
	assert_string_equal(runtime_of("/x/java", "/x/lib/server/libjvm.so"), "hotspot");
	assert_string_equal(runtime_of("/x/java", "/x/lib/server/libjvm.so\n/x/lib/libj9vm29.so"),
			    "openj9");
	assert_string_equal(runtime_of("/x/java", "/usr/lib/libpython3.9.so.1\n/libjvm.so"), "hotspot");
	assert_string_equal(runtime_of("/bin/python1.2.3.4.5.6.7.8.9.10.11.12", ""), "");
	assert_string_equal(runtime_of("/bin/sleep", "/usr/lib/libc.so.6"), "");
}

static const char *hotspot_with(const char *libjvm, const char *release, const char *text)
{
	static char out[64];
	struct procfs *procfs;
	struct proc_tree tree;
	char name[256];
	FILE *maps;

	proc_tree__init(&tree);
	maps = proc_tree__create(&tree, "proc/7/maps");
	fprintf(maps, "00400000-00500000 r-xp 00000000 fe:01 1    %s\n", libjvm);
	fclose(maps);
	snprintf(name, sizeof(name), "proc/7/root%s", release);
	proc_tree__write(&tree, name, text, strlen(text));
	assert_int_equal(procfs__new(&procfs, tree.dir), 0);
	assert_int_equal(procfs__runtime(procfs, 7, out, sizeof(out)), 0);
	procfs__free(procfs);
	proc_tree__fini(&tree);
	return out;
}

static void test_hotspot_version(void **state)
{
	static const char jvm17[] = "/opt/jdk/lib/server/libjvm.so";
	static const char jvm8[] = "/opt/jdk8/jre/lib/amd64/server/libjvm.so";

	assert_string_equal(hotspot_with(jvm17, "/opt/jdk/release", "JAVA_VERSION=\"17.0.15\"\n"),
			    "hotspot 17.0.15");
	assert_string_equal(hotspot_with(jvm17, "/opt/jdk/release", "X=1\nJAVA_VERSION=\"25\"\n"),
			    "hotspot 25");
	assert_string_equal(hotspot_with(jvm8, "/opt/jdk8/release", "JAVA_VERSION=\"1.8.0_402\"\n"),
			    "hotspot 1.8.0_402");
	/* What is not a version is not shown. */
	assert_string_equal(hotspot_with(jvm17, "/opt/jdk/release", "JAVA_VERSION=\"\x1b[31m\"\n"),
			    "hotspot");
	assert_string_equal(hotspot_with(jvm17, "/opt/jdk/release", "JAVA_VERSION=\"17"), "hotspot");
	assert_string_equal(hotspot_with(jvm17, "/opt/jdk/release", "XJAVA_VERSION=\"17\"\n"),
			    "hotspot");
	assert_string_equal(hotspot_with(jvm17, "/opt/jdk/release",
					 "JAVA_VERSION=\"1111111111111111111111111111111111111111"
					 "1111111111111111\"\n"), "hotspot");
	assert_string_equal(hotspot_with("/libjvm.so", "/release", "JAVA_VERSION=\"17\"\n"), "hotspot");
}

/* `release` is an absolute link: it leads to the process's own /etc, never to ours. */
static void test_links_stay_inside(void **state)
{
	struct proc_tree tree;
	struct procfs *procfs = open_tree(&tree, "kafka-v2");
	char out[64], outside[128];

	assert_int_equal(procfs__runtime(procfs, 4121, out, sizeof(out)), 0);
	assert_string_equal(out, "hotspot 17.0.15");

	proc_tree__write(&tree, "outside", "JAVA_VERSION=\"66\"\n", 18);
	snprintf(outside, sizeof(outside), "%s/outside", tree.dir);
	proc_tree__link(&tree, "proc/4121/root/usr/lib/jvm/java-17/release", outside);
	assert_int_equal(procfs__runtime(procfs, 4121, out, sizeof(out)), 0);
	assert_string_equal(out, "hotspot");
	proc_tree__link(&tree, "proc/4121/root/usr/lib/jvm/java-17/release",
			"../../../../../../../outside");
	assert_int_equal(procfs__runtime(procfs, 4121, out, sizeof(out)), 0);
	assert_string_equal(out, "hotspot");
	close_tree(&tree, procfs);
}

static void test_go(void **state)
{
	struct {
		Elf64_Ehdr header;
		Elf64_Phdr segment[2];
		Elf64_Nhdr note[2];
		char name[4], desc[4];
	} file = {
		.header = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64 },
			    .e_phoff = sizeof(Elf64_Ehdr), .e_phentsize = sizeof(Elf64_Phdr),
			    .e_phnum = 2 },
		.segment = { { .p_type = PT_LOAD }, { .p_type = PT_NOTE } },
		/* The first has neither name nor content. */
		.note = { { .n_type = 1 }, { .n_namesz = 4, .n_descsz = 4, .n_type = 4 } },
		.name = "Go",
	};
	const char map[] = "00400000-00500000 r-xp 00000000 fe:01 1    /bin/agent\n";
	struct procfs *procfs;
	struct proc_tree tree;
	char out[64];

	file.segment[1].p_offset = (uint64_t)((char *)file.note - (char *)&file);
	file.segment[1].p_filesz = sizeof(file) - file.segment[1].p_offset;
	proc_tree__init(&tree);
	proc_tree__write(&tree, "proc/7/maps", map, sizeof(map) - 1);
	proc_tree__write(&tree, "proc/7/exe", &file, sizeof(file));
	assert_int_equal(procfs__new(&procfs, tree.dir), 0);
	assert_int_equal(procfs__runtime(procfs, 7, out, sizeof(out)), 0);
	assert_string_equal(out, "go");

	/* A note that claims more than there is, and one of another maker. */
	file.note[0].n_descsz = 0xfffffffe;
	proc_tree__write(&tree, "proc/7/exe", &file, sizeof(file));
	assert_int_equal(procfs__runtime(procfs, 7, out, sizeof(out)), 0);
	assert_string_equal(out, "");
	file.note[0].n_descsz = 0;
	file.name[1] = 'N';
	proc_tree__write(&tree, "proc/7/exe", &file, sizeof(file));
	assert_int_equal(procfs__runtime(procfs, 7, out, sizeof(out)), 0);
	assert_string_equal(out, "");
	close_tree(&tree, procfs);
}

/* --- this process ---------------------------------------------------------------------------- */

static void *check_thread(void *right)
{
	pid_t tid = (pid_t)syscall(SYS_gettid);
	struct procfs_facts facts;
	struct procfs *procfs;

	if (!procfs__new(&procfs, NULL)) {
		*(bool *)right = tid != getpid() &&
				 procfs__facts(procfs, tid, &facts) == PROCFS_NOT_A_LEADER &&
				 facts.tgid == getpid();
		procfs__free(procfs);
	}
	return NULL;
}

static void test_own(void **state)
{
	struct procfs_facts facts;
	struct procfs *procfs;
	struct timespec now;
	pthread_t thread;
	bool right = false;
	uint64_t age;

	assert_int_equal(prctl(PR_SET_NAME, "a) b (c"), 0);
	assert_int_equal(procfs__new(&procfs, NULL), 0);
	assert_int_equal(procfs__facts(procfs, getpid(), &facts), 0);
	assert_int_equal(facts.tgid, getpid());
	assert_int_equal(facts.ppid, getppid());
	assert_int_equal(facts.uid, geteuid());
	assert_string_equal(facts.comm, "a) b (c");
	assert_non_null(strstr(facts.cmdline, "test_procfs_facts"));
	assert_true(facts.exe_readable);
	assert_int_equal(facts.is_32bit, sizeof(void *) == 4);
	assert_int_not_equal(facts.mnt_ns, 0);
	clock_gettime(CLOCK_BOOTTIME, &now);
	age = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec - facts.start_ns;
	assert_true(age < 600 * 1000000000ull);
	procfs__free(procfs);

	assert_int_equal(pthread_create(&thread, NULL, check_thread, &right), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(right);
}

static void test_same_start(void **state)
{
	assert_true(procfs_same_start(1234560000000, 1234569999999));
	assert_false(procfs_same_start(1234560000000, 1234570000000));
}

static int find_self(void *ctx, pid_t tgid)
{
	size_t *n = ctx;

	n[0]++;
	n[1] += tgid == getpid();
	return 0;
}

static int stop(void *ctx, pid_t tgid)
{
	return 5;
}

static void test_each_process(void **state)
{
	struct procfs *procfs;
	struct proc_tree tree;
	size_t n[2] = { 0 };

	assert_int_equal(procfs__new(&procfs, NULL), 0);
	assert_int_equal(procfs__each_process(procfs, find_self, n), 0);
	assert_true(n[0] >= 1);
	assert_int_equal(n[1], 1);
	assert_int_equal(procfs__each_process(procfs, stop, NULL), 5);
	procfs__free(procfs);

	procfs = open_tree(&tree, "docker-v1");
	proc_tree__write(&tree, "proc/007/comm", "x", 1);
	proc_tree__write(&tree, "proc/99999999999/comm", "x", 1);
	proc_tree__write(&tree, "proc/12x/comm", "x", 1);
	n[0] = 0;
	assert_int_equal(procfs__each_process(procfs, find_self, n), 0);
	assert_int_equal(n[0], 4);
	close_tree(&tree, procfs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_facts),
		cmocka_unit_test(test_others),
		cmocka_unit_test(test_broken),
		cmocka_unit_test(test_long_texts),
		cmocka_unit_test(test_elf_class),
		cmocka_unit_test(test_runtimes),
		cmocka_unit_test(test_hotspot_version),
		cmocka_unit_test(test_links_stay_inside),
		cmocka_unit_test(test_go),
		cmocka_unit_test(test_own),
		cmocka_unit_test(test_same_start),
		cmocka_unit_test(test_each_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
