/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * A file as a source of records: a capture, or the same as text (user/wire/dump.h). Needs nothing of
 * the machine that recorded, and no privileges. The file is hostile.
 */
#ifndef UNFREED_SOURCE_REPLAY_H
#define UNFREED_SOURCE_REPLAY_H

#include "user/base/log.h"
#include "user/wire/capture.h"

struct replay;

struct replay_opts {
	const char *path;	/* borrowed */
	struct log *log;	/* borrowed */
	bool salvage;		/* a damaged file is worth what can be read of it */
};

/* Opens the file and reads its facts. 0 or -errno, logged in one line. */
int replay__open(struct replay **out, const struct replay_opts *opts);
struct replay *replay__free(struct replay *replay);	/* accepts NULL */

const struct capture_facts *replay__facts(const struct replay *replay);

/*
 * The next record, in *out until the next call. Returns 1, 0 at the end, or -errno, logged in one
 * line that names the file and the place. With `salvage` the end is where the damage begins, which
 * is logged likewise.
 */
int replay__next(struct replay *replay, const struct ev_header **out);

/* Whether the end was one of damage. */
bool replay__is_damaged(const struct replay *replay);

#endif /* UNFREED_SOURCE_REPLAY_H */
