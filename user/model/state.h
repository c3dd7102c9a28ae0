/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* What is behind world.h: the world and a process in full, and who applies which record. */
#ifndef UNFREED_MODEL_STATE_H
#define UNFREED_MODEL_STATE_H

#include "user/base/table.h"
#include "user/model/files.h"
#include "user/model/notes.h"
#include "user/model/sites.h"
#include "user/model/space.h"
#include "user/model/stacks.h"
#include "user/model/world.h"

struct proc {
	struct process pub;	/* first: a struct process is one of these */
	struct world *world;
	struct proc *prev;	/* in the world's list */
	struct space *space;	/* NULL once exited */
	struct site_index sites;
	struct stack_ids stack_ids;
	struct notes notes;
	uint32_t forked_from;		/* tgid; 0: not seen, or it has its parent's space */
	bool shares_loss;		/* loss.c: of the record at hand */
	uint64_t forked_ns;
	uint64_t maps_left;	/* of the mappings allowed, when they were counted last ... */
	uint64_t maps_entries;	/* ... and entries of the space's map then; 0: it was not read yet */
};

struct world {
	struct world_opts opts;		/* defaults filled in */
	struct proc *first, *last;	/* processes, in order of appearance */
	uint32_t n_processes;		/* exited ones included */
	struct table by_tgid;		/* live ones */
	struct proc *cached;		/* the one found last, or NULL */
	struct files files;
	struct stacks stacks;
	struct site_slots slots;
	struct notes notes;
	char pair_names[N_PAIRS][32];
	uint8_t pair_growth[N_PAIRS];	/* percent; 0: nobody said */
	uint64_t n_regions, n_handles;	/* of all spaces */
	uint64_t n_pending;		/* pieces kept in `pending` of all spaces */
	struct region_list scratch;
	uint64_t first_ns, now_ns, tick_ns;	/* times of records: first, last, last EV_TICK */
	uint64_t n_events, n_joined;	/* n_joined: that joined a complete stack by their beginning */
	uint64_t reported_lost[EV_N_LOSSES], lost[EV_N_LOSSES];	/* by EV_LOSS; by the model */
	uint64_t n_named;		/* lost records that EV_LOST named */
	struct ev_trust trust;
	bool started;			/* first_ns is set */
};

static inline struct proc *proc_of(const struct process *process)
{
	return (struct proc *)process;
}

/* Something was left out of the model: counted, and the process is not exact any more. */
static inline void world__refuse(struct world *world, struct proc *proc)
{
	world->lost[EV_LOSS_MODEL_FULL]++;
	if (proc)
		proc->pub.unsure = true;
}

/* --- process.c --- */

/* The live process; made when `make`. 0, 1 when there is none (or the limit refused it). */
int processes__get(struct world *world, uint32_t tgid, bool make, struct proc **out);
void processes__drop_all(struct world *world);
int process__apply_facts(struct world *world, const struct ev_process *event);
int process__apply_fork(struct world *world, const struct ev_fork *event);
int process__apply_exec(struct world *world, const struct ev_exec *event);
int process__apply_exit(struct world *world, const struct ev_exit *event);

/* --- sweep.c: forgets files that nobody maps or names any more; 0 or -ENOMEM --- */
int world__sweep_files(struct world *world);

/* --- loss.c: what was lost, and what is resident --- */
int loss__apply_total(struct world *world, const struct ev_loss *event);
int loss__apply_named(struct world *world, const struct ev_lost *event);
int resident__apply(struct world *world, struct proc *proc, const struct ev_resident *event);

/*
 * --- region_events.c, remap.c, seed.c, handles.c ---
 * Each applies one record: 0, -ENOMEM, or -EBADMSG when it contradicts itself.
 */
int regions__apply_mmap(struct world *world, struct proc *proc, const struct ev_mmap *event);
int regions__apply_munmap(struct world *world, struct proc *proc, const struct ev_munmap *event);
int regions__apply_mprotect(struct world *world, struct proc *proc,
			    const struct ev_mprotect *event);
int regions__apply_brk(struct world *world, struct proc *proc, const struct ev_brk *event);
int regions__apply_shmat(struct world *world, struct proc *proc, const struct ev_shmat *event);
int regions__apply_shmdt(struct world *world, struct proc *proc, const struct ev_munmap *event);
unsigned int region_kind(bool shared, uint32_t file, uint32_t fs_magic);

int remap__apply_begin(struct world *world, struct proc *proc, const struct ev_mremap *event);
int remap__apply_end(struct world *world, struct proc *proc, const struct ev_mremap *event);
int remap__apply_undo(struct world *world, struct proc *proc, const struct ev_undo *event);
/* The thread's record of what may have to be taken back, emptied; NULL in *out: no room. */
int remap__pending(struct world *world, struct space *space, uint32_t tid, struct pending **out);
/* Bounds what is kept for an undo; to be called once its pieces are in. */
void remap__keep(struct world *world, struct pending *pending);
/* Gives back what has been in flight since before `before_ns`: its END was lost. */
void remap__give_up(struct world *world, struct space *space, uint64_t before_ns);

int seed__apply_begin(struct world *world, struct proc *proc, const struct ev_seed *event);
int seed__apply_region(struct world *world, struct proc *proc, const struct ev_region *event);
int seed__apply_end(struct world *world, struct proc *proc, const struct ev_seed *event);

int handles__apply_open(struct world *world, struct proc *proc, const struct ev_handle *event);
int handles__apply_close(struct world *world, struct proc *proc, const struct ev_handle *event);
/* The tables of a space: copied at fork, counted for another owner, freed. */
int handles__copy(struct world *world, const struct space *from, struct space *to);
void handles__change_owner(struct world *world, struct space *space);
void handles__fini(struct world *world, struct space *space);
size_t handles__bytes(const struct space *space);

#endif /* UNFREED_MODEL_STATE_H */
