/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Tells each leak once, in one line of the log (user/sink/finding.h), as soon as it is found. */
#ifndef UNFREED_ALERT_H
#define UNFREED_ALERT_H

#include "user/base/table.h"
#include "user/pipeline.h"

struct alert {
	struct table told;	/* struct told */
	uint64_t next_ns;	/* CLOCK_MONOTONIC: no report is made before this */
};

void alert__init(struct alert *alert);
void alert__fini(struct alert *alert);	/* idempotent */

/* Tells what was found since. To be called after each tick. 0 or -errno, logged. */
int alert__check(struct alert *alert, struct pipeline *pipeline);

#endif /* UNFREED_ALERT_H */
