/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The JSON report against the contract: every key, in order, of the right type, whatever the
 * report lacks; and valid, harmless UTF-8 whatever its strings hold.
 */
#include "user/sink/sink.h"

#include <json-c/json.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tests/unit/fake_report.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

static char *write_json(const struct report *report)
{
	struct sink_opts opts = { 0 };
	size_t n = 0;
	char *s = NULL;
	FILE *f = open_memstream(&s, &n);

	assert_non_null(f);
	assert_int_equal(sink_json.write(report, f, &opts), 0);
	fclose(f);
	assert_int_equal(strlen(s), n);
	return s;
}

/* The object's keys are exactly these words, in this order. */
static void assert_keys(struct json_object *object, const char *keys)
{
	char found[512] = "";

	assert_int_equal(json_object_get_type(object), json_type_object);
	json_object_object_foreach(object, key, value) {
		strcat(found, *found ? " " : "");
		strcat(found, key);
		(void)value;
	}
	assert_string_equal(found, keys);
}

static struct json_object *get(struct json_object *object, const char *key)
{
	struct json_object *value = NULL;

	assert_true(json_object_object_get_ex(object, key, &value));
	return value;
}

static struct json_object *at(struct json_object *object, const char *key, size_t i)
{
	struct json_object *array = get(object, key);

	assert_int_equal(json_object_get_type(array), json_type_array);
	assert_true(i < json_object_array_length(array));
	return json_object_array_get_idx(array, i);
}

static const char *word(struct json_object *object, const char *key)
{
	struct json_object *value = get(object, key);

	assert_int_equal(json_object_get_type(value), json_type_string);
	return json_object_get_string(value);
}

#define REPORT_KEYS "schema command host started seconds verdict processes groups trust"
#define PROCESS_KEYS                                                                             \
	"pid start_time comm cmdline unit runtime verdict growth_bytes_per_second "              \
	"explained_share growth resident_bytes accessible_bytes reserved_bytes limit kinds sites"
#define LIMIT_KEYS "kind group bytes_limit bytes_left seconds_low seconds_high"
#define KIND_KEYS "kind opened closed open closed_by_collector bytes before_attach"
#define SITE_KEYS                                                                                \
	"site kind verdict opened closed open closed_by_collector bytes resident_bytes share "   \
	"private_share evidence stack"
#define FRAME_KEYS "function module build_id offset file line kind"
#define TRUST_KEYS "events lost healed stacks stacks_complete not_covered"

static void has_every_key_in_order(void **state)
{
	struct json_object *o, *p;
	struct fake_report f;
	char *s;

	fake_report(&f);
	s = write_json(&f.report);
	o = json_tokener_parse(s);
	assert_non_null(o);
	assert_keys(o, REPORT_KEYS);
	for (size_t i = 0; i < 2; i++)
		assert_keys(at(o, "processes", i), PROCESS_KEYS);
	p = at(o, "processes", 0);
	assert_keys(get(p, "limit"), LIMIT_KEYS);
	assert_keys(at(p, "kinds", 1), KIND_KEYS);
	for (size_t i = 0; i < 2; i++)
		assert_keys(at(p, "sites", i), SITE_KEYS);
	for (size_t i = 0; i < 4; i++)
		assert_keys(at(at(p, "sites", 0), "stack", i), FRAME_KEYS);
	assert_keys(get(o, "trust"), TRUST_KEYS);
	json_object_put(o);
	free(s);
}

static void values_are_what_the_report_says(void **state)
{
	struct json_object *o, *p, *site, *frame, *trust;
	struct fake_report f;
	char *s;

	fake_report(&f);
	s = write_json(&f.report);
	o = json_tokener_parse(s);
	assert_string_equal(word(o, "schema"), "unfreed.report/1");
	assert_string_equal(word(o, "started"), "2025-10-09T08:53:21.500Z");
	assert_string_equal(word(o, "verdict"), "leak");
	assert_non_null(strstr(s, "\"seconds\":12.400"));
	p = at(o, "processes", 0);
	assert_int_equal(json_object_get_int64(get(p, "pid")), 4121);
	assert_int_equal(json_object_get_int64(get(p, "growth_bytes_per_second")), 402000000);
	assert_string_equal(word(get(p, "limit"), "kind"), "host");
	assert_int_equal(json_object_get_int64(get(get(p, "limit"), "bytes_left")), 8400000000);
	site = at(p, "sites", 0);
	assert_string_equal(word(site, "site"), "00c0ffee00c0ffee");
	assert_int_equal(json_object_get_int64(get(site, "open")), 196173);
	assert_null(get(site, "resident_bytes"));
	assert_non_null(strstr(s, "\"share\":0.9700"));
	frame = at(site, "stack", 0);
	assert_string_equal(word(frame, "function"), "inflateInit2_");
	assert_string_equal(word(frame, "kind"), "native");
	assert_null(get(frame, "file"));
	assert_null(get(frame, "line"));
	assert_null(get(at(site, "stack", 1), "function"));
	assert_int_equal(json_object_get_int64(get(at(site, "stack", 2), "line")), 110);
	assert_null(get(at(site, "stack", 3), "module"));
	assert_string_equal(word(at(p, "sites", 1), "site"), "");
	assert_int_equal(json_object_get_int64(get(at(p, "sites", 1), "resident_bytes")), 500);
	p = at(o, "processes", 1);
	assert_null(get(p, "limit"));
	assert_null(get(p, "unit"));
	assert_int_equal(json_object_array_length(get(p, "sites")), 0);
	trust = get(o, "trust");
	assert_int_equal(json_object_get_int64(get(get(trust, "lost"), "ring-full")), 17);
	assert_int_equal(json_object_get_int64(get(get(trust, "lost"), "nested")), 0);
	assert_string_equal(json_object_get_string(at(trust, "not_covered", 0)), f.notes[0]);
	json_object_put(o);
	free(s);
}

/* Numbers that no JSON has, and those beyond 2^53 and 2^63. */
static void odd_numbers_stay_json(void **state)
{
	struct json_object *o;
	struct fake_report f;
	char *s;

	fake_report(&f);
	f.processes[0].growth_bytes_per_second = 0.0 / 0.0;
	f.processes[0].explained_share = 1.0 / 0.0;
	f.processes[0].limit.seconds_low = -1;
	f.processes[0].limit.seconds_high = -1;
	f.report.events = UINT64_MAX;
	f.report.started = -5;
	f.report.seconds = 1e300;
	s = write_json(&f.report);
	o = json_tokener_parse(s);
	assert_non_null(o);
	assert_null(get(at(o, "processes", 0), "growth_bytes_per_second"));
	assert_null(get(at(o, "processes", 0), "explained_share"));
	assert_null(get(get(at(o, "processes", 0), "limit"), "seconds_high"));
	assert_non_null(strstr(s, "18446744073709551615"));
	assert_string_equal(word(o, "started"), "1970-01-01T00:00:00.000Z");
	json_object_put(o);
	free(s);
}

/* Whether every byte is printable ASCII, a line feed, or part of well-formed UTF-8 that no
 * terminal obeys; checked with libc's decoder, not with ours. */
static void assert_harmless(const char *s)
{
	for (const unsigned char *p = (const unsigned char *)s; *p; p++) {
		assert_false(*p == 0x7f || (*p < 0x20 && *p != '\n'));
		assert_false(p[0] == 0xc2 && p[1] < 0xa0);
		assert_false(p[0] == 0xe2 && p[1] == 0x80 && p[2] >= 0xa8 && p[2] <= 0xae);
		assert_false(*p == 0xc0 || *p == 0xc1 || *p >= 0xf5);
		assert_false(p[0] == 0xed && p[1] >= 0xa0);
	}
}

static void hostile_strings_do_no_harm(void **state)
{
	const char *expected = "ev\"il\\\n\033[2J\xef\xbf\xbd\xef\xbf\xbd\xc2\x9b\xe2\x80\xae"
			       "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd}";
	struct json_object *o, *p;
	struct json_tokener *tokener = json_tokener_new();
	struct fake_report f;
	char *s;

	fake_report(&f);
	make_hostile(&f);
	s = write_json(&f.report);
	assert_harmless(s);
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	o = json_tokener_parse_ex(tokener, s, (int)strlen(s));
	assert_non_null(o);
	p = at(o, "processes", 0);
	assert_string_equal(word(p, "comm"), expected);
	assert_string_equal(word(p, "unit"), expected);
	assert_string_equal(word(at(p, "sites", 0), "evidence"), expected);
	assert_keys(p, PROCESS_KEYS);
	json_object_put(o);
	json_tokener_free(tokener);
	free(s);
}

static void an_empty_report_has_every_key_too(void **state)
{
	struct report report = { .command = S("run"), .host = S("") };
	struct json_object *o;
	char *s = write_json(&report);

	o = json_tokener_parse(s);
	assert_keys(o, REPORT_KEYS);
	assert_keys(get(o, "trust"), TRUST_KEYS);
	assert_string_equal(word(o, "verdict"), "none");
	json_object_put(o);
	free(s);
}

static void a_full_disk_is_an_error(void **state)
{
	struct sink_opts opts = { 0 };
	struct fake_report f;
	FILE *full = fopen("/dev/full", "w");

	if (!full)
		skip();
	fake_report(&f);
	assert_true(sink_json.write(&f.report, full, &opts) < 0);
	fclose(full);
}

static void sinks_are_found(void **state)
{
	assert_ptr_equal(sink_find("json"), &sink_json);
	assert_null(sink_find("yaml"));
	assert_ptr_equal(sink_for_file("/tmp/x.d/a.json"), &sink_json);
	assert_ptr_equal(sink_for_file("a.txt"), &sink_text);
	assert_null(sink_for_file("/tmp/x.json/a"));
	assert_null(sink_for_file("a.JSON"));
	assert_null(sink_at(1000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(has_every_key_in_order),
		cmocka_unit_test(values_are_what_the_report_says),
		cmocka_unit_test(odd_numbers_stay_json),
		cmocka_unit_test(hostile_strings_do_no_harm),
		cmocka_unit_test(an_empty_report_has_every_key_too),
		cmocka_unit_test(a_full_disk_is_an_error),
		cmocka_unit_test(sinks_are_found),
	};

	return cmocka_run_group_tests_name("report_json", tests, NULL, NULL);
}
