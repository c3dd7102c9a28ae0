/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The model: what every watched process holds and who took it, after the records applied so far.
 *
 * A pure state machine. It reads no clock, no /proc and no file: time, process facts and map
 * readings are records (bpf/event.h). The same records give the same world.
 *
 * The structs below are open for reading by detect/; only the model writes them, but for
 * `site.trend`, which belongs to the watcher. All of them are owned by the world and live as
 * said at each. Nothing here is thread-safe.
 */
#ifndef UNFREED_MODEL_WORLD_H
#define UNFREED_MODEL_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/event.h"
#include "user/model/stack.h"

struct world;
struct process;
struct site;

/* What is held. Handle kinds follow KIND_PAIR_0, one per row of the pair table. */
enum kind {
	KIND_ANON = 0,
	KIND_FILE = 1,
	KIND_SHM = 2,
	KIND_HEAP = 3,		/* brk */
	KIND_RESERVED = 4,	/* PROT_NONE: address space, no memory */
	KIND_PAIR_0 = 5,
	N_KINDS = KIND_PAIR_0 + 32,
};

/* Births are dated in ticks of 50 ms since the world's first record, less those in which the process
 * could not run: process__now_tick(). Why 50: docs/detector.md, "The finest cohort". */
#define WORLD_TICK_NS 50000000ull
#define WORLD_TICK_S (WORLD_TICK_NS / 1e9)
#define WORLD_TICKS(ms) ((uint32_t)((ms) * 1000000ull / WORLD_TICK_NS))

/* All that one process holds of one kind from one call stack. Lives as long as its process. */
struct site {
	struct process *process;
	const struct stack *stack;	/* NULL: taken before attach, or no stack was had */
	uint64_t id;			/* stack->site_id mixed with the kind; 0 without stack.
					 * A lost definition that is sent again sets both */
	uint16_t kind;			/* enum kind */
	bool before_attach;		/* the site of what was there at attach */
	bool partial;			/* the site of events whose stack is incomplete */
	uint64_t opened, closed, open;	/* objects: mappings made, streams opened... */
	uint64_t closed_by_collector;	/* by a thread named Common-Cleaner or Finalizer */
	uint64_t bytes;			/* held now; for handles the pair's estimate */
	uint64_t bytes_opened, bytes_closed;
	uint64_t reopened;		/* opens on an open handle: the old one leaked; it stays
					 * counted in open and bytes */
	uint64_t same_file;		/* live objects that map a file range this site already
					 * had mapped when they were made */
	uint64_t first_open_ns, last_open_ns, last_close_ns;
	bool has_resident;		/* regions: the next three were measured (EV_RESIDENT) */
	uint64_t resident_ns;		/* when */
	uint64_t resident_bytes;
	uint64_t resident_of;		/* bytes of its regions that were looked at for that */
	struct site *next;		/* of the process, NULL at the end */
	void *trend;			/* the watcher's own; NULL at birth */
};

/* Sums over the process's sites of that kind, those from before attach included. */
struct kind_totals {
	uint64_t opened, closed, open, closed_by_collector;
	uint64_t bytes;
	uint64_t before_attach;		/* regions: objects still held from before attach; handles:
					 * closes of a handle never seen opened */
	uint64_t lost_opened, lost_closed;	/* handles: records that were lost (EV_LOST) ... */
	uint64_t lost_closed_found;	/* ... and of these closes, how many showed later, by an open
					 * of the same handle */
};

/*
 * The process's own clock (clock.c): ticks in which it could run. Births and deaths are dated by it.
 * Read it by process__now_tick() alone.
 */
struct process_clock {
	uint32_t skipped;		/* ticks that did not count */
	uint32_t inherited;		/* of these: before it was seen first, from its parent */
	bool halted;			/* it stands still at halt_tick ... */
	bool stopped;			/* ... and the latest reading said why */
	uint32_t halt_tick;
	uint64_t halted_ns;		/* since when, by the records' clock */
	uint64_t busy_ns;		/* last known to be at work */
	uint64_t busy_cpu_ns;		/* CPU time used by then */
	uint64_t read_ns, cpu_ns;	/* of the latest reading; 0: none yet */
};

/* A process, by (tgid, start time). */
struct process {
	uint32_t tgid, ppid, uid;
	uint64_t start_ns;		/* CLOCK_BOOTTIME; 0: not known yet */
	char *comm, *cmdline, *unit, *runtime;	/* never NULL; raw bytes of a hostile process */
	struct process_clock clock;
	uint64_t first_ns, last_ns;	/* first record about it, last one (exit, when exited) */
	bool exited;			/* gone; kept when world_opts.keep_exited */
	int32_t exit_code;		/* as wait(2) encodes it; known from its end on */
	bool seeded;			/* its map file was read */
	bool unsure;			/* not exact: records were lost, or a limit left something out */
	bool lossy;			/* records were lost and its map file was not read since: what
					 * it seems to hold may have been given back */
	uint64_t lost_regions;		/* records of regions that were lost (EV_LOST), all told */
	bool has_memory;		/* `memory` and `memory_first` hold readings */
	struct ev_memory memory, memory_first;	/* latest and first reading */
	char *groups[EV_LIMIT_CGROUP_HIGH + 1];	/* whose limits they are; NULL: not known. Hostile */
	/* An address space that several processes share (vfork, CLONE_VM) is counted once, for the
	 * one that had it first and has it still; the others hold nothing meanwhile. */
	uint64_t mapped_bytes;		/* all regions, reservations included */
	uint64_t accessible_bytes;	/* all regions but PROT_NONE ones */
	uint64_t reserved_bytes;	/* PROT_NONE regions */
	struct kind_totals kinds[N_KINDS];
	struct site *sites;		/* list, newest first */
	uint32_t n_sites;
	struct process *next;		/* of the world, in order of appearance */
};

/* Told of every birth and death as it is applied. Any member may be NULL. */
struct world_watcher {
	/* `bytes` were taken by one object of `site`; site counters already include it. */
	void (*born)(void *ctx, struct site *site, uint64_t bytes);
	/* `bytes` of an object born at `birth_tick` of the process's clock were given back; `whole`: nothing of the
	 * object is left. Not called for a process's end or exec. */
	void (*died)(void *ctx, struct site *site, uint64_t bytes, uint32_t birth_tick, bool whole);
	/* the site is about to be freed: its process was dropped, or exec emptied it */
	void (*site_gone)(void *ctx, struct site *site);
	/* the process is about to be freed */
	void (*process_gone)(void *ctx, struct process *process);
};

struct world_opts {
	uint64_t max_regions;	/* all processes together; 0: a default */
	uint64_t max_handles;
	uint64_t max_sites;
	uint64_t max_stacks;
	uint32_t max_processes;
	bool keep_exited;	/* an exited process stays for the report, its holdings frozen as
				 * they were just before its end */
	const struct world_watcher *watcher;	/* borrowed; may be NULL */
	void *watcher_ctx;
};

/* Returns 0 or -ENOMEM. The caller owns *out and frees it with world__free(). */
int world__new(struct world **out, const struct world_opts *opts);
struct world *world__free(struct world *world);	/* accepts NULL; returns NULL */

/*
 * Applies one record that ev_check() accepted. Returns 0, -ENOMEM, or -EBADMSG when the record
 * contradicts itself (an end before its start, say): then it is counted and changes nothing. A
 * table at its limit is not an error: the object is left out and counted (EV_LOSS_MODEL_FULL).
 */
int world__apply(struct world *world, const struct ev_header *record);

uint64_t world__now_ns(const struct world *world);	/* of the newest record; 0 before any */
uint32_t world__now_tick(const struct world *world);
/* The tick of the process's own clock: now, or at its end. */
uint32_t process__now_tick(const struct process *process, const struct world *world);
uint64_t world__n_events(const struct world *world);	/* kernel-side records applied */
uint64_t world__lost(const struct world *world, enum ev_loss_cause cause);
/* Files forgotten because nobody maps them any more. */
uint64_t world__evicted(const struct world *world);
/* Of EV_LOSS_RING_FULL, those of which no EV_LOST said whose they were. */
uint64_t world__lost_unnamed(const struct world *world);
uint64_t world__bytes_used(const struct world *world);	/* of the model's own memory, about */
/* Zeros before any EV_TRUST. Beginnings that only one complete stack has count as complete. */
struct ev_trust world__trust(const struct world *world);

/* "zlib-inflate", "anon"...; never NULL ("?" for a pair nobody named). */
const char *world__kind_name(const struct world *world, unsigned int kind);
/* Percent of what is left to the limit at which handles never closed are told (EV_PAIR); 0: nobody
 * said, or no handle kind. */
unsigned int world__growth_percent(const struct world *world, unsigned int kind);
static inline bool kind_is_handle(unsigned int kind) { return kind >= KIND_PAIR_0; }

/* Processes in order of appearance; exited ones too when they are kept. */
struct process *world__processes(const struct world *world);
/* The live process with that tgid, or NULL. */
struct process *world__find(const struct world *world, uint32_t tgid);

/* Notes (EV_NOTE) of a process, or of the system with tgid 0; i from 0; NULL past the last. */
const char *world__note(const struct world *world, uint32_t tgid, size_t i);

/*
 * Walks a process's regions in address order; adjacent entries that differ only in who took them
 * are separate. Stops early when `fn` returns non-zero, and returns that; else 0.
 */
struct region {
	uint64_t start, end;		/* bytes, page-aligned */
	uint64_t file_off;
	const struct file *file;	/* NULL: none */
	struct site *site;
	uint32_t birth_tick;
	uint16_t kind;
	uint16_t prot;			/* PROT_* */
	bool shared;
	bool special;			/* the kernel's own: [stack], [vdso]... */
};
int process__each_region(const struct process *process,
			 int (*fn)(void *ctx, const struct region *region), void *ctx);

/* Sum of the live handle of (process, kind, address), for tests and verify. */
bool process__handle(const struct process *process, unsigned int kind, uint64_t handle,
		     struct site **site, uint64_t *bytes);

#endif /* UNFREED_MODEL_WORLD_H */
