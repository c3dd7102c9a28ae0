/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The text report: the whole page of a known report, that no line is wider than a terminal, that
 * nothing hostile gets through, and that "nothing found" says what was looked at.
 */
#include "user/sink/sink.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tests/unit/fake_report.h"

static char *write_text(const struct report *report, const struct sink_opts *opts)
{
	size_t n = 0;
	char *s = NULL;
	FILE *f = open_memstream(&s, &n);

	assert_non_null(f);
	assert_int_equal(sink_text.write(report, f, opts), 0);
	fclose(f);
	return s;
}

static void assert_fits(const char *s)
{
	size_t columns = 0;

	for (; *s; s++) {
		if (*s == '\n') {
			assert_in_range(columns, 0, 100);
			columns = 0;
		} else if ((*s & 0xc0) != 0x80) {
			columns++;
		}
	}
	assert_int_equal(columns, 0);	/* the last line ends */
}

static void a_leak_reads_like_this(void **state)
{
	static const char expected[] =
		"java[4121]  LEAKING  +402 MB/s, out of memory in 18 s to 25 s (host: 8.4 GB left)\n"
		"  kafka.service, hotspot 17.0.15, resident 9.5 GB, accessible 12.0 GB, "
		"only reserved 1.0 GB\n"
		"  zlib-inflate: 196,204 opened, 31 closed, 196,173 open now, about 7.9 GB; "
		"97% of the growth\n"
		"  mappings: anon 10 of 12 held, 9.0 GB\n"
		"  LEAK   zlib-inflate  97% of the growth  +400 MB/s, about 7.9 GB held  "
		"site 00c0ffee00c0ffee\n"
		"      inflateInit2_  libz.so.1\n"
		"      [libzip.so+0x1f00]\n"
		"      java.util.zip.Inflater.init:110\n"
		"      [0x7f0000002000]\n"
		"    evidence: 31 of 196,204 were ever closed; the open ones are 0.1 s to 12 s "
		"old\n"
		"\n"
		"sleep[77]  no leak found  +0 B/s\n"
		"  resident 1.0 MB, accessible 0 B\n"
		"\n"
		"watched 12 s: 1,234,567 events, lost: ring-full 17; stacks 99% complete "
		"(999 of 1,000); map files\n"
		"    read again after a loss: 1\n"
		"not covered: 32-bit system calls are not seen.\n"
		"not covered: java[4121]: a static zlib without symbols.\n";
	struct fake_report f;
	char *s;

	fake_report(&f);
	s = write_text(&f.report, NULL);
	assert_string_equal(s, expected);
	assert_fits(s);
	free(s);
}

static void colour_only_when_asked(void **state)
{
	struct sink_opts opts = { .colour = true };
	struct fake_report f;
	char *s;

	fake_report(&f);
	s = write_text(&f.report, &opts);
	assert_non_null(strstr(s, "\033[1;31mLEAKING\033[0m"));
	free(s);
	opts.colour = false;
	s = write_text(&f.report, &opts);
	assert_null(strchr(s, '\033'));
	free(s);
	setenv("NO_COLOR", "1", 1);
	assert_false(sink_wants_colour(stdout));
	unsetenv("NO_COLOR");
}

static void hostile_strings_do_no_harm(void **state)
{
	struct fake_report f;
	char *s;

	fake_report(&f);
	make_hostile(&f);
	s = write_text(&f.report, NULL);
	assert_fits(s);
	for (const unsigned char *p = (const unsigned char *)s; *p; p++)
		assert_true(*p == '\n' || (*p >= 0x20 && *p < 0x7f));	/* this one is all ASCII */
	assert_non_null(strstr(s, "\\x1b[2J"));
	free(s);
}

static void long_names_are_cut_and_long_lines_broken(void **state)
{
	static char name[5000], words[5000];
	struct fake_report f;
	char *s;

	memset(name, 'n', sizeof(name) - 1);
	for (size_t i = 0; i + 1 < sizeof(words); i++)
		words[i] = i % 9 == 8 ? ' ' : 'w';
	fake_report(&f);
	for (size_t i = 0; i < 4; i++)
		f.frames[i].function = f.frames[i].module = name;
	f.processes[0].comm = f.processes[0].unit = f.processes[0].runtime = name;
	f.kinds[1].kind = f.sites[0].kind = name;
	f.sites[0].evidence = words;
	f.notes[0] = words;
	s = write_text(&f.report, NULL);
	assert_fits(s);
	assert_non_null(strstr(s, "nnn...[4121]"));
	assert_non_null(strstr(s, "\n              wwwwwwww wwwwwwww"));
	free(s);
}

static void nothing_found_says_what_was_watched(void **state)
{
	struct fake_report f;
	char *s;

	fake_report(&f);
	f.report.n_processes = 0;
	f.report.verdict = VERDICT_NONE;
	s = write_text(&f.report, NULL);
	assert_non_null(strstr(s, "No process with a finding"));
	assert_non_null(strstr(s, "1,234,567 events"));
	assert_non_null(strstr(s, "not covered: 32-bit"));
	free(s);

	fake_report(&f);
	f.processes[0].verdict = f.sites[0].verdict = f.report.verdict = VERDICT_NONE;
	s = write_text(&f.report, NULL);
	assert_non_null(strstr(s, "java[4121]  no leak found  +402 MB/s"));
	assert_non_null(strstr(s, "zlib-inflate: 196,204 opened, 31 closed"));
	assert_null(strstr(s, "out of memory"));
	assert_null(strstr(s, "evidence"));
	free(s);
}

/* Growth beside a leak that explains nothing more is one line. */
static void the_allocators_echo_is_an_aside(void **state)
{
	struct fake_report f;
	char *s;

	fake_report(&f);
	f.sites[1].verdict = VERDICT_GROWTH;
	s = write_text(&f.report, NULL);
	assert_non_null(strstr(s, "the allocator's own growth under it: 1 site, 1.1 GB"));
	assert_null(strstr(s, "10 of 12 still held"));
	assert_fits(s);
	free(s);
	f.sites[1].share = 0.02;
	s = write_text(&f.report, NULL);
	assert_null(strstr(s, "the allocator's own growth"));
	assert_non_null(strstr(s, "10 of 12 still held"));
	free(s);
}

static void sites_without_a_finding_on_request(void **state)
{
	struct sink_opts opts = { .all_sites = true };
	struct fake_report f;
	char *s;

	fake_report(&f);
	s = write_text(&f.report, &opts);
	assert_non_null(strstr(s, "evidence: 10 of 12 still held"));
	assert_non_null(strstr(s, "(no stack was taken)"));
	free(s);
	f.sites[0].complete = false;
	s = write_text(&f.report, NULL);
	assert_non_null(strstr(s, "(the stack is incomplete"));
	free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_leak_reads_like_this),
		cmocka_unit_test(colour_only_when_asked),
		cmocka_unit_test(hostile_strings_do_no_harm),
		cmocka_unit_test(long_names_are_cut_and_long_lines_broken),
		cmocka_unit_test(nothing_found_says_what_was_watched),
		cmocka_unit_test(the_allocators_echo_is_an_aside),
		cmocka_unit_test(sites_without_a_finding_on_request),
	};

	return cmocka_run_group_tests_name("report_text", tests, NULL, NULL);
}
