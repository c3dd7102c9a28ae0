/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* From a stack to the frames of a report's site. Private to user/detect. */
#ifndef UNFREED_DETECT_BUILD_FRAMES_H
#define UNFREED_DETECT_BUILD_FRAMES_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/detect/report.h"
#include "user/model/world.h"

/* Copies a string that may be NULL. 0 or -ENOMEM. */
static inline int report_copy_string(char **out, const char *s)
{
	*out = s ? strdup(s) : NULL;
	return s && !*out ? -ENOMEM : 0;
}

/* Fills in frames and n_frames. `stack` may be NULL: none was had. 0 or -ENOMEM; then what is there
 * already is the caller's to free with the report. */
int report_site__add_frames(struct report_site *out, const struct stack *stack);

#endif /* UNFREED_DETECT_BUILD_FRAMES_H */
