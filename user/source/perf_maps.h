/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The perf maps of all watched processes (user/symbol/perf_map.h), each read as far as it has been
 * needed; within bounds of memory and time.
 */
#ifndef UNFREED_SOURCE_PERF_MAPS_H
#define UNFREED_SOURCE_PERF_MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "user/unwind/unwind.h"

struct procfs;
struct perf_maps;

/* procfs is borrowed; max_bytes of memory, 0: a default of 16 MB. 0 or -ENOMEM. */
int perf_maps__new(struct perf_maps **out, struct procfs *procfs, size_t max_bytes);
struct perf_maps *perf_maps__free(struct perf_maps *maps);

/*
 * Opens the map of a process, *fd the caller's to close, and reads what was added to it. 0; 1: there is
 * none to be used, and *why says what procfs__open_perf_map() did; -ENOMEM.
 */
int perf_maps__open(struct perf_maps *maps, pid_t pid, int *fd, int *why);

/* With what perf_maps__open() gave, before the next such call. False: it says nothing about addr. */
bool perf_maps__name(struct perf_maps *maps, pid_t pid, int fd, uint64_t addr,
		     struct unwind_name *out);

/* True once: the process's map is larger than what is read of one. */
bool perf_maps__is_cut(struct perf_maps *maps, pid_t pid);

void perf_maps__forget(struct perf_maps *maps, pid_t pid);
size_t perf_maps__bytes(const struct perf_maps *maps);	/* of memory held, without the table */
uint64_t perf_maps__n_evicted(const struct perf_maps *maps);

#endif /* UNFREED_SOURCE_PERF_MAPS_H */
