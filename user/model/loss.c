/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * What the model did not hear of. A process of which records were lost is unsure until its map file
 * is read again; its regions are right from then on. Its handles have no such file: how many opens
 * and closes of each kind were lost is kept, because so many of those that seem to be open may be
 * closed (detect/ asks for more survivors than that).
 *
 * One of the lost closes shows itself when its handle is opened again (handles.c).
 *
 * How much of a site's regions is resident is measured by the source when somebody wants a report.
 */
#include <errno.h>

#include "user/model/state.h"

/* Losses that leave a process's regions or handles wrong; stacks and unwinding rules do not. */
static bool harms_accounts(unsigned int cause)
{
	switch (cause) {
	case EV_LOSS_STACK_RING_FULL:
	case EV_LOSS_MISS_RING_FULL:
	case EV_LOSS_RULES_FULL:
	case EV_LOSS_MAPS_READ:
		return false;
	default:
		return true;
	}
}

int loss__apply_total(struct world *world, const struct ev_loss *event)
{
	const bool named = event->h.flags & EV_F_NAMED;
	struct proc *proc;
	bool harmed = false;
	unsigned int i;

	for (i = 0; i < EV_N_LOSSES; i++) {
		if (event->count[i] > world->reported_lost[i] && harms_accounts(i) &&
		    !(named && i == EV_LOSS_RING_FULL))
			harmed = true;
		world->reported_lost[i] = event->count[i];
	}
	for (proc = world->first; harmed && proc;
	     proc = proc->pub.next ? proc_of(proc->pub.next) : NULL) {
		if (!proc->pub.exited && (!event->h.tgid || event->h.tgid == proc->pub.tgid))
			proc->pub.unsure = proc->pub.lossy = true;
	}
	return 0;
}

static void lose(struct process *p, const struct ev_lost *event)
{
	if (event->type == EV_HANDLE_OPEN) {
		p->kinds[KIND_PAIR_0 + event->pair].lost_opened += event->n;
	} else if (event->type == EV_HANDLE_CLOSE) {
		p->kinds[KIND_PAIR_0 + event->pair].lost_closed += event->n;
	} else {
		p->lost_regions += event->n;
		p->unsure = p->lossy = true;
	}
}

/* Losses are told at ticks: who was forked since the last one may have copied what was wrong. A child
 * stands behind its parent in the list. */
static void lose_in_children(struct world *world, struct proc *lossy, const struct ev_lost *event)
{
	struct proc *c, *parent;

	for (c = world->first; c; c = c->pub.next ? proc_of(c->pub.next) : NULL) {
		c->shares_loss = c == lossy;
		if (c == lossy || c->pub.exited || !c->forked_from ||
		    c->forked_ns < world->tick_ns ||
		    processes__get(world, c->forked_from, false, &parent) || !parent->shares_loss)
			continue;
		c->shares_loss = true;
		lose(&c->pub, event);
	}
}

int loss__apply_named(struct world *world, const struct ev_lost *event)
{
	struct proc *proc, *owner;
	int r;

	if (event->pair >= N_PAIRS)
		return -EBADMSG;
	world->n_named += event->n;
	r = processes__get(world, event->h.tgid, false, &proc);
	if (r)
		return r < 0 ? r : 0;	/* it never told anything else */
	owner = proc->space->owner;
	lose(&owner->pub, event);
	proc->pub.unsure |= owner->pub.unsure;
	proc->pub.lossy |= owner->pub.lossy;
	lose_in_children(world, owner, event);
	return 0;
}

int resident__apply(struct world *world, struct proc *proc, const struct ev_resident *event)
{
	const struct region_map *map = &proc->space->map;
	const struct region_entry *e = region_map__at(map, region_map__seek(map, event->addr));
	struct site *site;

	if (event->resident > event->looked_at)
		return -EBADMSG;
	if (!e || e->start > event->addr)
		return 0;	/* given back meanwhile */
	site = &world__site(world, e->site)->pub;
	site->has_resident = true;
	site->resident_ns = event->h.time_ns;
	site->resident_bytes = event->resident;
	site->resident_of = event->looked_at;
	return 0;
}
