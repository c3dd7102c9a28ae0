/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Growth without a finding is said, with what is known of it: see user/detect/explain.c. */
#include "user/sink/text_growth.h"

#include <stdbool.h>

#define WORTH_TELLING (1 << 20)	/* bytes */

static const char *rest_words(enum rest rest)
{
	switch (rest) {
	case REST_FILE:
		return "pages of mapped files";
	case REST_SHARED:
		return "shared memory";
	case REST_GIVEN_BACK:
		return "given back since";
	case REST_TOUCHED_LATER:
		return "first use of what was taken before";
	case REST_ALLOCATOR:
		return "kept by allocators or taken at sites without a finding";
	default:
		return "unknown";
	}
}

void text_add_rest(struct text *out, const struct report_process *p)
{
	const struct report_growth *growth = &p->growth;
	double sum = 0;
	bool any = false;

	for (unsigned int i = 0; i < N_RESTS; i++)
		sum += growth->rest[i];
	if (sum < WORTH_TELLING || sum < growth->resident_bytes / 20)
		return;
	text__addf(out, "not explained: %.0f%% of the growth of ", 100 * sum / growth->resident_bytes);
	text__add_size(out, growth->resident_bytes);
	text__add(out, " (");
	for (unsigned int i = 0; i < N_RESTS; i++) {
		if (growth->rest[i] < sum / 100)
			continue;
		text__add(out, any ? ", " : "");
		text__add_size(out, growth->rest[i]);
		text__addf(out, " %s", rest_words(i));
		any = true;
	}
	text__add(out, ")");
	if (growth->watch)
		text__add(out, "; it rises all the time: watch it, no object is known behind it");
}
