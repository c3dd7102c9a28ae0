/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * A ring of changes per process, grown as it fills, up to CHANGES_MAX. A change keeps the addresses
 * that its record names, not what it did to them: enough to say who was there last, and whether
 * anybody is there now.
 */
#include "user/history.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#define CHANGES_MAX 32768	/* per process: 2.5 MB */
#define CHANGES_MIN 64
#define PAGE 4096ull

struct change {
	uint64_t time_ns;
	uint64_t start, end;
	uint64_t to_start, to_end;	/* of an mremap: where it goes; empty: nowhere yet */
	int64_t ret;
	uint32_t tid, prot, flags;
	uint16_t type, h_flags;
};

struct track {
	uint32_t tgid;
	uint32_t pad;
	uint64_t n;		/* changes so far; the last `capacity` of them are kept */
	size_t capacity;	/* a power of two, or 0 */
	struct change *changes;
};

void history__init(struct history *history)
{
	table__init(&history->tracks, sizeof(uint32_t), sizeof(struct track));
}

void history__fini(struct history *history)
{
	struct track *track;
	size_t cursor = 0;

	while ((track = table__next(&history->tracks, &cursor)))
		free(track->changes);
	table__fini(&history->tracks);
}

/* --- from records ------------------------------------------------------------------------------ */

static void whole_space(struct change *change)
{
	change->start = 0;
	change->end = UINT64_MAX;
}

static uint64_t add_len(uint64_t start, uint64_t len)
{
	return start + len < start ? UINT64_MAX : start + len;
}

static void from_mremap(struct change *change, const struct ev_mremap *ev)
{
	change->start = ev->addr;
	change->end = add_len(ev->addr, ev->old_len > ev->new_len ? ev->old_len : ev->new_len);
	change->ret = ev->ret;
	change->flags = ev->flags;
	if (ev->ret > 0) {
		change->to_start = (uint64_t)ev->ret;
		change->to_end = add_len(change->to_start, ev->new_len);
	}
}

/* False: the record is no concern of regions. */
static bool from_record(struct change *change, const struct ev_header *h)
{
	const struct ev_mmap *mmap = (const void *)h;
	const struct ev_munmap *munmap = (const void *)h;
	const struct ev_mprotect *mprotect = (const void *)h;
	const struct ev_brk *brk = (const void *)h;
	const struct ev_shmat *shmat = (const void *)h;

	*change = (struct change){ .time_ns = h->time_ns, .tid = h->tid, .type = h->type,
				   .h_flags = h->flags };
	switch (h->type) {
	case EV_MMAP:
		change->start = mmap->addr;
		change->end = add_len(mmap->addr, mmap->len);
		change->prot = mmap->prot;
		change->flags = mmap->flags;
		return true;
	case EV_MUNMAP:
	case EV_SHMDT:
		change->start = munmap->addr;
		change->end = h->type == EV_SHMDT ? UINT64_MAX : add_len(munmap->addr, munmap->len);
		return true;
	case EV_MREMAP_BEGIN:
	case EV_MREMAP_END:
		from_mremap(change, (const void *)h);
		return true;
	case EV_MPROTECT:
		change->start = mprotect->addr;
		change->end = add_len(mprotect->addr, mprotect->len);
		change->prot = mprotect->prot;
		return true;
	case EV_BRK:
		change->start = brk->start & ~(PAGE - 1);
		change->end = brk->end;
		return true;
	case EV_SHMAT:
		change->start = shmat->addr;
		change->end = add_len(shmat->addr, shmat->len);
		change->flags = shmat->flags;
		return true;
	case EV_UNDO:
		change->ret = ((const struct ev_undo *)h)->ret;
		return true;	/* of the call it takes back */
	case EV_FORK:
	case EV_EXEC:
	case EV_SEED_END:
		whole_space(change);
		return true;
	default:
		return false;
	}
}

static const struct change *change_at(const struct track *track, uint64_t i)
{
	return &track->changes[i & (track->capacity - 1)];
}

static uint64_t first_kept(const struct track *track)
{
	return track->n > track->capacity ? track->n - track->capacity : 0;
}

/* An undo concerns what the thread's last release named. */
static void find_undone(const struct track *track, struct change *undo)
{
	for (uint64_t i = track->n; i > first_kept(track); i--) {
		const struct change *change = change_at(track, i - 1);

		if (change->tid != undo->tid)
			continue;
		undo->start = change->start;
		undo->end = change->end;
		return;
	}
	whole_space(undo);
}

static struct change *next_slot(struct track *track)
{
	size_t capacity = track->capacity ? 2 * track->capacity : CHANGES_MIN;
	void *p;

	if (track->n == track->capacity && capacity <= CHANGES_MAX) {
		p = realloc(track->changes, capacity * sizeof(*track->changes));
		if (!p)
			return NULL;
		track->changes = p;
		track->capacity = capacity;
	}
	return &track->changes[track->n++ & (track->capacity - 1)];
}

static int note(struct history *history, uint32_t tgid, struct change *change)
{
	struct track *track = table__insert(&history->tracks, &tgid, NULL);
	struct change *slot;

	if (!track)
		return -ENOMEM;
	if (change->type == EV_UNDO)
		find_undone(track, change);
	slot = next_slot(track);
	if (!slot)
		return -ENOMEM;
	*slot = *change;
	return 0;
}

static void forget(struct history *history, uint32_t tgid)
{
	struct track *track = table__find(&history->tracks, &tgid);

	if (!track)
		return;
	free(track->changes);
	table__remove(&history->tracks, &tgid);
}

int history__note(struct history *history, const struct ev_header *record)
{
	uint32_t tgid = record->tgid;
	struct change change;

	if (record->type == EV_EXIT)
		forget(history, record->tgid);
	if (!from_record(&change, record))
		return 0;
	if (record->type == EV_FORK) {	/* nothing happens to the parent */
		tgid = ((const struct ev_fork *)record)->child_tgid;
		forget(history, tgid);
	}
	return note(history, tgid, &change);
}

/* --- questions --------------------------------------------------------------------------------- */

static bool names(const struct change *change, uint64_t start, uint64_t end)
{
	return (change->start < end && start < change->end) ||
	       (change->to_start < end && start < change->to_end);
}

bool history__touched(const struct history *history, uint32_t tgid, uint64_t start, uint64_t end,
		      uint64_t since_ns)
{
	const struct track *track = table__find(&history->tracks, &tgid);
	uint64_t i;

	if (!track)
		return false;
	for (i = track->n; i > first_kept(track); i--) {
		const struct change *change = change_at(track, i - 1);

		if (change->time_ns < since_ns)
			return false;
		if (change->type != EV_SEED_END && names(change, start, end))
			return true;
	}
	return i != 0;	/* older ones are forgotten */
}

/* How long what a shmdt detaches was is not known: its address alone is shown. */
static bool is_shown(const struct change *change, uint64_t start, uint64_t end)
{
	if (change->end == UINT64_MAX && change->start)
		return change->start >= start && change->start < end;
	return names(change, start, end);
}

static void print_prot(struct text *out, uint32_t prot)
{
	text__addf(out, " %c%c%c", prot & PROT_READ ? 'r' : '-', prot & PROT_WRITE ? 'w' : '-',
		   prot & PROT_EXEC ? 'x' : '-');
}

static const char *name_of(const struct change *change)
{
	switch (change->type) {
	case EV_MMAP: return "mmap";
	case EV_MUNMAP: return change->h_flags & EV_F_BRK ? "brk down" : "munmap";
	case EV_MREMAP_BEGIN: return "mremap begins";
	case EV_MREMAP_END: return "mremap ends";
	case EV_MPROTECT: return "mprotect";
	case EV_BRK: return "brk";
	case EV_SHMAT: return "shmat";
	case EV_SHMDT: return "shmdt";
	case EV_UNDO: return "its last call failed";
	case EV_FORK: return "fork";
	case EV_EXEC: return "exec";
	case EV_SEED_END: return "the map file was read";
	default: return "?";
	}
}

static void print_change(const struct change *c, uint64_t now_ns, struct text *out)
{
	text__addf(out, "    -%.3f ms", (double)(now_ns - c->time_ns) / 1e6);
	if (c->tid)
		text__addf(out, "  thread %u", c->tid);
	text__addf(out, "  %s", name_of(c));
	if (c->type == EV_SHMDT)
		text__addf(out, " %llx", (unsigned long long)c->start);
	else if (c->end != UINT64_MAX)
		text__addf(out, " %llx-%llx", (unsigned long long)c->start,
			   (unsigned long long)c->end);
	if (c->to_end)
		text__addf(out, " to %llx-%llx", (unsigned long long)c->to_start,
			   (unsigned long long)c->to_end);
	if (c->type == EV_MMAP || c->type == EV_MPROTECT)
		print_prot(out, c->prot);
	if (c->flags)
		text__addf(out, " flags %#x", c->flags);
	if (c->ret < 0)
		text__addf(out, " = %lld", (long long)c->ret);
	text__add(out, "\n");
}

void history__print(const struct history *history, uint32_t tgid, uint64_t start, uint64_t end,
		    uint64_t now_ns, unsigned int max, struct text *out)
{
	const struct track *track = table__find(&history->tracks, &tgid);
	uint64_t i, first;
	unsigned int n = 0;

	if (!track)
		return;
	first = first_kept(track);
	for (i = track->n; i > first && n < max; i--)
		n += is_shown(change_at(track, i - 1), start, end);
	for (; i < track->n; i++)
		if (is_shown(change_at(track, i), start, end))
			print_change(change_at(track, i), now_ns, out);
}
