/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Names and lines of a stripped library from what was split off it: by debuglink, with build-id and
 * with checksum alone, by build-id in /usr/lib/debug (a real one, if the machine has any), from
 * .gnu_debugdata, and from a debuginfod server, which here is a folder. Skipped without a compiler
 * and binutils.
 */
#include "tests/unit/symbol_files.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "user/base/loop.h"

/* Resolves `hidden`, which only .symtab has, in `stripped` at the place that lib.so has it. */
static void check_hidden_in(const struct folder *folder, const char *stripped, const char *root,
			    bool has_name, bool has_line)
{
	struct symbol_query query = { .dev = 1, .ino = 1 };
	cleanup_fd int whole = open_in(folder, "lib.so");
	struct symbolizer *s;
	struct elf_symbol found;
	struct symbol symbol;
	char path[160];
	int r;

	assert_int_equal(find_symbol(whole, "hidden", &found), 1);
	query.offset = found.file_offset + 1;
	snprintf(path, sizeof(path), "%s/%s", folder->path, stripped);
	assert_int_equal(symbolizer__new(&s, &(struct symbolizer_opts){ .waits = true }), 0);
	assert_int_equal(symbolizer__add(s, 1, 1, open_in(folder, stripped), root ? "/lib/a.so" : path), 0);
	if (root) {
		cleanup_fd int root_fd = open_in(folder, root);

		assert_int_equal(symbolizer__add_root(s, 1, 1, root_fd), 0);
		assert_true(run(folder, "mv %s away", root));
	}
	r = symbolizer__resolve(s, &query, &symbol);
	symbolizer__free(s);
	assert_int_equal(r, has_name || has_line ? 0 : 1);
	assert_int_equal(!!symbol.function, has_name);
	if (has_name)
		assert_string_equal(symbol.function, "hidden");
	assert_int_equal(!!symbol.file, has_line);
	if (has_line) {
		assert_non_null(strstr(symbol.file, "lib.c"));
		assert_int_equal(symbol.line, 3);
	}
	symbol__fini(&symbol);
}

static void check_hidden(const struct folder *folder, const char *stripped, bool has_name,
			 bool has_line)
{
	check_hidden_in(folder, stripped, NULL, has_name, has_line);
}

/* Of a container: by build-id and by link below its own root, which is gone when names are asked for;
 * links of its own do not lead out of it. */
static void test_other_root(void **state)
{
	const struct folder *folder = *state;
	cleanup_fd int fd = open_in(folder, "lib.so");
	char by_id[128] = "/usr/lib/debug/.build-id/";
	uint8_t id[20];
	size_t n = strlen(by_id);

	assert_int_equal(elf_build_id(fd, id), 20);
	for (size_t i = 0; i < 20; i++)
		n += snprintf(by_id + n, sizeof(by_id) - n, i ? "%02x" : "%02x/", id[i]);
	assert_true(run(folder, "objcopy --only-keep-debug lib.so c.debug && strip -o c.so lib.so && "
				"objcopy --add-gnu-debuglink=c.debug c.so && "
				"mkdir -p root/$(dirname %s) && cp c.debug root/%s.debug", by_id, by_id));
	check_hidden_in(folder, "c.so", "root", true, true);
	assert_true(run(folder, "rm -r away && mkdir -p root/lib/.debug && cp c.debug root/lib/.debug/"));
	check_hidden_in(folder, "c.so", "root", true, true);
	assert_true(run(folder, "rm -r away && mkdir -p root/lib && ln -s %s/c.debug root/lib/",
			folder->path));
	check_hidden_in(folder, "c.so", "root", false, false);
	assert_true(run(folder, "rm -r away c.debug"));
}

static void test_debuglink(void **state)
{
	const struct folder *folder = *state;

	assert_true(run(folder, "objcopy --only-keep-debug lib.so lib.debug && "
				"strip -o split.so lib.so && "
				"objcopy --add-gnu-debuglink=lib.debug split.so"));
	check_hidden(folder, "split.so", true, true);
	assert_true(run(folder, "mkdir -p .debug && mv lib.debug .debug/"));
	check_hidden(folder, "split.so", true, true);

	/* Another build under that name, and no ELF at all. */
	assert_true(run(folder, "cc -O2 -g -fPIC -shared -Wl,--build-id=sha1 -o other.so lib.c && "
				"objcopy --only-keep-debug other.so .debug/lib.debug"));
	check_hidden(folder, "split.so", false, false);
	assert_true(run(folder, "echo no ELF >.debug/lib.debug"));
	check_hidden(folder, "split.so", false, false);
	assert_true(run(folder, "rm .debug/lib.debug && mkfifo .debug/lib.debug"));
	check_hidden(folder, "split.so", false, false);	/* must not wait for a writer */
	assert_true(run(folder, "rm .debug/lib.debug && ln -s /dev/zero .debug/lib.debug"));
	check_hidden(folder, "split.so", false, false);
	assert_true(run(folder, "rm -r .debug"));
	check_hidden(folder, "split.so", false, false);
}

static void test_checksum(void **state)
{
	const struct folder *folder = *state;

	assert_true(run(folder, "objcopy --remove-section .note.gnu.build-id lib.so noid.so && "
				"objcopy --only-keep-debug noid.so noid.debug && strip noid.so && "
				"objcopy --add-gnu-debuglink=noid.debug noid.so"));
	check_hidden(folder, "noid.so", true, true);
	assert_true(run(folder, "printf x >>noid.debug"));
	check_hidden(folder, "noid.so", false, false);
	assert_true(run(folder, "rm noid.debug"));
}

/* Names from its own .symtab, lines from the debug file. */
static void test_lines_only(void **state)
{
	const struct folder *folder = *state;

	assert_true(run(folder, "objcopy --only-keep-debug lib.so lo.debug && cp lib.so lo.so && "
				"strip -g lo.so && objcopy --add-gnu-debuglink=lo.debug lo.so"));
	check_hidden(folder, "lo.so", true, true);
	assert_true(run(folder, "rm lo.debug"));
	check_hidden(folder, "lo.so", true, false);
}

static void test_compressed_dwarf(void **state)
{
	const struct folder *folder = *state;

	assert_true(run(folder, "objcopy --compress-debug-sections=zlib lib.so packed.so"));
	check_hidden(folder, "packed.so", true, true);
}

/* No .debug_aranges, as clang makes it. */
static void test_no_aranges(void **state)
{
	const struct folder *folder = *state;

	assert_true(run(folder, "objcopy --remove-section .debug_aranges lib.so bare.so"));
	check_hidden(folder, "bare.so", true, true);
}

static void test_debugdata(void **state)
{
	const struct folder *folder = *state;

	if (!run(folder, "command -v xz"))
		skip();
	assert_true(run(folder, "objcopy -S --keep-symbol=hidden lib.so mini && xz -k mini && "
				"cp lib.so mini.so && strip mini.so && "
				"objcopy --add-section .gnu_debugdata=mini.xz mini.so"));
	check_hidden(folder, "mini.so", true, false);
	/* Cut short, other bytes, and more than we unpack. */
	assert_true(run(folder, "head -c 200 mini.xz >cut.xz && strip -o cut.so lib.so && "
				"objcopy --add-section .gnu_debugdata=cut.xz cut.so"));
	check_hidden(folder, "cut.so", false, false);
	assert_true(run(folder, "cp lib.so nox.so && strip nox.so && "
				"objcopy --add-section .gnu_debugdata=lib.c nox.so"));
	check_hidden(folder, "nox.so", false, false);
	assert_true(run(folder, "head -c 200M /dev/zero | xz -1 >bomb.xz && "
				"strip -o bomb.so lib.so && "
				"objcopy --add-section .gnu_debugdata=bomb.xz bomb.so"));
	check_hidden(folder, "bomb.so", false, false);
}

/* libc's debug file, where the package is installed. */
static void test_build_id_folder(void **state)
{
	struct place place = place_of((void *)l64a);
	struct symbol_query query = {
		.dev = place.dev, .ino = place.ino, .path = place.path, .offset = place.offset
	};
	cleanup_fd int fd = open(place.path, O_RDONLY | O_CLOEXEC);
	struct symbolizer *s;
	struct symbol symbol;
	char path[128];
	uint8_t id[20];
	size_t n;

	n = elf_build_id(fd, id);
	assert_int_equal(n, 20);
	n = snprintf(path, sizeof(path), "/usr/lib/debug/.build-id/%02x/", id[0]);
	for (size_t i = 1; i < 20; i++)
		n += snprintf(path + n, sizeof(path) - n, "%02x", id[i]);
	snprintf(path + n, sizeof(path) - n, ".debug");
	if (access(path, R_OK))
		skip();
	assert_int_equal(symbolizer__new(&s, &(struct symbolizer_opts){0}), 0);
	assert_int_equal(symbolizer__resolve(s, &query, &symbol), 0);
	assert_string_equal(symbol.function, "l64a");
	assert_non_null(symbol.file);
	assert_non_null(strstr(symbol.file, "l64a.c"));
	assert_true(symbol.line > 0);
	symbol__fini(&symbol);
	symbolizer__free(s);
}

static void test_debuginfod(void **state)
{
	const struct folder *folder = *state;
	void *client = dlopen("libdebuginfod.so.1", RTLD_LAZY);
	cleanup_fd int fd = open_in(folder, "lib.so");
	char id_text[41], url[128];
	uint8_t id[20];

	if (!client)
		skip();
	dlclose(client);
	assert_int_equal(elf_build_id(fd, id), 20);
	for (size_t i = 0; i < 20; i++)
		snprintf(id_text + 2 * i, 3, "%02x", id[i]);
	assert_true(run(folder, "mkdir -p srv/buildid/%s && objcopy --only-keep-debug lib.so "
				"srv/buildid/%s/debuginfo && strip -o remote.so lib.so",
			id_text, id_text));
	snprintf(url, sizeof(url), "%s/cache", folder->path);
	setenv("DEBUGINFOD_CACHE_PATH", url, 1);
	check_hidden(folder, "remote.so", false, false);	/* nobody is asked unless told to */
	snprintf(url, sizeof(url), "file://%s/srv/", folder->path);
	setenv("DEBUGINFOD_URLS", url, 1);
	check_hidden(folder, "remote.so", true, true);
	unsetenv("DEBUGINFOD_URLS");
}

/* Answers one request after a second; in a process of its own. */
static pid_t serve_slowly(int listen_fd, const struct folder *folder, const char *name)
{
	cleanup_free char *body = malloc(1 << 20);
	char request[4096], head[128];
	pid_t pid = fork();
	ssize_t n;
	int fd;

	if (pid)
		return pid;
	alarm(30);
	n = read(open_in(folder, name), body, 1 << 20);
	fd = accept(listen_fd, NULL, NULL);
	if (n <= 0 || fd < 0 || read(fd, request, sizeof(request)) <= 0)
		_exit(1);
	usleep(1000000);
	snprintf(head, sizeof(head), "HTTP/1.0 200 OK\r\nContent-Length: %zd\r\n\r\n", n);
	if (write(fd, head, strlen(head)) < 0 || write(fd, body, (size_t)n) != n)
		_exit(1);
	_exit(0);
}

/* Who does not wait has the names with a later question, and is not held meanwhile. */
static void test_slow_server(void **state)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct symbol_query query = { .dev = 1, .ino = 1 };
	const struct folder *folder = *state;
	socklen_t addr_sz = sizeof(addr);
	cleanup_fd int listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cleanup_fd int whole = open_in(folder, "lib.so");
	uint64_t asked_ns, longest_ns = 0;
	struct symbolizer *s;
	struct elf_symbol found;
	struct symbol symbol;
	char text[128];
	int r = 1, n = 0;
	pid_t pid;

	if (!dlopen("libdebuginfod.so.1", RTLD_LAZY))
		skip();
	assert_true(run(folder, "objcopy --only-keep-debug lib.so slow.debug && strip -o slow.so lib.so"));
	assert_int_equal(bind(listen_fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(listen_fd, 8), 0);
	assert_int_equal(getsockname(listen_fd, (struct sockaddr *)&addr, &addr_sz), 0);
	snprintf(text, sizeof(text), "http://127.0.0.1:%u/", ntohs(addr.sin_port));
	setenv("DEBUGINFOD_URLS", text, 1);
	snprintf(text, sizeof(text), "%s/slow-cache", folder->path);
	setenv("DEBUGINFOD_CACHE_PATH", text, 1);
	pid = serve_slowly(listen_fd, folder, "slow.debug");
	assert_int_equal(find_symbol(whole, "hidden", &found), 1);
	query.offset = found.file_offset + 1;
	assert_int_equal(symbolizer__new(&s, &(struct symbolizer_opts){ 0 }), 0);
	assert_int_equal(symbolizer__add(s, 1, 1, open_in(folder, "slow.so"), NULL), 0);
	for (; r == 1 && n < 100; n++) {
		asked_ns = clock_monotonic_ns();
		r = symbolizer__resolve(s, &query, &symbol);
		if (clock_monotonic_ns() - asked_ns > longest_ns)
			longest_ns = clock_monotonic_ns() - asked_ns;
		usleep(50000);
	}
	print_message("known at question %d; the longest took %.0f ms\n", n, (double)longest_ns / 1e6);
	assert_int_equal(r, 0);
	assert_true(n > 2 && longest_ns < 800000000);
	assert_string_equal(symbol.function, "hidden");
	assert_int_equal(symbol.line, 3);
	symbol__fini(&symbol);
	symbolizer__free(s);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	unsetenv("DEBUGINFOD_URLS");
}

static int set_up(void **state)
{
	unsetenv("DEBUGINFOD_URLS");
	library_set_up(state);
	if (!run(*state, "command -v objcopy && command -v strip")) {
		library_tear_down(state);
		exit(EXIT_SKIPPED);
	}
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_debuglink),	 cmocka_unit_test(test_checksum),
		cmocka_unit_test(test_lines_only),	 cmocka_unit_test(test_compressed_dwarf),
		cmocka_unit_test(test_no_aranges),	 cmocka_unit_test(test_debugdata),
		cmocka_unit_test(test_build_id_folder),	 cmocka_unit_test(test_debuginfod),
		cmocka_unit_test(test_other_root),	 cmocka_unit_test(test_slow_server),
	};

	return cmocka_run_group_tests(tests, set_up, library_tear_down);
}
