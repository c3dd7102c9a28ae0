/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * An address space: its regions, its handles, and what its threads have in flight. Shared by a
 * process and its CLONE_VM children, copied at fork, replaced at exec. All that it holds is
 * counted for one process, its owner.
 */
#ifndef UNFREED_MODEL_SPACE_H
#define UNFREED_MODEL_SPACE_H

#include "user/base/table.h"
#include "user/model/region_map.h"
#include "user/model/world.h"

struct proc;

#define N_PAIRS (N_KINDS - KIND_PAIR_0)
#define SPACE_END (1ull << 57)	/* no user address is above, with five levels of page tables */
#define SPACE_PAGE (1ull << REGION_PAGE_SHIFT)

struct region_list {
	struct region_entry *e;
	size_t n, capacity;
};

void region_list__fini(struct region_list *list);
int region_list__add(struct region_list *list, const struct region_entry *entry);

enum pending_what {
	PENDING_NOTHING = 0,
	PENDING_RELEASE,	/* counted as given back; EV_UNDO may take that back */
	PENDING_MREMAP,		/* between BEGIN and END: still counted, but nowhere */
};

/* What a thread did last, as far as it may have to be taken back. */
struct pending {
	uint32_t tid;
	uint16_t what;		/* enum pending_what */
	uint16_t type;		/* of the release: EV_MUNMAP or EV_SHMDT */
	uint64_t time_ns;
	uint64_t addr, old_len, new_len;	/* of an mremap */
	uint64_t brk_end;	/* before a brk shrink; 0: it was none */
	struct region_list pieces;
	struct region_list target;	/* what an mremap with MREMAP_FIXED gave back */
};

struct space {
	struct region_map map;
	struct table pending;		/* by tid */
	struct table *handles[N_PAIRS];	/* by address; NULL: none yet */
	struct proc *owner;
	uint32_t refs;			/* processes */
	bool seeded;
	bool seeding;			/* between EV_SEED_BEGIN and EV_SEED_END */
	uint64_t seed_lost;		/* EV_LOSS_MODEL_FULL when that began */
	bool brk_known;
	uint64_t brk_end;		/* page-aligned; where the heap ends */
};

struct space *space__new(void);	/* one reference; NULL: no memory */
/* Drops a reference; with the last one the space goes, telling nobody. NULL is accepted. */
void space__unref(struct world *world, struct space *space);
/* A copy with the same sites, to be counted yet; what was in flight is back in place. */
int space__copy(struct world *world, const struct space *from, struct space **out);
/* Counts everything for `to` in place of the owner; sites__inherit() was called before. */
int space__change_owner(struct world *world, struct space *space, struct proc *to);

/* False when addr..addr+len is empty, unaligned or outside of user space. */
bool space__range(uint64_t addr, uint64_t len, uint64_t *end);

/*
 * These return 0, -ENOMEM, or 1 when the limit of regions refused it (counted, nothing changed).
 */

/* Moves what is in the range out of the map to the end of the list; the accounts stay. */
int space__take_out(struct world *world, struct space *space, uint64_t start, uint64_t end,
		    struct region_list *list);
/* Puts one entry into the map, where nothing is; the accounts stay. */
int space__put(struct world *world, struct space *space, const struct region_entry *entry);
/* Gives back what is in the range. The pieces are left in *list, which is emptied before; NULL:
 * nobody wants them. */
int space__release(struct world *world, struct space *space, uint64_t start, uint64_t end,
		   struct region_list *list);
/* Gives back pieces that are in no map any more. */
void space__account_released(struct world *world, struct space *space, struct region_list *list);
/* Puts a new object into the map and counts it: birth and bytes are set here. */
int space__add_object(struct world *world, struct space *space, struct region_entry *entry);
/*
 * Fills what is free between start and end with one object: entry's attributes, its file pages
 * counted from `start`. A new object, or (`grown`) further bytes of one that is counted.
 */
int space__fill(struct world *world, struct space *space, uint64_t start, uint64_t end,
		const struct region_entry *entry, bool grown);
/* Puts pieces back where the space is still empty. `counted`: they are in the accounts (in
 * flight), else they were given back. Empties the list. */
int space__put_back(struct world *world, struct space *space, struct region_list *list,
		    bool counted);
void space__join(struct space *space, struct world *world, uint64_t start, uint64_t end);
int space__isolate(struct world *world, struct space *space, uint64_t start, uint64_t end);

#endif /* UNFREED_MODEL_SPACE_H */
