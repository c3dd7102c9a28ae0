/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* The bytes of a capture file, as docs/capture.md tells them. Private to capture_*.c and tests. */
#ifndef UNFREED_WIRE_CAPTURE_FORMAT_H
#define UNFREED_WIRE_CAPTURE_FORMAT_H

#include "user/wire/capture.h"

#define CAPTURE_MAGIC "\211UNFREED"	/* 8 bytes; the first is in no text */
#define CAPTURE_BYTE_ORDER 0x01020304u
#define CAPTURE_FRAME_MAGIC 0x4d415246u	/* "FRAM" */

struct capture_header {
	char magic[8];
	uint32_t version;	/* CAPTURE_VERSION */
	uint32_t byte_order;	/* CAPTURE_BYTE_ORDER, as the writer's machine stores it */
	uint32_t size;		/* of this header */
	uint32_t crc;		/* CRC-32 of this header with 0 here */
	struct capture_facts facts;
};

enum capture_frame_flag {
	CAPTURE_FRAME_SNAPSHOT = 1 << 0,
	CAPTURE_FRAME_END = 1 << 1,	/* the end mark: nothing in it, nothing behind it */
};

struct capture_frame {
	uint32_t magic;		/* CAPTURE_FRAME_MAGIC */
	uint32_t flags;		/* enum capture_frame_flag */
	uint32_t packed_sz;	/* bytes of zlib data that follow */
	uint32_t raw_sz;	/* bytes of records in them */
	uint32_t n_records;
	uint32_t crc;		/* CRC-32 of this, with 0 here, and of the packed bytes */
};

_Static_assert(sizeof(struct capture_facts) == 320, "capture_facts");
_Static_assert(sizeof(struct capture_header) == 344, "capture_header");
_Static_assert(sizeof(struct capture_frame) == 24, "capture_frame");

#define CAPTURE_BLOCK_SZ (256u << 10)		/* a writer's frame holds up to so much */
#define CAPTURE_MAX_RAW_SZ (1u << 20)		/* a reader takes up to so much */
#define CAPTURE_MAX_PACKED_SZ (CAPTURE_MAX_RAW_SZ + (4u << 10))	/* above deflateBound() of it */

uint32_t capture_header__crc(const struct capture_header *header);
uint32_t capture_frame__crc(const struct capture_frame *frame, const void *packed);
/* NULL: sound; else what is wrong, static. */
const char *capture_header__check(const struct capture_header *header);
const char *capture_frame__check(const struct capture_frame *frame);

#endif /* UNFREED_WIRE_CAPTURE_FORMAT_H */
