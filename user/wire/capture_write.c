/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Records gather in a block; a block that is full, or old enough for its owner, becomes a frame:
 * compressed, checked, and appended in one write. A write that fails half-way leaves a torn frame,
 * which is cut off again where the file can be cut; the reader would stop in front of it anyhow.
 *
 * zlib at its fastest level, since records come in storms: it packs them about sevenfold at some
 * 2 million a second (tests/bench/bench_replay.c), twice what a kernel hands over, and is linked
 * anyway. zstd would be faster still, at the price of one more library.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "user/base/cleanup.h"
#include "user/base/error.h"
#include "user/wire/capture_format.h"

#define LEVEL 1

struct capture_writer {
	int fd;
	int error;		/* of the first call that failed; 0: none */
	bool snapshot;
	uint64_t size;		/* of the file up to its last whole frame */
	uint64_t n_records;	/* added */
	uint32_t n_block;	/* records in the block */
	uint32_t block_sz;	/* bytes of them */
	z_stream z;
	size_t packed_max;
	uint8_t *packed;	/* frame head, then zlib data */
	_Alignas(8) uint8_t block[CAPTURE_BLOCK_SZ];
};

static int write_all(int fd, const void *data, size_t n)
{
	const uint8_t *p = data;

	while (n) {
		ssize_t r = write(fd, p, n);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return negative_errno();
		p += r;
		n -= (size_t)r;
	}
	return 0;
}

/* Appends, or leaves the file as it was. */
static int append(struct capture_writer *writer, const void *data, size_t n)
{
	int r = writer->error ? writer->error : write_all(writer->fd, data, n);

	if (!r) {
		writer->size += n;
		return 0;
	}
	/* Where it cannot be cut (a pipe, a device) a reader stops in front of the torn frame. */
	if (!writer->error && ftruncate(writer->fd, (off_t)writer->size))
		return writer->error = r;
	return writer->error = r;
}

/* An empty file, where there was no room for a header: no capture, and not to be left behind. */
static void remove_empty(const char *path)
{
	struct stat st;

	if (!lstat(path, &st) && S_ISREG(st.st_mode) && !st.st_size)
		unlink(path);
}

int capture_writer__new(struct capture_writer **out, const char *path,
			const struct capture_facts *facts)
{
	struct capture_writer *writer = calloc(1, sizeof(*writer));
	struct capture_header header = {
		.magic = CAPTURE_MAGIC,
		.version = CAPTURE_VERSION,
		.byte_order = CAPTURE_BYTE_ORDER,
		.size = sizeof(header),
		.facts = *facts,
	};
	int r;

	if (!writer)
		return -ENOMEM;
	writer->fd = -1;
	header.crc = capture_header__crc(&header);
	if (deflateInit(&writer->z, LEVEL) != Z_OK) {
		free(writer);
		return -ENOMEM;
	}
	writer->packed_max = deflateBound(&writer->z, CAPTURE_BLOCK_SZ);
	writer->packed = malloc(sizeof(struct capture_frame) + writer->packed_max);
	r = writer->packed ? 0 : -ENOMEM;
	if (!r) {
		writer->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOCTTY,
				  0666);
		r = writer->fd < 0 ? negative_errno() : append(writer, &header, sizeof(header));
	}
	if (r) {
		if (writer->fd >= 0)
			remove_empty(path);
		capture_writer__free(writer);
		return r;
	}
	*out = writer;
	return 0;
}

struct capture_writer *capture_writer__free(struct capture_writer *writer)
{
	if (!writer)
		return NULL;
	deflateEnd(&writer->z);
	free(writer->packed);
	if (writer->fd >= 0)
		close(writer->fd);
	free(writer);
	return NULL;
}

/* Seals and appends the frame whose `packed_sz` bytes lie behind its head. */
static int append_frame(struct capture_writer *writer, struct capture_frame frame)
{
	frame.magic = CAPTURE_FRAME_MAGIC;
	frame.crc = capture_frame__crc(&frame, writer->packed + sizeof(frame));
	memcpy(writer->packed, &frame, sizeof(frame));
	return append(writer, writer->packed, sizeof(frame) + frame.packed_sz);
}

int capture_writer__flush(struct capture_writer *writer)
{
	struct capture_frame frame = {
		.flags = writer->snapshot ? CAPTURE_FRAME_SNAPSHOT : 0,
		.raw_sz = writer->block_sz,
		.n_records = writer->n_block,
	};

	if (writer->error || !writer->block_sz)
		return writer->error;
	deflateReset(&writer->z);
	writer->z.next_in = writer->block;
	writer->z.avail_in = writer->block_sz;
	writer->z.next_out = writer->packed + sizeof(frame);
	writer->z.avail_out = (uInt)writer->packed_max;
	if (deflate(&writer->z, Z_FINISH) != Z_STREAM_END)
		return writer->error = -EIO;	/* not with room for deflateBound() */
	frame.packed_sz = (uint32_t)writer->z.total_out;
	writer->block_sz = writer->n_block = 0;
	return append_frame(writer, frame);
}

int capture_writer__add(struct capture_writer *writer, const struct ev_header *record)
{
	int r = writer->error;

	if (!r && record->size > CAPTURE_BLOCK_SZ - writer->block_sz)
		r = capture_writer__flush(writer);
	if (r)
		return r;
	memcpy(writer->block + writer->block_sz, record, record->size);
	writer->block_sz += record->size;
	writer->n_block++;
	writer->n_records++;
	return 0;
}

int capture_writer__set_snapshot(struct capture_writer *writer, bool snapshot)
{
	int r = capture_writer__flush(writer);

	writer->snapshot = snapshot;
	return r;
}

int capture_writer__end(struct capture_writer *writer)
{
	int r = capture_writer__flush(writer);

	if (!r)
		r = append_frame(writer, (struct capture_frame){ .flags = CAPTURE_FRAME_END });
	if (!r && fdatasync(writer->fd) && errno != EINVAL && errno != EROFS)	/* a pipe, a device */
		r = writer->error = negative_errno();
	return r;
}

uint64_t capture_writer__size(const struct capture_writer *writer)
{
	return writer->size;
}

uint64_t capture_writer__n_records(const struct capture_writer *writer)
{
	return writer->n_records;
}

/* --- joining ----------------------------------------------------------------------------------- */

static int copy_frames(FILE *from, int to)
{
	cleanup_free uint8_t *buffer = malloc(sizeof(struct capture_frame) + CAPTURE_MAX_PACKED_SZ);
	struct capture_frame frame;
	int r;

	if (!buffer)
		return -ENOMEM;
	if (fseek(from, sizeof(struct capture_header), SEEK_SET))
		return negative_errno();
	while (fread(&frame, sizeof(frame), 1, from) == 1) {
		if (capture_frame__check(&frame))
			return -EBADMSG;
		memcpy(buffer, &frame, sizeof(frame));
		if (frame.packed_sz &&
		    fread(buffer + sizeof(frame), frame.packed_sz, 1, from) != 1)
			return -EBADMSG;
		if (frame.flags & CAPTURE_FRAME_SNAPSHOT)
			continue;
		r = write_all(to, buffer, sizeof(frame) + frame.packed_sz);
		if (r)
			return r;
	}
	return ferror(from) ? -EIO : 0;
}

int capture_join(const char *to, const char *from)
{
	cleanup_file FILE *in = fopen(from, "re");
	cleanup_fd int fd = in ? open(to, O_WRONLY | O_APPEND | O_CLOEXEC) : -1;
	struct stat st;
	int r;

	if (!in || fd < 0 || fstat(fd, &st))
		return negative_errno();
	r = copy_frames(in, fd);
	if (!r && fdatasync(fd))
		r = negative_errno();
	if (r && ftruncate(fd, st.st_size))
		return r;
	return r;
}
