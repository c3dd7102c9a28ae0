/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* The test's own process as the target of the unwinder. */
#ifndef UNFREED_TESTS_UNWIND_SELF_H
#define UNFREED_TESTS_UNWIND_SELF_H

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "user/base/cleanup.h"
#include "user/unwind/unwind.h"

/* Deterministic, so that a failure can be repeated (xorshift64, Marsaglia 2003). */
static inline uint64_t next_random(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

static inline int self_find(uint64_t pc, struct unwind_map *out, char path[static PATH_MAX])
{
	cleanup_file FILE *f = fopen("/proc/self/maps", "re");
	unsigned int major, minor;
	char line[PATH_MAX + 128], exec;

	while (f && fgets(line, sizeof(line), f)) {
		*path = '\0';
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*c%*c%c%*c %" SCNx64 " %x:%x %" SCNu64
				 " %4095[^\n]",
			   &out->start, &out->end, &exec, &out->file_off, &major, &minor, &out->ino,
			   path) < 7 ||
		    pc < out->start || pc >= out->end)
			continue;
		out->dev = major << 20 | minor;
		out->executable = exec == 'x';
		out->vdso = strcmp(path, "[vdso]") == 0;
		return 0;
	}
	return -ENOENT;
}

static inline int self_find_map(void *ctx, uint32_t tgid, uint64_t pc, bool again,
				struct unwind_map *out)
{
	char path[PATH_MAX];

	return self_find(pc, out, path);
}

static inline int self_open_file(void *ctx, uint32_t tgid, const struct unwind_map *map)
{
	struct unwind_map found;
	char path[PATH_MAX];
	int fd;

	if (self_find(map->start, &found, path))
		return -ENOENT;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* By the kernel, so that a bad address is an error, and a redzone none. */
static inline int self_read(void *ctx, uint32_t tgid, uint64_t addr, void *buf, size_t sz)
{
	struct iovec to = { buf, sz }, from = { (void *)(uintptr_t)addr, sz };

	return process_vm_readv(getpid(), &to, 1, &from, 1, 0) == (ssize_t)sz ? 0 : -EFAULT;
}

static const struct unwind_target_ops self_ops = {
	.find_map = self_find_map,
	.open_file = self_open_file,
	.read = self_read,
};

#endif /* UNFREED_TESTS_UNWIND_SELF_H */
