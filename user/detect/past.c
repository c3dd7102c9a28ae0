/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * A hash table of lessons, each with the number of the lesson that wrote it last: the least one goes
 * when there is no room. That number is not written: entries are, in its order, so the form says the
 * same and numbers begin anew with each reading.
 *
 *   header   magic[8], version u32, n u32, checksum u64 of the entries, all little-endian
 *   entry    site u64, plateau u64, release_age u32, kind u32
 *
 * The checksum is FNV-1a: it is to notice a torn or spoilt file, not an enemy, whom the file's mode
 * keeps away. Everything is checked nevertheless.
 */
#include "user/detect/past.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/cleanup.h"
#include "user/base/table.h"
#include "user/model/world.h"

#define MAGIC "unfreedP"
#define VERSION 2u	/* 1 had ticks of 100 ms */

struct key {
	uint64_t site, kind;
};

struct entry {
	struct key key;
	struct lesson lesson;
	uint64_t number;
};

struct past {
	struct table entries;
	uint64_t number;	/* of the latest lesson */
	bool changed;
};

int past__new(struct past **out)
{
	struct past *past = calloc(1, sizeof(*past));

	if (!past)
		return -ENOMEM;
	table__init(&past->entries, sizeof(struct key), sizeof(struct entry));
	*out = past;
	return 0;
}

struct past *past__free(struct past *past)
{
	if (past)
		table__fini(&past->entries);
	free(past);
	return NULL;
}

uint32_t past__n(const struct past *past)
{
	return (uint32_t)past->entries.n;
}

bool past__is_changed(const struct past *past)
{
	return past->changed;
}

struct lesson past__find(const struct past *past, uint64_t site, unsigned int kind)
{
	struct key key = { site, kind };
	const struct entry *entry = past ? table__find(&past->entries, &key) : NULL;

	return entry ? entry->lesson : (struct lesson){ 0 };
}

static void forget_oldest(struct past *past)
{
	const struct entry *entry, *oldest = NULL;
	struct key key;
	size_t cursor = 0;

	while ((entry = table__next(&past->entries, &cursor))) {
		if (!oldest || entry->number < oldest->number)
			oldest = entry;
	}
	if (!oldest)
		return;
	key = oldest->key;
	table__remove(&past->entries, &key);
}

int past__learn(struct past *past, uint64_t site, unsigned int kind, const struct lesson *lesson)
{
	struct key key = { site, kind };
	struct entry *entry;

	if (!site || kind >= N_KINDS || (!lesson->release_age && !lesson->plateau))
		return 0;
	if (past->entries.n >= PAST_MAX && !table__find(&past->entries, &key))
		forget_oldest(past);
	entry = table__insert(&past->entries, &key, NULL);
	if (!entry)
		return -ENOMEM;
	entry->number = ++past->number;
	past->changed = true;
	if (lesson->release_age > entry->lesson.release_age)
		entry->lesson.release_age = lesson->release_age;
	if (lesson->plateau > entry->lesson.plateau)
		entry->lesson.plateau = lesson->plateau;
	return 0;
}

/* --- as bytes ------------------------------------------------------------------------------- */

static void put32(uint8_t *at, uint32_t v)
{
	v = htole32(v);
	memcpy(at, &v, sizeof(v));
}

static void put64(uint8_t *at, uint64_t v)
{
	v = htole64(v);
	memcpy(at, &v, sizeof(v));
}

static uint32_t get32(const uint8_t *at)
{
	uint32_t v;

	memcpy(&v, at, sizeof(v));
	return le32toh(v);
}

static uint64_t get64(const uint8_t *at)
{
	uint64_t v;

	memcpy(&v, at, sizeof(v));
	return le64toh(v);
}

static uint64_t checksum(const uint8_t *bytes, size_t n)
{
	uint64_t h = 0xcbf29ce484222325ull;

	for (size_t i = 0; i < n; i++)
		h = (h ^ bytes[i]) * 0x100000001b3ull;
	return h;
}

static int compare_numbers(const void *a, const void *b)
{
	const struct entry *x = *(const struct entry *const *)a;
	const struct entry *y = *(const struct entry *const *)b;

	return x->number < y->number ? -1 : x->number > y->number;
}

int past__write(struct past *past, uint8_t **out, size_t *out_sz)
{
	size_t n = past->entries.n, sz = PAST_HEADER_SZ + n * PAST_ENTRY_SZ, cursor = 0;
	cleanup_free const struct entry **sorted = calloc(n + 1, sizeof(*sorted));
	uint8_t *bytes = malloc(sz), *at;

	if (!sorted || !bytes) {
		free(bytes);
		return -ENOMEM;
	}
	for (size_t i = 0; i < n; i++)
		sorted[i] = table__next(&past->entries, &cursor);
	qsort(sorted, n, sizeof(*sorted), compare_numbers);
	at = bytes + PAST_HEADER_SZ;
	for (size_t i = 0; i < n; i++, at += PAST_ENTRY_SZ) {
		put64(at, sorted[i]->key.site);
		put64(at + 8, sorted[i]->lesson.plateau);
		put32(at + 16, sorted[i]->lesson.release_age);
		put32(at + 20, (uint32_t)sorted[i]->key.kind);
	}
	memcpy(bytes, MAGIC, 8);
	put32(bytes + 8, VERSION);
	put32(bytes + 12, (uint32_t)n);
	put64(bytes + 16, checksum(bytes + PAST_HEADER_SZ, sz - PAST_HEADER_SZ));
	past->changed = false;
	*out = bytes;
	*out_sz = sz;
	return 0;
}

/* What is wrong with these bytes before their entries are looked at; NULL: nothing. */
static const char *header_fault(const uint8_t *bytes, size_t sz)
{
	uint32_t n;

	if (sz < PAST_HEADER_SZ || memcmp(bytes, MAGIC, 8))
		return "it is no memory of unfreed";
	if (get32(bytes + 8) != VERSION)
		return "it is of another version than this program reads";
	n = get32(bytes + 12);
	if (n > PAST_MAX || sz != PAST_HEADER_SZ + (size_t)n * PAST_ENTRY_SZ)
		return "its size is wrong";
	if (get64(bytes + 16) != checksum(bytes + PAST_HEADER_SZ, sz - PAST_HEADER_SZ))
		return "its checksum is wrong";
	return NULL;
}

/* Returns 0, -ENOMEM or 1. */
static int read_entry(struct past *past, const uint8_t *at)
{
	struct lesson lesson = { .plateau = get64(at + 8), .release_age = get32(at + 16) };
	uint64_t site = get64(at);
	uint32_t kind = get32(at + 20), before = past__n(past);
	int r = past__learn(past, site, kind, &lesson);

	/* An entry that teaches nothing, or one that was there already, nobody wrote. */
	return r ? r : past__n(past) == before;
}

int past__read(struct past **out, const uint8_t *bytes, size_t sz, const char **why)
{
	struct past *past = NULL;
	int r;

	*why = header_fault(bytes, sz);
	if (*why)
		return 1;
	r = past__new(&past);
	for (uint32_t i = 0; !r && i < get32(bytes + 12); i++)
		r = read_entry(past, bytes + PAST_HEADER_SZ + (size_t)i * PAST_ENTRY_SZ);
	if (r) {
		if (r > 0)
			*why = "an entry makes no sense";
		past__free(past);
		return r;
	}
	past->changed = false;
	*out = past;
	return 0;
}
