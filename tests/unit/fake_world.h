/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * A world made by hand: the part of user/model/world.h that the detector reads, filled by a
 * test's script. It replaces the model at link time, so a detector test fails for the detector's
 * own sake only. Included once, by a test.
 */
#ifndef UNFREED_TESTS_FAKE_WORLD_H
#define UNFREED_TESTS_FAKE_WORLD_H

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "user/detect/detector.h"
#include "user/model/world.h"

#define FAKE_EPOCH_NS 5000000000123ull	/* the first record; no multiple of a tick */
#define MAX_FAKE_PROCESSES 4
#define MAX_FAKE_SITES 256

struct world {
	uint64_t now_ns;
	uint64_t n_events;
	uint64_t lost[EV_N_LOSSES];
	struct ev_trust trust;
	struct process processes[MAX_FAKE_PROCESSES];
	uint32_t n_processes;
	struct site *sites[MAX_FAKE_SITES];
	uint32_t n_sites;
	const char *notes[4];
	uint32_t note_tgid;
	const struct world_watcher *watcher;
	void *watcher_ctx;
};

uint64_t world__now_ns(const struct world *world) { return world->now_ns; }

uint32_t world__now_tick(const struct world *world)
{
	return (uint32_t)((world->now_ns - FAKE_EPOCH_NS) / WORLD_TICK_NS);
}

uint64_t world__n_events(const struct world *world) { return world->n_events; }

uint64_t world__lost(const struct world *world, enum ev_loss_cause cause)
{
	return world->lost[cause];
}

uint64_t world__lost_unnamed(const struct world *world) { return world->lost[EV_LOSS_RING_FULL]; }

struct ev_trust world__trust(const struct world *world) { return world->trust; }

const char *world__kind_name(const struct world *world, unsigned int kind)
{
	static const char *const names[] = { "anon", "file", "shm", "heap", "reserved",
					     "zlib-inflate", "zlib-deflate" };

	return kind < sizeof(names) / sizeof(names[0]) ? names[kind] : "?";
}

unsigned int world__growth_percent(const struct world *world, unsigned int kind)
{
	return kind >= KIND_PAIR_0 ? 10 : 0;
}

struct process *world__processes(const struct world *world)
{
	return world->n_processes ? (struct process *)&world->processes[0] : NULL;
}

const char *world__note(const struct world *world, uint32_t tgid, size_t i)
{
	return tgid == world->note_tgid && i < 4 ? world->notes[i] : NULL;
}

#endif /* UNFREED_TESTS_FAKE_WORLD_H */
