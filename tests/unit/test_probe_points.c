/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Probe points in real files (Debian's libz, the JDKs' libzip.so, node), in the same files stripped,
 * in libraries compiled here for each case of placement, and in broken files. What is not
 * installed is skipped.
 */
#include "user/source/probe_points.h"

#include "user/source/pairs.h"
#include "user/source/probe_place.h"

#include <dirent.h>
#include <elf.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define LIBZ "/lib/x86_64-linux-gnu/libz.so.1"
#define DEBIAN_JDK "/usr/lib/jvm/java-17-openjdk-amd64/lib/libzip.so"
#define TEMURIN "/usr/lib/jvm/temurin-25-jdk-amd64/lib/libzip.so"
#define NODE "/usr/bin/node"

static char dir[] = "/tmp/test_probe_points.XXXXXX";

static char *in_dir(const char *name)
{
	static char path[4][128];
	static unsigned int next;
	char *p = path[next++ % 4];

	snprintf(p, sizeof(path[0]), "%s/%s", dir, name);
	return p;
}

__attribute__((format(printf, 1, 2)))
static bool run(const char *format, ...)
{
	char command[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	return system(command) == 0;
}

static int find(const char *path, struct probe_points *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), r;

	assert_true(fd >= 0);
	r = probe_points__find(fd, out);
	close(fd);
	return r;
}

static const struct probe_point *point_named(const struct probe_points *points, const char *name)
{
	for (size_t i = 0; i < points->n; i++)
		if (!strcmp(points->points[i].name, name))
			return &points->points[i];
	return NULL;
}

static void print_points(const char *path, const struct probe_points *points)
{
	size_t n_single_step = 0;

	for (size_t i = 0; i < points->n; i++)
		n_single_step += points->points[i].single_step;
	print_message("# %s: %zu points, %zu single-stepped, %zu notes\n", path, points->n,
		      n_single_step, points->n_notes);
}

/* What holds in every file: the order, and that the kernel emulates what it is said to. */
static void check_points(const char *path, const struct probe_points *points)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint8_t b[6];

	for (size_t i = 0; i < points->n; i++) {
		const struct probe_point *p = &points->points[i];
		bool is_emulated;

		assert_true(!i || points->points[i - 1].offset < p->offset);
		assert_true(p->symbol < n_pair_symbols);
		assert_true(p->offset >= p->entry_offset);
		assert_int_equal(p->handle_arg, pair_symbols[p->symbol].handle_arg);
		assert_int_equal(pread(fd, b, sizeof(b), p->offset), sizeof(b));
		is_emulated = (b[0] & 0xf8) == 0x50 || (b[0] == 0x41 && (b[1] & 0xf8) == 0x50) ||
			      b[0] == 0xe8 || b[0] == 0xe9 || b[0] == 0xeb || b[0] == 0x90 ||
			      (b[0] & 0xf0) == 0x70 || (b[0] == 0x0f && (b[1] & 0xf0) == 0x80);
		assert_int_equal(!p->single_step, is_emulated);
	}
	close(fd);
}

static void need(const char *path)
{
	if (access(path, R_OK)) {
		print_message("# %s is not here\n", path);
		skip();
	}
}

static void debian_libz(void **state)
{
	static const char *const names[] = { "inflateInit2_", "inflateBackInit_", "inflateCopy",
					     "inflateEnd", "inflateBackEnd", "deflateInit2_",
					     "deflateCopy", "deflateEnd" };
	struct probe_points points;

	need(LIBZ);
	assert_int_equal(find(LIBZ, &points), 0);
	print_points(LIBZ, &points);
	check_points(LIBZ, &points);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		assert_non_null(point_named(&points, names[i]));
	/* They call the "2_" forms through the PLT. */
	assert_null(point_named(&points, "inflateInit_"));
	assert_null(point_named(&points, "deflateInit_"));
	assert_int_equal(points.n, 8);
	assert_int_equal(points.n_notes, 0);
	for (size_t i = 0; i < points.n; i++)
		assert_false(points.points[i].single_step);
	probe_points__fini(&points);
	assert_int_equal(points.n, 0);
	probe_points__fini(&points);
}

/* Its JNI code calls libz: libz is probed, nothing here. */
static void jdk_with_system_zlib(void **state)
{
	struct probe_points points;

	need(DEBIAN_JDK);
	assert_int_equal(find(DEBIAN_JDK, &points), 0);
	assert_int_equal(points.n, 0);
	assert_int_equal(points.n_notes, 0);
	probe_points__fini(&points);
	if (!run("strip --strip-all -o %s %s 2>/dev/null", in_dir("debian.so"), DEBIAN_JDK))
		return;
	assert_int_equal(find(in_dir("debian.so"), &points), 0);
	assert_int_equal(points.n, 0);
	assert_int_equal(points.n_notes, 0);
	probe_points__fini(&points);
}

static void jdk_with_its_own_zlib(void **state)
{
	struct probe_points points;

	need(TEMURIN);
	assert_int_equal(find(TEMURIN, &points), 0);
	print_points(TEMURIN, &points);
	check_points(TEMURIN, &points);
	assert_int_equal(points.n, 8);
	assert_null(point_named(&points, "inflateInit_"));
	assert_null(point_named(&points, "Java_java_util_zip_Inflater_init"));
	assert_null(point_named(&points, "Java_java_util_zip_Inflater_end"));
	probe_points__fini(&points);
}

/* Address of the call of `callee` in `function`, as objdump names them. 0: none, or several. */
static uint64_t call_site(const char *path, const char *function, const char *callee)
{
	char command[512], line[512], wanted[128];
	uint64_t found = 0;
	int n = 0;
	FILE *f;

	snprintf(command, sizeof(command), "objdump -d --no-show-raw-insn --disassemble=%s '%s'",
		 function, path);
	snprintf(wanted, sizeof(wanted), "<%s>", callee);
	f = popen(command, "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		if (strstr(line, "call") && strstr(line, wanted)) {
			found = strtoull(line, NULL, 16);
			n++;
		}
	pclose(f);
	return n == 1 ? found : 0;
}

/* objdump's names in the whole file say where the calls are that are to be found without them. In
 * this file code lies at the same offset and address. */
static void stripped_jdk_with_its_own_zlib(void **state)
{
	const struct probe_point *open_inflate, *open_deflate, *end;
	struct probe_points points;
	uint64_t inflate_call, deflate_call;

	need(TEMURIN);
	inflate_call = call_site(TEMURIN, "Java_java_util_zip_Inflater_init", "inflateInit2_");
	deflate_call = call_site(TEMURIN, "Java_java_util_zip_Deflater_init", "deflateInit2_");
	if (!run("strip --strip-all -o %s %s 2>/dev/null", in_dir("stripped.so"), TEMURIN))
		skip();
	assert_int_equal(find(in_dir("stripped.so"), &points), 0);
	print_points("the same stripped", &points);
	check_points(in_dir("stripped.so"), &points);
	assert_int_equal(points.n, 4);
	assert_int_equal(points.n_notes, 0);
	open_inflate = point_named(&points, "Java_java_util_zip_Inflater_init");
	open_deflate = point_named(&points, "Java_java_util_zip_Deflater_init");
	assert_true(open_inflate && open_deflate && inflate_call && deflate_call);
	print_message("# call sites: inflateInit2_ %#lx, objdump %#lx; deflateInit2_ %#lx, "
		      "objdump %#lx\n", (long)open_inflate->offset, (long)inflate_call,
		      (long)open_deflate->offset, (long)deflate_call);
	assert_int_equal(open_inflate->offset, inflate_call);
	assert_int_equal(open_deflate->offset, deflate_call);
	assert_int_equal(open_inflate->handle_arg, 0);
	assert_int_equal(open_deflate->handle_arg, 0);
	end = point_named(&points, "Java_java_util_zip_Inflater_end");
	assert_true(end && end->handle_arg == 2);
	end = point_named(&points, "Java_java_util_zip_Deflater_end");
	assert_true(end && end->handle_arg == 2);
	probe_points__fini(&points);
}

/* Two copies of zlib under two names, wrappers inlined. */
static void node_binary(void **state)
{
	struct probe_points points;

	need(NODE);
	assert_int_equal(find(NODE, &points), 0);
	print_points(NODE, &points);
	check_points(NODE, &points);
	if (point_named(&points, "Cr_z_inflateInit2_")) {
		assert_non_null(point_named(&points, "Cr_z_inflateEnd"));
		assert_non_null(point_named(&points, "Cr_z_deflateInit2_"));
		assert_non_null(point_named(&points, "Cr_z_deflateEnd"));
	}
	probe_points__fini(&points);
}

/* --- libraries compiled for one case each ----------------------------------------------------- */

/* Compiles and finds. False: no compiler. */
static bool find_in(const char *source, const char *cflags, struct probe_points *points)
{
	FILE *f = fopen(in_dir("fixture.c"), "w");

	assert_non_null(f);
	fputs(source, f);
	fclose(f);
	if (!run("${CC:-cc} -shared -fPIC -x c %s -o %s %s 2>%s", cflags, in_dir("fixture.so"),
		 in_dir("fixture.c"), in_dir("cc.log")))
		return false;
	assert_int_equal(find(in_dir("fixture.so"), points), 0);
	check_points(in_dir("fixture.so"), points);
	return true;
}

#define ZLIB_LIKE							\
	"struct z { long f[14]; };\n"					\
	"extern void *get(long); extern void put(void *);\n"		\
	"#define V __attribute__((visibility(\"default\")))\n"		\
	"V int inflateInit2_(struct z *z, int bits, const char *v, int sz)\n" \
	"{ if (!v || *v != '1' || sz != 112) return -6; if (!z) return -2;\n" \
	"  z->f[0] = (long)get(bits); return z->f[0] ? 0 : -4; }\n"	\
	"V int inflateInit_(struct z *z, const char *v, int sz)\n"	\
	"{ return inflateInit2_(z, 15, v, sz); }\n"			\
	"V int inflateEnd(struct z *z)\n"				\
	"{ if (!z) return -2; put((void *)z->f[0]); z->f[0] = 0; return 0; }\n"

static void inlined_wrapper_is_probed(void **state)
{
	struct probe_points points;

	if (!find_in(ZLIB_LIKE, "-O3 -fvisibility=hidden -fno-semantic-interposition", &points))
		skip();
	assert_int_equal(points.n, 3);
	assert_non_null(point_named(&points, "inflateInit2_"));
	assert_non_null(point_named(&points, "inflateInit_"));
	probe_points__fini(&points);
}

static void calling_wrappers_are_left_out(void **state)
{
	static const char *const cflags[] = {
		"-O2",							/* jmp to the PLT */
		"-O0",							/* call of the PLT */
		"-O2 -fno-plt",						/* jmp *slot */
		"-O0 -fno-plt",						/* call *slot */
		"-O2 -fno-inline -fno-semantic-interposition -fno-ipa-cp",	/* jmp to it */
		"-O0 -Wl,-Bsymbolic",					/* call of it */
		"-O2 -fcf-protection=full",				/* endbr64 */
		"-O2 -DinflateInit2_=Cr_z_inflateInit2_ -DinflateInit_=Cr_z_inflateInit_",
	};

	for (size_t i = 0; i < sizeof(cflags) / sizeof(*cflags); i++) {
		struct probe_points points;

		if (!find_in(ZLIB_LIKE, cflags[i], &points))
			skip();
		if (points.n != 2 || points.n_notes)
			fail_msg("%s: %zu points", cflags[i], points.n);
		probe_points__fini(&points);
	}
}

/* endbr64 is no reason to pay for a single step. */
static void endbr_is_skipped(void **state)
{
	struct probe_points points;
	const struct probe_point *p;

	if (!find_in("void f(void *);\n"
		     "int inflateEnd(void *z) { f(z); f(z); return 1; }", "-O0 -fcf-protection=full",
		     &points))
		skip();
	p = point_named(&points, "inflateEnd");
	assert_true(p && p->offset == p->entry_offset + 4 && !p->single_step);
	probe_points__fini(&points);
}

static void aliases_are_one_point(void **state)
{
	struct probe_points points;

	if (!find_in("void f(void *);\n"
		     "int inflateEnd(void *z) { f(z); return 1; }\n"
		     "int z_inflateEnd(void *z) __attribute__((alias(\"inflateEnd\")));\n"
		     "int Cr_z_inflateEnd(void *z) { f(z); f(z); return 2; }\n"
		     "int xyz_inflateEnd(void *z) { f(z); f(z); f(z); return 3; }\n"
		     "extern int inflateInit2_(void *);\n"
		     "int g(void *z) { return inflateInit2_(z); }\n", "-O2", &points))
		skip();
	assert_int_equal(points.n, 2);
	assert_null(point_named(&points, "xyz_inflateEnd"));
	assert_null(point_named(&points, "inflateInit2_"));
	probe_points__fini(&points);
}

static void foreign_jni_code_is_told(void **state)
{
	struct probe_points points;

	if (!find_in("long Java_java_util_zip_Inflater_init(void *e, void *c, int w)\n"
		     "{ return w; }\n"
		     "void Java_java_util_zip_Inflater_end(void *e, void *c, long a) { }\n", "-O2",
		     &points))
		skip();
	assert_int_equal(points.n, 0);
	assert_int_equal(points.n_notes, 1);
	print_message("# %s\n", points.notes[0]);
	probe_points__fini(&points);
}

static void known_gaps_are_told(void **state)
{
	struct probe_points points;

	if (!find_in("int zng_inflateInit2(void *z, int bits) { return bits; }\n", "-O2", &points))
		skip();
	assert_int_equal(points.n, 0);
	assert_int_equal(points.n_notes, 1);
	print_message("# %s\n", points.notes[0]);
	probe_points__fini(&points);
}

/* --- placement, byte by byte ------------------------------------------------------------------ */

#define CODE(...) { __VA_ARGS__ }, sizeof((uint8_t[]){ __VA_ARGS__ })
#define TEST_RDI 0x48, 0x85, 0xff
#define RET 0xc3

static const struct {
	const char *what;
	uint8_t code[32];
	size_t n;
	size_t offset;
	bool single_step;
} places[] = {
	{ "push first", CODE(0x55, RET), 0, false },
	{ "test, je", CODE(TEST_RDI, 0x74, 0x01, RET, RET), 3, false },
	{ "endbr64, test, je", CODE(0xf3, 0x0f, 0x1e, 0xfa, TEST_RDI, 0x74, 0, RET), 7, false },
	{ "sub rsp, push", CODE(0x48, 0x83, 0xec, 0x08, 0x53, RET), 4, false },
	{ "an argument is written", CODE(TEST_RDI, 0x89, 0xd1, 0x55, RET), 0, true },
	{ "it returns before", CODE(TEST_RDI, RET, 0x55, RET), 0, true },
	{ "indirect jump before", CODE(TEST_RDI, 0xff, 0xe0, 0x55, RET), 0, true },
	{ "unknown before", CODE(TEST_RDI, 0xd6, 0x55, RET), 0, true },
	{ "a loop back to the place", CODE(TEST_RDI, 0x74, 0x02, 0xeb, 0xfc, RET), 0, true },
	{ "a loop back to between", CODE(TEST_RDI, TEST_RDI, 0x74, 0x02, 0xeb, 0xf9, RET), 0, true },
	{ "a loop back to the entry", CODE(TEST_RDI, 0x74, 0x02, 0xeb, 0xf9, RET), 3, false },
	{ "a long loop back", CODE(TEST_RDI, 0x74, 0x06, 0x0f, 0x85, 0xf8, 0xff, 0xff, 0xff, RET),
	  0, true },
	{ "a loop back behind unknown code",
	  CODE(TEST_RDI, 0x74, 0x01, RET, 0xd6, 0x90, 0xeb, 0xf9), 0, true },
	{ "empty", { 0 }, 0, 0, true },
	{ "cut", CODE(0x48, 0x85), 0, true },
};

static void placement(void **state)
{
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		uint8_t *code = malloc(places[i].n + !places[i].n);
		struct probe_place place;

		memcpy(code, places[i].code, places[i].n);
		place = probe_place__find(code, places[i].n, true);
		if (place.offset != places[i].offset || place.single_step != places[i].single_step)
			fail_msg("%s: +%zu, single step %d", places[i].what, place.offset,
				 place.single_step);
		place = probe_place__find(code, places[i].n, false);
		assert_int_equal(place.offset, 0);
		free(code);
	}
}

/* --- broken files ----------------------------------------------------------------------------- */

static void no_elf_files(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
	} files[] = { { "", 0 }, { "\x7f" "ELF", 4 }, { "#!/bin/sh\necho hello world\n", 27 },
		      { "\x7f" "ELF\2\1\1\0\0\0\0\0\0\0\0\0\3\0\x3e\0", 20 } };
	struct probe_points points;
	int fd;

	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		fd = memfd_create("broken", MFD_CLOEXEC);
		assert_true(write(fd, files[i].bytes, files[i].n) == (ssize_t)files[i].n);
		assert_int_equal(probe_points__find(fd, &points), 1);
		assert_int_equal(points.n, 0);
		probe_points__fini(&points);
		close(fd);
	}
	assert_int_equal(find("/", &points), 1);
	probe_points__fini(&points);
	assert_int_equal(probe_points__find(-1, &points), 1);
	probe_points__fini(&points);
}

/* The real file with bytes overwritten, and cut: never a crash, never more than there may be. */
static void damaged_files(void **state)
{
	uint64_t seed = 0x9E3779B97F4A7C15ull;
	struct probe_points points;
	uint8_t *bytes;
	ssize_t n;
	int fd, damaged, n_found = 0;

	need(LIBZ);
	fd = open(LIBZ, O_RDONLY | O_CLOEXEC);
	bytes = malloc(1 << 20);
	n = read(fd, bytes, 1 << 20);
	close(fd);
	assert_true(n > 4096);
	damaged = memfd_create("damaged", MFD_CLOEXEC);
	for (int i = 0; i < 3000; i++) {
		/* Header and program headers, the dynamic tables, the section headers. */
		size_t span = i % 3 == 0 ? 64 : i % 3 == 1 ? 0x1000 : 2048, at;
		size_t from = i % 3 == 2 ? (size_t)n - 2048 : 0;
		int r;

		assert_int_equal(pwrite(damaged, bytes, n, 0), n);
		for (int k = 0; k < 1 + i % 4; k++) {
			seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
			at = from + (seed >> 20) % span;
			assert_int_equal(pwrite(damaged, &seed, 1 + (seed >> 60) % 8, at),
					 1 + (seed >> 60) % 8);
		}
		assert_int_equal(ftruncate(damaged, i % 16 ? n : (off_t)(seed >> 33) % n), 0);
		r = probe_points__find(damaged, &points);
		assert_in_range(r, 0, 1);
		assert_in_range(points.n, 0, PROBE_POINTS_MAX);
		n_found += points.n > 0;
		probe_points__fini(&points);
	}
	print_message("# 3,000 damaged files, %d with points\n", n_found);
	close(damaged);
	free(bytes);
}

static void code_of_other_machines(void **state)
{
	struct probe_points points;
	uint16_t machine = EM_AARCH64;
	int fd;

	need(LIBZ);
	if (!run("cp %s %s", LIBZ, in_dir("other.so")))
		skip();
	fd = open(in_dir("other.so"), O_RDWR | O_CLOEXEC);
	assert_int_equal(pwrite(fd, &machine, 2, offsetof(Elf64_Ehdr, e_machine)), 2);
	assert_int_equal(probe_points__find(fd, &points), 0);
	assert_int_equal(points.n, 8);
	for (size_t i = 0; i < points.n; i++) {
		assert_int_equal(points.points[i].offset, points.points[i].entry_offset);
		assert_true(points.points[i].single_step);
	}
	probe_points__fini(&points);
	close(fd);
	if (!find_in("int inflateEnd(void *z) { return 1; }\n", "-m32 -nostdlib", &points))
		skip();
	assert_int_equal(points.n, 0);
	assert_int_equal(points.n_notes, 1);
	probe_points__fini(&points);
}

/* As many names as a file likes: a bound, and a note. */
static void many_copies_are_bounded(void **state)
{
	struct probe_points points;
	FILE *f = fopen(in_dir("many.c"), "w");

	assert_non_null(f);
	fputs("static int inflateEnd(void *z) { return 1; }\n"
	      "int (*const p)(void *) __attribute__((visibility(\"hidden\"))) = inflateEnd;\n", f);
	fclose(f);
	/* A local function, linked in a hundred times over. */
	if (!run("${CC:-cc} -c -fPIC -o %s %s 2>/dev/null", in_dir("many.o"),
		 in_dir("many.c")) ||
	    !run("${CC:-cc} -shared -Wl,-z,muldefs -o %s $(yes %s | head -100) 2>/dev/null",
		 in_dir("many.so"), in_dir("many.o")))
		skip();
	assert_int_equal(find(in_dir("many.so"), &points), 0);
	assert_int_equal(points.n, PROBE_POINTS_MAX);
	assert_int_equal(points.n_notes, 1);
	print_message("# %s\n", points.notes[0]);
	probe_points__fini(&points);
}

static int make_dir(void **state)
{
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	return run("rm -rf %s", dir) ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(placement),
		cmocka_unit_test(debian_libz),
		cmocka_unit_test(jdk_with_system_zlib),
		cmocka_unit_test(jdk_with_its_own_zlib),
		cmocka_unit_test(stripped_jdk_with_its_own_zlib),
		cmocka_unit_test(node_binary),
		cmocka_unit_test(inlined_wrapper_is_probed),
		cmocka_unit_test(calling_wrappers_are_left_out),
		cmocka_unit_test(endbr_is_skipped),
		cmocka_unit_test(aliases_are_one_point),
		cmocka_unit_test(foreign_jni_code_is_told),
		cmocka_unit_test(known_gaps_are_told),
		cmocka_unit_test(no_elf_files),
		cmocka_unit_test(damaged_files),
		cmocka_unit_test(code_of_other_machines),
		cmocka_unit_test(many_copies_are_bounded),
	};

	return cmocka_run_group_tests_name("probe_points", tests, make_dir, remove_dir);
}
