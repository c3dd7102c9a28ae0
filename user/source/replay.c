/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Tells a capture from text by its first byte, which is in no text, and words what is wrong. */
#include "user/source/replay.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/error.h"

struct replay {
	struct replay_opts opts;
	FILE *file;
	struct capture_reader *reader;	/* NULL: text */
	bool damaged;
};

static int cannot_read(const struct replay *replay, int r)
{
	log_error(replay->opts.log, "%s: %s", replay->opts.path, strerror(-r));
	return r;
}

/* What is wrong with a capture, and where. */
static int capture_is_bad(struct replay *replay, bool in_header, int r)
{
	const char *why = capture_reader__why(replay->reader);
	uint64_t offset = capture_reader__offset(replay->reader);

	if (r != -EBADMSG)
		return cannot_read(replay, r);
	if (in_header) {
		log_error(replay->opts.log, "%s: offset %" PRIu64 ": %s", replay->opts.path, offset, why);
		return r;
	}
	replay->damaged = true;
	if (replay->opts.salvage) {
		log_warning(replay->opts.log, "%s: offset %" PRIu64 ": %s; what was recorded up to "
			    "there follows", replay->opts.path, offset, why);
		return 0;
	}
	log_error(replay->opts.log, "%s: offset %" PRIu64 ": %s; --salvage reports what there is up "
		  "to there", replay->opts.path, offset, why);
	return r;
}

static int open_capture(struct replay *replay)
{
	int r = capture_reader__new(&replay->reader, replay->file);

	if (r)
		return replay->reader ? capture_is_bad(replay, true, r) : cannot_read(replay, r);
	return 0;
}

static int open_any(struct replay *replay)
{
	int first;

	replay->file = fopen(replay->opts.path, "re");
	if (!replay->file)
		return cannot_read(replay, negative_errno());
	first = fgetc(replay->file);
	if (first == EOF && ferror(replay->file))
		return cannot_read(replay, negative_errno());
	ungetc(first, replay->file);
	return open_capture(replay);
}

int replay__open(struct replay **out, const struct replay_opts *opts)
{
	struct replay *replay = calloc(1, sizeof(*replay));
	int r;

	if (!replay)
		return -ENOMEM;
	replay->opts = *opts;
	r = open_any(replay);
	if (r) {
		replay__free(replay);
		return r;
	}
	*out = replay;
	return 0;
}

struct replay *replay__free(struct replay *replay)
{
	if (!replay)
		return NULL;
	capture_reader__free(replay->reader);
	if (replay->file)
		fclose(replay->file);
	free(replay);
	return NULL;
}

const struct capture_facts *replay__facts(const struct replay *replay)
{
	return capture_reader__facts(replay->reader);
}

int replay__next(struct replay *replay, const struct ev_header **out)
{
	int r;

	if (replay->damaged)
		return 0;
	r = capture_reader__next(replay->reader, out);
	return r < 0 ? capture_is_bad(replay, false, r) : r;
}

bool replay__is_damaged(const struct replay *replay)
{
	return replay->damaged;
}
