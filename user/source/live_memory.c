/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The live source's regular readings of a process: whether it could run, what memory it has, how far
 * it is from its limits, and whose limits these are.
 */
#include "user/source/live_private.h"

#include <string.h>

#include "user/base/error.h"
#include "user/source/procfs.h"
#include "user/wire/decode.h"

static uint64_t hash_text(const char *text)
{
	uint64_t hash = 0xcbf29ce484222325ull;	/* FNV-1a */

	for (; *text; text++)
		hash = (hash ^ (uint8_t)*text) * 0x100000001b3ull;
	return hash;
}

/* Whether it could run since the last time: its clock goes by that. */
static void send_run(struct live *live, struct watched *p)
{
	struct ev_run ev = {};

	if (procfs__run(live->procfs, (pid_t)p->tgid, p->cpu_ns, &ev))
		return;
	p->cpu_ns = ev.cpu_ns;
	live_header(&ev.h, EV_RUN, sizeof(ev), p->tgid);
	live_emit(live, &ev.h);
}

/* Which cgroup it is that limits it, when that is another than it was. */
static void tell_group(struct live *live, struct watched *p, enum ev_limit_kind kind, const char *path)
{
	struct ev_group *ev = (struct ev_group *)live->buffer;
	uint64_t hash = hash_text(path);
	size_t sz;

	if (hash == p->group_told[kind] || (!*path && !p->group_told[kind]))
		return;
	sz = ev_write_group(live->buffer, sizeof(live->buffer), kind, path);
	if (!sz)
		return;
	p->group_told[kind] = hash;
	live_header(&ev->h, EV_GROUP, (uint32_t)sz, p->tgid);
	live_emit(live, &ev->h);
}

/*
 * Counting mappings reads the map file, about a microsecond each: as often as makes it one part in
 * COUNT_SHARE of the time, and where more than half of those allowed are there, one in COUNT_SHARE_NEAR.
 */
#define COUNT_SHARE 400
#define COUNT_SHARE_NEAR 30

static uint64_t count_share(const struct ev_memory *ev)
{
	uint64_t left = ev->left[EV_LIMIT_MAP_COUNT], limit = ev->limit[EV_LIMIT_MAP_COUNT];

	return limit != UINT64_MAX && left < limit / 2 ? COUNT_SHARE_NEAR : COUNT_SHARE;
}

void live_send_memory(struct live *live, struct watched *p)
{
	uint64_t begun = clock_monotonic_ns();
	bool count = begun >= p->count_due_ns;
	struct procfs_groups groups;
	struct ev_memory ev = {};
	int r;

	p->memory_read_ns = begun;
	send_run(live, p);
	r = procfs__memory_groups(live->procfs, (pid_t)p->tgid, count, &ev, &groups);
	if (count)
		p->count_due_ns = begun + count_share(&ev) * (clock_monotonic_ns() - begun);
	if (r)
		return;	/* gone, or no memory of its own */
	tell_group(live, p, EV_LIMIT_CGROUP_MAX, groups.max);
	tell_group(live, p, EV_LIMIT_CGROUP_HIGH, groups.high);
	live_header(&ev.h, EV_MEMORY, sizeof(ev), p->tgid);
	live_emit(live, &ev.h);
}
