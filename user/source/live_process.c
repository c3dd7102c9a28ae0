/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The live source's view of processes: who they are, what they map, what memory they use.
 *
 * A reading of the map file is put where the source stands in the stream of records. It is newer
 * than all records before it and older than some after it, and those, applied on top, bring the
 * model to the truth address by address: the last word on each address is the newest one.
 */
#include "user/source/live_private.h"

#include <fcntl.h>
#include <limits.h>
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
	p->stacks = live->opts.stacks;
	table__init(&p->rules, sizeof(struct unwind_key), sizeof(struct unwind_key));
	table__init(&p->named, sizeof(struct named_frame), sizeof(struct named_frame));
	slot->process = p;
	return p;
}

static void free_watched(struct watched *p)
{
	code_maps__fini(&p->code);
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

/* Whose own frames have no names: what a runtime compiles or interprets is in no file. */
static void note_runtime(struct live *live, const struct watched *p, const char *runtime)
{
	static const char *const compiled[] = { "openj9", "node", "dotnet", "erlang" };

	for (size_t i = 0; i < sizeof(compiled) / sizeof(compiled[0]); i++)
		if (!strncmp(runtime, compiled[i], strlen(compiled[i])))
			live_note(live, p->tgid, "%s: frames of the code it compiles or interprets have "
				  "no names, only addresses", runtime);
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
	note_runtime(live, p, runtime);
	if (facts.is_32bit)
		live_note(live, p->tgid, "%s is a 32-bit program: its system calls pass other "
			  "tracepoints and are not seen", facts.comm);
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

void live_path_of(int fd, char *path)
{
	char link[64];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, PATH_MAX - 1);
	path[n > 0 ? n : 0] = '\0';
}

/* Probes the file behind an executable mapping unless it was looked at before. */
static int probe_mapping(struct live *live, pid_t pid, const struct procfs_map *map)
{
	cleanup_fd int fd = -1;
	char path[PATH_MAX];
	int r;

	if (live->opts.regions_only || !map->executable || !map->ino ||
	    file_probes__knows(live->probes, map->dev, map->ino))
		return 0;
	r = procfs__open_mapped(live->procfs, pid, map, &fd);
	if (r)
		return r == -ENOMEM ? r : 0;	/* changed meanwhile, or no regular file */
	live_path_of(fd, path);
	r = file_probes__add(live->probes, map->dev, map->ino, fd, path);
	return r < 0 ? r : 0;
}

struct probing {
	struct live *live;
	pid_t pid;
};

static int probe_map(void *ctx, const struct procfs_map *map)
{
	struct probing *probing = ctx;

	return probe_mapping(probing->live, probing->pid, map);
}

int live_probe_process(struct live *live, pid_t pid)
{
	struct probing probing = { .live = live, .pid = pid };
	int r = procfs__each_map(live->procfs, pid, probe_map, &probing);

	return r == -ENOMEM ? r : 0;
}

struct own_mapping {
	uint64_t addr;
	uint64_t ino;
	uint32_t dev;
};

static int find_own_mapping(void *ctx, const struct procfs_map *map)
{
	struct own_mapping *own = ctx;

	if (map->start != own->addr)
		return 0;
	own->ino = map->ino;
	own->dev = map->dev;
	return 1;
}

/* A file is known by what maps show of it, which is not always what stat() says (overlayfs, btrfs):
 * so it is mapped, and looked up in our own map file. */
static void probe_file(struct live *live, int fd, const char *path)
{
	size_t page_sz = (size_t)sysconf(_SC_PAGESIZE);
	struct own_mapping own = {};
	void *page;
	int r;

	page = mmap(NULL, page_sz, PROT_READ, MAP_PRIVATE, fd, 0);
	if (page == MAP_FAILED)
		return;
	own.addr = (uintptr_t)page;
	r = procfs__each_map(live->procfs, (pid_t)live->self_tgid, find_own_mapping, &own);
	munmap(page, page_sz);
	if (r == 1 && own.ino)
		file_probes__add(live->probes, own.dev, own.ino, fd, path);
}

void live_probe_path(struct live *live, pid_t pid, const char *path)
{
	cleanup_fd int root = -1, fd = -1;
	char root_path[32] = "/";

	if (pid)
		snprintf(root_path, sizeof(root_path), "/proc/%d/root", pid);
	root = open(root_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root >= 0 && !procfs__open_below(root, path, &fd))
		probe_file(live, fd, path);
}

void live_probe_system_zlib(struct live *live, pid_t pid)
{
	static const char *const usual[] = {
		"/lib/x86_64-linux-gnu/libz.so.1", "/usr/lib/x86_64-linux-gnu/libz.so.1",
		"/usr/lib64/libz.so.1", "/lib64/libz.so.1", "/usr/lib/libz.so.1", "/lib/libz.so.1",
	};

	for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++)
		live_probe_path(live, pid, usual[i]);
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
	r = probe_mapping(s->live, (pid_t)s->process->tgid, map);
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

int live_seed(struct live *live, struct watched *p, enum ev_seed_reason reason)
{
	struct ev_seed ev = { .reason = reason };
	int r;

	live_header(&ev.h, EV_SEED_BEGIN, sizeof(ev), p->tgid);
	r = read_maps(live, p, &ev);
	p->seeded = true;
	p->heal_due_ns = 0;
	if (live->drained_ns > p->lost_ns)	/* else something lost may lie behind this */
		p->lost_ns = p->first_lost_ns = 0;
	if (r) {	/* half a reading says nothing about what it did not name: no SEED_END */
		if (r == -ESRCH)
			return LIVE_GONE;
		return r == -EACCES || r == -EPERM ? LIVE_NOT_PERMITTED : r;
	}
	if (reason == EV_SEED_HEAL && !p->attaching)
		live->trust.healed++;
	p->attaching = false;
	p->read_end_ns = clock_monotonic_ns();
	live_header(&ev.h, EV_SEED_END, sizeof(ev), p->tgid);
	live_emit(live, &ev.h);
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
	probe_mapping(live, (pid_t)p->tgid, &map);
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
	p->seeded = p->facts_sent = p->runtime_told = p->trouble_told = false;
	table__clear(&p->named);
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

void live_send_memory(struct live *live, struct watched *p)
{
	struct ev_memory ev = {};

	p->memory_read_ns = clock_monotonic_ns();
	if (procfs__memory(live->procfs, (pid_t)p->tgid, false, &ev))
		return;	/* gone, or no memory of its own */
	live_header(&ev.h, EV_MEMORY, sizeof(ev), p->tgid);
	live_emit(live, &ev.h);
}
