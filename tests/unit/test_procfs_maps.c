/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The map file: recorded ones of real programs come out as they went in, hostile ones come out
 * right, broken lines are refused; and this process's own file tells exactly what it mapped.
 */
#include "user/source/procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "tests/unit/proc_tree.h"

#define TMPFS_MAGIC_ 0x01021994

static struct procfs *real(void)
{
	struct procfs *procfs;

	assert_int_equal(procfs__new(&procfs, NULL), 0);
	return procfs;
}

/* --- one line -------------------------------------------------------------------------------- */

static int parse(const char *line, struct procfs_map *map)
{
	static char buf[70000];
	size_t n = strlen(line);

	memcpy(buf, line, n);
	buf[n] = 'X';	/* what lies behind the line must not matter */
	return procfs_map__parse(buf, n, map);
}

static void test_line(void **state)
{
	struct procfs_map map;

	assert_int_equal(parse("7f2a14e00000-7f2a14f00000 r-xp 00026000 fe:01 1835211 "
			       "                   /usr/lib/libc.so.6", &map), 0);
	assert_int_equal(map.start, 0x7f2a14e00000);
	assert_int_equal(map.end, 0x7f2a14f00000);
	assert_int_equal(map.file_off, 0x26000);
	assert_int_equal(map.dev, 0xfe << 20 | 1);
	assert_int_equal(map.ino, 1835211);
	assert_int_equal(map.prot, PROT_READ | PROT_EXEC);
	assert_int_equal(map.flags, 0);
	assert_true(map.executable && !map.shared && !map.deleted);
	assert_string_equal(map.path, "/usr/lib/libc.so.6");
	assert_int_equal(map.path_sz, 18);

	assert_int_equal(parse("1000-2000 -w-s 00000000 00:00 0", &map), 0);
	assert_int_equal(map.prot, PROT_WRITE);
	assert_int_equal(map.flags, EV_REGION_SHARED);
	assert_true(map.shared && !map.executable);
	assert_string_equal(map.path, "");
}

static void test_names_of_the_kernel(void **state)
{
	static const struct {
		const char *name;
		uint32_t flags;
	} names[] = {
		{ "[heap]", EV_REGION_HEAP }, { "[stack]", EV_REGION_STACK },
		{ "[vdso]", EV_REGION_SPECIAL }, { "[vvar]", EV_REGION_SPECIAL },
		{ "[vvar_vclock]", EV_REGION_SPECIAL }, { "[uprobes]", EV_REGION_SPECIAL },
		{ "[vsyscall]", EV_REGION_SPECIAL }, { "[anon:x]", 0 }, { "[anon_shmem:x]", 0 },
		{ "/[heap]", 0 }, { "[anon:[heap]]", 0 }, { "anon_inode:[perf_event]", 0 },
	};
	struct procfs_map map;
	char line[128];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(line, sizeof(line), "1000-2000 rw-p 00000000 00:00 0      %s",
			 names[i].name);
		assert_int_equal(parse(line, &map), 0);
		assert_int_equal(map.flags, names[i].flags);
		assert_string_equal(map.path, names[i].name);
	}
}

static void test_broken_lines(void **state)
{
	static const char *const lines[] = {
		"", " ", "x", "1000", "1000-", "1000-2000", "1000-2000 ", "1000-2000 rw-p",
		"1000-2000 rw-p ", "1000-2000 rw-p 0", "1000-2000 rw-p 0 00:00",
		"1000-2000 rw-p 0 00:00 ", "1000-2000 rw-p 0 0000 0", "1000-2000 rw-p 0 00:00 x",
		"1000-2000 rw-p 0 00:00 0x /a", "1000 2000 rw-p 0 00:00 0",
		"2000-1000 rw-p 0 00:00 0", "1000-1000 rw-p 0 00:00 0",
		"1001-2000 rw-p 0 00:00 0", "1000-2001 rw-p 0 00:00 0",
		"1000-2000 rw-p 10 00:00 0", "1000-2000 rwxp0 00:00 0",
		"1000-2000 rw-q 0 00:00 0", "1000-2000 wr-p 0 00:00 0", "1000-2000 rw- 0 00:00 0",
		"1000-2000 rw-px 0 00:00 0", "-2000 rw-p 0 00:00 0", " 1000-2000 rw-p 0 00:00 0",
		"1000-2000 RW-P 0 00:00 0", "1000-2000  rw-p 0 00:00 0", "1000-2000 rw-p  0 00:00 0",
		"10000000000000000-10000000000001000 rw-p 0 00:00 0",
		"1000-1000000000000000000 rw-p 0 00:00 0",
		"1000-2000 rw-p 0 00:00 18446744073709551616", "1000-2000 rw-p 0 1000:00 0",
		"1000-2000 rw-p 0 00:100000 0", "1000-2000 rw-p 0 00:00 -1", "1000-2000 rw-p 0 00:00 1a /x",
		"1000-2000 rw-p 0 00:00 0\t/a", "1000-2000 rw-p 0 00:00 0 /a\n/b",
		"0x1000-2000 rw-p 0 00:00 0", "A000-B000 rw-p 0 00:00 0",
	};
	char zero[] = "1000-2000 rw-p 0 00:00 0 /a\0b";
	struct procfs_map map;

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		if (parse(lines[i], &map) != -EBADMSG)
			fail_msg("taken: %s", lines[i]);
	assert_int_equal(procfs_map__parse(zero, sizeof(zero) - 1, &map), -EBADMSG);
}

/* --- recorded files -------------------------------------------------------------------------- */

struct copy {
	FILE *out;
	size_t n, n_executable, n_special;
};

/* Writes the line as the kernel does. */
static int print_map(void *ctx, const struct procfs_map *map)
{
	struct copy *copy = ctx;
	int n = fprintf(copy->out, "%08llx-%08llx %c%c%c%c %08llx %02x:%02x %llu ",
			(unsigned long long)map->start, (unsigned long long)map->end,
			map->prot & PROT_READ ? 'r' : '-', map->prot & PROT_WRITE ? 'w' : '-',
			map->prot & PROT_EXEC ? 'x' : '-', map->shared ? 's' : 'p',
			(unsigned long long)map->file_off, map->dev >> 20, map->dev & 0xfffff,
			(unsigned long long)map->ino);

	if (map->path_sz) {
		fprintf(copy->out, "%*s", n < 73 ? 73 - n : 1, "");
		for (size_t i = 0; i < map->path_sz; i++)
			if (map->path[i] == '\n')
				fputs("\\012", copy->out);
			else
				putc(map->path[i], copy->out);
		assert_int_equal(strlen(map->path), map->path_sz);
	}
	fputs(map->deleted ? " (deleted)\n" : "\n", copy->out);
	copy->n++;
	copy->n_executable += map->executable;
	copy->n_special += !!(map->flags & EV_REGION_SPECIAL);
	return 0;
}

static char *read_file(const char *path, size_t *n)
{
	char *text = calloc(1, 1 << 20);
	FILE *f = fopen(path, "r");

	if (!f)
		proc_tree__die(path);
	*n = fread(text, 1, (1 << 20) - 1, f);
	fclose(f);
	return text;
}

/* Reads the text as process 7's map file and prints it again; returns each_map()'s result. */
static int copy_through(const char *text, size_t n, struct copy *copy, char **printed)
{
	struct procfs *procfs;
	struct proc_tree tree;
	size_t printed_n;
	int r;

	proc_tree__init(&tree);
	proc_tree__write(&tree, "proc/7/maps", text, n);
	assert_int_equal(procfs__new(&procfs, tree.dir), 0);
	memset(copy, 0, sizeof(*copy));
	copy->out = open_memstream(printed, &printed_n);
	r = procfs__each_map(procfs, 7, print_map, copy);
	fclose(copy->out);
	procfs__free(procfs);
	proc_tree__fini(&tree);
	return r;
}

/* Everything but [vsyscall] comes out, byte for byte. */
static void check_recorded(const char *name, size_t want_n, size_t want_executable)
{
	char path[64], *text, *printed, *vsyscall;
	struct copy copy;
	size_t n;

	snprintf(path, sizeof(path), "tests/data/proc/%s.maps", name);
	text = read_file(path, &n);
	assert_int_equal(copy_through(text, n, &copy, &printed), 0);
	vsyscall = strstr(text, "ffffffffff600000-");
	if (vsyscall)
		*vsyscall = '\0';
	assert_string_equal(printed, text);
	assert_int_equal(copy.n, want_n);
	assert_int_equal(copy.n_executable, want_executable);
	free(printed);
	free(text);
}

static void test_java(void **state)
{
	check_recorded("java", 188, 16);
}

static void test_node(void **state)
{
	check_recorded("node", 92, 13);
}

static void test_python(void **state)
{
	check_recorded("python", 65, 11);
}

static void test_hostile(void **state)
{
	check_recorded("hostile", 18, 4);
}

static int take_paths(void *ctx, const struct procfs_map *map)
{
	char **paths = ctx;
	size_t i;

	for (i = 0; paths[i]; i++)
		;
	paths[i] = strdup(map->path);
	return 0;
}

static void test_hostile_paths(void **state)
{
	char *paths[20] = { NULL };
	struct procfs *procfs;
	struct proc_tree tree;
	char *text;
	size_t n;

	text = read_file("tests/data/proc/hostile.maps", &n);
	assert_int_not_equal(text[n - 1], '\n');
	proc_tree__init(&tree);
	proc_tree__write(&tree, "proc/7/maps", text, n);
	assert_int_equal(procfs__new(&procfs, tree.dir), 0);
	assert_int_equal(procfs__each_map(procfs, 7, take_paths, paths), 0);
	assert_string_equal(paths[0], "/tmp/a b  c");
	assert_string_equal(paths[1], "/tmp/line\nbreak \n\nend");
	assert_string_equal(paths[2], "/tmp/gone");
	assert_string_equal(paths[3], "/tmp/was called so (deleted)");
	assert_string_equal(paths[4], "/memfd:sealed \n thing");
	assert_string_equal(paths[8], "[anon:heap] of somebody]");
	assert_int_equal(strlen(paths[12]), 5 + 4090);
	assert_int_equal(paths[12][4094], '\n');
	assert_int_equal(strlen(paths[13]), 5 + 4090);
	assert_string_equal(paths[14], "/tmp/back\\slash\n3\\01\\");
	for (size_t i = 0; paths[i]; i++)
		free(paths[i]);
	free(text);
	procfs__free(procfs);
	proc_tree__fini(&tree);
}

/* A mapping that grew between two reads is shown twice: what is new is kept. */
static void test_overlap_is_cut(void **state)
{
	static const char text[] = "1000-3000 r--p 00000000 fe:01 9 /a\n"
				   "2000-5000 r--p 00001000 fe:01 9 /a\n"
				   "3000-4000 rw-p 00000000 00:00 0\n"
				   "4000-5000 rw-p 00000000 00:00 0\n"
				   "4000-6000 rw-p 00000000 00:00 0\n";
	static const char want[] =
		"00001000-00003000 r--p 00000000 fe:01 9                                  /a\n"
		"00003000-00005000 r--p 00002000 fe:01 9                                  /a\n"
		"00005000-00006000 rw-p 00000000 00:00 0 \n";
	struct copy copy;
	char *printed;

	assert_int_equal(copy_through(text, strlen(text), &copy, &printed), 0);
	assert_string_equal(printed, want);
	free(printed);
}

static void test_refused_as_a_whole(void **state)
{
	static const char text[] = "1000-2000 r--p 00000000 fe:01 9 /a\nnonsense\n";
	struct copy copy;
	char *printed, *endless;

	assert_int_equal(copy_through(text, strlen(text), &copy, &printed), -EBADMSG);
	free(printed);
	assert_int_equal(copy_through("", 0, &copy, &printed), -ESRCH);
	free(printed);

	/* A line longer than any the kernel writes: refused, not waited for. */
	endless = malloc(200000);
	memset(endless, 'x', 200000);
	memcpy(endless, "1000-2000 r--p 00000000 fe:01 9 /", 33);
	assert_int_equal(copy_through(endless, 200000, &copy, &printed), -EBADMSG);
	free(endless);
	free(printed);
}

/* --- this process ---------------------------------------------------------------------------- */

struct wanted {
	uint64_t start;
	struct procfs_map map;
	char path[4096];
	size_t n;		/* mappings seen */
	uint64_t end;
};

static int find_map(void *ctx, const struct procfs_map *map)
{
	struct wanted *wanted = ctx;

	assert_true(map->start >= wanted->end && map->end > map->start);
	assert_string_not_equal(map->path, "[vsyscall]");
	wanted->end = map->end;
	wanted->n++;
	if (map->start == wanted->start) {
		wanted->map = *map;
		snprintf(wanted->path, sizeof(wanted->path), "%s", map->path);
		wanted->map.path = wanted->path;
	}
	return 0;
}

/* The mapping that starts at p, which must be there. */
static void find_own(struct procfs *procfs, const void *p, struct wanted *wanted)
{
	memset(wanted, 0, sizeof(*wanted));
	wanted->start = (uintptr_t)p;
	assert_int_equal(procfs__each_map(procfs, getpid(), find_map, wanted), 0);
	assert_int_not_equal(wanted->map.end, 0);
}

static void test_own_anonymous(void **state)
{
	struct procfs *procfs = real();
	struct wanted wanted;
	char *p = mmap(NULL, 5 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_int_equal(mprotect(p + 4096, 2 * 4096, PROT_READ | PROT_WRITE), 0);
	find_own(procfs, p + 4096, &wanted);
	assert_int_equal(wanted.map.end - wanted.map.start, 2 * 4096);
	assert_int_equal(wanted.map.prot, PROT_READ | PROT_WRITE);
	assert_int_equal(wanted.map.ino, 0);
	assert_int_equal(wanted.map.flags, 0);
	find_own(procfs, p + 3 * 4096, &wanted);
	assert_int_equal(wanted.map.prot, 0);
	munmap(p, 5 * 4096);

	p = mmap(NULL, 3 * 4096, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	find_own(procfs, p, &wanted);
	assert_true(wanted.map.shared && wanted.map.deleted);
	assert_string_equal(wanted.path, "/dev/zero");
	munmap(p, 3 * 4096);
	procfs__free(procfs);
}

/* Many pages of text: none is lost or seen twice where one read ends. */
static void test_own_many(void **state)
{
	struct procfs *procfs = real();
	struct wanted before, after;
	const size_t n = 6000;
	char *p = mmap(NULL, n * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	find_own(procfs, p, &before);
	for (size_t i = 1; i < n; i += 2)
		assert_int_equal(mprotect(p + i * 4096, 4096, PROT_READ), 0);
	find_own(procfs, p + (n - 2) * 4096, &after);
	/* The neighbours may have been merged with the ends of the range, before or after. */
	assert_true(after.n >= before.n + n - 2 && after.n <= before.n + n);
	munmap(p, n * 4096);
	procfs__free(procfs);
}

/* As a mapping that is no longer exactly there: only the path remains. */
static void hide_from_map_files(struct procfs_map *map)
{
	map->start += 4096;
}

static uint8_t first_byte(int fd)
{
	uint8_t byte = 0;

	assert_int_equal(pread(fd, &byte, 1, 0), 1);
	assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	close(fd);
	return byte;
}

/* Maps two pages of a new file whose first byte is `byte`. */
static void *map_new_file(const char *path, char byte)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	void *p;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, &byte, 1), 1);
	assert_int_equal(ftruncate(fd, 8192), 0);
	p = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE, fd, 0);
	assert_ptr_not_equal(p, MAP_FAILED);
	close(fd);
	return p;
}

static void test_open_mapped(void **state)
{
	static const char *const names[] = { "plain", "two words", "called so (deleted)",
					     "with\nnewline", "[heap]" };
	struct procfs *procfs = real();
	struct proc_tree tree;
	struct wanted wanted;
	char path[256];
	int fd;

	proc_tree__init(&tree);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		void *p;

		snprintf(path, sizeof(path), "%s/%s", tree.dir, names[i]);
		p = map_new_file(path, (char)('a' + i));
		find_own(procfs, p, &wanted);
		if (!geteuid()) {
			assert_int_equal(procfs__open_mapped(procfs, getpid(), &wanted.map, &fd), 0);
			assert_int_equal(first_byte(fd), 'a' + i);
		}
		hide_from_map_files(&wanted.map);
		assert_int_equal(procfs__open_mapped(procfs, getpid(), &wanted.map, &fd), 0);
		assert_int_equal(first_byte(fd), 'a' + i);
		munmap(p, 8192);
	}
	proc_tree__fini(&tree);
	procfs__free(procfs);
}

/* Deleted, and then replaced by another file of that name: never the other one. */
static void test_open_deleted(void **state)
{
	struct procfs *procfs = real();
	struct proc_tree tree;
	struct wanted wanted;
	char path[256];
	void *p, *other;
	int fd;

	proc_tree__init(&tree);
	snprintf(path, sizeof(path), "%s/lib.so", tree.dir);
	p = map_new_file(path, 'o');
	unlink(path);
	find_own(procfs, p, &wanted);
	assert_true(wanted.map.deleted);
	if (!geteuid()) {
		assert_int_equal(procfs__open_mapped(procfs, getpid(), &wanted.map, &fd), 0);
		assert_int_equal(first_byte(fd), 'o');
	}
	hide_from_map_files(&wanted.map);
	assert_int_equal(procfs__open_mapped(procfs, getpid(), &wanted.map, &fd), -ENOENT);
	assert_int_equal(fd, -1);

	other = map_new_file(path, 'n');
	assert_int_equal(procfs__open_mapped(procfs, getpid(), &wanted.map, &fd), -ESTALE);
	assert_int_equal(fd, -1);
	munmap(other, 8192);
	munmap(p, 8192);
	proc_tree__fini(&tree);
	procfs__free(procfs);
}

/* A name that now belongs to a FIFO must not hold us, nor a device be opened. */
static void test_open_no_regular_file(void **state)
{
	struct procfs *procfs = real();
	struct procfs_map map = { .start = 4096, .end = 8192, .ino = 1, .path = "/dev/zero" };
	struct proc_tree tree;
	char path[256];
	int fd;

	assert_int_equal(procfs__open_mapped(procfs, getpid(), &map, &fd), -EINVAL);
	proc_tree__init(&tree);
	snprintf(path, sizeof(path), "%s/fifo", tree.dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	map.path = path;
	assert_int_equal(procfs__open_mapped(procfs, getpid(), &map, &fd), -EINVAL);
	map.ino = 0;
	assert_int_equal(procfs__open_mapped(procfs, getpid(), &map, &fd), -ENOENT);
	proc_tree__fini(&tree);
	procfs__free(procfs);
}

static void test_fs_magic(void **state)
{
	struct procfs *procfs;
	struct wanted wanted;
	uint32_t magic;
	void *p;
	int fd;

	if (geteuid())
		skip();
	procfs = real();
	fd = memfd_create("test", MFD_CLOEXEC);
	assert_int_equal(ftruncate(fd, 4096), 0);
	p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	find_own(procfs, p, &wanted);
	assert_int_equal(procfs__fs_magic(procfs, getpid(), &wanted.map, &magic), 0);
	assert_int_equal(magic, TMPFS_MAGIC_);
	wanted.map.end += 4096;
	assert_int_equal(procfs__fs_magic(procfs, getpid(), &wanted.map, &magic), -ENOENT);
	munmap(p, 4096);
	close(fd);
	procfs__free(procfs);
}

static int stop_at_third(void *ctx, const struct procfs_map *map)
{
	return ++*(int *)ctx == 3 ? 42 : 0;
}

static void test_ends(void **state)
{
	struct procfs *procfs = real();
	int n = 0, status;
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	assert_int_equal(procfs__each_map(procfs, getpid(), stop_at_third, &n), 42);
	assert_int_equal(n, 3);
	/* A zombie, and then nobody. */
	assert_int_equal(waitid(P_PID, (id_t)pid, &(siginfo_t){ 0 }, WEXITED | WNOWAIT), 0);
	assert_int_equal(procfs__each_map(procfs, pid, stop_at_third, &n), -ESRCH);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(procfs__each_map(procfs, pid, stop_at_third, &n), -ESRCH);
	assert_int_equal(procfs__each_map(procfs, 0, stop_at_third, &n), -ESRCH);
	assert_int_equal(procfs__each_map(procfs, -1, stop_at_third, &n), -ESRCH);
	procfs__free(procfs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_line),
		cmocka_unit_test(test_names_of_the_kernel),
		cmocka_unit_test(test_broken_lines),
		cmocka_unit_test(test_java),
		cmocka_unit_test(test_node),
		cmocka_unit_test(test_python),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_hostile_paths),
		cmocka_unit_test(test_overlap_is_cut),
		cmocka_unit_test(test_refused_as_a_whole),
		cmocka_unit_test(test_own_anonymous),
		cmocka_unit_test(test_own_many),
		cmocka_unit_test(test_open_mapped),
		cmocka_unit_test(test_open_deleted),
		cmocka_unit_test(test_open_no_regular_file),
		cmocka_unit_test(test_fs_magic),
		cmocka_unit_test(test_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
