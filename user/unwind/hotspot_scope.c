/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Compiled code: which methods a pc stands for. An nmethod has a sorted table of PcDescs (offset of
 * a pc, offset of a scope) and a stream of scopes, each the numbers {offset of the caller's scope,
 * method, bytecode index + 1}, the caller being the method that this one was inlined into. Methods
 * are numbered from 1 in the nmethod's table of metadata.
 *
 * Where these three lie changed twice: inside the nmethod up to 22; since 23 in memory of their own
 * (immutable data), the metadata behind the relocations since 25.
 */
#include "user/unwind/hotspot.h"

#include <stdlib.h>
#include <string.h>

#include "user/base/cleanup.h"

#define MAX_PC_DESCS_SZ (2u << 20)
#define MAX_SCOPES 128		/* of one pc; the compilers inline some 15 deep */
#define SCOPE_SZ 32		/* bytes read: three numbers of at most five */

struct places {
	uint64_t pcs, pcs_end, scopes, metadata;
};

/* Since 23. */
static bool find_immutable(const struct jvm *jvm, struct remote *remote,
			   const struct code_blob *blob, struct places *out)
{
	int64_t pcs, scopes, data, offset;
	uint64_t base, mutable;

	if (!jvm__pointer(jvm, remote, blob->at, NMETHOD_IMMUTABLE_DATA, &base) ||
	    !jvm__number(jvm, remote, blob->at, NMETHOD_SCOPES_PCS_OFFSET, &pcs) ||
	    !jvm__number(jvm, remote, blob->at, NMETHOD_SCOPES_DATA_OFFSET, &scopes))
		return false;
	out->pcs = base + (uint64_t)pcs;
	out->pcs_end = out->scopes = base + (uint64_t)scopes;
	if (jvm__pointer(jvm, remote, blob->at, BLOB_MUTABLE_DATA, &mutable)) {
		if (!jvm__number(jvm, remote, blob->at, BLOB_RELOCATION_SIZE, &offset))
			return false;
		out->metadata = mutable + (uint64_t)offset;
		return true;
	}
	if (!jvm__number(jvm, remote, blob->at, BLOB_DATA_OFFSET, &data) ||
	    !jvm__number(jvm, remote, blob->at, NMETHOD_METADATA_OFFSET, &offset))
		return false;
	out->metadata = blob->at + (uint64_t)data + (uint64_t)offset;
	return true;
}

static bool find_places(const struct jvm *jvm, struct remote *remote, const struct code_blob *blob,
			struct places *out)
{
	int64_t pcs, end, metadata, scopes;

	if (hotspot_tables__has(&jvm->tables, NMETHOD_IMMUTABLE_DATA))
		return find_immutable(jvm, remote, blob, out);
	if (!jvm__number(jvm, remote, blob->at, NMETHOD_SCOPES_PCS_OFFSET, &pcs) ||
	    !jvm__number(jvm, remote, blob->at, NMETHOD_DEPENDENCIES_OFFSET, &end) ||
	    !jvm__number(jvm, remote, blob->at, NMETHOD_METADATA_OFFSET, &metadata))
		return false;
	out->pcs = blob->at + (uint64_t)pcs;
	out->pcs_end = blob->at + (uint64_t)end;
	out->metadata = blob->at + (uint64_t)metadata;
	if (jvm__pointer(jvm, remote, blob->at, NMETHOD_SCOPES_DATA_BEGIN, &out->scopes))
		return true;
	if (!jvm__number(jvm, remote, blob->at, NMETHOD_SCOPES_DATA_OFFSET, &scopes))
		return false;
	out->scopes = blob->at + (uint64_t)scopes;
	return true;
}

static int32_t number_at(const uint8_t *desc, uint64_t offset)
{
	int32_t value;

	memcpy(&value, desc + offset, sizeof(value));
	return value;
}

/* The scope recorded for exactly that offset of a pc; 0: none. */
static uint32_t find_scope(const struct jvm *jvm, struct remote *remote,
			   const struct places *places, int64_t pc_offset)
{
	const struct hotspot_tables *tables = &jvm->tables;
	uint64_t sz = places->pcs_end - places->pcs, desc_sz = tables->pc_desc_sz;
	uint64_t pc_at = tables->fields[PC_DESC_PC_OFFSET].at;
	uint64_t scope_at = tables->fields[PC_DESC_SCOPE].at;
	cleanup_free uint8_t *descs = NULL;
	size_t low = 0, high;

	if (places->pcs >= places->pcs_end || sz > MAX_PC_DESCS_SZ || desc_sz < 8 ||
	    pc_at > desc_sz - 4 || scope_at > desc_sz - 4)
		return 0;
	descs = malloc(sz);
	if (!descs || !remote__read(remote, places->pcs, descs, sz))
		return 0;
	high = sz / desc_sz;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int32_t here = number_at(descs + middle * desc_sz, pc_at);

		if (here == pc_offset)
			return (uint32_t)number_at(descs + middle * desc_sz, scope_at);
		if (here < pc_offset)
			low = middle + 1;
		else
			high = middle;
	}
	return 0;
}

/* As many bytes from addr as can be had, up to sz: the stream may end before. */
static size_t read_up_to(struct remote *remote, uint64_t addr, uint8_t *buf, size_t sz)
{
	while (sz && !remote__read(remote, addr, buf, sz))
		sz /= 2;
	return sz;
}

static bool read_scope(const struct jvm *jvm, struct remote *remote, const struct places *places,
		       uint32_t offset, uint32_t *caller, struct scope *out)
{
	uint8_t bytes[SCOPE_SZ];
	const uint8_t *p = bytes, *end;
	uint32_t method, bci;

	end = bytes + read_up_to(remote, places->scopes + offset, bytes, sizeof(bytes));
	if (!hotspot_unsigned5(jvm, &p, end, caller) || !hotspot_unsigned5(jvm, &p, end, &method) ||
	    !hotspot_unsigned5(jvm, &p, end, &bci) || !method)
		return false;
	out->bci = bci && bci <= UINT16_MAX ? (int32_t)bci - 1 : -1;
	return remote__word(remote, places->metadata + 8ull * (method - 1), &out->method);
}

size_t jvm__scopes(const struct jvm *jvm, struct remote *remote, const struct code_blob *blob,
		   uint64_t pc, struct scope *out, size_t max)
{
	struct places places;
	uint32_t offset, caller;
	size_t n = 0;

	if (!find_places(jvm, remote, blob, &places))
		return 0;
	offset = find_scope(jvm, remote, &places, (int64_t)(pc - blob->code));
	for (int i = 0; i < MAX_SCOPES && offset && n < max; i++, n++) {
		if (!read_scope(jvm, remote, &places, offset, &caller, &out[n]))
			break;
		if (caller >= offset) {	/* callers are written first: no circles */
			n++;
			break;
		}
		offset = caller;
	}
	return n;
}
