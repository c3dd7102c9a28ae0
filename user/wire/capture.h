/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The capture file: a header, then frames of records, each frame by itself compressed and checked
 * (docs/capture.md). Written append-only; whatever is cut off or damaged, the frames before that
 * are as good as ever.
 */
#ifndef UNFREED_WIRE_CAPTURE_H
#define UNFREED_WIRE_CAPTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "bpf/event.h"

/* Raised whenever a reader of the old one would misread the new one: the frames, the header, or the
 * layout of a record (bpf/event.h). A new type of record is no reason: old readers refuse it. */
#define CAPTURE_VERSION 1

enum capture_fact_flag {
	CAPTURE_KEEP_EXITED = 1 << 0,	/* as in struct world_opts */
	CAPTURE_WHOLE_SYSTEM = 1 << 1,	/* as in struct report_facts */
};

/* What a report says and is made by that no record tells. */
struct capture_facts {
	uint64_t started;	/* when watching began, ns since the epoch */
	uint64_t boot_time;	/* CLOCK_BOOTTIME 0, ns since the epoch */
	uint64_t started_ns;	/* CLOCK_MONOTONIC of `started`: the clock of all records */
	uint32_t flags;		/* enum capture_fact_flag */
	uint32_t question;	/* enum detector_question */
	char command[32];	/* that recorded: "record", "attach"...; terminated */
	char host[256];		/* its name; terminated */
};

/* --- writing ----------------------------------------------------------------------------------- */

struct capture_writer;

/* Creates the file, or empties one that is there, and writes the header. 0 or -errno. */
int capture_writer__new(struct capture_writer **out, const char *path,
			const struct capture_facts *facts);
struct capture_writer *capture_writer__free(struct capture_writer *writer);	/* accepts NULL */

/*
 * Adds a record; it reaches the file with its frame, by capture_writer__flush() at the latest.
 * Returns 0 or -errno. After an error the file ends with its last whole frame, if it can be cut
 * there, and every further call returns the same.
 */
int capture_writer__add(struct capture_writer *writer, const struct ev_header *record);
int capture_writer__flush(struct capture_writer *writer);
/* Marks the records from here on as those of a snapshot (user/recorder.c), or no longer. */
int capture_writer__set_snapshot(struct capture_writer *writer, bool snapshot);
/* Flushes, writes the end mark and gives the file to the disk. Nothing is added afterwards. */
int capture_writer__end(struct capture_writer *writer);

uint64_t capture_writer__size(const struct capture_writer *writer);	/* of the file, bytes */
uint64_t capture_writer__n_records(const struct capture_writer *writer);

/* --- reading ----------------------------------------------------------------------------------- */

struct capture_reader;

/*
 * Reads the header from `file` (borrowed, at its start). Returns 0, or -EBADMSG, -ENOMEM or -errno
 * of reading. *out is to be freed in every case but -ENOMEM, where it is NULL; it tells why.
 */
int capture_reader__new(struct capture_reader **out, FILE *file);
struct capture_reader *capture_reader__free(struct capture_reader *reader);	/* accepts NULL */

const struct capture_facts *capture_reader__facts(const struct capture_reader *reader);

/*
 * The next record, in *out until the next call. Returns 1, 0 after the end mark, -EBADMSG where the
 * file is damaged or cut short (all before was good), or -errno of reading. No record of a damaged
 * frame is ever handed out.
 */
int capture_reader__next(struct capture_reader *reader, const struct ev_header **out);
/* Whether the record last handed out belongs to a snapshot. */
bool capture_reader__in_snapshot(const struct capture_reader *reader);

/* After -EBADMSG: what is wrong, static, and where, in bytes from the start. */
const char *capture_reader__why(const struct capture_reader *reader);
uint64_t capture_reader__offset(const struct capture_reader *reader);

/* NULL: the facts are such as can be worked with; else what is wrong with them, static. */
const char *capture_facts__check(const struct capture_facts *facts);

/*
 * Appends the frames of the capture at `from` to the one at `to`, but for its snapshot: what is
 * left when the second generation is joined to the first. 0 or -errno; then `to` is as it was.
 */
int capture_join(const char *to, const char *from);

#endif /* UNFREED_WIRE_CAPTURE_H */
