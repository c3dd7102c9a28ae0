/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The live source's half of the unwinding (bpf/stack.bpf.h has the other): answers the walker's
 * questions, keeps its rule map in step with what the processes map, announces the files that turn
 * up on stacks while they can still be opened, and counts how good the stacks are.
 *
 * An EV_MISS is followed in the ring by the event of the same thread that raised it, which carries
 * the miss's token for a stack. The miss is answered first, so the event gets its full stack too.
 */
#include "user/source/live_private.h"

#include <limits.h>
#include <string.h>
#include <sys/uio.h>

#include "user/base/cleanup.h"
#include "user/base/error.h"
#include "user/symbol/symbol.h"
#include "user/wire/decode.h"

/* Tables that start over when they are full. */
#define MAX_KNOWN_STACKS 200000
#define MAX_ANNOUNCED 16384
#define MAX_ANSWERS 4096		/* threads whose question was answered and whose event is awaited */
#define ANNOUNCE_AGAIN_NS 3600000000000ull
#define MAPS_AGAIN_NS 20000000ull	/* a map file is read again for a pc at most this often */

struct known_stack {
	uint64_t id;
	uint64_t complete;
};

struct answer {
	uint32_t tid;
	uint32_t pad;
	uint64_t token, stack;
	uint64_t is_partial;	/* `stack` is the hash of a beginning */
};
_Static_assert(sizeof(struct answer) == LIVE_ANSWER_SZ, "as live.c makes the table");

struct announced_file {
	uint64_t ino;
	uint32_t dev;
	uint32_t pad;
	uint64_t time_ns;
};
_Static_assert(sizeof(struct announced_file) == LIVE_ANNOUNCED_SZ, "as live.c makes the table");

/* --- what the unwinder asks of us ------------------------------------------------------------ */

static int find_map(void *ctx, uint32_t tgid, uint64_t pc, bool again, struct unwind_map *out)
{
	struct live *live = ctx;
	struct watched *p = live_find(live, tgid);
	const struct unwind_map *map;
	uint64_t now;
	int r;

	if (!p)
		return -ENOENT;
	map = again ? NULL : code_maps__find(&p->code, pc);
	if (!map) {
		now = clock_monotonic_ns();
		if (p->code.read_ns && now - p->code.read_ns < MAPS_AGAIN_NS)
			return -EAGAIN;	/* -ENOENT would be learnt for good */
		r = live_read_maps(live, p);
		if (r)
			return r;
		map = code_maps__find(&p->code, pc);
	}
	if (!map)
		return -ENOENT;
	*out = *map;
	return 0;
}

static int open_file(void *ctx, uint32_t tgid, const struct unwind_map *map)
{
	struct live *live = ctx;
	struct procfs_map which = {
		.start = map->start,
		.end = map->end,
		.file_off = map->file_off,
		.ino = map->ino,
		.dev = map->dev,
		.path = "",
	};
	int fd, r;

	r = procfs__open_mapped(live->procfs, tgid, &which, &fd);
	return r ? r : fd;
}

static int read_memory(void *ctx, uint32_t tgid, uint64_t addr, void *buf, size_t sz)
{
	struct iovec local = { buf, sz }, remote = { (void *)(uintptr_t)addr, sz };
	ssize_t n = process_vm_readv((pid_t)tgid, &local, 1, &remote, 1, 0);

	if (n < 0)
		return negative_errno();
	return (size_t)n == sz ? 0 : -EFAULT;
}

struct file_search {
	const char *name;
	struct unwind_map *out;
};

static int match_file(void *ctx, const struct procfs_map *map)
{
	const struct file_search *search = ctx;
	const char *last = strrchr(map->path, '/');
	size_t n = strlen(search->name);

	if (!map->ino || map->file_off || !last || strncmp(last + 1, search->name, n) != 0 ||
	    (last[1 + n] && strcmp(last + 1 + n, " (deleted)") != 0))
		return 0;
	*search->out = (struct unwind_map){
		.start = map->start,
		.end = map->end,
		.ino = map->ino,
		.dev = map->dev,
		.executable = map->executable,
	};
	return 1;
}

static int find_file(void *ctx, uint32_t tgid, const char *name, struct unwind_map *out)
{
	struct live *live = ctx;
	struct file_search search = { .name = name, .out = out };
	int r = procfs__each_map(live->procfs, (pid_t)tgid, match_file, &search);

	return r == 1 ? 0 : r < 0 ? r : -ENOENT;
}

const struct unwind_target_ops live_unwind_ops = {
	.find_map = find_map,
	.open_file = open_file,
	.read = read_memory,
	.find_file = find_file,
};

/* --- files on stacks ------------------------------------------------------------------------- */

/* A container may have debug files of its own. */
static int add_root(struct live *live, uint32_t tgid, const struct unwind_map *map)
{
	cleanup_fd int root_fd = -1;

	if (procfs__open_other_root(live->procfs, (pid_t)tgid, &root_fd))
		return 0;
	return symbolizer__add_root(live->opts.symbolizer, map->dev, map->ino, root_fd);
}

/* Writes EV_FILE and hands the file to the symbolizer, once an hour per file: the model forgets what
 * nobody maps and what it has not heard of for two. */
static int announce_file(struct live *live, uint32_t tgid, const struct unwind_map *map)
{
	struct announced_file key = { .ino = map->ino, .dev = map->dev };
	uint8_t build_id[EV_BUILD_ID_MAX];
	struct ev_file *ev = (struct ev_file *)live->buffer;
	char path[PATH_MAX];
	size_t id_sz, sz;
	bool is_new;
	struct announced_file *announced;
	uint64_t now = clock_monotonic_ns();
	int fd, r;

	live_bound(live, &live->announced, MAX_ANNOUNCED);
	announced = table__insert(&live->announced, &key, &is_new);
	if (!announced)
		return -ENOMEM;
	if (!is_new && now - announced->time_ns < ANNOUNCE_AGAIN_NS)
		return 0;
	announced->time_ns = now;
	fd = open_file(live, tgid, map);
	if (fd < 0) {
		table__remove(&live->announced, &key);	/* another process may show it */
		return 0;
	}
	live_path_of(fd, path);
	id_sz = elf_build_id(fd, build_id);
	sz = ev_write_file(live->buffer, sizeof(live->buffer), build_id, id_sz, path);
	r = symbolizer__add(live->opts.symbolizer, map->dev, map->ino, fd, path);
	if (!r)
		r = add_root(live, tgid, map);
	if (r < 0)
		return r;
	if (!sz)
		return 0;
	ev->ino = map->ino;
	ev->dev = map->dev;
	live_header(&ev->h, EV_FILE, (uint32_t)sz, tgid);
	live_emit(live, &ev->h);
	return 0;
}

static int announce_frames(struct live *live, const struct ev_stack *definition)
{
	struct watched *p = live_find(live, definition->h.tgid);

	for (size_t i = 0; p && i < definition->n_frames; i++) {
		uint64_t pc = definition->frames[i].pc;
		const struct unwind_map *map = code_maps__find(&p->code, i ? pc - 1 : pc);
		int r;

		if (!map || !map->ino)
			continue;
		r = announce_file(live, p->tgid, map);
		if (r)
			return r;
	}
	return 0;
}

static int name_frames(struct live *live, const struct ev_stack *definition)
{
	struct watched *p = live_find(live, definition->h.tgid);

	return p ? live_name_frames(live, p, definition) : 0;
}

/* live_order.c: not before the map in which its frames are looked up. */
static uint64_t stamp_of(const struct live *live, const struct ev_stack *definition)
{
	const struct watched *p = live_find((struct live *)live, definition->h.tgid);

	return p && p->read_begin_ns > definition->h.time_ns ? p->read_begin_ns :
							       definition->h.time_ns;
}

int live_on_definition(struct live *live, const struct ev_stack *raw)
{
	_Alignas(8) uint8_t buffer[UNWIND_STACK_SZ];
	struct ev_stack *definition = (struct ev_stack *)buffer;
	size_t sz = sizeof(*raw) + raw->n_frames * sizeof(raw->frames[0]);
	struct known_stack *known;
	int r;

	memcpy(definition, raw, sz);	/* without the room that the kernel side did not need */
	definition->h.size = (uint32_t)sz;
	live->stamp_ns = stamp_of(live, definition);
	r = announce_frames(live, definition);
	if (!r)
		r = name_frames(live, definition);
	if (!r)
		live_emit(live, &definition->h);
	live->stamp_ns = 0;
	if (r)
		return r;
	live_bound(live, &live->known_stacks, MAX_KNOWN_STACKS);
	known = table__insert(&live->known_stacks, &definition->id, NULL);
	if (!known)
		return -ENOMEM;
	known->complete = definition->end == EV_STACK_COMPLETE;
	return 0;
}

int live_on_miss(struct live *live, const struct ev_miss *miss)
{
	_Alignas(8) uint8_t buffer[UNWIND_STACK_SZ];
	struct ev_stack *definition = (struct ev_stack *)buffer;
	const struct unwind_walker walker = { live_knows_rule, live_learn_rule, live };
	struct answer *answer;
	uint32_t key[2] = { miss->h.tid, 0 };
	int r;

	if (!live_find(live, miss->h.tgid))
		return 0;
	r = unwinder__answer(live->unwinder, miss, &walker, definition);
	if (r)
		return r;
	live_bound(live, &live->answers, MAX_ANSWERS);
	answer = table__insert(&live->answers, key, NULL);
	if (!answer)
		return -ENOMEM;
	answer->token = miss->token;
	answer->stack = definition->id;
	answer->is_partial = definition->end == EV_STACK_BROKEN;
	return definition->n_frames ? live_on_definition(live, definition) : 0;
}

void live_settle_stack(struct live *live, struct ev_header *h, __u64 *stack)
{
	uint32_t key[2] = { h->tid, 0 };
	const struct known_stack *known;
	const struct answer *answer;

	if (!*stack)
		return;
	live->trust.stacks++;
	if (h->flags & EV_F_STACK_TOKEN) {
		h->flags &= ~EV_F_STACK_TOKEN;
		answer = table__find(&live->answers, key);
		if (!answer || answer->token != *stack) {
			*stack = 0;
			return;
		}
		*stack = answer->stack;
		if (answer->is_partial)
			h->flags |= EV_F_STACK_PARTIAL;
		table__remove(&live->answers, key);
	}
	if (h->flags & EV_F_STACK_PARTIAL)
		return;
	known = table__find(&live->known_stacks, stack);
	if (known && known->complete)
		live->trust.stacks_complete++;
}
