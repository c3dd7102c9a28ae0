/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * A frame at a time: its head is checked before its sizes are believed, its checksum before it is
 * unpacked, and each of its records before the first of them is handed out. Two buffers of fixed
 * size are all the memory a file can ask for.
 */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "user/base/error.h"
#include "user/wire/capture_format.h"
#include "user/wire/decode.h"

struct capture_reader {
	FILE *file;
	struct capture_header header;
	const char *why;
	uint64_t offset;	/* of the frame that is read, or of what is wrong */
	uint64_t next_offset;
	struct capture_frame frame;
	uint32_t at;		/* in raw: of the next record */
	bool ended;
	bool z_ready;
	z_stream z;
	uint8_t *packed;
	_Alignas(8) uint8_t raw[CAPTURE_MAX_RAW_SZ];
};

static int bad(struct capture_reader *reader, const char *why)
{
	reader->why = why;
	reader->ended = true;
	return -EBADMSG;
}

/* 1: all of it, 0: the file ended just before, -EBADMSG: inside, or -errno. */
static int read_exactly(struct capture_reader *reader, void *out, size_t n)
{
	size_t got;

	errno = 0;
	got = fread(out, 1, n, reader->file);
	if (got == n)
		return 1;
	if (ferror(reader->file))
		return negative_errno();
	return got ? bad(reader, "it is cut off") : 0;
}

int capture_reader__new(struct capture_reader **out, FILE *file)
{
	struct capture_reader *reader = *out = calloc(1, sizeof(*reader));
	const char *why;
	int r;

	if (!reader)
		return -ENOMEM;
	reader->file = file;
	r = read_exactly(reader, &reader->header, sizeof(reader->header));
	if (r < 0)
		return r;
	why = r ? capture_header__check(&reader->header) : "it is empty";
	if (why)
		return bad(reader, why);
	reader->next_offset = sizeof(reader->header);
	reader->packed = malloc(CAPTURE_MAX_PACKED_SZ);
	reader->z_ready = reader->packed && inflateInit(&reader->z) == Z_OK;
	if (!reader->z_ready) {
		*out = capture_reader__free(reader);
		return -ENOMEM;
	}
	return 0;
}

struct capture_reader *capture_reader__free(struct capture_reader *reader)
{
	if (!reader)
		return NULL;
	if (reader->z_ready)
		inflateEnd(&reader->z);
	free(reader->packed);
	free(reader);
	return NULL;
}

static const char *unpack(struct capture_reader *reader)
{
	z_stream *z = &reader->z;

	inflateReset(z);
	z->next_in = reader->packed;
	z->avail_in = reader->frame.packed_sz;
	z->next_out = reader->raw;
	z->avail_out = reader->frame.raw_sz;
	if (inflate(z, Z_FINISH) != Z_STREAM_END || z->avail_in || z->avail_out)
		return "the frame cannot be unpacked";
	return NULL;
}

static const char *check_records(const struct capture_reader *reader)
{
	const struct ev_header *h;
	uint32_t at = 0, n = 0;
	const char *why;

	for (; at < reader->frame.raw_sz; at += h->size, n++)
		if (ev_check(reader->raw + at, reader->frame.raw_sz - at, &h, &why))
			return why;
	return n == reader->frame.n_records ? NULL : "the frame has another number of records";
}

/* 1: a frame is there, 0: the end mark was, or an error. */
static int read_frame(struct capture_reader *reader)
{
	struct capture_frame *frame = &reader->frame;
	const char *why;
	int r;

	reader->offset = reader->next_offset;
	reader->at = 0;
	r = read_exactly(reader, frame, sizeof(*frame));
	if (r < 0)
		return r;
	if (!r)
		return bad(reader, "it ends without an end mark: the recording was cut short");
	why = capture_frame__check(frame);
	if (why)
		return bad(reader, why);
	r = frame->packed_sz ? read_exactly(reader, reader->packed, frame->packed_sz) : 1;
	if (r <= 0)
		return r ? r : bad(reader, "it is cut off");
	if (frame->crc != capture_frame__crc(frame, reader->packed))
		return bad(reader, "the frame's checksum is wrong");
	reader->next_offset += sizeof(*frame) + frame->packed_sz;
	if (frame->flags & CAPTURE_FRAME_END) {
		frame->raw_sz = 0;
		reader->ended = true;
		if (fgetc(reader->file) == EOF)
			return 0;
		reader->offset = reader->next_offset;
		return bad(reader, "something follows its end mark");
	}
	why = unpack(reader);
	if (!why)
		why = check_records(reader);
	return why ? bad(reader, why) : 1;
}

int capture_reader__next(struct capture_reader *reader, const struct ev_header **out)
{
	int r;

	if (reader->why)
		return -EBADMSG;
	if (reader->at >= reader->frame.raw_sz) {
		r = reader->ended ? 0 : read_frame(reader);
		if (r <= 0) {
			reader->frame.raw_sz = 0;
			return r;
		}
	}
	*out = (const void *)(reader->raw + reader->at);
	reader->at += (*out)->size;
	return 1;
}

const struct capture_facts *capture_reader__facts(const struct capture_reader *reader)
{
	return &reader->header.facts;
}

bool capture_reader__in_snapshot(const struct capture_reader *reader)
{
	return reader->frame.flags & CAPTURE_FRAME_SNAPSHOT;
}

const char *capture_reader__why(const struct capture_reader *reader)
{
	return reader->why ? reader->why : "it cannot be read";
}

uint64_t capture_reader__offset(const struct capture_reader *reader)
{
	return reader->offset;
}
