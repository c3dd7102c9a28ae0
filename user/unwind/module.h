/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The ELF files behind mapped code, kept while they are of use: the least recently used go when
 * there are too many or they hold too many bytes.
 */
#ifndef UNFREED_UNWIND_MODULE_H
#define UNFREED_UNWIND_MODULE_H

#include <stdint.h>
#include <time.h>

#include "user/unwind/image.h"
#include "user/unwind/unwind.h"

/* What tells that (dev, ino) is still the file that was read: an inode number is used again. */
struct module_identity {
	uint64_t dev, ino, size;
	struct timespec mtime, ctime;
};

struct unwind_module {
	struct unwind_module *next;	/* more recently used first */
	uint64_t serial;		/* never used again */
	uint64_t ino;			/* 0: a vdso */
	uint32_t dev;
	uint32_t tgid;		/* checked on behalf of this process last; a vdso's owner */
	struct module_identity identity;
	struct image image;
};

struct modules {
	const struct unwind_target_ops *ops;
	void *ops_ctx;
	struct unwind_module *first;
	size_t n, max;
	uint64_t last_serial;
};

void modules__init(struct modules *modules, const struct unwind_target_ops *ops, void *ops_ctx,
		   size_t max);
void modules__fini(struct modules *modules);

/*
 * The module behind a mapping of a process, NULL when there is no file to open. It lives until the
 * next call. 0 or -ENOMEM.
 */
int modules__get(struct modules *modules, uint32_t tgid, const struct unwind_map *map,
		 struct unwind_module **out);

/* The process is gone: its vdso goes, and files are checked anew when the tgid is seen again. */
void modules__forget(struct modules *modules, uint32_t tgid);

#endif /* UNFREED_UNWIND_MODULE_H */
