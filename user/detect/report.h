/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The report: an immutable, complete value. The detector yields it, the program fills in the
 * names of frames (user/name.c), the sinks only format it. It mirrors the JSON contract
 * `unfreed.report/1` key by key (docs/report.md). Strings are raw bytes of hostile processes:
 * each sink escapes for its own medium.
 */
#ifndef UNFREED_DETECT_REPORT_H
#define UNFREED_DETECT_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/event.h"

enum verdict {
	VERDICT_NONE = 0,
	VERDICT_WATCH = 1,	/* sites only: looks like growth, too small or too young to say */
	VERDICT_GROWTH = 2,	/* nothing given back so far, but it still may be */
	VERDICT_LEAK = 3,
};
const char *verdict_name(enum verdict verdict);	/* "none", "watch", "growth", "leak" */

enum report_frame_kind {
	FRAME_NATIVE, FRAME_JAVA, FRAME_JAVA_INLINED, FRAME_JAVA_INTERPRETED, FRAME_KERNEL,
	FRAME_JIT,
};
const char *report_frame_kind_name(enum report_frame_kind kind);	/* as in the JSON */

struct report_frame {
	char *function;		/* NULL: unknown, shown as [module+0xoffset] */
	char *module;		/* last part of the path; NULL: no file */
	char *path;		/* NULL: no file */
	char *build_id;		/* lower-case hex; NULL: none */
	uint64_t offset;	/* in the file, bytes; without a file the address */
	char *file;		/* source file; NULL */
	uint32_t line;		/* 0: unknown */
	enum report_frame_kind kind;
	bool innermost;
	uint64_t ino;		/* of the file; to resolve the name, not printed */
	uint32_t dev;
};

struct report_site {
	char site[17];		/* 16 hex digits; empty: no stack was had */
	char *kind;
	enum verdict verdict;
	uint64_t opened, closed, open, closed_by_collector;
	uint64_t bytes;
	bool has_resident;	/* resident_bytes was measured */
	uint64_t resident_bytes;
	double share;		/* of the process's growth; 0..1 */
	double private_share;	/* of its growth of accessible private memory; 0..1 */
	double bytes_per_second;
	char *evidence;		/* one sentence */
	struct report_frame *frames;	/* from the probe outward */
	size_t n_frames;
	bool complete;		/* the stack reached the thread's first frame */
	struct report_tests *tests;	/* report_tests.h; NULL: nobody asked */
};

struct report_kind {
	char *kind;
	uint64_t opened, closed, open, closed_by_collector, bytes;	/* since watching began */
	uint64_t before_attach;		/* objects from before, not in the others */
};

struct report_limit {
	enum ev_limit_kind kind;
	uint64_t bytes_left;	/* maps for EV_LIMIT_MAP_COUNT */
	uint64_t bytes_limit;	/* likewise; 0: not known */
	double seconds_low, seconds_high;	/* both < 0: not growing towards it */
};

/* Growth that no finding explains: explain.c. */
enum rest {
	REST_FILE, REST_SHARED, REST_GIVEN_BACK, REST_TOUCHED_LATER, REST_ALLOCATOR, REST_UNKNOWN,
	N_RESTS
};
const char *rest_name(enum rest rest);		/* as in the JSON */

struct report_growth {
	double resident_bytes;		/* gained while watched */
	double private_bytes;		/* accessible, likewise */
	double private_explained_share;	/* by the sites found; 0..1 */
	double rest[N_RESTS];		/* bytes of resident memory */
	bool watch;			/* the rest rises all the time */
};

struct report_process {
	uint32_t pid;
	double start_time;	/* seconds since the epoch; 0: unknown */
	char *comm, *cmdline, *unit, *runtime;
	bool exited;
	enum verdict verdict;
	double growth_bytes_per_second;		/* of resident memory over the time watched */
	double explained_share;			/* of that growth, by the sites found; 0..1 */
	struct report_growth growth;
	uint64_t resident_bytes, accessible_bytes, reserved_bytes;
	bool has_limit;
	struct report_limit limit;		/* the nearest */
	char *limit_group;			/* the cgroup whose limit that is; NULL: of none */
	struct report_kind *kinds;		/* those with anything to say */
	size_t n_kinds;
	struct report_site *sites;		/* worst first */
	size_t n_sites;
	size_t n_sites_left_out;		/* over the limit of the report */
};

/* A cgroup with a limit, and who was watched in it. */
struct report_group {
	char *group;		/* its path */
	struct report_limit limit;
	uint32_t *pids;
	size_t n_pids;
};

struct report {
	char *command;		/* "attach", "run"... */
	char *host;
	double started;		/* seconds since the epoch */
	double seconds;		/* watched */
	enum verdict verdict;
	struct report_process *processes;	/* worst first */
	size_t n_processes;
	struct report_group *groups;		/* the one whose limit comes first, first */
	size_t n_groups;
	/* trust */
	uint64_t events;
	uint64_t lost[EV_N_LOSSES];
	uint64_t healed;
	uint64_t stacks, stacks_complete;
	char **not_covered;
	size_t n_not_covered;
};

struct report *report__free(struct report *report);	/* accepts NULL; returns NULL */

/* Adds a sentence about what could not be seen, of which it takes ownership (NULL: no memory); one that
 * is there already is dropped. 0 or -ENOMEM. */
int report__add_not_covered(struct report *report, char *sentence);

/* The command's exit status: 3 when the verdict is a leak, else 0. */
int report__exit_status(const struct report *report);

#endif /* UNFREED_DETECT_REPORT_H */
