/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* A line at a time into a buffer of fixed size; what the line means is dump_parse.c's. */
#include "user/wire/dump_read.h"

#include <stdlib.h>
#include <string.h>

#include "user/base/error.h"
#include "user/wire/dump.h"

struct dump_reader {
	FILE *file;
	uint64_t n_lines;
	const char *why;
	struct capture_facts facts;
	_Alignas(8) uint8_t record[EV_MAX_RECORD_SZ];
	char line[DUMP_MAX_LINE];
};

static int bad(struct dump_reader *reader, const char *why)
{
	reader->why = why;
	return -EBADMSG;
}

/* 1: a line, without its newline; 0: the end; or an error. */
static int read_line(struct dump_reader *reader)
{
	size_t n = 0;
	int c;

	errno = 0;
	reader->n_lines++;
	while ((c = getc_unlocked(reader->file)) != EOF && c != '\n') {
		if (!c)
			return bad(reader, "it has a zero byte");
		if (n == sizeof(reader->line) - 1)
			return bad(reader, "it is longer than any line");
		reader->line[n++] = (char)c;
	}
	reader->line[n] = '\0';
	if (c == '\n')
		return 1;
	if (ferror(reader->file))
		return negative_errno();
	return n ? bad(reader, "it is cut off") : 0;
}

int dump_reader__new(struct dump_reader **out, FILE *file)
{
	struct dump_reader *reader = *out = malloc(sizeof(*reader));
	const char *why;
	int r;

	if (!reader)
		return -ENOMEM;
	reader->file = file;
	reader->n_lines = 0;
	reader->why = NULL;
	r = read_line(reader);
	if (r < 0)
		return r;
	why = r ? dump__parse_facts(reader->line, &reader->facts) : "it is empty";
	return why ? bad(reader, why) : 0;
}

struct dump_reader *dump_reader__free(struct dump_reader *reader)
{
	free(reader);
	return NULL;
}

const struct capture_facts *dump_reader__facts(const struct dump_reader *reader)
{
	return &reader->facts;
}

int dump_reader__next(struct dump_reader *reader, const struct ev_header **out)
{
	const char *why;
	int r;

	if (reader->why)
		return -EBADMSG;
	do {
		r = read_line(reader);
		if (r <= 0)
			return r;
	} while (!*reader->line || *reader->line == '#');
	why = dump__parse_record(reader->line, reader->record);
	if (why)
		return bad(reader, why);
	*out = (const void *)reader->record;
	return 1;
}

const char *dump_reader__why(const struct dump_reader *reader)
{
	return reader->why ? reader->why : "it cannot be read";
}

uint64_t dump_reader__line(const struct dump_reader *reader)
{
	return reader->n_lines;
}
