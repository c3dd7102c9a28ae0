/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Uprobes with a cookie, on kernels that have no BPF cookies (before Linux 5.15).
 */
#ifndef UNFREED_SOURCE_PROBE_STUB_H
#define UNFREED_SOURCE_PROBE_STUB_H

#include <stdint.h>

struct probe_stubs;

/* `program_fd`: what is to run at each of them; `cookies_fd`: the map where it finds the cookie.
 * Borrowed. Returns 0 or -errno. */
int probe_stubs__new(struct probe_stubs **out, int program_fd, int cookies_fd);
struct probe_stubs *probe_stubs__free(struct probe_stubs *stubs);	/* what is attached stays */

/* Attaches for all processes. Returns what ends it when closed, or -errno. */
int probe_stubs__attach(const struct probe_stubs *stubs, const char *path, uint64_t offset,
			uint64_t cookie);

/* The number by which perf_event_open() knows uprobes, or -errno. */
int probe_stubs__perf_type(void);

#endif /* UNFREED_SOURCE_PROBE_STUB_H */
