/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * elf_symbols.h on a library built here and on the machine's own, then everything that reads ELF on
 * broken files: cut short everywhere, one bit wrong everywhere, and headers that lie on purpose.
 * Run under ASan and UBSan these must neither crash nor take long.
 */
#include "tests/unit/symbol_files.h"

#include <dlfcn.h>
#include <elf.h>
#include <zlib.h>

#define MAX_SECONDS 100		/* for all the broken files, with sanitizers on a slow machine */

static void test_each(void **state)
{
	cleanup_fd int fd = open_in(*state, "lib.so");
	struct elf_symbol s;

	/* In .dynsym and in .symtab: once. */
	assert_int_equal(find_symbol(fd, "alpha", &s), 1);
	assert_true(s.is_dynamic);
	assert_false(s.is_local);
	assert_true(s.size > 0);
	assert_int_equal(find_symbol(fd, "_alpha_alias", NULL), 1);
	/* Only in .symtab. */
	assert_int_equal(find_symbol(fd, "hidden", &s), 1);
	assert_false(s.is_dynamic);
	assert_true(s.is_local);
	assert_int_equal(find_symbol(fd, "raw", &s), 1);
	assert_int_equal(s.size, 0);
	/* Neither what is not defined here, nor data. */
	assert_int_equal(find_symbol(fd, "malloc", NULL), 0);
	assert_int_equal(find_symbol(fd, "counter", NULL), 0);
}

static void test_each_in_libz(void **state)
{
	struct place place = place_of((void *)inflateInit2_);
	cleanup_fd int fd = open(place.path, O_RDONLY | O_CLOEXEC);
	struct elf_symbol s;
	Dl_info info;

	assert_int_equal(find_symbol(fd, "inflateInit2_", &s), 1);
	assert_int_equal(s.file_offset, place.offset);
	assert_true(dladdr((void *)inflateInit2_, &info));
	assert_int_equal(s.vaddr, (uintptr_t)info.dli_saddr - (uintptr_t)info.dli_fbase);
}

static int stop_at_third(void *ctx, const struct elf_symbol *symbol)
{
	return ++*(int *)ctx == 3 ? 42 : 0;
}

static void test_each_stops(void **state)
{
	cleanup_fd int fd = open_in(*state, "lib.so");
	int n = 0;

	assert_int_equal(elf_symbols__each(fd, stop_at_third, &n), 42);
	assert_int_equal(n, 3);
}

static void test_not_elf(void **state)
{
	cleanup_fd int fd = open_in(*state, "lib.c"), null = open("/dev/null", O_RDONLY);
	char name[ELF_NAME_MAX];
	uint8_t byte;
	size_t n;

	assert_int_equal(elf_symbols__each(fd, stop_at_third, NULL), 1);
	assert_int_equal(elf_symbols__each(null, stop_at_third, NULL), 1);
	assert_int_equal(elf_code__read(fd, 0, &byte, 1, &n), 1);
	assert_int_equal(elf_plt__target(fd, 0, name), 1);
	assert_int_equal(elf_got__target(fd, 0, name), 1);
	assert_int_equal(elf_symbols__each(-1, stop_at_third, NULL), -EBADF);
}

static void test_code(void **state)
{
	cleanup_fd int fd = open_in(*state, "lib.so");
	static uint8_t big[1 << 20];
	struct elf_symbol s;
	uint8_t code[5];
	size_t n;

	assert_int_equal(find_symbol(fd, "raw", &s), 1);
	assert_int_equal(elf_code__read(fd, s.vaddr, code, sizeof(code), &n), 0);
	assert_int_equal(n, sizeof(code));
#ifdef __x86_64__
	assert_memory_equal(code, "\x90\x90\x90\x90\xc3", 5);
#endif
	/* No further than the segment. */
	assert_int_equal(elf_code__read(fd, s.vaddr, big, sizeof(big), &n), 0);
	assert_true(n >= 8 && n < 65536);
	assert_int_equal(elf_code__read(fd, UINT64_MAX, code, 1, &n), 1);
	assert_int_equal(n, 0);
	assert_int_equal(elf_code__read(fd, 0, code, 1, &n), 1);	/* the headers: no code */
}

#ifdef __x86_64__
/* Follows the first call (e8) or `call *slot` (ff 15) to malloc in `outer`. */
static void check_call(int fd)
{
	char name[ELF_NAME_MAX] = "";
	struct elf_symbol s;
	uint8_t code[64];
	int32_t disp;
	size_t n;
	int r = 1;

	assert_int_equal(find_symbol(fd, "outer", &s), 1);
	assert_int_equal(elf_code__read(fd, s.vaddr, code, sizeof(code), &n), 0);
	assert_int_equal(elf_plt__target(fd, s.vaddr, name), 1);
	for (size_t i = 0; i + 6 <= n && r; i++) {
		if (code[i] == 0xe8) {
			memcpy(&disp, code + i + 1, sizeof(disp));
			r = elf_plt__target(fd, s.vaddr + i + 5 + disp, name);
		} else if (code[i] == 0xff && code[i + 1] == 0x15) {
			memcpy(&disp, code + i + 2, sizeof(disp));
			r = elf_got__target(fd, s.vaddr + i + 6 + disp, name);
		}
	}
	assert_int_equal(r, 0);
	assert_string_equal(name, "malloc");
}

/* The forms that compilers and linkers make: lazy, bound at once (.plt.got), endbr64, no PLT. */
static void test_plt(void **state)
{
	static const char *const flags[] = {
		"-Wl,-z,lazy", "-Wl,-z,now", "-fcf-protection=full -Wl,-z,ibtplt",
		"-fcf-protection=none -Wl,-z,now", "-fno-plt",
	};

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		cleanup_fd int fd = -1;

		assert_true(run(*state, "cc -O1 -fPIC -shared %s -o plt%zu.so lib.c", flags[i], i));
		char name[16];

		snprintf(name, sizeof(name), "plt%zu.so", i);
		fd = open_in(*state, name);
		check_call(fd);
	}
}
#endif

/* --- broken files ---------------------------------------------------------------------------- */

struct image {
	uint8_t *bytes;
	size_t sz;
	int fd;			/* of memory; holds the image as it is broken at the moment */
	uint64_t offsets[4];	/* in the file, of functions in the sound image */
	uint64_t plt;		/* an address to follow */
};

static int ignore_symbol(void *ctx, const struct elf_symbol *symbol)
{
	uint64_t *sum = ctx;

	*sum += strlen(symbol->name) + symbol->vaddr + symbol->file_offset + symbol->size;
	return 0;
}

/* Asks everything; any answer is right, as long as it is one of the documented ones. */
static void ask_everything(const struct image *image)
{
	struct symbolizer *symbolizer;
	char name[ELF_NAME_MAX];
	uint8_t id[20], code[64];
	struct symbol symbol;
	uint64_t sum = 0;
	size_t n;
	int r;

	assert_in_range(elf_build_id(image->fd, id), 0, 20);
	r = elf_symbols__each(image->fd, ignore_symbol, &sum);
	assert_true(r == 0 || r == 1 || r == -EBADMSG);
	r = elf_code__read(image->fd, image->plt, code, sizeof(code), &n);
	assert_true(r == 0 || r == 1 || r == -EBADMSG);
	r = elf_plt__target(image->fd, image->plt, name);
	assert_true(r == 0 || r == 1 || r == -EBADMSG);
	assert_int_equal(symbolizer__new(&symbolizer, &(struct symbolizer_opts){0}), 0);
	r = symbolizer__add(symbolizer, 1, 1, dup(image->fd), "/nonexistent/x.so");
	assert_true(r == 0 || r == 1);
	for (size_t i = 0; i < 4; i++) {
		struct symbol_query query = { .dev = 1, .ino = 1, .offset = image->offsets[i] };

		r = symbolizer__resolve(symbolizer, &query, &symbol);
		assert_true(r == 0 || r == 1);
		symbol__fini(&symbol);
	}
	symbolizer__free(symbolizer);
}

static void image__write(struct image *image, size_t at, const void *bytes, size_t n)
{
	assert_int_equal(pwrite(image->fd, bytes, n, at), n);
}

static void image__init(struct image *image, const struct folder *folder)
{
	static const char *const names[] = { "alpha", "beta", "outer", "raw" };
	cleanup_fd int fd = open_in(folder, "lib.so");
	struct elf_symbol s;
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	image->sz = st.st_size;
	image->bytes = malloc(image->sz);
	assert_non_null(image->bytes);
	assert_int_equal(pread(fd, image->bytes, image->sz, 0), image->sz);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(find_symbol(fd, names[i], &s), 1);
		image->offsets[i] = s.file_offset;
		image->plt = s.vaddr;
	}
	image->fd = memfd_create("broken", MFD_CLOEXEC);
	assert_true(image->fd >= 0);
	image__write(image, 0, image->bytes, image->sz);
	ask_everything(image);
}

static void image__fini(struct image *image)
{
	close(image->fd);
	free(image->bytes);
}

static void test_cut(void **state)
{
	struct image image;

	image__init(&image, *state);
	for (size_t sz = image.sz; sz-- > 0; sz -= sz < 256 ? 0 : sz % 61) {
		assert_int_equal(ftruncate(image.fd, sz), 0);
		ask_everything(&image);
	}
	image__fini(&image);
}

static void test_bits(void **state)
{
	struct image image;
	Elf64_Ehdr ehdr;

	image__init(&image, *state);
	memcpy(&ehdr, image.bytes, sizeof(ehdr));
	for (size_t at = 0; at < image.sz; at++) {
		/* Every bit of the headers, one in 19 bytes elsewhere. */
		bool is_header = at < 0x300 || at >= ehdr.e_shoff;

		for (unsigned int bit = 0; bit < 8; bit++) {
			uint8_t wrong = image.bytes[at] ^ (1u << bit);

			if (!is_header && (at % 19 || bit != at / 19 % 8))
				continue;
			if (is_header && at >= ehdr.e_shoff && (at + bit) % 3)
				continue;
			image__write(&image, at, &wrong, 1);
			ask_everything(&image);
			image__write(&image, at, &image.bytes[at], 1);
		}
	}
	image__fini(&image);
}

/* Each field of each header set to what overflows, and to what is just too much. */
static void test_extremes(void **state)
{
	static const uint64_t extremes[] = { 0, 1, 0x7fffffff, 0xffffffff, 1ull << 40, INT64_MAX,
					     UINT64_MAX, UINT64_MAX - 0xfff };
	struct image image;
	Elf64_Ehdr ehdr;
	uint64_t end;

	image__init(&image, *state);
	memcpy(&ehdr, image.bytes, sizeof(ehdr));
	end = ehdr.e_shoff + ehdr.e_shnum * sizeof(Elf64_Shdr);
	assert_true(end <= image.sz);
	for (size_t at = 0; at + 8 <= end; at += 8) {
		if (at >= sizeof(ehdr) + ehdr.e_phnum * sizeof(Elf64_Phdr) && at < ehdr.e_shoff)
			continue;
		for (size_t i = 0; i < sizeof(extremes) / sizeof(extremes[0]); i++) {
			image__write(&image, at, &extremes[i], 8);
			ask_everything(&image);
		}
		image__write(&image, at, image.bytes + at, 8);
	}
	image__fini(&image);
}

/* A sparse file of 1 TB whose headers claim what only such a file could hold. */
static void test_sparse(void **state)
{
	const uint64_t huge = 1ull << 38;
	struct image image;
	Elf64_Ehdr ehdr;
	Elf64_Shdr first = {0};

	image__init(&image, *state);
	if (ftruncate(image.fd, 1ll << 40) < 0) {
		image__fini(&image);
		skip();
	}
	memcpy(&ehdr, image.bytes, sizeof(ehdr));
	for (size_t i = 1; i < ehdr.e_shnum; i++) {
		size_t at = ehdr.e_shoff + i * sizeof(first) + offsetof(Elf64_Shdr, sh_size);

		image__write(&image, at, &huge, sizeof(huge));
		ask_everything(&image);
		image__write(&image, at, image.bytes + at, sizeof(huge));
	}
	/* All of them at once; and 2^31 sections, which e_shnum == 0 allows. */
	for (size_t i = 1; i < ehdr.e_shnum; i++)
		image__write(&image,
			     ehdr.e_shoff + i * sizeof(first) + offsetof(Elf64_Shdr, sh_size),
			     &huge, sizeof(huge));
	ask_everything(&image);
	ehdr.e_shnum = 0;
	first.sh_size = 1ull << 31;
	image__write(&image, 0, &ehdr, sizeof(ehdr));
	image__write(&image, ehdr.e_shoff, &first, sizeof(first));
	assert_int_equal(elf_symbols__each(image.fd, ignore_symbol, &(uint64_t){0}), -EBADMSG);
	ask_everything(&image);
	image__fini(&image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each),
		cmocka_unit_test(test_each_in_libz),
		cmocka_unit_test(test_each_stops),
		cmocka_unit_test(test_not_elf),
		cmocka_unit_test(test_code),
#ifdef __x86_64__
		cmocka_unit_test(test_plt),
#endif
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_bits),
		cmocka_unit_test(test_extremes),
		cmocka_unit_test(test_sparse),
	};

	alarm(MAX_SECONDS);	/* a hang is a failure */
	return cmocka_run_group_tests(tests, library_set_up, library_tear_down);
}
