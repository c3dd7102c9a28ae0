/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Which runtimes' own frames have no names by themselves, why, and what helps. */
#ifndef UNFREED_SOURCE_RUNTIME_NAMES_H
#define UNFREED_SOURCE_RUNTIME_NAMES_H

#include <stdbool.h>

#include "user/base/text.h"

/*
 * Adds one sentence, without its end, about a runtime as procfs__runtime() calls it. `perf_map`: 0
 * when the process has a perf map, else what procfs__open_perf_map() said. Adds nothing where the
 * runtime's frames are named, or where there is no runtime.
 */
void runtime__add_unnamed(struct text *text, const char *runtime, int perf_map);

/* Of what procfs__open_perf_map() said, as a clause. */
const char *runtime__why_no_perf_map(int perf_map);

/* Whether a perf map would name what it compiles. */
bool runtime__compiles(const char *runtime);

#endif /* UNFREED_SOURCE_RUNTIME_NAMES_H */
