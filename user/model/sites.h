/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Sites and the accounts they keep. Regions and handles name their site by a 32-bit index; every
 * change of what is held goes through site__took(), site__gave_back() and site__restored(), which
 * keep the site, the totals of its process and the watcher in step.
 */
#ifndef UNFREED_MODEL_SITES_H
#define UNFREED_MODEL_SITES_H

#include "user/model/region_map.h"
#include "user/model/stacks.h"
#include "user/model/world.h"

struct proc;

#define SITE_NONE UINT32_MAX

struct model_site {
	struct site pub;	/* first: a struct site is one of these */
	uint32_t index;
	uint32_t heir;		/* while a space changes hands: the new owner's site */
};

/* An index may outlive its site: two sites that turn out to be one share it (alias). */
struct site_slot {
	struct model_site *site;
	uint32_t next;		/* of the same process, or the next free slot; SITE_NONE ends */
};

struct site_slots {
	struct site_slot *slots;
	uint32_t n, capacity, n_used, first_free;
	uint64_t max;
	size_t n_sites;
};

void site_slots__init(struct site_slots *slots, uint64_t max);
void site_slots__fini(struct site_slots *slots);

/* Of a process: its sites by what they were asked for. */
struct site_index {
	struct table by_key;
	struct table files;	/* (site, file) -> what it maps of it now */
	uint32_t first_slot;
};

void site_index__init(struct site_index *index);
/* Forgets the keys and slots; the sites stay on the process's list. Idempotent. */
void site_index__fini(struct site_index *index, struct site_slots *slots);

struct model_site *world__site(const struct world *world, uint32_t index);

/*
 * The site of an acquisition of `kind` by `actor`, with the stack id and header flags of its
 * record. The site belongs to the owner of the actor's space. At the limit of sites it is the one
 * without a stack, and that is counted. 0 or -ENOMEM.
 */
int sites__of_event(struct world *world, struct proc *actor, uint16_t flags, uint64_t stack,
		    unsigned int kind, uint32_t *out);

/* The site of what was there before attach. 0 or -ENOMEM. */
int sites__before_attach(struct world *world, struct proc *owner, unsigned int kind,
			 uint32_t *out);

/* Gives sites whose stack was not known its definition. 0 or -ENOMEM. */
int sites__define(struct world *world, struct proc *actor, uint64_t wire_id,
		  const struct stack *stack);

/* Makes, for each site of `from` that holds something, the same site in `to` (model_site.heir). */
int sites__inherit(struct world *world, struct proc *from, struct proc *to);

/* Frees all sites of a process, telling the watcher. */
void sites__drop(struct world *world, struct proc *proc);

/* `bytes` were taken; by a new object, unless they belong to one that was counted. */
void site__took(struct world *world, struct model_site *site, uint64_t bytes, bool object);
/* `bytes` were given back; `whole`: nothing of their object is left. */
void site__gave_back(struct world *world, struct model_site *site, uint64_t bytes,
		     uint32_t birth_tick, bool whole);
/* What site__gave_back() was told was wrong. */
void site__restored(struct world *world, struct model_site *site, uint64_t bytes, bool whole);

/* Marks the files that sites map, in used[], by index. */
void site_files__mark(const struct table *files, uint8_t *used);
void site_files__init(struct table *files);
/* Whether the new object e maps pages of a file that its site had mapped; marks it. -ENOMEM. */
int site__maps_file(struct world *world, struct region_entry *e);
void site__unmaps_file(struct world *world, const struct region_entry *e);

#endif /* UNFREED_MODEL_SITES_H */
