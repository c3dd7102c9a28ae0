/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The empty programs are attached as ours are: by the same kind of perf event to the tracepoints, by
 * file_probes.h to the same places of libz. Ours are attached by the source itself (live.h); only
 * whether they take stacks is set behind its back, in its table of targets, since to watch a process
 * for good without stacks is nothing a user can ask for.
 */
#include "tests/bench/attach.h"

#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "tests/bench/empty.skel.h"
#include "user/base/cleanup.h"
#include "user/base/error.h"
#include "user/source/features.h"
#include "user/source/live_private.h"
#include "user/source/tracefs.h"
#include "user/symbol/symbol.h"

#define MAX_LINKS 8

struct attach {
	struct loop *loop;
	struct log *log;
	struct symbolizer *symbolizer;	/* asked for no name, but told of files */
	struct features features;
	enum attach_what what;
	struct empty_bpf *empty;
	struct bpf_link *links[MAX_LINKS];
	size_t n_links;
	struct file_probes *probes;
	struct live *live;
	pid_t pid;
	struct attach_seen seen;
	struct ev_trust trust, trust_before;
	uint64_t lost, lost_before;
};

int attach__new(struct attach **out, struct log *log)
{
	struct attach *attach = calloc(1, sizeof(*attach));
	int r;

	if (!attach)
		return -ENOMEM;
	attach->log = log;
	r = loop__new(&attach->loop);
	if (!r)
		r = symbolizer__new(&attach->symbolizer, &(struct symbolizer_opts){});
	if (!r)
		r = features__probe(&attach->features, NULL);
	if (!r)
		r = features__require(&attach->features, log);
	if (r)
		return attach__free(attach), r;
	*out = attach;
	return 0;
}

/* The source's timers stay in its loop: one that is done with takes its loop along. */
static int renew_loop(struct attach *attach)
{
	attach->loop = loop__free(attach->loop);
	return loop__new(&attach->loop);
}

static void take_off(struct attach *attach)
{
	attach->live = live__free(attach->live);
	attach->probes = file_probes__free(attach->probes);
	while (attach->n_links)
		bpf_link__destroy(attach->links[--attach->n_links]);
	empty_bpf__destroy(attach->empty);
	attach->empty = NULL;
	attach->what = ATTACH_NOTHING;
}

struct attach *attach__free(struct attach *attach)
{
	if (!attach)
		return NULL;
	take_off(attach);
	symbolizer__free(attach->symbolizer);
	loop__free(attach->loop);
	free(attach);
	return NULL;
}

/* --- empty programs ---------------------------------------------------------------------------- */

static int attach_tracepoint(struct attach *attach, struct bpf_program *program, int tracefs,
			     const char *name)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_TRACEPOINT,
		.size = sizeof(attr),
		.sample_period = 1,
		.wakeup_events = 1,
	};
	int id = tracefs__tracepoint_id(tracefs, "syscalls", name), fd;

	if (id < 0)
		return id;
	attr.config = id;
	fd = (int)syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
	if (fd < 0)
		return negative_errno();
	attach->links[attach->n_links] = bpf_program__attach_perf_event(program, fd);
	if (!attach->links[attach->n_links]) {
		int r = negative_errno();

		close(fd);
		return r;
	}
	attach->n_links++;
	return 0;
}

static int attach_tracepoints(struct attach *attach, struct bpf_program *exit_mmap)
{
	cleanup_fd int tracefs = -1;
	int r;

	r = tracefs__open(&tracefs, NULL);
	if (!r)
		r = attach_tracepoint(attach, exit_mmap, tracefs, "sys_exit_mmap");
	if (!r)
		r = attach_tracepoint(attach, attach->empty->progs.empty_enter_munmap, tracefs,
				      "sys_enter_munmap");
	if (!r)
		r = attach_tracepoint(attach, attach->empty->progs.empty_exit_munmap, tracefs,
				      "sys_exit_munmap");
	return r;
}

static int find_libz(void *ctx, const struct procfs_map *map)
{
	struct procfs_map *libz = ctx;

	if (!map->executable || !strstr(map->path, "/libz.so"))
		return 0;
	*libz = *map;
	return 1;
}

/* The target's libz. */
static int attach_libz(struct attach *attach, struct bpf_program *program, pid_t pid)
{
	cleanup_fd int fd = -1;
	struct procfs *procfs;
	struct procfs_map libz;
	int r;

	r = procfs__new(&procfs, NULL);
	if (r)
		return r;
	r = procfs__each_map(procfs, pid, find_libz, &libz);
	if (r == 1)
		r = procfs__open_mapped(procfs, pid, &libz, &fd);
	else
		r = r < 0 ? r : -ENOENT;
	procfs__free(procfs);
	if (r)
		return r;
	r = file_probes__new(&attach->probes,
			     &(struct file_probes_opts){
				     .program = program,
				     .multi = features__has(&attach->features,
							    FEATURE_UPROBE_MULTI),
				     .log = attach->log,
			     });
	if (r)
		return r;
	r = file_probes__add(attach->probes, libz.dev, libz.ino, fd, "libz");
	return r > 0 ? 0 : r ? r : -ENOENT;
}

static int attach_empty(struct attach *attach, bool stacks, pid_t pid)
{
	struct empty_bpf *empty = attach->empty = empty_bpf__open();
	int r;

	if (!empty)
		return negative_errno();
	if (features__has(&attach->features, FEATURE_UPROBE_MULTI)) {
		bpf_program__set_expected_attach_type(empty->progs.empty_call,
						      FEATURES_UPROBE_MULTI_ATTACH_TYPE);
		bpf_program__set_expected_attach_type(empty->progs.stack_call,
						      FEATURES_UPROBE_MULTI_ATTACH_TYPE);
	}
	r = empty_bpf__load(empty);
	if (!r)
		r = attach_tracepoints(attach, stacks ? empty->progs.stack_exit_mmap :
							empty->progs.empty_exit_mmap);
	if (!r)
		r = attach_libz(attach, stacks ? empty->progs.stack_call : empty->progs.empty_call,
				pid);
	return r;
}

/* --- ours -------------------------------------------------------------------------------------- */

static int on_record(void *ctx, const struct ev_header *record)
{
	struct attach *attach = ctx;

	switch (record->type) {
	case EV_STACK:
		attach->seen.n_frames = ((const struct ev_stack *)record)->n_frames;
		break;
	case EV_TRUST:
		attach->trust = *(const struct ev_trust *)record;
		break;
	case EV_LOSS:
		attach->lost = ((const struct ev_loss *)record)->count[EV_LOSS_RING_FULL];
		break;
	default:
		attach->seen.hits += record->type < EV_STACK && record->tgid == (uint32_t)attach->pid;
		break;
	}
	return 0;
}

static int attach_ours(struct attach *attach, pid_t pid, uint32_t target_flags,
		       bool no_memo)
{
	int r;

	if (!attach->live) {
		r = live__new(&attach->live, &(struct live_opts){ .loop = attach->loop,
								  .log = attach->log,
								  .symbolizer = attach->symbolizer,
								  .no_memo = no_memo,
								  .emit = on_record,
								  .emit_ctx = attach });
		if (r)
			return r;
		r = live__add(attach->live, pid);
		if (r)
			return r < 0 ? r : -ESRCH;
	}
	live_set_target(attach->live, (uint32_t)pid, target_flags);
	return 0;
}

int attach__switch(struct attach *attach, enum attach_what what, pid_t pid, uint32_t target_flags)
{
	int r = 0;

	if (what != attach->what || pid != attach->pid) {
		take_off(attach);
		r = renew_loop(attach);
	}
	if (r)
		return r;
	attach->pid = pid;
	if (what == ATTACH_OURS || what == ATTACH_OURS_NO_MEMO)
		r = attach_ours(attach, pid, target_flags, what == ATTACH_OURS_NO_MEMO);
	else if (what != ATTACH_NOTHING && !attach->empty)
		r = attach_empty(attach, what == ATTACH_GET_STACK, pid);
	attach->what = what;
	if (r)
		log_error(attach->log, "the programs cannot be attached: %s", strerror(-r));
	return r;
}

struct loop *attach__loop(const struct attach *attach)
{
	return attach->loop;
}

void attach__clear(struct attach *attach)
{
	if (attach->live)
		live__flush(attach->live);
	if (attach->empty)
		attach->empty->bss->hits = 0;
	attach->seen.hits = 0;
	attach->trust_before = attach->trust;
	attach->lost_before = attach->lost;
}

struct attach_seen attach__seen(struct attach *attach)
{
	struct attach_seen seen;

	if (attach->live)
		live__flush(attach->live);
	seen = attach->seen;
	if (attach->empty) {
		seen.hits = attach->empty->bss->hits;
		seen.n_frames = (uint32_t)attach->empty->bss->frames;
	}
	seen.stacks = attach->trust.stacks - attach->trust_before.stacks;
	seen.complete = attach->trust.stacks_complete - attach->trust_before.stacks_complete;
	seen.lost = attach->lost - attach->lost_before;
	return seen;
}

void attach__each_program(const struct attach *attach,
			  void (*fn)(void *ctx, const char *name, size_t n, size_t verified))
{
	if (attach->live)
		live__each_program(attach->live, fn, NULL);
}
