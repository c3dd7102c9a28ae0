/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Hostile bytes for media that want UTF-8 and have escapes of their own. (For a terminal:
 * text__add_safe() in base/text.h.) Private to user/sink.
 */
#ifndef UNFREED_SINK_ESCAPE_H
#define UNFREED_SINK_ESCAPE_H

#include <stddef.h>
#include <stdint.h>

#include "user/base/text.h"

/* Takes one code point off a terminated string: *n its bytes. Of what is no UTF-8 (RFC 3629) it
 * takes one byte as U+FFFD. */
uint32_t utf8_next(const char *s, size_t *n);

/* Control characters, and those that reorder or hide what stands beside them: a terminal obeys
 * them instead of showing them. */
int is_obeyed(uint32_t c);

/* Valid UTF-8: each bad byte becomes U+FFFD, the rest stays. */
void escape_utf8(struct text *out, const char *s);

/* A Prometheus label's value, without its quotes: \\, \" and \n escaped; bad bytes and what a
 * terminal would obey become U+FFFD. */
void escape_label(struct text *out, const char *s);

#endif /* UNFREED_SINK_ESCAPE_H */
