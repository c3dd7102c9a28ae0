/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* The input is a mangled name. A name that takes long is a bug here, so see -timeout. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/cleanup.h"
#include "user/symbol/symbol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t sz);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t sz)
{
	cleanup_free char *name = malloc(sz + 1), *out = NULL;

	if (!name)
		return 0;
	memcpy(name, data, sz);
	name[sz] = '\0';
	out = demangle(name);
	return 0;
}
