/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Perf maps: lines, the names in them, and files that grow, are replaced, or lie. */
#include "user/symbol/perf_map.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

static void check_line(const char *text, uint64_t start, uint64_t size, const char *name)
{
	struct perf_map_line line;

	assert_int_equal(perf_map_line__parse(text, strlen(text), &line), 0);
	assert_int_equal(line.start, start);
	assert_int_equal(line.size, size);
	assert_int_equal(line.name_sz, strlen(name));
	assert_memory_equal(line.name, name, line.name_sz);
}

static void test_lines(void **state)
{
	static const char *const wrong[] = {
		"", " ", "7f00", "7f00 10", "7f00 10 ", "7f00  10 f", "7f00 0 f", "x 10 f", "0x 10 f",
		"7f00 0x f", "-1 10 f", "+1 10 f", "10000000000000000 10 f", " 7f00 10 f", "7f00\t10 f",
		"ffffffffffffffff 1 f", "8000000000000000 8000000000000000 f", "7f00 10\r",
	};
	struct perf_map_line line;

	check_line("7f00 10 f", 0x7f00, 0x10, "f");
	check_line("0x7F00 0X1a f", 0x7f00, 0x1a, "f");
	check_line("0 1 name with  blanks ", 0, 1, "name with  blanks ");
	check_line("fffffffffffffffe 1 f\r", ~0ull - 1, 1, "f");
	check_line("00000000000000007f00 10 f", 0x7f00, 0x10, "f");
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(perf_map_line__parse(wrong[i], strlen(wrong[i]), &line), -EBADMSG);
}

static void check_name(const char *name, const char *function, const char *file, uint32_t line)
{
	struct perf_map_name parts;

	perf_map_name__split(name, strlen(name), &parts);
	assert_int_equal(parts.function_sz, strlen(function));
	assert_memory_equal(parts.function, function, parts.function_sz);
	assert_int_equal(parts.file_sz, strlen(file));
	if (*file)
		assert_memory_equal(parts.file, file, parts.file_sz);
	assert_int_equal(parts.line, line);
}

static void test_names(void **state)
{
	check_name("JS:^leak /srv/app.js:4:22", "leak", "/srv/app.js", 4);
	check_name("JS:*leak /srv/app.js:4:22", "leak", "/srv/app.js", 4);
	check_name("JS:~leak file:///srv/my%20app.mjs:4:22", "leak", "file:///srv/my%20app.mjs", 4);
	check_name("JS:+get size node:internal/a:478:32", "get size", "node:internal/a", 478);
	check_name("LazyCompile:*f /a folder/b.js:1:2", "f", "/a folder/b.js", 1);
	check_name("JS:~ /srv/app.js:4:22", "(anonymous)", "/srv/app.js", 4);
	check_name("Function:f evalmachine.<anonymous>:7:1", "f", "evalmachine.<anonymous>", 7);
	check_name("JS:*f /a.js", "f", "/a.js", 0);
	check_name("JS:*f :1:2", "f", "", 1);
	check_name("JS:*f", "f", "", 0);
	check_name("JS:*", "*", "", 0);
	check_name("JS:", "JS:", "", 0);
	check_name("JS:*f /a.js:99999999999:1", "f", "/a.js:99999999999", 0);
	check_name("Builtin:ArrayMap", "Builtin:ArrayMap", "", 0);
	check_name("py::leak:/srv/app.py", "leak", "/srv/app.py", 0);
	check_name("py::<module>:/srv/a:b.py", "<module>", "/srv/a:b.py", 0);
	check_name("py::leak", "leak", "", 0);
	check_name("py::", "py::", "", 0);
	check_name("py:::x", ":x", "", 0);
	check_name("void [app] App.Server::Leak(string)[Tier0]", "void [app] App.Server::Leak(string)", "", 0);
	check_name("f(int[])", "f(int[])", "", 0);
	check_name("f[]", "f[]", "", 0);
	check_name("]", "]", "", 0);
	check_name("[]", "[]", "", 0);
	check_name("", "", "", 0);
}

/* --- files ------------------------------------------------------------------------------------ */

struct rig {
	int fd;
	struct perf_map *map;
};

static void rig__init(struct rig *rig)
{
	rig->fd = memfd_create("perf-map", MFD_CLOEXEC);
	assert_true(rig->fd >= 0);
	assert_int_equal(perf_map__new(&rig->map), 0);
}

static void rig__fini(struct rig *rig)
{
	close(rig->fd);
	assert_null(perf_map__free(rig->map));
}

static void append(struct rig *rig, const char *text)
{
	assert_true(lseek(rig->fd, 0, SEEK_END) >= 0);
	assert_int_equal(write(rig->fd, text, strlen(text)), strlen(text));
}

/* NULL: nothing is known. */
static void expect(struct rig *rig, uint64_t addr, const char *name)
{
	char buf[PERF_MAP_LINE_MAX];
	struct perf_map_line line;
	int r = perf_map__find(rig->map, rig->fd, addr, buf, &line);

	assert_int_equal(r, name ? 0 : 1);
	if (!name)
		return;
	assert_int_equal(line.name_sz, strlen(name));
	assert_memory_equal(line.name, name, line.name_sz);
}

static void update(struct rig *rig)
{
	assert_int_equal(perf_map__update(rig->map, rig->fd), 0);
}

static void test_growing(void **state)
{
	struct rig rig;

	rig__init(&rig);
	update(&rig);
	expect(&rig, 0x1000, NULL);
	append(&rig, "1000 100 first\nno line\n2000 10 second\n3000 10 thi");
	update(&rig);
	expect(&rig, 0xfff, NULL);
	expect(&rig, 0x1000, "first");
	expect(&rig, 0x10ff, "first");
	expect(&rig, 0x1100, NULL);
	expect(&rig, 0x200f, "second");
	expect(&rig, 0x3000, NULL);	/* is being written */
	append(&rig, "rd\n");
	update(&rig);
	expect(&rig, 0x3000, "third");
	/* Other code in the place of old code, larger and smaller. */
	append(&rig, "1080 100 newer\n2000 8 newest\n");
	update(&rig);
	expect(&rig, 0x107f, "first");
	expect(&rig, 0x1080, "newer");
	expect(&rig, 0x2007, "newest");
	expect(&rig, 0x2008, "second");
	assert_false(perf_map__is_cut(rig.map));
	rig__fini(&rig);
}

/* Against a naive twin: an array of who wrote last. */
static void test_random(void **state)
{
	enum { PAGES = 4096, ROUNDS = 40, LINES = 300 };
	uint32_t *owner = calloc(PAGES, sizeof(*owner));
	char text[64], name[16];
	uint32_t serial = 0;
	struct rig rig;

	assert_non_null(owner);
	srandom(7);
	rig__init(&rig);
	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < LINES; i++) {
			uint32_t size = 1 + (uint32_t)random() % (random() % 50 ? 30 : 1000);
			uint32_t page = (uint32_t)random() % (PAGES - size);

			snprintf(text, sizeof(text), "%x %x f%u\n", 0x10000 + page, size, ++serial);
			append(&rig, text);
			for (uint32_t k = 0; k < size; k++)
				owner[page + k] = serial;
		}
		update(&rig);
		for (uint32_t page = 0; page < PAGES; page++) {
			snprintf(name, sizeof(name), "f%u", owner[page]);
			expect(&rig, 0x10000 + page, owner[page] ? name : NULL);
		}
	}
	rig__fini(&rig);
	free(owner);
}

static void test_replaced(void **state)
{
	struct rig rig;
	int other;

	rig__init(&rig);
	append(&rig, "1000 100 old\n2000 100 older\n");
	update(&rig);
	/* Cut and begun anew, shorter. */
	assert_int_equal(ftruncate(rig.fd, 0), 0);
	append(&rig, "1000 100 new\n");
	update(&rig);
	expect(&rig, 0x1000, "new");
	expect(&rig, 0x2000, NULL);
	/* Written over in place, as long as before. */
	assert_int_equal(pwrite(rig.fd, "5000 100 bad", 12, 0), 12);
	update(&rig);
	expect(&rig, 0x1000, NULL);
	update(&rig);
	expect(&rig, 0x5000, "bad");
	/* Another file. */
	other = rig.fd;
	rig.fd = memfd_create("other", MFD_CLOEXEC);
	append(&rig, "9000 100 another file's\n");
	update(&rig);
	expect(&rig, 0x5000, NULL);
	expect(&rig, 0x9000, "another file's");
	close(other);
	rig__fini(&rig);
}

static void test_long_lines(void **state)
{
	char *text = malloc(200001);
	struct rig rig;

	rig__init(&rig);
	memset(text, 'x', 200000);
	text[200000] = '\0';
	memcpy(text, "1000 100 ", 9);
	append(&rig, text);
	append(&rig, "\n2000 10 f\n");
	text[5000] = '\0';
	append(&rig, text);
	append(&rig, "\n3000 10 g\n");
	update(&rig);
	expect(&rig, 0x1000, NULL);
	expect(&rig, 0x2000, "f");
	expect(&rig, 0x3000, "g");
	free(text);
	rig__fini(&rig);
}

static void fill(struct rig *rig, uint32_t n, uint32_t apart)
{
	for (uint32_t i = 0; i < n;) {
		char text[8192];
		int at = 0;

		for (uint32_t k = 0; k < 200 && i < n; k++, i++)
			at += snprintf(text + at, sizeof(text) - (size_t)at, "%x 8 f\n", 8 + i * apart);
		append(rig, text);
	}
}

/* Bounded: entries, memory, bytes of the file. */
static void test_limits(void **state)
{
	struct rig rig;

	rig__init(&rig);
	/* The same places again and again take no more room. */
	for (int i = 0; i < 3; i++) {
		fill(&rig, PERF_MAP_MAX_ENTRIES / 2, 16);
		update(&rig);
	}
	append(&rig, "8 8 g\n");
	update(&rig);
	assert_false(perf_map__is_cut(rig.map));
	expect(&rig, 8, "g");
	expect(&rig, 8 + 16 * (PERF_MAP_MAX_ENTRIES / 2 - 1), "f");
	/* Too many places: the first ones stay, and no line costs a sorting. */
	fill(&rig, PERF_MAP_MAX_ENTRIES, 24);
	update(&rig);
	append(&rig, "ffff0008 8 one too many\n");
	update(&rig);
	expect(&rig, 0xffff0008, NULL);
	assert_true(perf_map__is_cut(rig.map));
	assert_true(perf_map__bytes(rig.map) <= PERF_MAP_MAX_ENTRIES * 24 + 4096);
	rig__fini(&rig);

	rig__init(&rig);
	append(&rig, "1000 10 f\n");
	assert_int_equal(ftruncate(rig.fd, 1ll << 40), 0);
	update(&rig);
	expect(&rig, 0x1000, "f");
	assert_true(perf_map__is_cut(rig.map));
	rig__fini(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),	   cmocka_unit_test(test_names),
		cmocka_unit_test(test_growing),	   cmocka_unit_test(test_random),
		cmocka_unit_test(test_replaced),   cmocka_unit_test(test_long_lines),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
