/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The writers of records with trailing text: what they write passes the gate, what is not theirs
 * they leave alone, and they stay inside buffers of any size.
 */
#include "user/wire/decode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/unit/records.h"

static void assert_good(const void *record, size_t size)
{
	const struct ev_header *h;

	assert_int_equal(ev_check(record, size, &h, NULL), 0);
	assert_int_equal(h->size, size);
}

static void writers_leave_the_rest_alone(void **state)
{
	static const struct ev_process_text text = { "c", "cmd line", "u", NULL };
	union record r;

	memset(&r, 0xaa, sizeof(r));
	r.process.ppid = 7;
	r.h.flags = 0;
	assert_int_equal(ev_write_process(&r, sizeof(r), &text), 64);
	assert_good(&r, 64);
	assert_int_equal(r.process.ppid, 7);
	assert_int_equal(r.h.time_ns, 0xaaaaaaaaaaaaaaaaull);
	assert_int_equal(r.process.runtime_sz, 0);
	assert_memory_equal(r.process.text, "ccmd lineu\0\0\0\0\0\0", 16);

	memset(&r, 0xaa, sizeof(r));
	r.h.flags = 0;
	assert_int_equal(ev_write_file(&r, sizeof(r), NULL, 0, NULL), 64);
	assert_good(&r, 64);
	assert_int_equal(r.file.build_id[0], 0);
	assert_int_equal(ev_write_file(&r, sizeof(r), (const uint8_t *)"0123456789abcdef0123456789",
				       26, "/x"), 72);
	assert_good(&r, 72);
	assert_int_equal(r.file.build_id_sz, EV_BUILD_ID_MAX);

	assert_int_equal(ev_write_note(&r, sizeof(r), NULL), 32);
	assert_good(&r, 32);
	assert_int_equal(ev_write_note(&r, sizeof(r), "four"), 32);
	assert_int_equal(ev_write_note(&r, sizeof(r), "fives"), 40);
	assert_good(&r, 40);
}

/* Into buffers of every size, placed against their end: cut, never overrun, always a record. */
static void writers_cut_what_does_not_fit(void **state)
{
	static char text[30000];
	const struct ev_process_text parts = { "comm", text, "a-unit.service", "hotspot" };
	size_t buf_sz, size;
	struct ev_header *h;
	const struct ev_header *out;

	memset(text, 'x', sizeof(text) - 1);
	for (buf_sz = 0; buf_sz < 21000; buf_sz += buf_sz < 200 ? 1 : 97) {
		int writer;

		for (writer = 0; writer < 3; writer++) {
			h = malloc(buf_sz ? buf_sz : 1);
			assert_non_null(h);
			memset(h, 0, buf_sz);
			if (writer == 0)
				size = ev_write_process(h, buf_sz, &parts);
			else if (writer == 1)
				size = ev_write_file(h, buf_sz, (const uint8_t *)"ab", 2, text);
			else
				size = ev_write_note(h, buf_sz, text);
			assert_true(size <= buf_sz && size <= EV_MAX_RECORD_SZ);
			if (size) {
				assert_int_equal(ev_check(h, buf_sz, &out, NULL), 0);
				assert_int_equal(out->size, size);
			} else {
				assert_true(buf_sz < (writer == 0 ? 48 : writer == 1 ? 64 : 32));
			}
			free(h);
		}
	}
}

/* A command line without end must not cost the unit's name. */
static void a_long_command_line_leaves_room(void **state)
{
	static char text[30000];
	const struct ev_process_text parts = { "comm", text, "a-unit.service", "hotspot" };
	union record r;

	memset(text, 'x', sizeof(text) - 1);
	memset(&r, 0, sizeof(r));
	assert_int_equal(ev_write_process(&r, 256, &parts), 256);
	assert_int_equal(r.process.comm_sz, 4);
	assert_int_equal(r.process.unit_sz, 14);
	assert_int_equal(r.process.runtime_sz, 7);
	assert_int_equal(r.process.cmdline_sz, 256 - 48 - 25);
	assert_memory_equal(r.process.text + 256 - 48 - 21, "a-unit.servicehotspot", 21);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(writers_leave_the_rest_alone),
		cmocka_unit_test(writers_cut_what_does_not_fit),
		cmocka_unit_test(a_long_command_line_leaves_room),
	};

	return cmocka_run_group_tests_name("writers", tests, NULL, NULL);
}
