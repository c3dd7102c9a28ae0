/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* A process's own clock. Private to user/model but for what world.h declares of it. */
#ifndef UNFREED_MODEL_CLOCK_H
#define UNFREED_MODEL_CLOCK_H

#include "user/model/world.h"

/* The clock of a process first seen now. */
void clock__start(struct process_clock *clock, const struct world *world);
/* The clock of a child: its copies of the parent's objects were born by the parent's. */
void clock__fork(struct process_clock *child, const struct process_clock *parent,
		 const struct world *world);
/* It did something itself, at `time_ns`. */
void clock__ran(struct process_clock *clock, const struct world *world, uint64_t time_ns);
/* What the source saw of it. */
void clock__read(struct process_clock *clock, const struct world *world, const struct ev_run *event);
/* It is over: the clock stands still for good. */
void clock__stop(struct process_clock *clock, const struct world *world);

#endif /* UNFREED_MODEL_CLOCK_H */
