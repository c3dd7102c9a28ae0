/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The running system as a source of records: loads and attaches the BPF programs, reads the ring,
 * answers the walker's questions, and writes the records that only user space can (process facts,
 * map readings, files, memory, losses, ticks).
 */
#ifndef UNFREED_SOURCE_LIVE_H
#define UNFREED_SOURCE_LIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "bpf/config.h"
#include "bpf/event.h"
#include "user/base/log.h"
#include "user/base/loop.h"

struct live;
struct symbolizer;

struct live_opts {
	struct loop *loop;		/* borrowed, like all that follows */
	struct log *log;
	struct symbolizer *symbolizer;	/* told of every file that turns up on a stack */
	/* Takes each record, in order; the record is the callee's only during the call. A non-zero
	 * return ends the loop with that value. */
	int (*emit)(void *ctx, const struct ev_header *record);
	void *emit_ctx;
	bool all;			/* every process, not only those added */
	bool stacks;			/* stacks for every watched process from its first event on;
					 * else for those that have lived and taken a while */
	bool check_stacks;		/* walk each a second time, without the memo, and compare */
	bool no_memo;			/* walk each in full: for measuring */
	bool ordered;			/* the kernel's own order of racing calls; dearer */
	bool regions_only;		/* no stacks, no probes, no readings of memory: for verify */
	uint64_t ring_sz;		/* bytes, a power of two; 0: a default */
	uint64_t tick_ns;		/* between EV_TICKs; 0: 50 ms */
	uint64_t memory_ns;		/* between EV_MEMORYs of a process; 0: 250 ms */
};

/*
 * Loads and attaches everything; from here on records arrive as the loop runs. Returns 0 or -errno,
 * logged with the cure where there is one.
 */
int live__new(struct live **out, const struct live_opts *opts);
/* Detaches and unloads everything: nothing of ours is left in the kernel. */
struct live *live__free(struct live *live);

/*
 * Watches a process and its future children: probes what it maps, reads its map file. Returns 0;
 * LIVE_* when it cannot be watched; or -errno.
 */
enum live_condition {
	LIVE_GONE = 1,
	LIVE_KERNEL_THREAD = 2,
	LIVE_THREAD = 3,		/* the id of a thread, not of a process */
	LIVE_NOT_PERMITTED = 4,
	LIVE_NEVER_EMPTY = 5,		/* the ring fills faster than it is read */
};
int live__add(struct live *live, pid_t pid);
/* What that return means, in words; static. */
const char *live__why_not(int condition);

/*
 * With opts.all: probes what the processes that run already have mapped, each file once. What such a
 * process holds is read when it takes something for the first time. Returns 0 or -errno.
 */
int live__add_all(struct live *live);

/* Watches a child of ours that waits to exec: from its first instruction on. */
int live__add_child(struct live *live, pid_t pid);

/* Probes a file before anything maps it, so that not even its first call is missed. A file that
 * cannot be opened is passed over. */
void live__probe_path(struct live *live, const char *path);

/* This process's own resident bytes. */
uint64_t live__self_resident(struct live *live);

/*
 * Measures how much of these ranges, all of one site, is in memory, and writes it as EV_RESIDENT. At
 * most *bytes_left of address space; what was looked at is taken off. 0 (also when the process is gone
 * or may not be looked at: then nothing is written), or what ends the loop.
 */
struct live_range {
	uint64_t start, end;
};
int live__resident(struct live *live, uint32_t tgid, const struct live_range *ranges, size_t n,
		   uint64_t *bytes_left);

/* Entries of own tables that went for want of room, since the start. */
uint64_t live__n_evicted(const struct live *live);

/* What opts.check_stacks found since the start. */
struct stack_check live__stack_check(const struct live *live);

/* Number of watched processes that are alive. */
size_t live__n_alive(const struct live *live);

/* Until told otherwise, ticks come every 40 ms. Where they are as frequent by default, nothing changes. */
void live__hurry(struct live *live, bool hurry);
/* Reads what waits in the ring and writes a last round of readings and a tick. */
int live__flush(struct live *live);

/* Calls fn for every process there is, kernel threads too. 0, what `fn` returned, or -errno. */
int live__each_process(struct live *live, int (*fn)(void *ctx, pid_t pid), void *ctx);
/* True for a program of 32 bits, whose system calls are not seen. */
bool live__is_32bit(struct live *live, pid_t pid);
/* True when the mapping at addr grows downward at page faults, which no call tells. */
bool live__grows_down(struct live *live, pid_t pid, uint64_t addr);
/* Reads the ring until nothing waits in it. 0, LIVE_NEVER_EMPTY, or what ends the loop. */
int live__drain(struct live *live);
/* The same, and whoever waits for his map file to be read again is read now. */
int live__settle(struct live *live);
/* True while a process waits for that. */
bool live__is_doubtful(const struct live *live, pid_t pid);

/*
 * The kernel's map of a process, line by line, as procfs__each_map() does; no record is made of it.
 * `fs_magic` is that of a shared mapping's file, else 0. 0, LIVE_GONE, what `fn` returned, or -errno.
 */
struct procfs_map;
typedef int (*live_map_fn)(void *ctx, const struct procfs_map *map, uint32_t fs_magic);
int live__each_map(struct live *live, pid_t pid, live_map_fn fn, void *ctx);

/* Instruction counts of the loaded programs, for tests: fn(ctx, name, instructions, verified). */
void live__each_program(const struct live *live,
			void (*fn)(void *ctx, const char *name, size_t n, size_t verified),
			void *ctx);

#endif /* UNFREED_SOURCE_LIVE_H */
