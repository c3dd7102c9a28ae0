/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The phrases that the forms for people share. All append raw text: what a hostile process named is
 * escaped with the rest of the line, by layout_add_*() or the logger. Private to user/sink.
 */
#ifndef UNFREED_SINK_WORDS_H
#define UNFREED_SINK_WORDS_H

#include "user/base/text.h"
#include "user/detect/report.h"

void words_add_rate(struct text *out, double bytes_per_second);	/* "+402 MB/s" */

/* "out of memory in 18 s to 25 s"; false, and nothing: it is on its way to no limit. */
bool words_add_time_left(struct text *out, const struct report_process *p);
const char *words_limit(enum ev_limit_kind kind);	/* "host" */
/* "(host: 8.4 GB left)"; of a process that has a limit. */
void words_add_limit(struct text *out, const struct report_process *p);

bool is_java_frame(const struct report_frame *frame);
/* "LogSegment.recover:186", "serve (broker.c:80)"; an unknown name keeps its place:
 * "[libz.so.1+0x1f00]". */
void words_add_frame(struct text *out, const struct report_frame *frame);

/*
 * How many frames of a stack a reader wants: all, but of a complete stack with Java only those up to
 * the outermost Java frame. Outside of it is the JVM starting a thread, always the same.
 */
size_t site__n_telling_frames(const struct report_site *site);

#endif /* UNFREED_SINK_WORDS_H */
