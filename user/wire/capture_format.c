/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* What makes a header or a frame's head sound: the same for whoever writes, reads or joins. */
#include "user/wire/capture_format.h"

#include <string.h>
#include <zlib.h>

uint32_t capture_header__crc(const struct capture_header *header)
{
	struct capture_header copy = *header;

	copy.crc = 0;
	return (uint32_t)crc32(0, (const void *)&copy, sizeof(copy));
}

uint32_t capture_frame__crc(const struct capture_frame *frame, const void *packed)
{
	struct capture_frame copy = *frame;

	copy.crc = 0;
	return (uint32_t)crc32(crc32(0, (const void *)&copy, sizeof(copy)), packed,
			       frame->packed_sz);
}

const char *capture_facts__check(const struct capture_facts *facts)
{
	if (facts->flags & ~(uint32_t)(CAPTURE_KEEP_EXITED | CAPTURE_WHOLE_SYSTEM))
		return "it has unknown flags";
	if (facts->question > 1)
		return "it asks an unknown question";
	if (!memchr(facts->command, '\0', sizeof(facts->command)) ||
	    !memchr(facts->host, '\0', sizeof(facts->host)))
		return "its header has a text without an end";
	return NULL;
}

const char *capture_header__check(const struct capture_header *header)
{
	if (memcmp(header->magic, CAPTURE_MAGIC, sizeof(header->magic)))
		return "it is not a capture of unfreed";
	if (header->byte_order == __builtin_bswap32(CAPTURE_BYTE_ORDER))
		return "it was recorded on a machine of the other byte order";
	if (header->byte_order != CAPTURE_BYTE_ORDER)
		return "its header is damaged";
	if (header->version != CAPTURE_VERSION)
		return "it is of another version of the format than this program reads";
	if (header->size != sizeof(*header) || header->crc != capture_header__crc(header))
		return "its header is damaged";
	return capture_facts__check(&header->facts);
}

const char *capture_frame__check(const struct capture_frame *frame)
{
	if (frame->magic != CAPTURE_FRAME_MAGIC)
		return "no frame begins here";
	if (frame->flags & ~(uint32_t)(CAPTURE_FRAME_SNAPSHOT | CAPTURE_FRAME_END))
		return "the frame has unknown flags";
	if (frame->flags & CAPTURE_FRAME_END)
		return frame->packed_sz || frame->raw_sz || frame->n_records ?
			       "the end mark is not empty" : NULL;
	if (!frame->packed_sz || frame->packed_sz > CAPTURE_MAX_PACKED_SZ || !frame->raw_sz ||
	    frame->raw_sz > CAPTURE_MAX_RAW_SZ)
		return "the frame's size is out of bounds";
	if (!frame->n_records || frame->n_records > frame->raw_sz / sizeof(struct ev_header))
		return "the frame's number of records is out of bounds";
	return NULL;
}
