/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * What the detector remembers of a process beyond its sites: readings over time, and the one with the
 * least memory, from which growth is counted.
 */
#include <errno.h>
#include <stdlib.h>

#include "user/detect/share.h"
#include "user/detect/state.h"

void tracked__free(struct tracked *tracked)
{
	for (unsigned int i = 0; i < EV_N_LIMITS; i++)
		if (i != EV_LIMIT_HOST)
			free(tracked->used[i]);
	free(tracked);
}

/* How much of the limits of memory is used, by whomever. 0 or -ENOMEM. */
static int tracked__read_used(struct tracked *tracked, const struct ev_memory *m)
{
	static const enum ev_limit_kind kinds[] = {
		EV_LIMIT_CGROUP_MAX, EV_LIMIT_CGROUP_HIGH, EV_LIMIT_HOST,
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct series **used = &tracked->used[kinds[i]];
		uint64_t limit = m->limit[kinds[i]], left = m->left[kinds[i]];

		if (limit == UINT64_MAX || left > limit)
			continue;
		if (!*used)
			*used = calloc(1, sizeof(**used));
		if (!*used)
			return -ENOMEM;
		/* Edited, or another group binds now: what was used of the old one says nothing. */
		if (kinds[i] != EV_LIMIT_HOST && tracked->used_limit[kinds[i]] != limit)
			**used = (struct series){ 0 };
		tracked->used_limit[kinds[i]] = limit;
		series__add(*used, m->h.time_ns, limit - left);
	}
	return 0;
}

static uint64_t resident_of(const struct ev_memory *m)
{
	return m->rss_anon + m->rss_file + m->rss_shmem + m->swap;
}

/* Growth is counted from here: exec begins a process anew. */
static void note_least(struct tracked *tracked, const struct ev_memory *m)
{
	if (tracked->has_least && resident_of(m) > resident_of(&tracked->least))
		return;
	if (tracked->has_least && m->h.time_ns == tracked->least.h.time_ns)
		return;
	tracked->least = *m;
	tracked->least_private = process__private_bytes(tracked->process);
	tracked->has_least = true;
}

int tracked__read(struct tracked *tracked, uint64_t now_ns)
{
	const struct process *p = tracked->process;
	const struct ev_memory *m = &p->memory;
	uint64_t maps_limit, maps_left;

	series__add(&tracked->accessible, p->exited ? p->last_ns : now_ns, p->accessible_bytes);
	if (!p->has_memory)
		return 0;
	/* The first reading may have come, and been replaced, before the first check. */
	for (m = &p->memory_first;; m = &p->memory) {
		maps_limit = m->limit[EV_LIMIT_MAP_COUNT];
		maps_left = m->left[EV_LIMIT_MAP_COUNT];
		series__add(&tracked->resident, m->h.time_ns, resident_of(m));
		series__add(&tracked->mapped, m->h.time_ns, m->mapped);
		if (maps_limit != UINT64_MAX && maps_left <= maps_limit)
			series__add(&tracked->maps, m->h.time_ns, maps_limit - maps_left);
		note_least(tracked, m);
		if (tracked__read_used(tracked, m) < 0)
			return -ENOMEM;
		if (m == &p->memory)
			break;
	}
	if (m->h.time_ns != tracked->read_ns) {
		tracked->read_ns = m->h.time_ns;
		tracked->read_private = process__private_bytes(p);
	}
	return 0;
}
