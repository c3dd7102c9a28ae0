/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Files come and go for months; what is kept of them must not pile up. Nothing counts who uses a file
 * (that would be another number to keep for each region): when twice as many are known as were left
 * the last time, all regions and stacks are gone through, and what none of them names is forgotten.
 * So a file costs a few visits of each region over its life, whatever its number.
 *
 * What a file is called comes once an hour (EV_FILE) while it turns up on stacks. A file is therefore
 * kept for two hours after the last time, or one that turns up again would have no name.
 */
#include <errno.h>
#include <stdlib.h>

#include "user/base/cleanup.h"
#include "user/model/state.h"

#define KEPT_NS (2 * 3600 * 1000000000ull)

static void mark(uint8_t *used, const struct region_entry *e)
{
	if (e->file != REGION_NO_FILE)
		used[e->file] = 1;
}

static void mark_list(uint8_t *used, const struct region_list *list)
{
	size_t i;

	for (i = 0; i < list->n; i++)
		mark(used, &list->e[i]);
}

static void mark_space(uint8_t *used, const struct space *space)
{
	struct region_pos pos = region_map__seek(&space->map, 0);
	const struct pending *pending;
	const struct region_entry *e;
	size_t cursor = 0;

	for (; (e = region_map__at(&space->map, pos)); region_map__next(&space->map, &pos))
		mark(used, e);
	while ((pending = table__next(&space->pending, &cursor))) {
		mark_list(used, &pending->pieces);
		mark_list(used, &pending->target);
	}
}

static void mark_process(uint8_t *used, const struct proc *proc)
{
	const struct site *site;

	if (proc->space && proc->space->owner == proc)
		mark_space(used, proc->space);
	for (site = proc->pub.sites; site; site = site->next)
		stack__mark_files(site->stack, used);
	stack_ids__mark_files(&proc->stack_ids, used);
	site_files__mark(&proc->sites.files, used);
}

int world__sweep_files(struct world *world)
{
	cleanup_free uint8_t *used = calloc(world->files.n ? world->files.n : 1, 1);
	const struct process *p;

	if (!used)
		return -ENOMEM;
	for (p = world__processes(world); p; p = p->next)
		mark_process(used, proc_of(p));
	files__sweep(&world->files, used, world->now_ns > KEPT_NS ? world->now_ns - KEPT_NS : 0);
	return 0;
}
