/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Why a verdict is what it is: for each process that has the site the question, what was measured, and
 * the threshold it met or missed, in the order of the tests. A way to be found of which no test was made,
 * since another one had found it already or there was nothing to begin with, is one line.
 */
#include "user/sink/text_explain.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "user/detect/report_tests.h"
#include "user/sink/layout.h"
#include "user/sink/text_stack.h"
#include "user/sink/words.h"
#include "user/wire/decode.h"

#define NAME_COLUMNS 32
#define MEASURED_COLUMNS 14
#define THRESHOLD_COLUMNS 22

static void add_number(struct text *out, enum test_unit unit, double x)
{
	if (!isfinite(x)) {
		text__add(out, "no end");
		return;
	}
	switch (unit) {
	case TEST_UNIT_BYTES:
		text__add_size(out, x);
		break;
	case TEST_UNIT_SECONDS:
		text__add_duration(out, x);
		break;
	case TEST_UNIT_SHARE:
		text__addf(out, "%.1f%%", x * 100);
		break;
	case TEST_UNIT_RATIO:
		text__addf(out, "%.2f", x);
		break;
	case TEST_UNIT_RATE:
		if (x < 10)
			text__addf(out, "%.1f", x);
		else
			text__add_count(out, (uint64_t)fmin(x, 1e18));
		text__add(out, "/s");
		break;
	case TEST_UNIT_COUNT:
		/* Of parts of objects (a cohort across an edge) nobody counts; what is asked rounds up. */
		text__add_count(out, x > 0 ? (uint64_t)fmin(ceil(x), 1e18) : 0);
		break;
	}
}

/* Appends the field, filled up to so many columns. */
static void add_field(struct text *out, struct text *field, size_t columns)
{
	size_t n = field->s ? layout_columns(field->s) : 0;

	text__add(out, field->s ? field->s : "");
	layout_add_spaces(out, n < columns ? columns - n : 1);
	if (text__error(field))
		out->failed = true;
	text__fini(field);
}

static void add_test(struct text *out, const struct report_test *test)
{
	struct text field;

	text__init(&field);
	text__add(&field, test->name);
	layout_add_spaces(out, 4);
	add_field(out, &field, NAME_COLUMNS);
	if (!test->asked) {
		layout_add_spaces(out, MEASURED_COLUMNS + THRESHOLD_COLUMNS);
		text__add(out, "not asked\n");
		return;
	}
	add_number(&field, test->unit, test->measured);
	add_field(out, &field, MEASURED_COLUMNS);
	if (test->at_most || test->threshold > 0) {
		text__add(&field, test->at_most ? "at most " : "at least ");
		add_number(&field, test->unit, test->threshold);
	} else {
		text__add(&field, "any");	/* nothing was lost, nothing is known of earlier runs */
	}
	add_field(out, &field, THRESHOLD_COLUMNS);
	text__add(out, test->met ? "met\n" : "missed\n");
}

/* The tests of one way; returns how many these are. */
static size_t add_way(struct text *out, const struct report_test *tests, size_t n_tests)
{
	bool asked = false;
	size_t n = 0;

	for (; n < n_tests && tests[n].way == tests[0].way; n++)
		asked |= tests[n].asked;
	text__addf(out, "  %s", tests[0].way);
	if (tests[0].age > 0) {
		text__add(out, ", at an age of ");
		text__add_duration(out, tests[0].age);
	}
	text__add(out, asked ? "\n" : ": not asked\n");
	for (size_t i = 0; asked && i < n; i++)
		add_test(out, &tests[i]);
	return n;
}

static void add_question(struct text *out, const struct report_tests *tests)
{
	struct text line;

	text__init(&line);
	text__add(&line, "asked: ");
	if (!tests->service) {
		text__add(&line, "does it give back what it takes? (one-shot; no limit is weighed)");
	} else {
		text__add(&line, "must somebody be woken? (service; ");
		if (tests->has_limit) {
			text__addf(&line, "weighed by %s, ", words_limit(tests->limit));
			text__add_size(&line, tests->bytes_left);
			text__add(&line, " left)");
		} else {
			text__add(&line, "no limit is known)");
		}
	}
	layout_add_spaces(out, 2);
	layout_add_wrapped(out, line.s ? line.s : "", 2, 4);
	text__fini(&line);
}

static void add_verdict(struct text *out, const struct report_site *site)
{
	const struct report_tests *tests = site->tests;
	struct text line;

	text__init(&line);
	text__add(&line, "verdict");
	if (tests->at > 0) {
		text__add(&line, " at ");
		text__add_duration(&line, tests->at);
	}
	text__addf(&line, ": %s", verdict_name(site->verdict));
	if (site->verdict != VERDICT_NONE) {
		text__add(&line, " since ");
		text__add_duration(&line, tests->since);
	}
	if (site->verdict >= VERDICT_GROWTH && !tests->holds && tests->held >= 0) {
		text__add(&line, "; the tests held last at ");
		text__add_duration(&line, tests->held);
		text__add(&line, ", and it stands: of the ");
		text__add_count(&line, tests->kept);
		text__add(&line, " survivors of then ");
		if (tests->kept_died)
			text__add_count(&line, tests->kept_died);
		else
			text__add(&line, "none");
		text__addf(&line, " %s given back", tests->kept_died > 1 ? "were" : "was");
	}
	if (tests->retracted) {
		text__addf(&line, "; %s taken back at ",
			   site->verdict >= VERDICT_GROWTH ? "an earlier one was" : "what was told was");
		text__add_duration(&line, tests->retracted_at);
		text__addf(&line, ": %s", tests->retracted_why);
	}
	layout_add_spaces(out, 2);
	layout_add_wrapped(out, line.s ? line.s : "", 2, 4);
	text__fini(&line);
}

static void add_explained(struct text *out, const struct report_process *p,
			  const struct report_site *site)
{
	const struct report_tests *tests = site->tests;

	layout_add_cut(out, p->comm ? p->comm : "?", LAYOUT_WIDTH / 3);
	text__addf(out, "[%" PRIu32 "]%s  ", p->pid, p->exited ? " (has ended)" : "");
	layout_add_cut(out, site->kind, LAYOUT_WIDTH / 5);
	text__addf(out, "  site %s\n", site->site);
	text_add_stack(out, site, false);
	add_question(out, tests);
	if (tests->unasked)
		text__addf(out, "  no test was made: %s\n", tests->unasked);
	for (size_t i = 0, n; i < tests->n && !tests->unasked; i += n) {
		n = add_way(out, &tests->list[i], tests->n - i);
		if (!i && tests->service && n < tests->n)
			text__add(out, "  for the watch list, as one-shot asks:\n");
	}
	add_verdict(out, site);
	layout_add_spaces(out, 2);
	text__add(out, "evidence: ");
	layout_add_wrapped(out, site->evidence ? site->evidence : "", 12, 4);
}

void text_add_explained(struct text *out, const struct report *report)
{
	bool any = false;

	for (size_t i = 0; i < report->n_processes; i++) {
		const struct report_process *p = &report->processes[i];

		for (size_t k = 0; k < p->n_sites; k++) {
			if (!p->sites[k].tests)
				continue;
			text__add(out, any ? "\n" : "");
			add_explained(out, p, &p->sites[k]);
			any = true;
		}
	}
}
