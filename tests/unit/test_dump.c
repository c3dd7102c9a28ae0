/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Records to text and back: every type, every field at its extremes, and text that is no record. */
#include "user/wire/dump.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/unit/records.h"
#include "user/base/cleanup.h"
#include "user/wire/dump_fields.h"
#include "user/wire/dump_read.h"

static union record record, parsed;

static char *line_of(const struct ev_header *h)
{
	struct text text;
	char *newline;

	text__init(&text);
	dump__add_record(&text, h);
	assert_int_equal(text__error(&text), 0);
	assert_true(text.n < DUMP_MAX_LINE);
	newline = strchr(text.s, '\n');
	assert_ptr_equal(newline, text.s + text.n - 1);
	*newline = '\0';
	return text__steal(&text);
}

/* Text of the record, record of the text, and text of that: two equal records, two equal texts. */
static void round_trip(const union record *r)
{
	cleanup_free char *line = line_of(&r->h), *again = NULL;
	const char *why = dump__parse_record(line, &parsed);

	if (why)
		fail_msg("%s: %s", line, why);
	assert_int_equal(parsed.h.size, r->h.size);
	assert_memory_equal(&parsed, r, r->h.size);
	again = line_of(&parsed.h);
	assert_string_equal(line, again);
}

static void test_every_type(void **state)
{
	for (size_t i = 0; i < N_RECORD_TYPES; i++) {
		make_good(&record, i);
		if (record.h.type == EV_MISS)
			memset(record.miss.stack, 0xa5, record.miss.stack_sz);
		round_trip(&record);
	}
}

static uint64_t next_random(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	return *s ^= *s << 17;
}

/* Fills every field that is a plain number, a list or an array with random bytes, some of them 0. */
static void fill(union record *r, uint64_t *seed)
{
	const struct line_shape *shape = line_shape_of(r->h.type);

	for (size_t i = 0; i < shape->n_fields; i++) {
		const struct field *f = &shape->fields[i];

		for (size_t at = 0; f->kind <= FIELD_HEX_LIST && f->kind != FIELD_WORD && at < f->size; at++)
			r->bytes[f->at + at] = next_random(seed) % 3 ? (uint8_t)next_random(seed) : 0;
		if (f->kind == FIELD_CHARS)	/* no zero but behind its end */
			for (size_t at = 0; at < (size_t)f->size - 1 && *seed % 40 > at; at++)
				r->bytes[f->at + at] = (uint8_t)(next_random(seed) | 1);
	}
}

static void test_random_fields(void **state)
{
	const struct ev_header *checked;
	uint64_t seed = 0x9E3779B97F4A7C15ull;
	size_t n_tried = 0;

	for (size_t round = 0; round < 200; round++)
		for (size_t i = 0; i < N_RECORD_TYPES; i++) {
			make_good(&record, i);
			if (record.h.type == EV_MISS)
				continue;
			fill(&record, &seed);
			if (record.h.type == EV_STACK)
				for (int f = 0; f < 3; f++) {
					record.stack.frames[f].pc = next_random(&seed);
					record.stack.frames[f].kind = next_random(&seed) % 3;
					record.stack.frames[f].extra[1] = next_random(&seed);
				}
			/* The gate wants some of them in bounds. */
			record.h.flags &= 0x7f;
			if (record.h.type == EV_UNDO)
				record.undo.undone = EV_SHMDT;
			if (record.h.type == EV_LOST)
				((struct ev_lost *)&record)->type = EV_BRK;
			if (record.h.type == EV_PAIR)
				record.pair.growth_percent %= 101;
			if (record.h.type == EV_FORK)
				record.fork.shares_vm &= 1;
			if (record.h.type == EV_REGION)
				record.region.flags &= 15;
			if (record.h.type == EV_LOST)
				record.bytes[32] = EV_MMAP, memset(&record.bytes[33], 0, 7);
			if (record.h.type == EV_GROUP)
				((struct ev_group *)&record)->kind &= 1;
			if (record.h.type == EV_NAME)
				record.name.innermost &= 1;
			if (ev_check(&record, sizeof(record), &checked, NULL))
				continue;
			round_trip(&record);
			n_tried++;
		}
	assert_true(n_tried > 200 * (N_RECORD_TYPES - 2));
}

static void test_hostile_text(void **state)
{
	char cmdline[256];

	for (int i = 0; i < 255; i++)
		cmdline[i] = (char)(i + 1);
	cmdline[255] = '\0';
	memset(&record, 0, sizeof(record));
	ev_write_process(&record, sizeof(record),
			 &(struct ev_process_text){ "\"\\\n", cmdline, "", "\x1b[31m" });
	round_trip(&record);
	/* A zero inside, which no writer of ours makes. */
	record.process.text[1] = '\0';
	round_trip(&record);
	/* As long as a record can be, each byte four characters. */
	memset(&record, 0, sizeof(record));
	{
		cleanup_free char *longest = malloc(EV_MAX_RECORD_SZ);

		memset(longest, 1, EV_MAX_RECORD_SZ - 1);
		longest[EV_MAX_RECORD_SZ - 1] = '\0';
		ev_write_note(&record, sizeof(record), longest);
	}
	round_trip(&record);
}

static void expect_text(const char *text)
{
	const char *why = dump__parse_record(text, &parsed);
	cleanup_free char *again = NULL;

	if (why)
		fail_msg("%s: %s", text, why);
	again = line_of(&parsed.h);
	assert_string_equal(text, again);
}

static void test_text(void **state)
{
	expect_text("tick");
	expect_text("tick time=18446744073709551615 tgid=4294967295");
	expect_text("mmap time=1 tgid=7 tid=7 stack=0x1 addr=0x7f0000000000 len=4096 prot=0x3");
	expect_text("undo time=1 tgid=7 tid=7 ret=-12 undone=2");
	expect_text("undo ret=-9223372036854775808 undone=8");
	expect_text("stack tgid=7 id=0x9 end=broken frames=0x1,0x2:1:0x3:0x4,0xffffffffffffffff");
	expect_text("memory tgid=7 rss_anon=5 left=-,0,7 limit=0,0,0,-");
	expect_text("process tgid=7 comm=\"a\\\"b\\\\c\\x0a\" runtime=\"\\xff\"");
	expect_text("name ino=5 offset=0x10 innermost=1 function=\"f\" file=\"f.c\" line=3");
	expect_text("file ino=5 build_id=00ff path=\"/lib\"");
	expect_text("method tgid=7 pc=0x1 extra=0x2 names=1:110:12:\"a.<init>\":\"A.java\",0:0:-1:\"\":\"\"");
	expect_text("loss count=0,0,0,1");
	expect_text("handle-close handle=0x5 comm=\"sixteen letters!\"");
}

static void test_bad_text(void **state)
{
	static const char *const bad[] = {
		"", " ", "tock", "tick ", "tick  time=1", "tick time", "tick time=", "tick time=x",
		"tick time=1x", "tick time=0x", "tick time=0xG", "tick time=-1", "tick =1",
		"tick time=18446744073709551616", "tick tgid=4294967296", "tick tgid=1 time=1",
		"tick time=1 time=1", "tick len=1", "mmap addr=0x1,0x2", "undo ret=--1 undone=2",
		"undo ret=9223372036854775808 undone=2", "undo ret=-9223372036854775809 undone=2",
		"undo", "stack id=0x1", "stack frames=", "stack frames=0x1,", "stack frames=0x1:1",
		"stack frames=0x1:1:0x1", "stack frames=0x1:9:0x0:0x0", "stack end=bad frames=0x1",
		"stack end=complet frames=0x1",
		"memory left=1,", "memory left=1,2,3,4,5,6", "memory left=--", "note text=",
		"note text=\"", "note text=\"a", "note text=\"\\", "note text=\"\\x", "note text=\"\\x1\"",
		"note text=\"\\n\"", "note text=\"a\"b", "pair name=\"01234567890123456789012345678901\"",
		"file build_id=0", "file build_id=0g", "file build_id=00112233445566778899aabbccddeeff0011223344",
		"method pc=0x1", "method names=1:2:3", "method names=0:0:0:\"\"", "method names=4:0:0:\"\":\"\"",
		"method names=0:0:65536:\"\":\"\"", "method names=0:0:0:\"\":\"\",",
		"process unit=\"u\" comm=\"c\"", "name innermost=2",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (!dump__parse_record(bad[i], &parsed))
			fail_msg("accepted: %s", bad[i]);
}

static void test_too_many_frames(void **state)
{
	struct text text;

	text__init(&text);
	text__add(&text, "stack frames=0x1");
	for (int i = 1; i < EV_MAX_FRAMES; i++)
		text__add(&text, ",0x1");
	assert_null(dump__parse_record(text.s, &parsed));
	assert_int_equal(parsed.stack.n_frames, EV_MAX_FRAMES);
	text__add(&text, ",0x1");
	assert_string_equal(dump__parse_record(text.s, &parsed), "too many frames");
	text__fini(&text);
}

static void test_facts(void **state)
{
	static const struct capture_facts facts = {
		.started = 1, .boot_time = 2, .started_ns = 3, .flags = 3, .question = 1,
		.command = "record", .host = "a \"b\"",
	};
	struct capture_facts again;
	struct text text;

	text__init(&text);
	dump__add_facts(&text, &facts);
	assert_string_equal(text.s, "unfreed-events version=1 started=1 boot_time=2 started_ns=3 "
				    "flags=0x3 question=service command=\"record\" "
				    "host=\"a \\\"b\\\"\"\n");
	text.s[text.n - 1] = '\0';
	assert_null(dump__parse_facts(text.s, &again));
	assert_memory_equal(&facts, &again, sizeof(facts));
	text__fini(&text);
	assert_non_null(dump__parse_facts("unfreed-events version=2", &again));
	assert_non_null(dump__parse_facts("unfreed-events version=11", &again));
	assert_non_null(dump__parse_facts("unfreed-eventsversion=1", &again));
	assert_non_null(dump__parse_facts("unfreed-events version=1 flags=0x4", &again));
	assert_non_null(dump__parse_facts("unfreed-events version=1 question=two", &again));
	assert_null(dump__parse_facts("unfreed-events version=1", &again));
}

/* Records handed out until `why` at `line`; NULL: none is wrong. */
static void expect_reading(const char *bytes, size_t n_bytes, size_t n, const char *why, uint64_t line)
{
	cleanup_file FILE *file = fmemopen((void *)bytes, n_bytes, "r");
	struct dump_reader *reader;
	const struct ev_header *h;
	size_t got = 0;
	int r = dump_reader__new(&reader, file);

	while (!r && (r = dump_reader__next(reader, &h)) == 1) {
		got++;
		r = 0;
	}
	assert_int_equal(got, n);
	assert_int_equal(r, why ? -EBADMSG : 0);
	if (why) {
		assert_string_equal(dump_reader__why(reader), why);
		assert_int_equal(dump_reader__line(reader), line);
	}
	dump_reader__free(reader);
}

static void test_reader(void **state)
{
	static const char good[] = "unfreed-events version=1\n# why\n\ntick time=1\ntick time=2\n";
	static const char zero[] = "unfreed-events version=1\ntick\ntick\0 time=2\n";
	cleanup_free char *wide = malloc(DUMP_MAX_LINE + 64);
	int n;

	expect_reading(good, sizeof(good) - 1, 2, NULL, 0);
	expect_reading(good, sizeof(good) - 2, 1, "it is cut off", 5);
	expect_reading("tick\n", 5, 0, "it is not a text of events", 1);
	expect_reading(zero, sizeof(zero) - 1, 1, "it has a zero byte", 3);
	n = sprintf(wide, "unfreed-events version=1\n#");
	memset(wide + n, 'x', DUMP_MAX_LINE);
	wide[n + DUMP_MAX_LINE] = '\n';
	expect_reading(wide, n + DUMP_MAX_LINE + 1, 0, "it is longer than any line", 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_type), cmocka_unit_test(test_random_fields),
		cmocka_unit_test(test_hostile_text), cmocka_unit_test(test_text),
		cmocka_unit_test(test_bad_text), cmocka_unit_test(test_too_many_frames),
		cmocka_unit_test(test_facts), cmocka_unit_test(test_reader),
	};

	return cmocka_run_group_tests_name("dump", tests, NULL, NULL);
}
