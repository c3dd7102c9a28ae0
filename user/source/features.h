/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * What this kernel and this user allow. Each question is put to the kernel itself, by the call
 * that would be made in earnest or one that fails tellingly; never to its version, since
 * distributions carry features back and forth. Who needs what is data in features.c.
 *
 * Asking changes nothing: no probe is enabled, no process but a child of our own is touched.
 */
#ifndef UNFREED_SOURCE_FEATURES_H
#define UNFREED_SOURCE_FEATURES_H

#include <stdbool.h>

struct log;

enum feature_id {
	/* What this process may do. */
	FEATURE_INITIAL_PIDNS,	/* process ids here are those that BPF programs see */
	FEATURE_CAP_BPF,
	FEATURE_CAP_PERFMON,
	FEATURE_CAP_SYS_PTRACE,
	FEATURE_CAP_SYS_ADMIN,
	FEATURE_LOCKDOWN,	/* YES: kernel lockdown does not stop us */
	FEATURE_MAP_FILES,	/* files behind mappings even when renamed or deleted */
	/* The kernel side cannot do without. */
	FEATURE_BTF,
	FEATURE_BPF,		/* a program can be loaded */
	FEATURE_RINGBUF,
	FEATURE_PERF,		/* system-wide perf events may be opened */
	FEATURE_TRACEFS,
	FEATURE_TP_MMAP,	/* sys_enter and sys_exit, both; likewise the next */
	FEATURE_TP_MUNMAP,
	FEATURE_TP_MREMAP,
	FEATURE_TP_MPROTECT,
	FEATURE_TP_PKEY_MPROTECT,
	FEATURE_TP_BRK,
	FEATURE_TP_SHMAT,
	FEATURE_TP_SHMDT,
	FEATURE_TP_FORK,	/* sched:sched_process_fork, and so on */
	FEATURE_TP_EXEC,
	FEATURE_TP_EXIT,
	/* What makes it better. */
	FEATURE_JIT,
	FEATURE_TP_BTF,		/* BPF programs on tracepoints with typed arguments */
	FEATURE_FIND_VMA,	/* helper bpf_find_vma, and callbacks */
	FEATURE_TASK_PT_REGS,	/* helpers bpf_task_pt_regs and bpf_get_current_task_btf */
	FEATURE_UPROBES,	/* the uprobe PMU of perf */
	FEATURE_BPF_COOKIE,	/* perf links, and the cookie they carry */
	FEATURE_UPROBE_MULTI,	/* many uprobes by one link, pid filter sound */
	FEATURE_FENTRY,
	FEATURE_URETPROBE,	/* YES: a return probe cannot kill a process under seccomp */
	FEATURE_TP_MMAP_LOCK,	/* mmap_lock:mmap_lock_released */
	FEATURE_PAGEMAP_SCAN,	/* ioctl on /proc/PID/pagemap */
	N_FEATURES
};

enum feature_answer { FEATURE_UNKNOWN, FEATURE_YES, FEATURE_NO };

enum feature_weight {
	FEATURE_NEEDED,		/* without it there is no profile */
	FEATURE_HELPS,		/* without it something is left out or slower */
};

struct feature {
	enum feature_answer answer;
	int error;		/* errno that told, 0 if none did */
	char why[120];		/* half a sentence: what was found; safe to print */
	const char *cure;	/* half a sentence, static; "" if none is needed or known */
};

struct features {
	struct feature of[N_FEATURES];
};

/* BPF_TRACE_UPROBE_MULTI, which headers have since Linux 6.6. */
#define FEATURES_UPROBE_MULTI_ATTACH_TYPE 48

/* Asks everything; about 20 ms, most of it the kernel's BTF. What is not a YES is logged as debug.
 * Returns 0: that something is missing is no error here. */
int features__probe(struct features *out, struct log *log);

/* Returns 0 when nothing that is needed is known to be missing, else -errno after one line of log
 * that names the first such thing and its cure. */
int features__require(const struct features *features, struct log *log);

static inline bool features__has(const struct features *features, enum feature_id id)
{
	return features->of[id].answer == FEATURE_YES;
}

/* Static strings: what to call it ("ring buffer"), and what for ("events reach us in order"). */
const char *feature_name(enum feature_id id);
const char *feature_use(enum feature_id id);
/* What comes of its absence: half a sentence, or NULL: nothing. */
const char *feature_without(enum feature_id id);
enum feature_weight feature_weight(enum feature_id id);

#endif /* UNFREED_SOURCE_FEATURES_H */
