/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Writes a capture beside the model: each record before it is applied, at the end the names of
 * frames. With a limit the newest part is kept, in two generations (docs/capture.md).
 */
#ifndef UNFREED_RECORDER_H
#define UNFREED_RECORDER_H

#include "user/base/log.h"
#include "user/model/world.h"
#include "user/names.h"
#include "user/symbol/symbol.h"
#include "user/wire/capture.h"

struct recorder;

struct recorder_opts {
	struct log *log;		/* borrowed, like all that follows */
	const char *path;
	uint64_t max_sz;		/* of the file, bytes; 0: no limit */
	const struct capture_facts *facts;
	const struct world *world;
	struct symbolizer *symbolizer;
};

/* 0 or -errno, logged. */
int recorder__new(struct recorder **out, const struct recorder_opts *opts);
struct recorder *recorder__free(struct recorder *recorder);	/* accepts NULL */

/*
 * Takes a record that is about to be applied to the world. What fails is logged once, and ends the
 * recording but nothing else; the file holds what was written until then.
 */
void recorder__take(struct recorder *recorder, const struct ev_header *record);
bool recorder__has_failed(const struct recorder *recorder);

/* Names every frame a report may show, in `names` and in the file, and ends the file well. Returns
 * 0, or -errno, logged, of this or of an earlier failure. */
int recorder__finish(struct recorder *recorder, struct names *names);

#endif /* UNFREED_RECORDER_H */
