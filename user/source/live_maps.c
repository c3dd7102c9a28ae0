/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Readings of map files that make no records, and the ring read to its end: what `unfreed verify`
 * compares the model with, and what it does before.
 */
#include "user/source/live_private.h"

#include <errno.h>
#include <linux/magic.h>
#include <string.h>
#include <time.h>

#define SETTLE_READINGS 3
#define DRAIN_PASSES 40		/* of 50 ms: a process that fills the ring faster is told */

int live__drain(struct live *live)
{
	int r = 0;

	for (int i = 0; i < DRAIN_PASSES; i++) {
		uint64_t begun = clock_monotonic_ns();

		live->batch_deadline_ns = begun + 50000000ull;
		r = ring_buffer__consume(live->ring);
		if (r >= 0)
			live->drained_ns = begun;
		if (live->stop || r != -EAGAIN)
			break;
		order__flush(live, begun - ORDER_WINDOW_NS);
	}
	order__flush(live, UINT64_MAX);
	if (live->stop)
		return live->stop;
	return r == -EAGAIN ? LIVE_NEVER_EMPTY : r < 0 ? r : 0;
}

int live__each_process(struct live *live, int (*fn)(void *ctx, pid_t pid), void *ctx)
{
	return procfs__each_process(live->procfs, fn, ctx);
}

bool live__is_32bit(struct live *live, pid_t pid)
{
	struct procfs_facts facts;

	return !procfs__facts(live->procfs, pid, &facts) && facts.is_32bit;
}

bool live__grows_down(struct live *live, pid_t pid, uint64_t addr)
{
	return procfs__grows_down(live->procfs, pid, addr);
}

/* Calls that were inside the kernel when their records were lost are to be done before a reading. */
static void await_calls_in_flight(struct live *live)
{
	const struct timespec pause = { .tv_nsec = LIVE_IN_FLIGHT_NS };
	const struct process_slot *slot;
	size_t cursor = 0;

	while ((slot = table__next(&live->processes, &cursor)))
		if (live_is_lossy(live, slot->process)) {
			nanosleep(&pause, NULL);
			return;
		}
}

int live__settle(struct live *live)
{
	const struct process_slot *slot;
	bool again = true;
	int r = 0;

	for (int i = 0; again && i < SETTLE_READINGS; i++) {
		size_t cursor = 0;

		again = false;
		r = live_tell_losses(live, clock_monotonic_ns());
		await_calls_in_flight(live);
		if (!r)
			r = live__drain(live);
		if (!r)
			r = live_heal_all(live);
		while (!r && (slot = table__next(&live->processes, &cursor))) {
			if (!slot->process->heal_due_ns)
				continue;
			again = true;
			r = live_seed(live, slot->process, EV_SEED_HEAL);
			r = r < 0 ? r : 0;
		}
	}
	return r;
}

bool live__is_doubtful(const struct live *live, pid_t pid)
{
	const struct watched *p = live_find((struct live *)live, (uint32_t)pid);

	return p && (p->heal_due_ns || live_is_lossy(live, p));
}

/* What shmem names itself is told by its name where map_files cannot be had: it goes with the first
 * thread of a process. */
uint32_t live_fs_magic(struct live *live, pid_t pid, const struct procfs_map *map)
{
	struct fs_memo *memo = &live->fs_memo;
	uint32_t fs_magic = 0;
	int r;

	if (!map->ino || !map->shared)
		return 0;
	if (memo->known && memo->dev == map->dev)
		return memo->magic;
	r = procfs__fs_magic(live->procfs, pid, map, &fs_magic);
	if (!r)
		*memo = (struct fs_memo){ .dev = map->dev, .magic = fs_magic, .known = true };
	if (!r || !map->deleted)
		return fs_magic;
	if (!strcmp(map->path, "/dev/zero") || !strncmp(map->path, "/SYSV", 5) ||
	    !strncmp(map->path, "/memfd:", 7))
		return TMPFS_MAGIC;
	return 0;
}

struct each_map {
	struct live *live;
	pid_t pid;
	live_map_fn fn;
	void *ctx;
};

static int pass_map(void *ctx, const struct procfs_map *map)
{
	struct each_map *each = ctx;

	return each->fn(each->ctx, map, live_fs_magic(each->live, each->pid, map));
}

int live__each_map(struct live *live, pid_t pid, live_map_fn fn, void *ctx)
{
	struct each_map each = { .live = live, .pid = pid, .fn = fn, .ctx = ctx };
	int r;

	live->fs_memo.known = false;
	r = procfs__each_map(live->procfs, pid, pass_map, &each);
	return r == -ESRCH ? LIVE_GONE : r;
}
