/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * What the parts of the detector share: its own state and that of a process. Private to
 * user/detect.
 */
#ifndef UNFREED_DETECT_STATE_H
#define UNFREED_DETECT_STATE_H

#include "user/base/table.h"
#include "user/detect/detector.h"
#include "user/detect/series.h"
#include "user/detect/trend.h"

/* Of one process, from its first record to process_gone. */
struct tracked {
	const struct process *process;
	uint32_t first_tick;	/* of its first record */
	uint32_t now_tick;	/* of its latest check, or of its end */
	struct series resident;		/* bytes, by EV_MEMORY */
	struct series accessible;	/* bytes, by checks */
	struct series mapped;		/* VmSize, by EV_MEMORY; bytes */
	struct series maps;		/* maps it has, of those allowed, by EV_MEMORY */
	/* Of what a limit allows, so much is used by all whom it binds; NULL: not known. The host's is
	 * the detector's own, the others the process's. */
	struct series *used[EV_N_LIMITS];
	uint64_t used_limit[EV_N_LIMITS];	/* the limit that was in force then */
	struct ev_memory least;		/* the reading with the least resident memory, swap included */
	uint64_t least_private;		/* process__private_bytes() then */
	bool has_least;
	uint64_t read_private;		/* ... and at the latest reading, which was at */
	uint64_t read_ns;
	enum verdict verdict;
};

/* Accessible private memory: what the process asked for and nobody shares. */
static inline uint64_t process__private_bytes(const struct process *p)
{
	return p->kinds[KIND_ANON].bytes + p->kinds[KIND_HEAP].bytes;
}

void tracked__free(struct tracked *tracked);
/* Takes in the process's latest readings, as of a check. 0 or -ENOMEM. */
int tracked__read(struct tracked *tracked, uint64_t now_ns);

/* A slot of detector.processes. */
struct tracked_slot {
	const struct process *process;	/* the key */
	struct tracked *tracked;	/* owned by the table's owner */
};

struct detector {
	struct detector_opts opts;
	const struct world *world;	/* borrowed; NULL before detector__watch() */
	struct table processes;		/* struct tracked_slot */
	struct trend *trends;		/* all of them */
	struct series host;		/* memory of the host that is in use, bytes */
	double loss_rate;		/* greatest share of events lost so far, 0..1 */
	struct site_log *logs;		/* of the sites to be explained: build_tests.c */
	bool urgent;			/* as of the last check: detector__is_urgent() */
	bool no_memory;			/* a callback ran out of it; told by the next check */
};

/* NULL: nothing is known of it. */
const struct tracked *detector__tracked(const struct detector *detector,
					const struct process *process);

/* The last moment of the process that counts: now, or its exit; in ticks. */
uint32_t process__last_tick(const struct process *process, const struct world *world);

#endif /* UNFREED_DETECT_STATE_H */
