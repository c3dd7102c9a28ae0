/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Call stacks as the model keeps them: part of what world.h shows. */
#ifndef UNFREED_MODEL_STACK_H
#define UNFREED_MODEL_STACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/event.h"

/* A file that somebody maps, by (device, inode). Lives as long as a region or a stack names it, and
 * for two hours after its last EV_FILE. */
struct file {
	uint64_t ino;
	uint32_t dev;		/* kernel encoding */
	uint32_t index;		/* dense, from 0 */
	uint32_t build_id_sz;	/* 0: none, or not known yet */
	uint8_t build_id[EV_BUILD_ID_MAX];
	uint64_t learned_ns;	/* time of its last EV_FILE; 0: none */
	char *path;		/* as the first process that mapped it saw it; NULL: not known yet */
};

/* A method that a frame of a runtime's code stands for. */
struct method {
	const char *function;	/* class.method, raw bytes */
	const char *file;	/* source file; empty: unknown */
	uint32_t line;		/* 0: unknown */
	int32_t bci;		/* index of the bytecode; -1: unknown */
	enum ev_method_kind kind;
};

/* All of them, innermost inlined first. Frames share these. */
struct methods {
	uint32_t n;
	struct method list[];
};

/* One frame, made independent of the process's life where a file backs the pc. */
struct frame {
	const struct file *file;	/* NULL: no file there (JIT code, vdso, unmapped) */
	uint64_t offset;		/* in the file, bytes; without a file the pc itself */
	uint64_t extra[2];		/* as in struct ev_frame */
	uint32_t kind;			/* enum ev_frame_kind */
	bool innermost;			/* the probe's own pc, not a return address */
	const struct methods *methods;	/* NULL: it has no names of its own */
};

/* A distinct call stack. Processes whose stacks are equal in all that is said here share one. Lives
 * as long as a site refers to it. */
struct stack {
	uint64_t id;		/* wire id, in the process that defined it first */
	uint64_t site_id;	/* stable: a hash of build-ids and offsets, and of methods, the same
				 * after a restart and on another host */
	uint32_t n_frames;
	uint32_t end;		/* enum ev_stack_end */
	struct frame frames[];	/* from the probe outward */
};

#endif /* UNFREED_MODEL_STACK_H */
