/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Fills in the names of a report's frames: the one place where report and symbolizer meet. */
#ifndef UNFREED_NAME_H
#define UNFREED_NAME_H

#include "user/detect/report.h"
#include "user/names.h"
#include "user/symbol/symbol.h"

/* What `names` says of a frame counts, else the symbolizer is asked. Returns 0 or -ENOMEM. Frames
 * that have a name already keep it. */
int report__name_frames(struct report *report, const struct names *names,
			struct symbolizer *symbolizer);

#endif /* UNFREED_NAME_H */
