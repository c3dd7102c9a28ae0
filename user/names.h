/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* What frames are called, as the recording machine said (EV_NAME), by file and offset. */
#ifndef UNFREED_NAMES_H
#define UNFREED_NAMES_H

#include "bpf/event.h"
#include "user/base/table.h"

/* The text is cut to what a record holds, so that a live report and its replay agree. */
struct name {
	uint64_t ino, offset;		/* the key, with the next two */
	uint32_t dev;
	uint32_t innermost;
	char *function, *file;		/* NULL: unknown */
	uint32_t line;
	uint32_t pad;
};

struct names {
	struct table by_frame;		/* struct name */
	size_t bytes;			/* of their texts */
};

void names__init(struct names *names);
void names__fini(struct names *names);	/* idempotent */

/* The first to come stays. Past 1,000,000 names or 256 MB nothing is added any more. 0 or -ENOMEM. */
int names__add(struct names *names, const struct ev_name *record);
/* NULL: nothing was said about it. */
const struct name *names__find(const struct names *names, uint32_t dev, uint64_t ino,
			       uint64_t offset, bool innermost);

#endif /* UNFREED_NAMES_H */
