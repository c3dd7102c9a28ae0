/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Before a report: how much of what its sites hold is in memory. */
#ifndef UNFREED_RESIDENT_H
#define UNFREED_RESIDENT_H

#include <stdbool.h>

struct detector;
struct live;
struct world;

/*
 * Has the source measure the regions of the sites that a report will tell of, which it writes as
 * EV_RESIDENT records: the model knows them when this returns. Only processes that live; with
 * `whole_system` only those that are suspected. Bounded: see the .c. 0 or -ENOMEM; that a process is
 * gone or may not be looked at is no error, its sites then have no resident bytes.
 */
int resident__measure(const struct world *world, const struct detector *detector, struct live *live,
		      bool whole_system);

#endif /* UNFREED_RESIDENT_H */
