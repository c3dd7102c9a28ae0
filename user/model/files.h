/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* The files that anybody maps, by (device, inode), with a dense index that fits region entries. */
#ifndef UNFREED_MODEL_FILES_H
#define UNFREED_MODEL_FILES_H

#include "user/base/table.h"
#include "user/model/world.h"

#define FILES_MAX (1u << 18)

struct files {
	struct table by_id;
	struct file **list;	/* by index */
	uint32_t n, capacity;
	size_t bytes;		/* of memory held, without the table */
};

void files__init(struct files *files);
void files__fini(struct files *files);	/* idempotent */

/* The index of the file, made when it is new. 0, 1 when there are FILES_MAX, or -ENOMEM. */
int files__get(struct files *files, uint32_t dev, uint64_t ino, uint32_t *out);

/* What the source found out about a file. Results as above. */
int files__learn(struct files *files, const struct ev_file *event);

/* NULL for REGION_NO_FILE. */
struct file *files__at(const struct files *files, uint32_t index);

#endif /* UNFREED_MODEL_FILES_H */
