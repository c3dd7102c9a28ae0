/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Shares compare unlike things, and say so: a handle's bytes are what its library is known to
 * allocate, a region's are address space that may be touched, and the process grows by what was
 * touched. A stream whose window is hardly used holds 40 KB and touches a third of it. So shares
 * are capped: handles together explain at most all the growth, regions at most what is left.
 */
#include "user/detect/share.h"

#include <math.h>

struct growth tracked__growth(const struct tracked *tracked)
{
	struct growth growth = { .rate = series__rate(&tracked->resident) };

	if (!growth.rate.known)
		growth.rate = series__rate(&tracked->accessible);
	if (growth.rate.known && growth.rate.gained > 0)
		growth.gained = growth.rate.gained;
	return growth;
}

uint64_t process__left(const struct process *process)
{
	uint64_t least = UINT64_MAX;

	if (!process->has_memory)
		return least;
	for (unsigned int i = 0; i < EV_N_LIMITS; i++) {
		if (limit_is_bytes(i) && process->memory.left[i] < least)
			least = process->memory.left[i];
	}
	return least;
}

uint64_t tracked__left(const struct tracked *tracked)
{
	uint64_t left = process__left(tracked->process), above;

	if (left == UINT64_MAX)
		return left;
	above = series__most(&tracked->resident) - tracked->resident.last;
	return left - (above < left / 4 * 3 ? above : left / 4 * 3);
}

uint64_t site__left(const struct site *site, uint64_t process_left)
{
	const struct process *p = site->process;
	uint64_t left = p->memory.left[EV_LIMIT_MAP_COUNT], bytes;

	if (!p->has_memory || kind_is_handle(site->kind) || site->kind == KIND_HEAP || !site->open ||
	    left >= p->memory.limit[EV_LIMIT_MAP_COUNT] / 2)
		return process_left;
	if (__builtin_mul_overflow(left, site->bytes / site->open, &bytes))
		return process_left;
	return bytes < process_left ? bytes : process_left;
}

static double share__part(struct share_of *sites, size_t n, bool handles, double room,
			  double gained)
{
	double sum = 0, scale;

	for (size_t i = 0; i < n; i++) {
		if (sites[i].is_handle == handles)
			sum += sites[i].bytes;
	}
	scale = sum > room ? room / sum : 1;
	for (size_t i = 0; i < n; i++) {
		if (sites[i].is_handle == handles)
			sites[i].share = sites[i].bytes * scale / gained;
	}
	return fmin(sum, room);
}

double share__spread(struct share_of *sites, size_t n, double gained)
{
	double explained;

	for (size_t i = 0; i < n; i++)
		sites[i].share = 0;
	if (!(gained > 0))
		return 0;
	explained = share__part(sites, n, true, gained, gained);
	explained += share__part(sites, n, false, gained - explained, gained);
	return fmin(explained / gained, 1);
}
