/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Attaches the BPF programs to their tracepoints, whether tracefs is mounted or not.
 */
#ifndef UNFREED_SOURCE_TRACEPOINTS_H
#define UNFREED_SOURCE_TRACEPOINTS_H

#include <stddef.h>

#include "user/base/log.h"

struct unfreed_bpf;
struct bpf_link;

#define TRACEPOINTS_MAX 32

struct tracepoints {
	struct bpf_link *links[TRACEPOINTS_MAX];
	size_t n;
	char missing[256];	/* names of optional tracepoints this kernel lacks, or "" */
};

/*
 * Attaches every program of the skeleton but those for uprobes. Returns 0 or -errno, logged; what
 * was attached until then goes with tracepoints__fini().
 */
int tracepoints__attach(struct tracepoints *tracepoints, struct unfreed_bpf *bpf, struct log *log);
void tracepoints__fini(struct tracepoints *tracepoints);	/* idempotent */

#endif /* UNFREED_SOURCE_TRACEPOINTS_H */
