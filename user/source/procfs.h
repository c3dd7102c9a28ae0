/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The only reader of /proc, and of the cgroup file systems behind it.
 *
 * A process can go away between any two of our calls, and everything it can name (paths, comm,
 * cmdline, cgroups) is hostile bytes: terminated here, escaped by whoever prints. Nothing here
 * logs: that a process is gone is no failure, and the caller knows which it can do without.
 *
 * Common returns: 0; -ESRCH: no such process (any more), or only its zombie; -EACCES or -EPERM: not
 * permitted (reading maps, exe and ns of others needs CAP_SYS_PTRACE, or the same user);
 * -EBADMSG: the kernel said something we cannot read; -ENOMEM.
 */
#ifndef UNFREED_SOURCE_PROCFS_H
#define UNFREED_SOURCE_PROCFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "bpf/event.h"

struct procfs;

/* Conditions the caller handles. */
enum procfs_condition {
	PROCFS_NOT_A_LEADER = 1,	/* the id of a thread, not of a process */
	PROCFS_NO_MEMORY = 2,		/* a kernel thread: it has no address space */
};

/*
 * `sysroot` is put before every absolute path that is read (/proc, cgroup mount points); NULL or ""
 * is the real system, tests point it at recorded files. Reads once where the cgroup file systems
 * are mounted. One object serves one thread. Returns 0, -ENOMEM or -errno of opening /proc.
 */
int procfs__new(struct procfs **out, const char *sysroot);
struct procfs *procfs__free(struct procfs *procfs);

/* --- processes ----------------------------------------------------------------------------- */

typedef int (*procfs_process_fn)(void *ctx, pid_t tgid);	/* non-zero ends the walk */

/* All processes (kernel threads too, threads never), in the order of /proc. Returns 0, what `fn`
 * returned, or -errno. */
int procfs__each_process(struct procfs *procfs, procfs_process_fn fn, void *ctx);

/* Resident bytes (anonymous, file and shared), from one short read that takes no lock. The kernel
 * keeps the counters per CPU: a reading may be off by some hundred KB. Kernel threads have 0. */
int procfs__rss(struct procfs *procfs, pid_t pid, uint64_t *out_bytes);

#define PROCFS_TICK_NS 10000000ull	/* USER_HZ, the same on every architecture that has eBPF */

struct procfs_facts {
	pid_t tgid, ppid;
	pid_t nspid;		/* the process's id in its own, innermost pid namespace */
	uid_t uid;		/* effective */
	uint64_t start_ns;	/* CLOCK_BOOTTIME, cut to PROCFS_TICK_NS: procfs_same_start() */
	uint64_t image;		/* see struct procfs_life */
	uint64_t mnt_ns;	/* inode number of the mount namespace; 0: not permitted */
	int seccomp;		/* 0 none, 1 strict, 2 filter; -1: this kernel does not tell */
	bool kernel_thread;
	bool ended;		/* see struct procfs_life */
	bool zombie;		/* its first thread left; the address space may still live on */
	bool exe_readable;	/* /proc/PID/exe could be opened */
	bool is_32bit;		/* ELF class of its executable; false when not readable */
	char comm[64];
	char cmdline[4096];	/* arguments joined by spaces, cut where it does not fit */
	char unit[128];		/* kafka.service, session-2.scope, docker-<12 hex>,
				 * pod<uid>/<12 hex>, lxc-<name>; "" if none */
};

/* Returns 0, PROCFS_NOT_A_LEADER (*out holds tgid only), or -errno. */
int procfs__facts(struct procfs *procfs, pid_t pid, struct procfs_facts *out);

/* The least that tells one life from another, by one short read that takes no lock. */
struct procfs_life {
	uint64_t start_ns;	/* as above */
	uint64_t image;		/* where the stack of what it executes began: an exec moves it, unless
				 * addresses are not randomized. 0: not permitted */
	bool ended;		/* a zombie of which no thread lives any more */
};
/* Returns 0 or -errno. */
int procfs__life(struct procfs *procfs, pid_t pid, struct procfs_life *out);

/* The BPF side has start_boottime in nanoseconds, /proc has it cut to ticks: equal start times
 * are those of one tick. */
static inline bool procfs_same_start(uint64_t a_ns, uint64_t b_ns)
{
	return a_ns / PROCFS_TICK_NS == b_ns / PROCFS_TICK_NS;
}

/*
 * A guess at what runs inside, from the names of mapped files: "hotspot 17.0.15", "openj9", "node",
 * "python3.11", "ruby3.1", "dotnet", "erlang", "go", or "". Reads the map file: see each_map.
 */
int procfs__runtime(struct procfs *procfs, pid_t pid, char *out, size_t out_sz);

/*
 * Opens the perf map that the process's runtime writes (user/symbol/perf_map.h), below the process's
 * own root and by its id in its own pid namespace; the caller's to close. 0; -ENOENT: there is none;
 * -EINVAL: no plain file, such as a symbolic link; -EPERM: somebody else's, or it has other names;
 * -ESTALE: last written before the process began; PROCFS_NOT_A_LEADER; or -errno.
 */
int procfs__open_perf_map(struct procfs *procfs, pid_t pid, int *out_fd);

/* --- mappings ------------------------------------------------------------------------------ */

struct procfs_map {
	uint64_t start, end;	/* start < end, both page-aligned */
	uint64_t file_off;	/* bytes */
	uint64_t ino;		/* 0: no file */
	uint32_t dev;		/* kernel encoding: major << 20 | minor */
	uint32_t prot;		/* PROT_* */
	uint32_t flags;		/* enum ev_region_flag */
	bool shared;		/* also in flags */
	bool executable;	/* also in prot */
	bool deleted;		/* the kernel added " (deleted)", taken off the path here; a file may
				 * also be called that: procfs__open_mapped() knows */
	const char *path;	/* terminated, "" if none, hostile; [heap], [anon:x] as they stand.
				 * Borrowed: holds until the next line is read */
	size_t path_sz;		/* without the terminator */
};

typedef int (*procfs_map_fn)(void *ctx, const struct procfs_map *map);	/* non-zero ends the walk */

/*
 * Every mapping of the process, in ascending order, never overlapping; [vsyscall] is left out, as
 * it is the kernel's and no mapping of the process. Returns 0, what `fn` returned, -ESRCH (gone, a
 * zombie or a kernel thread), or -errno; on an error `fn` may have seen a part.
 *
 * Each read takes the target's mmap lock for reading; the caller limits the rate. One read sees one
 * moment, but the kernel hands out no more than a page of text (some 40 to 60 lines) per read
 * whatever the buffer, so a longer listing is a patchwork of moments a few microseconds apart:
 * what was there during the whole walk is in it.
 */
int procfs__each_map(struct procfs *procfs, pid_t pid, procfs_map_fn fn, void *ctx);

/*
 * The pure parser of one line: `line` has n bytes without the newline and room for one byte more;
 * it is changed in place, and out->path points into it. 0 or -EBADMSG.
 *
 * The kernel writes a newline in a path as \012 and a backslash as itself, so a file whose name
 * really holds the characters \012 comes out wrong; again procfs__open_mapped() knows.
 */
int procfs_map__parse(char *line, size_t n, struct procfs_map *out);

/* True when the mapping that holds `addr` grows downward at page faults (smaps: `gd`), so that no
 * call tells its length. Walks the page tables of all mappings up to there: not for regular use. */
bool procfs__grows_down(struct procfs *procfs, pid_t pid, uint64_t addr);

/*
 * Opens the regular file behind a mapping: read-only, close-on-exec, the caller's to close.
 * Through /proc/PID/map_files (right whatever the name, deleted or not; CAP_CHECKPOINT_RESTORE or
 * CAP_SYS_ADMIN), else by path below the process's own root, symbolic links kept inside it, and
 * then only if it is the same file: stat() must show (dev, ino), or, since overlayfs and btrfs
 * show other device numbers there than in maps, mapping it ourselves must.
 *
 * Returns 0; -ENOENT: no file behind it, or gone; -ESTALE: another file has that name now;
 * -EINVAL: not a regular file (it is not opened then: opening a device can do things); or -errno.
 */
int procfs__open_mapped(struct procfs *procfs, pid_t pid, const struct procfs_map *map,
			int *out_fd);

/* The root of a process whose files are not found under the same paths as ours: it has another mount
 * namespace, or was chroot()ed. An O_PATH descriptor, the caller's to close; 1: it sees what we see; or
 * -errno. */
int procfs__open_other_root(struct procfs *procfs, pid_t pid, int *out_fd);

/* The super block magic of the file behind a mapping, without opening it. 0, -ENOENT (no file, or
 * the mapping changed), -EPERM (needs what map_files needs), or -errno. */
int procfs__fs_magic(struct procfs *procfs, pid_t pid, const struct procfs_map *map,
		     uint32_t *out);

/* --- memory -------------------------------------------------------------------------------- */

/*
 * Fills in all of *out but the header. Limits that do not exist or cannot be seen are ~0; what is
 * left is never negative (0: at or over the limit).
 *
 *   cgroup max, high   cgroup v2 memory.max and memory.high, v1 memory.limit_in_bytes (as max), of
 *                      the process's cgroup and all its ancestors we can see: the one with the
 *                      least left. Used = current usage - inactive_file: page cache that goes first
 *                      does not count, the same that kubelet calls the working set. Swap that the
 *                      cgroup might still use is not added.
 *   RLIMIT_AS          the soft limit against VmSize
 *   host               MemAvailable + SwapFree, of MemTotal + SwapTotal
 *   map count          vm.max_map_count against the number of mappings; only with `want_maps`,
 *                      because counting them reads the map file (see each_map), else ~0
 *
 * Returns 0, PROCFS_NO_MEMORY (kernel thread or zombie; *out holds no limit), or -errno.
 */
int procfs__memory(struct procfs *procfs, pid_t pid, bool want_maps, struct ev_memory *out);

/* The same, and which cgroup's limits they are; "" where there is none. */
struct procfs_groups {
	char max[EV_GROUP_PATH_MAX + 1], high[EV_GROUP_PATH_MAX + 1];
};
int procfs__memory_groups(struct procfs *procfs, pid_t pid, bool want_maps, struct ev_memory *out,
			  struct procfs_groups *groups);

/*
 * Fills in all of *out but the header: CPU time so far (in steps of PROCFS_TICK_NS), and whether the
 * process is stopped or its cgroup (v1 freezer or v2) frozen. `cpu_before_ns` is what this told last, or
 * ~0: who used more since then is neither held by a tracer nor frozen. 0 or -errno.
 */
int procfs__run(struct procfs *procfs, pid_t pid, uint64_t cpu_before_ns, struct ev_run *out);

struct procfs_range {
	uint64_t start, end;	/* page-aligned, start < end */
};

/*
 * Bytes in memory of these ranges of a process; what is not mapped counts as not in memory, what is
 * swapped out likewise. No more than *looked_at bytes of address space are looked at; how many were
 * is left there. Takes the target's mmap lock for reading. Returns 0 or -errno.
 */
int procfs__resident(struct procfs *procfs, pid_t pid, const struct procfs_range *ranges, size_t n,
		     uint64_t *looked_at, uint64_t *resident);

#endif /* UNFREED_SOURCE_PROCFS_H */
