/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * A growing text buffer, and the ways in which hostile bytes and plain numbers become text.
 * A failed allocation marks the text; later calls do nothing, and text__error() tells at the end.
 */
#ifndef UNFREED_BASE_TEXT_H
#define UNFREED_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
	char *s;	/* terminated; NULL while empty */
	size_t n;	/* bytes, without the terminator */
	size_t capacity;
	bool failed;
};

void text__init(struct text *text);
void text__fini(struct text *text);	/* idempotent */
int text__error(const struct text *text);	/* 0 or -ENOMEM */
char *text__steal(struct text *text);	/* the string, never NULL unless it failed; empties */

void text__add(struct text *text, const char *s);
void text__add_n(struct text *text, const char *s, size_t n);
__attribute__((format(printf, 2, 3)))
void text__addf(struct text *text, const char *format, ...);

/* Bytes from elsewhere, made safe for a terminal or a log: printable UTF-8 stays, control
 * characters, DEL, C1, bidirectional controls and invalid bytes become \xNN, a backslash \\. */
void text__add_safe(struct text *text, const char *s);
void text__add_safe_n(struct text *text, const char *s, size_t n);

/* "8.4 GB", "402 MB", "9.5 KB", "17 B": powers of 1000 as operators read them, three figures. */
void text__add_size(struct text *text, double bytes);
/* "21 s", "4.5 min", "3.2 h", "12 days"; below 10 s one decimal. */
void text__add_duration(struct text *text, double seconds);
/* "196,204" */
void text__add_count(struct text *text, uint64_t n);

#endif /* UNFREED_BASE_TEXT_H */
