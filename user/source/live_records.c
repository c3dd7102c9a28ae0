/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The live source reads the ring: each record is checked, completed with what only user space knows
 * (bytes of a handle, the answer to an unwinding question), acted upon, and handed on in order.
 *
 * The ring is read when the kernel side wakes us and at each tick, and never for longer than
 * BATCH_NS at a time, so that a storm of records cannot hold up ticks and signals.
 */
#include "user/source/live_private.h"

#include <string.h>
#include <errno.h>
#include <sys/mman.h>

#include "user/source/pairs.h"
#include "user/wire/decode.h"

#define BATCH_NS 50000000ull
#define YIELD (-EAGAIN)			/* from the ring's callback: enough for now */

/* The service takes stacks for a process that has lived this long and taken this much: short-lived
 * ones (a storm of compilers) are not worth it. */
#define STACKS_AFTER_NS 2000000000ull
#define STACKS_AFTER_ACQUISITIONS 64
#define STACKS_AFTER_HANDLES 8

#define MAX_LAST_CALLS 65536		/* threads; when full it starts over */
#define SAME_CALL_NS 1000000000ull	/* the thread may lose its CPU between the two */

/* The service takes stacks for processes that have lived and taken a while. */
static void count_acquisition(struct live *live, struct watched *p, bool handle, uint64_t now)
{
	p->has_events = true;
	if (p->stacks)
		return;
	p->n_acquisitions++;
	p->n_handles += handle;
	if (p->n_handles < STACKS_AFTER_HANDLES &&
	    (p->n_acquisitions < STACKS_AFTER_ACQUISITIONS || now - p->since_ns < STACKS_AFTER_NS))
		return;
	p->stacks = true;
	live_set_target(live, p->tgid, TARGET_WATCHED | TARGET_STACKS);
}

static void fill_handle(struct ev_handle *ev)
{
	const struct pair_symbol *symbol;

	if (ev->symbol >= n_pair_symbols)
		return;
	symbol = &pair_symbols[ev->symbol];
	ev->bytes = pair_symbol__bytes(symbol, (const uint64_t *)ev->arg);
	if (symbol->role == PAIR_COPY && symbol->copy_arg >= 0 && symbol->copy_arg < EV_N_HANDLE_ARGS)
		ev->copy_of = ev->arg[symbol->copy_arg];
}

/*
 * One call can hit two probes: containers that share an image show one file under several (device,
 * inode)s, and a library laid over another calls on to it by the same name. The same thread, function
 * and handle again, but in another file, is the same call.
 */
static bool is_same_call(struct live *live, const struct ev_handle *ev)
{
	uint32_t key = ev->h.tid;
	struct last_call *last;
	bool same;

	live_bound(live, &live->last_calls, MAX_LAST_CALLS);
	last = table__insert(&live->last_calls, &key, NULL);
	if (!last)
		return false;
	same = last->symbol == ev->symbol && last->handle == ev->handle &&
	       last->file != ev->file && ev->h.time_ns - last->time_ns < SAME_CALL_NS;
	last->symbol = ev->symbol;
	last->file = ev->file;
	last->handle = ev->handle;
	last->time_ns = ev->h.time_ns;
	return same;
}

/* Code that goes, or is covered by something else, takes its rules along; where code appears, what
 * was learnt of a place that held none does not count any more. */
static void forget_code(struct live *live, struct watched *p, uint64_t start, uint64_t len,
			bool new_code)
{
	uint64_t end = start + len < start ? UINT64_MAX : start + len;

	if (code_maps__cut(&p->code, start, end) || new_code) {
		live_drop_rules(live, p, start, end);
		unwinder__code_changed(live->unwinder, p->tgid, start, end);
	}
}

#define DOUBT_GAP_NS 1000000000ull	/* between two readings of one process */

void live_doubt(struct watched *p, uint64_t due_ns)
{
	uint64_t earliest = p->code.read_ns ? p->code.read_ns + DOUBT_GAP_NS : 0;

	if (!p->attaching && due_ns < earliest)
		due_ns = earliest;
	if (p->seeded && (!p->heal_due_ns || p->heal_due_ns > due_ns))
		p->heal_due_ns = due_ns;
}

/*
 * A child is read where its copy is not the one that the model makes: the kernel left something out,
 * the parent is in doubt itself, or its map was read since and shows what came after the copy. And
 * what the calls of other threads were between the copy and the record of the fork, or in flight
 * then, is told on the wrong side of it, but in the kernel's own order.
 */
static bool is_doubtful(const struct watched *parent, const struct ev_fork *ev,
			const struct order *order)
{
	if (ev->h.flags & EV_F_NO_COPY)
		return true;
	if (!parent)
		return false;
	return parent->heal_due_ns || ev->h.time_ns <= parent->read_end_ns ||
	       order__is_late(order, &ev->h) ||
	       (ev->h.flags & EV_F_THREADS && !order &&
		parent->region_ns + LIVE_FORK_NEAR_NS > ev->h.time_ns);
}

static int on_fork(struct live *live, const struct ev_fork *ev)
{
	const struct watched *parent = live_find(live, ev->h.tgid);
	struct watched *child;

	live_emit(live, &ev->h);
	live_forget(live, ev->child_tgid);	/* an exit that was lost */
	child = live_watch(live, ev->child_tgid);
	if (!child)
		return -ENOMEM;
	child->start_ns = ev->child_start_ns;
	if (parent) {
		child->seeded = parent->seeded;	/* the model copies what the parent has */
		child->stacks = parent->stacks;
	}
	child->forked_from = ev->h.tgid;
	child->forked_ns = ev->h.time_ns;
	child->shares_vm = ev->shares_vm;
	if (ev->shares_vm)
		return 0;
	if (is_doubtful(parent, ev, live->order))
		live_doubt(child, ev->h.time_ns);
	if (parent)
		live_inherit_losses(live, parent, child);
	return 0;
}

/* /proc tells the start in hundredths of a second: told so once, it stays so, or the model would take
 * the image for another process of that id. */
static int on_exec(struct live *live, struct watched *p, struct ev_exec *ev)
{
	live_leave_shared_space(live, p);
	if (p->start_ns && procfs_same_start(p->start_ns, ev->start_ns))
		ev->start_ns = p->start_ns;
	live_emit(live, &ev->h);
	return live_on_exec(live, p, ev);
}

static int on_mmap(struct live *live, struct watched *p, struct ev_mmap *ev)
{
	forget_code(live, p, ev->addr, ev->len, ev->prot & PROT_EXEC);
	live_settle_stack(live, &ev->h, &ev->stack);
	live_emit(live, &ev->h);
	live_mapped(live, p, ev);
	count_acquisition(live, p, false, ev->h.time_ns);
	return 0;
}

static void on_mprotect(struct live *live, struct watched *p, struct ev_mprotect *ev)
{
	if (ev->h.flags & EV_F_TO_HOLE)
		live_doubt(p, ev->h.time_ns);
	if (ev->prot & PROT_EXEC) {
		forget_code(live, p, ev->addr, ev->len, true);
		p->code.read_ns = 0;	/* to be read again when it is asked for */
	}
	live_settle_stack(live, &ev->h, &ev->stack);
	count_acquisition(live, p, false, ev->h.time_ns);
}

/* Failed, it may have unmapped its target or not; but for EINVAL, which comes before. */
static void on_mremap(struct watched *p, const struct ev_mremap *ev)
{
	if (ev->ret < 0 && ev->ret != -EINVAL && ev->flags & MREMAP_FIXED)
		live_doubt(p, ev->h.time_ns);
}

/* Before Linux 5.17 (7c7e3d31e785) the kernel side cannot tell how long an attachment is. */
static void on_shmat(struct live *live, struct watched *p, struct ev_shmat *ev)
{
	if (!ev->len) {		/* or another thread held the lock */
		ev->len = live_mapping_len(live, p, ev->addr);
		live_doubt(p, ev->h.time_ns);
	}
	live_settle_stack(live, &ev->h, &ev->stack);
	count_acquisition(live, p, false, ev->h.time_ns);
}

/*
 * Records that are older than the last reading of the map are applied on top of it: right for those
 * that say what is at an address, not for those that say what was where before.
 */
static bool depends_on_before(const struct ev_header *h)
{
	return h->type == EV_MREMAP_BEGIN || h->type == EV_MREMAP_END ||
	       (h->type == EV_MPROTECT && h->flags & EV_F_TO_HOLE);
}

#define MREMAP_NS 20000000ull	/* from its begin, which may lie before the reading, to its end */

static bool is_older_than_reading(const struct live *live, const struct watched *p,
				  const struct ev_header *h)
{
	if (live->order)	/* what is older than its begin is sorted before it */
		return h->time_ns >= p->read_begin_ns && h->time_ns <= p->read_end_ns;
	return h->time_ns <= p->read_end_ns + (h->type == EV_MREMAP_END ? MREMAP_NS : 0);
}

static bool moves_memory(uint16_t type)
{
	return type >= EV_MMAP && type <= EV_SHMDT;
}

/* One record of a process we know, changed in place where it needs an answer of ours. */
static int route(struct live *live, struct watched *p, struct ev_header *h)
{
	if (moves_memory(h->type))
		p->region_ns = h->time_ns;
	live_note_recent(p, h);
	if ((depends_on_before(h) && is_older_than_reading(live, p, h)) ||
	    (moves_memory(h->type) && order__is_late(live->order, h)))
		live_doubt(p, h->time_ns);
	switch (h->type) {
	case EV_MISS:
		return live_on_miss(live, (struct ev_miss *)h);
	case EV_STACK:
		return live_on_definition(live, (struct ev_stack *)h);
	case EV_FORK:
		return on_fork(live, (struct ev_fork *)h);
	case EV_EXEC:
		return on_exec(live, p, (struct ev_exec *)h);
	case EV_EXIT:
		live_leave_shared_space(live, p);
		live_emit(live, h);
		live_forget(live, h->tgid);
		return 0;
	case EV_MMAP:
		return on_mmap(live, p, (struct ev_mmap *)h);
	case EV_MUNMAP:
		forget_code(live, p, ((struct ev_munmap *)h)->addr, ((struct ev_munmap *)h)->len, false);
		break;
	case EV_UNDO:
		if (((struct ev_undo *)h)->undone == EV_MMAP ||
		    ((struct ev_undo *)h)->undone == EV_MPROTECT)
			live_doubt(p, h->time_ns);
		break;
	case EV_MREMAP_END:
		on_mremap(p, (struct ev_mremap *)h);
		live_settle_stack(live, h, &((struct ev_mremap *)h)->stack);
		break;
	case EV_MPROTECT:
		on_mprotect(live, p, (struct ev_mprotect *)h);
		break;
	case EV_BRK:
		live_settle_stack(live, h, &((struct ev_brk *)h)->stack);
		count_acquisition(live, p, false, h->time_ns);
		break;
	case EV_SHMAT:
		on_shmat(live, p, (struct ev_shmat *)h);
		break;
	case EV_HANDLE_CLOSE:
		if (is_same_call(live, (struct ev_handle *)h))
			return 0;
		break;
	case EV_HANDLE_OPEN:
		if (is_same_call(live, (struct ev_handle *)h))
			return 0;
		fill_handle((struct ev_handle *)h);
		live_settle_stack(live, h, &((struct ev_handle *)h)->stack);
		count_acquisition(live, p, true, h->time_ns);
		break;
	default:
		break;
	}
	live_emit(live, h);
	return 0;
}

int live_on_record(void *ctx, void *data, size_t data_sz)
{
	struct live *live = ctx;
	uint64_t copy[sizeof(struct ev_handle) / 8];	/* the largest record that is changed here */
	const struct ev_header *checked;
	struct ev_header *record;
	struct watched *p;
	const char *why;
	int r;

	if (ev_check(data, data_sz, &checked, &why)) {
		live->own_losses[EV_LOSS_BAD_RECORD]++;
		log_debug(live->opts.log, "a record of the kernel side is malformed: %s", why);
		return 0;
	}
	p = live_watch(live, checked->tgid);
	record = data;
	if (checked->size <= sizeof(copy)) {	/* the ring itself is mapped read-only */
		memcpy(copy, data, checked->size);
		record = (struct ev_header *)copy;
	}
	r = p ? route(live, p, record) : -ENOMEM;
	if (r)
		return r;
	if (live->stop)
		return live->stop < 0 ? live->stop : YIELD;
	return clock_monotonic_ns() > live->batch_deadline_ns ? YIELD : 0;
}

int live_read_ring(struct live *live)
{
	uint64_t begun = clock_monotonic_ns();
	int r;

	live->batch_deadline_ns = begun + BATCH_NS;
	r = ring_buffer__consume(live->ring);
	if (r >= 0)
		live->drained_ns = begun;
	order__flush(live, begun - ORDER_WINDOW_NS);
	if (live->stop)
		return live->stop;
	return r < 0 && r != YIELD ? r : 0;
}
