/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * libFuzzer against the reader of captures. The checksums would keep every change out, so the input
 * is sealed first: header and frames get the checksum their bytes ask for, and the input's first byte
 * says whether the payload is packed here (the fuzzer changes records) or taken as it is (the fuzzer
 * changes what zlib reads).
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "user/wire/capture_format.h"
#include "user/wire/decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t data_sz);

static volatile uint8_t sink;

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void touch(const void *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sink += ((const uint8_t *)p)[i];
}

/* Records as they are, in one frame. */
static size_t pack(const uint8_t *data, size_t data_sz, uint8_t *out)
{
	struct capture_frame frame = { .magic = CAPTURE_FRAME_MAGIC, .raw_sz = (uint32_t)data_sz };
	uLongf packed_sz = compressBound(data_sz);
	struct ev_header h;

	/* The number that a reader of well-formed records will count. */
	for (size_t at = 0; data_sz - at >= sizeof(h); at += h.size) {
		memcpy(&h, data + at, sizeof(h));
		frame.n_records++;
		if (!h.size || h.size > data_sz - at)
			break;
	}
	must(compress2(out + sizeof(frame), &packed_sz, data, data_sz, 1) == Z_OK);
	frame.packed_sz = (uint32_t)packed_sz;
	frame.crc = capture_frame__crc(&frame, out + sizeof(frame));
	memcpy(out, &frame, sizeof(frame));
	frame = (struct capture_frame){ .magic = CAPTURE_FRAME_MAGIC, .flags = CAPTURE_FRAME_END };
	frame.crc = capture_frame__crc(&frame, NULL);
	memcpy(out + sizeof(frame) + packed_sz, &frame, sizeof(frame));
	return 2 * sizeof(frame) + packed_sz;
}

/* Every whole frame gets its checksum, as long as the sizes lead to the next. */
static void seal(uint8_t *bytes, size_t n)
{
	struct capture_frame frame;

	while (n >= sizeof(frame)) {
		memcpy(&frame, bytes, sizeof(frame));
		if (frame.packed_sz > n - sizeof(frame))
			return;
		frame.crc = capture_frame__crc(&frame, bytes + sizeof(frame));
		memcpy(bytes, &frame, sizeof(frame));
		bytes += sizeof(frame) + frame.packed_sz;
		n -= sizeof(frame) + frame.packed_sz;
	}
}

static void read_all(uint8_t *bytes, size_t n)
{
	FILE *file = fmemopen(bytes, n, "r");
	struct capture_reader *reader;
	const struct ev_header *h, *again;
	int r;

	must(file);
	r = capture_reader__new(&reader, file);
	must(reader);
	if (!r)
		must(!capture_facts__check(capture_reader__facts(reader)));
	while (!r && (r = capture_reader__next(reader, &h)) == 1) {
		must(!ev_check(h, h->size, &again, NULL));
		touch(h, h->size);
		r = 0;
	}
	must(r <= 0 && capture_reader__why(reader) && capture_reader__offset(reader) <= n);
	capture_reader__free(reader);
	fclose(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t data_sz)
{
	struct capture_header header = { .magic = CAPTURE_MAGIC, .version = CAPTURE_VERSION,
					 .byte_order = CAPTURE_BYTE_ORDER, .size = sizeof(header) };
	size_t n = sizeof(header);
	uint8_t *bytes;

	if (data_sz < 9 || data_sz > CAPTURE_MAX_RAW_SZ)
		return 0;
	bytes = malloc(n + 2 * sizeof(struct capture_frame) + compressBound(data_sz) + data_sz);
	must(bytes);
	header.facts.flags = data[1];
	header.facts.question = data[2];
	header.crc = capture_header__crc(&header);
	memcpy(bytes, &header, n);
	if (data[0] & 1) {
		uint8_t *records = malloc(data_sz - 8);	/* aligned, and ending where it ends */

		must(records);
		memcpy(records, data + 8, data_sz - 8);
		n += pack(records, data_sz - 8, bytes + n);
		free(records);
	} else {
		memcpy(bytes + n, data + 8, data_sz - 8);
		seal(bytes + n, data_sz - 8);
		n += data_sz - 8;
	}
	read_all(bytes, n);
	free(bytes);
	return 0;
}
