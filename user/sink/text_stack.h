/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* A site's call stack, a line for each frame. Private to user/sink. */
#ifndef UNFREED_SINK_TEXT_STACK_H
#define UNFREED_SINK_TEXT_STACK_H

#include "user/base/text.h"
#include "user/detect/report.h"

/* `all`: the frames too that are the same for every thread of a JVM. */
void text_add_stack(struct text *out, const struct report_site *site, bool all);

#endif /* UNFREED_SINK_TEXT_STACK_H */
