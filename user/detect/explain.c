/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Growth is told twice, because taking is not touching: of resident memory (what runs a machine out of
 * it) and of accessible private memory (what was asked for). Of both, findings explain a share.
 *
 * The rest of the resident growth is never hidden. What is known of it, each bounded by what is left:
 *
 *   file           pages of mapped files: RssFile grew, and no site of files was found
 *   shared         shared memory likewise
 *   given_back     what was given back since resident memory was read last: at a process's end, often all
 *   touched_later  private memory grew by more than was asked for meanwhile: pages of what was taken
 *                  before were touched now
 *   allocator      heap and anonymous regions that were taken while watched, at sites without a finding:
 *                  arenas, what is kept for later, what is too small or too young to say
 *   unknown        whatever remains
 *
 * Allocators take memory and keep it, with no object of ours behind it: such growth has no births
 * and deaths to judge. If what the findings leave rises all the time, that is `watch`, never more.
 */
#include "user/detect/explain.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "user/base/cleanup.h"

#define MIB (1024.0 * 1024.0)

/* What the process had when it had least, and now. */
struct accounts {
	double private_gain;		/* accessible */
	double given_back;		/* of that, since the rest was read */
	double anon, file, shared;	/* resident; each may be negative */
};

static double diff(uint64_t now, uint64_t then)
{
	return (double)now - (double)then;
}

static struct accounts accounts_of(const struct tracked *tracked)
{
	const struct process *p = tracked->process;
	const struct ev_memory *now = &p->memory, *then = &tracked->least;

	return (struct accounts){
		.private_gain = diff(tracked->read_private, tracked->least_private),
		.given_back = diff(tracked->read_private, process__private_bytes(p)),
		.anon = diff(now->rss_anon + now->swap, then->rss_anon + then->swap),
		.file = diff(now->rss_file, then->rss_file),
		.shared = diff(now->rss_shmem, then->rss_shmem),
	};
}

static bool is_private(unsigned int kind)
{
	return kind == KIND_ANON || kind == KIND_HEAP || kind_is_handle(kind);
}

/* Shares of what was asked for: all bytes count, touched or not. */
static int share_private(struct explained *sites, size_t n, double gained, double *sum)
{
	cleanup_free struct share_of *shares = calloc(n ? n : 1, sizeof(*shares));
	size_t used = 0;

	if (!shares)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		if (!sites[i].found || !is_private(sites[i].site->kind))
			continue;
		shares[used].is_handle = kind_is_handle(sites[i].site->kind);
		shares[used++].bytes = (double)sites[i].site->bytes;
	}
	*sum = share__spread(shares, used, gained);
	used = 0;
	for (size_t i = 0; i < n; i++)
		if (sites[i].found && is_private(sites[i].site->kind))
			sites[i].private_share = shares[used++].share;
	return 0;
}

/* Takes from what is left. */
static double take(double *left, double wanted)
{
	double bytes = fmax(0, fmin(*left, wanted));

	*left -= bytes;
	return bytes;
}

static void explain_rest(const struct accounts *a, const struct explained *sites, size_t n,
			 double gained, struct report_growth *out)
{
	double by_kind[3] = { 0 }, not_found = 0, left = gained;	/* anon, file, shared */

	for (size_t i = 0; i < n; i++) {
		const struct site *site = sites[i].site;
		unsigned int at = site->kind == KIND_FILE ? 1 : site->kind == KIND_SHM ? 2 : 0;

		if (sites[i].found)
			by_kind[at] += sites[i].share * gained;
		else if (!site->before_attach && (site->kind == KIND_ANON || site->kind == KIND_HEAP))
			not_found += (double)site->bytes;
	}
	left -= fmin(left, by_kind[0] + by_kind[1] + by_kind[2]);
	out->rest[REST_FILE] = take(&left, a->file - by_kind[1]);
	out->rest[REST_SHARED] = take(&left, a->shared - by_kind[2]);
	out->rest[REST_GIVEN_BACK] = take(&left, fmin(a->given_back, a->anon));
	out->rest[REST_TOUCHED_LATER] = take(&left, a->anon - fmax(0, a->private_gain));
	out->rest[REST_ALLOCATOR] = take(&left, not_found);
	out->rest[REST_UNKNOWN] = left;
}

int tracked__explain(const struct tracked *tracked, const struct growth *growth,
		     struct explained *sites, size_t n, struct report_growth *out)
{
	const double gained = growth->gained;
	struct accounts a;
	struct rate rate;
	double rest = 0;
	int r;

	*out = (struct report_growth){ 0 };
	if (!tracked->has_least)
		return 0;
	a = accounts_of(tracked);
	out->resident_bytes = gained;
	out->private_bytes = fmax(0, a.private_gain);
	r = share_private(sites, n, out->private_bytes, &out->private_explained_share);
	if (r < 0)
		return r;
	explain_rest(&a, sites, n, gained, out);
	for (unsigned int i = 0; i < N_RESTS; i++)
		rest += i == REST_GIVEN_BACK ? 0 : out->rest[i];
	if (rest < MIB || rest < gained / 20)
		return 0;
	rate = tracked__rest_rate(tracked, growth);
	out->watch = rate.known && rate.low > 0 && rate.recent > 0;
	return 0;
}
