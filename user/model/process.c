/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The process table: who lives, and which address space each one has.
 *
 * A space that several processes share (vfork, CLONE_VM) has one owner, to whom all is counted.
 * When the owner leaves it by exec or exit, another of them inherits: it gets the same sites, and
 * what they hold is counted for it.
 *
 * An exited process that is kept (world_opts.keep_exited) gives up everything but its totals and
 * sites. Kept ones are the first to go, oldest first, when there is no room for a new process.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/model/clock.h"
#include "user/model/state.h"

#define COMM_SZ_MAX 64
#define CMDLINE_SZ_MAX 4096
#define UNIT_SZ_MAX 512
#define RUNTIME_SZ_MAX 256

struct tgid_row {
	uint32_t tgid;
	uint32_t pad;
	struct proc *proc;
};

/* --- the table -------------------------------------------------------------------------------- */

static struct proc *find(struct world *world, uint32_t tgid)
{
	const struct tgid_row *row;

	if (world->cached && world->cached->pub.tgid == tgid)
		return world->cached;
	row = table__find(&world->by_tgid, &tgid);
	if (!row)
		return NULL;
	world->cached = row->proc;
	return row->proc;
}

struct process *world__find(const struct world *world, uint32_t tgid)
{
	const struct tgid_row *row = table__find(&world->by_tgid, &tgid);

	return row ? &row->proc->pub : NULL;
}

static void unlink_proc(struct world *world, struct proc *proc)
{
	struct proc *next = proc->pub.next ? proc_of(proc->pub.next) : NULL;

	if (proc->prev)
		proc->prev->pub.next = proc->pub.next;
	else
		world->first = next;
	if (next)
		next->prev = proc->prev;
	else
		world->last = proc->prev;
	world->n_processes--;
}

static void free_proc(struct proc *proc)
{
	notes__fini(&proc->notes);
	free(proc->pub.comm);
	free(proc->pub.cmdline);
	free(proc->pub.unit);
	free(proc->pub.runtime);
	for (unsigned int i = 0; i <= EV_LIMIT_CGROUP_HIGH; i++)
		free(proc->pub.groups[i]);
	free(proc);
}

/* Its space was left already. */
static void forget(struct world *world, struct proc *proc)
{
	const struct world_watcher *watcher = world->opts.watcher;

	sites__drop(world, proc);
	stack_ids__fini(&proc->stack_ids, &world->stacks);
	if (watcher && watcher->process_gone)
		watcher->process_gone(world->opts.watcher_ctx, &proc->pub);
	unlink_proc(world, proc);
	free_proc(proc);
}

static struct proc *heir_of(struct world *world, const struct space *space,
			    const struct proc *leaving)
{
	struct proc *proc = world->first;

	while (proc && (proc == leaving || proc->space != space))
		proc = proc->pub.next ? proc_of(proc->pub.next) : NULL;
	return proc;
}

static int leave_space(struct world *world, struct proc *proc)
{
	struct space *space = proc->space;
	struct proc *heir;
	int r = 0;

	if (space->owner == proc && space->refs > 1) {
		heir = heir_of(world, space, proc);
		heir->pub.clock = proc->pub.clock;	/* by which all in the space was dated */
		r = sites__inherit(world, proc, heir);
		if (!r)
			r = space__change_owner(world, space, heir);
	}
	proc->space = NULL;
	space__unref(world, space);
	return r;
}

static int end(struct world *world, struct proc *proc, bool keep)
{
	int r = leave_space(world, proc);

	table__remove(&world->by_tgid, &proc->pub.tgid);
	world->cached = NULL;
	if (!keep) {
		forget(world, proc);
		return r;
	}
	proc->pub.exited = true;
	clock__stop(&proc->pub.clock, world);
	proc->pub.last_ns = world->now_ns;
	stack_ids__fini(&proc->stack_ids, &world->stacks);
	site_index__fini(&proc->sites, &world->slots);
	return r;
}

/* True when there is room for one more. */
static bool make_room(struct world *world)
{
	struct proc *proc = world->first;

	if (world->n_processes < world->opts.max_processes)
		return true;
	while (proc && !proc->pub.exited)
		proc = proc->pub.next ? proc_of(proc->pub.next) : NULL;
	if (!proc)
		return false;
	forget(world, proc);
	return true;
}

static bool set_text(char **to, const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		return false;
	free(*to);
	*to = copy;
	return true;
}

/* A process in the table and the list, with an empty space when `space` is NULL. 1: no room. */
static int make(struct world *world, uint32_t tgid, struct space *space, struct proc **out)
{
	struct proc *proc;
	struct tgid_row *row;

	if (!make_room(world)) {
		world__refuse(world, NULL);
		return 1;
	}
	proc = calloc(1, sizeof(*proc));
	if (!proc)
		return -ENOMEM;
	proc->world = world;
	proc->pub.tgid = tgid;
	proc->pub.first_ns = world->now_ns;
	proc->pub.last_ns = world->now_ns;
	clock__start(&proc->pub.clock, world);
	site_index__init(&proc->sites);
	stack_ids__init(&proc->stack_ids);
	proc->space = space ? space : space__new();
	if (!proc->space || !set_text(&proc->pub.comm, "") ||
	    !set_text(&proc->pub.cmdline, "") || !set_text(&proc->pub.unit, "") ||
	    !set_text(&proc->pub.runtime, ""))
		goto failed;
	row = table__insert(&world->by_tgid, &tgid, NULL);
	if (!row)
		goto failed;
	row->proc = proc;
	if (!proc->space->owner)
		proc->space->owner = proc;
	proc->prev = world->last;
	if (world->last)
		world->last->pub.next = &proc->pub;
	else
		world->first = proc;
	world->last = proc;
	world->n_processes++;
	*out = proc;
	return 0;

failed:
	if (!space)
		space__unref(world, proc->space);
	free_proc(proc);
	return -ENOMEM;
}

int processes__get(struct world *world, uint32_t tgid, bool may_make, struct proc **out)
{
	*out = find(world, tgid);
	if (*out)
		return 0;
	return may_make ? make(world, tgid, NULL, out) : 1;
}

void processes__drop_all(struct world *world)
{
	struct proc *proc;

	/* From the newest: whoever shares a space leaves before its owner, or the owner left. */
	while ((proc = world->last)) {
		if (!proc->pub.exited)
			end(world, proc, false);
		else
			forget(world, proc);
	}
}

/* --- what happens to processes ---------------------------------------------------------------- */

/* One text of the record: cut, and the zero bytes between arguments made spaces. */
static bool read_text(char **to, const char **text, size_t n, size_t max)
{
	size_t i, keep = n < max ? n : max;
	char *copy;

	while (keep && !(*text)[keep - 1])
		keep--;
	copy = malloc(keep + 1);
	if (!copy)
		return false;
	for (i = 0; i < keep; i++)
		copy[i] = (*text)[i] ? (*text)[i] : ' ';
	copy[keep] = '\0';
	free(*to);
	*to = copy;
	*text += n;
	return true;
}

int process__apply_facts(struct world *world, const struct ev_process *event)
{
	struct proc *proc = find(world, event->h.tgid);
	struct process *p;
	const char *text = event->text;
	int r;

	if (proc && proc->pub.start_ns && event->start_ns &&
	    proc->pub.start_ns != event->start_ns) {
		r = end(world, proc, world->opts.keep_exited);	/* unnoticed, and the pid reused */
		if (r < 0)
			return r;
	}
	r = processes__get(world, event->h.tgid, true, &proc);
	if (r)
		return r < 0 ? r : 0;
	p = &proc->pub;
	if (event->start_ns)
		p->start_ns = event->start_ns;
	p->ppid = event->ppid;
	p->uid = event->uid;
	p->last_ns = world->now_ns;
	if (!read_text(&p->comm, &text, event->comm_sz, COMM_SZ_MAX) ||
	    !read_text(&p->cmdline, &text, event->cmdline_sz, CMDLINE_SZ_MAX) ||
	    !read_text(&p->unit, &text, event->unit_sz, UNIT_SZ_MAX) ||
	    !read_text(&p->runtime, &text, event->runtime_sz, RUNTIME_SZ_MAX))
		return -ENOMEM;
	return 0;
}

/* What seems to be open in the parent and is not, seems so in the child. */
static void inherit_losses(struct process *child, const struct process *parent)
{
	unsigned int i;

	for (i = KIND_PAIR_0; i < N_KINDS; i++) {
		child->kinds[i].lost_closed = parent->kinds[i].lost_closed;
		child->kinds[i].lost_closed_found = parent->kinds[i].lost_closed_found;
	}
	child->lost_regions = parent->lost_regions;
	child->lossy = parent->lossy;
}

/* Until its own EV_PROCESS comes, a child is called what its parent is called. */
static bool copy_facts(struct proc *child, const struct proc *parent)
{
	child->pub.ppid = parent->pub.tgid;
	child->pub.uid = parent->pub.uid;
	child->pub.seeded = parent->pub.seeded;
	child->pub.unsure |= parent->pub.unsure;
	inherit_losses(&child->pub, &parent->pub);
	return set_text(&child->pub.comm, parent->pub.comm) &&
	       set_text(&child->pub.cmdline, parent->pub.cmdline) &&
	       set_text(&child->pub.unit, parent->pub.unit) &&
	       set_text(&child->pub.runtime, parent->pub.runtime);
}

/* A child with a copy of its parent's space; its sites inherit what is open. */
static int fork_space(struct world *world, struct proc *parent, uint32_t child_tgid,
		      struct proc **out)
{
	struct proc *owner = parent->space->owner;
	struct space *copy;
	bool refused;
	int r;

	r = space__copy(world, parent->space, &copy);
	if (r < 0)
		return r;
	refused = r;
	r = make(world, child_tgid, copy, out);
	if (r) {
		space__unref(world, copy);
		return r;
	}
	copy->owner = *out;
	if (refused)
		world__refuse(world, *out);
	clock__fork(&(*out)->pub.clock, &owner->pub.clock, world);
	r = sites__inherit(world, owner, *out);
	return r < 0 ? r : space__change_owner(world, copy, *out);
}

int process__apply_fork(struct world *world, const struct ev_fork *event)
{
	struct proc *parent, *child;
	int r;

	if (!event->child_tgid || event->child_tgid == event->h.tgid)
		return -EBADMSG;
	child = find(world, event->child_tgid);
	if (child) {
		bool same = child->pub.start_ns == event->child_start_ns && event->child_start_ns;

		if (same && child->pub.seeded)
			return 0;	/* found and read before this record came */
		r = end(world, child, !same && world->opts.keep_exited);
		if (r < 0)
			return r;
	}
	r = processes__get(world, event->h.tgid, true, &parent);
	if (r)
		return r < 0 ? r : 0;
	parent->pub.last_ns = world->now_ns;
	if (event->shares_vm) {
		r = make(world, event->child_tgid, parent->space, &child);
		if (!r) {
			parent->space->refs++;
			clock__fork(&child->pub.clock, &parent->space->owner->pub.clock, world);
		}
	} else {
		r = fork_space(world, parent, event->child_tgid, &child);
	}
	if (r)
		return r < 0 ? r : 0;
	child->pub.start_ns = event->child_start_ns;
	child->forked_from = event->shares_vm ? 0 : event->h.tgid;
	child->forked_ns = world->now_ns;
	return copy_facts(child, parent) ? 0 : -ENOMEM;
}

int process__apply_exec(struct world *world, const struct ev_exec *event)
{
	struct proc *proc = find(world, event->h.tgid);
	struct process *p;
	struct space *space;
	int r;

	if (proc && proc->pub.start_ns && event->start_ns &&
	    proc->pub.start_ns != event->start_ns) {
		r = end(world, proc, world->opts.keep_exited);
		if (r < 0)
			return r;
	}
	r = processes__get(world, event->h.tgid, true, &proc);
	if (r)
		return r < 0 ? r : 0;
	p = &proc->pub;
	space = space__new();
	if (!space)
		return -ENOMEM;
	r = leave_space(world, proc);
	proc->space = space;
	space->owner = proc;
	sites__drop(world, proc);
	stack_ids__fini(&proc->stack_ids, &world->stacks);
	if (event->start_ns)
		p->start_ns = event->start_ns;
	p->last_ns = world->now_ns;
	p->seeded = p->unsure = p->lossy = p->has_memory = false;
	p->mapped_bytes = p->accessible_bytes = p->reserved_bytes = p->lost_regions = 0;
	memset(p->kinds, 0, sizeof(p->kinds));
	return r;
}

int process__apply_exit(struct world *world, const struct ev_exit *event)
{
	struct proc *proc = find(world, event->h.tgid);

	if (!proc)
		return 0;
	proc->pub.exit_code = event->code;
	return end(world, proc, world->opts.keep_exited);
}
