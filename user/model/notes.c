/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* A handful of sentences: a plain array, searched from its start. */
#include "user/model/notes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/cleanup.h"

#define NOTE_SZ_MAX 1024

void notes__fini(struct notes *notes)
{
	size_t i;

	for (i = 0; i < notes->n; i++)
		free(notes->text[i]);
	free(notes->text);
	*notes = (struct notes){ 0 };
}

int notes__add(struct notes *notes, size_t max, const char *text, size_t text_sz)
{
	cleanup_free char *copy = strndup(text, text_sz < NOTE_SZ_MAX ? text_sz : NOTE_SZ_MAX);
	char **grown;
	size_t i;

	if (!copy)
		return -ENOMEM;
	for (i = 0; i < notes->n; i++) {
		if (!strcmp(notes->text[i], copy))
			return 0;
	}
	if (notes->n >= max)
		return 1;
	grown = realloc(notes->text, (notes->n + 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	notes->text = grown;
	notes->text[notes->n++] = steal_ptr(&copy);
	return 0;
}
