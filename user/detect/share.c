/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Shares compare unlike things, and say so: a handle's bytes are what its library is known to
 * allocate, a region's are address space that may be touched, and the process grows by what was
 * touched. A stream whose window is hardly used holds 40 KB and touches a third of it. So shares
 * are capped: handles together explain at most all the growth, regions at most what is left.
 *
 * The time left is a range: the limit's room over the quickest and over the slowest of the
 * process's own rates that are above zero.
 */
#include "user/detect/share.h"

#include <math.h>

#define NOTEWORTHY (1024.0 * 1024.0)	/* bytes: less growth than that foretells nothing */

struct growth tracked__growth(const struct tracked *tracked)
{
	struct growth growth = { .rate = series__rate(&tracked->resident) };

	if (!growth.rate.known)
		growth.rate = series__rate(&tracked->accessible);
	if (growth.rate.known && growth.rate.gained > 0)
		growth.gained = growth.rate.gained;
	return growth;
}

static bool is_byte_limit(unsigned int kind)
{
	return kind != EV_LIMIT_MAP_COUNT;
}

uint64_t process__left(const struct process *process)
{
	uint64_t least = UINT64_MAX;

	if (!process->has_memory)
		return least;
	for (unsigned int i = 0; i < EV_N_LIMITS; i++) {
		if (is_byte_limit(i) && process->memory.left[i] < least)
			least = process->memory.left[i];
	}
	return least;
}

static void limit__foretell(struct report_limit *limit, const struct rate *rate, double least)
{
	double quick, slow;

	limit->seconds_low = -1;
	limit->seconds_high = -1;
	/* What does not grow any more is not on its way to the limit. */
	if (!rate->known || rate->gained < least || rate->mid <= 0 || rate->recent <= 0)
		return;
	quick = fmax(rate->high, rate->recent);
	slow = fmin(rate->mid, rate->recent);
	if (rate->low > 0)
		slow = fmin(slow, rate->low);
	limit->seconds_low = (double)limit->bytes_left / quick;
	limit->seconds_high = (double)limit->bytes_left / slow;
}

/* Whether `a` is the more urgent of two. */
static bool limit__is_nearer(const struct report_limit *a, const struct report_limit *b)
{
	bool a_comes = a->seconds_low >= 0, b_comes = b->seconds_low >= 0;

	if (a_comes != b_comes)
		return a_comes;
	if (a_comes)
		return a->seconds_low < b->seconds_low;
	if (is_byte_limit(a->kind) != is_byte_limit(b->kind))
		return is_byte_limit(a->kind);
	return a->bytes_left < b->bytes_left;
}

bool tracked__limit(const struct tracked *tracked, const struct growth *growth,
		    struct report_limit *out)
{
	const struct process *p = tracked->process;
	struct rate mapped = series__rate(&tracked->mapped);
	struct rate maps = series__rate(&tracked->maps);
	bool any = false;

	if (!p->has_memory)
		return false;
	for (unsigned int i = 0; i < EV_N_LIMITS; i++) {
		struct report_limit limit = { .kind = i, .bytes_left = p->memory.left[i] };

		if (limit.bytes_left == UINT64_MAX)
			continue;
		if (i == EV_LIMIT_MAP_COUNT)
			limit__foretell(&limit, &maps, 35);
		else
			limit__foretell(&limit, i == EV_LIMIT_RLIMIT_AS ? &mapped : &growth->rate,
					NOTEWORTHY);
		if (!any || limit__is_nearer(&limit, out))
			*out = limit;
		any = true;
	}
	return any;
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
