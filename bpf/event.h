/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The wire contract: every fact that reaches the model is one of these records.
 *
 * The BPF programs write the kernel half into the ring buffer, the source writes the other half
 * (ticks, process facts, module files, memory readings, losses). A capture file holds the same
 * bytes, so live and replay differ only in who hands them over (docs/architecture.md, R1 and R2).
 *
 * Layout rules: little endian, 8-byte aligned, explicit padding, sizes asserted below. A record is
 * a struct ev_header followed by its body; header.size counts both and is a multiple of 8.
 * wire/decode.h checks a record before anyone casts it.
 *
 * Included by BPF programs (after vmlinux.h) and by user space (after <linux/types.h>).
 */
#ifndef UNFREED_EVENT_H
#define UNFREED_EVENT_H

#ifndef __bpf__
#include <linux/types.h>
#endif

enum ev_type {
	/* Written by the kernel side. */
	EV_MMAP = 1,		/* struct ev_mmap: an mmap that succeeded, at its return */
	EV_MUNMAP = 2,		/* struct ev_munmap: at entry; also the tail a brk shrink gives back */
	EV_MREMAP_BEGIN = 3,	/* struct ev_mremap: at entry; the old range may go from here on */
	EV_MREMAP_END = 4,	/* struct ev_mremap: at return, success or not */
	EV_MPROTECT = 5,	/* struct ev_mprotect: at return, only on success */
	EV_BRK = 6,		/* struct ev_brk: at return, when the break moved */
	EV_SHMAT = 7,		/* struct ev_shmat: at return, only on success */
	EV_SHMDT = 8,		/* struct ev_munmap with len 0: at entry */
	EV_UNDO = 9,		/* struct ev_undo: this thread's last release failed; or a call did,
				 * that may have done a part of its work (EV_MMAP, EV_MPROTECT) */
	EV_FORK = 10,		/* struct ev_fork: a new process, never a new thread */
	/* The next two are written by the source when the kernel side's were lost. */
	EV_EXEC = 11,		/* struct ev_exec: the address space was replaced */
	EV_EXIT = 12,		/* struct ev_exit: the last thread left */
	EV_HANDLE_OPEN = 13,	/* struct ev_handle: at entry of an opener */
	EV_HANDLE_CLOSE = 14,	/* struct ev_handle: at entry of a closer */
	EV_STACK = 15,		/* struct ev_stack: what a stack id stands for */
	EV_MISS = 16,		/* struct ev_miss: live only; the source answers it */

	/* Written by the source. */
	EV_TICK = 64,		/* header only: time has reached time_ns */
	EV_PROCESS = 65,	/* struct ev_process: who this process is */
	EV_SEED_BEGIN = 66,	/* struct ev_seed: a reading of the process's map file follows */
	EV_REGION = 67,		/* struct ev_region: one line of that reading */
	EV_SEED_END = 68,	/* struct ev_seed: what the reading did not name is gone */
	EV_FILE = 69,		/* struct ev_file: what (device, inode) is */
	EV_MEMORY = 70,		/* struct ev_memory: resident bytes and the limits that apply */
	EV_LOSS = 71,		/* struct ev_loss: records lost so far, by cause */
	EV_PAIR = 72,		/* struct ev_pair: the name of a handle kind */
	EV_NOTE = 73,		/* struct ev_note: one sentence: something that is not covered */
	EV_TRUST = 74,		/* struct ev_trust: how good the stacks are */
	EV_LOST = 75,		/* struct ev_lost: whose records were lost, and which */
	EV_RESIDENT = 76,	/* struct ev_resident: how much of a site's regions is touched */
	EV_NAME = 77,		/* struct ev_name: captures only: what a frame is called */
	EV_RUN = 78,		/* struct ev_run: whether the process could run, and did */
	EV_GROUP = 79,		/* struct ev_group: whose limit is a process's cgroup limit */
	EV_METHOD = 80,		/* struct ev_method: the names of a frame of a runtime's code, before
				 * the first EV_STACK that has it, and again before one that comes
				 * more than 30 s after it was told last */
};

/* header.flags */
enum ev_flag {
	EV_F_STACK_PARTIAL = 1 << 0,	/* stack is the hash of the frames resolved so far */
	EV_F_STACK_TOKEN = 1 << 1,	/* stack is the token of an EV_MISS; live only */
	EV_F_BRK = 1 << 2,		/* this EV_MUNMAP is a brk shrink */
	EV_F_TO_HOLE = 1 << 4,		/* this EV_MPROTECT failed at the first hole, and did what
					 * lies before it */
	EV_F_NO_COPY = 1 << 5,		/* this EV_FORK: the child's mappings are not the parent's
					 * (MADV_DONTFORK, or another thread was at work) */
	EV_F_THREADS = 1 << 6,		/* this EV_FORK: the parent has other threads, which may have
					 * been at work between the copy and this record */
	EV_F_NAMED = 1 << 3,		/* this EV_LOSS: EV_LOST records named those it touched */
};

struct ev_header {
	__u64 time_ns;	/* CLOCK_MONOTONIC */
	__u32 tgid;	/* process, in the initial pid namespace; 0: the whole system */
	__u32 tid;	/* thread, likewise; 0 when the source wrote it */
	__u16 type;	/* enum ev_type */
	__u16 flags;	/* enum ev_flag */
	__u32 size;	/* whole record, bytes, multiple of 8 */
};

/* Acquisitions carry `stack`, a 64-bit stack id: 0 when none was taken. */

struct ev_mmap {
	struct ev_header h;
	__u64 stack;
	__u64 addr;	/* what the kernel returned */
	__u64 len;	/* bytes, rounded up to pages */
	__u64 file_off;	/* bytes; 0 for anonymous memory */
	__u64 ino;	/* 0 for anonymous memory */
	__u32 dev;	/* kernel encoding: major << 20 | minor */
	__u32 prot;	/* PROT_* */
	__u32 flags;	/* MAP_* */
	__u32 fs_magic;	/* super block magic of the file, 0 if none */
};

struct ev_munmap {
	struct ev_header h;
	__u64 addr;
	__u64 len;	/* bytes, rounded up to pages; 0 in EV_SHMDT: unknown to the caller */
};

struct ev_mremap {
	struct ev_header h;
	__u64 stack;	/* 0 in EV_MREMAP_BEGIN */
	__u64 addr;
	__u64 old_len;	/* bytes, rounded up to pages */
	__u64 new_len;	/* bytes, rounded up to pages */
	__s64 ret;	/* EV_MREMAP_END: new address or -errno. EV_MREMAP_BEGIN: the address
			 * asked for with MREMAP_FIXED, else 0 */
	__u32 flags;	/* MREMAP_* */
	__u32 pad;
};

struct ev_mprotect {
	struct ev_header h;
	__u64 stack;
	__u64 addr;
	__u64 len;	/* bytes, rounded up to pages */
	__u32 prot;
	__u32 pad;
};

struct ev_brk {
	struct ev_header h;
	__u64 stack;
	__u64 start;	/* mm->start_brk, as it is: not rounded */
	__u64 end;	/* the break after the call, not rounded */
};

struct ev_shmat {
	struct ev_header h;
	__u64 stack;
	__u64 addr;
	__u64 len;	/* bytes; 0: unknown to the kernel side, the source fills it in */
	__s32 shmid;
	__u32 flags;	/* SHM_RDONLY, SHM_REMAP, SHM_EXEC */
};

struct ev_undo {
	struct ev_header h;
	__s64 ret;	/* -errno */
	__u32 undone;	/* EV_MUNMAP, EV_SHMDT; EV_MMAP, EV_MPROTECT */
	__u32 pad;
};

struct ev_fork {
	struct ev_header h;	/* the parent */
	__u64 child_start_ns;	/* CLOCK_BOOTTIME */
	__u32 child_tgid;
	__u32 shares_vm;	/* 1: vfork or CLONE_VM, one address space for both */
};

struct ev_exec {
	struct ev_header h;
	__u64 start_ns;		/* of the process, CLOCK_BOOTTIME */
};

struct ev_exit {
	struct ev_header h;
	__s32 code;		/* as wait(2) encodes it */
	__u32 pad;
};

#define EV_N_HANDLE_ARGS 6

struct ev_handle {
	struct ev_header h;
	__u64 stack;		/* 0 in EV_HANDLE_CLOSE */
	__u64 handle;
	__u64 bytes;		/* EV_HANDLE_OPEN: the pair's estimate; 0 in the ring, the source
				 * works it out from arg[] */
	__u64 copy_of;		/* the open handle this one is a copy of (its bytes count then),
				 * else 0; filled in by the source likewise */
	__u64 arg[EV_N_HANDLE_ARGS];	/* the call's integer arguments, in order */
	__u32 pair;		/* row of the pair table: the resource */
	__u16 symbol;		/* row of its symbol table: which function */
	__u16 file;		/* serial number of the probed file it was called in */
	char comm[16];		/* of the thread; EV_HANDLE_CLOSE only; not always terminated */
};

enum ev_frame_kind {
	EV_FRAME_NATIVE = 0,
	EV_FRAME_INTERPRETED = 1,	/* extra[0] Method*, extra[1] bcp */
	EV_FRAME_GUARDED = 2,		/* extra[0] the guard's value (an nmethod's compile id, the bytes
					 * of other code that was made at run time),
					 * extra[1] the true pc of a deoptimized frame, else 0 */
};

struct ev_frame {
	__u64 pc;	/* innermost: of the probe; others: return address */
	__u64 extra[2];	/* what the rule's frame kind adds; else 0 */
	__u32 kind;	/* enum ev_frame_kind */
	__u32 pad;
};

enum ev_stack_end {
	EV_STACK_COMPLETE = 0,	/* reached the thread's first frame */
	EV_STACK_TRUNCATED = 1,	/* deeper than EV_MAX_FRAMES */
	EV_STACK_BROKEN = 2,	/* a rule could not be followed or had to be guessed wrong */
};

#define EV_MAX_FRAMES 128	/* a power of 2 */

struct ev_stack {
	struct ev_header h;
	__u64 id;
	__u16 n_frames;		/* 1..EV_MAX_FRAMES; the record may have room for more */
	__u16 end;		/* enum ev_stack_end */
	__u32 mm_id;		/* as in struct unwind_key; part of what id hashes */
	struct ev_frame frames[];	/* from the probe outward */
};

#define EV_MISS_STACK_SZ 16384		/* room for so much */
#define EV_MISS_SHORT_STACK_SZ 4096	/* or for so much, when many ask at once */

struct ev_miss {
	struct ev_header h;
	__u64 token;		/* the event that follows from this thread carries it as its stack */
	__u64 ip, sp, bp;	/* user registers at the probe */
	__u64 missing_pc;	/* no rule, or its guard failed */
	__u32 mm_id;		/* as in struct unwind_key */
	__u32 stack_sz;		/* bytes of stack[] that were read, from sp upward */
	__u8 stack[EV_MISS_STACK_SZ];	/* all of it, or EV_MISS_SHORT_STACK_SZ */
};

#define EV_MISS_SHORT_SZ (sizeof(struct ev_miss) - EV_MISS_STACK_SZ + EV_MISS_SHORT_STACK_SZ)

struct ev_process {
	struct ev_header h;
	__u64 start_ns;		/* CLOCK_BOOTTIME; with tgid, the process's identity */
	__u32 ppid;
	__u32 uid;
	__u16 comm_sz, cmdline_sz, unit_sz, runtime_sz;	/* bytes, no terminators */
	char text[];		/* the four, back to back, then zeros to a multiple of 8 */
};

enum ev_seed_reason {
	EV_SEED_ATTACH = 0,	/* the process was there before us */
	EV_SEED_EXEC = 1,	/* a fresh image: what the kernel mapped for it */
	EV_SEED_HEAL = 2,	/* records were lost */
};

struct ev_seed {
	struct ev_header h;
	__u32 reason;		/* enum ev_seed_reason */
	__u32 pad;
};

enum ev_region_flag {
	EV_REGION_SHARED = 1 << 0,
	EV_REGION_HEAP = 1 << 1,	/* [heap] */
	EV_REGION_STACK = 1 << 2,	/* [stack] */
	EV_REGION_SPECIAL = 1 << 3,	/* [vdso], [vvar], [uprobes]: the kernel's own */
};

struct ev_region {
	struct ev_header h;
	__u64 start, end;
	__u64 file_off;
	__u64 ino;
	__u32 dev;
	__u32 prot;
	__u32 flags;		/* enum ev_region_flag */
	__u32 fs_magic;
};

#define EV_BUILD_ID_MAX 20

struct ev_file {
	struct ev_header h;	/* tgid: a process that maps it, 0 if none any more */
	__u64 ino;
	__u32 dev;
	__u32 build_id_sz;	/* 0: it has none */
	__u8 build_id[EV_BUILD_ID_MAX];
	__u32 path_sz;
	char path[];		/* as that process sees it, zeros to a multiple of 8 */
};

enum ev_limit_kind {
	EV_LIMIT_CGROUP_MAX = 0,
	EV_LIMIT_CGROUP_HIGH = 1,
	EV_LIMIT_RLIMIT_AS = 2,
	EV_LIMIT_HOST = 3,	/* MemAvailable + SwapFree */
	EV_LIMIT_MAP_COUNT = 4,	/* vm.max_map_count: maps, not bytes */
	EV_N_LIMITS
};

struct ev_memory {
	struct ev_header h;
	__u64 rss_anon, rss_file, rss_shmem, swap;	/* bytes */
	__u64 mapped;					/* VmSize, bytes */
	__u64 left[EV_N_LIMITS];	/* bytes (maps for MAP_COUNT); ~0: no such limit */
	__u64 limit[EV_N_LIMITS];	/* the limit itself; ~0: none */
};

#define EV_GROUP_PATH_MAX 255

struct ev_group {
	struct ev_header h;
	__u32 kind;		/* EV_LIMIT_CGROUP_MAX or _HIGH, of the EV_MEMORY that follows */
	__u32 path_sz;		/* bytes, no terminator */
	char path[];		/* of the cgroup, its end where it is longer; zeros to a multiple of 8 */
};

enum ev_run_state {
	EV_RUN_STOPPED = 1 << 0,	/* by a signal or a tracer */
	EV_RUN_FROZEN = 1 << 1,		/* its cgroup is */
};

struct ev_run {
	struct ev_header h;
	__u64 cpu_ns;		/* CPU time of all its threads so far, also of those that ended */
	__u32 state;		/* enum ev_run_state */
	__u32 pad;
};

enum ev_loss_cause {
	EV_LOSS_RING_FULL = 0,		/* ring buffer had no room for the record */
	EV_LOSS_STACK_RING_FULL = 1,	/* ... for a stack definition: sent again later */
	EV_LOSS_MISS_RING_FULL = 2,	/* ... for an unwinding question */
	EV_LOSS_TARGETS_FULL = 3,	/* a forked child did not fit into the target map */
	EV_LOSS_ENTRY_FULL = 4,		/* an entry-to-exit slot was refused */
	EV_LOSS_READ = 5,		/* user memory or a kernel field could not be read */
	EV_LOSS_RULES_FULL = 6,		/* an unwinding rule did not fit */
	EV_LOSS_MAPS_READ = 7,		/* a map file could not be read */
	EV_LOSS_BAD_RECORD = 8,		/* a record failed validation */
	EV_LOSS_MODEL_FULL = 9,		/* a table of the model is at its limit */
	EV_LOSS_NESTED = 10,		/* the kernel skipped a program: another was running */
	EV_N_LOSSES
};

struct ev_loss {
	struct ev_header h;
	__u64 count[EV_N_LOSSES];	/* since the start, cumulative */
};

/* Of one process. Precedes the EV_LOSS that counts them too, under EV_LOSS_RING_FULL. */
struct ev_lost {
	struct ev_header h;
	__u64 n;		/* records, since the last EV_LOST of this kind */
	__u32 type;		/* enum ev_type of the lost ones */
	__u32 pair;		/* EV_HANDLE_OPEN and EV_HANDLE_CLOSE: as in struct ev_handle; else 0 */
};

/* Of all regions that the site of the region at `addr` holds. */
struct ev_resident {
	struct ev_header h;
	__u64 addr;
	__u64 looked_at;	/* bytes: of that site's regions, less where a limit cut the look */
	__u64 resident;		/* bytes of these that are in memory */
};

struct ev_pair {
	struct ev_header h;
	__u32 pair;
	__u32 growth_percent;	/* of what is left to the limit: more of this kind, none of which was
				 * closed so far, is told by the service; 0: nobody said */
	char name[32];		/* terminated; the report's kind, such as zlib-inflate */
};

struct ev_note {
	struct ev_header h;	/* tgid 0: the whole system */
	__u32 text_sz;
	char text[];		/* one sentence, then zeros until the record is a multiple of 8 */
};

struct ev_trust {
	struct ev_header h;
	__u64 stacks;		/* acquisitions for which a stack was wanted */
	__u64 stacks_complete;	/* of these, complete */
	__u64 healed;		/* map files read again after a loss */
};

#define EV_NAME_TEXT_MAX 4096	/* bytes of each of its two texts */

/* Whoever records writes them at the end, for every frame in a file that a report may show: names
 * come from files of that machine. */
struct ev_name {
	struct ev_header h;
	__u64 ino;
	__u64 offset;		/* in the file, bytes */
	__u32 dev;
	__u32 line;		/* 0: unknown */
	__u32 innermost;	/* 1: the probe's own pc, not a return address */
	__u16 function_sz;	/* 0: nothing is known */
	__u16 file_sz;		/* of the source file's name; 0: unknown */
	char text[];		/* the two, back to back, then zeros to a multiple of 8 */
};

enum ev_method_kind {
	EV_METHOD_COMPILED = 0,		/* a native method's wrapper, too */
	EV_METHOD_INLINED = 1,		/* into the next one */
	EV_METHOD_INTERPRETED = 2,
	EV_METHOD_STUB = 3,		/* a piece of the runtime itself, or what its perf map names */
};

struct ev_method_name {
	__u32 line;			/* 0: unknown */
	__s32 bci;			/* index of the bytecode, at most 65535; -1: unknown */
	__u16 kind;			/* enum ev_method_kind */
	__u16 function_sz, file_sz;	/* bytes, no terminators */
	__u16 pad;
};

#define EV_MAX_METHOD_NAMES 32

struct ev_method {
	struct ev_header h;
	__u64 pc;		/* with extra[], the frame of an EV_STACK that these are the names of */
	__u64 extra[2];
	__u32 n_names;		/* 1..EV_MAX_METHOD_NAMES */
	__u32 pad;
	struct ev_method_name names[];	/* innermost inlined first; then for each its function
					 * (class.method) and source file, back to back, then zeros
					 * to a multiple of 8 */
};

#define EV_MAX_RECORD_SZ 20480	/* no record is larger; struct ev_miss is the largest */

_Static_assert(sizeof(struct ev_header) == 24, "ev_header");
_Static_assert(sizeof(struct ev_mmap) == 80, "ev_mmap");
_Static_assert(sizeof(struct ev_munmap) == 40, "ev_munmap");
_Static_assert(sizeof(struct ev_mremap) == 72, "ev_mremap");
_Static_assert(sizeof(struct ev_mprotect) == 56, "ev_mprotect");
_Static_assert(sizeof(struct ev_brk) == 48, "ev_brk");
_Static_assert(sizeof(struct ev_shmat) == 56, "ev_shmat");
_Static_assert(sizeof(struct ev_undo) == 40, "ev_undo");
_Static_assert(sizeof(struct ev_fork) == 40, "ev_fork");
_Static_assert(sizeof(struct ev_exec) == 32, "ev_exec");
_Static_assert(sizeof(struct ev_exit) == 32, "ev_exit");
_Static_assert(sizeof(struct ev_handle) == 128, "ev_handle");
_Static_assert(sizeof(struct ev_frame) == 32, "ev_frame");
_Static_assert(sizeof(struct ev_stack) == 40, "ev_stack");
_Static_assert(sizeof(struct ev_miss) == 72 + EV_MISS_STACK_SZ, "ev_miss");
_Static_assert(sizeof(struct ev_process) == 48, "ev_process");
_Static_assert(sizeof(struct ev_seed) == 32, "ev_seed");
_Static_assert(sizeof(struct ev_region) == 72, "ev_region");
_Static_assert(sizeof(struct ev_file) == 64, "ev_file");
_Static_assert(sizeof(struct ev_memory) == 24 + 40 + 16 * EV_N_LIMITS, "ev_memory");
_Static_assert(sizeof(struct ev_group) == 32, "ev_group");
_Static_assert(sizeof(struct ev_run) == 40, "ev_run");
_Static_assert(sizeof(struct ev_loss) == 24 + 8 * EV_N_LOSSES, "ev_loss");
_Static_assert(sizeof(struct ev_lost) == 40, "ev_lost");
_Static_assert(sizeof(struct ev_resident) == 48, "ev_resident");
_Static_assert(sizeof(struct ev_pair) == 64, "ev_pair");
_Static_assert(sizeof(struct ev_trust) == 48, "ev_trust");
_Static_assert(sizeof(struct ev_name) == 56, "ev_name");
_Static_assert(sizeof(struct ev_method_name) == 16, "ev_method_name");
_Static_assert(sizeof(struct ev_method) == 56, "ev_method");

#endif /* UNFREED_EVENT_H */
