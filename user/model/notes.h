/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Distinct sentences about what is not covered; a bounded list. */
#ifndef UNFREED_MODEL_NOTES_H
#define UNFREED_MODEL_NOTES_H

#include <stddef.h>

#define NOTES_MAX_SYSTEM 256
#define NOTES_MAX_PROCESS 16

struct notes {
	char **text;
	size_t n;
};

void notes__fini(struct notes *notes);	/* idempotent; all zeros is an empty list */
/* Adds a copy, unless it is there. 0, 1 when `max` are there already, or -ENOMEM. */
int notes__add(struct notes *notes, size_t max, const char *text, size_t text_sz);

#endif /* UNFREED_MODEL_NOTES_H */
