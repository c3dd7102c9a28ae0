/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The live source: sets everything up, reads the ring, and keeps the regular rounds.
 *
 * Records leave in the order of the ring; what is made here goes in between: facts and the map
 * reading of a process before its first record (or, for the service, once it has lived a second),
 * a stack's definition before the event that names it, losses and a tick at each round.
 *
 * The ring is read when the kernel side wakes us and at each tick, and never for longer than
 * BATCH_NS at a time, so that a storm of records cannot hold up ticks and signals.
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
#include "user/wire/decode.h"

#define TICK_NS 100000000ull
#define POLL_NS 20000000ull		/* the ring is looked at this often, unasked */
#define BATCH_NS 50000000ull
#define MEMORY_NS 250000000ull
#define ASK_AGAIN_NS 5000000ull		/* unwind.md: a missing rule is asked for every 5 ms */
#define WAKEUP_SZ (256 << 10)

/* The service looks at a new process once it has lived this long, and takes stacks for one that
 * has lived and taken this much: short-lived processes (a storm of compilers) are not worth it. */
#define YOUNG_NS 1000000000ull
#define STACKS_AFTER_NS 2000000000ull
#define STACKS_AFTER_ACQUISITIONS 64
#define STACKS_AFTER_HANDLES 8
#define LOOKS_PER_ROUND 64		/* map files and facts read per round, at most */

#define HEAL_AFTER_NS 1000000000ull	/* after a loss; and no process more often than this */

#define MAX_LAST_CALLS 65536		/* threads; when full it starts over */
#define SAME_CALL_NS 1000000ull

#define YIELD (-EAGAIN)			/* from the ring's callback: enough for now */

/* --- records out ------------------------------------------------------------------------------ */

void live_emit(struct live *live, const struct ev_header *h)
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

/* --- records in ------------------------------------------------------------------------------- */

static void set_target(struct live *live, uint32_t tgid, uint32_t flags)
{
	if (bpf_map_update_elem(bpf_map__fd(live->bpf->maps.targets), &tgid, &flags, BPF_ANY))
		live->own_losses[EV_LOSS_TARGETS_FULL]++;
}

/* The service takes stacks for processes that have lived and taken a while. */
static void count_acquisition(struct live *live, struct watched *p, bool handle, uint64_t now)
{
	p->has_events = true;
	if (p->stacks)
		return;
	p->n_acquisitions++;
	p->n_handles += handle;
	if (p->n_handles < STACKS_AFTER_HANDLES &&
	    (p->n_acquisitions < STACKS_AFTER_ACQUISITIONS || now - p->since_ns < STACKS_AFTER_NS))
		return;
	p->stacks = true;
	set_target(live, p->tgid, TARGET_WATCHED | TARGET_STACKS);
}

static void fill_handle(struct ev_handle *ev)
{
	const struct pair_symbol *symbol;

	if (ev->symbol >= n_pair_symbols)
		return;
	symbol = &pair_symbols[ev->symbol];
	ev->bytes = pair_symbol__bytes(symbol, (const uint64_t *)ev->arg);
	if (symbol->role == PAIR_COPY && symbol->copy_arg >= 0 && symbol->copy_arg < EV_N_HANDLE_ARGS)
		ev->copy_of = ev->arg[symbol->copy_arg];
}

/*
 * One call can hit two probes: containers that share an image show one file under several (device,
 * inode)s, and a library laid over another calls on to it by the same name. The same thread, function
 * and handle again at once, but in another file, is the same call.
 */
static bool is_same_call(struct live *live, const struct ev_handle *ev)
{
	uint32_t key = ev->h.tid;
	struct last_call *last;
	bool same;

	if (live->last_calls.n >= MAX_LAST_CALLS)
		table__clear(&live->last_calls);
	last = table__insert(&live->last_calls, &key, NULL);
	if (!last)
		return false;
	same = last->symbol == ev->symbol && last->handle == ev->handle &&
	       last->file != ev->file && ev->h.time_ns - last->time_ns < SAME_CALL_NS;
	last->symbol = ev->symbol;
	last->file = ev->file;
	last->handle = ev->handle;
	last->time_ns = ev->h.time_ns;
	return same;
}

/* Code that goes, or is covered by something else, takes its rules along; where code appears, what
 * was learnt of a place that held none does not count any more. */
static void forget_code(struct live *live, struct watched *p, uint64_t start, uint64_t len,
			bool new_code)
{
	uint64_t end = start + len < start ? UINT64_MAX : start + len;

	if (code_maps__cut(&p->code, start, end) || new_code) {
		live_drop_rules(live, p, start, end);
		unwinder__forget(live->unwinder, p->tgid);
	}
}

static int on_fork(struct live *live, const struct ev_fork *ev)
{
	const struct watched *parent = live_find(live, ev->h.tgid);
	struct watched *child;

	live_emit(live, &ev->h);
	live_forget(live, ev->child_tgid);	/* an exit that was lost */
	child = live_watch(live, ev->child_tgid);
	if (!child)
		return -ENOMEM;
	child->start_ns = ev->child_start_ns;
	if (parent) {
		child->seeded = parent->seeded;	/* the model copies what the parent has */
		child->stacks = parent->stacks;
	}
	return 0;
}

/* One record of a process we know, changed in place where it needs an answer of ours. */
static int route(struct live *live, struct watched *p, struct ev_header *h)
{
	switch (h->type) {
	case EV_MISS:
		return live_on_miss(live, (struct ev_miss *)h);
	case EV_STACK:
		return live_on_definition(live, (struct ev_stack *)h);
	case EV_FORK:
		return on_fork(live, (struct ev_fork *)h);
	case EV_EXEC:
		live_emit(live, h);
		return live_on_exec(live, p, (struct ev_exec *)h);
	case EV_EXIT:
		live_emit(live, h);
		live_forget(live, h->tgid);
		return 0;
	case EV_MMAP: {
		struct ev_mmap *ev = (struct ev_mmap *)h;

		forget_code(live, p, ev->addr, ev->len, ev->prot & PROT_EXEC);
		live_settle_stack(live, h, &ev->stack);
		live_emit(live, h);
		live_mapped(live, p, ev);
		count_acquisition(live, p, false, h->time_ns);
		return 0;
	}
	case EV_MUNMAP: {
		struct ev_munmap *ev = (struct ev_munmap *)h;

		forget_code(live, p, ev->addr, ev->len, false);
		break;
	}
	case EV_MREMAP_END:
		live_settle_stack(live, h, &((struct ev_mremap *)h)->stack);
		break;
	case EV_MPROTECT: {
		struct ev_mprotect *ev = (struct ev_mprotect *)h;

		if (ev->prot & PROT_EXEC) {
			forget_code(live, p, ev->addr, ev->len, true);
			p->code.read_ns = 0;	/* to be read again when it is asked for */
		}
		live_settle_stack(live, h, &ev->stack);
		count_acquisition(live, p, false, h->time_ns);
		break;
	}
	case EV_BRK:
		live_settle_stack(live, h, &((struct ev_brk *)h)->stack);
		count_acquisition(live, p, false, h->time_ns);
		break;
	case EV_SHMAT:
		live_settle_stack(live, h, &((struct ev_shmat *)h)->stack);
		count_acquisition(live, p, false, h->time_ns);
		break;
	case EV_HANDLE_CLOSE:
		if (is_same_call(live, (struct ev_handle *)h))
			return 0;
		break;
	case EV_HANDLE_OPEN:
		if (is_same_call(live, (struct ev_handle *)h))
			return 0;
		fill_handle((struct ev_handle *)h);
		live_settle_stack(live, h, &((struct ev_handle *)h)->stack);
		count_acquisition(live, p, true, h->time_ns);
		break;
	default:
		break;
	}
	live_emit(live, h);
	return 0;
}

static int on_record(void *ctx, void *data, size_t data_sz)
{
	struct live *live = ctx;
	uint64_t copy[sizeof(struct ev_handle) / 8];	/* the largest record that is changed here */
	const struct ev_header *checked;
	struct ev_header *record;
	struct watched *p;
	const char *why;
	int r;

	if (ev_check(data, data_sz, &checked, &why)) {
		live->own_losses[EV_LOSS_BAD_RECORD]++;
		log_debug(live->opts.log, "a record of the kernel side is malformed: %s", why);
		return 0;
	}
	p = live_watch(live, checked->tgid);
	record = data;
	if (checked->size <= sizeof(copy)) {	/* the ring itself is mapped read-only */
		memcpy(copy, data, checked->size);
		record = (struct ev_header *)copy;
	}
	r = p ? route(live, p, record) : -ENOMEM;
	if (r)
		return r;
	if (live->stop)
		return live->stop < 0 ? live->stop : YIELD;
	return clock_monotonic_ns() > live->batch_deadline_ns ? YIELD : 0;
}

/* Reads what is there, for one batch at most. 0, or what ends the loop. */
static int read_ring(struct live *live)
{
	int r;

	live->batch_deadline_ns = clock_monotonic_ns() + BATCH_NS;
	r = ring_buffer__consume(live->ring);
	if (live->stop)
		return live->stop;
	return r < 0 && r != YIELD ? r : 0;
}

static int on_ring(void *ctx, int fd, uint32_t events)
{
	return read_ring(ctx);
}

static int on_poll(void *ctx, uint64_t now)
{
	return read_ring(ctx);
}

/* --- the regular rounds ----------------------------------------------------------------------- */

/* Tells new losses; a full ring makes every process's state doubtful until its map is read again. */
static void send_losses(struct live *live, uint64_t now)
{
	struct ev_loss ev = {};
	bool changed = false, lost_records;
	struct process_slot *slot;
	size_t cursor = 0;

	for (int i = 0; i < EV_N_LOSSES; i++) {
		ev.count[i] = live->bpf->bss->losses[i] + live->own_losses[i];
		changed |= ev.count[i] != live->losses[i];
	}
	if (!changed)
		return;
	lost_records = ev.count[EV_LOSS_RING_FULL] != live->losses[EV_LOSS_RING_FULL];
	memcpy(live->losses, ev.count, sizeof(live->losses));
	live_header(&ev.h, EV_LOSS, sizeof(ev), 0);
	live_emit(live, &ev.h);
	while (lost_records && (slot = table__next(&live->processes, &cursor)))
		if (slot->process->seeded && !slot->process->heal_due_ns)
			slot->process->heal_due_ns = now + HEAL_AFTER_NS;
}

static void send_trust(struct live *live)
{
	live_header(&live->trust.h, EV_TRUST, sizeof(live->trust), 0);
	live_emit(live, &live->trust.h);
}

/* Facts, a map reading, a memory reading: what is due for one process. Counts what it cost. */
static int look_at(struct live *live, struct watched *p, uint64_t now, unsigned int *n_looks)
{
	uint64_t every = live->opts.memory_ns ? live->opts.memory_ns : MEMORY_NS;
	bool old_enough = live->opts.stacks || now - p->since_ns >= YOUNG_NS;
	int r = 0;

	if (p->has_events && old_enough && !p->seeded) {
		(*n_looks)++;
		r = live_seed(live, p, EV_SEED_ATTACH);
	} else if (p->heal_due_ns && now >= p->heal_due_ns) {
		(*n_looks)++;
		r = live_seed(live, p, EV_SEED_HEAL);
	}
	if (r < 0)
		return r;
	if (old_enough && !p->facts_sent) {
		(*n_looks)++;
		r = live_send_facts(live, p);
		p->facts_sent = true;	/* a process that is gone is not asked again */
	}
	if (p->has_events && old_enough && now - p->memory_read_ns >= every)
		live_send_memory(live, p);
	return r < 0 ? r : 0;
}

static int look_at_processes(struct live *live, uint64_t now)
{
	unsigned int n_looks = 0;
	struct process_slot *slot;
	size_t cursor = 0;

	while (n_looks < LOOKS_PER_ROUND && (slot = table__next(&live->processes, &cursor))) {
		int r = look_at(live, slot->process, now, &n_looks);

		if (r)
			return r;
	}
	return 0;
}

static int tick(struct live *live, uint64_t now)
{
	struct ev_header ev;
	int r;

	r = look_at_processes(live, now);
	if (r)
		return r;
	send_losses(live, now);
	send_trust(live);
	live_header(&ev, EV_TICK, sizeof(ev), 0);
	live_emit(live, &ev);
	return live->stop;
}

static int on_tick(void *ctx, uint64_t now)
{
	struct live *live = ctx;
	int r = read_ring(live);

	return r ? r : tick(live, now);
}

int live__flush(struct live *live)
{
	struct process_slot *slot;
	size_t cursor = 0;
	int r = read_ring(live);

	while ((slot = table__next(&live->processes, &cursor)))
		if (slot->process->has_events)
			live_send_memory(live, slot->process);
	return r ? r : tick(live, clock_monotonic_ns());
}

/* --- who is watched ---------------------------------------------------------------------------- */

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
		set_target(live, p->tgid, TARGET_WATCHED | TARGET_STACKS);
		r = live_seed(live, p, EV_SEED_ATTACH);
	}
	if (!r)
		r = live_send_facts(live, p);	/* again: now its runtime can be told */
	if (r) {
		bpf_map_delete_elem(bpf_map__fd(live->bpf->maps.targets), &p->tgid);
		live_forget(live, (uint32_t)pid);
		return r;
	}
	live_send_memory(live, p);
	return 0;
}

int live__add_child(struct live *live, pid_t pid)
{
	struct watched *p = live_watch(live, (uint32_t)pid);

	if (!p)
		return -ENOMEM;
	p->has_events = p->stacks = true;
	p->seeded = true;	/* a copy of ourselves, until it calls exec */
	set_target(live, p->tgid, TARGET_WATCHED | TARGET_STACKS);
	return 0;
}

static int add_one(void *ctx, pid_t tgid)
{
	return live_probe_process(ctx, tgid);
}

int live__add_all(struct live *live)
{
	return procfs__each_process(live->procfs, add_one, live);
}

void live__probe_path(struct live *live, const char *path)
{
	live_probe_path(live, path);
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

/* --- set-up ------------------------------------------------------------------------------------ */

static int on_libbpf(enum libbpf_print_level level, const char *format, va_list args)
{
	return 0;	/* what fails is told by whoever asked for it */
}

static int load_bpf(struct live *live, const struct features *features)
{
	struct bpf_config *config;
	struct unfreed_bpf *bpf;
	int r;

	libbpf_set_print(on_libbpf);
	bpf = live->bpf = unfreed_bpf__open();
	if (!bpf)
		return negative_errno();
	config = (struct bpf_config *)&bpf->rodata->config;
	*config = (struct bpf_config){
		.self_tgid = live->self_tgid,
		.default_flags = !live->opts.all ? 0 :
				 live->opts.stacks ? TARGET_WATCHED | TARGET_STACKS : TARGET_WATCHED,
		.page_sz = (uint32_t)sysconf(_SC_PAGESIZE),
		.wakeup_sz = WAKEUP_SZ,
		.ask_again_ns = ASK_AGAIN_NS,
	};
	if (live->opts.ring_sz) {
		r = bpf_map__set_max_entries(bpf->maps.ring, (uint32_t)live->opts.ring_sz);
		if (r)
			return r;
		if (config->wakeup_sz > live->opts.ring_sz / 4)
			config->wakeup_sz = (uint32_t)live->opts.ring_sz / 4;
	}
	if (features__has(features, FEATURE_UPROBE_MULTI))
		bpf_program__set_expected_attach_type(bpf->progs.handle_call,
						      FEATURES_UPROBE_MULTI_ATTACH_TYPE);
	return unfreed_bpf__load(bpf);
}

static void send_pairs(struct live *live)
{
	for (size_t i = 0; i < n_pairs; i++) {
		struct ev_pair ev = { .pair = (uint32_t)i };

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
				     .log = live->opts.log,
				     .note = note_file,
				     .note_ctx = live,
			     });
	if (r)
		return r;
	live->ring = ring_buffer__new(bpf_map__fd(live->bpf->maps.ring), on_record, live, NULL);
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
	table__init(&live->announced, 16, 16);
	table__init(&live->exes, 16, 16);
	table__init(&live->known_stacks, 8, 16);
	table__init(&live->answers, 8, 24);
	table__init(&live->last_calls, 4, sizeof(struct last_call));
	r = procfs__new(&live->procfs, NULL);
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
	unwinder__free(live->unwinder);
	unfreed_bpf__destroy(live->bpf);
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

		bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &sz);
		fn(ctx, bpf_program__name(program), bpf_program__insn_cnt(program),
		   info.verified_insns);
	}
}
