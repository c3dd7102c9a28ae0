/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The live source's regular rounds: new processes are looked at, losses told and healed, memory
 * read, and time itself told by a tick.
 */
#include "user/source/live_private.h"

#include <string.h>

#define MEMORY_NS 250000000ull
#define YOUNG_NS 1000000000ull		/* the service looks at a process once it has lived so long,
					 * and its runtime is told from then on */
#define LOOKS_PER_ROUND 64		/* map files and facts read per round, at most */
#define HEAL_AFTER_NS 1000000000ull	/* after a loss; and no process more often than this */

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
	if (p->facts_sent && !p->runtime_told && now - p->since_ns >= YOUNG_NS) {
		(*n_looks)++;
		live_send_facts(live, p);	/* again: by now it has mapped what tells its runtime */
		p->runtime_told = true;
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

int live_tick(struct live *live, uint64_t now)
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
