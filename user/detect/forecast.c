/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * When a process meets a limit, as a range, and which limit that is.
 *
 * What runs into a limit is what is retained, on top of the highest that all the rest of the process
 * ever rises to: a limit is reached at a peak. So where sites are found,
 *
 *   rate      bytes that they keep per second: of the newer half of their time and of all of it, the
 *             quicker and the slower, give or take 2 / sqrt(survivors)
 *   rest      at each reading: resident - of what they keep, what was born before then
 *   room      what is left of the limit - (the most of the rest - the rest now)
 *   time      room / rate
 *
 * and churn, caches and a collector's sawtooth are in the rest, not in the rate; but a rest that rises
 * all the time is foreseen to go on: at the quick end for good, at the slow end for as long again as
 * it did. A handle's bytes are what its library allocates, a region's are address space: where the
 * process grew by less than they say, they count in that proportion.
 *
 * Where no site is found the middle slopes of the readings stand in for the rate, the process's own and,
 * of a limit that binds others too, the whole group's, whichever is quicker. Address space and the count
 * of maps always go by their readings.
 */
#include "user/detect/share.h"

#include <math.h>

#include "user/detect/survival.h"

#define NOTEWORTHY (1024.0 * 1024.0)	/* bytes: less growth than that foretells nothing */
#define NOTEWORTHY_MAPS 35

/* A rate as a range, units per second; neither is negative. 0, 0: it does not grow. */
struct pace {
	double quick, slow;
};

/* By its readings. What does not grow any more is not on its way to the limit. */
static struct pace pace_of(const struct rate *rate, double least)
{
	struct pace pace = { 0 };

	if (!rate->known || rate->gained < least || rate->mid <= 0 || rate->recent <= 0)
		return pace;
	pace.quick = fmax(rate->high, rate->recent);
	pace.slow = fmin(rate->mid, rate->recent);
	if (rate->low > 0)
		pace.slow = fmin(pace.slow, rate->low);
	return pace;
}

/* --- what the sites found keep ---------------------------------------------------------------- */

struct retained {
	double bytes;
	struct pace pace;	/* bytes per second */
	double n;		/* objects */
};

/* What one site keeps: those born from `first` to `last`. */
struct keeping {
	uint32_t first, last;	/* ticks */
	double newer;		/* bytes per tick, of the newer half */
	double n, bytes;
};

/* The generations of the test that holds, if it is one of ages; else all that is kept and the newer
 * half of its time. False: nothing is kept, or nothing new comes. */
static bool keeping_of(const struct trend *trend, uint32_t now, struct keeping *out)
{
	const struct survival_ask ask = { .trend = trend, .now = now, .left = INFINITY };
	struct survival s = { .rate = 0 };
	uint32_t half;

	if (trend->verdict < VERDICT_GROWTH || !trend->n_cohorts)
		return false;
	if (trend->age)
		s = survival__at(&ask, trend->age);
	if (s.rate > 0 && s.until > s.since) {
		*out = (struct keeping){ .first = s.since, .last = s.until - 1,
					 .newer = s.rate, .n = s.survivors, .bytes = s.bytes };
		return true;
	}
	*out = (struct keeping){ .first = trend->cohorts[0].start, .last = now };
	if (trend->kept && trend->kept_tick < now)
		out->last = trend->kept_tick;
	if (out->last < out->first || now - out->last > (now - out->first) / 2)
		return false;
	half = out->first + (out->last - out->first) / 2;
	out->newer = trend__bytes_born_between(trend, half, out->last + 1) /
		     (out->last + 1 - half);
	out->bytes = trend__bytes_born_between(trend, out->first, out->last + 1);
	out->n = trend__born_between(trend, out->first, out->last + 1);
	return true;
}

static struct retained retained_now(const struct process *p, uint32_t now)
{
	struct retained sum = { 0 };

	for (const struct site *site = p->sites; site; site = site->next) {
		const struct trend *trend = site->trend;
		struct keeping k;
		double whole;

		if (!trend || !keeping_of(trend, now, &k))
			continue;
		whole = k.bytes / (k.last + 1 - k.first);
		sum.bytes += trend__bytes_born_between(trend, k.first, k.last + 1);
		sum.pace.quick += fmax(k.newer, whole) / WORLD_TICK_S;
		sum.pace.slow += fmin(k.newer, whole) / WORLD_TICK_S;
		sum.n += k.n;
	}
	return sum;
}

/* Takes from the series what was kept at each of its readings. */
static void take_out_site(struct series *rest, const struct trend *trend, uint32_t now,
			  double touched)
{
	struct keeping k;

	if (!keeping_of(trend, now, &k))
		return;
	for (uint32_t i = 0; i < rest->n; i++) {
		uint64_t ago = (rest->last_ns - rest->time_ns[i]) / WORLD_TICK_NS, kept;
		uint32_t then = ago < now ? now - (uint32_t)ago : 0;

		if (then <= k.first)
			continue;
		kept = (uint64_t)(touched * trend__bytes_born_between(trend, k.first,
								      then < k.last ? then : k.last + 1));
		rest->value[i] -= kept < rest->value[i] ? kept : rest->value[i];
		rest->peak[i] -= kept < rest->peak[i] ? kept : rest->peak[i];
	}
}

/* How much of each byte that they keep the process has grown by. */
static double touched_share(const struct retained *kept, const struct growth *growth)
{
	return growth->rate.known ? fmin(1, growth->gained / kept->bytes) : 1;
}

/* --- limits ----------------------------------------------------------------------------------- */

struct forecast {
	const struct tracked *tracked;
	const struct growth *growth;
	struct retained kept;
	double touched;
	uint32_t now;		/* of the process's clock */
};

/* What the process had besides what the sites kept at the time. */
static struct series the_rest(const struct forecast *f)
{
	struct series rest = f->tracked->resident;
	uint64_t kept = (uint64_t)(f->touched * f->kept.bytes);

	for (const struct site *site = f->tracked->process->sites; site; site = site->next)
		if (site->trend)
			take_out_site(&rest, site->trend, f->now, f->touched);
	rest.last -= kept < rest.last ? kept : rest.last;
	return rest;
}

static void limit__set(struct report_limit *limit, double room, const struct pace *pace)
{
	limit->seconds_low = limit->seconds_high = -1;
	if (pace->quick <= 0 || pace->slow <= 0)
		return;
	limit->seconds_low = room / pace->quick;
	limit->seconds_high = room / pace->slow;
}

/* Growth of all whom the limit binds. */
static struct rate group_rate(const struct forecast *f, unsigned int kind)
{
	const struct series *used = f->tracked->used[kind];

	return used ? series__rate(used) : (struct rate){ .known = false };
}

static void foretell_by_readings(const struct forecast *f, struct report_limit *limit)
{
	struct pace own = pace_of(&f->growth->rate, NOTEWORTHY), all = { 0 };
	struct rate group = group_rate(f, limit->kind);

	/* Whoever does not grow is not the one who runs into it. */
	if (own.slow > 0)
		all = pace_of(&group, NOTEWORTHY);
	own.quick = fmax(own.quick, all.quick);
	own.slow = fmax(own.slow, all.slow);
	limit__set(limit, (double)limit->bytes_left, &own);
}

/* Others' growth comes on top at the quick end; it may end sooner than what is retained. */
static double others_rate(const struct forecast *f, unsigned int kind)
{
	struct rate group = group_rate(f, kind);

	if (kind == EV_LIMIT_HOST || pace_of(&group, NOTEWORTHY).quick <= 0 ||
	    group.gained - f->growth->gained < NOTEWORTHY)
		return 0;
	return fmax(0, group.mid - fmax(0, f->growth->rate.mid));
}

/* Seconds until `room` bytes are taken at `rate`, and at `more` for as long as `lasting` seconds: what
 * is not found to keep anything may end, and for all we know it lasts as long again as it did. */
static double seconds_to(double room, double rate, double more, double lasting)
{
	double seconds = room / (rate + more);

	return seconds <= lasting ? seconds : (room - more * lasting) / rate;
}

static void foretell_by_sites(const struct forecast *f, struct report_limit *limit)
{
	const struct series rest = the_rest(f);
	const struct rate rate = series__rate(&rest);
	double spread = fmin(2 / sqrt(fmax(f->kept.n, 1)), 0.75), room, lasted = 0;
	struct pace pace = { f->touched * f->kept.pace.quick * (1 + spread),
			     f->touched * f->kept.pace.slow * (1 - spread) };
	struct pace more = { 0 };

	if (rate.known && rate.gained >= NOTEWORTHY && rate.low > 0 && rate.recent > 0) {
		more.quick = fmax(rate.mid, rate.recent);
		more.slow = fmin(rate.low, rate.recent);
		lasted = (double)(rest.last_ns - rest.time_ns[0]) / 1e9;
	}
	pace.quick += others_rate(f, limit->kind);
	room = (double)limit->bytes_left - (double)(series__most(&rest) - rest.last);
	room = fmax(room, 0);
	limit->seconds_low = seconds_to(room, pace.quick, more.quick, INFINITY);
	limit->seconds_high = seconds_to(room, pace.slow, more.slow, lasted);
}

static void limit__foretell(const struct forecast *f, struct report_limit *limit)
{
	struct rate rate;
	struct pace pace;

	switch (limit->kind) {
	case EV_LIMIT_MAP_COUNT:
		rate = series__rate(&f->tracked->maps);
		pace = pace_of(&rate, NOTEWORTHY_MAPS);
		limit__set(limit, (double)limit->bytes_left, &pace);
		return;
	case EV_LIMIT_RLIMIT_AS:
		rate = series__rate(&f->tracked->mapped);
		pace = pace_of(&rate, NOTEWORTHY);
		limit__set(limit, (double)limit->bytes_left, &pace);
		return;
	default:
		if (f->touched * f->kept.pace.slow > 0)
			foretell_by_sites(f, limit);
		else
			foretell_by_readings(f, limit);
	}
}

bool limit__is_nearer(const struct report_limit *a, const struct report_limit *b)
{
	bool a_comes = a->seconds_low >= 0, b_comes = b->seconds_low >= 0;

	if (a_comes != b_comes)
		return a_comes;
	if (a_comes)
		return a->seconds_low < b->seconds_low;
	if (limit_is_bytes(a->kind) != limit_is_bytes(b->kind))
		return limit_is_bytes(a->kind);
	return a->bytes_left < b->bytes_left;
}

static struct forecast forecast_of(const struct tracked *tracked, const struct growth *growth)
{
	struct forecast f = { .tracked = tracked, .growth = growth, .now = tracked->now_tick };

	f.kept = retained_now(tracked->process, f.now);
	f.touched = f.kept.bytes > 0 ? touched_share(&f.kept, growth) : 0;
	return f;
}

static bool limit__fill(const struct forecast *f, enum ev_limit_kind kind, struct report_limit *out)
{
	const struct ev_memory *m = &f->tracked->process->memory;

	if (m->left[kind] == UINT64_MAX)
		return false;
	*out = (struct report_limit){ .kind = kind, .bytes_left = m->left[kind] };
	if (m->limit[kind] != UINT64_MAX)
		out->bytes_limit = m->limit[kind];
	limit__foretell(f, out);
	return true;
}

bool tracked__limit_of(const struct tracked *tracked, const struct growth *growth,
		       enum ev_limit_kind kind, struct report_limit *out)
{
	struct forecast f = forecast_of(tracked, growth);

	return tracked->process->has_memory && limit__fill(&f, kind, out);
}

bool tracked__limit(const struct tracked *tracked, const struct growth *growth,
		    struct report_limit *out)
{
	struct forecast f = forecast_of(tracked, growth);
	bool any = false;

	if (!tracked->process->has_memory)
		return false;
	for (unsigned int i = 0; i < EV_N_LIMITS; i++) {
		struct report_limit limit;

		if (!limit__fill(&f, i, &limit))
			continue;
		if (!any || limit__is_nearer(&limit, out))
			*out = limit;
		any = true;
	}
	return any;
}

struct rate tracked__rest_rate(const struct tracked *tracked, const struct growth *growth)
{
	struct forecast f = forecast_of(tracked, growth);
	struct series rest = the_rest(&f);

	return series__rate(&rest);
}

bool tracked__group_limit(const struct tracked *tracked, enum ev_limit_kind kind,
			  struct report_limit *out)
{
	const struct ev_memory *m = &tracked->process->memory;
	struct forecast f = { .tracked = tracked };
	struct rate rate = group_rate(&f, kind);
	struct pace pace = pace_of(&rate, NOTEWORTHY);

	if (!tracked->process->has_memory || m->left[kind] == UINT64_MAX)
		return false;
	*out = (struct report_limit){ .kind = kind, .bytes_left = m->left[kind],
				      .bytes_limit = m->limit[kind] };
	limit__set(out, (double)out->bytes_left, &pace);
	return true;
}
