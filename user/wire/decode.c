/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * One table says for every type how it is called, how large it is, and which checker looks at what
 * its fields claim. The gate judges form only: whether a record can be read without reading outside
 * it or meeting an unknown enumerator. Whether it makes sense (an end before its start) is the
 * model's business: a munmap is reported at entry with whatever its caller asked for, and that is
 * a fact, not a bad record.
 */
#include "user/wire/decode.h"

#include <stdbool.h>
#include <string.h>

#include "user/base/error.h"

#define EV_KNOWN_FLAGS                                                                      \
	(EV_F_STACK_PARTIAL | EV_F_STACK_TOKEN | EV_F_BRK | EV_F_NAMED | EV_F_TO_HOLE |     \
	 EV_F_NO_COPY | EV_F_THREADS)
#define EV_KNOWN_REGION_FLAGS \
	(EV_REGION_SHARED | EV_REGION_HEAP | EV_REGION_STACK | EV_REGION_SPECIAL)

/* NULL: well-formed, else what is wrong. The record is at least min_sz bytes long. */
typedef const char *(*ev_check_fn)(const struct ev_header *h);

struct ev_shape {
	const char *name;
	uint32_t min_sz;
	bool variable;	/* else min_sz is the only size */
	ev_check_fn check;
};

/* Trailing bytes of a variable record: they and zeros up to a multiple of 8, nothing else. */
static const char *check_trailer(const struct ev_header *h, uint64_t from, uint64_t bytes)
{
	const uint8_t *p = (const uint8_t *)h;
	uint64_t at;

	if (from + bytes > h->size)
		return "its text or array is longer than the record";
	if (ev_round_up(from + bytes) != h->size)
		return "it is longer than its text or array";
	for (at = from + bytes; at < h->size; at++) {
		if (p[at])
			return "its padding is not zero";
	}
	return NULL;
}

static const char *check_undo(const struct ev_header *h)
{
	const struct ev_undo *e = (const void *)h;

	if (e->undone != EV_MUNMAP && e->undone != EV_SHMDT && e->undone != EV_MMAP &&
	    e->undone != EV_MPROTECT)
		return "it undoes what is not a release";
	return NULL;
}

static const char *check_fork(const struct ev_header *h)
{
	const struct ev_fork *e = (const void *)h;

	return e->shares_vm > 1 ? "shares_vm is neither 0 nor 1" : NULL;
}

static const char *check_stack(const struct ev_header *h)
{
	const struct ev_stack *e = (const void *)h;
	uint32_t i;

	if (e->n_frames < 1 || e->n_frames > EV_MAX_FRAMES)
		return "its number of frames is out of bounds";
	/* The kernel side reserves room for the deepest stack. */
	if (sizeof(*e) + (uint64_t)e->n_frames * sizeof(e->frames[0]) > h->size)
		return "its size does not fit its number of frames";
	if (e->end > EV_STACK_BROKEN)
		return "unknown end of a stack";
	for (i = 0; i < e->n_frames; i++) {
		if (e->frames[i].kind > EV_FRAME_GUARDED)
			return "unknown kind of frame";
	}
	return NULL;
}

static const char *check_miss(const struct ev_header *h)
{
	const struct ev_miss *e = (const void *)h;

	if (h->size != sizeof(*e) && h->size != EV_MISS_SHORT_SZ)
		return "it is neither a long nor a short one";
	return e->stack_sz > h->size - offsetof(struct ev_miss, stack) ?
		       "its stack is longer than the record" : NULL;
}

static const char *check_process(const struct ev_header *h)
{
	const struct ev_process *e = (const void *)h;
	uint64_t bytes = (uint64_t)e->comm_sz + e->cmdline_sz + e->unit_sz + e->runtime_sz;

	return check_trailer(h, offsetof(struct ev_process, text), bytes);
}

static const char *check_seed(const struct ev_header *h)
{
	const struct ev_seed *e = (const void *)h;

	return e->reason > EV_SEED_HEAL ? "unknown reason for a reading" : NULL;
}

static const char *check_region(const struct ev_header *h)
{
	const struct ev_region *e = (const void *)h;

	return e->flags & ~(uint32_t)EV_KNOWN_REGION_FLAGS ? "unknown region flag" : NULL;
}

static const char *check_file(const struct ev_header *h)
{
	const struct ev_file *e = (const void *)h;

	if (e->build_id_sz > EV_BUILD_ID_MAX)
		return "its build-id is too long";
	return check_trailer(h, offsetof(struct ev_file, path), e->path_sz);
}

static const char *check_lost(const struct ev_header *h)
{
	const struct ev_lost *e = (const void *)h;

	return e->type < EV_MMAP || e->type > EV_HANDLE_CLOSE ? "it lost no such record" : NULL;
}

static const char *check_pair(const struct ev_header *h)
{
	const struct ev_pair *e = (const void *)h;

	if (e->growth_percent > 100)
		return "its share is more than the whole";
	return memchr(e->name, '\0', sizeof(e->name)) ? NULL : "its name is not terminated";
}

static const char *check_note(const struct ev_header *h)
{
	const struct ev_note *e = (const void *)h;

	return check_trailer(h, offsetof(struct ev_note, text), e->text_sz);
}

static const char *check_name(const struct ev_header *h)
{
	const struct ev_name *e = (const void *)h;

	if (e->function_sz > EV_NAME_TEXT_MAX || e->file_sz > EV_NAME_TEXT_MAX)
		return "its text is too long";
	if (e->innermost > 1)
		return "innermost is neither 0 nor 1";
	return check_trailer(h, offsetof(struct ev_name, text),
			     (uint64_t)e->function_sz + e->file_sz);
}

static const char *check_method(const struct ev_header *h)
{
	const struct ev_method *e = (const void *)h;
	uint64_t bytes = 0, fixed = sizeof(*e) + (uint64_t)e->n_names * sizeof(e->names[0]);

	if (e->n_names < 1 || e->n_names > EV_MAX_METHOD_NAMES)
		return "its number of names is out of bounds";
	if (fixed > h->size)
		return "its size does not fit its number of names";
	for (uint32_t i = 0; i < e->n_names; i++) {
		const struct ev_method_name *name = &e->names[i];

		if (name->kind > EV_METHOD_STUB)
			return "unknown kind of method";
		if (name->bci < -1 || name->bci > UINT16_MAX)
			return "its bytecode index is out of bounds";
		bytes += (uint64_t)name->function_sz + name->file_sz;
	}
	return check_trailer(h, fixed, bytes);
}

static const char *check_group(const struct ev_header *h)
{
	const struct ev_group *e = (const void *)h;

	if (e->kind != EV_LIMIT_CGROUP_MAX && e->kind != EV_LIMIT_CGROUP_HIGH)
		return "its limit is none of a cgroup";
	if (e->path_sz > EV_GROUP_PATH_MAX)
		return "its text is too long";
	return check_trailer(h, offsetof(struct ev_group, path), e->path_sz);
}

#define EXACT(type_name, type, checker) { type_name, sizeof(type), false, checker }
#define VARIABLE(type_name, type, checker) { type_name, sizeof(type), true, checker }

static const struct ev_shape shapes[] = {
	[EV_MMAP] = EXACT("mmap", struct ev_mmap, NULL),
	[EV_MUNMAP] = EXACT("munmap", struct ev_munmap, NULL),
	[EV_MREMAP_BEGIN] = EXACT("mremap-begin", struct ev_mremap, NULL),
	[EV_MREMAP_END] = EXACT("mremap-end", struct ev_mremap, NULL),
	[EV_MPROTECT] = EXACT("mprotect", struct ev_mprotect, NULL),
	[EV_BRK] = EXACT("brk", struct ev_brk, NULL),
	[EV_SHMAT] = EXACT("shmat", struct ev_shmat, NULL),
	[EV_SHMDT] = EXACT("shmdt", struct ev_munmap, NULL),
	[EV_UNDO] = EXACT("undo", struct ev_undo, check_undo),
	[EV_FORK] = EXACT("fork", struct ev_fork, check_fork),
	[EV_EXEC] = EXACT("exec", struct ev_exec, NULL),
	[EV_EXIT] = EXACT("exit", struct ev_exit, NULL),
	[EV_HANDLE_OPEN] = EXACT("handle-open", struct ev_handle, NULL),
	[EV_HANDLE_CLOSE] = EXACT("handle-close", struct ev_handle, NULL),
	[EV_STACK] = VARIABLE("stack", struct ev_stack, check_stack),
	[EV_MISS] = { "miss", EV_MISS_SHORT_SZ, true, check_miss },
	[EV_TICK] = EXACT("tick", struct ev_header, NULL),
	[EV_PROCESS] = VARIABLE("process", struct ev_process, check_process),
	[EV_SEED_BEGIN] = EXACT("seed-begin", struct ev_seed, check_seed),
	[EV_REGION] = EXACT("region", struct ev_region, check_region),
	[EV_SEED_END] = EXACT("seed-end", struct ev_seed, check_seed),
	[EV_FILE] = VARIABLE("file", struct ev_file, check_file),
	[EV_MEMORY] = EXACT("memory", struct ev_memory, NULL),
	[EV_GROUP] = VARIABLE("group", struct ev_group, check_group),
	[EV_RUN] = EXACT("run", struct ev_run, NULL),
	[EV_LOSS] = EXACT("loss", struct ev_loss, NULL),
	[EV_PAIR] = EXACT("pair", struct ev_pair, check_pair),
	[EV_NOTE] = VARIABLE("note", struct ev_note, check_note),
	[EV_TRUST] = EXACT("trust", struct ev_trust, NULL),
	[EV_LOST] = EXACT("lost", struct ev_lost, check_lost),
	[EV_RESIDENT] = EXACT("resident", struct ev_resident, NULL),
	[EV_NAME] = VARIABLE("name", struct ev_name, check_name),
	[EV_METHOD] = VARIABLE("method", struct ev_method, check_method),
};

#define N_SHAPES (sizeof(shapes) / sizeof(shapes[0]))

/* NULL: no such type. */
static const struct ev_shape *shape_of(uint16_t type)
{
	return type < N_SHAPES && shapes[type].name ? &shapes[type] : NULL;
}

static const char *what_is_wrong(const void *data, size_t data_sz)
{
	const struct ev_header *h = data;
	const struct ev_shape *shape;

	if ((uintptr_t)data % 8)
		return "it is not aligned";
	if (data_sz < sizeof(*h))
		return "it is shorter than a header";
	if (h->size > EV_MAX_RECORD_SZ)
		return "it is larger than any record";
	if (h->size > data_sz)
		return "it is cut off";
	if (h->size % 8)
		return "its size is not a multiple of 8";
	shape = shape_of(h->type);
	if (!shape)
		return "unknown type";
	if (h->size < shape->min_sz)
		return "it is shorter than its type";
	if (!shape->variable && h->size != shape->min_sz)
		return "it is longer than its type";
	if (h->flags & ~EV_KNOWN_FLAGS)
		return "unknown flag";
	return shape->check ? shape->check(h) : NULL;
}

int ev_check(const void *data, size_t data_sz, const struct ev_header **out, const char **why)
{
	const char *wrong = what_is_wrong(data, data_sz);

	if (wrong) {
		if (why)
			*why = wrong;
		return -EBADMSG;
	}
	*out = data;
	return 0;
}

const char *ev_type_name(uint16_t type)
{
	const struct ev_shape *shape = shape_of(type);

	return shape ? shape->name : NULL;
}

const char *ev_loss_name(unsigned int cause)
{
	static const char *const names[] = {
		[EV_LOSS_RING_FULL] = "ring-full",
		[EV_LOSS_STACK_RING_FULL] = "stack-ring-full",
		[EV_LOSS_MISS_RING_FULL] = "miss-ring-full",
		[EV_LOSS_TARGETS_FULL] = "targets-full",
		[EV_LOSS_ENTRY_FULL] = "entry-full",
		[EV_LOSS_READ] = "read-failed",
		[EV_LOSS_RULES_FULL] = "rules-full",
		[EV_LOSS_MAPS_READ] = "maps-read",
		[EV_LOSS_BAD_RECORD] = "bad-record",
		[EV_LOSS_MODEL_FULL] = "model-full",
		[EV_LOSS_NESTED] = "nested",
	};
	_Static_assert(sizeof(names) / sizeof(names[0]) == EV_N_LOSSES, "a name per cause");

	return cause < EV_N_LOSSES ? names[cause] : NULL;
}

const char *ev_limit_name(unsigned int kind)
{
	static const char *const names[] = {
		[EV_LIMIT_CGROUP_MAX] = "cgroup-max",
		[EV_LIMIT_CGROUP_HIGH] = "cgroup-high",
		[EV_LIMIT_RLIMIT_AS] = "rlimit-as",
		[EV_LIMIT_HOST] = "host",
		[EV_LIMIT_MAP_COUNT] = "map-count",
	};
	_Static_assert(sizeof(names) / sizeof(names[0]) == EV_N_LIMITS, "a name per kind");

	return kind < EV_N_LIMITS ? names[kind] : NULL;
}
