/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* The input is one unit of .debug_line: its rows, and the names of the files they are in. */
#include <stdint.h>
#include <stdlib.h>

#include "user/symbol/line_program.h"

struct rows {
	const struct line_unit *unit;
	size_t n, last_at;
};

static void check_name(const struct line_unit *unit, const struct line_name *name)
{
	/* LINE_NAME_HERE promises an end within the unit. */
	if (name->kind != LINE_NAME_HERE)
		return;
	for (uint64_t at = name->at;; at++) {
		if (at >= unit->sz)
			abort();
		if (!unit->bytes[at])
			return;
	}
}

static int check_row(void *ctx, const struct line_row *row)
{
	struct rows *rows = ctx;
	struct line_name name, directory;

	if (row->next_at <= rows->last_at || row->next_at > rows->unit->sz)
		abort();
	rows->last_at = row->next_at;
	if (rows->n++ < 16 && !line_unit__file(rows->unit, row->file, &name, &directory)) {
		check_name(rows->unit, &name);
		check_name(rows->unit, &directory);
	}
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t sz);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t sz)
{
	struct line_unit unit;
	struct rows rows = { .unit = &unit };

	if (sz < 12 || line_unit__init(&unit, data, sz))
		return 0;
	line_unit__run(&unit, unit.program_at, check_row, &rows);
	return 0;
}
