/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* What `unfreed verify` says: the findings of each process as text. */
#ifndef UNFREED_VERIFY_H
#define UNFREED_VERIFY_H

#include <stdint.h>

#include "user/base/text.h"
#include "user/history.h"
#include "user/model/compare.h"

enum verify_outcome {
	VERIFY_COMPARED = 0,
	VERIFY_GONE,		/* ended, or its first thread has: there is no map to read */
	VERIFY_32BIT,		/* its calls pass other tracepoints: nothing to compare */
	VERIFY_FAILED,		/* its map could not be read */
};

/* One process under comparison. */
struct subject {
	uint32_t tgid;
	enum verify_outcome outcome;
	struct suspects suspects;
	uint64_t bytes, own_bytes, grown_bytes;	/* of the first reading */
};

struct verify_totals {
	uint64_t bytes, differing, unsettled, own_bytes, grown_bytes;
	uint64_t n_lost;			/* records */
	unsigned int n_processes, n_left_out, n_healed;
};

#define VERIFY_READINGS 3	/* that have to show a difference */

/* One paragraph: the subject's name, how much differs, each difference with its history. */
void verify__print_subject(const struct subject *subject, const char *comm,
			   const struct history *history, uint64_t now_ns, struct text *out);
void verify__print_totals(const struct verify_totals *totals, struct text *out);

#endif /* UNFREED_VERIFY_H */
