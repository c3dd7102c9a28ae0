/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* The input is a mangled name. A name that takes long is a bug here, so see -timeout. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/cleanup.h"
#include "user/symbol/symbol.h"

/* libiberty itself leaks a few bytes of some senseless Rust names (print_ident, Debian 12's); what demangle()
 * returns is ours. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:print_ident\n";
}

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
