/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Records as text, a line each: `mmap time=100 tgid=7 tid=7 addr=0x7f0000000000 len=4096 prot=0x3`,
 * and back. One table of fields per type drives both directions (dump_fields.c). A field that is 0 or
 * empty is left out; padding is not told. docs/capture.md has the form.
 */
#ifndef UNFREED_WIRE_DUMP_H
#define UNFREED_WIRE_DUMP_H

#include "user/base/text.h"
#include "user/wire/capture.h"

#define DUMP_FIRST_WORD "unfreed-events"	/* what the first line begins with: the facts */
#define DUMP_MAX_LINE (128u << 10)		/* bytes; no record's line is longer */

/* Each adds a line with its newline. The record is one that ev_check() accepted. */
void dump__add_facts(struct text *text, const struct capture_facts *facts);
void dump__add_record(struct text *text, const struct ev_header *record);

/*
 * Each reads a line without its newline. Returns NULL, or what is wrong, static. The record, of at
 * most EV_MAX_RECORD_SZ bytes, is built in `buf`, 8-byte aligned, and is one that ev_check() accepts.
 */
const char *dump__parse_facts(const char *line, struct capture_facts *out);
const char *dump__parse_record(const char *line, void *buf);

#endif /* UNFREED_WIRE_DUMP_H */
