/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Which processes are JVMs. A process is looked at when a pc without a file turns up on one of its
 * stacks: then its libjvm.so is searched for and its tables are read, once. That it has none is
 * kept too, until it maps code again.
 *
 * A process can make us ask without end: by code that it maps and unmaps, by stacks that are all
 * different. So there is a budget for each question, and one for all the questions of a second.
 */
#include "user/unwind/hotspot.h"

#include <errno.h>
#include <stdlib.h>

#include "user/base/loop.h"

struct jvm_row {
	uint32_t tgid;
	uint32_t pad;
	struct jvm *jvm;
};

void jvms__init(struct jvms *jvms, const struct unwind_target_ops *ops, void *ops_ctx)
{
	jvms->ops = ops;
	jvms->ops_ctx = ops_ctx;
	table__init(&jvms->by_tgid, 8, sizeof(struct jvm_row));
}

void jvms__fini(struct jvms *jvms)
{
	struct jvm_row *row;
	size_t cursor = 0;

	while ((row = table__next(&jvms->by_tgid, &cursor)))
		free(row->jvm);
	table__fini(&jvms->by_tgid);
}

struct jvm *jvms__find(const struct jvms *jvms, uint32_t tgid)
{
	uint32_t key[2] = { tgid, 0 };
	struct jvm_row *row = table__find(&jvms->by_tgid, key);

	return row ? row->jvm : NULL;
}

void jvms__forget(struct jvms *jvms, uint32_t tgid)
{
	uint32_t key[2] = { tgid, 0 };

	free(jvms__find(jvms, tgid));
	table__remove(&jvms->by_tgid, key);
}

void jvms__code_changed(struct jvms *jvms, uint32_t tgid, uint64_t start, uint64_t end)
{
	struct jvm *jvm = jvms__find(jvms, tgid);

	if (jvm && (jvm->state != JVM_READY || (jvm->library >= start && jvm->library < end)))
		jvm->state = JVM_UNKNOWN;
}

struct remote jvms__remote(const struct jvms *jvms, uint32_t tgid, uint64_t budget)
{
	return (struct remote){
		.ops = jvms->ops,
		.ops_ctx = jvms->ops_ctx,
		.tgid = tgid,
		.budget = budget,
		.given = budget,
	};
}

bool jvm__ask(const struct jvms *jvms, struct jvm *jvm, uint64_t budget, struct remote *out)
{
	uint64_t now = clock_monotonic_ns();

	if (!jvm->second_ns || now - jvm->second_ns >= 1000000000) {
		jvm->second_ns = now;
		jvm->left = HOTSPOT_PER_SECOND;
	}
	if (jvm->left < budget) {
		jvm->starved = true;
		return false;
	}
	*out = jvms__remote(jvms, jvm->tgid, budget);
	return true;
}

void jvm__asked(struct jvm *jvm, const struct remote *remote)
{
	jvm->left -= remote->given - remote->budget;
}

static enum jvm_state look_inside(struct jvm *jvm, struct remote *remote)
{
	jvm->tables = (struct hotspot_tables){};
	if (!hotspot_tables__load(&jvm->tables, remote, jvm->library))
		return JVM_UNUSABLE;
	jvm__read_heaps(jvm, remote);
	return JVM_READY;
}

static void look_at(const struct jvms *jvms, struct jvm *jvm)
{
	struct remote remote;
	struct unwind_map map;

	if (!jvm__ask(jvms, jvm, HOTSPOT_TABLES_BUDGET, &remote))
		return;
	if (!jvms->ops->find_file ||
	    jvms->ops->find_file(jvms->ops_ctx, jvm->tgid, "libjvm.so", &map)) {
		remote.budget -= HOTSPOT_MAPS_COST;
		jvm->state = JVM_NONE;
	} else {
		jvm->library = map.start;
		jvm->state = look_inside(jvm, &remote);
	}
	jvm__asked(jvm, &remote);
}

int jvms__get(struct jvms *jvms, uint32_t tgid, struct jvm **out)
{
	uint32_t key[2] = { tgid, 0 };
	struct jvm_row *row;

	*out = jvms__find(jvms, tgid);
	if (*out && (*out)->state == JVM_UNKNOWN)
		look_at(jvms, *out);
	if (*out)
		return 0;
	*out = calloc(1, sizeof(**out));
	row = *out ? table__insert(&jvms->by_tgid, key, NULL) : NULL;
	if (!row) {
		free(*out);
		return -ENOMEM;
	}
	row->jvm = *out;
	(*out)->tgid = tgid;
	look_at(jvms, *out);
	return 0;
}

bool jvm__pointer(const struct jvm *jvm, struct remote *remote, uint64_t at,
		  enum hotspot_field field, uint64_t *out)
{
	*out = 0;
	return hotspot_tables__has(&jvm->tables, field) &&
	       remote__word(remote, at + jvm->tables.fields[field].at, out);
}

bool jvm__number(const struct jvm *jvm, struct remote *remote, uint64_t at,
		 enum hotspot_field field, int64_t *out)
{
	uint64_t value;
	uint8_t sz = jvm->tables.fields[field].sz;

	*out = 0;
	if (sz == 8)	/* a type we have no name for: all integers asked for are of 4 bytes */
		sz = 4;
	if (!sz || !remote__number(remote, at + jvm->tables.fields[field].at, sz, &value))
		return false;
	*out = sz == 4 ? (int32_t)value : (int64_t)value;
	return true;
}
