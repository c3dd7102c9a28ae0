/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Labelled traces in a file: what each site of some processes took and gave back, tick by tick.
 *
 *   proc ID LIMIT_BYTES BASE_BYTES LOSS_RATE TICK_SECONDS
 *   site ID SITE SIZE_BYTES KIND LABEL                     LABEL: leak or ok
 *   t TICK ID SITE BIRTHS DEATH_TICK:COUNT,...
 *   usage TICK ID BYTES
 *
 * A `t` line says that BIRTHS objects were born in TICK, and when how many of them die; without any
 * death, or with "-", none of them does. A DEATH_TICK before TICK is read the other way round: COUNT
 * objects of that tick die in this one. Lines may come in any order, those of a site after its `site`,
 * that after its `proc`; lines of the same tick and site add up. A process ends with the last TICK of its
 * `t` and `usage` lines: what is said to die later lives on. More than were born in a tick cannot die of
 * it: what is too much is dropped. The usage between two readings follows the births and deaths;
 * before the first it is BASE_BYTES and what is held.
 *
 * IDs and SITEs are words of up to 127 bytes. A number may be written as 4096, 4096.0 or 4e3. LIMIT_BYTES 0, "none" or
 * "inf": none is known, so nothing can be weighed and no alarm is told. LOSS_RATE: the share of
 * the deaths that was lost, 0 to below 1. KIND is "file", "shm", "brk", a word with "handle", "stream",
 * "zlib" or "flate" in it for a handle, any other word for anonymous memory, or a number of enum kind. The
 * truth beyond LABEL is in comments: `# truth ID SITE FROM` and `# oom ID TICK`; other comments are
 * skipped.
 */
#ifndef UNFREED_TESTS_DETECTOR_TRACE_H
#define UNFREED_TESTS_DETECTOR_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TRACE_NAME 128
#define TRACE_NEVER UINT32_MAX
#define TRACE_MAX_TICK 10000000u
#define TRACE_MAX_COUNT 100000000u	/* objects in one field */
#define TRACE_MAX_SECONDS 4e8		/* the detector's ticks are 32 bits wide */

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
