/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The world of a trace: one process, its sites, and a clock that goes by the trace's tick. Nothing
 * is scaled: what happens in tick N happens N * TICK_SECONDS after the world's first record, and
 * the detector sees it in its own ticks of 100 ms. Several short ticks may be one of the detector's,
 * which then checks once; a long one ends with a single check.
 *
 * It stands in for user/model at link time, so that 10,000 streams a second need no addresses.
 */
#include "tests/detector/replay.h"

#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/detector/baseline.h"
#include "user/detect/share.h"
#include "user/detect/state.h"
#include "user/detect/verdict.h"

#define EPOCH_NS 1000000000ull
#define MIB (1024.0 * 1024.0)

struct world {
	uint64_t now_ns, n_events, lost;
	struct process process;
	struct site *sites;
	struct stack stack;
};

uint64_t world__now_ns(const struct world *world) { return world->now_ns; }
uint32_t world__now_tick(const struct world *world)
{
	return (uint32_t)((world->now_ns - EPOCH_NS) / WORLD_TICK_NS);
}
uint64_t world__n_events(const struct world *world) { return world->n_events; }
uint64_t world__lost(const struct world *world, enum ev_loss_cause cause)
{
	return cause == EV_LOSS_RING_FULL ? world->lost : 0;
}
uint64_t world__lost_unnamed(const struct world *world) { return world->lost; }
struct ev_trust world__trust(const struct world *world) { return (struct ev_trust){ 0 }; }
const char *world__kind_name(const struct world *world, unsigned int kind) { return "?"; }
unsigned int world__growth_percent(const struct world *world, unsigned int kind)
{
	return kind >= KIND_PAIR_0 ? 10 : 0;
}
const char *world__note(const struct world *world, uint32_t tgid, size_t i) { return NULL; }
struct process *world__processes(const struct world *world)
{
	return (struct process *)&world->process;
}

/* What goes on while one process is lived through. */
struct life {
	const struct trace_process *process;
	const struct replay_opts *opts;
	struct replayed *out;
	struct world world;
	struct detector *detector;
	struct baseline **baselines;		/* per site; NULL: not wanted */
	double *totals;				/* usage once in six ticks */
	size_t n_totals;
	size_t next_event, next_usage;
	double usage, held, held_at_usage;	/* bytes */
};

static uint64_t hash(uint64_t h, const char *s)	/* FNV-1a */
{
	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * 0x100000001b3ull;
	return h;
}

static int life__init(struct life *life)
{
	const struct trace_process *p = life->process;
	struct detector_opts opts = { .question = life->opts->question,
				      .past = life->opts->past };
	struct world *world = &life->world;
	char *name = (char *)p->id;

	world->sites = calloc(p->n_sites ? p->n_sites : 1, sizeof(*world->sites));
	life->totals = calloc(p->n_ticks / 6 + 1, sizeof(*life->totals));
	if (!world->sites || !life->totals || detector__new(&life->detector, &opts) < 0)
		return -1;
	world->now_ns = EPOCH_NS;
	world->process = (struct process){
		.tgid = 1, .comm = name, .cmdline = name, .unit = name, .runtime = name,
		.first_ns = EPOCH_NS, .last_ns = EPOCH_NS, .n_sites = (uint32_t)p->n_sites,
		.sites = p->n_sites ? world->sites : NULL,
	};
	for (size_t i = 0; i < p->n_sites; i++) {
		world->sites[i] = (struct site){
			.process = &world->process, .stack = &world->stack,
			.id = hash(hash(0xcbf29ce484222325ull, p->id), p->sites[i].name), .kind = (uint16_t)p->sites[i].kind,
			.next = i + 1 < p->n_sites ? &world->sites[i + 1] : NULL,
		};
	}
	life->usage = (double)p->base;
	detector__watch(life->detector, world);
	if (!life->opts->baselines)
		return 0;
	life->baselines = calloc(p->n_sites ? p->n_sites : 1, sizeof(*life->baselines));
	if (!life->baselines)
		return -1;
	for (size_t i = 0; i < p->n_sites; i++)
		life->baselines[i] = baseline__new(p->sites[i].size, p->n_ticks);
	return 0;
}

static void life__fini(struct life *life)
{
	/* Whom the limit ended teaches no level. */
	life->world.process.exited = true;
	if (life->process->oom < life->process->n_ticks)
		life->world.process.exit_code = SIGKILL;
	for (size_t i = 0; i < life->process->n_sites; i++) {
		if (life->world.sites && life->detector)
			detector_watcher.site_gone(life->detector, &life->world.sites[i]);
		if (life->baselines)
			baseline__free(life->baselines[i]);
	}
	if (life->detector)
		detector_watcher.process_gone(life->detector, &life->world.process);
	detector__free(life->detector);
	free(life->baselines);
	free(life->totals);
	free(life->world.sites);
}

/* --- events --------------------------------------------------------------------------------- */

static void births(struct life *life, const struct trace_event *event)
{
	struct site *site = &life->world.sites[event->site];
	uint64_t bytes = life->process->sites[event->site].size * event->n;

	life->world.n_events += event->n;
	site->opened += event->n;
	site->open += event->n;
	site->bytes += bytes;
	site->bytes_opened += bytes;
	life->held += (double)bytes;
	detector_watcher.born(life->detector, site, bytes);
	if (life->baselines)
		baseline__born(life->baselines[event->site], event->tick, event->n);
}

static void deaths(struct life *life, const struct trace_event *event)
{
	struct site *site = &life->world.sites[event->site];
	uint64_t size = life->process->sites[event->site].size;
	double born_s = event->birth * life->process->tick_s;
	uint64_t birth_ns = (uint64_t)llround(born_s * 1e9);
	uint32_t n = event->n < site->open ? event->n : (uint32_t)site->open;

	for (uint32_t i = 0; i < n; i++) {
		life->world.n_events++;
		site->closed++;
		site->open--;
		site->bytes -= size;
		site->bytes_closed += size;
		detector_watcher.died(life->detector, site, size,
				      (uint32_t)(birth_ns / WORLD_TICK_NS), true);
	}
	life->held -= (double)size * n;
	if (life->baselines)
		baseline__died(life->baselines[event->site], event->birth, n);
}

/* The process's usage: the latest reading, and what was taken and given back since. */
static void read_usage(struct life *life, uint32_t tick)
{
	const struct trace_process *p = life->process;
	struct ev_memory *m = &life->world.process.memory;
	double usage;

	for (; life->next_usage < p->n_usage && p->usage[life->next_usage].tick <= tick;
	     life->next_usage++) {
		life->usage = (double)p->usage[life->next_usage].bytes;
		life->held_at_usage = life->held;
	}
	usage = fmax(0, life->usage + life->held - life->held_at_usage);
	for (unsigned int i = 0; i < EV_N_LIMITS; i++)
		m->left[i] = m->limit[i] = UINT64_MAX;
	m->h.time_ns = life->world.now_ns;
	m->rss_anon = m->mapped = (uint64_t)usage;
	if (p->limit) {
		m->limit[EV_LIMIT_CGROUP_MAX] = p->limit;
		m->left[EV_LIMIT_CGROUP_MAX] = usage < (double)p->limit ?
						       p->limit - (uint64_t)usage : 0;
	}
	if (!life->world.process.has_memory)
		life->world.process.memory_first = *m;
	life->world.process.has_memory = true;
	if (tick % 6 == 5 && life->n_totals < p->n_ticks / 6 + 1)
		life->totals[life->n_totals++] = usage;
}

/* --- what is said --------------------------------------------------------------------------- */

void said__note(struct said *said, const struct trace_site *site, uint32_t tick, bool alarm)
{
	if (alarm && !said->now) {
		if (!said->n_alarms++)
			said->first = tick;
	}
	if (alarm && site->leak && tick >= site->leak_from && said->first_true == TRACE_NEVER)
		said->first_true = tick;
	said->now = alarm;
}

static double left_of(const struct life *life)
{
	uint64_t left = process__left(&life->world.process);

	return left == UINT64_MAX ? 1e30 : (double)left;
}

static bool limit_of(const struct life *life, struct report_limit *limit)
{
	const struct tracked *tracked = detector__tracked(life->detector, &life->world.process);
	struct growth growth;

	if (!tracked)
		return false;
	growth = tracked__growth(tracked);
	return tracked__limit(tracked, &growth, limit) && limit->seconds_low >= 0;
}

static double middle(const struct report_limit *limit)
{
	return sqrt(fmax(limit->seconds_low, 1e-3) * fmax(limit->seconds_high, 1e-3));
}

static void tell(struct life *life, uint32_t tick, const struct trace_site *site,
		 const struct trend *trend)
{
	struct report_limit limit;
	bool known = limit_of(life, &limit);

	if (life->opts->print)
		printf("alarm %" PRIu32 " %s %s %s %.1f\n", tick, life->process->id, site->name,
		       trend->verdict == VERDICT_LEAK ? "LEAK" : "GROWTH",
		       known ? middle(&limit) : -1.0);
	if (!site->leak || tick < site->leak_from || life->out->forecast_tick != TRACE_NEVER)
		return;
	life->out->forecast_tick = tick;
	life->out->forecast_low = known ? limit.seconds_low : -1;
	life->out->forecast_high = known ? limit.seconds_high : -1;
	if (life->n_totals >= 60) {
		double slope = least_squares(life->totals + life->n_totals - 60, 60);

		if (slope > 0)
			life->out->forecast_linear =
				left_of(life) / slope * 6 * life->process->tick_s;
	}
}

static bool is_alarm(const struct life *life, const struct trend *trend)
{
	return trend->verdict >= VERDICT_GROWTH;
}

static void hear(struct life *life, uint32_t tick)
{
	double left = left_of(life);

	for (size_t i = 0; i < life->process->n_sites; i++) {
		const struct trend *trend = life->world.sites[i].trend;
		const struct trace_site *site = &life->process->sites[i];
		struct site_said *said = &life->out->sites[i];
		bool alarm = trend && is_alarm(life, trend);

		if (alarm && !said->detector.now)
			tell(life, tick, site, trend);
		said__note(&said->detector, site, tick, alarm);
		said__note(&said->watch, site, tick, trend && trend->verdict >= VERDICT_WATCH);
		if (life->baselines) {
			bool alarms[N_BASELINES];

			baseline__tick(life->baselines[i], tick, left, alarms);
			for (unsigned int k = 0; k < N_BASELINES; k++)
				said__note(&said->baselines[k], site, tick, alarms[k]);
		}
	}
}

/* What a one-shot command that ended now, or earlier, would have said. */
static void look_at_windows(struct life *life, uint32_t tick)
{
	for (size_t i = 0; i < life->process->n_sites; i++) {
		const struct trend *trend = life->world.sites[i].trend;
		struct site_said *said = &life->out->sites[i];
		bool leak = trend && trend->verdict == VERDICT_LEAK;
		bool any = trend && trend->verdict >= VERDICT_GROWTH;

		for (unsigned int w = 0; w < life->opts->n_windows; w++) {
			struct window_said *window = &said->windows[w];

			if (tick >= life->opts->windows[w])
				continue;
			window->leak = leak;
			window->any = any;
			window->leak_ever |= leak;
			window->any_ever |= any;
			window->bytes = life->world.sites[i].bytes;
		}
	}
}

/* --- the whole ------------------------------------------------------------------------------ */

static void life__tick(struct life *life, uint32_t tick)
{
	const struct trace_process *p = life->process;
	uint64_t start_ns = EPOCH_NS + (uint64_t)llround(tick * p->tick_s * 1e9);
	uint64_t end_ns = EPOCH_NS + (uint64_t)llround((tick + 1) * p->tick_s * 1e9);

	life->world.now_ns = start_ns;
	for (; life->next_event < p->n_events && p->events[life->next_event].tick <= tick;
	     life->next_event++) {
		if (p->events[life->next_event].death)
			deaths(life, &p->events[life->next_event]);
		else
			births(life, &p->events[life->next_event]);
	}
	life->world.lost = (uint64_t)(p->loss / (1 - p->loss) *
					     (double)life->world.n_events);
	/* The last moment of the tick, which is its first one when it is as short as the
	 * detector's own. */
	life->world.now_ns = end_ns - 1;
	life->world.process.last_ns = life->world.now_ns;
	read_usage(life, tick);
}

int replay(struct replayed *out, const struct trace_process *process,
	   const struct replay_opts *opts)
{
	struct life life = { .process = process, .opts = opts, .out = out };
	uint32_t checked = UINT32_MAX;
	int r = -1;

	*out = (struct replayed){ .process = process, .n_ticks = process->n_ticks,
				  .forecast_tick = TRACE_NEVER, .forecast_linear = -1 };
	out->sites = calloc(process->n_sites ? process->n_sites : 1, sizeof(*out->sites));
	if (!out->sites || life__init(&life) < 0)
		goto out;
	for (size_t i = 0; i < process->n_sites; i++) {
		struct site_said *said = &out->sites[i];

		said->detector.first = said->detector.first_true = TRACE_NEVER;
		said->watch = said->detector;
		for (unsigned int k = 0; k < N_BASELINES; k++)
			said->baselines[k] = said->detector;
	}
	for (uint32_t tick = 0; tick < process->n_ticks; tick++) {
		life__tick(&life, tick);
		if (world__now_tick(&life.world) != checked) {
			checked = world__now_tick(&life.world);
			if (detector__check(life.detector, &life.world) < 0)
				goto out;
		}
		hear(&life, tick);
		if (opts->n_windows)
			look_at_windows(&life, tick);
	}
	r = 0;
out:
	life__fini(&life);
	if (r < 0)
		replayed__fini(out);
	return r;
}

void replayed__fini(struct replayed *replayed)
{
	free(replayed->sites);
	replayed->sites = NULL;
}
