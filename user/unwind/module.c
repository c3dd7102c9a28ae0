/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * No descriptor is kept: it would hold a deleted file's blocks and keep a container's file system
 * from being unmounted. The price is that an inode number may come to mean another file. While a
 * process maps a file the number is its, so it is enough to compare size and times once whenever
 * another process than last time asks.
 *
 * The vdso is read from the process's own memory and kept for that process alone: it may have
 * been overwritten there.
 */
#include "user/unwind/module.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "user/base/cleanup.h"

#define VDSO_MAX 65536			/* it has two pages today */
#define BYTES_MAX ((size_t)192 << 20)	/* of all images together */

void modules__init(struct modules *modules, const struct unwind_target_ops *ops, void *ops_ctx,
		   size_t max)
{
	*modules = (struct modules){ .ops = ops, .ops_ctx = ops_ctx, .max = max };
}

static void module_free(struct unwind_module *module)
{
	image__fini(&module->image);
	free(module);
}

static void remove_at(struct modules *modules, struct unwind_module **at)
{
	struct unwind_module *module = *at;

	*at = module->next;
	modules->n--;
	module_free(module);
}

void modules__fini(struct modules *modules)
{
	while (modules->first)
		remove_at(modules, &modules->first);
}

void modules__forget(struct modules *modules, uint32_t tgid)
{
	struct unwind_module **at = &modules->first;

	while (*at) {
		if ((*at)->tgid != tgid) {
			at = &(*at)->next;
		} else if (!(*at)->ino) {
			remove_at(modules, at);
		} else {
			(*at)->tgid = 0;
			at = &(*at)->next;
		}
	}
}

/* Keeps the first, whatever it holds. */
static void evict(struct modules *modules)
{
	struct unwind_module **at = &modules->first;
	size_t n = 0, bytes = 0;

	while (*at) {
		bytes += image__bytes(&(*at)->image);
		if (n > 0 && (n >= modules->max || bytes > BYTES_MAX)) {
			bytes -= image__bytes(&(*at)->image);
			remove_at(modules, at);
			continue;
		}
		n++;
		at = &(*at)->next;
	}
}

static struct unwind_module **find(struct modules *modules, uint32_t tgid,
				   const struct unwind_map *map)
{
	struct unwind_module **at;
	bool same;

	for (at = &modules->first; *at; at = &(*at)->next) {
		same = map->vdso ? !(*at)->ino && (*at)->tgid == tgid
				 : (*at)->ino == map->ino && (*at)->dev == map->dev;
		if (same)
			return at;
	}
	return NULL;
}

static bool identify(int fd, struct module_identity *out)
{
	struct stat st;

	if (fstat(fd, &st))
		return false;
	*out = (struct module_identity){
		.dev = st.st_dev,
		.ino = st.st_ino,
		.size = (uint64_t)st.st_size,
		.mtime = st.st_mtim,
		.ctime = st.st_ctim,
	};
	return S_ISREG(st.st_mode);
}

static bool is_same(const struct module_identity *a, const struct module_identity *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
	       a->mtime.tv_sec == b->mtime.tv_sec && a->mtime.tv_nsec == b->mtime.tv_nsec &&
	       a->ctime.tv_sec == b->ctime.tv_sec && a->ctime.tv_nsec == b->ctime.tv_nsec;
}

static int add(struct modules *modules, uint32_t tgid, const struct unwind_map *map,
	       const struct image_source *source, const struct module_identity *identity,
	       struct unwind_module **out)
{
	struct unwind_module *module = calloc(1, sizeof(*module));
	int r;

	if (!module)
		return -ENOMEM;
	r = image__load(&module->image, source);
	if (r) {
		free(module);
		return r;
	}
	module->serial = ++modules->last_serial;
	module->ino = map->vdso ? 0 : map->ino;
	module->dev = map->dev;
	module->tgid = tgid;
	module->identity = *identity;
	module->next = modules->first;
	modules->first = module;
	modules->n++;
	evict(modules);
	*out = module;
	return 0;
}

static int add_vdso(struct modules *modules, uint32_t tgid, const struct unwind_map *map,
		    struct unwind_module **out)
{
	uint64_t n = map->end - map->start;
	cleanup_free uint8_t *mem = NULL;

	if (map->end <= map->start || n > VDSO_MAX)
		return 0;
	mem = malloc(n);
	if (!mem)
		return -ENOMEM;
	if (modules->ops->read(modules->ops_ctx, tgid, map->start, mem, n))
		return 0;
	return add(modules, tgid, map, &(struct image_source){ .mem = mem, .mem_sz = n, .fd = -1 },
		   &(struct module_identity){ 0 }, out);
}

static int add_file(struct modules *modules, uint32_t tgid, const struct unwind_map *map,
		    struct unwind_module **known, struct unwind_module **out)
{
	cleanup_fd int fd = modules->ops->open_file(modules->ops_ctx, tgid, map);
	struct module_identity identity;

	if (fd < 0 || !identify(fd, &identity))
		return 0;
	if (known && is_same(&(*known)->identity, &identity)) {
		*out = *known;
		(*out)->tgid = tgid;
		return 0;
	}
	if (known)
		remove_at(modules, known);
	return add(modules, tgid, map, &(struct image_source){ .fd = fd }, &identity, out);
}

int modules__get(struct modules *modules, uint32_t tgid, const struct unwind_map *map,
		 struct unwind_module **out)
{
	struct unwind_module **known;

	*out = NULL;
	if (!map->vdso && !map->ino)
		return 0;
	known = find(modules, tgid, map);
	if (known && (*known)->tgid == tgid) {
		*out = *known;
		*known = (*out)->next;
		(*out)->next = modules->first;
		modules->first = *out;
		return 0;
	}
	if (map->vdso)
		return add_vdso(modules, tgid, map, out);
	return add_file(modules, tgid, map, known, out);
}
