/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * A file keeps its first path. An inode number may be given to another file once its own is
 * deleted: when a build-id arrives that differs from the one known, (device, inode) stands for a
 * new file from then on, and the stacks that point at the old one stay right.
 */
#include "user/model/files.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PATH_SZ_MAX 4096
#define SWEEP_AT_LEAST 4096

struct file_id {
	uint64_t ino;
	uint32_t dev;
	uint32_t pad;
};

struct file_row {
	struct file_id id;
	uint32_t index;
	uint32_t pad;
};

void files__init(struct files *files)
{
	*files = (struct files){ .sweep_at = SWEEP_AT_LEAST };
	table__init(&files->by_id, sizeof(struct file_id), sizeof(struct file_row));
}

void files__fini(struct files *files)
{
	uint32_t i;

	for (i = 0; i < files->n; i++) {
		if (files->list[i])
			free(files->list[i]->path);
		free(files->list[i]);
	}
	free(files->list);
	free(files->free);
	table__fini(&files->by_id);
	files__init(files);
}

struct file *files__at(const struct files *files, uint32_t index)
{
	return index < files->n ? files->list[index] : NULL;
}

static int files__grow(struct files *files)
{
	uint32_t capacity = files->capacity ? 2 * files->capacity : 64, *holes;
	struct file **list = realloc(files->list, capacity * sizeof(*list));

	if (!list)
		return -ENOMEM;
	files->list = list;
	holes = realloc(files->free, capacity * sizeof(*holes));
	if (!holes)
		return -ENOMEM;
	files->free = holes;
	files->bytes += (capacity - files->capacity) * (sizeof(*list) + sizeof(*holes));
	files->capacity = capacity;
	return 0;
}

static int files__add(struct files *files, uint32_t dev, uint64_t ino, uint32_t *out)
{
	struct file *file;

	if (!files->n_free && files->n == FILES_MAX)
		return 1;
	if (!files->n_free && files->n == files->capacity && files__grow(files) < 0)
		return -ENOMEM;
	file = calloc(1, sizeof(*file));
	if (!file)
		return -ENOMEM;
	*out = files->n_free ? files->free[--files->n_free] : files->n++;
	*file = (struct file){ .ino = ino, .dev = dev, .index = *out };
	files->list[*out] = file;
	files->bytes += sizeof(*file);
	return 0;
}

static void forget(struct files *files, uint32_t index)
{
	struct file *file = files->list[index];
	const struct file_id id = { .ino = file->ino, .dev = file->dev };
	const struct file_row *row = table__find(&files->by_id, &id);

	if (row && row->index == index)	/* else its number is another file's by now */
		table__remove(&files->by_id, &id);
	files->bytes -= sizeof(*file) + (file->path ? strlen(file->path) + 1 : 0);
	free(file->path);
	free(file);
	files->list[index] = NULL;
	files->free[files->n_free++] = index;
	files->n_forgotten++;
}

void files__sweep(struct files *files, const uint8_t *used, uint64_t since_ns)
{
	uint32_t i, n;

	for (i = 0; i < files->n; i++) {
		if (files->list[i] && !used[i] &&
		    (!files->list[i]->learned_ns || files->list[i]->learned_ns < since_ns))
			forget(files, i);
	}
	n = 2 * (files->n - files->n_free);
	files->sweep_at = n > SWEEP_AT_LEAST ? n : SWEEP_AT_LEAST;
}

int files__get(struct files *files, uint32_t dev, uint64_t ino, uint32_t *out)
{
	const struct file_id id = { .ino = ino, .dev = dev };
	struct file_row *row = table__find(&files->by_id, &id);
	int r;

	if (row) {
		*out = row->index;
		return 0;
	}
	r = files__add(files, dev, ino, out);
	if (r)
		return r;
	row = table__insert(&files->by_id, &id, NULL);
	if (!row)
		return -ENOMEM;
	row->index = *out;
	return 0;
}

int files__learn(struct files *files, const struct ev_file *event)
{
	const struct file_id id = { .ino = event->ino, .dev = event->dev };
	struct file_row *row;
	struct file *file;
	uint32_t index;
	int r;

	r = files__get(files, event->dev, event->ino, &index);
	if (r)
		return r;
	file = files->list[index];
	if (file->build_id_sz && event->build_id_sz &&
	    (file->build_id_sz != event->build_id_sz ||
	     memcmp(file->build_id, event->build_id, event->build_id_sz))) {
		r = files__add(files, event->dev, event->ino, &index);
		if (r)
			return r;
		row = table__find(&files->by_id, &id);
		row->index = index;
		file = files->list[index];
	}
	file->learned_ns = event->h.time_ns;
	if (!file->build_id_sz && event->build_id_sz) {
		memcpy(file->build_id, event->build_id, event->build_id_sz);
		file->build_id_sz = event->build_id_sz;
	}
	if (!file->path && event->path_sz) {
		file->path = strndup(event->path,
				     event->path_sz < PATH_SZ_MAX ? event->path_sz : PATH_SZ_MAX);
		if (!file->path)
			return -ENOMEM;
		files->bytes += strlen(file->path) + 1;
	}
	return 0;
}
