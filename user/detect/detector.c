/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The detector: hears of every birth and death, and judges all sites at each tick.
 *
 * A site gets a trend (trend.h) with its first birth, a process its series with its first record.
 * Judging a site costs about a microsecond, so a site that has been watched for long is judged
 * only every hundredth of that time, at most every minute: on a host with 10,000 sites that is
 * 200 judgements a second. The tests are in verdict.c, the arithmetic of growth in share.c.
 */
#include "user/detect/detector.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "user/detect/build_tests.h"
#include "user/detect/learn.h"
#include "user/detect/share.h"
#include "user/detect/state.h"
#include "user/detect/verdict.h"

#define CHECK_EVERY_MAX WORLD_TICKS(60000)
#define URGENT_S 60ull		/* until memory ends: there is no time to wait */

int detector__new(struct detector **out, const struct detector_opts *opts)
{
	struct detector *detector = calloc(1, sizeof(*detector));

	if (!detector)
		return -ENOMEM;
	detector->opts = *opts;
	table__init(&detector->processes, sizeof(const struct process *),
		    sizeof(struct tracked_slot));
	*out = detector;
	return 0;
}

struct detector *detector__free(struct detector *detector)
{
	struct tracked_slot *slot;
	size_t cursor = 0;

	if (!detector)
		return NULL;
	while (detector->trends) {
		struct trend *trend = detector->trends;

		detector->trends = trend->next;
		trend__free(trend);
	}
	while ((slot = table__next(&detector->processes, &cursor)))
		tracked__free(slot->tracked);
	table__fini(&detector->processes);
	detector__free_logs(detector);
	free(detector);
	return NULL;
}

void detector__watch(struct detector *detector, const struct world *world)
{
	detector->world = world;
}

const struct tracked *detector__tracked(const struct detector *detector,
					const struct process *process)
{
	const struct tracked_slot *slot = table__find(&detector->processes, &process);

	return slot ? slot->tracked : NULL;
}

/* The tick of a moment; ticks count from the world's first record, which only it knows. */
static uint32_t tick_of(const struct world *world, uint64_t ns)
{
	uint64_t now_ns = world__now_ns(world);
	uint64_t ago = ns < now_ns ? (now_ns - ns) / WORLD_TICK_NS : 0;
	uint32_t now = world__now_tick(world);

	return ago < now ? now - (uint32_t)ago : 0;
}

uint32_t process__last_tick(const struct process *process, const struct world *world)
{
	return process__now_tick(process, world);
}

/* NULL: no memory. */
static struct tracked *detector__track(struct detector *detector, const struct process *process)
{
	struct tracked_slot *slot;
	struct tracked *tracked;

	slot = table__find(&detector->processes, &process);
	if (slot)
		return slot->tracked;
	tracked = calloc(1, sizeof(*tracked));
	if (!tracked)
		return NULL;
	slot = table__insert(&detector->processes, &process, NULL);
	if (!slot) {
		free(tracked);
		return NULL;
	}
	slot->tracked = tracked;
	tracked->process = process;
	tracked->used[EV_LIMIT_HOST] = &detector->host;
	/* By its own clock, of which it can have missed nothing yet that was not its parent's. */
	tracked->first_tick = tick_of(detector->world, process->first_ns);
	if (tracked->first_tick > process->clock.inherited)
		tracked->first_tick -= process->clock.inherited;
	return tracked;
}

/* --- what the world tells ------------------------------------------------------------------- */

static bool is_judged(const struct site *site)
{
	return !site->before_attach && site->kind != KIND_RESERVED;
}

static struct trend *detector__trend(struct detector *detector, struct site *site)
{
	struct trend *trend = site->trend;
	struct tracked *tracked;

	if (trend)
		return trend;
	tracked = detector__track(detector, site->process);
	trend = tracked ? trend__new(site, tracked->first_tick) : NULL;
	if (!trend)
		return NULL;
	trend->growth_percent = (uint8_t)world__growth_percent(detector->world, site->kind);
	trend->next = detector->trends;
	if (trend->next)
		trend->next->prev = trend;
	detector->trends = trend;
	site->trend = trend;
	return trend;
}

static void on_born(void *ctx, struct site *site, uint64_t bytes)
{
	struct detector *detector = ctx;
	uint64_t births = 0;
	struct trend *trend;
	uint32_t tick;

	assert(detector->world);
	if (!is_judged(site))
		return;
	trend = detector__trend(detector, site);
	if (!trend) {
		detector->no_memory = true;
		return;
	}
	tick = process__now_tick(site->process, detector->world);
	levels__note(&trend->levels, tick, site->bytes);
	if (site->opened == trend->opened_seen && site->closed < trend->closed_seen) {
		/* A release that failed is told as a birth, counted backwards. */
		trend__restored(trend, trend->closed_seen - site->closed, bytes);
		trend->closed_seen = site->closed;
		return;
	}
	/* An object that merely grew is told as a birth too, and is none. */
	if (site->opened > trend->opened_seen)
		births = site->opened - trend->opened_seen;
	trend->opened_seen = site->opened;
	if (trend__born(trend, tick, births, bytes) < 0)
		detector->no_memory = true;
}

static void on_died(void *ctx, struct site *site, uint64_t bytes, uint32_t birth_tick, bool whole)
{
	struct detector *detector = ctx;
	struct trend *trend = site->trend;
	uint32_t tick;

	if (!trend)
		return;
	tick = process__now_tick(site->process, detector->world);
	trend__died(trend, tick, birth_tick, bytes, whole);
	trend->closed_seen = site->closed;
	levels__note(&trend->levels, tick, site->bytes);
}

static int trend__teach(const struct trend *trend, struct past *past)
{
	struct lesson lesson = trend__lesson(trend);

	return past__learn(past, trend->site->id, trend->site->kind, &lesson);
}

int detector__learn(const struct detector *detector)
{
	int r = 0;

	if (!detector->opts.past)
		return 0;
	for (const struct trend *trend = detector->trends; trend && !r; trend = trend->next)
		r = trend__teach(trend, detector->opts.past);
	return r;
}

static void on_site_gone(void *ctx, struct site *site)
{
	struct detector *detector = ctx;
	struct trend *trend = site->trend;

	detector__drop_log(detector, site);
	if (!trend)
		return;
	if (detector->opts.past && trend__teach(trend, detector->opts.past) < 0)
		detector->no_memory = true;
	if (trend->prev)
		trend->prev->next = trend->next;
	else
		detector->trends = trend->next;
	if (trend->next)
		trend->next->prev = trend->prev;
	site->trend = trend__free(trend);
}

static void on_process_gone(void *ctx, struct process *process)
{
	struct detector *detector = ctx;
	const struct process *key = process;
	struct tracked_slot *slot = table__find(&detector->processes, &key);

	if (!slot)
		return;
	tracked__free(slot->tracked);
	table__remove(&detector->processes, &key);
}

const struct world_watcher detector_watcher = {
	.born = on_born,
	.died = on_died,
	.site_gone = on_site_gone,
	.process_gone = on_process_gone,
};

/* --- judging -------------------------------------------------------------------------------- */

/*
 * Events that should have reached the model and did not, and of which nobody knows whose they were,
 * as a share of all. The others count against their own process and kind: loss_demand().
 */
static double lost_share(const struct world *world)
{
	static const enum ev_loss_cause causes[] = {
		EV_LOSS_ENTRY_FULL, EV_LOSS_READ, EV_LOSS_BAD_RECORD, EV_LOSS_MODEL_FULL,
		EV_LOSS_NESTED,
	};
	double lost = (double)world__lost_unnamed(world);

	for (size_t i = 0; i < sizeof(causes) / sizeof(causes[0]); i++)
		lost += (double)world__lost(world, causes[i]);
	return lost > 0 ? lost / (lost + (double)world__n_events(world)) : 0;
}

/* In time, or because a fortieth of what was left went here since. */
static bool is_due(const struct trend *trend, const struct verdict_facts *facts)
{
	uint64_t bytes = trend->site->bytes;

	return facts->exited || facts->now >= trend->next_check ||
	       trend->next_check > facts->now + CHECK_EVERY_MAX ||
	       (bytes > trend->checked_bytes && bytes - trend->checked_bytes > facts->left / 40);
}

/* At its pace since its last check it ends what is left within URGENT_S. */
static bool is_urgent(const struct trend *trend, const struct verdict_facts *facts)
{
	double grown = (double)trend->site->bytes - (double)trend->checked_bytes;
	double ticks = facts->now > trend->checked ? facts->now - trend->checked : 1;

	return !facts->exited && grown > 0 &&
	       grown / ticks * WORLD_TICKS(URGENT_S * 1000) > (double)facts->left;
}

static void site__judge(struct detector *detector, struct site *site,
			const struct verdict_facts *process_facts)
{
	struct verdict_facts its_facts = *process_facts, *facts = &its_facts;
	struct trend *trend = site->trend;
	uint32_t every;

	if (!trend)
		return;
	its_facts.left = site__left(site, process_facts->left);
	detector->urgent |= is_urgent(trend, facts);
	if (!is_due(trend, facts))
		return;
	if (!trend->past_known && site->id) {
		trend->past_known = true;
		trend->past = past__find(detector->opts.past, site->id, site->kind);
	}
	facts->log = detector__log(detector, site);
	verdict__update(trend, facts);
	test_log__note_limit(facts->log, site->process, process_facts->left);
	every = facts->now > facts->first ? (facts->now - facts->first) / 100 : 0;
	if (every > CHECK_EVERY_MAX)
		every = CHECK_EVERY_MAX;
	trend->next_check = facts->now + (every ? every : 1);
	trend->checked = facts->now;
	trend->checked_bytes = site->bytes;
}

static enum verdict process__judge(struct detector *detector, struct process *process,
				   const struct verdict_facts *facts)
{
	enum verdict worst = VERDICT_NONE;

	for (struct site *site = process->sites; site; site = site->next) {
		enum verdict verdict;

		site__judge(detector, site, facts);
		verdict = site->trend ? ((struct trend *)site->trend)->verdict : VERDICT_NONE;
		if (verdict > worst && verdict != VERDICT_WATCH)
			worst = verdict;
	}
	return worst;
}

int detector__check(struct detector *detector, const struct world *world)
{
	double loss_rate = lost_share(world);

	assert(!detector->world || detector->world == world);
	detector->world = world;
	detector->urgent = false;
	if (detector->no_memory)
		return -ENOMEM;
	if (loss_rate > detector->loss_rate)
		detector->loss_rate = loss_rate;
	for (struct process *p = world__processes(world); p; p = p->next) {
		struct tracked *tracked = detector__track(detector, p);
		struct verdict_facts facts = {
			.question = detector->opts.question,
			.loss_rate = detector->loss_rate,
			.exited = p->exited,
			.lossy = p->lossy,
			.stands = detector->opts.stands_ticks,
		};

		if (!tracked)
			return -ENOMEM;
		facts.now = process__last_tick(p, world);
		tracked->now_tick = facts.now;
		facts.first = tracked->first_tick;
		if (tracked__read(tracked, world__now_ns(world)) < 0)
			return -ENOMEM;
		if (facts.question == DETECTOR_ONE_SHOT)
			facts.gained = tracked__growth(tracked).gained;
		facts.left = tracked__left(tracked);
		tracked->verdict = process__judge(detector, p, &facts);
	}
	return 0;
}

bool detector__is_urgent(const struct detector *detector)
{
	return detector->urgent;
}

enum verdict detector__process_verdict(const struct detector *detector, const struct process *p)
{
	const struct tracked *tracked = detector__tracked(detector, p);

	return tracked ? tracked->verdict : VERDICT_NONE;
}

enum verdict detector__site_verdict(const struct detector *detector, const struct site *site)
{
	const struct trend *trend = site->trend;

	return trend ? trend->verdict : VERDICT_NONE;
}

/* --- sure or not ---------------------------------------------------------------------------- */

#define SURE_TICKS WORLD_TICKS(1000)	/* observed, at least */
#define SURE_TICKS_NEVER WORLD_TICKS(3000)	/* class B: a collector may yet come and close them */
#define HELD_TICKS WORLD_TICKS(500)

static uint32_t patience(const struct tracked *tracked, const struct trend *trend)
{
	struct growth growth;
	struct report_limit limit;

	if (trend->finding == FINDING_STRAY)
		return SURE_TICKS;
	growth = tracked__growth(tracked);
	if (tracked__limit(tracked, &growth, &limit) && limit.kind != EV_LIMIT_MAP_COUNT &&
	    limit.seconds_low >= 0 && limit.seconds_low < (double)URGENT_S)
		return SURE_TICKS;
	return SURE_TICKS_NEVER;
}

static bool site__is_sure(const struct site *site, const struct tracked *tracked, uint32_t now)
{
	const struct trend *trend = site->trend;
	uint32_t watched, held, enough;

	if (!trend || trend->verdict != VERDICT_LEAK)
		return false;
	if (tracked->process->exited)
		return true;
	/* What is only held on to after some were given back may be over soon. */
	if (!trend->test_true && trend->kept_died)
		return false;
	watched = now > tracked->first_tick ? now - tracked->first_tick : 0;
	held = now > trend->verdict_since ? now - trend->verdict_since : 0;
	enough = watched / 4 > HELD_TICKS ? watched / 4 : HELD_TICKS;
	/* Without a stack the answer is half an answer; but it may never come. */
	if (!site->stack)
		enough = watched / 2 > SURE_TICKS_NEVER ? watched / 2 : SURE_TICKS_NEVER;
	return held >= enough && watched >= patience(tracked, trend);
}

bool detector__is_sure(const struct detector *detector)
{
	if (!detector->world)
		return false;
	for (struct process *p = world__processes(detector->world); p; p = p->next) {
		const struct tracked *tracked = detector__tracked(detector, p);

		if (!tracked || tracked->verdict != VERDICT_LEAK)
			continue;
		for (const struct site *site = p->sites; site; site = site->next) {
			if (site__is_sure(site, tracked, process__last_tick(p, detector->world)))
				return true;
		}
	}
	return false;
}
