/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Log lines into a memory stream, and the progress line on a pseudo-terminal.
 */
#include "user/base/log.h"

#include <errno.h>
#include <pty.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>
#include <cmocka.h>

#include "user/base/cleanup.h"

struct fixture {
	char *text;
	size_t n;
	FILE *stream;
	struct log *log;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->stream = open_memstream(&f->text, &f->n);
	assert_non_null(f->stream);
	assert_int_equal(log__new(&f->log, f->stream, LOG_LEVEL_INFO), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	f->log = log__free(f->log);
	fclose(f->stream);
	free(f->text);
	free(f);
	return 0;
}

static void levels_and_prefixes(void **state)
{
	struct fixture *f = *state;

	log_error(f->log, "no %s", "luck");
	log_warning(f->log, "careful");
	log_info(f->log, "%d done", 3);
	log_debug(f->log, "never seen");
	assert_string_equal(f->text, "unfreed: error: no luck\n"
				     "unfreed: warning: careful\n"
				     "unfreed: 3 done\n");
}

static void hostile_names_stay_on_their_line(void **state)
{
	struct fixture *f = *state;

	log_warning(f->log, "process \"%s\"", "x\nunfreed: error: forged\033[2J");
	assert_string_equal(
		f->text,
		"unfreed: warning: process \"x\\x0aunfreed: error: forged\\x1b[2J\"\n");
}

static void repeats_are_counted(void **state)
{
	struct fixture *f = *state;
	int i;

	for (i = 0; i < 1235; i++)
		log_warning(f->log, "ring full");
	assert_string_equal(f->text, "unfreed: warning: ring full\n");
	log_info(f->log, "next");
	log_info(f->log, "next");
	f->log = log__free(f->log);
	assert_string_equal(f->text, "unfreed: warning: ring full\n"
				     "unfreed: the line above came 1,234 more times\n"
				     "unfreed: next\n"
				     "unfreed: the line above came 1 more time\n");
}

static void a_second_later_it_is_news_again(void **state)
{
	struct fixture *f = *state;

	log_info(f->log, "tick");
	log_info(f->log, "tick");
	usleep(1010000);
	log_info(f->log, "tick");
	assert_string_equal(f->text, "unfreed: tick\n"
				     "unfreed: the line above came 1 more time\n"
				     "unfreed: tick\n");
}

static void null_log_swallows(void **state)
{
	log_error(NULL, "%s", "x");
	log_debug(NULL, "x");
	log__set_progress(NULL, "x");
	assert_null(log__free(NULL));
}

static void errno_survives(void **state)
{
	struct fixture *f = *state;

	errno = ENOTTY;
	log_error(f->log, "x");
	assert_int_equal(errno, ENOTTY);
}

static void no_progress_without_a_terminal(void **state)
{
	struct fixture *f = *state;

	log__set_progress(f->log, "half way");
	log_info(f->log, "x");
	log__set_progress(f->log, NULL);
	assert_string_equal(f->text, "unfreed: x\n");
}

/* Everything the terminal got so far. */
static void read_all(int fd, char *buf, size_t buf_sz)
{
	ssize_t n = read(fd, buf, buf_sz - 1);

	buf[n > 0 ? n : 0] = '\0';
}

static void progress_stands_below_the_messages(void **state)
{
	struct winsize size = { .ws_row = 25, .ws_col = 10 };
	cleanup_fd int master = -1;
	struct termios raw;
	int slave;
	FILE *stream;
	struct log *log;
	char out[256];

	memset(&raw, 0, sizeof(raw));
	if (openpty(&master, &slave, NULL, &raw, &size))
		skip();
	stream = fdopen(slave, "w");
	assert_non_null(stream);
	assert_int_equal(log__new(&log, stream, LOG_LEVEL_INFO), 0);

	log__set_progress(log, "half \033way, and more");
	read_all(master, out, sizeof(out));
	assert_string_equal(out, "\r\033[Khalf \\x1b");	/* escaped, cut to 9 columns */
	log_info(log, "x");
	read_all(master, out, sizeof(out));
	assert_string_equal(out, "\r\033[Kunfreed: x\nhalf \\x1b");
	log__set_progress(log, "\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc!");
	read_all(master, out, sizeof(out));
	assert_string_equal(out, "\r\033[K\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3"
				 "\xbc\xc3\xbc");
	log__set_progress(log, NULL);
	read_all(master, out, sizeof(out));
	assert_string_equal(out, "\r\033[K");
	log__free(log);
	fclose(stream);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(levels_and_prefixes, setup, teardown),
		cmocka_unit_test_setup_teardown(hostile_names_stay_on_their_line, setup, teardown),
		cmocka_unit_test_setup_teardown(repeats_are_counted, setup, teardown),
		cmocka_unit_test_setup_teardown(a_second_later_it_is_news_again, setup, teardown),
		cmocka_unit_test_setup_teardown(errno_survives, setup, teardown),
		cmocka_unit_test_setup_teardown(no_progress_without_a_terminal, setup, teardown),
		cmocka_unit_test(null_log_swallows),
		cmocka_unit_test(progress_stands_below_the_messages),
	};

	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
