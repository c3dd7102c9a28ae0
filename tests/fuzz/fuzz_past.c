/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * libFuzzer against the reader of the memory of earlier runs. The checksum would keep every change
 * out, so the input is sealed first, unless its last bit asks for it as it is. What is read must
 * come out again byte for byte.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "user/detect/past.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t data_sz);

static void seal(uint8_t *bytes, size_t sz)
{
	uint64_t h = 0xcbf29ce484222325ull;

	for (size_t i = PAST_HEADER_SZ; i < sz; i++)
		h = (h ^ bytes[i]) * 0x100000001b3ull;
	for (unsigned int i = 0; i < 8; i++)
		bytes[16 + i] = (uint8_t)(h >> (8 * i));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t data_sz)
{
	uint8_t *bytes = malloc(data_sz ? data_sz : 1), *again;
	const char *why = NULL;
	struct past *past;
	size_t sz;
	int r;

	if (!bytes)
		abort();
	memcpy(bytes, data, data_sz);
	if (data_sz >= PAST_HEADER_SZ && !(data[data_sz - 1] & 1)) {
		uint32_t n = (uint32_t)((data_sz - PAST_HEADER_SZ) / PAST_ENTRY_SZ);

		memcpy(bytes, "unfreedP\1\0\0\0", 12);
		memcpy(bytes + 12, &n, sizeof(n));
		seal(bytes, data_sz);
	}
	r = past__read(&past, bytes, data_sz, &why);
	if (r < 0 || (r == 1) != (why != NULL))
		abort();
	if (!r) {
		if (past__write(past, &again, &sz) || sz != data_sz || memcmp(again, bytes, sz))
			abort();
		free(again);
		past__free(past);
	}
	free(bytes);
	return 0;
}
