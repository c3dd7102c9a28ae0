/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * libjvm.so's description of itself. Three arrays of entries, each with its stride and the places
 * of its members in symbols beside it: structs (type, field, type of the field, offset or address)
 * and types (name, size). They are read in bulk; the strings they point at through a page cache.
 *
 * Fields move between classes and change their names from version to version; a row below for each
 * name that was ever seen, and what comes out says only what is there. JDK 8, 11, 17, 21, 25:
 * src/hotspot/share/runtime/vmStructs.cpp (hotspot/src/share/vm/runtime in 8).
 */
#include "user/unwind/hotspot.h"

#include <string.h>

#define MAX_ENTRIES 16384u
#define MAX_STRIDE 256u
#define CHUNK 64u		/* entries a read */
#define MAX_OFFSET 65536u	/* of a field, and of a type's size */

struct field_row {
	const char *type, *field;
	enum hotspot_field what;
};

static const struct field_row field_rows[] = {
	{ "Symbol", "_length", SYMBOL_LENGTH },
	{ "Symbol", "_length_and_refcount", SYMBOL_LENGTH_AND_REFCOUNT },	/* 12 to 16 */
	{ "Symbol", "_body", SYMBOL_BODY },
	{ "Klass", "_name", KLASS_NAME },
	{ "InstanceKlass", "_source_file_name_index", INSTANCE_KLASS_SOURCE_FILE },
	{ "Method", "_constMethod", METHOD_CONST_METHOD },
	{ "ConstMethod", "_constants", CONST_METHOD_CONSTANTS },
	{ "ConstMethod", "_code_size", CONST_METHOD_CODE_SIZE },
	{ "ConstMethod", "_name_index", CONST_METHOD_NAME },
	{ "ConstMethod", "_flags", CONST_METHOD_FLAGS },
	{ "ConstMethod", "_flags._flags", CONST_METHOD_FLAGS },			/* 21 */
	{ "ConstantPool", "_pool_holder", CONSTANT_POOL_HOLDER },
	{ "ConstantPool", "_source_file_name_index", CONSTANT_POOL_SOURCE_FILE },
	{ "CodeBlob", "_name", BLOB_NAME },
	{ "CodeBlob", "_size", BLOB_SIZE },
	{ "CodeBlob", "_frame_size", BLOB_FRAME_SIZE },
	{ "CodeBlob", "_code_begin", BLOB_CODE_BEGIN },
	{ "CodeBlob", "_code_offset", BLOB_CODE_OFFSET },
	{ "CodeBlob", "_data_offset", BLOB_DATA_OFFSET },
	{ "CodeBlob", "_mutable_data", BLOB_MUTABLE_DATA },
	{ "CodeBlob", "_relocation_size", BLOB_RELOCATION_SIZE },
	{ "CodeCache", "_heaps", CODE_CACHE_HEAPS },
	{ "CodeCache", "_heap", CODE_CACHE_HEAP },				/* 8 */
	{ "GrowableArrayBase", "_len", ARRAY_LENGTH },
	{ "GenericGrowableArray", "_len", ARRAY_LENGTH },			/* to 15 */
	{ "GrowableArray<int>", "_data", ARRAY_DATA },
	{ "CodeHeap", "_memory", HEAP_MEMORY },
	{ "CodeHeap", "_segmap", HEAP_SEGMAP },
	{ "CodeHeap", "_log2_segment_size", HEAP_LOG2_SEGMENT_SIZE },
	{ "VirtualSpace", "_low_boundary", SPACE_LOW_BOUNDARY },
	{ "VirtualSpace", "_high_boundary", SPACE_HIGH_BOUNDARY },
	{ "nmethod", "_method", NMETHOD_METHOD },
	{ "CompiledMethod", "_method", NMETHOD_METHOD },			/* 9 to 22 */
	{ "nmethod", "_compile_id", NMETHOD_COMPILE_ID },
	{ "nmethod", "_metadata_offset", NMETHOD_METADATA_OFFSET },
	{ "nmethod", "_scopes_pcs_offset", NMETHOD_SCOPES_PCS_OFFSET },
	{ "nmethod", "_scopes_data_offset", NMETHOD_SCOPES_DATA_OFFSET },
	{ "nmethod", "_scopes_data_begin", NMETHOD_SCOPES_DATA_BEGIN },
	{ "CompiledMethod", "_scopes_data_begin", NMETHOD_SCOPES_DATA_BEGIN },
	{ "nmethod", "_dependencies_offset", NMETHOD_DEPENDENCIES_OFFSET },
	{ "nmethod", "_immutable_data", NMETHOD_IMMUTABLE_DATA },
	{ "nmethod", "_orig_pc_offset", NMETHOD_ORIG_PC_OFFSET },
	{ "nmethod", "_deopt_handler_begin", NMETHOD_DEOPT_BEGIN },
	{ "CompiledMethod", "_deopt_handler_begin", NMETHOD_DEOPT_BEGIN },
	{ "nmethod", "_deopt_mh_handler_begin", NMETHOD_DEOPT_MH_BEGIN },
	{ "CompiledMethod", "_deopt_mh_handler_begin", NMETHOD_DEOPT_MH_BEGIN },
	{ "nmethod", "_deopt_handler_offset", NMETHOD_DEOPT_OFFSET },
	{ "nmethod", "_deopt_handler_entry_offset", NMETHOD_DEOPT_OFFSET },	/* 26 */
	{ "nmethod", "_deoptimize_offset", NMETHOD_DEOPTIMIZE_OFFSET },		/* 8 */
	{ "PcDesc", "_pc_offset", PC_DESC_PC_OFFSET },
	{ "PcDesc", "_scope_decode_offset", PC_DESC_SCOPE },
	{ "StubRoutines", "_call_stub_return_address", CALL_STUB_RETURN },
	{ "JDK_Version", "_current", JDK_VERSION_CURRENT },
	{ "Abstract_VM_Version", "_vm_major_version", VM_MAJOR_VERSION },
};

#define N_FIELD_ROWS (sizeof(field_rows) / sizeof(field_rows[0]))

/* Where an array and its entries' members are. */
struct array {
	uint64_t addr, stride;
	uint64_t members[5];
};

struct loading {
	struct hotspot_tables *tables;
	struct remote *remote;
	struct remote_elf elf;
	struct remote_pages *pages;
};

/* The value of an exported variable of 8 bytes. */
static bool read_variable(struct loading *l, const char *name, uint64_t *out)
{
	uint64_t addr;

	return remote_elf__symbol(l->remote, &l->elf, name, &addr) &&
	       remote__word(l->remote, addr, out);
}

/* Names: of the array, of its stride, and of its members' offsets, up to a NULL. */
static bool find_array(struct loading *l, const char *const *names, struct array *out)
{
	if (!read_variable(l, names[0], &out->addr) || !read_variable(l, names[1], &out->stride) ||
	    out->stride < 16 || out->stride > MAX_STRIDE)
		return false;
	for (size_t i = 0; names[2 + i]; i++) {
		if (!read_variable(l, names[2 + i], &out->members[i]) ||
		    out->members[i] > out->stride - 8)
			return false;
	}
	return true;
}

static uint64_t member(const struct array *array, const uint8_t *entry, size_t i)
{
	uint64_t value;

	memcpy(&value, entry + array->members[i], sizeof(value));
	return value;
}

/* Calls fn for each entry until the one without a name. */
static bool each_entry(struct loading *l, const struct array *array,
		       void (*fn)(struct loading *l, const struct array *array, const uint8_t *entry))
{
	uint8_t chunk[CHUNK * MAX_STRIDE];
	uint64_t addr = array->addr;

	for (unsigned int n = 0; n < MAX_ENTRIES;) {
		unsigned int have = CHUNK;

		/* The last entries may lie right before the end of what is mapped. */
		while (have && !remote__read(l->remote, addr, chunk, have * array->stride))
			have /= 2;
		if (!have)
			return false;
		for (unsigned int i = 0; i < have; i++, n++) {
			const uint8_t *entry = chunk + i * array->stride;

			if (!member(array, entry, 0))
				return true;
			fn(l, array, entry);
		}
		addr += have * array->stride;
	}
	return false;
}

/* Bytes of an integer of that type, 8 for all else. */
static uint8_t size_of_type(const char *name)
{
	static const struct {
		const char *name;
		uint8_t sz;
	} types[] = {
		{ "u1", 1 }, { "jbyte", 1 }, { "uint8_t", 1 }, { "int8_t", 1 }, { "bool", 1 },
		{ "u2", 2 }, { "jushort", 2 }, { "uint16_t", 2 }, { "int16_t", 2 }, { "short", 2 },
		{ "unsigned short", 2 }, { "jshort", 2 },
		{ "u4", 4 }, { "int", 4 }, { "jint", 4 }, { "juint", 4 }, { "uint", 4 },
		{ "unsigned int", 4 }, { "uint32_t", 4 }, { "int32_t", 4 }, { "unsigned", 4 },
	};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (!strcmp(types[i].name, name))
			return types[i].sz;
	return 8;
}

enum { STRUCT_TYPE, STRUCT_FIELD, STRUCT_TYPE_STRING, STRUCT_OFFSET, STRUCT_ADDRESS };

static void on_struct(struct loading *l, const struct array *array, const uint8_t *entry)
{
	uint64_t address = member(array, entry, STRUCT_ADDRESS), type_of_field;
	char type[64], field[64], string[64] = "";

	if (!remote_pages__string(l->pages, member(array, entry, STRUCT_TYPE), type, sizeof(type)) ||
	    !remote_pages__string(l->pages, member(array, entry, STRUCT_FIELD), field, sizeof(field)))
		return;
	for (size_t i = 0; i < N_FIELD_ROWS; i++) {
		const struct field_row *row = &field_rows[i];
		uint64_t at = address ? address : member(array, entry, STRUCT_OFFSET);

		if (strcmp(row->type, type) != 0 || strcmp(row->field, field) != 0)
			continue;
		if (!address && at > MAX_OFFSET)
			return;
		type_of_field = member(array, entry, STRUCT_TYPE_STRING);
		if (type_of_field)
			remote_pages__string(l->pages, type_of_field, string, sizeof(string));
		l->tables->fields[row->what].at = at;
		l->tables->fields[row->what].sz = size_of_type(string);
		return;
	}
}

enum { TYPE_NAME, TYPE_SIZE };

static void on_type(struct loading *l, const struct array *array, const uint8_t *entry)
{
	struct hotspot_tables *tables = l->tables;
	const struct {
		const char *name;
		uint64_t *out;
	} wanted[] = {
		{ "ConstMethod", &tables->const_method_sz },
		{ "ConstantPool", &tables->constant_pool_sz },
		{ "HeapBlock", &tables->heap_block_sz },
		{ "PcDesc", &tables->pc_desc_sz },
	};
	char name[64];

	if (!remote_pages__string(l->pages, member(array, entry, TYPE_NAME), name, sizeof(name)))
		return;
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		if (!strcmp(wanted[i].name, name))
			*wanted[i].out = member(array, entry, TYPE_SIZE);
}

static bool read_arrays(struct loading *l)
{
	static const char *const struct_names[] = {
		"gHotSpotVMStructs", "gHotSpotVMStructEntryArrayStride",
		"gHotSpotVMStructEntryTypeNameOffset", "gHotSpotVMStructEntryFieldNameOffset",
		"gHotSpotVMStructEntryTypeStringOffset", "gHotSpotVMStructEntryOffsetOffset",
		"gHotSpotVMStructEntryAddressOffset", NULL,
	};
	static const char *const type_names[] = {
		"gHotSpotVMTypes", "gHotSpotVMTypeEntryArrayStride",
		"gHotSpotVMTypeEntryTypeNameOffset", "gHotSpotVMTypeEntrySizeOffset", NULL,
	};
	struct array structs = {}, types = {};

	return find_array(l, struct_names, &structs) && find_array(l, type_names, &types) &&
	       each_entry(l, &structs, on_struct) && each_entry(l, &types, on_type);
}

/* A version is needed only for how numbers are compressed. */
static void read_version(struct loading *l)
{
	struct hotspot_tables *tables = l->tables;
	uint64_t version = 0;

	if (hotspot_tables__has(tables, JDK_VERSION_CURRENT))
		remote__number(l->remote, tables->fields[JDK_VERSION_CURRENT].at, 1, &version);
	else if (hotspot_tables__has(tables, VM_MAJOR_VERSION))
		remote__number(l->remote, tables->fields[VM_MAJOR_VERSION].at, 4, &version);
	tables->version = (unsigned int)version;
}

/* What no rule can be made without. */
static bool make_sense(const struct hotspot_tables *tables)
{
	static const enum hotspot_field needed[] = {
		BLOB_NAME, BLOB_SIZE, BLOB_FRAME_SIZE, HEAP_MEMORY, HEAP_SEGMAP,
		HEAP_LOG2_SEGMENT_SIZE, SPACE_LOW_BOUNDARY, SPACE_HIGH_BOUNDARY, NMETHOD_COMPILE_ID,
	};

	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
		if (!hotspot_tables__has(tables, needed[i]))
			return false;
	if (!hotspot_tables__has(tables, CODE_CACHE_HEAP) &&
	    (!hotspot_tables__has(tables, CODE_CACHE_HEAPS) ||
	     !hotspot_tables__has(tables, ARRAY_LENGTH) || !hotspot_tables__has(tables, ARRAY_DATA)))
		return false;
	return tables->heap_block_sz && tables->heap_block_sz <= 64 &&
	       tables->const_method_sz <= MAX_OFFSET && tables->constant_pool_sz <= MAX_OFFSET &&
	       tables->pc_desc_sz <= 64 && tables->version >= 7 && tables->version < 100;
}

bool hotspot_tables__load(struct hotspot_tables *tables, struct remote *remote, uint64_t base)
{
	struct loading l = { .tables = tables, .remote = remote };
	bool ok;

	*tables = (struct hotspot_tables){};
	if (!remote_elf__open(remote, base, &l.elf))
		return false;
	l.pages = remote_pages__new(remote);
	if (!l.pages)
		return false;
	ok = read_arrays(&l);
	remote_pages__free(l.pages);
	if (!ok)
		return false;
	read_version(&l);
	return make_sense(tables);
}
