/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* The text form's lines about trust. Private to user/sink. */
#ifndef UNFREED_SINK_TEXT_TRUST_H
#define UNFREED_SINK_TEXT_TRUST_H

#include "user/base/text.h"
#include "user/detect/report.h"

void text_add_trust(struct text *out, const struct report *report);

#endif /* UNFREED_SINK_TEXT_TRUST_H */
