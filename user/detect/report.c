/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The report as a value: its words, its end, its exit status. build.c makes it.
 */
#include "user/detect/report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/cleanup.h"
#include "user/base/error.h"
#include "user/detect/report_tests.h"

const char *verdict_name(enum verdict verdict)
{
	switch (verdict) {
	case VERDICT_NONE:
		return "none";
	case VERDICT_WATCH:
		return "watch";
	case VERDICT_GROWTH:
		return "growth";
	case VERDICT_LEAK:
		return "leak";
	}
	return "none";
}

const char *report_frame_kind_name(enum report_frame_kind kind)
{
	switch (kind) {
	case FRAME_NATIVE:
		return "native";
	case FRAME_JAVA:
		return "java";
	case FRAME_JAVA_INLINED:
		return "java-inlined";
	case FRAME_JAVA_INTERPRETED:
		return "java-interpreted";
	case FRAME_KERNEL:
		return "kernel";
	case FRAME_JIT:
		return "jit";
	}
	return "native";
}

const char *test_unit_name(enum test_unit unit)
{
	static const char *const names[] = {
		[TEST_UNIT_COUNT] = "count",
		[TEST_UNIT_BYTES] = "bytes",
		[TEST_UNIT_SECONDS] = "seconds",
		[TEST_UNIT_SHARE] = "share",
		[TEST_UNIT_RATIO] = "ratio",
		[TEST_UNIT_RATE] = "per-second",
	};

	return (unsigned int)unit <= TEST_UNIT_RATE ? names[unit] : "count";
}

const char *rest_name(enum rest rest)
{
	static const char *const names[] = {
		[REST_FILE] = "file",
		[REST_SHARED] = "shared",
		[REST_GIVEN_BACK] = "given_back",
		[REST_TOUCHED_LATER] = "touched_later",
		[REST_ALLOCATOR] = "allocator",
		[REST_UNKNOWN] = "unknown",
	};

	return (unsigned int)rest < N_RESTS ? names[rest] : "unknown";
}

static void site__fini(struct report_site *site)
{
	for (size_t i = 0; i < site->n_frames; i++) {
		free(site->frames[i].function);
		free(site->frames[i].module);
		free(site->frames[i].path);
		free(site->frames[i].build_id);
		free(site->frames[i].file);
	}
	free(site->frames);
	if (site->tests)
		free(site->tests->list);
	free(site->tests);
	free(site->kind);
	free(site->evidence);
}

static void process__fini(struct report_process *p)
{
	for (size_t i = 0; i < p->n_sites; i++)
		site__fini(&p->sites[i]);
	for (size_t i = 0; i < p->n_kinds; i++)
		free(p->kinds[i].kind);
	free(p->sites);
	free(p->kinds);
	free(p->comm);
	free(p->cmdline);
	free(p->unit);
	free(p->runtime);
	free(p->limit_group);
}

struct report *report__free(struct report *report)
{
	if (!report)
		return NULL;
	for (size_t i = 0; i < report->n_processes; i++)
		process__fini(&report->processes[i]);
	for (size_t i = 0; i < report->n_not_covered; i++)
		free(report->not_covered[i]);
	for (size_t i = 0; i < report->n_groups; i++) {
		free(report->groups[i].group);
		free(report->groups[i].pids);
	}
	free(report->groups);
	free(report->processes);
	free(report->not_covered);
	free(report->command);
	free(report->host);
	free(report);
	return NULL;
}

int report__exit_status(const struct report *report)
{
	return report->verdict == VERDICT_LEAK ? EXIT_LEAK : EXIT_NO_LEAK;
}

int report__add_not_covered(struct report *report, char *sentence)
{
	cleanup_free char *note = sentence;
	char **grown;

	if (!note)
		return -ENOMEM;
	for (size_t i = 0; i < report->n_not_covered; i++) {
		if (!strcmp(report->not_covered[i], note))
			return 0;
	}
	grown = realloc(report->not_covered, (report->n_not_covered + 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	report->not_covered = grown;
	report->not_covered[report->n_not_covered++] = steal_ptr(&note);
	return 0;
}
