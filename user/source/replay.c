/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Tells a capture from text by its first byte, and words what is wrong. */
#include "user/source/replay.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/error.h"
#include "user/wire/dump.h"
#include "user/wire/dump_read.h"

#define FIRST_OF_CAPTURE 0x89	/* of CAPTURE_MAGIC: in no text */

struct replay {
	struct replay_opts opts;
	FILE *file;
	struct capture_reader *capture;	/* one of the two */
	struct dump_reader *text;
	bool damaged;
};

static int cannot_read(const struct replay *replay, int r)
{
	log_error(replay->opts.log, "%s: %s", replay->opts.path, strerror(-r));
	return r;
}

/* What is wrong with the file, and where. With `in_header` there is nothing to salvage. */
static int is_bad(struct replay *replay, bool in_header, int r)
{
	const char *place = replay->text ? "line" : "offset", *why;
	uint64_t where;

	if (r != -EBADMSG)
		return cannot_read(replay, r);
	why = replay->text ? dump_reader__why(replay->text) : capture_reader__why(replay->capture);
	where = replay->text ? dump_reader__line(replay->text) :
			       capture_reader__offset(replay->capture);
	if (in_header) {
		log_error(replay->opts.log, "%s: %s %" PRIu64 ": %s", replay->opts.path, place, where,
			  why);
		return r;
	}
	replay->damaged = true;
	if (replay->opts.salvage) {
		log_warning(replay->opts.log, "%s: %s %" PRIu64 ": %s; what was recorded up to there "
			    "follows", replay->opts.path, place, where, why);
		return 0;
	}
	log_error(replay->opts.log, "%s: %s %" PRIu64 ": %s; --salvage reports what there is up to "
		  "there", replay->opts.path, place, where, why);
	return r;
}

static int open_any(struct replay *replay)
{
	int first, r;

	replay->file = fopen(replay->opts.path, "re");
	if (!replay->file)
		return cannot_read(replay, negative_errno());
	errno = 0;
	first = fgetc(replay->file);
	if (first == EOF && ferror(replay->file))
		return cannot_read(replay, negative_errno());
	if (first == EOF) {
		log_error(replay->opts.log, "%s: offset 0: it is empty", replay->opts.path);
		return -EBADMSG;
	}
	if (first != FIRST_OF_CAPTURE && first != *DUMP_FIRST_WORD) {
		log_error(replay->opts.log, "%s: offset 0: it is not a capture of unfreed",
			  replay->opts.path);
		return -EBADMSG;
	}
	ungetc(first, replay->file);
	if (first == FIRST_OF_CAPTURE)
		r = capture_reader__new(&replay->capture, replay->file);
	else
		r = dump_reader__new(&replay->text, replay->file);
	return r ? is_bad(replay, true, r) : 0;
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
	capture_reader__free(replay->capture);
	dump_reader__free(replay->text);
	if (replay->file)
		fclose(replay->file);
	free(replay);
	return NULL;
}

const struct capture_facts *replay__facts(const struct replay *replay)
{
	return replay->text ? dump_reader__facts(replay->text) :
			      capture_reader__facts(replay->capture);
}

int replay__next(struct replay *replay, const struct ev_header **out)
{
	int r;

	if (replay->damaged)
		return 0;
	r = replay->text ? dump_reader__next(replay->text, out) :
			   capture_reader__next(replay->capture, out);
	return r < 0 ? is_bad(replay, false, r) : r;
}

bool replay__is_damaged(const struct replay *replay)
{
	return replay->damaged;
}
