/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Which sites are worth a look at their pages: of each process the worst SITES_MAX, by verdict and
 * then by what they hold. All looks of one report together take at most BYTES_MAX of address space
 * (of the service, which reports again and again, BYTES_MAX_SERVICE) in RANGES_MAX regions: a GiB of
 * touched pages takes 4 ms (19 ms by the pagemap), what nobody touched next to nothing. A site whose
 * look was cut short says so (ev_resident.looked_at).
 */
#include "user/resident.h"

#include <errno.h>
#include <stdlib.h>

#include "user/base/cleanup.h"
#include "user/detect/detector.h"
#include "user/model/world.h"
#include "user/source/live.h"

#define SITES_MAX 32
#define RANGES_MAX 262144
#define BYTES_MAX (64ull << 30)
#define BYTES_MAX_SERVICE (2ull << 30)

struct look {
	const struct site *sites[SITES_MAX];
	enum verdict verdicts[SITES_MAX];
	size_t n_sites;
	struct wanted {
		struct live_range range;
		uint32_t site;		/* of sites[] */
	} *wanted;
	size_t n, capacity, ranges_left;
	uint64_t bytes_left;
};

static bool is_worse(enum verdict a, const struct site *x, enum verdict b, const struct site *y)
{
	return a != b ? a > b : x->bytes > y->bytes;
}

static void consider(struct look *look, const struct site *site, enum verdict verdict)
{
	size_t i;

	if (look->n_sites < SITES_MAX)
		look->n_sites++;
	else if (!is_worse(verdict, site, look->verdicts[SITES_MAX - 1], look->sites[SITES_MAX - 1]))
		return;
	for (i = look->n_sites - 1; i; i--) {
		if (!is_worse(verdict, site, look->verdicts[i - 1], look->sites[i - 1]))
			break;
		look->sites[i] = look->sites[i - 1];
		look->verdicts[i] = look->verdicts[i - 1];
	}
	look->sites[i] = site;
	look->verdicts[i] = verdict;
}

static int want_region(void *ctx, const struct region *region)
{
	struct look *look = ctx;
	uint32_t i = 0;

	while (i < look->n_sites && look->sites[i] != region->site)
		i++;
	if (i == look->n_sites)
		return 0;
	if (look->n == look->ranges_left)
		return 1;
	if (look->n == look->capacity) {
		size_t capacity = look->capacity ? 2 * look->capacity : 256;
		struct wanted *grown = reallocarray(look->wanted, capacity, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		look->wanted = grown;
		look->capacity = capacity;
	}
	look->wanted[look->n++] = (struct wanted){ { region->start, region->end }, i };
	return 0;
}

static int compare_wanted(const void *a, const void *b)
{
	const struct wanted *x = a, *y = b;

	if (x->site != y->site)
		return x->site > y->site ? 1 : -1;
	return x->range.start > y->range.start ? 1 : x->range.start < y->range.start ? -1 : 0;
}

/* The ranges of one site are neighbours now: one look each. */
static int look_at_wanted(struct look *look, struct live *live, uint32_t tgid)
{
	cleanup_free struct live_range *ranges = calloc(look->n ? look->n : 1, sizeof(*ranges));
	size_t from = 0, n;
	int r = 0;

	if (!ranges)
		return -ENOMEM;
	for (; !r && from < look->n && look->bytes_left; from += n) {
		for (n = 0; from + n < look->n &&
			    look->wanted[from + n].site == look->wanted[from].site; n++)
			ranges[n] = look->wanted[from + n].range;
		r = live__resident(live, tgid, ranges, n, &look->bytes_left);
	}
	return r;
}

static int look_at_process(struct look *look, const struct detector *detector, struct live *live,
			   const struct process *p)
{
	int r;

	look->n_sites = look->n = 0;
	for (const struct site *site = p->sites; site; site = site->next)
		if (!site->before_attach && !kind_is_handle(site->kind) &&
		    site->kind != KIND_RESERVED && site->bytes)
			consider(look, site, detector__site_verdict(detector, site));
	r = process__each_region(p, want_region, look);
	if (r < 0)
		return r;
	qsort(look->wanted, look->n, sizeof(*look->wanted), compare_wanted);
	r = look_at_wanted(look, live, p->tgid);
	look->ranges_left -= look->n;
	return r;
}

int resident__measure(const struct world *world, const struct detector *detector, struct live *live,
		      bool whole_system)
{
	struct look look = {
		.ranges_left = RANGES_MAX,
		.bytes_left = whole_system ? BYTES_MAX_SERVICE : BYTES_MAX,
	};
	int r = 0;

	for (const struct process *p = world__processes(world); !r && p; p = p->next) {
		if (p->exited || !p->n_sites ||
		    (whole_system && detector__process_verdict(detector, p) == VERDICT_NONE))
			continue;
		r = look_at_process(&look, detector, live, p);
	}
	free(look.wanted);
	return r;
}
