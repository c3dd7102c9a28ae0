/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * A judgement is explained by what it noted when it was made, not by making it again: what is told is
 * what the verdict came from, even if more happened since. So the sites in question are known before
 * the first record, and only these have a log, apart from their trends: whoever explains nothing pays
 * nothing for it.
 */
#include "user/detect/build_tests.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "user/detect/share.h"
#include "user/detect/test_log.h"
#include "user/detect/trend.h"
#include "user/detect/verdict.h"

struct site_log {
	struct site_log *next;
	const struct site *site;
	struct test_log log;
};

bool detector__explains(const struct detector *detector, const struct site *site)
{
	const struct site_prefix *prefix = &detector->opts.explain;

	return prefix->n_digits && site->id &&
	       site->id >> (64 - 4 * prefix->n_digits) == prefix->digits;
}

static struct site_log *find_log(const struct detector *detector, const struct site *site)
{
	struct site_log *log = detector->logs;

	while (log && log->site != site)
		log = log->next;
	return log;
}

struct test_log *detector__log(struct detector *detector, const struct site *site)
{
	struct site_log *log;

	if (!detector__explains(detector, site))
		return NULL;
	log = find_log(detector, site);
	if (log)
		return &log->log;
	log = calloc(1, sizeof(*log));
	if (!log) {
		detector->no_memory = true;
		return NULL;
	}
	log->site = site;
	log->next = detector->logs;
	detector->logs = log;
	return &log->log;
}

void test_log__note_limit(struct test_log *log, const struct process *process, uint64_t process_left)
{
	uint64_t least;

	if (!log)
		return;
	least = process__left(process);
	log->limit = EV_LIMIT_MAP_COUNT;	/* where it is none of those in bytes */
	for (unsigned int i = 0; log->left >= process_left && i < EV_N_LIMITS; i++)
		if (limit_is_bytes(i) && process->memory.left[i] == least)
			log->limit = i;
}

void detector__drop_log(struct detector *detector, const struct site *site)
{
	struct site_log **at = &detector->logs, *log;

	while (*at && (*at)->site != site)
		at = &(*at)->next;
	log = *at;
	if (!log)
		return;
	*at = log->next;
	free(log);
}

void detector__free_logs(struct detector *detector)
{
	while (detector->logs)
		detector__drop_log(detector, detector->logs->site);
}

/* --- into the report -------------------------------------------------------------------------- */

static double seconds_at(const struct test_log *log, uint32_t tick)
{
	return tick > log->first ? (tick - log->first) * WORLD_TICK_S : 0;
}

static void add_verdict(struct report_tests *tests, const struct test_log *log,
			const struct trend *trend)
{
	tests->since = seconds_at(log, trend->verdict_since);
	tests->holds = trend->test_true;
	tests->held = trend->last_true ? seconds_at(log, trend->last_true) : -1;
	tests->kept = trend->kept;
	tests->kept_died = trend->kept_died;
	tests->retracted = trend->ended;
	if (!tests->retracted)
		return;
	tests->retracted_at = seconds_at(log, trend->ended);
	tests->retracted_why = test_why(trend->ended_by);
}

int report_site__add_tests(struct report_site *out, const struct detector *detector,
			   const struct site *site)
{
	const struct site_log *found;
	const struct test_log *log;
	struct report_tests *tests;

	if (!detector__explains(detector, site))
		return 0;
	tests = out->tests = calloc(1, sizeof(*tests));
	if (!tests)
		return -ENOMEM;
	tests->service = detector->opts.question == DETECTOR_SERVICE;
	tests->held = -1;
	found = find_log(detector, site);
	if (!found) {
		tests->unasked = site__unasked(site, &(struct verdict_facts){ 0 });
		if (!tests->unasked)
			tests->unasked = "it is too young to have been judged";
		return 0;
	}
	log = &found->log;
	tests->unasked = log->unasked;
	tests->at = seconds_at(log, log->now);
	tests->has_limit = tests->service && log->left != UINT64_MAX;
	if (tests->has_limit) {
		tests->limit = log->limit;
		tests->bytes_left = (double)log->left;
	}
	if (site->trend)
		add_verdict(tests, log, site->trend);
	return test_log__list(log, tests->service, kind_is_handle(site->kind), site->process->exited,
			      &tests->list, &tests->n);
}
