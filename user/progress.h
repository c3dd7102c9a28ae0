/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* The one line that shows, on a terminal, that something is being done and what it finds. */
#ifndef UNFREED_PROGRESS_H
#define UNFREED_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "user/base/log.h"
#include "user/detect/detector.h"
#include "user/model/world.h"

struct progress {
	struct log *log;
	bool wanted;
	uint64_t shown_ns;	/* of the world's clock */
	uint64_t first_ns;
};

/* `wanted` and standard error is a terminal: else nothing is ever shown. */
void progress__init(struct progress *progress, struct log *log, bool wanted);
/* Twice a second at most. */
void progress__show(struct progress *progress, const struct world *world,
		    const struct detector *detector);
void progress__end(struct progress *progress);

#endif /* UNFREED_PROGRESS_H */
