/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Which files are probed: each ELF file once per (device, inode), for every process that maps it
 * now or later, in whatever container.
 */
#ifndef UNFREED_SOURCE_FILE_PROBES_H
#define UNFREED_SOURCE_FILE_PROBES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/base/log.h"

struct bpf_program;
struct file_probes;

struct file_probes_opts {
	struct bpf_program *program;	/* borrowed; loaded */
	bool multi;		/* the program was loaded for uprobe_multi links */
	bool stubs;		/* the kernel has no cookies: the program finds them in this map */
	int cookies_fd;		/* borrowed */
	struct log *log;
	/* Something in the file that cannot be probed: one sentence, hostile bytes in it. */
	void (*note)(void *ctx, const char *path, const char *sentence);
	void *note_ctx;
};

int file_probes__new(struct file_probes **out, const struct file_probes_opts *opts);
/* Detaches everything. */
struct file_probes *file_probes__free(struct file_probes *probes);

/* Whether the file was looked at before: then there is nothing to open it for. */
bool file_probes__knows(struct file_probes *probes, uint32_t dev, uint64_t ino);

/*
 * Looks at a file and probes what it finds. `fd` stays the caller's; `path` is for messages.
 * Returns how many probes the file carries, or -ENOMEM. A file that cannot be probed is noted, not
 * an error.
 */
int file_probes__add(struct file_probes *probes, uint32_t dev, uint64_t ino, int fd,
		     const char *path);

/* Files forgotten for want of room. */
uint64_t file_probes__n_evicted(const struct file_probes *probes);
size_t file_probes__n_points(const struct file_probes *probes);
size_t file_probes__n_files(const struct file_probes *probes);	/* that carry a probe */

#endif /* UNFREED_SOURCE_FILE_PROBES_H */
