/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * libFuzzer against text that says it is a capture. What is accepted passes the gate, is printed, and
 * parsed again gives the same record: so it is for the next reader, too.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/wire/decode.h"
#include "user/wire/dump.h"
#include "user/wire/dump_read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t data_sz);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void print_and_parse(const struct ev_header *h)
{
	static _Alignas(8) uint8_t first[EV_MAX_RECORD_SZ], second[EV_MAX_RECORD_SZ];
	struct text text, again;
	const struct ev_header *other = (const void *)first;

	text__init(&text);
	text__init(&again);
	dump__add_record(&text, h);
	must(!text__error(&text) && text.n < DUMP_MAX_LINE && text.s[text.n - 1] == '\n');
	text.s[text.n - 1] = '\0';
	must(!dump__parse_record(text.s, first) && other->size <= h->size);
	dump__add_record(&again, other);
	again.s[again.n - 1] = '\0';
	must(!strcmp(text.s, again.s));
	must(!dump__parse_record(again.s, second) && !memcmp(first, second, other->size));
	text__fini(&text);
	text__fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t data_sz)
{
	const struct ev_header *h, *checked;
	struct dump_reader *reader;
	FILE *file;
	int r;

	if (!data_sz)
		return 0;
	file = fmemopen((void *)data, data_sz, "r");
	must(file);
	r = dump_reader__new(&reader, file);
	must(reader);
	while (!r && (r = dump_reader__next(reader, &h)) == 1) {
		must(!ev_check(h, h->size, &checked, NULL));
		print_and_parse(h);
		r = 0;
	}
	must(r <= 0 && dump_reader__why(reader));
	dump_reader__free(reader);
	fclose(file);
	return 0;
}
