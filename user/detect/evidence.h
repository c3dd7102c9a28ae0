/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* The sentence under a finding: stored counts only, in the operator's words. */
#ifndef UNFREED_DETECT_EVIDENCE_H
#define UNFREED_DETECT_EVIDENCE_H

#include "user/detect/trend.h"

/* `trend` may be NULL, `now` is the tick judged. The caller frees it. NULL: no memory. */
char *evidence__new(const struct site *site, const struct trend *trend, uint32_t now,
		    double loss_rate);

#endif /* UNFREED_DETECT_EVIDENCE_H */
