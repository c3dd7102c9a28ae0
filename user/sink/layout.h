/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Laying out text for a terminal of a fixed width. Private to user/sink. */
#ifndef UNFREED_SINK_LAYOUT_H
#define UNFREED_SINK_LAYOUT_H

#include <stddef.h>

#include "user/base/text.h"

#define LAYOUT_WIDTH 100

/* Appends s made safe, cut to `most` (>= 3) columns; returns the columns used. */
size_t layout_add_cut(struct text *out, const char *s, size_t most);
void layout_add_spaces(struct text *out, size_t n);
/* A paragraph made safe and broken at spaces (or within a word that is wider than a line), ending
 * in a newline. Its first line has `begun` columns already; later ones are indented by `indent`. */
void layout_add_wrapped(struct text *out, const char *s, size_t begun, size_t indent);
/* Columns that s takes once it is made safe. */
size_t layout_columns(const char *s);

#endif /* UNFREED_SINK_LAYOUT_H */
