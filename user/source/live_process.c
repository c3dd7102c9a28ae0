/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The live source's view of processes: who they are, what they map, what memory they use.
 *
 * A reading of the map file is put where the source stands in the stream of records. It is newer
 * than all records before it and older than some after it, and those, applied on top, bring the
 * model to the truth address by address: the last word on each address is the newest one.
 */
#include "user/source/live_private.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "user/base/cleanup.h"
#include "user/base/error.h"
#include "user/source/procfs_dir.h"
#include "user/wire/decode.h"

struct watched *live_find(struct live *live, uint32_t tgid)
{
	uint32_t key[2] = { tgid, 0 };
	struct process_slot *slot = table__find(&live->processes, key);

	return slot ? slot->process : NULL;
}

struct watched *live_watch(struct live *live, uint32_t tgid)
{
	uint32_t key[2] = { tgid, 0 };
	struct process_slot *slot;
	struct watched *p;

	p = live_find(live, tgid);
	if (p)
		return p;
	p = calloc(1, sizeof(*p));
	slot = p ? table__insert(&live->processes, key, NULL) : NULL;
	if (!slot) {
		free(p);
		return NULL;
	}
	p->tgid = tgid;
	p->since_ns = clock_monotonic_ns();
	p->cpu_ns = UINT64_MAX;
	p->stacks = live->opts.stacks;
	table__init(&p->rules, sizeof(struct unwind_key), sizeof(struct unwind_key));
	table__init(&p->named, sizeof(struct named_frame), sizeof(struct named_frame));
	slot->process = p;
	return p;
}

static void free_watched(struct watched *p)
{
	code_maps__fini(&p->code);
	live_forget_recent(p);
	table__fini(&p->rules);
	table__fini(&p->named);
	free(p);
}

void live_forget(struct live *live, uint32_t tgid)
{
	uint32_t key[2] = { tgid, 0 };
	struct watched *p = live_find(live, tgid);

	if (!p)
		return;
	live_drop_rules(live, p, 0, UINT64_MAX);
	unwinder__forget(live->unwinder, tgid);
	perf_maps__forget(live->perf_maps, (pid_t)tgid);
	table__remove(&live->processes, key);
	free_watched(p);
}

void live_forget_all(struct live *live)
{
	struct process_slot *slot;
	size_t cursor = 0;

	while ((slot = table__next(&live->processes, &cursor)))
		free_watched(slot->process);
	table__fini(&live->processes);
}

int live_send_facts(struct live *live, struct watched *p)
{
	struct ev_process *ev = (struct ev_process *)live->buffer;
	struct procfs_facts facts;
	char runtime[64] = "";
	size_t sz;
	int r;

	r = procfs__facts(live->procfs, (pid_t)p->tgid, &facts);
	if (r == -ESRCH)
		return LIVE_GONE;
	if (r == PROCFS_NOT_A_LEADER)
		return LIVE_THREAD;
	if (r == -EACCES || r == -EPERM)
		return LIVE_NOT_PERMITTED;
	if (r)
		return r;
	if (facts.kernel_thread)
		return LIVE_KERNEL_THREAD;
	if (p->seeded)	/* its libraries are mapped: it can be told what it is */
		procfs__runtime(live->procfs, (pid_t)p->tgid, runtime, sizeof(runtime));
	sz = ev_write_process(live->buffer, sizeof(live->buffer),
			      &(struct ev_process_text){ .comm = facts.comm,
							 .cmdline = facts.cmdline,
							 .unit = facts.unit,
							 .runtime = runtime });
	if (!sz)
		return 0;
	if (!p->start_ns)
		p->start_ns = facts.start_ns;
	p->image = facts.image;
	ev->start_ns = p->start_ns;
	ev->ppid = (uint32_t)facts.ppid;
	ev->uid = facts.uid;
	live_header(&ev->h, EV_PROCESS, (uint32_t)sz, p->tgid);
	p->facts_sent = true;
	p->is_32bit = facts.is_32bit;
	if (p->is_32bit) {
		p->has_events = true;
		live_note(live, p->tgid, "%s is a 32-bit program: its system calls pass other tracepoints "
			  "and are not seen; its map is read every second instead, which tells what it "
			  "holds, and not where it took it", facts.comm);
	}
	live_emit(live, &ev->h);
	return 0;
}

/* --- map files ------------------------------------------------------------------------------- */

static int remember_code(struct watched *p, const struct procfs_map *map)
{
	if (!map->executable)
		return 0;
	return code_maps__insert(&p->code, &(struct unwind_map){
						   .start = map->start,
						   .end = map->end,
						   .file_off = map->file_off,
						   .ino = map->ino,
						   .dev = map->dev,
						   .executable = true,
						   .vdso = !strcmp(map->path, "[vdso]"),
					   });
}

struct seeding {
	struct live *live;
	struct watched *process;
	const struct ev_seed *begin;	/* to be emitted before the first line; NULL: emit nothing */
	bool begun;
};

static int on_map(void *ctx, const struct procfs_map *map)
{
	struct seeding *s = ctx;
	struct ev_region ev = {
		.start = map->start,
		.end = map->end,
		.file_off = map->file_off,
		.ino = map->ino,
		.dev = map->dev,
		.prot = map->prot,
		.flags = map->flags,
	};
	int r;

	r = remember_code(s->process, map);
	if (r || !s->begin)
		return r;
	if (!s->begun)
		live_emit(s->live, &s->begin->h);
	s->begun = true;
	r = live_probe_mapping(s->live, (pid_t)s->process->tgid, map);
	if (r)
		return r;
	ev.fs_magic = live_fs_magic(s->live, (pid_t)s->process->tgid, map);
	live_header(&ev.h, EV_REGION, sizeof(ev), s->process->tgid);
	live_emit(s->live, &ev.h);
	return 0;
}

static int read_maps(struct live *live, struct watched *p, const struct ev_seed *begin)
{
	struct seeding s = { .live = live, .process = p, .begin = begin };
	int r;

	live->fs_memo.known = false;
	code_maps__clear(&p->code);
	p->code.read_ns = clock_monotonic_ns();
	r = procfs__each_map(live->procfs, (pid_t)p->tgid, on_map, &s);
	if (r < 0 && r != -ESRCH)
		live->own_losses[EV_LOSS_MAPS_READ]++;
	return r;
}

int live_read_maps(struct live *live, struct watched *p)
{
	return read_maps(live, p, NULL);
}

/* All of it is of the time at which it begins: live_order.c. */
int live_seed(struct live *live, struct watched *p, enum ev_seed_reason reason)
{
	struct ev_seed ev = { .reason = p->attaching ? EV_SEED_ATTACH : reason };
	int r;

	live_header(&ev.h, EV_SEED_BEGIN, sizeof(ev), p->tgid);
	p->read_begin_ns = live->stamp_ns = ev.h.time_ns;
	r = read_maps(live, p, &ev);
	p->seeded = true;
	p->heal_due_ns = 0;
	if (!r) {
		live_header(&ev.h, EV_SEED_END, sizeof(ev), p->tgid);
		live_emit(live, &ev.h);
	}
	live->stamp_ns = 0;
	if (r) {	/* half a reading says nothing about what it did not name: no SEED_END */
		if (r == -ESRCH)
			return LIVE_GONE;
		return r == -EACCES || r == -EPERM ? LIVE_NOT_PERMITTED : r;
	}
	if (live->drained_ns > p->lost_ns)	/* else something lost may lie behind this */
		p->lost_ns = p->first_lost_ns = 0;
	if (reason == EV_SEED_HEAL && !p->attaching)
		live->trust.healed++;
	p->attaching = false;
	p->read_end_ns = ev.h.time_ns;
	live_repeat_recent(live, p);
	return 0;
}

void live_mapped(struct live *live, struct watched *p, const struct ev_mmap *ev)
{
	struct procfs_map map = {
		.start = ev->addr,
		.end = ev->addr + ev->len,
		.file_off = ev->file_off,
		.ino = ev->ino,
		.dev = ev->dev,
		.executable = true,
		.path = "",
	};

	if (!(ev->prot & PROT_EXEC))
		return;
	if (p->code.read_ns)	/* else the whole map file is read when it is needed */
		remember_code(p, &map);
	live_probe_mapping(live, (pid_t)p->tgid, &map);
}

static int find_mapping(void *ctx, const struct procfs_map *map)
{
	uint64_t *span = ctx;

	if (map->start != span[0])
		return 0;
	span[1] = map->end - map->start;
	return 1;
}

uint64_t live_mapping_len(struct live *live, struct watched *p, uint64_t addr)
{
	uint64_t span[2] = { addr, 0 };

	procfs__each_map(live->procfs, (pid_t)p->tgid, find_mapping, span);
	return span[1];
}

#define MAX_EXES 16384		/* when full it starts over */

struct announced_exe {
	uint64_t ino;
	uint32_t dev;
	uint32_t pad;
};

void live_look_at_exe(struct live *live, struct watched *p)
{
	struct announced_exe key = {};
	struct stat st;
	char path[32];
	bool is_new;

	snprintf(path, sizeof(path), "/proc/%u/exe", p->tgid);
	if (stat(path, &st))
		return;
	key.ino = st.st_ino;
	key.dev = (uint32_t)st.st_dev;
	live_bound(live, &live->exes, MAX_EXES);
	if (table__insert(&live->exes, &key, &is_new) && is_new)
		live_seed(live, p, EV_SEED_EXEC);
}

int live_on_exec(struct live *live, struct watched *p, const struct ev_exec *ev)
{
	int r;

	live_drop_rules(live, p, 0, UINT64_MAX);
	unwinder__forget(live->unwinder, p->tgid);
	p->start_ns = ev->start_ns;
	p->since_ns = clock_monotonic_ns();
	p->seeded = p->facts_sent = p->runtime_told = p->trouble_told = p->unnamed_told = false;
	table__clear(&p->named);
	perf_maps__forget(live->perf_maps, (pid_t)p->tgid);
	code_maps__clear(&p->code);
	if (!live->opts.stacks) {	/* the service: whoever lives on is looked at later */
		live_look_at_exe(live, p);
		return 0;
	}
	r = live_seed(live, p, EV_SEED_EXEC);
	if (!r)
		r = live_send_facts(live, p);
	return r < 0 ? r : 0;	/* a condition: gone already, its exit follows */
}

_Static_assert(sizeof(struct live_range) == sizeof(struct procfs_range) &&
	       offsetof(struct live_range, end) == offsetof(struct procfs_range, end), "one shape");

int live__resident(struct live *live, uint32_t tgid, const struct live_range *ranges, size_t n,
		   uint64_t *bytes_left)
{
	uint64_t looked_at = *bytes_left, resident;
	struct ev_resident ev = {};

	if (!n || procfs__resident(live->procfs, (pid_t)tgid, (const struct procfs_range *)ranges, n,
				   &looked_at, &resident))
		return 0;
	*bytes_left -= looked_at;
	ev.addr = ranges[0].start;
	ev.looked_at = looked_at;
	ev.resident = resident;
	live_header(&ev.h, EV_RESIDENT, sizeof(ev), tgid);
	live_emit(live, &ev.h);
	return live->stop < 0 ? live->stop : 0;
}
