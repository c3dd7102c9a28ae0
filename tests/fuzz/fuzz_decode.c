/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * libFuzzer against the gate: the input is a run of records, as a capture holds them. Each is
 * checked in memory that ends where the input ends. What passes is read as far as it claims, and
 * what has trailing text is written again by our writers and must come out the same, byte for byte.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "user/wire/decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t data_sz);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static volatile uint8_t sink;

static void touch(const void *p, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		sink += ((const uint8_t *)p)[i];
}

/* The text as a terminated string of the caller's; NULL when a zero inside would end it early. */
static char *string_of(const char *text, size_t n)
{
	return memchr(text, '\0', n) ? NULL : strndup(text, n);
}

static void write_process_again(const struct ev_process *e, struct ev_process *copy)
{
	const size_t sizes[4] = { e->comm_sz, e->cmdline_sz, e->unit_sz, e->runtime_sz };
	const char *at = e->text;
	char *s[4];
	int i;

	for (i = 0; i < 4; i++) {
		s[i] = string_of(at, sizes[i]);
		at += sizes[i];
	}
	if (s[0] && s[1] && s[2] && s[3]) {
		const struct ev_process_text text = { s[0], s[1], s[2], s[3] };

		must(ev_write_process(copy, e->h.size, &text) == e->h.size);
		must(!memcmp(copy, e, e->h.size));
	}
	for (i = 0; i < 4; i++)
		free(s[i]);
}

/* Begins with the record's own bytes, since the writers leave most fields to their caller. */
static void write_again(const struct ev_header *h)
{
	void *copy = malloc(h->size);
	char *s = NULL;

	must(copy);
	memcpy(copy, h, h->size);
	if (h->type == EV_PROCESS) {
		write_process_again((const void *)h, copy);
	} else if (h->type == EV_FILE) {
		const struct ev_file *e = (const void *)h;
		uint8_t rest[EV_BUILD_ID_MAX] = { 0 };

		s = string_of(e->path, e->path_sz);
		/* What lies behind a short build-id is nobody's, and the writer clears it. */
		if (s && !memcmp(rest, e->build_id + e->build_id_sz, sizeof(rest) - e->build_id_sz)) {
			must(ev_write_file(copy, h->size, e->build_id, e->build_id_sz, s) == h->size);
			must(!memcmp(copy, h, h->size));
		}
	} else if (h->type == EV_NOTE) {
		const struct ev_note *e = (const void *)h;

		s = string_of(e->text, e->text_sz);
		if (s) {
			must(ev_write_note(copy, h->size, s) == h->size);
			must(!memcmp(copy, h, h->size));
		}
	} else if (h->type == EV_NAME) {
		const struct ev_name *e = (const void *)h;
		char *file = string_of(e->text + e->function_sz, e->file_sz);

		s = string_of(e->text, e->function_sz);
		if (s && file) {
			must(ev_write_name(copy, h->size, s, file) == h->size);
			must(!memcmp(copy, h, h->size));
		}
		free(file);
	}
	free(s);
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t data_sz)
{
	uint8_t *copy = malloc(data_sz ? data_sz : 1);
	size_t at = 0;

	must(copy);
	memcpy(copy, data, data_sz);
	while (at < data_sz) {
		const struct ev_header *h = NULL;
		const char *why = NULL;

		if (ev_check(copy + at, data_sz - at, &h, &why)) {
			must(why && !h);
			break;
		}
		must((const uint8_t *)h == copy + at && h->size <= data_sz - at);
		must(h->size >= sizeof(*h) && h->size % 8 == 0 && ev_type_name(h->type));
		touch(h, h->size);
		write_again(h);
		at += h->size;
	}
	free(copy);
	return 0;
}
