/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Releases that may still be on their way. A munmap is told when it enters; a map file that is read
 * between that and the moment when the kernel does it shows the mapping all the same, and nobody
 * would ever take it away again. So the last moves of each process are kept, and after a reading its
 * releases are told once more, unless a later record put something in that place: what is done
 * already is not in the map, and doing it twice changes nothing.
 *
 * That record may have been lost: then a release from before would take away what lives now, and is
 * not repeated (test_loss.py). It has been done by then: a process is healed a while after its loss.
 *
 * They are kept in a ring that grows only while its oldest entry is still young.
 */
#include "user/source/live_private.h"

#include <errno.h>
#include <stdlib.h>

#define N_MIN 16
#define N_MAX 1024
#define RECENT_NS 1000000000ull		/* no munmap takes longer */

struct move {
	uint64_t time_ns;
	uint64_t start, len;	/* len 0: of a shmdt */
	uint32_t tid;
	uint16_t type, flags;
};

struct recent {
	uint32_t capacity;	/* a power of two */
	uint32_t n;		/* moves so far; wraps */
	struct move moves[];
};

static struct move *move_at(struct recent *recent, uint32_t i)
{
	return &recent->moves[i & (recent->capacity - 1)];
}

/* Room for twice as many, the old ones in their order; as it is when there is no memory. */
static struct recent *grow(struct recent *old)
{
	uint32_t capacity = old ? 2 * old->capacity : N_MIN;
	struct recent *recent = calloc(1, sizeof(*recent) + capacity * sizeof(struct move));

	if (!recent)
		return old;
	recent->capacity = capacity;
	for (uint32_t i = 0; old && i < old->capacity; i++)
		recent->moves[recent->n++] = *move_at(old, old->n + i);
	free(old);
	return recent;
}

static bool read_move(const struct ev_header *h, struct move *move)
{
	const struct ev_munmap *munmap = (const void *)h;
	const struct ev_mmap *mmap = (const void *)h;
	const struct ev_shmat *shmat = (const void *)h;
	const struct ev_mremap *mremap = (const void *)h;
	const struct ev_brk *brk = (const void *)h;

	*move = (struct move){ .time_ns = h->time_ns, .tid = h->tid, .type = h->type,
			       .flags = h->flags };
	switch (h->type) {
	case EV_MUNMAP:
	case EV_SHMDT:
		move->start = munmap->addr;
		move->len = munmap->len;
		return true;
	case EV_MMAP:
		move->start = mmap->addr;
		move->len = mmap->len;
		return true;
	case EV_SHMAT:
		move->start = shmat->addr;
		move->len = shmat->len;
		return true;
	case EV_MREMAP_END:
		move->start = (uint64_t)mremap->ret;
		move->len = mremap->new_len;
		return mremap->ret > 0;
	case EV_BRK:
		move->start = brk->start;
		move->len = brk->end - brk->start;
		return true;
	case EV_UNDO:
		return true;
	default:
		return false;
	}
}

void live_note_recent(struct watched *p, const struct ev_header *h)
{
	struct recent *recent = p->recent;
	struct move move;

	if (h->type == EV_EXEC)
		live_forget_recent(p);
	if (!read_move(h, &move))
		return;
	if (!recent || (recent->capacity < N_MAX &&
			move_at(recent, recent->n)->time_ns + RECENT_NS > h->time_ns))
		recent = p->recent = grow(recent);
	if (recent)
		*move_at(recent, recent->n++) = move;
}

/* True when a later move made it void: it failed, or something else is there now. */
static bool is_void(struct recent *recent, uint32_t at, const struct move *release)
{
	uint64_t end = release->start + (release->len ? release->len : 1);

	for (uint32_t i = at + 1; i != recent->n; i++) {
		const struct move *m = move_at(recent, i);

		if (m->type == EV_UNDO && m->tid == release->tid)
			return true;
		if (m->type != EV_UNDO && m->type != EV_MUNMAP && m->type != EV_SHMDT &&
		    m->start < end && release->start < m->start + m->len)
			return true;
	}
	return false;
}

void live_repeat_recent(struct live *live, const struct watched *p)
{
	struct recent *recent = p->recent;
	uint64_t now = clock_monotonic_ns();

	/* In the kernel's own order a release is told once it is done. */
	for (uint32_t i = 0; recent && !live->order && i < recent->capacity; i++) {
		const uint32_t at = recent->n + i - recent->capacity;
		const struct move *m = move_at(recent, at);
		struct ev_munmap ev = { .addr = m->start, .len = m->len };

		if ((m->type != EV_MUNMAP && m->type != EV_SHMDT) || m->time_ns + RECENT_NS < now ||
		    m->time_ns <= p->last_lost_ns || is_void(recent, at, m))
			continue;
		live_header(&ev.h, m->type, sizeof(ev), p->tgid);
		ev.h.tid = m->tid;
		ev.h.flags = m->flags;
		live_emit(live, &ev.h);
	}
}

void live_forget_recent(struct watched *p)
{
	free(p->recent);
	p->recent = NULL;
}
