/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The Prometheus textfile of a service, for node_exporter (docs/report.md).
 */
#ifndef UNFREED_SINK_PROM_H
#define UNFREED_SINK_PROM_H

#include <stddef.h>
#include <stdint.h>

#include "user/detect/report.h"

struct prom;

struct prom_opts {
	const char *path;	/* "….prom"; copied */
	size_t top_k;		/* processes, and sites of each, at most; 0: a default */
};

/* The service's own state at the time of writing. */
struct prom_facts {
	double now;			/* seconds since the epoch */
	double self_cpu_seconds;
	uint64_t self_resident_bytes;
	uint64_t resyncs;		/* map files read again, since the start */
	uint64_t evictions;		/* entries of own tables that went for want of room */
	const char *version;		/* borrowed */
};

/* Returns 0, -EINVAL when the path does not end in ".prom", or -ENOMEM. The caller owns *out. */
int prom__new(struct prom **out, const struct prom_opts *opts);
struct prom *prom__free(struct prom *prom);	/* leaves the file alone */

/*
 * Writes the whole file anew: a temporary one in the same folder, fsync, 0644, rename. Readers see
 * the old file or the new one. Events and losses are the report's. Returns 0 or -errno; then the
 * old file stands.
 */
int prom__write(struct prom *prom, const struct report *report, const struct prom_facts *facts);

/* At stop: stale values live as long as the file does. 0, also when there is none, or -errno. */
int prom__remove(struct prom *prom);

#endif /* UNFREED_SINK_PROM_H */
