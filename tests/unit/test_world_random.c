/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Random streams of records against a naive twin: per address space an array of pages, each with
 * its own memory of who took it. After each record every page is compared, and the model adds
 * itself up (rig__send). The world is small, so that every coincidence happens.
 *
 * Two ways to run it. `tangled`: threads do things between the entry and the return of another's
 * mremap, and between a release and its undo. `exact`: they do not, and every record has a tick of
 * its own; then an object's pieces are told apart for certain, and the number of open objects must
 * be that of the twin too.
 */
#include "tests/unit/model_rig.h"

#include <errno.h>

#define N_PAGES 160
#define N_PROCESSES 4
#define N_THREADS 3
#define N_STACKS 5
#define BASE 1000		/* the first page */
#define HEAP 120		/* the heap lies from there to the end */

struct page {
	uint32_t object;	/* 0: not mapped */
	bool uncounted;		/* bytes that an mremap grew by */
	bool shared, attached;
	uint8_t kind, open_kind, prot;
	uint8_t stack;
	uint8_t ino;
	uint32_t tick;
	uint64_t file_page;
};

/* Pages that are nowhere at the moment, or may come back. */
struct stash {
	bool live;
	uint16_t type;		/* what made it: EV_MUNMAP, EV_SHMDT, EV_MREMAP_BEGIN */
	uint64_t from, old_n, new_n, target;
	uint32_t flags;
	struct page pages[N_PAGES];	/* where they lay */
	struct page target_pages[N_PAGES];
	uint64_t brk;
};

struct twin {
	bool live;
	struct twin *owner;	/* NULL: the space is its own */
	struct page pages[N_PAGES];
	struct stash stash[N_THREADS];
	uint64_t opened;
	bool brk_known;
	uint64_t brk;		/* page */
};

struct test {
	struct rig rig;
	uint64_t random;
	struct twin twins[N_PROCESSES];
	uint64_t stacks[N_PROCESSES][N_STACKS];	/* [0]: none */
	uint32_t n_objects;
	bool exact;
	uint32_t process, thread;
};

static uint64_t below(struct test *t, uint64_t n)
{
	t->random ^= t->random << 13;
	t->random ^= t->random >> 7;
	t->random ^= t->random << 17;
	return (t->random >> 11) % n;
}

static struct twin *space_of(struct test *t)
{
	struct twin *twin = &t->twins[t->process];

	return twin->owner ? twin->owner : twin;
}

static uint32_t tick(const struct test *t)
{
	return (t->rig.now_ns - 1000000000ull) / WORLD_TICK_NS;
}

/* --- comparing -------------------------------------------------------------------------------- */

struct compare {
	struct test *test;
	const struct twin *twin;
	uint64_t page;		/* compared up to here */
};

static void compare_page(const struct compare *compare, const struct page *page,
			 const struct region *region, uint64_t i)
{
	static const uint64_t code = 0x40000;

	assert_int_not_equal(page->object, 0);
	assert_int_equal(page->kind, region->kind);
	assert_int_equal(page->prot, region->prot);
	assert_int_equal(page->tick, region->birth_tick);
	assert_int_equal(page->shared, region->shared);
	assert_int_equal(page->ino, region->file ? region->file->ino : 0);
	if (page->ino)
		assert_int_equal(page->file_page,
				 region->file_off / RIG_PAGE + BASE + i - region->start / RIG_PAGE);
	assert_int_equal(page->kind, region->site->kind);
	if (!page->stack)
		assert_null(region->site->stack);
	else
		assert_int_equal(region->site->stack->frames[0].offset, code + page->stack);
}

static int compare_region(void *ctx, const struct region *region)
{
	struct compare *compare = ctx;

	for (; BASE + compare->page < region->start / RIG_PAGE; compare->page++)
		assert_int_equal(compare->twin->pages[compare->page].object, 0);
	for (; BASE + compare->page < region->end / RIG_PAGE; compare->page++)
		compare_page(compare, &compare->twin->pages[compare->page], region,
			     compare->page);
	return 0;
}

/* Live objects and their pages, wherever they are. */
static void count(const struct test *t, const struct twin *twin, uint64_t *n_open,
		  uint64_t *n_pages)
{
	uint8_t *seen = calloc(t->n_objects + 1, 1);
	uint32_t i, s;

	assert_non_null(seen);
	*n_open = *n_pages = 0;
	for (i = 0; i < N_PAGES; i++) {
		const struct page *page = &twin->pages[i];

		*n_pages += !!page->object;
		*n_open += page->object && !page->uncounted && !seen[page->object]++;
		for (s = 0; s < N_THREADS; s++) {
			page = &twin->stash[s].pages[i];
			if (!twin->stash[s].live || twin->stash[s].type != EV_MREMAP_BEGIN)
				continue;
			*n_pages += !!page->object;
			*n_open += page->object && !page->uncounted && !seen[page->object]++;
		}
	}
	free(seen);
}

static void compare_all(struct test *t)
{
	uint64_t n_open, n_pages, opened, open;
	uint32_t i, kind;

	for (i = 0; i < N_PROCESSES; i++) {
		struct process *p = world__find(t->rig.world, 100 + i);
		struct compare compare = { .test = t, .twin = &t->twins[i] };

		assert_int_equal(!!p, t->twins[i].live);
		if (!p)
			continue;
		if (t->twins[i].owner) {
			assert_int_equal(p->mapped_bytes, 0);
			compare.twin = t->twins[i].owner;
		}
		process__each_region(p, compare_region, &compare);
		for (; compare.page < N_PAGES; compare.page++)
			assert_int_equal(compare.twin->pages[compare.page].object, 0);
		if (t->twins[i].owner)
			continue;
		count(t, &t->twins[i], &n_open, &n_pages);
		assert_int_equal(p->mapped_bytes, n_pages * RIG_PAGE);
		for (kind = 0, opened = 0, open = 0; kind < KIND_PAIR_0; kind++) {
			opened += p->kinds[kind].opened;
			open += p->kinds[kind].open;
		}
		assert_int_equal(opened, t->twins[i].opened);
		if (t->exact)
			assert_int_equal(open, n_open);
	}
}

/* --- what the twin does ----------------------------------------------------------------------- */

static void clear(struct page *pages, uint64_t from, uint64_t n)
{
	memset(&pages[from], 0, n * sizeof(*pages));
}

static void move(struct page *to, struct page *from, uint64_t at, uint64_t n)
{
	memcpy(&to[at], &from[at], n * sizeof(*to));
	clear(from, at, n);
}

static void put_back(struct twin *twin, const struct page *pages)
{
	uint32_t i;

	for (i = 0; i < N_PAGES; i++) {
		if (pages[i].object && !twin->pages[i].object)
			twin->pages[i] = pages[i];
	}
}

/* Empties the thread's stash; an mremap that never returned is taken back first. */
static struct stash *new_stash(struct test *t, uint16_t type)
{
	struct stash *stash = &space_of(t)->stash[t->thread];

	if (stash->live && stash->type == EV_MREMAP_BEGIN) {
		put_back(space_of(t), stash->pages);
		put_back(space_of(t), stash->target_pages);
	}
	memset(stash, 0, sizeof(*stash));
	stash->live = true;
	stash->type = type;
	return stash;
}

static struct page new_page(struct test *t, uint8_t kind, uint8_t stack, uint8_t prot)
{
	return (struct page){ .object = ++t->n_objects, .open_kind = kind, .stack = stack,
			      .kind = prot ? kind : KIND_RESERVED, .prot = prot,
			      .tick = tick(t) };
}

static void fill(struct twin *twin, struct page page, uint64_t from, uint64_t n)
{
	uint64_t i;

	for (i = 0; i < n; i++) {
		twin->pages[from + i] = page;
		page.file_page += page.ino || page.attached;
	}
	twin->opened++;
}

static uint8_t random_prot(struct test *t)
{
	static const uint8_t prots[] = { PROT_NONE, PROT_READ, RW, RW };

	return prots[below(t, 4)];
}

static void do_mmap(struct test *t)
{
	struct twin *twin = space_of(t);
	uint64_t n = 1 + below(t, below(t, 4) ? 6 : 40), at = below(t, N_PAGES - n + 1);
	uint8_t stack = below(t, N_STACKS);
	struct page page = new_page(t, KIND_ANON, stack, random_prot(t));
	bool file = !below(t, 3);

	page.shared = !below(t, 3);
	page.open_kind = file ? KIND_FILE : page.shared ? KIND_SHM : KIND_ANON;
	page.kind = page.prot ? page.open_kind : KIND_RESERVED;
	if (file) {
		page.ino = 1 + below(t, 2);
		page.file_page = below(t, 50);
		rig__mmap_file(&t->rig, t->stacks[t->process][stack], BASE + at, n, page.prot,
			       page.shared ? MAP_SHARED : MAP_PRIVATE, page.ino, page.file_page,
			       0);
	} else {
		rig__mmap(&t->rig, t->stacks[t->process][stack], BASE + at, n, page.prot,
			  MAP_ANONYMOUS | (page.shared ? MAP_SHARED : MAP_PRIVATE));
	}
	fill(twin, page, at, n);
}

/* A release that fails, or may fail, is undone at once when no others may come between. */
static void may_undo(struct test *t)
{
	struct twin *twin = space_of(t);
	struct stash *stash = &twin->stash[t->thread];

	if (!stash->live || stash->type == EV_MREMAP_BEGIN)
		return;
	rig__undo(&t->rig, stash->type);
	put_back(twin, stash->pages);
	if (stash->brk > twin->brk)
		twin->brk = stash->brk;
	memset(stash, 0, sizeof(*stash));
}

static void do_munmap(struct test *t)
{
	struct twin *twin = space_of(t);
	uint64_t n = 1 + below(t, below(t, 3) ? 6 : 60), at = below(t, N_PAGES - n + 1);
	struct stash *stash = new_stash(t, EV_MUNMAP);

	rig__munmap(&t->rig, BASE + at, n);
	move(stash->pages, twin->pages, at, n);
	if (t->exact && !below(t, 4))
		may_undo(t);
}

static void do_mprotect(struct test *t)
{
	struct twin *twin = space_of(t);
	uint64_t n = 1 + below(t, 20), at = below(t, N_PAGES - n + 1), i;
	uint32_t made[KIND_PAIR_0] = { 0 };
	uint8_t prot = random_prot(t), stack = below(t, N_STACKS);

	rig__mprotect(&t->rig, t->stacks[t->process][stack], BASE + at, n, prot);
	for (i = at; i < at + n; i++) {
		struct page *page = &twin->pages[i];
		uint8_t kind = prot ? page->open_kind : KIND_RESERVED;

		if (!page->object)
			continue;
		if ((page->kind == KIND_RESERVED) != !prot) {
			if (!made[kind]) {
				made[kind] = ++t->n_objects;
				twin->opened++;
			}
			page->object = made[kind];
			page->uncounted = false;
			page->kind = kind;
			page->stack = stack;
			page->tick = tick(t);
		}
		page->prot = prot;
	}
}

/* --- mremap ----------------------------------------------------------------------------------- */

/* A range that is one mapping of the kernel's, or nothing the model knows of; false: none found. */
static bool choose_range(struct test *t, uint64_t *at, uint64_t *n)
{
	const struct twin *twin = space_of(t);
	uint64_t i;

	*at = below(t, N_PAGES);
	*n = 1 + below(t, 8);
	if (*at + *n > N_PAGES)
		return false;
	for (i = *at + 1; i < *at + *n; i++) {
		if (twin->pages[i].object != twin->pages[*at].object)
			return false;
	}
	return twin->pages[*at].object || below(t, 8) == 0;
}

static bool is_free(const struct twin *twin, uint64_t at, uint64_t n)
{
	uint64_t i;

	for (i = at; i < at + n; i++) {
		if (i >= N_PAGES || twin->pages[i].object)
			return false;
	}
	return true;
}

static void twin_begin(struct test *t, struct stash *s)
{
	struct twin *twin = space_of(t);

	if (s->flags & MREMAP_FIXED)
		move(s->target_pages, twin->pages, s->target, s->new_n);
	if (s->flags & 4 || !s->old_n)
		return;
	if (s->flags & (MREMAP_MAYMOVE | MREMAP_FIXED))
		move(s->pages, twin->pages, s->from, s->old_n);
	else if (s->new_n < s->old_n)
		move(s->pages, twin->pages, s->from + s->new_n, s->old_n - s->new_n);
}

/* The pages of a range, in an order where each grows from its neighbour. */
static void twin_grow(struct test *t, uint64_t to, uint64_t n, uint8_t stack)
{
	struct twin *twin = space_of(t);
	bool known = !is_free(twin, to, n);
	struct page unknown = new_page(t, KIND_ANON, stack, RW);
	uint64_t i, first;

	if (!known) {
		fill(twin, unknown, to, n);
		return;
	}
	for (first = to; !twin->pages[first].object; first++)
		;
	for (i = first; i > to; i--) {
		twin->pages[i - 1] = twin->pages[i];
		twin->pages[i - 1].file_page -= twin->pages[i].file_page > 0;
	}
	for (i = to; i < to + n; i++) {
		struct page *page = &twin->pages[i];

		if (i >= first && page->object)
			continue;
		if (i >= first) {
			*page = twin->pages[i - 1];
			page->file_page += page->ino || page->attached;
		}
		page->object = unknown.object;
		page->uncounted = true;
		page->stack = stack;
		page->tick = tick(t);
	}
}

static void twin_succeed(struct test *t, struct stash *s, uint64_t to, uint8_t stack)
{
	struct twin *twin = space_of(t);
	uint64_t i;
	struct page page;

	if (s->flags & 4 || !s->old_n) {
		page = twin->pages[s->from];
		if (!page.object) {
			page = new_page(t, s->old_n ? KIND_ANON : KIND_SHM, stack, RW);
			page.shared = !s->old_n;
		}
		page.object = ++t->n_objects;
		page.uncounted = false;
		page.stack = stack;
		page.tick = tick(t);
		fill(twin, page, to, s->new_n);
		return;
	}
	if (s->flags & (MREMAP_MAYMOVE | MREMAP_FIXED)) {
		clear(twin->pages, to, s->new_n);
		for (i = 0; i < s->old_n && i < s->new_n; i++)
			twin->pages[to + i] = s->pages[s->from + i];
	} else if (s->new_n > s->old_n) {
		clear(twin->pages, to + s->old_n, s->new_n - s->old_n);
	}
	if (!is_free(twin, to, s->new_n) || s->new_n) {
		for (i = to; i < to + s->new_n && twin->pages[i].object; i++)
			;
		if (i < to + s->new_n)
			twin_grow(t, to, s->new_n, stack);
	}
}

static void mremap_end(struct test *t, bool had_begin)
{
	struct twin *twin = space_of(t);
	struct stash *s = &twin->stash[t->thread];
	uint64_t to = s->from, tries;
	uint8_t stack = below(t, N_STACKS);
	uint64_t id = t->stacks[t->process][stack];
	bool ok = below(t, 4);

	if (s->flags & MREMAP_FIXED) {
		to = s->target;
	} else if (s->flags & MREMAP_MAYMOVE && (s->new_n > s->old_n || s->flags & 4)) {
		for (tries = 0; tries < 20; tries++) {
			to = below(t, N_PAGES - s->new_n + 1);
			if (is_free(twin, to, s->new_n))
				break;
		}
		ok = ok && is_free(twin, to, s->new_n) && (to >= s->from + s->old_n ||
							   to + s->new_n <= s->from);
	} else if (s->new_n > s->old_n) {
		ok = ok && is_free(twin, to + s->old_n, s->new_n - s->old_n);
	} else if (s->flags & MREMAP_MAYMOVE) {
		ok = ok && is_free(twin, to, s->new_n);	/* nobody came between */
	}
	if (!ok) {
		int64_t error = had_begin && s->flags & MREMAP_FIXED && below(t, 2) ? -EFAULT :
			-EINVAL;

		rig__mremap(&t->rig, EV_MREMAP_END, id, BASE + s->from, s->old_n, s->new_n,
			    s->flags, error);
		put_back(twin, s->pages);
		if (error == -EINVAL)
			put_back(twin, s->target_pages);
	} else {
		rig__mremap(&t->rig, EV_MREMAP_END, id, BASE + s->from, s->old_n, s->new_n,
			    s->flags, BASE + to);
		twin_succeed(t, s, to, stack);
	}
	memset(s, 0, sizeof(*s));
}

static void do_mremap(struct test *t)
{
	static const uint32_t flags[] = { 0, MREMAP_MAYMOVE, MREMAP_MAYMOVE,
					  MREMAP_MAYMOVE | MREMAP_FIXED, MREMAP_MAYMOVE | 4 };
	struct twin *twin = space_of(t);
	struct stash *s = &twin->stash[t->thread], chosen = { .live = true,
							      .type = EV_MREMAP_BEGIN };
	bool lose_begin = !below(t, 6);

	if (s->live && s->type == EV_MREMAP_BEGIN) {
		mremap_end(t, true);
		return;
	}
	if (!choose_range(t, &chosen.from, &chosen.old_n))
		return;
	chosen.new_n = 1 + below(t, 10);
	chosen.flags = flags[below(t, 5)];
	if (chosen.flags & 4)
		chosen.new_n = chosen.old_n;
	if (!below(t, 8) && chosen.flags == MREMAP_MAYMOVE &&
	    (twin->pages[chosen.from].shared || !twin->pages[chosen.from].object))
		chosen.old_n = 0;
	if (chosen.from + chosen.new_n > N_PAGES)
		return;
	chosen.target = below(t, N_PAGES - chosen.new_n + 1);
	if (chosen.flags & MREMAP_FIXED && chosen.target < chosen.from + chosen.old_n &&
	    chosen.from < chosen.target + chosen.new_n)
		return;		/* the kernel refuses ranges that overlap */
	if (lose_begin) {
		/* Nobody comes between, so entry and return are one. A failure changes nothing. */
		*new_stash(t, EV_MREMAP_BEGIN) = chosen;
		twin_begin(t, s);
		mremap_end(t, false);
		return;
	}
	*new_stash(t, EV_MREMAP_BEGIN) = chosen;
	rig__mremap(&t->rig, EV_MREMAP_BEGIN, 0, BASE + chosen.from, chosen.old_n, chosen.new_n,
		    chosen.flags, chosen.flags & MREMAP_FIXED ? (int64_t)(BASE + chosen.target) :
		    0);
	twin_begin(t, s);
	if (t->exact) {
		compare_all(t);
		mremap_end(t, true);
	}
}

/* --- brk, shm --------------------------------------------------------------------------------- */

static void do_brk(struct test *t)
{
	struct twin *twin = space_of(t);
	uint64_t end = HEAP + 1 + below(t, N_PAGES - HEAP), old = twin->brk;
	uint8_t stack = below(t, N_STACKS);
	struct stash *stash;

	if (!twin->brk_known) {
		twin->brk_known = true;
		twin->brk = end;
	} else if (end < old) {
		stash = new_stash(t, EV_MUNMAP);
		t->rig.flags = EV_F_BRK;
		rig__munmap(&t->rig, BASE + end, old - end);
		stash->brk = old;
		move(stash->pages, twin->pages, end, old - end);
		twin->brk = end;
		if (t->exact && !below(t, 4)) {
			may_undo(t);
			return;
		}
	} else if (end > old) {
		if (!is_free(twin, old, end - old))
			return;
		fill(twin, new_page(t, KIND_HEAP, stack, RW), old, end - old);
		twin->brk = end;
	}
	rig__brk(&t->rig, t->stacks[t->process][stack], (BASE + HEAP) * RIG_PAGE + 16,
		 (BASE + end) * RIG_PAGE);
}

static void do_shm(struct test *t)
{
	struct twin *twin = space_of(t);
	uint64_t n = 1 + below(t, 10), at = below(t, N_PAGES - n + 1), i;
	uint8_t stack = below(t, N_STACKS);
	struct page page = new_page(t, KIND_SHM, stack, RW);
	struct stash *stash;

	if (below(t, 2)) {
		page.shared = page.attached = true;
		rig__shmat(&t->rig, t->stacks[t->process][stack], BASE + at, n);
		fill(twin, page, at, n);
		return;
	}
	for (i = 0; i < N_PAGES && !(twin->pages[i].attached && !twin->pages[i].file_page); i++)
		;
	if (i == N_PAGES)
		return;
	at = i;
	stash = new_stash(t, EV_SHMDT);
	rig__shmdt(&t->rig, BASE + at);
	for (i = at; i < N_PAGES; i++) {
		if (twin->pages[i].attached && twin->pages[i].file_page == i - at)
			move(stash->pages, twin->pages, i, 1);
	}
	if (t->exact && below(t, 2))
		may_undo(t);
}

/* --- processes -------------------------------------------------------------------------------- */

static void define_stacks(struct test *t)
{
	uint32_t i;

	t->stacks[t->process][0] = 0;
	for (i = 1; i < N_STACKS; i++) {
		uint64_t pcs[] = { 0x40000 + i, 0x50000 };
		uint32_t pad = i;	/* frames without a file differ by their number alone */
		uint64_t frames[2 + N_STACKS];

		frames[0] = pcs[0];
		for (; pad; pad--)
			frames[pad] = pcs[1];
		t->stacks[t->process][i] = rig__stack(&t->rig, frames, i + 1, EV_STACK_COMPLETE);
	}
}

/* An heir and a child count the objects that are there; how many, only `exact` can tell. */
static void take_over(struct test *t, struct twin *twin)
{
	struct process *p = world__find(t->rig.world, 100 + (twin - t->twins));
	uint64_t pages;
	uint32_t kind;

	count(t, twin, &twin->opened, &pages);
	if (t->exact)
		return;
	for (kind = 0, twin->opened = 0; kind < KIND_PAIR_0; kind++)
		twin->opened += p->kinds[kind].opened;
}

/* The first that shares the space of one that leaves it has it now. */
static void leave(struct test *t, struct twin *twin)
{
	struct twin *heir = NULL;
	uint32_t i, order[N_PROCESSES], n = 0;
	struct process *p;

	for (p = world__processes(t->rig.world); p; p = p->next)
		order[n++] = p->tgid - 100;
	for (i = 0; i < n; i++) {
		struct twin *other = &t->twins[order[i]];

		if (!other->live || other->owner != twin)
			continue;
		if (!heir) {
			heir = other;
			*heir = *twin;
			heir->owner = NULL;
			take_over(t, heir);
		} else {
			other->owner = heir;
		}
	}
	for (i = 0; heir && i < N_THREADS; i++) {
		/* What could have been undone is forgotten with the owner. */
		if (heir->stash[i].type != EV_MREMAP_BEGIN)
			memset(&heir->stash[i], 0, sizeof(heir->stash[i]));
		memset(heir->stash[i].target_pages, 0, sizeof(heir->stash[i].target_pages));
	}
}

static void do_fork(struct test *t)
{
	struct twin *child, *twin = space_of(t);
	uint32_t number = below(t, N_PROCESSES), i, parent = t->process;
	bool shares = !below(t, 3);

	child = &t->twins[number];
	if (child->live)
		return;
	rig__fork(&t->rig, 100 + number, shares);
	memset(child, 0, sizeof(*child));
	child->live = true;
	if (shares) {
		child->owner = twin;
	} else {
		memcpy(child->pages, twin->pages, sizeof(child->pages));
		child->brk = twin->brk;
		child->brk_known = twin->brk_known;
		for (i = 0; i < N_THREADS; i++) {
			if (twin->stash[i].live && twin->stash[i].type == EV_MREMAP_BEGIN)
				put_back(child, twin->stash[i].pages);
		}
		take_over(t, child);
	}
	t->process = number;
	t->rig.tgid = 100 + number;
	define_stacks(t);
	t->process = parent;
	t->rig.tgid = 100 + parent;
}

static void do_end(struct test *t)
{
	struct twin *twin = &t->twins[t->process];
	bool exec = below(t, 2);

	if (exec)
		rig__exec(&t->rig);
	else
		rig__exit(&t->rig);
	leave(t, twin);
	memset(twin, 0, sizeof(*twin));
	twin->live = exec;
	if (exec)
		define_stacks(t);
}

static void step(struct test *t)
{
	do
		t->process = below(t, N_PROCESSES);
	while (!t->twins[t->process].live);
	t->thread = below(t, N_THREADS);
	t->rig.tgid = 100 + t->process;
	t->rig.tid = 1000 + t->thread;
	if (t->exact || !below(t, 3))
		rig__ticks(&t->rig, 1);
	switch (below(t, 24)) {
	case 0 ... 5:
		do_mmap(t);
		break;
	case 6 ... 8:
		do_munmap(t);
		break;
	case 9 ... 13:
		do_mprotect(t);
		break;
	case 14 ... 17:
		do_mremap(t);
		break;
	case 18:
		do_brk(t);
		break;
	case 19 ... 20:
		do_shm(t);
		break;
	case 21:
		if (!t->exact)
			may_undo(t);
		break;
	case 22:
		do_fork(t);
		break;
	default:
		if (!below(t, 4) && (t->process || below(t, 10) == 0))
			do_end(t);
		break;
	}
}

static void run(bool exact, uint64_t seed, uint32_t n)
{
	struct test *t = calloc(1, sizeof(*t));
	uint32_t i, live, k;

	assert_non_null(t);
	rig__init(&t->rig);
	t->random = seed * 0x9E3779B97F4A7C15ull;
	t->exact = exact;
	for (i = 0; i < n; i++) {
		for (k = 0, live = 0; k < N_PROCESSES; k++)
			live += t->twins[k].live;
		if (!live) {
			t->process = 0;
			t->rig.tgid = 100;
			t->twins[0].live = true;
			define_stacks(t);
		}
		step(t);
		compare_all(t);
	}
	assert_int_equal(world__lost(t->rig.world, EV_LOSS_BAD_RECORD), 0);
	assert_int_equal(world__lost(t->rig.world, EV_LOSS_MODEL_FULL), 0);
	rig__fini(&t->rig);
	free(t);
}

static void test_exact(void **state)
{
	uint64_t seed;

	for (seed = 1; seed <= 4; seed++)
		run(true, seed, 10000);
}

static void test_tangled(void **state)
{
	uint64_t seed;

	for (seed = 11; seed <= 14; seed++)
		run(false, seed, 10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exact),
		cmocka_unit_test(test_tangled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
