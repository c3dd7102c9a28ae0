/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The live source's regular rounds: new processes are looked at, losses told and healed, memory
 * read, and time itself told by a tick.
 */
#include "user/source/live_private.h"

#define MEMORY_NS 250000000ull
#define YOUNG_NS 1000000000ull		/* the service looks at a process once it has lived so long,
					 * and its runtime is told from then on */
#define POLL_MAP_NS 1000000000ull	/* a 32-bit program's map is read this often */
#define LOOKS_PER_ROUND 64		/* map files and facts read per round, at most */

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
	} else if (live_heal_is_due(live, p, now)) {
		(*n_looks)++;
		r = live_heal(live, p);
	} else if (p->heal_due_ns && now >= p->heal_due_ns && !p->lost_ns) {
		(*n_looks)++;
		r = live_seed(live, p, EV_SEED_HEAL);
	} else if (p->is_32bit && p->seeded && now - p->read_begin_ns >= POLL_MAP_NS) {
		(*n_looks)++;
		r = live_seed(live, p, EV_SEED_ATTACH);
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

	/* Goes on where the last round ended, or those at the end would wait for ever. */
	while (n_looks < LOOKS_PER_ROUND &&
	       (slot = table__next(&live->processes, &live->look_cursor))) {
		int r = look_at(live, slot->process, now, &n_looks);

		if (r)
			return r;
	}
	if (n_looks < LOOKS_PER_ROUND)
		live->look_cursor = 0;
	live_bury_gone(live);
	return 0;
}

int live_tick(struct live *live, uint64_t now)
{
	struct ev_header ev;
	int r;

	r = look_at_processes(live, now);
	if (!r) {
		live_check_lives(live, now);
		r = live_tell_losses(live, now);
	}
	if (r)
		return r;
	send_trust(live);
	live_header(&ev, EV_TICK, sizeof(ev), 0);
	live_emit(live, &ev);
	return live->stop;
}
