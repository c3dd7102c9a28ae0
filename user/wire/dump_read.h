/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Reads records from text: the counterpart of capture_reader. */
#ifndef UNFREED_WIRE_DUMP_READ_H
#define UNFREED_WIRE_DUMP_READ_H

#include "user/wire/capture.h"

struct dump_reader;

/* Reads the first line of `file` (borrowed). Returns 0, -EBADMSG, -ENOMEM, or -errno of reading.
 * *out is to be freed in every case but -ENOMEM, where it is NULL; it tells why. */
int dump_reader__new(struct dump_reader **out, FILE *file);
struct dump_reader *dump_reader__free(struct dump_reader *reader);	/* accepts NULL */

const struct capture_facts *dump_reader__facts(const struct dump_reader *reader);

/* The next record, in *out until the next call; empty lines and those that begin with # are passed
 * over. 1, 0 at the end, -EBADMSG, or -errno of reading. */
int dump_reader__next(struct dump_reader *reader, const struct ev_header **out);

/* After -EBADMSG: what is wrong, static, and in which line, from 1. */
const char *dump_reader__why(const struct dump_reader *reader);
uint64_t dump_reader__line(const struct dump_reader *reader);

#endif /* UNFREED_WIRE_DUMP_READ_H */
