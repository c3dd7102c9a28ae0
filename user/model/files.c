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
	*files = (struct files){ 0 };
	table__init(&files->by_id, sizeof(struct file_id), sizeof(struct file_row));
}

void files__fini(struct files *files)
{
	uint32_t i;

	for (i = 0; i < files->n; i++) {
		free(files->list[i]->path);
		free(files->list[i]);
	}
	free(files->list);
	table__fini(&files->by_id);
	files__init(files);
}

struct file *files__at(const struct files *files, uint32_t index)
{
	return index < files->n ? files->list[index] : NULL;
}

static int files__add(struct files *files, uint32_t dev, uint64_t ino, uint32_t *out)
{
	struct file *file, **list = files->list;

	if (files->n == FILES_MAX)
		return 1;
	if (files->n == files->capacity) {
		uint32_t capacity = files->capacity ? 2 * files->capacity : 64;

		list = realloc(list, capacity * sizeof(*list));
		if (!list)
			return -ENOMEM;
		files->bytes += (capacity - files->capacity) * sizeof(*list);
		files->list = list;
		files->capacity = capacity;
	}
	file = calloc(1, sizeof(*file));
	if (!file)
		return -ENOMEM;
	*file = (struct file){ .ino = ino, .dev = dev, .index = files->n };
	list[files->n] = file;
	files->bytes += sizeof(*file);
	*out = files->n++;
	return 0;
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
