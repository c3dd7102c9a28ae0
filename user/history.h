/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* What happened to each process's address space lately: for `unfreed verify` only. */
#ifndef UNFREED_HISTORY_H
#define UNFREED_HISTORY_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/event.h"
#include "user/base/table.h"
#include "user/base/text.h"

struct history {
	struct table tracks;	/* by process */
};

void history__init(struct history *history);
void history__fini(struct history *history);

/* Notes a record that concerns regions; the oldest of its process go. 0 or -ENOMEM. */
int history__note(struct history *history, const struct ev_header *record);

/* True when a call since `since_ns` named an address in the range, or when it cannot be told. */
bool history__touched(const struct history *history, uint32_t tgid, uint64_t start, uint64_t end,
		      uint64_t since_ns);

/* One line for each of the last `max` records that named an address in the range, oldest first;
 * times are before `now_ns`. */
void history__print(const struct history *history, uint32_t tgid, uint64_t start, uint64_t end,
		    uint64_t now_ns, unsigned int max, struct text *out);

#endif /* UNFREED_HISTORY_H */
