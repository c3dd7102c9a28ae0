/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Stack definitions: what a wire id of a process stands for, and which stacks begin with the
 * frames that an incomplete walk saw.
 */
#ifndef UNFREED_MODEL_STACKS_H
#define UNFREED_MODEL_STACKS_H

#include "user/base/table.h"
#include "user/model/methods.h"
#include "user/model/world.h"

struct files;
struct space;

/* Of the world: distinct stacks, shared by all processes that have them. */
struct stacks {
	struct table by_content;
	size_t max;		/* distinct stacks, and ids that point at them */
	size_t n_ids, n_beginnings;
	size_t bytes;		/* of memory held, without tables and names */
	struct method_pool methods;
};

/* Of a process. */
struct stack_ids {
	struct table by_id;		/* wire id -> struct stack */
	struct table beginnings;	/* hash of a beginning -> struct stack, NULL: several */
	struct method_frames methods;
};

void stacks__init(struct stacks *stacks, size_t max);
void stacks__fini(struct stacks *stacks);	/* once nobody refers to a stack any more */

void stack_ids__init(struct stack_ids *ids);
void stack_ids__fini(struct stack_ids *ids, struct stacks *stacks);	/* idempotent */

/*
 * Learns a definition; pcs become files and offsets by what `space` maps now. *out is the stack,
 * borrowed. Returns 0, 1 when a limit refused it, or -ENOMEM.
 */
int stack_ids__define(struct stack_ids *ids, struct stacks *stacks, const struct files *files,
		      const struct space *space, const struct ev_stack *event,
		      const struct stack **out);

/* Learns names of a frame, for the definitions that follow. Returns as above. */
int stack_ids__name(struct stack_ids *ids, struct stacks *stacks, const struct ev_method *event);

/* Marks the files on the stacks in used[], by index. */
void stack_ids__mark_files(const struct stack_ids *ids, uint8_t *used);
void stack__mark_files(const struct stack *stack, uint8_t *used);	/* accepts NULL */

const struct stack *stack_ids__find(const struct stack_ids *ids, uint64_t id);	/* or NULL */
/* The only stack, up to its site id, that begins like this; NULL: none, or several. */
const struct stack *stack_ids__find_beginning(const struct stack_ids *ids, uint64_t hash);

/* A reference: a stack is freed with its last one. NULL is accepted by both. */
const struct stack *stack__ref(const struct stack *stack);
void stack__unref(const struct stack *stack, struct stacks *stacks);

/* `site_id` of a stack and a kind: what world.h calls site.id. Never 0. */
uint64_t site_id_of(uint64_t stack_site_id, unsigned int kind);

#endif /* UNFREED_MODEL_STACKS_H */
