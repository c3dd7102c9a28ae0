/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The textfile: every family, well-formed lines, the choice of series, and the file's own rules.
 * Where promtool is installed it has the last word on the format.
 */
#include "user/sink/prom.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/unit/fake_report.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

struct place {
	char folder[64];
	char path[128];
	struct prom *prom;
};

static const struct prom_facts facts = {
	.now = 1760000013.5, .self_cpu_seconds = 0.25, .self_resident_bytes = 9000000,
	.resyncs = 3, .version = "0.1\"0",
};

static void place_init(struct place *place, size_t top_k)
{
	struct prom_opts opts = { .path = place->path, .top_k = top_k };

	strcpy(place->folder, "/tmp/unfreed-prom-XXXXXX");
	assert_non_null(mkdtemp(place->folder));
	snprintf(place->path, sizeof(place->path), "%s/unfreed.prom", place->folder);
	assert_int_equal(prom__new(&place->prom, &opts), 0);
}

/* Nothing but the file itself may have been left in the folder. */
static void place_fini(struct place *place)
{
	assert_int_equal(prom__remove(place->prom), 0);
	assert_int_equal(prom__remove(place->prom), 0);
	prom__free(place->prom);
	assert_int_equal(rmdir(place->folder), 0);
}

static char *read_file(const char *path)
{
	char *s = calloc(1, 1 << 20);
	FILE *f = fopen(path, "r");

	assert_non_null(s);
	assert_non_null(f);
	assert_true(fread(s, 1, (1 << 20) - 1, f) > 0);
	fclose(f);
	return s;
}

static void writes_every_family_once(void **state)
{
	static const char *const families[] = {
		"process_unfreed_bytes", "process_resident_bytes",
		"process_growth_bytes_per_second", "process_leak_suspected",
		"process_seconds_to_limit", "handles_open", "handles_opened_total",
		"handles_closed_total", "site_unfreed_bytes", "site_leak_suspected",
		"events_total", "events_lost_total", "resyncs_total", "self_cpu_seconds_total",
		"self_resident_bytes", "build_info", "last_write_timestamp_seconds",
	};
	struct place place;
	struct fake_report f;
	char *s;

	place_init(&place, 0);
	fake_report(&f);
	assert_int_equal(prom__write(place.prom, &f.report, &facts), 0);
	s = read_file(place.path);
	for (size_t i = 0; i < N(families); i++) {
		char help[128], *at;

		snprintf(help, sizeof(help), "# HELP unfreed_%s ", families[i]);
		at = strstr(s, help);
		assert_non_null(at);
		assert_null(strstr(at + 1, help));
		snprintf(help, sizeof(help), "# TYPE unfreed_%s ", families[i]);
		assert_non_null(strstr(s, help));
	}
	free(s);
	place_fini(&place);
}

static void values_are_what_the_report_says(void **state)
{
	static const char *const lines[] = {
		"unfreed_process_resident_bytes{comm=\"java\",pid=\"4121\","
		"unit=\"kafka.service\"} 9500000000\n",
		"unfreed_process_leak_suspected{comm=\"sleep\",pid=\"77\",unit=\"\"} 0\n",
		"unfreed_process_seconds_to_limit{comm=\"java\",pid=\"4121\","
		"unit=\"kafka.service\"} 18\n",
		"unfreed_process_unfreed_bytes{comm=\"java\",pid=\"4121\","
		"unit=\"kafka.service\",kind=\"anon\"} 9000000000\n",
		"unfreed_handles_opened_total{comm=\"java\",pid=\"4121\","
		"unit=\"kafka.service\",kind=\"zlib-inflate\"} 196204\n",
		"unfreed_handles_open{comm=\"java\",pid=\"4121\","
		"unit=\"kafka.service\",kind=\"zlib-inflate\"} 196173\n",
		"unfreed_site_leak_suspected{comm=\"java\",pid=\"4121\",unit=\"kafka.service\","
		"kind=\"zlib-inflate\",site=\"00c0ffee00c0ffee\"} 1\n",
		"unfreed_events_total 1234567\n",
		"unfreed_events_lost_total{cause=\"ring-full\"} 17\n",
		"unfreed_resyncs_total 3\n",
		"unfreed_self_cpu_seconds_total 0.25\n",
		"unfreed_build_info{version=\"0.1\\\"0\"} 1\n",
		"unfreed_last_write_timestamp_seconds 1760000013.5\n",
	};
	struct place place;
	struct fake_report f;
	char *s;

	place_init(&place, 0);
	fake_report(&f);
	assert_int_equal(prom__write(place.prom, &f.report, &facts), 0);
	s = read_file(place.path);
	for (size_t i = 0; i < N(lines); i++)
		assert_non_null(strstr(s, lines[i]));
	assert_null(strstr(s, "handles_open{comm=\"java\",pid=\"4121\",unit=\"kafka.service\","
			      "kind=\"anon\"}"));
	free(s);
	place_fini(&place);
}

/* A line is a comment or name{labels} value, with quotes, backslashes and newlines escaped, and
 * no timestamp; no series comes twice. */
static void assert_well_formed(char *s)
{
	char *seen[512], *line, *rest = s;
	size_t n = 0;

	while ((line = strsep(&rest, "\n")) && *line) {
		bool quoted = false;
		char *p = line;

		if (*p == '#')
			continue;
		for (; *p && (quoted || *p != ' '); p++) {
			assert_true((unsigned char)*p >= 0x20);
			if (*p == '\\') {
				assert_true(quoted && strchr("\\\"n", p[1]) && p[1]);
				p++;
			} else if (*p == '"') {
				quoted = !quoted;
			}
		}
		assert_false(quoted);
		assert_int_equal(*p, ' ');
		*p++ = '\0';
		assert_true(*p);
		assert_int_equal(strspn(p, "0123456789.e+-"), strlen(p));
		for (size_t i = 0; i < n; i++)
			assert_string_not_equal(seen[i], line);
		assert_true(n < N(seen));
		seen[n++] = line;
	}
	assert_true(n > 10);
}

static void hostile_names_stay_labels(void **state)
{
	struct place place;
	struct fake_report f;
	char *s;

	place_init(&place, 0);
	fake_report(&f);
	make_hostile(&f);
	f.processes[0].growth_bytes_per_second = 0.0 / 0.0;
	/* The same site twice, and an exited namesake: each would be a duplicate series. */
	f.sites[1] = f.sites[0];
	f.processes[1] = f.processes[0];
	f.processes[1].exited = true;
	assert_int_equal(prom__write(place.prom, &f.report, &facts), 0);
	s = read_file(place.path);
	assert_non_null(strstr(s, "comm=\"ev\\\"il\\\\\\n\xef\xbf\xbd[2J"));
	assert_null(strchr(s, '\033'));
	assert_null(strchr(s, (char)0x9b));
	assert_well_formed(s);
	free(s);
	place_fini(&place);
}

#define MANY 30

static void make_many(struct report *report, struct report_process *p, uint64_t bump)
{
	static struct report_kind kinds[MANY];

	for (size_t i = 0; i < MANY; i++) {
		kinds[i] = (struct report_kind){ .kind = S("anon"), .bytes = 1000 + i };
		p[i] = (struct report_process){ .pid = (uint32_t)(100 + i), .comm = S("x"),
						.unit = S(""), .kinds = &kinds[i], .n_kinds = 1 };
	}
	kinds[0].bytes += bump;
	*report = (struct report){ .processes = p, .n_processes = MANY };
}

static bool shows(const struct place *place, unsigned int pid)
{
	char *s = read_file(place->path), label[32];
	bool found;

	snprintf(label, sizeof(label), "pid=\"%u\"", pid);
	found = strstr(s, label) != NULL;
	free(s);
	return found;
}

static void the_choice_is_bounded_and_sticky(void **state)
{
	struct report_process p[MANY];
	struct report report;
	struct place place;

	place_init(&place, 5);
	make_many(&report, p, 0);
	assert_int_equal(prom__write(place.prom, &report, &facts), 0);
	for (unsigned int i = 0; i < MANY; i++)
		assert_int_equal(shows(&place, 100 + i), i >= MANY - 5);
	make_many(&report, p, 400);	/* the largest now, but not by much */
	assert_int_equal(prom__write(place.prom, &report, &facts), 0);
	assert_false(shows(&place, 100));
	assert_true(shows(&place, 100 + MANY - 5));
	make_many(&report, p, 5000);
	assert_int_equal(prom__write(place.prom, &report, &facts), 0);
	assert_true(shows(&place, 100));
	assert_false(shows(&place, 100 + MANY - 5));
	make_many(&report, p, 0);	/* and back: it stays for as long as it is close */
	p[7].verdict = VERDICT_LEAK;	/* a suspect comes first, whatever it holds */
	assert_int_equal(prom__write(place.prom, &report, &facts), 0);
	assert_true(shows(&place, 107));
	place_fini(&place);
}

static void the_file_is_replaced_whole(void **state)
{
	struct place place;
	struct fake_report f;
	struct stat st;
	char stale[160];
	FILE *file;

	place_init(&place, 0);
	fake_report(&f);
	umask(077);
	snprintf(stale, sizeof(stale), "%s.tmp", place.path);
	file = fopen(stale, "w");	/* left behind by a killed service */
	assert_non_null(file);
	fclose(file);
	for (unsigned int i = 0; i < 3; i++) {
		assert_int_equal(prom__write(place.prom, &f.report, &facts), 0);
		assert_int_equal(stat(place.path, &st), 0);
		assert_int_equal(st.st_mode & 07777, 0644);
		assert_int_equal(access(stale, F_OK), -1);
	}
	umask(022);
	place_fini(&place);
	assert_int_equal(access(place.path, F_OK), -1);
}

static void bad_places_are_refused(void **state)
{
	static const char *const paths[] = { "", ".prom", "/tmp/.prom", "/tmp/unfreed.txt" };
	struct prom_opts opts = { .path = "/nonexistent/folder/unfreed.prom" };
	struct fake_report f;
	struct prom *prom = NULL;

	fake_report(&f);
	assert_int_equal(prom__new(&prom, &opts), 0);
	assert_int_equal(prom__write(prom, &f.report, &facts), -ENOENT);
	assert_int_equal(prom__remove(prom), 0);
	prom = prom__free(prom);
	for (size_t i = 0; i < N(paths); i++) {
		opts.path = paths[i];
		assert_int_equal(prom__new(&prom, &opts), -EINVAL);
	}
}

static void promtool_agrees(void **state)
{
	struct place place;
	struct fake_report f;
	char command[256];

	if (system("command -v promtool >/dev/null 2>&1") != 0) {
		puts("# no promtool here (package prometheus)");
		fflush(stdout);
		skip();
	}
	place_init(&place, 0);
	fake_report(&f);
	make_hostile(&f);
	f.kinds[1].kind = f.sites[0].kind = S("zlib-inflate");
	assert_int_equal(prom__write(place.prom, &f.report, &facts), 0);
	snprintf(command, sizeof(command), "promtool check metrics <%s", place.path);
	assert_int_equal(system(command), 0);
	place_fini(&place);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_every_family_once),
		cmocka_unit_test(values_are_what_the_report_says),
		cmocka_unit_test(hostile_names_stay_labels),
		cmocka_unit_test(the_choice_is_bounded_and_sticky),
		cmocka_unit_test(the_file_is_replaced_whole),
		cmocka_unit_test(bad_places_are_refused),
		cmocka_unit_test(promtool_agrees),
	};

	return cmocka_run_group_tests_name("prom", tests, NULL, NULL);
}
