/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Messages to the person who runs the tool: one line each, on standard error, saying what and
 * where and, if there is one, the cure. Bytes that came from elsewhere are escaped here, so callers
 * may pass hostile names to %s. A line that would repeat the last one within a second is counted
 * instead, and the count is printed with the next line.
 */
#ifndef UNFREED_BASE_LOG_H
#define UNFREED_BASE_LOG_H

#include <stdarg.h>
#include <stdio.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

struct log;

/* Writes to `stream` (borrowed) what is at most `level`. Returns 0 or -ENOMEM. */
int log__new(struct log **out, FILE *stream, enum log_level level);
struct log *log__free(struct log *log);
void log__set_level(struct log *log, enum log_level level);

/* While a progress line stands on the terminal, the logger clears it before it writes. */
void log__set_progress(struct log *log, const char *line);	/* NULL: none any more */

/* A NULL log swallows the line, so that library code needs no check. */
__attribute__((format(printf, 2, 3))) void log_error(struct log *log, const char *format, ...);
__attribute__((format(printf, 2, 3))) void log_warning(struct log *log, const char *format, ...);
__attribute__((format(printf, 2, 3))) void log_info(struct log *log, const char *format, ...);
__attribute__((format(printf, 2, 3))) void log_debug(struct log *log, const char *format, ...);

#endif /* UNFREED_BASE_LOG_H */
