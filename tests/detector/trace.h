/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Labelled traces in a file: what each site of some processes took and gave back, tick by tick.
 *
 *   proc ID LIMIT_BYTES BASE_BYTES LOSS_RATE TICK_SECONDS
 *   site ID SITE SIZE_BYTES KIND LABEL                     LABEL: leak or ok
 *   t TICK ID SITE BIRTHS DEATH_TICK:COUNT,...
 *   usage TICK ID BYTES
 *
 * A `t` line says that BIRTHS objects were born in TICK, and when how many of them die. A DEATH_TICK
 * before TICK is read the other way round: COUNT objects of that tick die in this one. Lines may
 * come in any order after their `site`. IDs are words. KIND is "file", "shm", "brk", a word with
 * "handle", "stream", "zlib" or "flate" in it for a handle, any other word for anonymous memory, or a
 * number of enum kind. What is said to die after the last line of its process does not. The truth beyond LABEL is in comments: `# truth ID SITE FROM` and
 * `# oom ID TICK`.
 */
#ifndef UNFREED_TESTS_DETECTOR_TRACE_H
#define UNFREED_TESTS_DETECTOR_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TRACE_NAME 128
#define TRACE_NEVER UINT32_MAX
#define TRACE_MAX_TICK (1u << 30)

struct trace_site {
	char name[TRACE_NAME];
	uint64_t size;			/* bytes of an object */
	unsigned int kind;		/* enum kind */
	bool leak;
	uint32_t leak_from;		/* tick; TRACE_NEVER: that of its first birth */
};

/* `n` objects of a site, born in `birth`, appear or die in `tick`. Births come before deaths. */
struct trace_event {
	uint32_t tick, birth;
	uint32_t site, n;
	bool death;
};

struct trace_usage {
	uint32_t tick;
	uint64_t bytes;
};

struct trace_process {
	char id[TRACE_NAME];
	uint64_t limit, base;		/* bytes */
	double loss, tick_s;
	uint32_t oom;			/* tick; TRACE_NEVER: never reached, or not known */
	uint32_t n_ticks;		/* one more than the last that is mentioned */
	struct trace_site *sites;
	size_t n_sites, sites_capacity;
	struct trace_event *events;	/* by tick, births first */
	size_t n_events, events_capacity;
	struct trace_usage *usage;	/* by tick */
	size_t n_usage, usage_capacity;
};

struct trace {
	struct trace_process *processes;
	size_t n, capacity;
};

/* Reads a file, "-" for standard input. Says on stderr what is wrong and where; 0 or -1. The caller
 * owns what is in *out, on success. */
int trace__read(struct trace *out, const char *path);
void trace__fini(struct trace *trace);

#endif /* UNFREED_TESTS_DETECTOR_TRACE_H */
