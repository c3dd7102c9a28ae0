/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The capture file. A small one is written, and then harmed: cut at every length, every bit flipped.
 * What can still be read must be a beginning of what was written, and the reader must say that it is
 * only that; under AddressSanitizer any read outside the file's bytes ends the test.
 */
#include "user/wire/capture.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/unit/records.h"
#include "user/base/cleanup.h"
#include "user/wire/capture_format.h"

static const struct capture_facts facts = {
	.started = 1700000000123456789,
	.boot_time = 1600000000000000001,
	.started_ns = 42,
	.flags = CAPTURE_KEEP_EXITED,
	.question = 1,
	.command = "record",
	.host = "example",
};

struct scene {
	char folder[32], path[64], other[64];
	uint8_t *bytes;
	size_t n;
};

static int set_up(void **state)
{
	struct scene *scene = calloc(1, sizeof(*scene));

	strcpy(scene->folder, "/tmp/test_capture.XXXXXX");
	assert_non_null(mkdtemp(scene->folder));
	snprintf(scene->path, sizeof(scene->path), "%s/a", scene->folder);
	snprintf(scene->other, sizeof(scene->other), "%s/b", scene->folder);
	*state = scene;
	return 0;
}

static int tear_down(void **state)
{
	struct scene *scene = *state;

	unlink(scene->path);
	unlink(scene->other);
	rmdir(scene->folder);
	free(scene->bytes);
	free(scene);
	return 0;
}

static void load(struct scene *scene)
{
	cleanup_file FILE *file = fopen(scene->path, "re");

	assert_non_null(file);
	free(scene->bytes);
	scene->bytes = malloc(1 << 20);
	scene->n = fread(scene->bytes, 1, 1 << 20, file);
	scene->bytes = realloc(scene->bytes, scene->n);
}

/* Record i of all there are but the large one, time as given. */
static void make(union record *r, size_t i, uint64_t time)
{
	size_t kind = i % N_RECORD_TYPES;

	make_good(r, record_types[kind].type == EV_MISS ? 0 : kind);
	r->h.time_ns = time;
}

/* `n` records in frames of `per_frame`. */
static void write_capture(const char *path, size_t n, size_t per_frame)
{
	struct capture_writer *writer;
	static union record r;

	assert_int_equal(capture_writer__new(&writer, path, &facts), 0);
	for (size_t i = 0; i < n; i++) {
		make(&r, i, i);
		assert_int_equal(capture_writer__add(writer, &r.h), 0);
		if ((i + 1) % per_frame == 0)
			assert_int_equal(capture_writer__flush(writer), 0);
	}
	assert_int_equal(capture_writer__n_records(writer), n);
	assert_int_equal(capture_writer__end(writer), 0);
	capture_writer__free(writer);
}

struct reading {
	int r;			/* what ended it */
	size_t n;		/* records handed out */
	const char *why;
	uint64_t offset;
};

/* Reads from memory; every record must be the one that was written in its place. */
static struct reading read_bytes(const uint8_t *bytes, size_t n)
{
	struct capture_reader *reader;
	struct reading reading = {};
	const struct ev_header *h;
	static union record r;
	/* fmemopen() refuses a size of 0. */
	cleanup_file FILE *file = n ? fmemopen((void *)bytes, n, "r") : fopen("/dev/null", "r");

	assert_non_null(file);
	reading.r = capture_reader__new(&reader, file);
	while (!reading.r && (reading.r = capture_reader__next(reader, &h)) == 1) {
		make(&r, reading.n, reading.n);
		assert_int_equal(h->size, r.h.size);
		assert_memory_equal(h, &r, h->size);
		reading.n++;
		reading.r = 0;
	}
	if (reading.r) {
		assert_int_equal(reading.r, -EBADMSG);
		/* It does not recover by being asked again. */
		assert_int_equal(capture_reader__next(reader, &h), -EBADMSG);
	}
	reading.why = capture_reader__why(reader);
	reading.offset = capture_reader__offset(reader);
	capture_reader__free(reader);
	return reading;
}

static void test_round_trip(void **state)
{
	struct scene *scene = *state;
	struct capture_reader *reader;
	struct reading reading;
	FILE *file;

	write_capture(scene->path, 100, 30);
	load(scene);
	reading = read_bytes(scene->bytes, scene->n);
	assert_int_equal(reading.r, 0);
	assert_int_equal(reading.n, 100);
	file = fopen(scene->path, "re");
	assert_int_equal(capture_reader__new(&reader, file), 0);
	assert_memory_equal(capture_reader__facts(reader), &facts, sizeof(facts));
	capture_reader__free(reader);
	fclose(file);
}

/* More than a block: frames are made without being asked for. */
static void test_many(void **state)
{
	struct scene *scene = *state;

	write_capture(scene->path, 20000, 1000000);
	load(scene);
	assert_int_equal(read_bytes(scene->bytes, scene->n).n, 20000);
	assert_int_equal(read_bytes(scene->bytes, scene->n).r, 0);
}

static void test_no_records(void **state)
{
	struct scene *scene = *state;

	write_capture(scene->path, 0, 1);
	load(scene);
	assert_int_equal(scene->n, sizeof(struct capture_header) + sizeof(struct capture_frame));
	assert_int_equal(read_bytes(scene->bytes, scene->n).r, 0);
}

static void test_cut_anywhere(void **state)
{
	struct scene *scene = *state;
	size_t n, whole = 0;

	write_capture(scene->path, 60, 20);
	load(scene);
	for (n = 0; n < scene->n; n++) {
		uint8_t *copy = malloc(n ? n : 1);
		struct reading reading;

		memcpy(copy, scene->bytes, n);
		reading = read_bytes(copy, n);
		assert_int_equal(reading.r, -EBADMSG);
		assert_true(reading.n % 20 == 0 && reading.n >= whole);	/* never fewer for more */
		assert_true(reading.offset <= n);
		assert_non_null(reading.why);
		whole = reading.n;
		free(copy);
	}
	assert_int_equal(whole, 60);	/* all but the end mark */
}

static void test_any_bit(void **state)
{
	struct scene *scene = *state;
	size_t bit;

	write_capture(scene->path, 60, 20);
	load(scene);
	for (bit = 0; bit < 8 * scene->n; bit++) {
		struct reading reading;

		scene->bytes[bit / 8] ^= 1 << bit % 8;
		reading = read_bytes(scene->bytes, scene->n);
		assert_int_equal(reading.r, -EBADMSG);
		assert_int_equal(reading.n % 20, 0);
		assert_true(reading.offset <= bit / 8);	/* told where its frame begins */
		scene->bytes[bit / 8] ^= 1 << bit % 8;
	}
	assert_int_equal(read_bytes(scene->bytes, scene->n).r, 0);
}

static void expect_why(struct scene *scene, const char *why, uint64_t offset)
{
	struct reading reading = read_bytes(scene->bytes, scene->n);

	assert_int_equal(reading.r, -EBADMSG);
	assert_string_equal(reading.why, why);
	assert_int_equal(reading.offset, offset);
}

/* Harm that is made with the checksum right: by an enemy, or another version. */
static void test_header(void **state)
{
	struct scene *scene = *state;
	struct capture_header *header;

	write_capture(scene->path, 1, 1);
	load(scene);
	header = (struct capture_header *)scene->bytes;
	header->version++;
	expect_why(scene, "it is of another version of the format than this program reads", 0);
	header->version--;
	header->byte_order = __builtin_bswap32(header->byte_order);
	expect_why(scene, "it was recorded on a machine of the other byte order", 0);
	header->byte_order = CAPTURE_BYTE_ORDER;
	header->facts.question = 2;
	header->crc = capture_header__crc(header);
	expect_why(scene, "it asks an unknown question", 0);
	header->facts.question = 0;
	memset(header->facts.host, 'x', sizeof(header->facts.host));
	header->crc = capture_header__crc(header);
	expect_why(scene, "its header has a text without an end", 0);
	header->magic[0] = 'U';
	expect_why(scene, "it is not a capture of unfreed", 0);
}

static void reseal(struct capture_frame *frame)
{
	frame->crc = capture_frame__crc(frame, frame + 1);
}

static void test_frames(void **state)
{
	const uint64_t at = sizeof(struct capture_header);
	struct scene *scene = *state;
	struct capture_frame *frame, good;

	write_capture(scene->path, 20, 20);
	load(scene);
	frame = (struct capture_frame *)(scene->bytes + at);
	good = *frame;
	frame->n_records++;
	reseal(frame);
	expect_why(scene, "the frame has another number of records", at);
	*frame = good;
	frame->raw_sz -= 8;
	reseal(frame);
	expect_why(scene, "the frame cannot be unpacked", at);
	*frame = good;
	frame->raw_sz += 8;
	reseal(frame);
	expect_why(scene, "the frame cannot be unpacked", at);
	frame->raw_sz = CAPTURE_MAX_RAW_SZ + 1;
	expect_why(scene, "the frame's size is out of bounds", at);
	*frame = good;
	frame->packed_sz = UINT32_MAX;
	expect_why(scene, "the frame's size is out of bounds", at);
	*frame = good;
	frame->n_records = 0;
	expect_why(scene, "the frame's number of records is out of bounds", at);
	*frame = good;
	frame->flags = 1 << 7;
	expect_why(scene, "the frame has unknown flags", at);
	frame->flags = CAPTURE_FRAME_END;
	expect_why(scene, "the end mark is not empty", at);
}

static void test_behind_the_end(void **state)
{
	struct scene *scene = *state;
	size_t n;

	write_capture(scene->path, 20, 20);
	load(scene);
	n = scene->n;
	scene->bytes = realloc(scene->bytes, n + 1);
	scene->bytes[scene->n++] = 0;
	expect_why(scene, "something follows its end mark", n);
}

/* What was read before a full disk stays; the writer says so, again and again. */
static void test_full_disk(void **state)
{
	struct capture_writer *writer;
	union record r;

	assert_int_equal(capture_writer__new(&writer, "/dev/full", &facts), -ENOSPC);
	assert_int_equal(capture_writer__new(&writer, "/dev/null", &facts), 0);
	make(&r, 0, 0);
	assert_int_equal(capture_writer__add(writer, &r.h), 0);
	assert_int_equal(capture_writer__end(writer), 0);	/* a device has no disk beneath */
	capture_writer__free(writer);
	assert_int_equal(capture_writer__new(&writer, "/nowhere/at/all", &facts), -ENOENT);
}

/* The disk is full in the middle of a frame, at byte `limit`: whole frames stay, the torn one goes. */
static void fill_disk(struct scene *scene, size_t limit)
{
	struct rlimit old, now;
	struct capture_writer *writer;
	struct reading reading;
	union record r;
	size_t i = 0;
	int error = 0;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	now = (struct rlimit){ .rlim_cur = limit, .rlim_max = old.rlim_max };
	assert_int_equal(capture_writer__new(&writer, scene->path, &facts), 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &now), 0);
	for (; !error && i < 1000; i++) {
		make(&r, i, i);
		error = capture_writer__add(writer, &r.h);
		if (!error)
			error = capture_writer__flush(writer);
	}
	assert_int_equal(error, -EFBIG);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(capture_writer__add(writer, &r.h), -EFBIG);	/* for good */
	assert_int_equal(capture_writer__end(writer), -EFBIG);
	capture_writer__free(writer);
	load(scene);
	assert_true(scene->n <= limit);
	reading = read_bytes(scene->bytes, scene->n);
	assert_int_equal(reading.r, -EBADMSG);
	assert_string_equal(reading.why, "it ends without an end mark: the recording was cut short");
	assert_int_equal(reading.n, i - 1);
}

static void test_full_disk_in_a_frame(void **state)
{
	struct scene *scene = *state;
	void (*old)(int) = signal(SIGXFSZ, SIG_IGN);

	for (size_t limit = sizeof(struct capture_header); limit < 2000; limit += 13)
		fill_disk(scene, limit);
	signal(SIGXFSZ, old);
}

/* Two generations: the second one's snapshot is left out. */
static void test_join(void **state)
{
	struct scene *scene = *state;
	struct capture_writer *writer;
	union record r;
	size_t i;

	assert_int_equal(capture_writer__new(&writer, scene->path, &facts), 0);
	for (i = 0; i < 30; i++) {
		make(&r, i, i);
		assert_int_equal(capture_writer__add(writer, &r.h), 0);
	}
	assert_int_equal(capture_writer__flush(writer), 0);
	capture_writer__free(writer);	/* without its end mark */
	assert_int_equal(capture_writer__new(&writer, scene->other, &facts), 0);
	assert_int_equal(capture_writer__set_snapshot(writer, true), 0);
	make(&r, 7, 7777);
	assert_int_equal(capture_writer__add(writer, &r.h), 0);
	assert_int_equal(capture_writer__set_snapshot(writer, false), 0);
	for (i = 30; i < 50; i++) {
		make(&r, i, i);
		assert_int_equal(capture_writer__add(writer, &r.h), 0);
	}
	assert_int_equal(capture_writer__end(writer), 0);
	capture_writer__free(writer);
	assert_int_equal(capture_join(scene->path, scene->other), 0);
	load(scene);
	assert_int_equal(read_bytes(scene->bytes, scene->n).r, 0);
	assert_int_equal(read_bytes(scene->bytes, scene->n).n, 50);
}

/* A second half that is torn is not taken: the first stays as it was. */
static void test_join_of_torn(void **state)
{
	struct scene *scene = *state;
	size_t n;

	write_capture(scene->path, 20, 20);
	write_capture(scene->other, 20, 20);
	load(scene);
	n = scene->n;
	assert_int_equal(truncate(scene->other, (off_t)(n - sizeof(struct capture_frame) - 1)), 0);
	assert_int_equal(capture_join(scene->path, scene->other), -EBADMSG);
	load(scene);
	assert_int_equal(scene->n, n);
	assert_int_equal(capture_join(scene->path, "/nowhere"), -ENOENT);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(test_round_trip), T(test_many), T(test_no_records), T(test_cut_anywhere),
		T(test_any_bit), T(test_header), T(test_frames), T(test_behind_the_end),
		T(test_full_disk), T(test_full_disk_in_a_frame), T(test_join), T(test_join_of_torn),
	};

	return cmocka_run_group_tests_name("capture", tests, NULL, NULL);
}
