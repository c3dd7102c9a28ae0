/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Fills in the report's part about trust. Private to user/detect. */
#ifndef UNFREED_DETECT_TRUST_H
#define UNFREED_DETECT_TRUST_H

#include "user/detect/report.h"
#include "user/model/world.h"

/* After the processes are in the report. 0 or -ENOMEM. */
int report__add_trust(struct report *report, const struct world *world);

#endif /* UNFREED_DETECT_TRUST_H */
