/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Every number printed here is a count that the trend or the site holds; nothing is modelled. An
 * age is known to a tick and told in tenths of a second: the most rounds up, the least down.
 */
#include "user/detect/evidence.h"

#include "user/base/text.h"
#include "user/detect/verdict.h"

#define TENTH WORLD_TICKS(100)

struct words {
	const char *open, *closed, *opened;
};

static struct words words_of(const struct site *site)
{
	if (kind_is_handle(site->kind))
		return (struct words){ "open", "closed", "opened" };
	return (struct words){ "held", "given back", "taken" };
}

static void add_ticks(struct text *text, uint64_t ticks)
{
	text__add_duration(text, (double)ticks * WORLD_TICK_S);
}

static void add_at_least(struct text *text, uint64_t ticks)
{
	add_ticks(text, ticks / TENTH * TENTH);
}

static void add_at_most(struct text *text, uint64_t ticks)
{
	add_ticks(text, (ticks + TENTH - 1) / TENTH * TENTH);
}

static void add_ages(struct text *text, const struct survivors *s)
{
	if (s->oldest == 0) {
		text__add(text, "less than ");
		add_at_most(text, 1);
	} else if (s->youngest == s->oldest) {
		add_at_most(text, s->oldest);
	} else if (s->youngest < TENTH) {
		text__add(text, "up to ");
		add_at_most(text, s->oldest);
	} else {
		add_at_least(text, s->youngest);
		text__add(text, " to ");
		add_at_most(text, s->oldest);
	}
	text__add(text, " old");
}

/* The first age of the cell after the one in which the 95th percentile of deaths lies. */
static uint32_t most_died_before(const struct trend *trend)
{
	double all = trend__deaths_from(trend, 0);

	for (unsigned int cell = 0; cell + 1 < TREND_AGES; cell++) {
		if (20 * trend__deaths_from(trend, cell + 1) <= all)
			return trend_cell_age(cell + 1);
	}
	return trend->oldest_death + 1;
}

static void add_deaths(struct text *text, const struct trend *trend, const struct words *w)
{
	uint32_t most = most_died_before(trend);

	text__add(text, "the ");
	text__add_count(text, trend->n_deaths);
	text__addf(text, " %s lived at most ", w->closed);
	add_at_most(text, trend->oldest_death + 1ull);
	if (2ull * most <= trend->oldest_death) {
		text__add(text, ", 95% of them at most ");
		add_at_most(text, most);
	}
}

static void add_totals(struct text *text, const struct site *site, const struct words *w)
{
	text__add_count(text, site->open);
	text__add(text, " of ");
	text__add_count(text, site->opened);
	text__addf(text, " still %s", w->open);
}

static void add_stray(struct text *text, const struct site *site, const struct trend *trend,
		      uint32_t now, const struct words *w)
{
	uint32_t age = now > trend->kept_tick ? now - trend->kept_tick : 0;
	struct survivors s = trend__survivors(trend, now, age);

	add_totals(text, site, w);
	text__add(text, "; ");
	add_deaths(text, trend, w);
	text__add(text, ", ");
	if (s.n == site->open) {
		text__addf(text, "the %s ones are ", w->open);
	} else {
		text__add_count(text, s.n);
		text__addf(text, " of the %s ones are ", w->open);
	}
	add_ages(text, &s);
}

static void add_never(struct text *text, const struct site *site, const struct trend *trend,
		      uint32_t now, const struct words *w)
{
	struct survivors s = trend__survivors(trend, now, 0);

	if (site->closed)
		text__add_count(text, site->closed);
	else
		text__add(text, "none");
	text__add(text, " of ");
	text__add_count(text, site->opened);
	text__addf(text, " %s ever %s; the %s ones are ", site->closed > 1 ? "were" : "was",
		   w->closed, w->open);
	add_ages(text, &s);
	if (trend__births_stopped(trend, now)) {
		text__addf(text, ", none was %s in the last ", w->opened);
		add_ticks(text, now - trend->last_birth);
	}
}

static void add_same_file(struct text *text, const struct site *site)
{
	text__add_count(text, site->same_file);
	text__add(text, " mappings held of file ranges that were mapped here already; ");
	text__add_count(text, site->closed);
	text__add(text, " of ");
	text__add_count(text, site->opened);
	text__add(text, " given back");
}

static void add_growth(struct text *text, const struct site *site, const struct words *w)
{
	text__add_size(text, (double)site->bytes);
	text__addf(text, " %s and the least held still rises; ", w->open);
	if (site->closed) {
		text__add_count(text, site->closed);
		text__add(text, " of ");
		text__add_count(text, site->opened);
		text__addf(text, " %s", w->closed);
	} else {
		text__addf(text, "nothing %s so far", w->closed);
	}
}

/* What qualifies the sentence, whatever the finding. */
static void add_remarks(struct text *text, const struct site *site, bool leak, double loss_rate)
{
	if (site->closed && site->closed == site->closed_by_collector)
		text__add(text, "; closed only by the collector: a forgotten close()");
	if (site->reopened) {
		text__add(text, "; ");
		text__add_count(text, site->reopened);
		text__add(text, " opened again while open, which loses the old one");
	}
	if (leak && loss_demand(site, loss_rate, (double)site->opened) > 0) {
		text__add(text, "; events were lost, so at least ");
		text__add_count(text, (uint64_t)(loss_demand(site, loss_rate, (double)site->opened) + 1));
		text__add(text, " survivors were asked for");
	}
	if (site->partial)
		text__add(text, "; the stack is incomplete, callers may be mixed");
}

char *evidence__new(const struct site *site, const struct trend *trend, uint32_t now,
		    double loss_rate)
{
	struct words w = words_of(site);
	struct text text;

	text__init(&text);
	switch (trend ? trend->finding : FINDING_NOTHING) {
	case FINDING_STRAY:
		add_stray(&text, site, trend, now, &w);
		break;
	case FINDING_NEVER_CLOSED:
		add_never(&text, site, trend, now, &w);
		break;
	case FINDING_SAME_FILE:
		add_same_file(&text, site);
		break;
	case FINDING_GROWTH:
		add_growth(&text, site, &w);
		break;
	default:
		add_totals(&text, site, &w);
		if (site->before_attach)
			text__add(&text, "; taken before watching began");
		break;
	}
	add_remarks(&text, site, trend && trend->verdict == VERDICT_LEAK, loss_rate);
	return text__steal(&text);
}
