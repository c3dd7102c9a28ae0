/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* A table of names; bounded, for it may be filled from a hostile capture. */
#include "user/names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_NAMES 1000000
#define MAX_BYTES (256u << 20)
#define KEY_SZ offsetof(struct name, function)

void names__init(struct names *names)
{
	names->bytes = 0;
	table__init(&names->by_frame, KEY_SZ, sizeof(struct name));
}

void names__fini(struct names *names)
{
	struct name *name;
	size_t cursor = 0;

	while ((name = table__next(&names->by_frame, &cursor))) {
		free(name->function);
		free(name->file);
	}
	table__fini(&names->by_frame);
	names__init(names);
}

int names__add(struct names *names, const struct ev_name *record)
{
	const struct name key = { .ino = record->ino, .offset = record->offset, .dev = record->dev,
				  .innermost = record->innermost };
	const char *function = record->text, *file = record->text + record->function_sz;
	struct name *name;
	bool is_new;

	if (names->by_frame.n >= MAX_NAMES || names->bytes >= MAX_BYTES)
		return 0;
	name = table__insert(&names->by_frame, &key, &is_new);
	if (!name)
		return -ENOMEM;
	if (!is_new)
		return 0;
	name->line = record->line;
	if (record->function_sz)
		name->function = strndup(function, record->function_sz);
	if (record->file_sz)
		name->file = strndup(file, record->file_sz);
	names->bytes += (size_t)record->function_sz + record->file_sz + 2;
	return (record->function_sz && !name->function) || (record->file_sz && !name->file) ?
		       -ENOMEM : 0;
}

const struct name *names__find(const struct names *names, uint32_t dev, uint64_t ino,
			       uint64_t offset, bool innermost)
{
	const struct name key = { .ino = ino, .offset = offset, .dev = dev, .innermost = innermost };

	return table__find(&names->by_frame, &key);
}
