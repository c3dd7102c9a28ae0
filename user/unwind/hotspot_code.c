/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The code cache: up to three heaps (one with -XX:-SegmentedCodeCache, one in JDK 8), each cut into
 * segments of 128 bytes. A byte per segment says how many segments to go back, at most, to the
 * beginning of the block that it belongs to; 0: here it begins, 0xff: free. A block's header is
 * followed by a CodeBlob.
 */
#include "user/unwind/hotspot.h"

#include <string.h>

#define MAX_HOPS 4096u
#define MAX_HEAP_SZ (64ull << 30)
#define MAX_FRAME_WORDS (1 << 20)
#define FREE_SEGMENT 0xff

static bool read_heap(const struct jvm *jvm, struct remote *remote, uint64_t at,
		      struct code_heap *out)
{
	const struct hotspot_tables *tables = &jvm->tables;
	uint64_t memory = at + tables->fields[HEAP_MEMORY].at;
	uint64_t segmap = at + tables->fields[HEAP_SEGMAP].at;
	int64_t shift;

	if (!jvm__pointer(jvm, remote, memory, SPACE_LOW_BOUNDARY, &out->low) ||
	    !jvm__pointer(jvm, remote, memory, SPACE_HIGH_BOUNDARY, &out->high) ||
	    !jvm__pointer(jvm, remote, segmap, SPACE_LOW_BOUNDARY, &out->segmap) ||
	    !jvm__number(jvm, remote, at, HEAP_LOG2_SEGMENT_SIZE, &shift))
		return false;
	out->shift = (unsigned int)shift;
	return out->low < out->high && out->high - out->low <= MAX_HEAP_SZ && shift >= 4 && shift <= 16;
}

void jvm__read_heaps(struct jvm *jvm, struct remote *remote)
{
	const struct hotspot_tables *tables = &jvm->tables;
	uint64_t array, data, heap;
	int64_t n = 1;

	jvm->n_heaps = 0;
	if (hotspot_tables__has(tables, CALL_STUB_RETURN))
		remote__word(remote, tables->fields[CALL_STUB_RETURN].at, &jvm->call_stub_return);
	if (hotspot_tables__has(tables, CODE_CACHE_HEAPS)) {
		if (!remote__word(remote, tables->fields[CODE_CACHE_HEAPS].at, &array) ||
		    !jvm__pointer(jvm, remote, array, ARRAY_DATA, &data) ||
		    !jvm__number(jvm, remote, array, ARRAY_LENGTH, &n))
			return;
	} else {
		data = tables->fields[CODE_CACHE_HEAP].at;
	}
	for (int64_t i = 0; i < n && i < HOTSPOT_MAX_HEAPS; i++) {
		if (remote__word(remote, data + 8 * (uint64_t)i, &heap) &&
		    read_heap(jvm, remote, heap, &jvm->heaps[jvm->n_heaps]))
			jvm->n_heaps++;
	}
}

static const struct code_heap *find_heap(const struct jvm *jvm, uint64_t pc)
{
	for (size_t i = 0; i < jvm->n_heaps; i++)
		if (pc >= jvm->heaps[i].low && pc < jvm->heaps[i].high)
			return &jvm->heaps[i];
	return NULL;
}

bool jvm__has_code_at(const struct jvm *jvm, uint64_t pc)
{
	return find_heap(jvm, pc);
}

/* The segment in which the block of pc begins. */
static bool find_segment(const struct code_heap *heap, struct remote *remote, uint64_t pc,
			 uint64_t *out)
{
	uint64_t segment = (pc - heap->low) >> heap->shift, back;

	for (unsigned int i = 0; i < MAX_HOPS; i++) {
		if (!remote__number(remote, heap->segmap + segment, 1, &back) ||
		    back == FREE_SEGMENT || back > segment)
			return false;
		if (!back) {
			*out = segment;
			return true;
		}
		segment -= back;
	}
	return false;
}

/* What only compiled code has. */
static bool read_compiled(const struct jvm *jvm, struct remote *remote, struct code_blob *blob)
{
	int64_t id, offset;

	if (!jvm__number(jvm, remote, blob->at, NMETHOD_COMPILE_ID, &id))
		return false;
	blob->compile_id = (uint32_t)id;
	if (hotspot_tables__has(&jvm->tables, BLOB_CODE_BEGIN))
		return jvm__pointer(jvm, remote, blob->at, BLOB_CODE_BEGIN, &blob->code);
	if (!jvm__number(jvm, remote, blob->at, BLOB_CODE_OFFSET, &offset))
		return false;
	blob->code = blob->at + (uint64_t)offset;
	return true;
}

static enum blob_kind kind_of(const char *name)
{
	if (!strncmp(name, "nmethod", 7))
		return BLOB_COMPILED;
	if (!strncmp(name, "native nmethod", 14))
		return BLOB_NATIVE_WRAPPER;
	return strcmp(name, "Interpreter") ? BLOB_STUB : BLOB_INTERPRETER;
}

bool jvm__find_blob(const struct jvm *jvm, struct remote *remote, uint64_t pc, struct code_blob *out)
{
	const struct code_heap *heap = find_heap(jvm, pc);
	uint64_t segment, name;
	int64_t frame_size, sz;

	*out = (struct code_blob){};
	if (!heap || !find_segment(heap, remote, pc, &segment))
		return false;
	out->at = heap->low + (segment << heap->shift) + jvm->tables.heap_block_sz;
	if (!jvm__number(jvm, remote, out->at, BLOB_SIZE, &sz) || sz <= 0 || pc < out->at ||
	    pc - out->at > (uint64_t)sz ||
	    !jvm__number(jvm, remote, out->at, BLOB_FRAME_SIZE, &frame_size) ||
	    !jvm__pointer(jvm, remote, out->at, BLOB_NAME, &name) ||
	    !remote__string(remote, name, out->name, sizeof(out->name)))
		return false;
	out->sz = (uint64_t)sz;
	if (frame_size > 0 && frame_size <= MAX_FRAME_WORDS)
		out->frame_sz = (uint64_t)frame_size * 8;
	out->kind = kind_of(out->name);
	return out->kind == BLOB_STUB || out->kind == BLOB_INTERPRETER ||
	       read_compiled(jvm, remote, out);
}

bool jvm__is_deoptimized(const struct jvm *jvm, struct remote *remote, const struct code_blob *blob,
			 uint64_t pc)
{
	uint64_t handler;
	int64_t offset;

	if (jvm__pointer(jvm, remote, blob->at, NMETHOD_DEOPT_BEGIN, &handler) && handler == pc)
		return true;
	if (jvm__pointer(jvm, remote, blob->at, NMETHOD_DEOPT_MH_BEGIN, &handler) && handler == pc)
		return true;
	if (jvm__number(jvm, remote, blob->at, NMETHOD_DEOPT_OFFSET, &offset) && offset > 0 &&
	    blob->at + (uint64_t)offset == pc)
		return true;
	return jvm__number(jvm, remote, blob->at, NMETHOD_DEOPTIMIZE_OFFSET, &offset) && offset > 0 &&
	       blob->at + (uint64_t)offset == pc;
}
