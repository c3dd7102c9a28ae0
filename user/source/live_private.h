/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * What the files of the live source share: live.c (set-up, who is watched), live_records.c (the
 * ring), live_rounds.c (what is due regularly), live_loss.c (losses and their healing),
 * live_process.c (facts, map readings, memory), live_stack.c (the walker's questions, files on
 * stacks), live_rules.c (the rules the walker has), live_method.c (names on stacks).
 */
#ifndef UNFREED_SOURCE_LIVE_PRIVATE_H
#define UNFREED_SOURCE_LIVE_PRIVATE_H

#include "user/base/table.h"
#include "user/source/bpf.h"
#include "user/source/code_maps.h"
#include "user/source/file_probes.h"
#include "user/source/live.h"
#include "user/source/perf_maps.h"
#include "user/source/procfs.h"
#include "user/source/tracepoints.h"
#include "user/unwind/unwind.h"

#define LIVE_MAX_GONE 64
#define LIVE_IN_FLIGHT_NS 200000000ull	/* no call takes longer, but for a few */
#define LIVE_FORK_NEAR_NS 50000000ull	/* a copy, and the wait for the lock, take no longer */
#define LIVE_ANNOUNCED_SZ 24	/* struct announced_file */
#define LIVE_ANSWER_SZ 32	/* struct answer */

/* What tells a frame of a runtime's code from all others of its process. */
struct named_frame {
	uint64_t pc, extra[2];
};

/* A process the source has heard of. */
struct watched {
	uint32_t tgid;
	uint64_t start_ns;		/* CLOCK_BOOTTIME; 0: not known */
	uint64_t since_ns;		/* CLOCK_MONOTONIC: first heard of, or its last exec */
	bool seeded, facts_sent;
	bool runtime_told;		/* facts were sent once its libraries were mapped */
	bool stacks;			/* the kernel side takes stacks for it */
	bool has_events;		/* memory readings are worth the while */
	bool is_32bit;			/* its calls are not seen: its map is read regularly */
	uint32_t n_acquisitions;	/* until stacks are taken */
	uint32_t n_handles;
	uint64_t memory_read_ns;
	uint64_t cpu_ns;		/* used by then */
	uint64_t group_told[2];		/* hashes of the names that were told, by kind of limit */
	uint64_t count_due_ns;		/* when its mappings may be counted again */
	uint64_t heal_due_ns;		/* in doubt, though nothing was lost: read again then; 0: not */
	bool attaching;			/* ... but read for the first time only just now */
	struct recent *recent;		/* its last releases; NULL: none */
	uint64_t read_begin_ns, read_end_ns;	/* of the last reading that made records */
	uint64_t region_ns;		/* of its last record about regions */
	uint32_t forked_from;		/* tgid; 0: not seen */
	bool shares_vm;			/* ... and has no space of its own, until it calls exec */
	/* live_loss.c; all in CLOCK_MONOTONIC, 0: never. */
	uint64_t forked_ns;
	uint64_t lost_ns, first_lost_ns;	/* records were lost and it is not healed: last, first told */
	uint64_t last_lost_ns;	/* when that was told last, healed since or not */
	uint64_t healed_ns, heal_gap_ns;
	uint64_t life_checked_ns;
	uint64_t gone_ns;		/* not found in /proc */
	uint64_t image;			/* struct procfs_life; 0: not known */
	bool exec_lost;
	struct code_maps code;
	struct table rules;		/* struct unwind_key: in the kernel's map, unless the walker
					 * deleted them */
	size_t rules_sweep_at;		/* so many are looked through for those of code that is gone */
	struct table named;		/* struct named_frame: EV_METHOD was written */
	uint64_t named_since_ns;	/* CLOCK_MONOTONIC: since `named` was empty */
	bool trouble_told;
	bool unnamed_told;		/* that code of its runtime has no names */
};

struct order;

/* A device has one file system while a map file is read; asking costs a system call a mapping. */
struct fs_memo {
	uint32_t dev, magic;
	bool known;
};

struct live {
	struct fs_memo fs_memo;
	struct live_opts opts;
	struct unfreed_bpf *bpf;
	uint8_t *targets;		/* the target map, mapped; TARGETS_N bytes */
	struct tracepoints tracepoints;
	struct file_probes *probes;
	struct procfs *procfs;
	struct unwinder *unwinder;
	struct perf_maps *perf_maps;
	struct ring_buffer *ring;
	uint32_t self_tgid;
	struct table processes;		/* struct process_slot */
	struct table announced;		/* struct announced_file: EV_FILE was written */
	struct table exes;		/* struct announced_file: executables looked at after exec */
	struct table known_stacks;	/* struct known_stack */
	struct table answers;		/* struct answer: the token a thread's next event carries */
	struct table last_calls;	/* struct last_call: a thread's last handle record */
	uint64_t losses[EV_N_LOSSES];	/* as last told */
	uint64_t own_losses[EV_N_LOSSES];	/* counted on this side */
	struct ev_trust trust;
	uint64_t batch_deadline_ns;	/* one reading of the ring ends here */
	uint64_t drained_ns;		/* what was put into the ring before this has been read */
	uint64_t heal_again_ns;		/* no map file is read for healing before this */
	uint64_t lost_unnamed;		/* as last told */
	uint64_t losses_told_ns;	/* what was lost before this is told */
	bool hurry;			/* live__hurry() */
	uint32_t n_polls;
	size_t look_cursor, life_cursor;	/* of the rounds over all processes */
	uint32_t gone[LIVE_MAX_GONE];	/* tgids to be forgotten */
	uint32_t n_gone;
	uint64_t n_evicted;		/* entries of tables that went for want of room */
	struct order *order;		/* NULL: records leave as they come */
	uint64_t stamp_ns;		/* live_order.c: what is emitted now is of that time; 0: of its own */
	int stop;			/* what emit() returned, once it was not 0 */
	uint64_t buffer[EV_MAX_RECORD_SZ / 8];	/* for records made here */
};

/* What a thread's last call of a probed function was. */
struct last_call {
	uint32_t tid;
	uint16_t symbol, file;
	uint64_t handle;
	uint64_t time_ns;
};

struct process_slot {
	uint32_t tgid;
	uint32_t pad;
	struct watched *process;
};

/* live.c */
/* Hands a record on. What the taker returns ends the loop once this round is over. */
void live_emit(struct live *live, const struct ev_header *h);
/* Fills in the header of a record made here, all of it but h->size's fixed value. */
void live_header(struct ev_header *h, uint16_t type, uint32_t size, uint32_t tgid);
void live_note(struct live *live, uint32_t tgid, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* A table that is no more than a memory of what was done starts over once it holds `max` entries:
 * the price is to do it again. To be called before an insertion. */
void live_bound(struct live *live, struct table *table, size_t max);

void live_set_target(struct live *live, uint32_t tgid, uint32_t flags);	/* enum target_flag */

/* live_records.c */
int live_on_record(void *ctx, void *data, size_t data_sz);	/* the ring's callback */
int live_read_ring(struct live *live);	/* one batch at most; 0, or what ends the loop */

/* Its map file is to be read again soon: something happened that records cannot tell. */
void live_doubt(struct watched *p, uint64_t due_ns);

/* live_rounds.c */
int live_tick(struct live *live, uint64_t now);	/* 0, or what ends the loop */

/* live_loss.c */
int live_tell_losses(struct live *live, uint64_t now);		/* 0 or -ENOMEM */
/* A child is as wrong about its copy as its parent is about the original. */
void live_inherit_losses(struct live *live, const struct watched *parent, struct watched *child);
/* A child that shared its parent's space goes its own way, or dies: what it lost there is the parent's. */
void live_leave_shared_space(struct live *live, struct watched *child);
/* Records of the process were lost and its map was not read since, or of anybody and not told yet. */
bool live_is_lossy(const struct live *live, const struct watched *p);
bool live_heal_is_due(const struct live *live, const struct watched *p, uint64_t now);
int live_heal(struct live *live, struct watched *p);		/* 0 or -errno */
/* Reads the ring empty and heals whoever needs it, once, for a last report. 0, what ends the loop, or
 * -errno. */
int live_heal_all(struct live *live);
/* Asks some processes whether they still live, and forgets those that do not. */
void live_check_lives(struct live *live, uint64_t now);
void live_bury_gone(struct live *live);

/* live_process.c */
struct watched *live_find(struct live *live, uint32_t tgid);
struct watched *live_watch(struct live *live, uint32_t tgid);	/* found or made; NULL: no memory */
void live_forget(struct live *live, uint32_t tgid);
void live_forget_all(struct live *live);
int live_send_facts(struct live *live, struct watched *p);	/* 0, LIVE_*, or -errno */
/* Reads the map file: emits a seed, probes what is executable, remembers it for the unwinder. */
int live_seed(struct live *live, struct watched *p, enum ev_seed_reason reason);
int live_read_maps(struct live *live, struct watched *p);	/* for the unwinder only */
void live_send_memory(struct live *live, struct watched *p);
/* A file was mapped executable: probes it if it is new. */
void live_mapped(struct live *live, struct watched *p, const struct ev_mmap *ev);
/* Length in bytes of the mapping that begins at addr, from the map file; 0: there is none. */
uint64_t live_mapping_len(struct live *live, struct watched *p, uint64_t addr);
/* After an exec: probes the executable if it is new. */
void live_look_at_exe(struct live *live, struct watched *p);
/* live_probe.c */
/* Probes the file behind an executable mapping unless it was looked at before. 0 or -ENOMEM. */
int live_probe_mapping(struct live *live, pid_t pid, const struct procfs_map *map);
/* Probes what a running process has mapped, without watching it. 0 or -ENOMEM. */
int live_probe_process(struct live *live, pid_t pid);
/* The path of an open file as the kernel sees it, into PATH_MAX bytes; "" when it does not tell. */
void live_path_of(int fd, char *path);
/* Probes a file below a process's root (pid 0: ours) before anything maps it; passes over what cannot
 * be opened. */
void live_probe_path(struct live *live, pid_t pid, const char *path);
/* The zlib that programs there load by name: one that they open later is probed in time. */
void live_probe_system_zlib(struct live *live, pid_t pid);
int live_on_exec(struct live *live, struct watched *p, const struct ev_exec *ev);

void live_deliver(struct live *live, const struct ev_header *h);	/* to whoever takes them */

/* live_recent.c */
void live_note_recent(struct watched *p, const struct ev_header *h);	/* every record of it */
/* After a reading of its map. */
void live_repeat_recent(struct live *live, const struct watched *p);
void live_forget_recent(struct watched *p);

/* live_order.c */
/* Prepares the program and its configuration, before the load. 0, or -ENOTSUP. */
int live_order_prepare(struct live *live, struct bpf_config *config);
/* Takes a copy, dated `time_ns`. 0 or -ENOMEM. */
int order__push(struct order *order, const struct ev_header *h, uint64_t time_ns);
/* Something newer has left already. False without an order. */
bool order__is_late(const struct order *order, const struct ev_header *h);
/* Hands on, in order, what is older. */
void order__flush(struct live *live, uint64_t before_ns);
#define ORDER_WINDOW_NS 30000000ull	/* few threads are held up longer on their way out of a call */
/* Says how much it had to sort. Returns NULL. */
struct order *order__free(struct order *order, struct log *log);

/* live_maps.c */
uint32_t live_fs_magic(struct live *live, pid_t pid, const struct procfs_map *map); /* 0: unknown */

/* live_stack.c */
extern const struct unwind_target_ops live_unwind_ops;	/* context: struct live */
int live_on_miss(struct live *live, const struct ev_miss *miss);
int live_on_definition(struct live *live, const struct ev_stack *definition);
/* Puts the answer in the place of a token, and counts how good the event's stack is. */
void live_settle_stack(struct live *live, struct ev_header *h, __u64 *stack);
/* Writes the names of the definition's frames of a runtime's code that were not told yet. 0 or -ENOMEM. */
int live_name_frames(struct live *live, struct watched *p, const struct ev_stack *definition);

/* live_rules.c */
/* The walker's rules: of a struct unwind_walker. */
bool live_knows_rule(void *ctx, const struct unwind_key *key, struct unwind_rule *out);
void live_learn_rule(void *ctx, const struct unwind_key *key, const struct unwind_rule *rule);
/* Forgets the rules of the pcs in [start, end): what lies there is another thing now. */
void live_drop_rules(struct live *live, struct watched *p, uint64_t start, uint64_t end);

#endif /* UNFREED_SOURCE_LIVE_PRIVATE_H */
