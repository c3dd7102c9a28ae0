/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The logs of the sites that are to be explained (detector_opts.explain), and what the report tells of
 * them. Private to user/detect.
 */
#ifndef UNFREED_DETECT_BUILD_TESTS_H
#define UNFREED_DETECT_BUILD_TESTS_H

#include "user/detect/state.h"

/* The site is one of them. */
bool detector__explains(const struct detector *detector, const struct site *site);

/* The log of its judgements, made when there is none yet. NULL: nobody asked, or no memory, which the
 * next check tells. */
struct test_log *detector__log(struct detector *detector, const struct site *site);
/* To be called after a judgement: what was left then is soon another. */
void test_log__note_limit(struct test_log *log, const struct process *process, uint64_t process_left);
void detector__drop_log(struct detector *detector, const struct site *site);
void detector__free_logs(struct detector *detector);

/* Fills in out->tests if the site is one of them. 0 or -ENOMEM. */
int report_site__add_tests(struct report_site *out, const struct detector *detector,
			   const struct site *site);

#endif /* UNFREED_DETECT_BUILD_TESTS_H */
