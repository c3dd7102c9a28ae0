/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The table of what is asked, why, and by which test; the tests stand in features_bpf.c and
 * features_system.c, but for the simplest: capabilities and tracepoints by name.
 *
 * The order is that of the printed table. A test may rely on the answers above its own.
 */
#include "user/source/features.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "user/base/log.h"
#include "user/source/features_test.h"
#include "user/source/tracefs.h"

/* Capabilities that headers older than Linux 5.8 lack. */
#ifndef CAP_PERFMON
#define CAP_PERFMON 38	/* 980737282232 */
#endif
#ifndef CAP_BPF
#define CAP_BPF 39	/* a17b53c4a4b5 */
#endif

struct row {
	const char *name, *use;
	enum feature_weight weight;
	void (*test)(struct feature_tests *tests, struct feature *out);
	int cap;			/* for test_cap */
	const char *category, *event[2];	/* for test_tracepoint */
};

static void test_cap(struct feature_tests *tests, struct feature *out);
static void test_tracefs(struct feature_tests *tests, struct feature *out);
static void test_tracepoint(struct feature_tests *tests, struct feature *out);

#define ROW(name_, use_, weight_, test_) \
	{ .name = name_, .use = use_, .weight = FEATURE_##weight_, .test = test_ }
#define CAP(cap_, use_, weight_) \
	{ .name = #cap_, .use = use_, .weight = FEATURE_##weight_, .test = test_cap, .cap = cap_ }
#define SYSCALL(call, use_, weight_)							\
	{ .name = "tracepoints of " #call, .use = use_, .weight = FEATURE_##weight_,	\
	  .test = test_tracepoint, .category = "syscalls",				\
	  .event = { "sys_enter_" #call, "sys_exit_" #call } }
#define TRACEPOINT(category_, event_, use_, weight_)					\
	{ .name = "tracepoint " #event_, .use = use_, .weight = FEATURE_##weight_,	\
	  .test = test_tracepoint, .category = #category_, .event = { #event_ } }

/* clang-format off */
static const struct row rows[N_FEATURES] = {
	[FEATURE_INITIAL_PIDNS] = ROW("initial pid namespace",
		"a process has the same id for us and for BPF", NEEDED, test_initial_pidns),
	[FEATURE_CAP_BPF] = CAP(CAP_BPF, "load BPF programs", NEEDED),
	[FEATURE_CAP_PERFMON] = CAP(CAP_PERFMON, "trace all processes", NEEDED),
	[FEATURE_CAP_SYS_PTRACE] = CAP(CAP_SYS_PTRACE, "read other users' map files", HELPS),
	[FEATURE_CAP_SYS_ADMIN] = CAP(CAP_SYS_ADMIN, "mount tracefs for ourselves", HELPS),
	[FEATURE_LOCKDOWN] = ROW("lockdown permits", "read the kernel's structures", NEEDED,
		test_lockdown),
	[FEATURE_MAP_FILES] = ROW("/proc/PID/map_files", "names from deleted, upgraded files", HELPS,
		test_map_files),

	[FEATURE_BTF] = ROW("BTF of the kernel", "one program fits every kernel", NEEDED, test_btf),
	[FEATURE_BPF] = ROW("BPF programs", "everything", NEEDED, test_bpf),
	[FEATURE_RINGBUF] = ROW("BPF ring buffer", "events in order", NEEDED, test_ringbuf),
	[FEATURE_PERF] = ROW("system-wide perf events", "attach to tracepoints and functions", NEEDED,
		test_perf),
	[FEATURE_TRACEFS] = ROW("tracefs", "find tracepoints", NEEDED, test_tracefs),
	[FEATURE_TP_MMAP] = SYSCALL(mmap, "memory taken", NEEDED),
	[FEATURE_TP_MUNMAP] = SYSCALL(munmap, "memory given back", NEEDED),
	[FEATURE_TP_MREMAP] = SYSCALL(mremap, "memory moved", NEEDED),
	[FEATURE_TP_MPROTECT] = SYSCALL(mprotect, "reserved memory put to use", NEEDED),
	[FEATURE_TP_PKEY_MPROTECT] = SYSCALL(pkey_mprotect, "memory protection keys", HELPS),
	[FEATURE_TP_BRK] = SYSCALL(brk, "the heap", NEEDED),
	[FEATURE_TP_SHMAT] = SYSCALL(shmat, "System V shared memory", HELPS),
	[FEATURE_TP_SHMDT] = SYSCALL(shmdt, "System V shared memory", HELPS),
	[FEATURE_TP_FORK] = TRACEPOINT(sched, sched_process_fork, "follow children", NEEDED),
	[FEATURE_TP_EXEC] = TRACEPOINT(sched, sched_process_exec, "see programs replaced", NEEDED),
	[FEATURE_TP_EXIT] = TRACEPOINT(sched, sched_process_exit, "see processes end", NEEDED),

	[FEATURE_JIT] = ROW("BPF compiled", "low overhead", HELPS, test_jit),
	[FEATURE_TP_BTF] = ROW("typed raw tracepoints", "less overhead per event", HELPS,
		test_tp_btf),
	[FEATURE_FIND_VMA] = ROW("bpf_find_vma", "shared memory told without reading a map file",
		HELPS, test_find_vma),
	[FEATURE_TASK_PT_REGS] = ROW("bpf_task_pt_regs", "less overhead per system call", HELPS,
		test_task_pt_regs),
	[FEATURE_UPROBES] = ROW("uprobes", "count open handles, such as zlib streams",
		HELPS, test_uprobes),
	[FEATURE_BPF_COOKIE] = ROW("BPF cookies", "less overhead per probed call", HELPS,
		test_bpf_cookie),
	[FEATURE_UPROBE_MULTI] = ROW("uprobe_multi links", "attach to many functions fast", HELPS,
		test_uprobe_multi),
	[FEATURE_FENTRY] = ROW("fentry programs", "less overhead per event", HELPS,
		test_fentry),
	[FEATURE_URETPROBE] = ROW("return probes are safe", "used only where asked for", HELPS,
		test_uretprobe),
	/* 2b5067a8143e, Linux 5.11 */
	[FEATURE_TP_MMAP_LOCK] = TRACEPOINT(mmap_lock, mmap_lock_released,
		"the order of racing threads", HELPS),
	[FEATURE_PAGEMAP_SCAN] = ROW("PAGEMAP_SCAN", "see cheaply what is resident", HELPS,
		test_pagemap_scan),
};
/* clang-format on */

/* What comes of it when it is missing; without the needed ones nothing works. NULL: nothing does. */
/* clang-format off */
static const char *const without[N_FEATURES] = {
	[FEATURE_CAP_SYS_PTRACE] = "names and rules of other users' processes are missing",
	[FEATURE_CAP_SYS_ADMIN] = "tracefs must be mounted already",
	[FEATURE_MAP_FILES] = "what runs from deleted files has no names",
	[FEATURE_TP_PKEY_MPROTECT] = "memory put to use by that call is not told",
	[FEATURE_TP_SHMAT] = "System V shared memory is not told",
	[FEATURE_TP_SHMDT] = "shared memory given back is not told",
	[FEATURE_JIT] = "each event costs several times as much",
	[FEATURE_FIND_VMA] = "a map file is read for each piece of System V shared memory",
	[FEATURE_TASK_PT_REGS] = "a system call costs two reads of kernel memory more",
	[FEATURE_UPROBES] = "no handles are counted, only memory",
	[FEATURE_BPF_COOKIE] = "each probe has a small program of its own, which goes on to ours",
	[FEATURE_UPROBE_MULTI] = "probes are set and taken away one by one, which takes longer",
	[FEATURE_TP_MMAP_LOCK] = "no --lock-order; racing threads are put right from the map file",
	[FEATURE_PAGEMAP_SCAN] = "what is resident is read page by page, zero pages included",
};
/* clang-format on */

/* --- setters --------------------------------------------------------------------------------- */

static void set(struct feature *feature, enum feature_answer answer, int error, const char *cure,
		const char *why, va_list args)
{
	feature->answer = answer;
	feature->error = error;
	feature->cure = cure;
	vsnprintf(feature->why, sizeof(feature->why), why, args);
}

void feature__yes(struct feature *feature, const char *why, ...)
{
	va_list args;

	va_start(args, why);
	set(feature, FEATURE_YES, 0, "", why, args);
	va_end(args);
}

void feature__no(struct feature *feature, int error, const char *cure, const char *why, ...)
{
	va_list args;

	va_start(args, why);
	set(feature, FEATURE_NO, error, cure, why, args);
	va_end(args);
}

void feature__unknown(struct feature *feature, int error, const char *why, ...)
{
	va_list args;

	va_start(args, why);
	set(feature, FEATURE_UNKNOWN, error, "", why, args);
	va_end(args);
}

/* --- the simplest tests ---------------------------------------------------------------------- */

/* Which row is being tested: its answer's place in the array tells. */
static const struct row *row_of(const struct feature_tests *tests, const struct feature *feature)
{
	return &rows[feature - tests->out->of];
}

static void test_cap(struct feature_tests *tests, struct feature *out)
{
	int cap = row_of(tests, out)->cap;

	if (tests->caps & 1ull << cap)
		feature__yes(out, "effective");
	/* The kernel takes CAP_SYS_ADMIN for these two as well, as it did before Linux 5.8. */
	else if ((cap == CAP_BPF || cap == CAP_PERFMON) && tests->caps & 1ull << CAP_SYS_ADMIN)
		feature__yes(out, "covered by CAP_SYS_ADMIN");
	else
		feature__no(out, EPERM, "run as root, or give the program this capability",
			    "not among our effective capabilities");
}

static void test_tracefs(struct feature_tests *tests, struct feature *out)
{
	int r = tests->tracefs_fd;

	if (r >= 0)
		feature__yes(out, "readable");
	else if (r == -EPERM || r == -EACCES)
		feature__no(out, -r, "run as root, or mount -t tracefs tracefs /sys/kernel/tracing",
			    "not mounted for us, and we may not mount it: %s", strerror(-r));
	else if (r == -ENODEV)
		feature__no(out, -r, "a kernel with CONFIG_TRACING", "this kernel has none");
	else
		feature__no(out, -r, "", "cannot be opened: %s", strerror(-r));
}

static void test_tracepoint(struct feature_tests *tests, struct feature *out)
{
	const struct row *row = row_of(tests, out);

	if (tests->tracefs_fd < 0) {
		feature__unknown(out, -tests->tracefs_fd, "tracefs cannot be read");
		return;
	}
	for (unsigned int i = 0; i < 2 && row->event[i]; i++) {
		int r = tracefs__tracepoint_id(tests->tracefs_fd, row->category, row->event[i]);

		if (r == -ENOENT && !strcmp(row->category, "syscalls"))
			feature__no(out, -r, "a kernel with CONFIG_FTRACE_SYSCALLS",
				    "this kernel has no %s", row->event[i]);
		else if (r == -ENOENT)
			feature__no(out, -r, "", "this kernel has no %s", row->event[i]);
		else if (r < 0)
			feature__no(out, -r, "run as root", "%s: %s", row->event[i], strerror(-r));
		if (r < 0)
			return;
	}
	feature__yes(out, "there");
}

/* --- public ---------------------------------------------------------------------------------- */

int features__probe(struct features *out, struct log *log)
{
	struct feature_tests tests = { .out = out, .caps = effective_caps() };
	int r;

	memset(out, 0, sizeof(*out));
	r = tracefs__open(&tests.tracefs_fd, NULL);
	if (r)
		tests.tracefs_fd = r;
	feature_tests__read_btf(&tests);

	for (unsigned int i = 0; i < N_FEATURES; i++) {
		struct feature *feature = &out->of[i];

		rows[i].test(&tests, feature);
		if (feature->answer != FEATURE_YES)
			log_debug(log, "%s: %s: %s", rows[i].name,
				  feature->answer == FEATURE_NO ? "no" : "unknown", feature->why);
	}
	if (tests.tracefs_fd >= 0)
		close(tests.tracefs_fd);
	return 0;
}

int features__require(const struct features *features, struct log *log)
{
	for (unsigned int i = 0; i < N_FEATURES; i++) {
		const struct feature *feature = &features->of[i];

		if (rows[i].weight != FEATURE_NEEDED || feature->answer != FEATURE_NO)
			continue;
		log_error(log, "needed, and not here: %s: %s%s%s; `unfreed doctor` tells more",
			  rows[i].name, feature->why, *feature->cure ? "; cure: " : "",
			  feature->cure);
		return feature->error ? -feature->error : -EOPNOTSUPP;
	}
	return 0;
}

const char *feature_name(enum feature_id id)
{
	return rows[id].name;
}

const char *feature_use(enum feature_id id)
{
	return rows[id].use;
}

const char *feature_without(enum feature_id id)
{
	return without[id];
}

enum feature_weight feature_weight(enum feature_id id)
{
	return rows[id].weight;
}
