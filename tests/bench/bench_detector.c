/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * What the detector costs: bytes per site (as malloc counts them, headers and all) and time per site
 * and tick, for the service's question, all told: a birth and mostly a death per site and tick, and
 * the checks that are due. A tenth of the sites leaks one object in fifty.
 *
 *   bench_detector [SITES [TICKS [TICK_SECONDS]]]     (10,000 sites, 1,440 ticks of 10 s: 4 h)
 *
 * It stands in for the model at link time.
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "user/detect/detector.h"
#include "user/detect/trend.h"

#define EPOCH_NS 1000000000ull
#define LIVES 64	/* objects that a site holds, at most, but for those that leak */
#define MOST_BYTES 1536
#define MOST_NS 500

struct world {
	uint64_t now_ns, n_events;
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
uint64_t world__lost(const struct world *world, enum ev_loss_cause cause) { return 0; }
uint64_t world__lost_unnamed(const struct world *world) { return 0; }
struct ev_trust world__trust(const struct world *world) { return (struct ev_trust){ 0 }; }
const char *world__kind_name(const struct world *world, unsigned int kind) { return "?"; }
const char *world__note(const struct world *world, uint32_t tgid, size_t i) { return NULL; }
unsigned int world__growth_percent(const struct world *world, unsigned int kind) { return 10; }
struct process *world__processes(const struct world *world)
{
	return (struct process *)&world->process;
}

struct bench {
	uint32_t n_sites, n_ticks;
	double tick_s;
	struct world world;
	struct detector *detector;
	uint32_t (*births)[LIVES];	/* of each site's objects, by slot: tick + 1; 0: none */
	double feed_s, check_s;
};

static double cpu_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static uint64_t malloc_bytes(void)
{
	struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
}

static void must(int r, const char *what)
{
	if (r) {
		fprintf(stderr, "bench_detector: %s failed\n", what);
		exit(1);
	}
}

/* One object more; the one that was born LIVES or fewer ticks ago goes, if it goes at all. */
static void feed(struct bench *bench, uint32_t i, uint32_t tick)
{
	struct site *site = &bench->world.sites[i];
	uint32_t *slot = &bench->births[i][tick % (2 + i % (LIVES - 2))];
	bool leaks = i % 10 == 0 && (tick + i) % 50 == 0;

	if (*slot) {
		site->closed++;
		site->open--;
		site->bytes -= 4096;
		detector_watcher.died(bench->detector, site, 4096, *slot - 1, true);
	}
	*slot = leaks ? 0 : world__now_tick(&bench->world) + 1;
	site->opened++;
	site->open++;
	site->bytes += 4096;
	detector_watcher.born(bench->detector, site, 4096);
	bench->world.n_events += 2;
}

static void live(struct bench *bench)
{
	struct ev_memory *m = &bench->world.process.memory;

	for (unsigned int i = 0; i < EV_N_LIMITS; i++)
		m->left[i] = 1ull << 36;
	bench->world.process.has_memory = true;
	for (uint32_t tick = 0; tick < bench->n_ticks; tick++) {
		double before = cpu_seconds(), between;

		bench->world.now_ns = EPOCH_NS + (uint64_t)(tick * bench->tick_s * 1e9);
		m->h.time_ns = bench->world.now_ns;
		for (uint32_t i = 0; i < bench->n_sites; i++)
			feed(bench, i, tick);
		between = cpu_seconds();
		must(detector__check(bench->detector, &bench->world), "a check");
		bench->feed_s += between - before;
		bench->check_s += cpu_seconds() - between;
	}
}

static void set_up(struct bench *bench)
{
	struct detector_opts opts = { .question = DETECTOR_SERVICE };

	bench->births = calloc(bench->n_sites, sizeof(*bench->births));
	bench->world.sites = calloc(bench->n_sites, sizeof(*bench->world.sites));
	must(!bench->births || !bench->world.sites, "memory");
	bench->world.now_ns = EPOCH_NS;
	bench->world.process = (struct process){
		.tgid = 1, .first_ns = EPOCH_NS, .n_sites = bench->n_sites,
		.sites = bench->world.sites,
	};
	for (uint32_t i = 0; i < bench->n_sites; i++) {
		bench->world.sites[i] = (struct site){
			.process = &bench->world.process, .stack = &bench->world.stack, .id = i + 1,
			.kind = i % 2 ? KIND_ANON : KIND_PAIR_0,
			.next = i + 1 < bench->n_sites ? &bench->world.sites[i + 1] : NULL,
		};
	}
	must(detector__new(&bench->detector, &opts), "memory");
	detector__watch(bench->detector, &bench->world);
}

int main(int argc, char **argv)
{
	struct bench bench = {
		.n_sites = argc > 1 ? (uint32_t)atoi(argv[1]) : 10000,
		.n_ticks = argc > 2 ? (uint32_t)atoi(argv[2]) : 1440,
		.tick_s = argc > 3 ? atof(argv[3]) : 10,
	};
	uint64_t before, bytes, found = 0;
	double ticks, ns;

	if (!bench.n_sites || !bench.n_ticks || !(bench.tick_s > 0)) {
		fputs("usage: bench_detector [SITES [TICKS [TICK_SECONDS]]]\n", stderr);
		return 2;
	}
	set_up(&bench);
	before = malloc_bytes();
	live(&bench);
	bytes = (malloc_bytes() - before) / bench.n_sites;
	ticks = (double)bench.n_sites * bench.n_ticks;
	ns = (bench.feed_s + bench.check_s) / ticks * 1e9;
	for (uint32_t i = 0; i < bench.n_sites; i++)
		found += detector__site_verdict(bench.detector, &bench.world.sites[i]) >=
			 VERDICT_WATCH;
	printf("%u sites, %u ticks of %g s: %llu bytes per site (a trend alone %zu, its cohorts %zu), "
	       "%.0f ns per site and tick (events %.0f, checks %.0f), %llu sites listed\n",
	       bench.n_sites, bench.n_ticks, bench.tick_s, (unsigned long long)bytes,
	       sizeof(struct trend), TREND_COHORTS * sizeof(struct cohort), ns,
	       bench.feed_s / ticks * 1e9, bench.check_s / ticks * 1e9, (unsigned long long)found);
	for (uint32_t i = 0; i < bench.n_sites; i++)
		detector_watcher.site_gone(bench.detector, &bench.world.sites[i]);
	detector_watcher.process_gone(bench.detector, &bench.world.process);
	detector__free(bench.detector);
	free(bench.births);
	free(bench.world.sites);
	return bytes > MOST_BYTES || ns > MOST_NS;
}
