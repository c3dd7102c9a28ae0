/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * debuginfod servers that hold us: one that takes a connection and says nothing, one that nobody
 * listens for, and a symbolizer that does not wait. Skipped without elfutils' client.
 */
#include "tests/unit/symbol_files.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "user/base/loop.h"
#include "user/symbol/debug_servers.h"

/* A port of the loopback device; *fd listens there, and never accepts. */
static void use_silent_server(int *fd)
{
	struct sockaddr_in addr = { .sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t addr_sz = sizeof(addr);
	char url[64];

	*fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(*fd >= 0);
	assert_int_equal(bind(*fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(*fd, 8), 0);
	assert_int_equal(getsockname(*fd, (struct sockaddr *)&addr, &addr_sz), 0);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/", ntohs(addr.sin_port));
	setenv("DEBUGINFOD_URLS", url, 1);
}

/* Each test asks for another file: the client remembers what was not to be had. */
static double ask(struct debug_servers *servers, uint8_t which, int expected)
{
	const uint8_t id[20] = { which, 2, 3, 4, 5, 6, 7, 8, 9, 10 };
	uint64_t began_ns = clock_monotonic_ns();
	int fd = -1;

	assert_int_equal(debug_servers__find(servers, id, sizeof(id), &fd), expected);
	return (double)(clock_monotonic_ns() - began_ns) / 1e9;
}

static void test_unset(void **state)
{
	struct debug_servers *servers;

	unsetenv("DEBUGINFOD_URLS");
	assert_int_equal(debug_servers__new(&servers, true, NULL), 0);
	assert_true(ask(servers, 1, 1) < 0.05);
	setenv("DEBUGINFOD_URLS", "", 1);
	assert_true(ask(servers, 1, 1) < 0.05);
	debug_servers__free(servers);
}

static void test_silence(void **state)
{
	struct debug_servers *servers;
	double seconds;
	int fd;

	use_silent_server(&fd);
	assert_int_equal(debug_servers__new(&servers, true, NULL), 0);
	seconds = ask(servers, 2, 1);
	print_message("a silent server: %.1f s\n", seconds);
	assert_true(seconds >= 4 && seconds < 8);
	/* From then on nobody is asked. */
	assert_true(ask(servers, 2, 1) < 0.05);
	debug_servers__free(servers);
	close(fd);
}

static void test_nobody(void **state)
{
	struct debug_servers *servers;
	int fd;

	use_silent_server(&fd);
	close(fd);
	assert_int_equal(debug_servers__new(&servers, true, NULL), 0);
	assert_true(ask(servers, 3, 1) < 3);
	debug_servers__free(servers);
}

static void test_not_waiting(void **state)
{
	struct debug_servers *servers;
	uint64_t began_ns;
	int fd;

	use_silent_server(&fd);
	assert_int_equal(debug_servers__new(&servers, false, NULL), 0);
	assert_true(ask(servers, 4, 2) < 1);
	assert_false(debug_servers__are_ready(servers));
	assert_true(ask(servers, 4, 2) < 0.05);
	/* Nothing of it is left, and nothing is waited for. */
	began_ns = clock_monotonic_ns();
	debug_servers__free(servers);
	assert_true(clock_monotonic_ns() - began_ns < 1000000000);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	close(fd);
}

static int set_up(void **state)
{
	static struct folder folder;
	char path[128];

	if (!dlopen("libdebuginfod.so.1", RTLD_LAZY))
		exit(EXIT_SKIPPED);
	folder__init(&folder);
	snprintf(path, sizeof(path), "%s/cache", folder.path);
	setenv("DEBUGINFOD_CACHE_PATH", path, 1);
	*state = &folder;
	return 0;
}

static int tear_down(void **state)
{
	folder__fini(*state);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unset),
		cmocka_unit_test(test_silence),
		cmocka_unit_test(test_nobody),
		cmocka_unit_test(test_not_waiting),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
