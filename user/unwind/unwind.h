/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * What the kernel's walker needs to know about a pc, learnt on demand, and the same walk over a
 * copied stack. docs/architecture.md, "Stacks", has the idea.
 *
 * A provider (cfi, hotspot, trampoline, frame_pointer) turns a pc into a rule. The unwinder asks them
 * in a fixed order, keeps what they said, and answers an EV_MISS: it walks the copied stack,
 * hands every rule it needed to `learn`, and yields the complete stack of that event.
 *
 * It touches the target only through `struct unwind_target_ops`, so tests run it over recorded
 * stacks without root. ELF files are hostile: bounded and checked.
 */
#ifndef UNFREED_UNWIND_UNWIND_H
#define UNFREED_UNWIND_UNWIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/event.h"
#include "bpf/rule.h"

/* The mapping a pc lies in. */
struct unwind_map {
	uint64_t start, end;
	uint64_t file_off;
	uint64_t ino;		/* 0: no file */
	uint32_t dev;
	bool executable;
	bool vdso;		/* the kernel's vdso: ELF in memory, no file */
};

struct unwind_target_ops {
	/* The mapping that holds pc. `again`: an earlier answer was wrong, read the map file anew.
	 * 0; -ENOENT: nothing is mapped there, by a reading made just now (this is learnt like a
	 * rule); -EAGAIN: unknown, and the callee limits how often it reads; or another -errno. */
	int (*find_map)(void *ctx, uint32_t tgid, uint64_t pc, bool again, struct unwind_map *out);
	/* An fd of the file behind the map, for the caller to close, or -errno. */
	int (*open_file)(void *ctx, uint32_t tgid, const struct unwind_map *map);
	/* Reads exactly sz bytes of the target's memory: 0 or -errno. */
	int (*read)(void *ctx, uint32_t tgid, uint64_t addr, void *buf, size_t sz);
	/* The mapping with the first byte of a file whose path ends in "/name" (a library of a
	 * runtime). 0 or -ENOENT. NULL: no such question can be answered. */
	int (*find_file)(void *ctx, uint32_t tgid, const char *name, struct unwind_map *out);
};

struct unwinder;

struct unwinder_opts {
	const struct unwind_target_ops *ops;	/* borrowed */
	void *ops_ctx;
	size_t max_files;	/* ELF files kept open with their tables; 0: a default */
	size_t max_rules;	/* rules kept by (file, offset); 0: a default */
};

int unwinder__new(struct unwinder **out, const struct unwinder_opts *opts);
struct unwinder *unwinder__free(struct unwinder *unwinder);

/*
 * The rule for a pc of a process. `innermost`: the pc is where the thread was interrupted, not a
 * return address (so CFI is looked up at pc, else at pc - 1). Always yields a rule: where nothing
 * is known it is UNWIND_BROKEN or the frame pointer's. Returns 0, -ENOMEM, or 1: what is mapped at
 * pc cannot be said now; *out is UNWIND_BROKEN, and not worth keeping.
 */
int unwinder__rule(struct unwinder *unwinder, uint32_t tgid, uint64_t pc, bool innermost,
		   struct unwind_rule *out);

/* The rules that the kernel's walker has. key->pc carries UNWIND_PC_INNERMOST. */
struct unwind_walker {
	/* False: it has none. A process is not asked again for what one of its stacks has told: it
	 * may be asked for so much a second. NULL: nobody knows. */
	bool (*known)(void *ctx, const struct unwind_key *key, struct unwind_rule *out);
	/* For each other rule that a walk needed, in order. */
	void (*learn)(void *ctx, const struct unwind_key *key, const struct unwind_rule *rule);
	void *ctx;
};

/*
 * Answers a miss. `out` points at UNWIND_STACK_SZ bytes, 8-byte aligned, which become a whole
 * EV_STACK record: header from the miss, frames, end, and the id that the kernel's walker will
 * compute for the same stack. A stack deeper than what was copied is EV_STACK_BROKEN unless the
 * rest can be read from the target. With n_frames 0 (the registers are no user's) it is no record.
 * Returns 0 or -ENOMEM.
 */
#define UNWIND_STACK_SZ (sizeof(struct ev_stack) + EV_MAX_FRAMES * sizeof(struct ev_frame))
int unwinder__answer(struct unwinder *unwinder, const struct ev_miss *miss,
		     const struct unwind_walker *walker, struct ev_stack *out);

/* The process is gone or was replaced by exec: what is kept per process goes. */
void unwinder__forget(struct unwinder *unwinder, uint32_t tgid);
/* Executable memory came or went in [start, end). */
void unwinder__code_changed(struct unwinder *unwinder, uint32_t tgid, uint64_t start, uint64_t end);

/* --- names that only the live process knows -------------------------------------------------- */

#define UNWIND_MAX_NAMES EV_MAX_METHOD_NAMES

struct unwind_name {
	char function[400];	/* class.method, cut to fit */
	char file[112];		/* source file; empty: unknown */
	uint32_t line;		/* 0: unknown */
	int32_t bci;		/* index of the bytecode; -1: unknown */
	enum ev_method_kind kind;
};

/*
 * Names a frame of code that a runtime made (HotSpot's): several when methods were inlined, the
 * innermost first. To be asked as soon as the frame is seen, before the code can be replaced.
 * Returns how many of out[max] were filled in; 0: not such a frame, or it cannot be named.
 */
size_t unwinder__name(struct unwinder *unwinder, uint32_t tgid, const struct ev_frame *frame,
		      struct unwind_name *out, size_t max);

/* A sentence about why the process's runtime cannot be looked into; NULL: it can, or it has none. */
const char *unwinder__trouble(const struct unwinder *unwinder, uint32_t tgid);

struct unwinder_stats {
	uint64_t n_answers, n_broken, n_rules_cfi, n_rules_hotspot;
	uint64_t n_rules_frame_pointer, n_rules_broken;
	uint64_t ns_spent;
	size_t n_files, n_rules_kept;
};
struct unwinder_stats unwinder__stats(const struct unwinder *unwinder);

/* Plug point: one file per provider, an explicit list in unwinder.c. */
struct unwind_module;	/* a mapped file with its ELF tables; user/unwind/module.h */
struct jvms;		/* user/unwind/hotspot.h */
struct unwind_place {
	uint32_t tgid;
	bool innermost;
	uint64_t pc;
	struct unwind_module *module;	/* NULL: pc is in no file that can be read */
	uint64_t vaddr;		/* pc in the file's own addresses, already moved to pc - 1 for a
				 * caller's frame */
	struct jvms *jvms;
};
#define UNWIND_NOT_NOW 2
struct unwind_provider {
	const char *name;
	/* 0 and *out; 1: not mine, ask the next; UNWIND_NOT_NOW: it would be mine; -ENOMEM. */
	int (*rule)(const struct unwind_place *place, struct unwind_rule *out);
};

#endif /* UNFREED_UNWIND_UNWIND_H */
