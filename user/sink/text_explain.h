/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* The sites to be explained, test by test. Private to user/sink. */
#ifndef UNFREED_SINK_TEXT_EXPLAIN_H
#define UNFREED_SINK_TEXT_EXPLAIN_H

#include "user/base/text.h"
#include "user/detect/report.h"

/* Those of the report's sites that have their tests. */
void text_add_explained(struct text *out, const struct report *report);

#endif /* UNFREED_SINK_TEXT_EXPLAIN_H */
