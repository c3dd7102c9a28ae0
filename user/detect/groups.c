/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * A cgroup's limit is reached by all of its processes together, also by those that are not watched: so
 * its time is told by the readings of the whole group's usage. What its processes are known to keep may
 * foretell it sooner.
 */
#include "user/detect/groups.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/detect/build_frames.h"
#include "user/detect/share.h"

/* NULL: no memory. */
static struct report_group *group_of(struct report *report, const char *path,
				     const struct report_limit *limit)
{
	struct report_group *group, *grown;

	for (size_t i = 0; i < report->n_groups; i++) {
		group = &report->groups[i];
		if (group->limit.kind == limit->kind && !strcmp(group->group, path))
			return group;
	}
	grown = realloc(report->groups, (report->n_groups + 1) * sizeof(*grown));
	if (!grown)
		return NULL;
	report->groups = grown;
	group = &grown[report->n_groups];
	*group = (struct report_group){ .limit = *limit };
	group->limit.seconds_low = group->limit.seconds_high = -1;
	if (report_copy_string(&group->group, path) < 0)
		return NULL;
	report->n_groups++;
	return group;
}

/* The earliest that any of its processes foretells; the latest that the group's own readings do. */
static void group__foretell(struct report_group *group, const struct report_limit *limit)
{
	struct report_limit *known = &group->limit;

	if (limit->bytes_left < known->bytes_left)
		known->bytes_left = limit->bytes_left;
	if (limit->seconds_low < 0)
		return;
	if (known->seconds_low < 0 || limit->seconds_low < known->seconds_low)
		known->seconds_low = limit->seconds_low;
	if (known->seconds_high < 0 || limit->seconds_high < known->seconds_high)
		known->seconds_high = limit->seconds_high;
}

static int group__add(struct report_group *group, uint32_t pid)
{
	uint32_t *grown = realloc(group->pids, (group->n_pids + 1) * sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	group->pids = grown;
	group->pids[group->n_pids++] = pid;
	return 0;
}

int report__add_groups(struct report *report, const struct tracked *tracked)
{
	const struct process *p = tracked->process;
	struct growth growth = tracked__growth(tracked);

	for (unsigned int kind = EV_LIMIT_CGROUP_MAX; kind <= EV_LIMIT_CGROUP_HIGH; kind++) {
		struct report_limit limit, whole;
		struct report_group *group;

		if (p->exited || !p->groups[kind] || !*p->groups[kind] ||
		    !tracked__limit_of(tracked, &growth, kind, &limit))
			continue;
		group = group_of(report, p->groups[kind], &limit);
		if (!group || group__add(group, p->tgid) < 0)
			return -ENOMEM;
		group__foretell(group, &limit);
		if (tracked__group_limit(tracked, kind, &whole))
			group__foretell(group, &whole);
	}
	return 0;
}

static int compare_groups(const void *a, const void *b)
{
	const struct report_group *x = a, *y = b;

	if (limit__is_nearer(&x->limit, &y->limit))
		return -1;
	if (limit__is_nearer(&y->limit, &x->limit))
		return 1;
	return x->limit.kind != y->limit.kind ? (x->limit.kind > y->limit.kind ? 1 : -1) :
						strcmp(x->group, y->group);
}

void report__sort_groups(struct report *report)
{
	if (report->n_groups)
		qsort(report->groups, report->n_groups, sizeof(*report->groups), compare_groups);
}
