/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* What nothing explains, in words. Private to user/sink. */
#ifndef UNFREED_SINK_TEXT_GROWTH_H
#define UNFREED_SINK_TEXT_GROWTH_H

#include "user/base/text.h"
#include "user/detect/report.h"

/* A sentence about the growth that no finding explains; nothing where it is not worth one. */
void text_add_rest(struct text *out, const struct report_process *p);

#endif /* UNFREED_SINK_TEXT_GROWTH_H */
