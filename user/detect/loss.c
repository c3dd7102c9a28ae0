/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * A lost release looks like a leak. How many survivors could be nothing else?
 */
#include "user/detect/verdict.h"

#include <math.h>

#define FEW 6

static double demand_of_rate(double births, double rate)
{
	return rate > 0 ? 4 * rate * births + 12 : 0;
}

/* Releases of the site's kind that its process lost, and their share of all such records. A healed
 * region may be another than the one that was there before: then its release was lost as well. */
static double lost_releases(const struct site *site, double *rate)
{
	const struct process *p = site->process;
	const struct kind_totals *k = &p->kinds[site->kind];
	double lost, seen = 0;

	if (kind_is_handle(site->kind)) {
		lost = (double)(k->lost_closed - k->lost_closed_found);
		seen = (double)(k->opened + k->closed);
	} else {
		lost = (double)p->lost_regions;
		for (unsigned int i = 0; i < KIND_PAIR_0; i++)
			seen += (double)(p->kinds[i].opened + p->kinds[i].closed);
	}
	*rate = lost > 0 ? lost / (lost + seen) : 0;
	return lost;
}

double loss_demand(const struct site *site, double loss_rate, double births)
{
	double rate, lost = lost_releases(site, &rate);

	return demand_of_rate(births, loss_rate) +
	       (lost > 0 ? fmin(demand_of_rate(births, rate), lost + FEW) : 0);
}
