/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* A finding as a line of the journal: all of it, in one line, whatever the process calls itself. */
#include "user/sink/finding.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tests/unit/fake_report.h"

static char *line_of(const struct fake_report *f)
{
	struct text text;

	text__init(&text);
	finding__add(&text, &f->processes[0], &f->sites[0]);
	assert_int_equal(text__error(&text), 0);
	return text__steal(&text);
}

static void it_says_who_what_and_when(void **state)
{
	struct fake_report f;
	char *s;

	fake_report(&f);
	s = line_of(&f);
	assert_string_equal(
		s, "java[4121] of kafka.service leaks zlib-inflate: 31 of 196,204 were ever closed; the "
		   "open ones are 0.1 s to 12 s old; about 7.9 GB held, 97% of a growth of +402 MB/s; "
		   "out of memory in 18 s to 25 s (host: 8.4 GB left); site 00c0ffee00c0ffee: "
		   "inflateInit2_ < [libzip.so+0x1f00] < java.util.zip.Inflater.init:110 < "
		   "[0x7f0000002000]");
	free(s);
}

static void what_is_missing_is_said(void **state)
{
	struct fake_report f;
	char *s;

	fake_report(&f);
	f.processes[0].unit = NULL;
	f.processes[0].has_limit = false;
	f.sites[0].site[0] = '\0';
	f.sites[0].n_frames = 0;
	s = line_of(&f);
	assert_non_null(strstr(s, "java[4121] leaks"));
	assert_non_null(strstr(s, "no limit known; site unknown: no stack was taken"));
	free(s);
	fake_report(&f);
	f.sites[0].complete = false;
	s = line_of(&f);
	assert_non_null(strstr(s, " < (incomplete)"));
	free(s);
}

/* What starts a thread is the same for all of them; a recursion is no reason for a page. */
static void the_stack_is_what_tells(void **state)
{
	struct report_frame deep[100];
	struct fake_report f;
	char *s;

	fake_report(&f);
	for (size_t i = 0; i < 100; i++)
		deep[i] = (struct report_frame){ .function = S(i < 40 ? "inner" : "outer") };
	deep[39].kind = FRAME_JAVA;
	f.sites[0].frames = deep;
	f.sites[0].n_frames = 100;
	s = line_of(&f);
	assert_null(strstr(s, "outer"));
	assert_null(strstr(s, "more"));
	free(s);
	deep[39].kind = FRAME_NATIVE;
	s = line_of(&f);
	assert_non_null(strstr(s, "outer < 52 more"));
	free(s);
}

/* The logger escapes the whole line; nothing is cut or spread over several before that. */
static void hostile_strings_do_no_harm(void **state)
{
	struct fake_report f;
	struct text safe;
	char *s;

	fake_report(&f);
	make_hostile(&f);
	s = line_of(&f);
	text__init(&safe);
	text__add_safe(&safe, s);
	assert_int_equal(text__error(&safe), 0);
	for (const unsigned char *p = (const unsigned char *)safe.s; *p; p++)
		assert_true(*p >= 0x20 && *p < 0x7f);
	assert_non_null(strstr(safe.s, "\\x1b[2J"));
	assert_non_null(strstr(safe.s, "site 00c0ffee00c0ffee"));
	text__fini(&safe);
	free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_says_who_what_and_when),
		cmocka_unit_test(what_is_missing_is_said),
		cmocka_unit_test(the_stack_is_what_tells),
		cmocka_unit_test(hostile_strings_do_no_harm),
	};

	return cmocka_run_group_tests_name("finding", tests, NULL, NULL);
}
