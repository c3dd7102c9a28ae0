/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Records that later ones refer to are kept as they came, the newest of each key, in the order of
 * the keys' first appearance; regions and memory readings the model has. A process that is gone
 * takes its records along when the next snapshot is written, not before: until then they only lie
 * there.
 */
#include "user/model/snapshot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/cleanup.h"
#include "user/base/table.h"
#include "user/wire/decode.h"

#define MAX_BYTES (128u << 20)
#define TMPFS_MAGIC 0x01021994u		/* linux/magic.h */

struct kept_key {
	uint64_t a, b;
	uint32_t tgid;
	uint32_t type;
};

struct kept {
	struct kept_key key;
	uint64_t order;
	struct ev_header *record;	/* owned */
};

struct snapshot {
	struct table kept;		/* struct kept */
	uint64_t next_order;
	size_t bytes;
};

int snapshot__new(struct snapshot **out)
{
	struct snapshot *snapshot = calloc(1, sizeof(*snapshot));

	if (!snapshot)
		return -ENOMEM;
	table__init(&snapshot->kept, sizeof(struct kept_key), sizeof(struct kept));
	*out = snapshot;
	return 0;
}

struct snapshot *snapshot__free(struct snapshot *snapshot)
{
	struct kept *kept;
	size_t cursor = 0;

	if (!snapshot)
		return NULL;
	while ((kept = table__next(&snapshot->kept, &cursor)))
		free(kept->record);
	table__fini(&snapshot->kept);
	free(snapshot);
	return NULL;
}

/* --- keeping ----------------------------------------------------------------------------------- */

static uint64_t hash_of(const char *text, size_t n)
{
	uint64_t hash = 0xcbf29ce484222325ull;	/* FNV-1a */

	for (size_t i = 0; i < n; i++)
		hash = (hash ^ (uint8_t)text[i]) * 0x100000001b3ull;
	return hash;
}

/* False: a record that nothing refers to later. */
static bool key_of(const struct ev_header *h, struct kept_key *key)
{
	const void *record = h;

	*key = (struct kept_key){ .tgid = h->tgid, .type = h->type };
	switch (h->type) {
	case EV_PROCESS:
	case EV_RUN:
	case EV_LOSS:
	case EV_TRUST:
		return true;
	case EV_PAIR:
		key->a = ((const struct ev_pair *)record)->pair;
		return true;
	case EV_GROUP:
		key->a = ((const struct ev_group *)record)->kind;
		return true;
	case EV_STACK:
		key->a = ((const struct ev_stack *)record)->id;
		return true;
	case EV_METHOD:	/* by its frame: pc and extra[] */
		key->a = hash_of((const char *)&((const struct ev_method *)record)->pc, 24);
		return true;
	case EV_FILE:
		key->tgid = 0;
		key->a = ((const struct ev_file *)record)->ino;
		key->b = ((const struct ev_file *)record)->dev;
		return true;
	case EV_NOTE:
		key->a = hash_of(((const struct ev_note *)record)->text,
				 ((const struct ev_note *)record)->text_sz);
		return true;
	default:
		return false;
	}
}

int snapshot__keep(struct snapshot *snapshot, const struct ev_header *record)
{
	struct ev_header *copy;
	struct kept_key key;
	struct kept *kept;
	bool is_new;

	if (!key_of(record, &key) || snapshot->bytes + record->size > MAX_BYTES)
		return 0;
	kept = table__insert(&snapshot->kept, &key, &is_new);
	copy = kept ? malloc(record->size) : NULL;
	if (!copy)
		return -ENOMEM;
	if (is_new)
		kept->order = snapshot->next_order++;
	else
		snapshot->bytes -= kept->record->size;
	memcpy(copy, record, record->size);
	free(kept->record);
	kept->record = copy;
	snapshot->bytes += record->size;
	return 0;
}

/* What is the system's comes first: a count of losses must find no process that it could harm. */
static int compare_order(const void *a, const void *b)
{
	const struct kept *x = *(const struct kept *const *)a, *y = *(const struct kept *const *)b;

	if (!x->key.tgid != !y->key.tgid)
		return x->key.tgid ? 1 : -1;
	return x->order > y->order ? 1 : x->order < y->order ? -1 : 0;
}

/* Lets go of what belongs to processes that are gone. */
static int forget_the_gone(struct snapshot *snapshot, const struct world *world)
{
	cleanup_free struct kept_key *gone = calloc(snapshot->kept.n + 1, sizeof(*gone));
	struct kept *kept;
	size_t n = 0, cursor = 0;

	if (!gone)
		return -ENOMEM;
	while ((kept = table__next(&snapshot->kept, &cursor)))
		if (kept->key.tgid && !world__find(world, kept->key.tgid))
			gone[n++] = kept->key;
	while (n--) {
		kept = table__find(&snapshot->kept, &gone[n]);
		snapshot->bytes -= kept->record->size;
		free(kept->record);
		table__remove(&snapshot->kept, &gone[n]);
	}
	return 0;
}

/* --- writing ----------------------------------------------------------------------------------- */

struct writing {
	const struct world *world;
	int (*emit)(void *ctx, const struct ev_header *record);
	void *ctx;
	uint32_t tgid;
};

static struct ev_header header(const struct writing *writing, uint16_t type, uint32_t size)
{
	return (struct ev_header){ .time_ns = world__now_ns(writing->world), .tgid = writing->tgid,
				   .type = type, .size = size };
}

static int write_region(void *ctx, const struct region *region)
{
	const struct writing *writing = ctx;
	struct ev_region ev = {
		.h = header(writing, EV_REGION, sizeof(ev)),
		.start = region->start,
		.end = region->end,
		.prot = region->prot,
		.flags = (region->shared ? EV_REGION_SHARED : 0) |
			 (region->special ? EV_REGION_SPECIAL : 0) |
			 (region->kind == KIND_HEAP ? EV_REGION_HEAP : 0),
	};

	if (region->file) {
		ev.ino = region->file->ino;
		ev.dev = region->file->dev;
		ev.file_off = region->file_off;
		ev.fs_magic = region->kind == KIND_SHM ? TMPFS_MAGIC : 0;
	}
	return writing->emit(writing->ctx, &ev.h);
}

/* A process whose map file was not read yet has no reading to tell: one that claimed to be whole
 * would take from it what it has. */
static int write_regions(struct writing *writing, const struct process *p)
{
	struct ev_seed ev = { .h = header(writing, EV_SEED_BEGIN, sizeof(ev)),
			      .reason = EV_SEED_ATTACH };
	int r;

	if (!p->seeded)
		return 0;
	r = writing->emit(writing->ctx, &ev.h);
	if (!r)
		r = process__each_region(p, write_region, writing);
	ev.h.type = EV_SEED_END;
	return r ? r : writing->emit(writing->ctx, &ev.h);
}

static int write_process(struct writing *writing, const struct process *p)
{
	struct ev_memory memory = p->memory;
	int r = write_regions(writing, p);

	if (r || !p->has_memory)
		return r;
	memory.h.time_ns = world__now_ns(writing->world);
	return writing->emit(writing->ctx, &memory.h);
}

/* Losses up to here are nobody's that follows: the regions of those who lost were read since, or are
 * in doubt again with the next loss, and their handles are not told. */
static int write_lost(struct writing *writing, const struct ev_loss *loss)
{
	const struct ev_lost ev = {
		.h = { .time_ns = loss->h.time_ns, .type = EV_LOST, .size = sizeof(ev) },
		.n = loss->count[EV_LOSS_RING_FULL],
		.type = EV_MUNMAP,
	};

	return ev.n ? writing->emit(writing->ctx, &ev.h) : 0;
}

/* The kept records, of stacks or of all else. */
static int write_kept(struct writing *writing, struct kept **list, size_t n, bool stacks)
{
	for (size_t i = 0; i < n; i++) {
		struct ev_header *record = list[i]->record;
		int r;

		if ((record->type == EV_STACK) != stacks)
			continue;
		record->time_ns = world__now_ns(writing->world);
		r = writing->emit(writing->ctx, record);
		if (!r && record->type == EV_LOSS)
			r = write_lost(writing, (const struct ev_loss *)record);
		if (r)
			return r;
	}
	return 0;
}

int snapshot__write(struct snapshot *snapshot, const struct world *world,
		    int (*emit)(void *ctx, const struct ev_header *record), void *ctx)
{
	struct writing writing = { .world = world, .emit = emit, .ctx = ctx };
	cleanup_free struct kept **list = NULL;
	size_t n = 0, cursor = 0;
	struct kept *kept;
	int r;

	r = forget_the_gone(snapshot, world);
	if (r)
		return r;
	list = calloc(snapshot->kept.n + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	while ((kept = table__next(&snapshot->kept, &cursor)))
		list[n++] = kept;
	qsort(list, n, sizeof(*list), compare_order);
	r = write_kept(&writing, list, n, false);
	for (struct process *p = world__processes(world); !r && p; p = p->next) {
		writing.tgid = p->tgid;
		if (!p->exited)
			r = write_process(&writing, p);
	}
	/* Their pcs are translated by the regions, so the stacks come last. */
	return r ? r : write_kept(&writing, list, n, true);
}
