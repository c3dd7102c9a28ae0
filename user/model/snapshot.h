/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The state as records: what a capture must begin with, so that what follows can be understood
 * without what came before. What was held already is then `before attach`, as if watching had begun
 * there: known in size, unknown in origin.
 */
#ifndef UNFREED_MODEL_SNAPSHOT_H
#define UNFREED_MODEL_SNAPSHOT_H

#include "user/model/world.h"

struct snapshot;

int snapshot__new(struct snapshot **out);	/* 0 or -ENOMEM */
struct snapshot *snapshot__free(struct snapshot *snapshot);

/* Keeps a copy of a record that later ones refer to (pairs, files, process facts, stacks, notes);
 * looks at no other. Up to 128 MB of them. Returns 0 or -ENOMEM. */
int snapshot__keep(struct snapshot *snapshot, const struct ev_header *record);

/* Emits what was kept, and the world's regions and readings. 0, -ENOMEM, or what emit returned. */
int snapshot__write(struct snapshot *snapshot, const struct world *world,
		    int (*emit)(void *ctx, const struct ev_header *record), void *ctx);

#endif /* UNFREED_MODEL_SNAPSHOT_H */
