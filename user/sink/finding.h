/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * One finding as one line, for the journal: who, what, since when, how much of the growth, when
 * memory runs out, the site's id as the textfile has it, and the stack.
 */
#ifndef UNFREED_SINK_FINDING_H
#define UNFREED_SINK_FINDING_H

#include "user/base/text.h"
#include "user/detect/report.h"

/* Appends raw text: the logger escapes it. Check text__error() afterwards. */
void finding__add(struct text *out, const struct report_process *p, const struct report_site *site);

#endif /* UNFREED_SINK_FINDING_H */
