/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The memory of earlier runs in its file: harmed in every byte, cut at every length, of another version,
 * no file at all, and its writer killed again and again.
 */
#include "user/memory_file.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

struct place {
	char folder[64], path[96], beside[96], log_path[96];
	struct log *log;
	FILE *log_stream;
};

static void place__init(struct place *place)
{
	strcpy(place->folder, "/tmp/unfreed-test-XXXXXX");
	assert_non_null(mkdtemp(place->folder));
	snprintf(place->path, sizeof(place->path), "%s/memory", place->folder);
	snprintf(place->beside, sizeof(place->beside), "%s/memory.new", place->folder);
	snprintf(place->log_path, sizeof(place->log_path), "%s/log", place->folder);
	place->log_stream = fopen(place->log_path, "w+");
	assert_non_null(place->log_stream);
	assert_int_equal(log__new(&place->log, place->log_stream, LOG_LEVEL_INFO), 0);
}

static void place__fini(struct place *place)
{
	log__free(place->log);
	fclose(place->log_stream);
	unlink(place->path);
	unlink(place->beside);
	unlink(place->log_path);
	assert_int_equal(rmdir(place->folder), 0);
}

/* Lines in the log since the last call. A log that lives on would only count what it repeats. */
static unsigned int lines(struct place *place)
{
	unsigned int n = 0;
	int c;

	log__free(place->log);
	assert_int_equal(log__new(&place->log, place->log_stream, LOG_LEVEL_INFO), 0);
	fflush(place->log_stream);
	rewind(place->log_stream);
	while ((c = fgetc(place->log_stream)) != EOF)
		n += c == '\n';
	rewind(place->log_stream);
	assert_int_equal(ftruncate(fileno(place->log_stream), 0), 0);
	return n;
}

static struct past *learnt(unsigned int n)
{
	struct past *past;

	assert_int_equal(past__new(&past), 0);
	for (unsigned int i = 1; i <= n; i++) {
		struct lesson lesson = { .release_age = i, .plateau = i * 1000ull };

		assert_int_equal(past__learn(past, i * 0x9e3779b97f4a7c15ull, 5, &lesson), 0);
	}
	return past;
}

/* What the file teaches: how many sites, and each of them right. */
static unsigned int loaded(struct place *place)
{
	struct past *past = NULL;
	unsigned int n;
	int r = memory_file__load(place->path, place->log, &past);

	assert_true(r == 0 || r == MEMORY_FILE_BAD);
	n = past__n(past);
	assert_true(r == 0 || n == 0);
	for (unsigned int i = 1; i <= n; i++) {
		struct lesson lesson = past__find(past, i * 0x9e3779b97f4a7c15ull, 5);

		assert_int_equal(lesson.release_age, i);
		assert_int_equal(lesson.plateau, i * 1000ull);
	}
	past__free(past);
	return n;
}

static void save(struct place *place, unsigned int n)
{
	struct past *past = learnt(n);

	assert_int_equal(memory_file__save(place->path, place->log, past), 0);
	past__free(past);
}

static size_t read_file(const char *path, uint8_t *bytes, size_t room)
{
	FILE *f = fopen(path, "r");
	size_t n;

	assert_non_null(f);
	n = fread(bytes, 1, room, f);
	fclose(f);
	return n;
}

static void write_file(const char *path, const uint8_t *bytes, size_t n)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, n, f), n);
	fclose(f);
}

static void test_there_and_back(void **state)
{
	struct place place;
	struct stat st;

	place__init(&place);
	assert_int_equal(loaded(&place), 0);
	assert_int_equal(lines(&place), 0);	/* no file is nothing to tell */
	save(&place, 100);
	assert_int_equal(loaded(&place), 100);
	assert_int_equal(stat(place.path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(access(place.beside, F_OK), -1);
	save(&place, PAST_MAX + 100);
	assert_int_equal(stat(place.path, &st), 0);
	assert_int_equal(st.st_size, PAST_MAX_SZ);
	save(&place, 3);
	assert_int_equal(loaded(&place), 3);
	assert_int_equal(lines(&place), 0);
	place__fini(&place);
}

/* Whatever byte is harmed: one line, nothing is believed, and the next writing heals it. */
static void test_damage(void **state)
{
	uint8_t good[PAST_HEADER_SZ + 20 * PAST_ENTRY_SZ + 8], bad[sizeof(good)];
	struct place place;
	size_t n;

	place__init(&place);
	save(&place, 20);
	n = read_file(place.path, good, sizeof(good));
	assert_int_equal(n, PAST_HEADER_SZ + 20 * PAST_ENTRY_SZ);
	for (size_t i = 0; i < n; i++) {
		for (unsigned int bit = 0; bit < 8; bit++) {
			memcpy(bad, good, n);
			bad[i] ^= 1u << bit;
			write_file(place.path, bad, n);
			assert_int_equal(loaded(&place), 0);
			assert_int_equal(lines(&place), 1);
		}
		write_file(place.path, good, i);	/* cut off */
		assert_int_equal(loaded(&place), 0);
		assert_int_equal(lines(&place), 1);
	}
	memcpy(bad, good, n);
	write_file(place.path, bad, n + 1);	/* longer than it says */
	assert_int_equal(loaded(&place), 0);
	assert_int_equal(lines(&place), 1);
	save(&place, 7);
	assert_int_equal(loaded(&place), 7);
	assert_int_equal(lines(&place), 0);
	place__fini(&place);
}

/* A link, a pipe, a folder, a file without end: none is read, none is written through. */
static void test_no_file(void **state)
{
	uint8_t bytes[8] = "victim\n";
	char victim[112];
	struct place place;
	struct past *past;
	struct stat st;

	place__init(&place);
	snprintf(victim, sizeof(victim), "%s.victim", place.path);
	write_file(victim, bytes, sizeof(bytes));
	assert_int_equal(symlink(victim, place.path), 0);
	assert_int_equal(symlink(victim, place.beside), 0);
	assert_int_equal(loaded(&place), 0);
	assert_int_equal(lines(&place), 1);
	save(&place, 2);
	assert_int_equal(lstat(place.path, &st), 0);
	assert_true(S_ISREG(st.st_mode));
	assert_int_equal(read_file(victim, bytes, sizeof(bytes)), 8);
	unlink(victim);

	unlink(place.path);
	assert_int_equal(mkfifo(place.path, 0600), 0);
	assert_int_equal(loaded(&place), 0);	/* and does not wait for a writer */
	assert_int_equal(lines(&place), 1);
	unlink(place.path);

	write_file(place.path, bytes, sizeof(bytes));
	assert_int_equal(truncate(place.path, PAST_MAX_SZ + 1), 0);
	assert_int_equal(loaded(&place), 0);
	assert_int_equal(lines(&place), 1);
	unlink(place.path);

	assert_int_equal(mkdir(place.path, 0700), 0);
	assert_int_equal(loaded(&place), 0);
	assert_int_equal(lines(&place), 1);
	past = learnt(2);
	assert_true(memory_file__save(place.path, place.log, past) < 0);
	past__free(past);
	assert_int_equal(lines(&place), 1);
	assert_int_equal(access(place.beside, F_OK), -1);
	assert_int_equal(rmdir(place.path), 0);
	place__fini(&place);
}

/* 5 or 5,000 sites, one after the other, until it is killed: what is there is always one of them. */
static void test_killed_while_writing(void **state)
{
	unsigned int before = 0, n, n_half_written = 0;
	struct place place;

	place__init(&place);
	save(&place, 5);
	for (unsigned int i = 0; i < 150; i++) {
		struct timespec wait = { .tv_nsec = 300000 + i * 67000 % 9000000 };
		pid_t pid = fork();
		int status;

		if (!pid) {
			for (;;) {
				save(&place, 5000);
				save(&place, 5);
			}
		}
		nanosleep(&wait, NULL);
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(WTERMSIG(status), SIGKILL);
		n = loaded(&place);
		assert_true(n == 5 || n == 5000);
		before += n == 5000;
		n_half_written += !access(place.beside, F_OK);
	}
	assert_int_equal(lines(&place), 0);
	/* It was killed in the middle, too, or this has shown nothing. */
	assert_true(n_half_written > 0);
	save(&place, 9);
	assert_int_equal(loaded(&place), 9);
	place__fini(&place);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_no_file),
		cmocka_unit_test(test_killed_while_writing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
