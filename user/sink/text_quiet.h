/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* The text form's line about processes that are not worth a block each. Private to user/sink. */
#ifndef UNFREED_SINK_TEXT_QUIET_H
#define UNFREED_SINK_TEXT_QUIET_H

#include <stdbool.h>
#include <stddef.h>

#include "user/base/text.h"
#include "user/detect/report.h"

/* It has ended, and nothing was found: no leak, no growth, nothing to watch. */
bool process__is_quiet(const struct report_process *process);

/* How many of the report's quiet processes, the first ones, still get a block: a few. */
size_t report__n_quiet_told(const struct report *report);

/* "46 more processes have ended without a finding: 40 of bash, 4 of readlink", of those that got none;
 * or nothing. */
void text_add_quiet(struct text *out, const struct report *report);

#endif /* UNFREED_SINK_TEXT_QUIET_H */
