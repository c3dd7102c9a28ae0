/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* The report's list of cgroups that have a limit. Private to user/detect. */
#ifndef UNFREED_DETECT_GROUPS_H
#define UNFREED_DETECT_GROUPS_H

#include "user/detect/report.h"
#include "user/detect/state.h"

/* Adds the process to the groups that limit it. 0 or -ENOMEM. */
int report__add_groups(struct report *report, const struct tracked *tracked);
void report__sort_groups(struct report *report);

#endif /* UNFREED_DETECT_GROUPS_H */
