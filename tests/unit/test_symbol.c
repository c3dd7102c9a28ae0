/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The symbolizer on this process's own files, on a library built here, and on its cache: eviction,
 * files that are deleted, replaced, missing or no ELF.
 */
#include "tests/unit/symbol_files.h"

#include <search.h>
#include <zlib.h>

#include "user/base/log.h"

static struct symbolizer *new_symbolizer(size_t max_files, size_t max_bytes)
{
	struct symbolizer *s;

	assert_int_equal(symbolizer__new(&s, &(struct symbolizer_opts){ .max_files = max_files,
									.max_bytes = max_bytes }),
			 0);
	return s;
}

static void check_function(struct symbolizer *s, const struct symbol_query *query, const char *want)
{
	struct symbol symbol;
	int r = symbolizer__resolve(s, query, &symbol);

	if (!want) {
		assert_int_equal(r, 1);
		assert_null(symbol.function);
		assert_null(symbol.file);
		return;
	}
	assert_int_equal(r, 0);
	assert_non_null(symbol.function);
	assert_string_equal(symbol.function, want);
	symbol__fini(&symbol);
	assert_null(symbol.function);
}

static struct symbol_query query_of(const struct place *place)
{
	return (struct symbol_query){
		.dev = place->dev, .ino = place->ino, .offset = place->offset
	};
}

enum { FUNCTION_LINE = __LINE__ + 1 };
__attribute__((noinline)) static int a_function_of_this_test(int x)
{
	return x * 3 + 1;
}

/* volatile, so that the address is the function's and not a copy's. */
static int (*volatile of_this_test)(int) = a_function_of_this_test;

static void test_own_program(void **state)
{
	struct symbolizer *s = new_symbolizer(0, 0);
	struct place place = place_of((void *)of_this_test);
	struct symbol_query query = query_of(&place);
	struct symbol symbol;

	check_function(s, &query, NULL);
	assert_false(symbolizer__has(s, place.dev, place.ino));
	assert_int_equal(symbolizer__add(s, place.dev, place.ino,
					 open(place.path, O_RDONLY | O_CLOEXEC), place.path),
			 0);
	assert_true(symbolizer__has(s, place.dev, place.ino));
	for (int i = 0; i < 3; i++)
		check_function(s, &query, "a_function_of_this_test");

	assert_int_equal(symbolizer__resolve(s, &query, &symbol), 0);
	assert_non_null(symbol.file);	/* tests are built with -g */
	assert_non_null(strstr(symbol.file, "tests/unit/test_symbol.c"));
	assert_in_range(symbol.line, FUNCTION_LINE, FUNCTION_LINE + 3);
	symbol__fini(&symbol);

	/* A return address may be the first byte of the next function: the call is what counts. */
	query.return_address = true;
	query.offset++;
	check_function(s, &query, "a_function_of_this_test");
	symbolizer__free(s);
}

static void test_libraries(void **state)
{
	static const struct {
		void *address;
		const char *name;
	} known[] = {
		{ (void *)inflateInit2_, "inflateInit2_" },
		{ (void *)deflateEnd, "deflateEnd" },
		{ (void *)l64a, "l64a" },	/* sanitizers have their own of most others */
		{ (void *)lfind, "lfind" },
	};
	struct symbolizer *s = new_symbolizer(0, 0);

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		struct place place = place_of(known[i].address);
		struct symbol_query query = query_of(&place);

		/* By path: nobody registered it. */
		query.path = place.path;
		check_function(s, &query, known[i].name);
		query.offset += 1;
		check_function(s, &query, known[i].name);
	}
	symbolizer__free(s);
}

static void test_names_of_one_address(void **state)
{
	const struct folder *folder = *state;
	struct symbolizer *s = new_symbolizer(0, 0);
	struct symbol_query query = { .dev = 1, .ino = 2 };
	cleanup_fd int fd = open_in(folder, "lib.so");
	struct elf_symbol found;

	assert_int_equal(symbolizer__add(s, 1, 2, dup(fd), NULL), 0);
	assert_int_equal(find_symbol(fd, "_alpha_alias", &found), 1);
	query.offset = found.file_offset;
	check_function(s, &query, "alpha");
	assert_int_equal(find_symbol(fd, "weak_name", &found), 1);
	query.offset = found.file_offset;
	check_function(s, &query, "beta");
	assert_int_equal(find_symbol(fd, "hidden", &found), 1);
	query.offset = found.file_offset + found.size - 1;
	check_function(s, &query, "hidden");
	/* No size in the file: up to the next function, and up to the end of the section. */
	assert_int_equal(find_symbol(fd, "raw", &found), 1);
	assert_int_equal(found.size, 0);
	query.offset = found.file_offset + 4;
	check_function(s, &query, "raw");
	query.offset++;
	check_function(s, &query, "raw2");
	query.offset += 2;
	check_function(s, &query, "raw2");
	query.offset += 4096 * 16;
	check_function(s, &query, NULL);
	query.offset = UINT64_MAX;
	check_function(s, &query, NULL);
	query.offset = 0;
	query.return_address = true;
	check_function(s, &query, NULL);
	symbolizer__free(s);
}

static void test_deleted(void **state)
{
	const struct folder *folder = *state;
	struct symbolizer *s = new_symbolizer(0, 0);
	struct symbol_query query = { .dev = 1, .ino = 2 };
	struct elf_symbol found;
	int fd;

	assert_true(run(folder, "cp lib.so gone.so"));
	fd = open_in(folder, "gone.so");
	assert_int_equal(find_symbol(fd, "outer", &found), 1);
	assert_int_equal(symbolizer__add(s, 1, 2, fd, "gone.so"), 0);
	assert_true(run(folder, "rm gone.so"));
	query.offset = found.file_offset + 2;
	check_function(s, &query, "outer");
	symbolizer__free(s);
}

static void test_no_elf(void **state)
{
	const struct folder *folder = *state;
	struct symbolizer *s = new_symbolizer(0, 0);
	struct symbol_query query = { .dev = 1, .ino = 1, .offset = 0x1000 };
	uint8_t id[20];
	int fd = open_in(folder, "lib.c");

	assert_int_equal(elf_build_id(fd, id), 0);
	assert_int_equal(symbolizer__add(s, 1, 1, fd, "lib.c"), 1);
	assert_true(symbolizer__has(s, 1, 1));
	assert_int_equal(symbolizer__add(s, 1, 1, open_in(folder, "lib.so"), "lib.so"), 1);
	check_function(s, &query, NULL);
	assert_int_equal(symbolizer__add(s, 1, 3, open("/dev/null", O_RDONLY), NULL), 1);
	assert_int_equal(symbolizer__add(s, 1, 4, -1, NULL), 1);
	symbolizer__free(s);
}

static size_t n_open_files(void)
{
	cleanup_dir DIR *dir = opendir("/proc/self/fd");
	size_t n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	return n;
}

/* Three files where two are kept: the first goes, and is found by its path while it is the same. */
static void test_eviction(void **state)
{
	const struct folder *folder = *state;
	struct symbolizer *s = new_symbolizer(2, 0);
	struct symbol_query query = { .dev = 1, .ino = 1 };
	size_t before = n_open_files();
	struct elf_symbol found;
	uint8_t id[20], other[20] = {1};
	char path[128];
	int fd;

	assert_true(run(folder, "cp lib.so a.so; cp lib.so b.so; cp lib.so c.so"));
	fd = open_in(folder, "a.so");
	assert_int_equal(find_symbol(fd, "alpha", &found), 1);
	query.offset = found.file_offset;
	query.build_id = id;
	query.build_id_sz = elf_build_id(fd, id);
	assert_int_equal(query.build_id_sz, 20);
	assert_int_equal(symbolizer__add(s, 1, 1, fd, NULL), 0);
	check_function(s, &query, "alpha");
	assert_int_equal(symbolizer__add(s, 1, 2, open_in(folder, "b.so"), NULL), 0);
	assert_int_equal(symbolizer__add(s, 1, 3, open_in(folder, "c.so"), NULL), 0);
	assert_false(symbolizer__has(s, 1, 1));
	assert_true(symbolizer__has(s, 1, 2) && symbolizer__has(s, 1, 3));
	assert_int_equal(n_open_files(), before + 2);
	assert_true(symbolizer__bytes(s) == 0);

	check_function(s, &query, NULL);	/* no path */
	snprintf(path, sizeof(path), "%s/missing.so", folder->path);
	query.path = path;
	check_function(s, &query, NULL);
	assert_false(symbolizer__has(s, 1, 1));
	snprintf(path, sizeof(path), "%s/a.so", folder->path);
	query.build_id = other;
	check_function(s, &query, NULL);	/* another build */
	query.build_id = NULL;
	check_function(s, &query, NULL);	/* none to compare, and not inode 1 */
	query.build_id = id;
	query.path = folder->path;
	check_function(s, &query, NULL);	/* a folder */
	query.path = path;
	check_function(s, &query, "alpha");
	assert_true(symbolizer__has(s, 1, 1));
	assert_false(symbolizer__has(s, 1, 2));
	query.build_id = other;			/* registered, but not what was asked about */
	check_function(s, &query, NULL);
	symbolizer__free(s);
	assert_int_equal(n_open_files(), before);
}

/* A miss by path does not stand in the way of the file itself. */
static void test_missing_then_added(void **state)
{
	const struct folder *folder = *state;
	struct symbolizer *s = new_symbolizer(0, 0);
	struct symbol_query query = { .dev = 1, .ino = 1, .path = "/nonexistent/lib.so" };
	struct elf_symbol found;
	int fd = open_in(folder, "lib.so");

	assert_int_equal(find_symbol(fd, "alpha", &found), 1);
	query.offset = found.file_offset;
	check_function(s, &query, NULL);
	check_function(s, &query, NULL);
	assert_int_equal(symbolizer__add(s, 1, 1, fd, NULL), 0);
	check_function(s, &query, "alpha");
	symbolizer__free(s);
}

/* However many files are asked about, what is learnt stays within the budget. */
static void test_budget(void **state)
{
	const size_t max_bytes = 20000;
	const struct folder *folder = *state;
	struct symbolizer *s = new_symbolizer(0, max_bytes);
	cleanup_fd int fd = open_in(folder, "lib.so");
	struct elf_symbol found;

	assert_int_equal(find_symbol(fd, "alpha", &found), 1);
	for (uint64_t round = 0; round < 40; round++) {
		for (uint64_t ino = 1; ino <= 20; ino++) {
			struct symbol_query query = { .dev = 1, .ino = ino };

			assert_int_equal(symbolizer__add(s, 1, ino, dup(fd), NULL), 0);
			query.offset = found.file_offset + round % 4;
			check_function(s, &query, "alpha");
			query.offset = 5000000 + round;
			check_function(s, &query, NULL);
			assert_in_range(symbolizer__bytes(s), 1, max_bytes);
		}
	}
	/* One file, asked about more places than fit. */
	for (uint64_t i = 0; i < 5000; i++) {
		struct symbol_query query = { .dev = 1, .ino = 1, .offset = 1000000 + i };

		check_function(s, &query, NULL);
		assert_in_range(symbolizer__bytes(s), 1, max_bytes);
	}
	symbolizer__free(s);
}

/* More files with DWARF than are kept open, in turns: lines all the same. */
static void test_lines_in_turns(void **state)
{
	const struct folder *folder = *state;
	struct symbolizer *s = new_symbolizer(0, 0);
	cleanup_fd int fd = open_in(folder, "lib.so");
	struct elf_symbol found;
	struct symbol symbol;

	assert_int_equal(find_symbol(fd, "alpha", &found), 1);
	for (uint64_t offset = 0; offset < found.size; offset++) {
		for (uint64_t ino = 1; ino <= 12; ino++) {
			struct symbol_query query = { .dev = 1, .ino = ino };

			symbolizer__add(s, 1, ino, dup(fd), NULL);
			query.offset = found.file_offset + offset;
			assert_int_equal(symbolizer__resolve(s, &query, &symbol), 0);
			assert_non_null(symbol.file);
			assert_non_null(strstr(symbol.file, "lib.c"));
			assert_in_range(symbol.line, 3, 4);	/* `hidden` may be inlined */
			symbol__fini(&symbol);
		}
	}
	symbolizer__free(s);
}

/* A file that nobody can name is said once, with its build-id. */
static void test_note(void **state)
{
	const struct folder *folder = *state;
	struct symbol_query query = { .dev = 1, .ino = 1, .offset = 0x100 };
	cleanup_free char *said = NULL;
	char id_text[41];
	uint8_t id[20];
	struct symbolizer *s;
	struct log *log;
	size_t sz;
	FILE *f = open_memstream(&said, &sz);
	int fd;

	assert_true(run(folder, "strip -o bare.so lib.so"));
	fd = open_in(folder, "bare.so");
	assert_int_equal(elf_build_id(fd, id), 20);
	for (size_t i = 0; i < 20; i++)
		snprintf(id_text + 2 * i, 3, "%02x", id[i]);
	assert_int_equal(log__new(&log, f, LOG_LEVEL_DEBUG), 0);
	assert_int_equal(symbolizer__new(&s, &(struct symbolizer_opts){ .log = log }), 0);
	assert_int_equal(symbolizer__add(s, 1, 1, fd, "/srv/bare.so"), 0);
	check_function(s, &query, NULL);
	query.offset++;
	check_function(s, &query, NULL);
	symbolizer__free(s);
	log__free(log);
	fclose(f);
	assert_non_null(strstr(said, "/srv/bare.so"));
	assert_non_null(strstr(said, id_text));
	assert_ptr_equal(strchr(said, '\n'), said + strlen(said) - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_own_program),
		cmocka_unit_test(test_libraries),
		cmocka_unit_test(test_names_of_one_address),
		cmocka_unit_test(test_deleted),
		cmocka_unit_test(test_no_elf),
		cmocka_unit_test(test_eviction),
		cmocka_unit_test(test_missing_then_added),
		cmocka_unit_test(test_budget),
		cmocka_unit_test(test_lines_in_turns),
		cmocka_unit_test(test_note),
	};

	return cmocka_run_group_tests(tests, library_set_up, library_tear_down);
}
