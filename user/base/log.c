/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * A message is formatted, escaped as a whole, and written with one call, so that lines of several
 * writers do not mix. The logger remembers the last line it wrote; the same line within a second
 * of it only raises a counter, which is told before the next line, or at the end.
 *
 * The progress line is drawn by the logger too, and only on a terminal: it is cleared before a
 * message and drawn again after it. It is cut to the terminal's width, because a line that wrapped
 * could not be cleared.
 */
#include "user/base/log.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "user/base/cleanup.h"
#include "user/base/error.h"
#include "user/base/loop.h"
#include "user/base/text.h"

#define LOG_REPEAT_NS 1000000000ull
#define LOG_CLEAR_LINE "\r\033[K"

struct log {
	FILE *stream;
	enum log_level level;
	bool is_terminal;
	char *progress;		/* escaped; NULL: none stands */
	char *last;		/* the last line written, NULL at first */
	uint64_t last_ns;	/* when, CLOCK_MONOTONIC */
	uint64_t n_repeats;	/* of `last`, not told yet */
};

int log__new(struct log **out, FILE *stream, enum log_level level)
{
	struct log *log = calloc(1, sizeof(*log));

	if (!log)
		return -ENOMEM;
	log->stream = stream;
	log->level = level;
	log->is_terminal = fileno(stream) >= 0 && isatty(fileno(stream));
	*out = log;
	return 0;
}

void log__set_level(struct log *log, enum log_level level)
{
	log->level = level;
}

/* Bytes of `line` that fill at most one row, without splitting a character. */
static size_t fitting_bytes(const struct log *log, const char *line)
{
	struct winsize size = { 0 };
	size_t n, columns = 80, used = 0;

	if (!ioctl(fileno(log->stream), TIOCGWINSZ, &size) && size.ws_col)
		columns = size.ws_col;
	for (n = 0; line[n]; n++) {
		/* Continuation bytes take no column; the last column stays free. */
		if ((line[n] & 0xc0) != 0x80 && ++used >= columns)
			break;
	}
	return n;
}

static void add_progress(const struct log *log, struct text *out)
{
	if (log->progress)
		text__add_n(out, log->progress, fitting_bytes(log, log->progress));
}

static void add_repeats(struct log *log, struct text *out)
{
	if (!log->n_repeats)
		return;
	text__add(out, "unfreed: the line above came ");
	text__add_count(out, log->n_repeats);
	text__add(out, log->n_repeats == 1 ? " more time\n" : " more times\n");
	log->n_repeats = 0;
}

/* One write; ends what `out` owns. */
static void flush_text(struct log *log, struct text *out)
{
	if (text__error(out))
		fputs("unfreed: error: out of memory while writing a message\n", log->stream);
	else if (out->n)
		fwrite(out->s, 1, out->n, log->stream);
	fflush(log->stream);
	text__fini(out);
}

struct log *log__free(struct log *log)
{
	struct text out;

	if (!log)
		return NULL;
	text__init(&out);
	if (log->progress)
		text__add(&out, LOG_CLEAR_LINE);
	add_repeats(log, &out);
	if (out.n)
		flush_text(log, &out);
	text__fini(&out);
	free(log->progress);
	free(log->last);
	free(log);
	return NULL;
}

void log__set_progress(struct log *log, const char *line)
{
	struct text safe, out;

	if (!log || !log->is_terminal || (!line && !log->progress))
		return;
	text__init(&safe);
	text__init(&out);
	if (line)
		text__add_safe(&safe, line);
	free(log->progress);
	log->progress = line ? text__steal(&safe) : NULL;
	text__fini(&safe);
	text__add(&out, LOG_CLEAR_LINE);
	add_progress(log, &out);
	flush_text(log, &out);
}

/* Takes the line, which ends in a newline. */
static void write_line(struct log *log, char *line)
{
	uint64_t now_ns = clock_monotonic_ns();
	struct text out;

	if (log->last && now_ns - log->last_ns < LOG_REPEAT_NS && !strcmp(log->last, line)) {
		log->n_repeats++;
		free(line);
		return;
	}
	text__init(&out);
	if (log->progress)
		text__add(&out, LOG_CLEAR_LINE);
	add_repeats(log, &out);
	text__add(&out, line);
	add_progress(log, &out);
	flush_text(log, &out);
	free(log->last);
	log->last = line;
	log->last_ns = now_ns;
}

static void log_v(struct log *log, enum log_level level, const char *format, va_list args)
{
	static const char *const prefix[] = {
		[LOG_LEVEL_ERROR] = "unfreed: error: ",
		[LOG_LEVEL_WARNING] = "unfreed: warning: ",
		[LOG_LEVEL_INFO] = "unfreed: ",
		[LOG_LEVEL_DEBUG] = "unfreed: debug: ",
	};
	cleanup_free char *message = NULL;
	struct text line;
	int saved_errno = errno;
	char *s;

	if (!log || level > log->level)
		return;
	text__init(&line);
	text__add(&line, prefix[level]);
	if (vasprintf(&message, format, args) < 0) {
		message = NULL;
		line.failed = true;
	} else {
		text__add_safe(&line, message);
	}
	text__add(&line, "\n");
	s = text__steal(&line);
	if (s)
		write_line(log, s);
	else
		fputs("unfreed: error: out of memory while writing a message\n", log->stream);
	errno = saved_errno;
}

void log_error(struct log *log, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_v(log, LOG_LEVEL_ERROR, format, args);
	va_end(args);
}

void log_warning(struct log *log, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_v(log, LOG_LEVEL_WARNING, format, args);
	va_end(args);
}

void log_info(struct log *log, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_v(log, LOG_LEVEL_INFO, format, args);
	va_end(args);
}

void log_debug(struct log *log, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_v(log, LOG_LEVEL_DEBUG, format, args);
	va_end(args);
}
