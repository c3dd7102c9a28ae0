/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * One good record of every type, for tests that then harm it and for the fuzzer's seeds.
 */
#ifndef UNFREED_TESTS_RECORDS_H
#define UNFREED_TESTS_RECORDS_H

#include <stdint.h>
#include <string.h>

#include "user/wire/decode.h"

#define N_RECORD_TYPES (sizeof(record_types) / sizeof(record_types[0]))

union record {
	uint8_t bytes[EV_MAX_RECORD_SZ];
	struct ev_header h;
	struct ev_undo undo;
	struct ev_fork fork;
	struct ev_stack stack;
	struct ev_miss miss;
	struct ev_process process;
	struct ev_seed seed;
	struct ev_region region;
	struct ev_file file;
	struct ev_pair pair;
	struct ev_note note;
	struct ev_name name;
	struct ev_method method;
};

static const struct {
	uint16_t type;
	const char *name;
	size_t size;	/* of the fixed ones; 0: see make_good() */
} record_types[] = {
	{ EV_MMAP, "mmap", 80 },
	{ EV_MUNMAP, "munmap", 40 },
	{ EV_MREMAP_BEGIN, "mremap-begin", 72 },
	{ EV_MREMAP_END, "mremap-end", 72 },
	{ EV_MPROTECT, "mprotect", 56 },
	{ EV_BRK, "brk", 48 },
	{ EV_SHMAT, "shmat", 56 },
	{ EV_SHMDT, "shmdt", 40 },
	{ EV_UNDO, "undo", 40 },
	{ EV_FORK, "fork", 40 },
	{ EV_EXEC, "exec", 32 },
	{ EV_EXIT, "exit", 32 },
	{ EV_HANDLE_OPEN, "handle-open", 128 },
	{ EV_HANDLE_CLOSE, "handle-close", 128 },
	{ EV_STACK, "stack", 0 },
	{ EV_MISS, "miss", 72 + EV_MISS_STACK_SZ },
	{ EV_TICK, "tick", 24 },
	{ EV_PROCESS, "process", 0 },
	{ EV_SEED_BEGIN, "seed-begin", 32 },
	{ EV_REGION, "region", 72 },
	{ EV_SEED_END, "seed-end", 32 },
	{ EV_FILE, "file", 0 },
	{ EV_MEMORY, "memory", 144 },
	{ EV_RUN, "run", 40 },
	{ EV_GROUP, "group", 0 },
	{ EV_LOSS, "loss", 112 },
	{ EV_PAIR, "pair", 64 },
	{ EV_NOTE, "note", 0 },
	{ EV_TRUST, "trust", 48 },
	{ EV_LOST, "lost", 40 },
	{ EV_RESIDENT, "resident", 48 },
	{ EV_NAME, "name", 0 },
	{ EV_METHOD, "method", 0 },
};

/* Makes a good record of record_types[i] at the start of *r, and zeros behind it. */
static inline void make_good(union record *r, size_t i)
{
	static const struct ev_process_text text = { "java", "java -jar x", "x.service", "hotspot" };

	static const struct ev_method_text methods[] = {
		{ "java.util.zip.Inflater.<init>", "Inflater.java", 110, 12, EV_METHOD_INLINED },
		{ "kafka.log.LogSegment.recover", NULL, 186, -1, EV_METHOD_COMPILED },
	};

	memset(r, 0, sizeof(*r));
	switch (record_types[i].type) {
	case EV_PROCESS:
		ev_write_process(r, sizeof(*r), &text);
		break;
	case EV_FILE:
		ev_write_file(r, sizeof(*r), (const uint8_t *)"0123456789", 10, "/lib/libz.so.1");
		break;
	case EV_GROUP:
		ev_write_group(r, sizeof(*r), EV_LIMIT_CGROUP_HIGH, "/system.slice/kafka.service");
		break;
	case EV_NOTE:
		ev_write_note(r, sizeof(*r), "Huge pages are not covered.");
		break;
	case EV_NAME:
		ev_write_name(r, sizeof(*r), "kafka::Log::recover", "log.cc");
		break;
	case EV_METHOD:
		ev_write_method(r, sizeof(*r), methods, 2);
		break;
	case EV_STACK:
		r->stack.n_frames = 3;
		r->h.size = sizeof(r->stack) + 3 * sizeof(struct ev_frame);
		break;
	default:
		r->h.size = record_types[i].size;
	}
	r->h.type = record_types[i].type;
	r->h.time_ns = 1;
	if (r->h.type == EV_LOST)
		((struct ev_lost *)r)->type = EV_MUNMAP;
	if (r->h.type == EV_UNDO)
		r->undo.undone = EV_MUNMAP;
	if (r->h.type == EV_MISS)
		r->miss.stack_sz = 100;
}

#endif /* UNFREED_TESTS_RECORDS_H */
