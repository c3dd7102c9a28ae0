/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Losses of the ring: told, and healed.
 *
 * The kernel side counts a lost record by process and type; here these counts become EV_LOST
 * records, and only the processes they name are looked at again: is it still the same process (its
 * exit, a reused id, an exec may be what was lost), and what does its map file say.
 *
 * A map file is newer than all records that were in the ring when it was read, so those must not
 * come after it: nothing is healed before the ring was once read empty since the loss was noticed.
 *
 * Each reading takes the process's mmap lock. A process is healed soon after its storm of losses
 * has ended. One that keeps losing is healed meanwhile, each time after a gap twice as long; none
 * more often than once a second; and all readings together get a tenth of the time.
 *
 * Losses are told at ticks, so a process may have forked, exec'ed or ended since: who copied what was
 * wrong, or lent its space to who lost something there, is healed as well. What was lost may be a
 * release told at its entry that has yet to happen: a reading so soon after a loss is not the last one.
 *
 * Where the kernel side's table of lost records was full, anybody may have been touched, and
 * everybody is healed. Independent of losses every process is asked now and then whether it still
 * lives, so that nothing can make the source's tables grow with processes that are gone.
 */
#include "user/source/live_private.h"

#include <string.h>

#include "bpf/config.h"
#include "user/base/error.h"

#define HEAL_GAP_NS 1000000000ull	/* between two healings of a process, at least */
#define HEAL_GAP_MAX_NS 32000000000ull
#define STORM_OVER_NS 300000000ull	/* nothing more was lost for so long */
#define HEAL_SHARE 10			/* 1/10 of the time may go into readings */
#define LIFE_EVERY_NS 5000000000ull	/* a process is asked this often whether it lives */
#define LIVES_PER_ROUND 16
#define LOST_PER_ROUND 8192		/* more entries than the kernel side's table has */

/* --- telling ---------------------------------------------------------------------------------- */

static void mark_one(struct watched *p, uint64_t now)
{
	p->lost_ns = p->last_lost_ns = now;
	if (!p->first_lost_ns)
		p->first_lost_ns = now;
	if (!p->heal_gap_ns)
		p->heal_gap_ns = HEAL_GAP_NS;
}

/*
 * With the process, whose children copied what it seemed to have: all of them since losses were last
 * told. And if it works in its parent's space, with that one. A cycle ends at who is marked already.
 */
static void mark_lossy(struct live *live, struct watched *p, uint64_t now)
{
	struct process_slot *slot;
	struct watched *other;
	size_t cursor = 0;

	mark_one(p, now);
	other = p->shares_vm ? live_find(live, p->forked_from) : NULL;
	if (other && other->lost_ns != now)
		mark_lossy(live, other, now);
	while ((slot = table__next(&live->processes, &cursor))) {
		other = slot->process;
		if (other->forked_from == p->tgid && !other->shares_vm && other->lost_ns != now &&
		    other->forked_ns + LIVE_FORK_NEAR_NS >= live->losses_told_ns)
			mark_lossy(live, other, now);
	}
}

void live_inherit_losses(struct live *live, const struct watched *parent, struct watched *child)
{
	if (parent->lost_ns)
		mark_one(child, parent->lost_ns);
}

static bool has_untold_losses(const struct live *live)
{
	return live->bpf->bss->losses[EV_LOSS_RING_FULL] + live->own_losses[EV_LOSS_RING_FULL] !=
	       live->losses[EV_LOSS_RING_FULL];
}

void live_leave_shared_space(struct live *live, struct watched *child)
{
	struct watched *parent = child->shares_vm ? live_find(live, child->forked_from) : NULL;

	child->shares_vm = false;
	if (parent && has_untold_losses(live))
		mark_lossy(live, parent, clock_monotonic_ns());
}

bool live_is_lossy(const struct live *live, const struct watched *p)
{
	return p->lost_ns || has_untold_losses(live);
}

static int tell_lost(struct live *live, const struct lost_key *key, uint64_t n, uint64_t now)
{
	struct ev_lost ev = { .n = n, .type = key->type, .pair = key->pair };
	struct watched *p = live_find(live, key->tgid);

	live_header(&ev.h, EV_LOST, sizeof(ev), key->tgid);
	live_emit(live, &ev.h);
	if (!p && key->type != EV_EXIT) {
		p = live_watch(live, key->tgid);
		if (!p)
			return -ENOMEM;
	}
	/* A lost handle is in no map file; but an id that is gone must be noticed all the same. */
	if (!p)
		return 0;
	p->has_events = true;
	p->exec_lost |= key->type == EV_EXEC;
	if (key->type != EV_HANDLE_OPEN && key->type != EV_HANDLE_CLOSE)
		mark_lossy(live, p, now);
	return 0;
}

/* Empties the kernel side's table. What is counted there between our look and the removal is missed;
 * but its process is healed later than that, so nothing but the number is wrong. */
static int tell_named(struct live *live, uint64_t now)
{
	int fd = bpf_map__fd(live->bpf->maps.lost), r = 0;
	struct lost_key key, next;
	uint64_t n = 0;
	bool more = !bpf_map_get_next_key(fd, NULL, &next);

	for (unsigned int i = 0; more && !r && i < LOST_PER_ROUND; i++) {
		key = next;
		more = !bpf_map_get_next_key(fd, &key, &next);
		if (!bpf_map_lookup_elem(fd, &key, &n)) {
			bpf_map_delete_elem(fd, &key);
			r = tell_lost(live, &key, n, now);
		}
	}
	return r;
}

/* Losses of which nobody knows whose they were, and which a map file heals. */
static bool anybody_was_touched(const struct live *live, const __u64 count[EV_N_LOSSES],
				uint64_t unnamed)
{
	static const enum ev_loss_cause causes[] = {
		EV_LOSS_TARGETS_FULL, EV_LOSS_ENTRY_FULL, EV_LOSS_READ, EV_LOSS_BAD_RECORD,
		EV_LOSS_NESTED,
	};

	for (size_t i = 0; i < sizeof(causes) / sizeof(causes[0]); i++)
		if (count[causes[i]] != live->losses[causes[i]])
			return true;
	return unnamed != live->lost_unnamed;
}

int live_tell_losses(struct live *live, uint64_t now)
{
	struct ev_loss ev = {};
	struct process_slot *slot;
	bool changed = false, anybody;
	uint64_t unnamed;
	size_t cursor = 0;
	int r = 0;

	for (int i = 0; i < EV_N_LOSSES; i++) {
		ev.count[i] = live->bpf->bss->losses[i] + live->own_losses[i];
		changed |= ev.count[i] != live->losses[i];
	}
	if (!changed) {
		live->losses_told_ns = now;
		return 0;
	}
	unnamed = live->bpf->bss->lost_unnamed;
	if (ev.count[EV_LOSS_RING_FULL] != live->losses[EV_LOSS_RING_FULL])
		r = tell_named(live, now);
	anybody = anybody_was_touched(live, ev.count, unnamed);
	live_header(&ev.h, EV_LOSS, sizeof(ev), 0);
	if (unnamed == live->lost_unnamed)
		ev.h.flags |= EV_F_NAMED;
	live_emit(live, &ev.h);
	while (anybody && (slot = table__next(&live->processes, &cursor)))
		mark_one(slot->process, now);
	memcpy(live->losses, ev.count, sizeof(live->losses));
	live->lost_unnamed = unnamed;
	live->losses_told_ns = now;
	return r;
}

/* --- lives ------------------------------------------------------------------------------------ */

/* For after the walk: nothing may be removed from a table that is walked. */
static void note_gone(struct live *live, const struct watched *p)
{
	if (live->n_gone < LIVE_MAX_GONE)
		live->gone[live->n_gone++] = p->tgid;
}

/* 0: it lives and is the same; 1: it is gone, for sure or not yet; or -errno. */
static int check_life(struct live *live, struct watched *p, uint64_t now, struct procfs_life *life)
{
	int r = procfs__life(live->procfs, (pid_t)p->tgid, life);

	p->life_checked_ns = now;
	if (r && r != -ESRCH)
		return r;
	if (!r && !life->ended && (!p->start_ns || procfs_same_start(p->start_ns, life->start_ns))) {
		p->gone_ns = 0;
		return 0;
	}
	/* Its exit may wait in the ring. Seen again after that was read, it has been lost. */
	if (!p->gone_ns)
		p->gone_ns = now;
	else if (live->drained_ns > p->gone_ns)
		note_gone(live, p);
	return 1;
}

/* Whoever has that number by now becomes known by what it does. */
void live_bury_gone(struct live *live)
{
	for (unsigned int i = 0; i < live->n_gone; i++) {
		struct ev_exit ev = {};

		live_header(&ev.h, EV_EXIT, sizeof(ev), live->gone[i]);
		live_emit(live, &ev.h);
		live_forget(live, live->gone[i]);
	}
	live->n_gone = 0;
}

void live_check_lives(struct live *live, uint64_t now)
{
	struct process_slot *slot;
	struct procfs_life life;
	unsigned int n = 0;

	while (n < LIVES_PER_ROUND && (slot = table__next(&live->processes, &live->life_cursor))) {
		if (now - slot->process->life_checked_ns < LIFE_EVERY_NS && !slot->process->gone_ns)
			continue;
		check_life(live, slot->process, now, &life);
		n++;
	}
	if (n < LIVES_PER_ROUND)
		live->life_cursor = 0;
	live_bury_gone(live);
}

/* --- healing ---------------------------------------------------------------------------------- */

bool live_heal_is_due(const struct live *live, const struct watched *p, uint64_t now)
{
	uint64_t since;

	if (!p->lost_ns || live->drained_ns <= p->lost_ns || now < live->heal_again_ns)
		return false;
	if (now - p->healed_ns < HEAL_GAP_NS)
		return false;
	if (now - p->lost_ns >= STORM_OVER_NS)
		return true;
	since = p->first_lost_ns > p->healed_ns ? p->first_lost_ns : p->healed_ns;
	return now - since >= p->heal_gap_ns;
}

static int heal_exec(struct live *live, struct watched *p, const struct procfs_life *life)
{
	struct ev_exec ev = { .start_ns = p->start_ns ? p->start_ns : life->start_ns };

	live_header(&ev.h, EV_EXEC, sizeof(ev), p->tgid);
	live_emit(live, &ev.h);
	p->exec_lost = false;
	live->trust.healed++;
	return live_on_exec(live, p, &ev);
}

static int heal(struct live *live, struct watched *p, uint64_t now)
{
	struct procfs_life life;
	int r = check_life(live, p, now, &life);

	if (r)
		return 0;	/* gone: buried later; or unreadable: tried again */
	if (p->exec_lost || (p->image && life.image && p->image != life.image))
		return heal_exec(live, p, &life);
	live_drop_rules(live, p, 0, UINT64_MAX);
	unwinder__forget(live->unwinder, p->tgid);
	r = live_seed(live, p, p->seeded ? EV_SEED_HEAL : EV_SEED_ATTACH);
	return r < 0 && r != -EBADMSG ? r : 0;
}

int live_heal(struct live *live, struct watched *p)
{
	uint64_t begun = clock_monotonic_ns(), ended;
	bool storm_over = begun - p->lost_ns >= STORM_OVER_NS;
	bool in_flight = begun - p->lost_ns < LIVE_IN_FLIGHT_NS;
	int r = heal(live, p, begun);

	ended = clock_monotonic_ns();
	p->healed_ns = ended;
	if (in_flight)		/* what it told at its entry, and was lost, may be done only now */
		live_doubt(p, ended + LIVE_IN_FLIGHT_NS);
	if (storm_over)
		p->heal_gap_ns = HEAL_GAP_NS;
	else if (p->heal_gap_ns < HEAL_GAP_MAX_NS)
		p->heal_gap_ns *= 2;
	live->heal_again_ns = ended + (HEAL_SHARE - 1) * (ended - begun);
	return r;
}

int live_heal_all(struct live *live)
{
	uint64_t begun = clock_monotonic_ns();
	struct process_slot *slot;
	size_t cursor = 0;
	int r;

	r = live_tell_losses(live, begun);
	/* Who writes faster than we read is not waited for. */
	while (!r && live->drained_ns <= begun && clock_monotonic_ns() - begun < HEAL_GAP_NS)
		r = live_read_ring(live);
	while (!r && (slot = table__next(&live->processes, &cursor)) &&
	       clock_monotonic_ns() - begun < 2 * HEAL_GAP_NS)
		if (slot->process->lost_ns && live->drained_ns > slot->process->lost_ns)
			r = live_heal(live, slot->process);
	return r;
}
