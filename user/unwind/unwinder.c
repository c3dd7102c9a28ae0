/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The front of the unwinder: finds what is mapped at a pc, asks the providers, and keeps their
 * answers by (file, address in it), so that a library's rules are worked out once for all
 * processes. Rules of code that came from no file are not kept: the code may change.
 *
 * The table of rules is thrown away when it is full: it is rebuilt in microseconds a rule, and
 * nothing needs to know which of them are in use. A file that was evicted or replaced gets a new
 * serial number when it is read again, so its old rules are never found.
 */
#include "user/unwind/unwind.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "user/base/table.h"
#include "user/unwind/hotspot.h"
#include "user/unwind/module.h"
#include "user/unwind/providers.h"
#include "user/unwind/walk.h"

#define DEFAULT_MAX_FILES 128
#define DEFAULT_MAX_RULES 65536		/* 3 MB */

struct kept_key {
	uint64_t serial;	/* of the module */
	uint64_t vaddr;
	uint64_t innermost;	/* a PLT stub's rule depends on the pc itself, not on pc - 1 */
};

struct kept_rule {
	struct kept_key key;
	struct unwind_rule rule;
};

struct unwinder {
	struct modules modules;
	struct jvms jvms;
	struct table rules;	/* struct kept_rule */
	size_t max_rules;
	struct unwinder_stats stats;
};

/* Each takes what the ones before it do not. */
static const struct unwind_provider *const providers[] = {
	&cfi_provider,
	&hotspot_provider,
	&trampoline_provider,
	&frame_pointer_provider,
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

int unwinder__new(struct unwinder **out, const struct unwinder_opts *opts)
{
	struct unwinder *unwinder = calloc(1, sizeof(*unwinder));

	if (!unwinder)
		return -ENOMEM;
	modules__init(&unwinder->modules, opts->ops, opts->ops_ctx,
		      opts->max_files ? opts->max_files : DEFAULT_MAX_FILES);
	jvms__init(&unwinder->jvms, opts->ops, opts->ops_ctx);
	table__init(&unwinder->rules, sizeof(struct kept_key), sizeof(struct kept_rule));
	unwinder->max_rules = opts->max_rules ? opts->max_rules : DEFAULT_MAX_RULES;
	*out = unwinder;
	return 0;
}

struct unwinder *unwinder__free(struct unwinder *unwinder)
{
	if (!unwinder)
		return NULL;
	modules__fini(&unwinder->modules);
	jvms__fini(&unwinder->jvms);
	table__fini(&unwinder->rules);
	free(unwinder);
	return NULL;
}

static void count_rule(struct unwinder *unwinder, const struct unwind_provider *provider,
		       const struct unwind_rule *rule)
{
	if (rule->kind == UNWIND_BROKEN)
		unwinder->stats.n_rules_broken++;
	else if (provider == &cfi_provider)
		unwinder->stats.n_rules_cfi++;
	else if (provider == &hotspot_provider)
		unwinder->stats.n_rules_hotspot++;
	else
		unwinder->stats.n_rules_frame_pointer++;
}

static int ask_providers(struct unwinder *unwinder, const struct unwind_place *place,
			 struct unwind_rule *out)
{
	size_t i;
	int r = 1;

	for (i = 0; i < sizeof(providers) / sizeof(providers[0]) && r == 1; i++) {
		r = providers[i]->rule(place, out);
		if (r == 0)
			count_rule(unwinder, providers[i], out);
	}
	return r;
}

static int keep(struct unwinder *unwinder, const struct kept_key *key,
		const struct unwind_rule *rule)
{
	struct kept_rule *kept;

	if (unwinder->rules.n >= unwinder->max_rules)
		table__clear(&unwinder->rules);
	kept = table__insert(&unwinder->rules, key, NULL);
	if (!kept)
		return -ENOMEM;
	kept->rule = *rule;
	return 0;
}

/* Executable memory at pc. -ENOENT: a walk cannot have come from there; other: nobody knows now. */
static int find_code(struct unwinder *unwinder, uint32_t tgid, uint64_t pc, struct unwind_map *map)
{
	const struct modules *modules = &unwinder->modules;
	int again, r;

	for (again = 0; again < 2; again++) {
		r = modules->ops->find_map(modules->ops_ctx, tgid, pc, again, map);
		if (r || (map->executable && pc >= map->start && pc < map->end))
			return r;
	}
	return -ENOENT;
}

int unwinder__rule(struct unwinder *unwinder, uint32_t tgid, uint64_t pc, bool innermost,
		   struct unwind_rule *out)
{
	uint64_t code = innermost ? pc : pc - 1;
	struct unwind_place place = {
		.tgid = tgid,
		.innermost = innermost,
		.pc = pc,
		.jvms = &unwinder->jvms,
	};
	struct unwind_module *module;
	struct kept_key key = { .innermost = innermost };
	const struct kept_rule *kept;
	struct unwind_map map;
	int r;

	*out = (struct unwind_rule){ .kind = UNWIND_BROKEN };
	r = find_code(unwinder, tgid, code, &map);
	if (r) {
		unwinder->stats.n_rules_broken++;
		return r == -ENOMEM ? r : r != -ENOENT;
	}
	r = modules__get(&unwinder->modules, tgid, &map, &module);
	if (r)
		return r;
	if (!module || !image__vaddr(&module->image, map.file_off + (code - map.start), &key.vaddr)) {
		r = ask_providers(unwinder, &place, out);
		return r < 0 ? r : r != 0;
	}
	key.serial = module->serial;
	kept = table__find(&unwinder->rules, &key);
	if (kept) {
		*out = kept->rule;
		return 0;
	}
	place.module = module;
	place.vaddr = key.vaddr;
	r = ask_providers(unwinder, &place, out);
	return r ? r : keep(unwinder, &key, out);
}

struct answer {
	struct unwinder *unwinder;
	uint32_t tgid;
	const struct unwind_walker *walker;
};

static int answer_rule(void *ctx, const struct unwind_key *key, bool again, struct unwind_rule *out)
{
	struct answer *answer = ctx;
	const struct unwind_walker *walker = answer->walker;
	int r;

	if (!again && walker->known && walker->known(walker->ctx, key, out))
		return 0;
	r = unwinder__rule(answer->unwinder, key->tgid, key->pc & ~UNWIND_PC_INNERMOST,
			   key->pc & UNWIND_PC_INNERMOST, out);
	if (r == 0)
		walker->learn(walker->ctx, key, out);
	return r < 0 ? r : 0;
}

static int answer_read(void *ctx, uint64_t addr, void *buf, size_t sz)
{
	const struct answer *answer = ctx;
	const struct modules *modules = &answer->unwinder->modules;

	return modules->ops->read(modules->ops_ctx, answer->tgid, addr, buf, sz);
}

int unwinder__answer(struct unwinder *unwinder, const struct ev_miss *miss,
		     const struct unwind_walker *walker, struct ev_stack *out)
{
	static const struct walk_ops ops = { .rule = answer_rule, .read = answer_read };
	struct answer answer = {
		.unwinder = unwinder,
		.tgid = miss->h.tgid,
		.walker = walker,
	};
	uint64_t begin = now_ns();
	int r;

	r = walk__run(miss, &ops, &answer, out);
	unwinder->stats.n_answers++;
	if (!r && out->end == EV_STACK_BROKEN)
		unwinder->stats.n_broken++;
	unwinder->stats.ns_spent += now_ns() - begin;
	return r;
}

void unwinder__forget(struct unwinder *unwinder, uint32_t tgid)
{
	modules__forget(&unwinder->modules, tgid);
	jvms__forget(&unwinder->jvms, tgid);
}

void unwinder__code_changed(struct unwinder *unwinder, uint32_t tgid, uint64_t start, uint64_t end)
{
	modules__forget(&unwinder->modules, tgid);
	jvms__code_changed(&unwinder->jvms, tgid, start, end);
}

size_t unwinder__name(struct unwinder *unwinder, uint32_t tgid, const struct ev_frame *frame,
		      struct unwind_name *out, size_t max)
{
	struct jvm *jvm = jvms__find(&unwinder->jvms, tgid);
	struct remote remote;
	size_t n;

	if (!jvm || jvm->state != JVM_READY ||
	    !jvm__ask(&unwinder->jvms, jvm, HOTSPOT_BUDGET, &remote))
		return 0;
	n = jvm__name_frame(jvm, &remote, frame, out, max);
	jvm__asked(jvm, &remote);
	return n;
}

const char *unwinder__trouble(const struct unwinder *unwinder, uint32_t tgid)
{
	const struct jvm *jvm = jvms__find(&unwinder->jvms, tgid);

	if (jvm && jvm->state == JVM_UNUSABLE)
		return "its libjvm.so does not describe itself as HotSpot's does: Java frames have no "
		       "names, and stacks may end at them";
	if (jvm && jvm->starved)
		return "its JVM would have to be asked for more than is allowed in a second: some Java "
		       "frames have no names, and some stacks end at them";
	return NULL;
}

struct unwinder_stats unwinder__stats(const struct unwinder *unwinder)
{
	struct unwinder_stats stats = unwinder->stats;

	stats.n_files = unwinder->modules.n;
	stats.n_rules_kept = unwinder->rules.n;
	return stats;
}
