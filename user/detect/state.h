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
	struct series resident;		/* bytes, by EV_MEMORY */
	struct series accessible;	/* bytes, by checks */
	struct series mapped;		/* VmSize, by EV_MEMORY; bytes */
	struct series maps;		/* maps it has, of those allowed, by EV_MEMORY */
	enum verdict verdict;
};

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
	double loss_rate;		/* greatest share of events lost so far, 0..1 */
	bool no_memory;			/* a callback ran out of it; told by the next check */
};

/* NULL: nothing is known of it. */
const struct tracked *detector__tracked(const struct detector *detector,
					const struct process *process);

/* The last moment of the process that counts: now, or its exit; in ticks. */
uint32_t process__last_tick(const struct process *process, const struct world *world);

#endif /* UNFREED_DETECT_STATE_H */
