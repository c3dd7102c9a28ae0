/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * libFuzzer against the interval map. The input is a list of operations, four bytes each, done to the
 * map and to its twin: an array with a cell for each page, which knows nothing of chunks, splits and
 * searches. After every operation the structure must be sound, and every entry must begin, go on and
 * end where the twin says. The first byte places the pages: at 0, in the middle, or up to the last
 * page that has an end below 2^64.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "user/model/region_map.h"

#define N_PAGES 1024u
#define PAGE (1ull << REGION_PAGE_SHIFT)
#define MAX_OPERATIONS 600

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t data_sz);

struct page {
	uint32_t owner;		/* 0: free */
	uint32_t file_page;	/* 0 where there is no file */
	uint8_t prot;
	bool first;		/* of its entry */
	bool fragment;		/* the entry that begins here is one */
};

struct pair {
	struct region_map map;
	struct page pages[N_PAGES];
	uint64_t base;
};

struct operation {
	uint8_t what;
	uint32_t page, n;	/* n >= 1, and both end within the pages */
};

static void must(bool holds)
{
	if (!holds)
		abort();
}

static uint64_t address(const struct pair *pair, uint32_t page)
{
	return pair->base + page * PAGE;
}

static uint32_t page_of(const struct pair *pair, uint64_t addr)
{
	return (uint32_t)((addr - pair->base) / PAGE);
}

/* --- the twin ---------------------------------------------------------------------------------- */

static void twin__bound(struct pair *pair, uint32_t page)
{
	if (page == N_PAGES || !pair->pages[page].owner || pair->pages[page].first)
		return;
	pair->pages[page].first = true;
	pair->pages[page].fragment = true;
}

static bool twin__joins(const struct pair *pair, uint32_t page)
{
	const struct page *b = &pair->pages[page], *a = b - 1;
	uint32_t first = page;

	if (!page || !a->owner || !b->owner || !b->first)
		return false;
	while (!pair->pages[--first].first)
		;
	return (b->fragment || pair->pages[first].fragment) && a->owner == b->owner &&
	       a->prot == b->prot && b->file_page == a->file_page + !!a->file_page;
}

static void twin__join(struct pair *pair, uint32_t page)
{
	uint32_t first = page;

	while (!pair->pages[--first].first)
		;
	pair->pages[first].fragment &= pair->pages[page].fragment;
	pair->pages[page].first = pair->pages[page].fragment = false;
}

static void compare_entry(const struct pair *pair, const struct region_entry *e)
{
	const uint32_t first = page_of(pair, e->start), end = page_of(pair, e->end);
	const bool has_file = e->file != REGION_NO_FILE;

	must(e->start >= pair->base && end <= N_PAGES && first < end);
	must(pair->pages[first].first);
	must(pair->pages[first].fragment == !!(e->flags & REGION_FRAGMENT));
	for (uint32_t i = first; i < end; i++) {
		const struct page *page = &pair->pages[i];

		must(page->owner == e->site && page->prot == e->prot);
		must(page->file_page == (has_file ? e->file_page + i - first : 0));
		must(i == first || !page->first);
	}
}

static void compare(const struct pair *pair)
{
	struct region_pos pos = region_map__seek(&pair->map, 0);
	const struct region_entry *e;
	size_t n_pages = 0, n = 0;

	must(!region_map__check(&pair->map));
	for (; (e = region_map__at(&pair->map, pos)); region_map__next(&pair->map, &pos), n++) {
		compare_entry(pair, e);
		n_pages += (e->end - e->start) / PAGE;
	}
	must(n == pair->map.n);
	for (uint32_t i = 0; i < N_PAGES; i++)
		n_pages -= !!pair->pages[i].owner;
	must(!n_pages);
}

/* --- operations on both ------------------------------------------------------------------------ */

static void isolate(struct pair *pair, uint32_t page, uint32_t n)
{
	must(!region_map__isolate(&pair->map, address(pair, page), address(pair, page + n)));
	twin__bound(pair, page);
	twin__bound(pair, page + n);
}

static void take_out(struct pair *pair, uint32_t page, uint32_t n)
{
	isolate(pair, page, n);
	region_map__remove(&pair->map, address(pair, page), address(pair, page + n));
	memset(&pair->pages[page], 0, n * sizeof(pair->pages[0]));
}

static void put_in(struct pair *pair, uint32_t page, uint32_t n, uint32_t owner)
{
	const bool has_file = owner & 1;
	struct region_entry e = {
		.start = address(pair, page),
		.end = address(pair, page + n),
		.file_page = has_file ? 100 : 0,
		.file = has_file ? 1 : REGION_NO_FILE,
		.site = owner,
	};

	take_out(pair, page, n);
	must(!region_map__insert(&pair->map, &e));
	for (uint32_t i = 0; i < n; i++)
		pair->pages[page + i] = (struct page){ .owner = owner,
						       .file_page = has_file ? 100 + i : 0,
						       .first = !i };
}

/* Many small entries in one operation: chunks fill, split, and run empty again. */
static void stripe(struct pair *pair, struct operation op, uint32_t owner)
{
	for (uint32_t i = 0; i < op.n; i += 2)
		if (owner)
			put_in(pair, op.page + i, 1, owner);
		else
			take_out(pair, op.page + i, 1);
}

static void protect(struct pair *pair, struct operation op, uint8_t prot)
{
	struct region_pos pos;
	struct region_entry *e;

	isolate(pair, op.page, op.n);
	pos = region_map__seek(&pair->map, address(pair, op.page));
	while ((e = region_map__at(&pair->map, pos)) && e->start < address(pair, op.page + op.n)) {
		e->prot = prot;
		region_map__next(&pair->map, &pos);
	}
	for (uint32_t i = 0; i < op.n; i++)
		pair->pages[op.page + i].prot = pair->pages[op.page + i].owner ? prot : 0;
}

static void join(struct pair *pair, uint32_t page)
{
	const bool joins = twin__joins(pair, page);

	must(region_map__join(&pair->map, address(pair, page)) == joins);
	if (joins)
		twin__join(pair, page);
}

static void find_gaps(const struct pair *pair, struct operation op)
{
	const uint64_t end = address(pair, op.page + op.n);
	uint64_t at = address(pair, op.page), gap_start, gap_end;
	uint32_t page = op.page;

	while (region_map__gap(&pair->map, &at, end, &gap_start, &gap_end)) {
		must(gap_start < gap_end && gap_end <= end);
		for (; page < page_of(pair, gap_start); page++)
			must(pair->pages[page].owner);
		for (; page < page_of(pair, gap_end); page++)
			must(!pair->pages[page].owner);
	}
	for (; page < op.page + op.n; page++)
		must(pair->pages[page].owner);
}

static void seek(const struct pair *pair, uint32_t page)
{
	struct region_pos pos = region_map__seek(&pair->map, address(pair, page));
	const struct region_entry *e = region_map__at(&pair->map, pos);
	uint32_t before = page;

	while (page < N_PAGES && !pair->pages[page].owner)
		page++;
	if (page < N_PAGES)
		must(e && e->start <= address(pair, page) && e->end > address(pair, page));
	else
		must(!e);
	/* The one before ends at or below where the search began. */
	if (region_map__prev(&pair->map, &pos))
		must(region_map__at(&pair->map, pos)->end <= address(pair, before));
}

static void copy(struct pair *pair)
{
	struct region_map other;

	region_map__init(&other);
	must(!region_map__copy(&other, &pair->map));
	region_map__fini(&pair->map);
	must(!pair->map.bytes);
	pair->map = other;
}

static void operate(struct pair *pair, struct operation op)
{
	const uint32_t more = op.what / 8;	/* 0 to 31 */

	switch (op.what % 8) {
	case 0:
		put_in(pair, op.page, op.n, 1 + more % 4);
		break;
	case 1:
		take_out(pair, op.page, op.n);
		break;
	case 2:
		stripe(pair, op, more % 4);
		break;
	case 3:
		protect(pair, op, more % 4);
		break;
	case 4:
		join(pair, op.page);
		break;
	case 5:
		isolate(pair, op.page, op.n);
		break;
	case 6:
		find_gaps(pair, op);
		seek(pair, op.page);
		break;
	default:
		copy(pair);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t data_sz)
{
	static const uint64_t bases[] = { 0, 0x7f0000000000, -(N_PAGES + 1) * PAGE };
	struct pair *pair = calloc(1, sizeof(*pair));

	must(pair);
	region_map__init(&pair->map);
	pair->base = bases[data_sz ? data[0] % 3 : 0];
	for (size_t at = 1; at + 4 <= data_sz && at < 4 * MAX_OPERATIONS; at += 4) {
		struct operation op = { .what = data[at] };

		op.page = (data[at + 1] | data[at + 2] << 8) % N_PAGES;
		op.n = 1 + data[at + 3] % (N_PAGES - op.page);
		if (op.what % 8 == 2 && op.n > 1)	/* a stripe that goes far */
			op.n = op.n * 4 < N_PAGES - op.page ? op.n * 4 : N_PAGES - op.page;
		operate(pair, op);
		compare(pair);
	}
	region_map__fini(&pair->map);
	free(pair);
	return 0;
}
