/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The live source: sets everything up, reads the ring, and keeps the regular rounds.
 *
 * Records leave in the order of the ring; what is made here goes in between: facts and the map
 * reading of a process before its first record (or, for the service, once it has lived a second),
 * a stack's definition before the event that names it, losses and a tick at each round.
 */
#include "user/source/live.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "user/base/cleanup.h"
#include "user/base/error.h"
#include "user/source/features.h"
#include "user/source/live_private.h"
#include "user/source/pairs.h"
#include "user/source/programs.h"
#include "user/wire/decode.h"

#define TICK_NS 50000000ull
#define POLL_NS 20000000ull		/* the ring is looked at this often, unasked */
#define HURRY_POLLS 2			/* in a hurry, so many are a tick */
#define ASKS 4				/* for one missing rule, in ASKS_PER_NS */
#define ASKS_PER_NS 5000000ull
#define SHORT_ASKS 512			/* 2 MB */
#define WAKEUP_SZ (256 << 10)

/* --- records out ------------------------------------------------------------------------------ */

void live_emit(struct live *live, const struct ev_header *h)
{
	if (!live->order)
		live_deliver(live, h);
	else if (order__push(live->order, h, live->stamp_ns ? live->stamp_ns : h->time_ns) &&
		 !live->stop)
		live->stop = -ENOMEM;
}

void live_deliver(struct live *live, const struct ev_header *h)
{
	int r = live->opts.emit(live->opts.emit_ctx, h);

	if (r && !live->stop)
		live->stop = r;
}

void live_header(struct ev_header *h, uint16_t type, uint32_t size, uint32_t tgid)
{
	*h = (struct ev_header){
		.time_ns = clock_monotonic_ns(),
		.tgid = tgid,
		.type = type,
		.size = size,
	};
}

void live_note(struct live *live, uint32_t tgid, const char *format, ...)
{
	_Alignas(8) uint8_t buffer[1024];
	struct ev_note *ev = (struct ev_note *)buffer;
	char sentence[900];
	va_list args;
	size_t sz;

	va_start(args, format);
	vsnprintf(sentence, sizeof(sentence), format, args);
	va_end(args);
	sz = ev_write_note(buffer, sizeof(buffer), sentence);
	live_header(&ev->h, EV_NOTE, (uint32_t)sz, tgid);
	live_emit(live, &ev->h);
}

static void note_file(void *ctx, const char *path, const char *sentence)
{
	live_note(ctx, 0, "%s: %s", *path ? path : "a mapped file", sentence);
}

void live_bound(struct live *live, struct table *table, size_t max)
{
	if (table->n < max)
		return;
	live->n_evicted += table->n;
	table__clear(table);
}

uint64_t live__n_evicted(const struct live *live)
{
	return live->n_evicted + file_probes__n_evicted(live->probes) +
	       perf_maps__n_evicted(live->perf_maps);
}

/* --- what the loop calls ------------------------------------------------------------------------ */

static int on_ring(void *ctx, int fd, uint32_t events)
{
	return live_read_ring(ctx);
}

static int on_tick(void *ctx, uint64_t now)
{
	struct live *live = ctx;
	int r = live_read_ring(live);

	return r ? r : live_tick(live, now);
}

static int on_poll(void *ctx, uint64_t now)
{
	struct live *live = ctx;

	if (live->hurry && ++live->n_polls % HURRY_POLLS == 0)
		return on_tick(live, now);
	return live_read_ring(live);
}

void live__hurry(struct live *live, bool hurry)
{
	live->hurry = hurry && live->opts.tick_ns > TICK_NS;
}

int live__flush(struct live *live)
{
	struct process_slot *slot;
	size_t cursor = 0;
	int r = live_read_ring(live);

	if (!r)
		r = live_heal_all(live);
	while ((slot = table__next(&live->processes, &cursor))) {
		if (slot->process->is_32bit)
			live_seed(live, slot->process, EV_SEED_ATTACH);
		if (slot->process->has_events)
			live_send_memory(live, slot->process);
	}
	if (!r)
		r = live_tick(live, clock_monotonic_ns());
	order__flush(live, UINT64_MAX);
	return r ? r : live->stop;
}

/* --- who is watched ---------------------------------------------------------------------------- */

void live_set_target(struct live *live, uint32_t tgid, uint32_t flags)
{
	if (live->opts.regions_only)
		flags &= ~(uint32_t)TARGET_STACKS;
	if (tgid < TARGETS_N)
		__atomic_store_n(&live->targets[tgid], flags ? flags | TARGET_OWN : 0,
				 __ATOMIC_RELEASE);
}

int live__add(struct live *live, pid_t pid)
{
	struct watched *p = live_watch(live, (uint32_t)pid);
	int r;

	if (!p)
		return -ENOMEM;
	p->has_events = true;
	r = live_send_facts(live, p);
	if (!r) {
		p->stacks = true;
		live_set_target(live, p->tgid, TARGET_WATCHED | TARGET_STACKS);
		if (!live->opts.regions_only)
			live_probe_system_zlib(live, pid);
		r = live_seed(live, p, EV_SEED_ATTACH);
	}
	if (!r && !live->opts.regions_only)
		r = live_send_facts(live, p);	/* again: now its runtime can be told */
	if (r) {
		live_set_target(live, p->tgid, 0);
		live_forget(live, (uint32_t)pid);
		return r;
	}
	p->runtime_told = true;
	/* A call that was inside the kernel when we came has not told its entry. */
	p->attaching = true;
	live_doubt(p, clock_monotonic_ns() + LIVE_IN_FLIGHT_NS);
	if (!live->opts.regions_only)
		live_send_memory(live, p);
	return 0;
}

const char *live__why_not(int condition)
{
	switch (condition) {
	case LIVE_GONE:
		return "there is no such process";
	case LIVE_KERNEL_THREAD:
		return "it is a kernel thread: it has no memory of its own to leak";
	case LIVE_THREAD:
		return "it is a thread: give the id of its process";
	case LIVE_NOT_PERMITTED:
		return "not permitted: run unfreed as root";
	default:
		return condition < 0 ? strerror(-condition) : "it cannot be watched";
	}
}

int live__add_child(struct live *live, pid_t pid)
{
	struct watched *p = live_watch(live, (uint32_t)pid);

	if (!p)
		return -ENOMEM;
	p->has_events = p->stacks = true;
	p->seeded = true;	/* a copy of ourselves, until it calls exec */
	live_probe_system_zlib(live, 0);
	live_set_target(live, p->tgid, TARGET_WATCHED | TARGET_STACKS);
	return 0;
}

static int add_one(void *ctx, pid_t tgid)
{
	return live_probe_process(ctx, tgid);
}

int live__add_all(struct live *live)
{
	live_probe_system_zlib(live, 0);
	return procfs__each_process(live->procfs, add_one, live);
}

void live__probe_path(struct live *live, const char *path)
{
	live_probe_path(live, 0, path);
}

uint64_t live__self_resident(struct live *live)
{
	uint64_t bytes = 0;

	procfs__rss(live->procfs, (pid_t)live->self_tgid, &bytes);
	return bytes;
}

size_t live__n_alive(const struct live *live)
{
	return live->processes.n;
}

struct stack_check live__stack_check(const struct live *live)
{
	return live->bpf->bss->stack_check;
}

/* --- set-up ------------------------------------------------------------------------------------ */

static int on_libbpf(enum libbpf_print_level level, const char *format, va_list args)
{
	return 0;	/* what fails is told by whoever asked for it */
}

static int load_bpf(struct live *live, const struct features *features)
{
	struct bpf_config *config;
	struct unfreed_bpf *bpf;
	void *targets;
	int r;

	libbpf_set_print(on_libbpf);
	bpf = live->bpf = unfreed_bpf__open();
	if (!bpf)
		return negative_errno();
	config = (struct bpf_config *)&bpf->rodata->config;
	*config = (struct bpf_config){
		.self_tgid = live->self_tgid,
		.default_flags = !live->opts.all ? 0 :
				 live->opts.stacks && !live->opts.regions_only ?
				 TARGET_WATCHED | TARGET_STACKS : TARGET_WATCHED,
		.page_sz = (uint32_t)sysconf(_SC_PAGESIZE),
		.wakeup_sz = WAKEUP_SZ,
		.asks = ASKS,
		.asks_per_ns = ASKS_PER_NS,
		.short_asks = SHORT_ASKS,
		.check_stacks = live->opts.check_stacks,
		.no_memo = live->opts.no_memo,
	};
	if (live->opts.ring_sz) {
		r = bpf_map__set_max_entries(bpf->maps.ring, (uint32_t)live->opts.ring_sz);
		if (r)
			return r;
		if (config->wakeup_sz > live->opts.ring_sz / 4)
			config->wakeup_sz = (uint32_t)live->opts.ring_sz / 4;
	}
	r = programs__choose(bpf, features);
	if (!r)
		r = live_order_prepare(live, config);
	if (!r)
		r = unfreed_bpf__load(bpf);
	if (r)
		return r;
	targets = mmap(NULL, TARGETS_N, PROT_READ | PROT_WRITE, MAP_SHARED,
		       bpf_map__fd(bpf->maps.targets), 0);
	if (targets == MAP_FAILED)
		return negative_errno();
	live->targets = targets;
	return 0;
}

static void send_pairs(struct live *live)
{
	for (size_t i = 0; i < n_pairs; i++) {
		struct ev_pair ev = { .pair = (uint32_t)i,
				      .growth_percent = pairs[i].growth_percent };

		snprintf(ev.name, sizeof(ev.name), "%s", pairs[i].name);
		live_header(&ev.h, EV_PAIR, sizeof(ev), 0);
		live_emit(live, &ev.h);
	}
}

static int set_up(struct live *live)
{
	struct features features;
	int r;

	r = features__probe(&features, live->opts.log);
	if (r)
		return r;
	r = features__require(&features, live->opts.log);
	if (r)
		return r;
	r = load_bpf(live, &features);
	if (r) {
		log_error(live->opts.log, "the BPF programs cannot be loaded: %s; `unfreed doctor` "
			  "tells what this kernel allows", strerror(-r));
		return r;
	}
	r = unwinder__new(&live->unwinder, &(struct unwinder_opts){ .ops = &live_unwind_ops,
								   .ops_ctx = live });
	if (r)
		return r;
	r = file_probes__new(&live->probes,
			     &(struct file_probes_opts){
				     .program = live->bpf->progs.handle_call,
				     .multi = features__has(&features, FEATURE_UPROBE_MULTI),
				     .stubs = !features__has(&features, FEATURE_BPF_COOKIE),
				     .cookies_fd = bpf_map__fd(live->bpf->maps.cookies),
				     .log = live->opts.log,
				     .note = note_file,
				     .note_ctx = live,
			     });
	if (r)
		return r;
	live->ring = ring_buffer__new(bpf_map__fd(live->bpf->maps.ring), live_on_record, live, NULL);
	if (!live->ring)
		return negative_errno();
	r = loop__add_fd(live->opts.loop, ring_buffer__epoll_fd(live->ring), EPOLLIN, on_ring, live);
	if (!r)
		r = loop__add_timer(live->opts.loop, POLL_NS, on_poll, live);
	if (!r)
		r = loop__add_timer(live->opts.loop,
				    live->opts.tick_ns ? live->opts.tick_ns : TICK_NS, on_tick, live);
	if (r)
		return r;
	send_pairs(live);
	r = tracepoints__attach(&live->tracepoints, live->bpf, live->opts.log);
	if (!r && *live->tracepoints.missing)
		live_note(live, 0, "this kernel has no tracepoint for %s", live->tracepoints.missing);
	return r;
}

int live__new(struct live **out, const struct live_opts *opts)
{
	struct live *live = calloc(1, sizeof(*live));
	int r;

	if (!live)
		return -ENOMEM;
	live->opts = *opts;
	live->self_tgid = (uint32_t)getpid();
	table__init(&live->processes, 8, sizeof(struct process_slot));
	table__init(&live->announced, 16, LIVE_ANNOUNCED_SZ);
	table__init(&live->exes, 16, 16);
	table__init(&live->known_stacks, 8, 16);
	table__init(&live->answers, 8, LIVE_ANSWER_SZ);
	table__init(&live->last_calls, 4, sizeof(struct last_call));
	r = procfs__new(&live->procfs, NULL);
	if (!r)
		r = perf_maps__new(&live->perf_maps, live->procfs, 0);
	if (!r)
		r = set_up(live);
	if (r) {
		live__free(live);
		return r;
	}
	*out = live;
	return 0;
}

struct live *live__free(struct live *live)
{
	if (!live)
		return NULL;
	tracepoints__fini(&live->tracepoints);
	file_probes__free(live->probes);
	if (live->ring) {
		loop__remove_fd(live->opts.loop, ring_buffer__epoll_fd(live->ring));
		ring_buffer__free(live->ring);
	}
	live_forget_all(live);
	order__free(live->order, live->opts.log);
	unwinder__free(live->unwinder);
	if (live->targets)
		munmap(live->targets, TARGETS_N);
	unfreed_bpf__destroy(live->bpf);
	perf_maps__free(live->perf_maps);
	procfs__free(live->procfs);
	table__fini(&live->announced);
	table__fini(&live->exes);
	table__fini(&live->known_stacks);
	table__fini(&live->answers);
	table__fini(&live->last_calls);
	free(live);
	return NULL;
}

void live__each_program(const struct live *live,
			void (*fn)(void *ctx, const char *name, size_t n, size_t verified),
			void *ctx)
{
	struct bpf_program *program;

	bpf_object__for_each_program(program, live->bpf->obj) {
		struct bpf_prog_info info = {};
		uint32_t sz = sizeof(info);

		if (!bpf_program__autoload(program))
			continue;
		bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &sz);
		fn(ctx, bpf_program__name(program), bpf_program__insn_cnt(program),
		   info.verified_insns);
	}
}
