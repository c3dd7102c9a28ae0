/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Names of frames that only the live process knew (EV_METHOD), kept while a stack or a process
 * refers to them. Equal ones are one: a hundred stacks through the same code share their names.
 */
#ifndef UNFREED_MODEL_METHODS_H
#define UNFREED_MODEL_METHODS_H

#include "user/base/table.h"
#include "user/model/world.h"

/* Of the world. */
struct method_pool {
	struct table by_content;
	size_t bytes;		/* of memory held, without the table */
	size_t n_frames;	/* rows of all processes */
};

/* Of a process: frame -> struct methods. */
struct method_frames {
	struct table by_frame;
};

void method_pool__init(struct method_pool *pool);
void method_pool__fini(struct method_pool *pool);	/* once nobody refers to names any more */
void method_frames__init(struct method_frames *frames);
void method_frames__fini(struct method_frames *frames, struct method_pool *pool); /* idempotent */

/* Learns a record; a newer one for the same frame takes its place. What was told so long ago that it
 * would be told again goes when there are `max` frames. 0; 1 when there are still as many; -ENOMEM. */
int method_frames__learn(struct method_frames *frames, struct method_pool *pool, size_t max,
			 const struct ev_method *event);

/* The names told for a frame; NULL: none. */
const struct methods *method_frames__find(const struct method_frames *frames,
					  const struct ev_frame *frame);

/* A reference. NULL is accepted by both. */
const struct methods *methods__ref(const struct methods *methods);
void methods__unref(const struct methods *methods, struct method_pool *pool);

#endif /* UNFREED_MODEL_METHODS_H */
