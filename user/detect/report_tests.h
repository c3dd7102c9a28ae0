/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* The tests behind a verdict, as values of the report: struct report_site has them if they were asked
 * for (detector_opts.explain). */
#ifndef UNFREED_DETECT_REPORT_TESTS_H
#define UNFREED_DETECT_REPORT_TESTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/event.h"

enum test_unit {
	TEST_UNIT_COUNT, TEST_UNIT_BYTES, TEST_UNIT_SECONDS, TEST_UNIT_SHARE, TEST_UNIT_RATIO,
	TEST_UNIT_RATE,		/* per second */
};

const char *test_unit_name(enum test_unit unit);	/* as in the JSON */

/* One test that a site was put to, or was not because an earlier one was missed. */
struct report_test {
	const char *way, *name;	/* static; tests of one way follow each other */
	enum test_unit unit;
	double age;		/* at which the way was tried, seconds; 0: at none */
	bool asked;		/* else the rest means nothing */
	bool met;
	bool at_most;		/* the threshold is the most; else the least */
	double measured, threshold;	/* INFINITY: no end */
};

/* The last judgement of a site, number by number: detector_opts.explain. Moments are seconds since the
 * process was seen first, of its own clock. */
struct report_tests {
	bool service;		/* the question: DETECTOR_SERVICE */
	const char *unasked;	/* static: why no test was made; NULL */
	double at;		/* when it was judged */
	bool has_limit;		/* the least that is left is known: */
	enum ev_limit_kind limit;
	double bytes_left;	/* likewise; mappings count as many bytes as they would hold */
	double since;		/* of the verdict */
	bool holds;		/* every test did at that judgement, but maybe TEST_HOLD */
	double held;		/* when they did last; < 0: never */
	uint64_t kept, kept_died;	/* survivors at that moment, and how many were given back since */
	bool retracted;		/* a finding was, ever */
	double retracted_at;
	const char *retracted_why;	/* static */
	struct report_test *list;
	size_t n;
};

#endif /* UNFREED_DETECT_REPORT_TESTS_H */
