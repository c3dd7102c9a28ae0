/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* The files that anybody maps, by (device, inode), with a dense index that fits region entries. */
#ifndef UNFREED_MODEL_FILES_H
#define UNFREED_MODEL_FILES_H

#include "user/base/table.h"
#include "user/model/world.h"

#define FILES_MAX (1u << 18)

struct files {
	struct table by_id;
	struct file **list;	/* by index; NULL: free */
	uint32_t n, capacity;
	uint32_t n_free;
	uint32_t *free;		/* indexes, capacity of them at most */
	uint32_t sweep_at;	/* files at which it is time to look for those nobody maps */
	uint64_t n_forgotten;
	size_t bytes;		/* of memory held, without the table */
};

void files__init(struct files *files);
void files__fini(struct files *files);	/* idempotent */

/* The index of the file, made when it is new. 0, 1 when there are FILES_MAX, or -ENOMEM. */
int files__get(struct files *files, uint32_t dev, uint64_t ino, uint32_t *out);

/* What the source found out about a file. Results as above. */
int files__learn(struct files *files, const struct ev_file *event);

/* Whether so many are known that files__sweep() is worth the while. */
static inline bool files__want_sweep(const struct files *files)
{
	return files->n - files->n_free >= files->sweep_at;
}

/* Forgets the files without a mark in used[], one byte per index, unless they were learnt of after
 * `since_ns`. The next sweep is wanted when there are twice as many as are left. */
void files__sweep(struct files *files, const uint8_t *used, uint64_t since_ns);

/* NULL for REGION_NO_FILE. */
struct file *files__at(const struct files *files, uint32_t index);

#endif /* UNFREED_MODEL_FILES_H */
