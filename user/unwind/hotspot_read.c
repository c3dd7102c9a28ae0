/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Reading a process that may lie. Pointers that lead in circles or to gigabytes are stopped by one
 * budget for a whole question, so that no caller has to think of how its loops multiply.
 */
#include "user/unwind/hotspot_read.h"

#include <stdlib.h>
#include <string.h>

#define PAGE_SZ 4096u
#define N_PAGES 512u		/* 2 MB: libjvm.so's strings lie within some 300 pages */

bool remote__read(struct remote *remote, uint64_t addr, void *buf, size_t sz)
{
	uint64_t cost = sz + REMOTE_READ_COST;

	if (cost > remote->budget || addr < PAGE_SZ || addr > UINT64_MAX / 2 - sz)
		return false;
	remote->budget -= cost;
	return remote->ops->read(remote->ops_ctx, remote->tgid, addr, buf, sz) == 0;
}

bool remote__word(struct remote *remote, uint64_t addr, uint64_t *out)
{
	return remote__number(remote, addr, sizeof(*out), out);
}

bool remote__number(struct remote *remote, uint64_t addr, size_t sz, uint64_t *out)
{
	*out = 0;
	if (sz <= sizeof(*out) && remote__read(remote, addr, out, sz))
		return true;
	*out = 0;
	return false;
}

/* Bytes from addr to the end of its page, at most `most`. */
static size_t left_in_page(uint64_t addr, size_t most)
{
	size_t n = PAGE_SZ - addr % PAGE_SZ;

	return n < most ? n : most;
}

bool remote__string(struct remote *remote, uint64_t addr, char *buf, size_t buf_sz)
{
	size_t n = 0, part;

	for (; n + 1 < buf_sz; n += part) {
		part = left_in_page(addr + n, buf_sz - 1 - n);
		if (!remote__read(remote, addr + n, buf + n, part))
			return false;
		if (memchr(buf + n, '\0', part))
			return true;
	}
	buf[n] = '\0';
	return true;
}

struct remote_page {
	uint64_t addr;		/* 0: empty */
	bool readable;
	char bytes[PAGE_SZ];
};

struct remote_pages {
	struct remote *remote;
	struct remote_page pages[N_PAGES];
};

struct remote_pages *remote_pages__new(struct remote *remote)
{
	struct remote_pages *pages = calloc(1, sizeof(*pages));

	if (pages)
		pages->remote = remote;
	return pages;
}

struct remote_pages *remote_pages__free(struct remote_pages *pages)
{
	free(pages);
	return NULL;
}

/* The page of addr, by its number: neighbours do not push each other out. */
static const struct remote_page *get_page(struct remote_pages *pages, uint64_t addr)
{
	uint64_t start = addr - addr % PAGE_SZ;
	struct remote_page *page = &pages->pages[start / PAGE_SZ % N_PAGES];

	if (page->addr != start) {
		page->addr = start;
		page->readable = remote__read(pages->remote, start, page->bytes, PAGE_SZ);
	}
	return page;
}

bool remote_pages__string(struct remote_pages *pages, uint64_t addr, char *buf, size_t buf_sz)
{
	size_t n = 0, part;

	for (; n + 1 < buf_sz; n += part) {
		const struct remote_page *page = get_page(pages, addr + n);

		if (!page->readable)
			return false;
		part = left_in_page(addr + n, buf_sz - 1 - n);
		memcpy(buf + n, page->bytes + (addr + n) % PAGE_SZ, part);
		if (memchr(buf + n, '\0', part))
			return true;
	}
	buf[n] = '\0';
	return true;
}
