/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * A process that looks like a HotSpot JVM, as one block of memory: libjvm.so with its tables, a code
 * heap, an nmethod with an inlined method, a native wrapper, the interpreter, stubs, and the
 * classes behind them. Which fields there are, and where the nmethod keeps its parts, is as in the JDK
 * asked for; the offsets themselves are made up, since no reader may rely on them.
 */
#ifndef UNFREED_TESTS_FAKE_JVM_H
#define UNFREED_TESTS_FAKE_JVM_H

#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "user/unwind/unwind.h"

#define FAKE_BASE 0x7f5500000000ull
#define FAKE_SZ (160u << 10)
#define FAKE_CODE_OFF 0x8000u		/* the code heap, 64 KB, of segments of 128 bytes */
#define FAKE_CODE_SZ 0x10000u
#define FAKE_TGID 42

struct fake_jvm {
	int version;
	size_t used;
	uint64_t n_reads, n_bytes;	/* asked for by the reader */
	const char *library;		/* what find_file knows */
	uint64_t segmap, heaps;
	/* What a test asks for. */
	uint64_t compiled_pc, deopt_pc, native_pc, interpreter_pc, stub_pc, call_stub_pc;
	uint64_t barrier_pc;		/* in the compiled method, with code of the test's behind it */
	uint64_t inner, outer, lambda;	/* Method* */
	uint64_t outer_code;		/* where outer's bytecodes begin */
	uint8_t bytes[FAKE_SZ];
};

enum { FAKE_COMPILE_ID = 77, FAKE_ORIG_PC = 24, FAKE_FRAME_WORDS = 6 };

static inline void fake_put(struct fake_jvm *f, uint64_t addr, uint64_t value, size_t sz)
{
	memcpy(f->bytes + (addr - FAKE_BASE), &value, sz);
}

static inline uint64_t fake_take(struct fake_jvm *f, size_t sz)
{
	uint64_t at = FAKE_BASE + f->used;

	f->used += (sz + 15) & ~(size_t)15;
	if (f->used > FAKE_SZ)
		__builtin_trap();
	return at;
}

static inline uint64_t fake_string(struct fake_jvm *f, const char *s)
{
	uint64_t at = fake_take(f, strlen(s) + 1);

	memcpy(f->bytes + (at - FAKE_BASE), s, strlen(s) + 1);
	return at;
}

/* --- what this JDK has --------------------------------------------------------------------------- */

struct fake_field {
	const char *type, *field, *string;
	int first, last;	/* JDKs that have it */
	uint64_t value;
	bool is_static;
};

/* Offsets in the made-up objects. */
enum {
	F_LENGTH = 4, F_BODY = 6, F_KLASS_NAME = 0x18, F_CONST_METHOD = 8, F_CONSTANTS = 8,
	F_CODE_SIZE = 0x22, F_NAME_INDEX = 0x24, F_FLAGS = 0x28, F_HOLDER = 0x10, F_SOURCE = 0x34,
	F_BLOB_NAME = 8, F_BLOB_SIZE = 0x10, F_FRAME_SIZE = 0x14, F_CODE_BEGIN = 0x18,
	F_CODE_OFFSET = 0x20, F_DATA_OFFSET = 0x24, F_MUTABLE = 0x28, F_RELOCATION = 0x30,
	F_METHOD = 0x40, F_COMPILE_ID = 0x48, F_METADATA = 0x4c, F_PCS = 0x50, F_SCOPES = 0x54,
	F_SCOPES_BEGIN = 0x58, F_DEPENDENCIES = 0x60, F_IMMUTABLE = 0x68, F_ORIG_PC_AT = 0x70,
	F_DEOPT_BEGIN = 0x78, F_DEOPT_OFFSET = 0x80, F_DEOPTIMIZE = 0x84,
	F_MEMORY = 0x08, F_SEGMAP = 0x48, F_LOG2 = 0x90, F_LOW = 0x10, F_HIGH = 0x18,
	F_LEN = 0, F_DATA = 8,
	CONST_METHOD_SZ = 0x38, CONSTANT_POOL_SZ = 0x48, PC_DESC_SZ = 16, NMETHOD_CODE = 0x100,
};

struct fake_statics {
	uint64_t heaps, heap, call_stub, jdk_version, vm_major;
};

static inline size_t fake_fields(const struct fake_statics *at, struct fake_field *out)
{
	const struct fake_field all[] = {
		{ "Symbol", "_length", "u2", 8, 11, F_LENGTH, false },
		{ "Symbol", "_length", "unsigned short", 17, 99, F_LENGTH, false },
		{ "Symbol", "_body[0]", "u1", 8, 99, 99, false },	/* a name that is not asked for */
		{ "Symbol", "_body", "u1", 8, 99, F_BODY, false },
		{ "Klass", "_name", "Symbol*", 8, 99, F_KLASS_NAME, false },
		{ "InstanceKlass", "_source_file_name_index", "u2", 8, 14, F_SOURCE, false },
		{ "ConstantPool", "_source_file_name_index", "u2", 15, 99, F_SOURCE, false },
		{ "Method", "_constMethod", "ConstMethod*", 8, 99, F_CONST_METHOD, false },
		{ "ConstMethod", "_constants", "ConstantPool*", 8, 99, F_CONSTANTS, false },
		{ "ConstMethod", "_code_size", "u2", 8, 99, F_CODE_SIZE, false },
		{ "ConstMethod", "_name_index", "u2", 8, 99, F_NAME_INDEX, false },
		{ "ConstMethod", "_flags", "u2", 8, 20, F_FLAGS, false },
		{ "ConstMethod", "_flags._flags", "u4", 21, 99, F_FLAGS, false },
		{ "ConstantPool", "_pool_holder", "InstanceKlass*", 8, 99, F_HOLDER, false },
		{ "CodeBlob", "_name", "const char*", 8, 99, F_BLOB_NAME, false },
		{ "CodeBlob", "_size", "int", 8, 99, F_BLOB_SIZE, false },
		{ "CodeBlob", "_frame_size", "int", 8, 99, F_FRAME_SIZE, false },
		{ "CodeBlob", "_code_begin", "address", 9, 22, F_CODE_BEGIN, false },
		{ "CodeBlob", "_code_offset", "int", 8, 8, F_CODE_OFFSET, false },
		{ "CodeBlob", "_code_offset", "int", 23, 99, F_CODE_OFFSET, false },
		{ "CodeBlob", "_data_offset", "int", 23, 99, F_DATA_OFFSET, false },
		{ "CodeBlob", "_mutable_data", "address", 25, 99, F_MUTABLE, false },
		{ "CodeBlob", "_relocation_size", "int", 25, 99, F_RELOCATION, false },
		{ "CodeCache", "_heap", "CodeHeap*", 8, 8, at->heap, true },
		{ "CodeCache", "_heaps", "GrowableArray<CodeHeap*>*", 9, 99, at->heaps, true },
		{ "GenericGrowableArray", "_len", "int", 9, 15, F_LEN, false },
		{ "GrowableArrayBase", "_len", "int", 16, 99, F_LEN, false },
		{ "GrowableArray<int>", "_data", "int*", 9, 99, F_DATA, false },
		{ "CodeHeap", "_memory", "VirtualSpace", 8, 99, F_MEMORY, false },
		{ "CodeHeap", "_segmap", "VirtualSpace", 8, 99, F_SEGMAP, false },
		{ "CodeHeap", "_log2_segment_size", "int", 8, 99, F_LOG2, false },
		{ "VirtualSpace", "_low_boundary", "char*", 8, 99, F_LOW, false },
		{ "VirtualSpace", "_high_boundary", "char*", 8, 99, F_HIGH, false },
		{ "CompiledMethod", "_method", "Method*", 9, 22, F_METHOD, false },
		{ "nmethod", "_method", "Method*", 8, 8, F_METHOD, false },
		{ "nmethod", "_method", "Method*", 23, 99, F_METHOD, false },
		{ "nmethod", "_compile_id", "int", 8, 99, F_COMPILE_ID, false },
		{ "nmethod", "_metadata_offset", "int", 8, 22, F_METADATA, false },
		{ "nmethod", "_metadata_offset", "u2", 23, 24, F_METADATA, false },
		{ "nmethod", "_scopes_pcs_offset", "int", 8, 99, F_PCS, false },
		{ "nmethod", "_scopes_data_offset", "int", 8, 8, F_SCOPES, false },
		{ "nmethod", "_scopes_data_offset", "int", 23, 99, F_SCOPES, false },
		{ "CompiledMethod", "_scopes_data_begin", "address", 9, 22, F_SCOPES_BEGIN, false },
		{ "nmethod", "_dependencies_offset", "int", 8, 22, F_DEPENDENCIES, false },
		{ "nmethod", "_immutable_data", "address", 23, 99, F_IMMUTABLE, false },
		{ "nmethod", "_orig_pc_offset", "int", 8, 99, F_ORIG_PC_AT, false },
		{ "CompiledMethod", "_deopt_handler_begin", "address", 9, 22, F_DEOPT_BEGIN, false },
		{ "nmethod", "_deopt_handler_offset", "int", 23, 99, F_DEOPT_OFFSET, false },
		{ "nmethod", "_deoptimize_offset", "int", 8, 8, F_DEOPTIMIZE, false },
		{ "PcDesc", "_pc_offset", "int", 8, 99, 0, false },
		{ "PcDesc", "_scope_decode_offset", "int", 8, 99, 4, false },
		{ "StubRoutines", "_call_stub_return_address", "address", 8, 99, at->call_stub, true },
		{ "JDK_Version", "_current", "JDK_Version", 8, 21, at->jdk_version, true },
		{ "Abstract_VM_Version", "_vm_major_version", "int", 22, 99, at->vm_major, true },
	};

	memcpy(out, all, sizeof(all));
	return sizeof(all) / sizeof(all[0]);
}

/* --- libjvm.so ----------------------------------------------------------------------------------- */

struct fake_variable {
	const char *name;
	uint64_t value;
};

static inline uint32_t fake_gnu_hash(const char *name)
{
	uint32_t hash = 5381;

	for (; *name; name++)
		hash = hash * 33 + (uint8_t)*name;
	return hash;
}

/* One hash bucket, no bloom filter worth its name; variables of 8 bytes. */
static inline void fake_dynamic(struct fake_jvm *f, const struct fake_variable *variables, size_t n)
{
	uint64_t symtab = fake_take(f, (n + 1) * sizeof(Elf64_Sym)), strtab = fake_take(f, 2048);
	uint64_t hash = fake_take(f, 16 + 8 + 4 + 4 * n), dynamic = fake_take(f, 4 * sizeof(Elf64_Dyn));
	const Elf64_Dyn entries[] = {
		{ DT_SYMTAB, { symtab } }, { DT_STRTAB, { strtab } }, { DT_GNU_HASH, { hash } }, {},
	};
	const uint32_t header[] = { 1, 1, 1, 0, ~0u, ~0u, 1 };
	const Elf64_Phdr phdrs[] = {
		{ .p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_filesz = FAKE_SZ, .p_memsz = FAKE_SZ },
		{ .p_type = PT_DYNAMIC, .p_vaddr = dynamic - FAKE_BASE, .p_memsz = sizeof(entries) },
	};
	Elf64_Ehdr ehdr = { .e_phoff = sizeof(ehdr), .e_phentsize = sizeof(phdrs[0]), .e_phnum = 2 };
	size_t name_at = 1;

	memcpy(ehdr.e_ident, ELFMAG, SELFMAG);
	ehdr.e_ident[EI_CLASS] = ELFCLASS64;
	ehdr.e_ident[EI_DATA] = ELFDATA2LSB;
	memcpy(f->bytes, &ehdr, sizeof(ehdr));
	memcpy(f->bytes + sizeof(ehdr), phdrs, sizeof(phdrs));
	memcpy(f->bytes + (dynamic - FAKE_BASE), entries, sizeof(entries));
	memcpy(f->bytes + (hash - FAKE_BASE), header, sizeof(header));
	for (size_t i = 0; i < n; i++) {
		Elf64_Sym symbol = { .st_name = (Elf64_Word)name_at, .st_shndx = 1 };
		uint64_t variable = fake_take(f, 8);
		uint32_t link = fake_gnu_hash(variables[i].name) & ~1u;

		fake_put(f, variable, variables[i].value, 8);
		symbol.st_value = variable - FAKE_BASE;
		memcpy(f->bytes + (symtab - FAKE_BASE) + (i + 1) * sizeof(symbol), &symbol, sizeof(symbol));
		memcpy(f->bytes + (strtab - FAKE_BASE) + name_at, variables[i].name,
		       strlen(variables[i].name) + 1);
		name_at += strlen(variables[i].name) + 1;
		fake_put(f, hash + sizeof(header) + 4 * i, link | (i + 1 == n), 4);
	}
}

static inline void fake_tables(struct fake_jvm *f, const struct fake_statics *at)
{
	static const struct {
		const char *name;
		uint64_t sz;
	} types[] = {
		{ "ConstMethod", CONST_METHOD_SZ }, { "ConstantPool", CONSTANT_POOL_SZ },
		{ "HeapBlock", 16 }, { "PcDesc", PC_DESC_SZ }, { "oop", 8 },
	};
	struct fake_field fields[80];
	size_t n = fake_fields(at, fields), n_types = sizeof(types) / sizeof(types[0]);
	uint64_t structs = fake_take(f, 56 * (n + 1)), types_at = fake_take(f, 24 * (n_types + 1));
	uint64_t entry = structs;

	for (size_t i = 0; i < n; i++) {
		if (f->version < fields[i].first || f->version > fields[i].last)
			continue;
		fake_put(f, entry, fake_string(f, fields[i].type), 8);
		fake_put(f, entry + 8, fake_string(f, fields[i].field), 8);
		fake_put(f, entry + 16, fake_string(f, fields[i].string), 8);
		fake_put(f, entry + 24, fields[i].is_static, 4);
		fake_put(f, entry + (fields[i].is_static ? 40 : 32), fields[i].value, 8);
		entry += 56;
	}
	for (size_t i = 0; i < n_types; i++) {
		fake_put(f, types_at + 24 * i, fake_string(f, types[i].name), 8);
		fake_put(f, types_at + 24 * i + 16, types[i].sz, 8);
	}
	fake_dynamic(f, (const struct fake_variable[]){
		{ "gHotSpotVMStructs", structs }, { "gHotSpotVMStructEntryArrayStride", 56 },
		{ "gHotSpotVMStructEntryTypeNameOffset", 0 },
		{ "gHotSpotVMStructEntryFieldNameOffset", 8 },
		{ "gHotSpotVMStructEntryTypeStringOffset", 16 },
		{ "gHotSpotVMStructEntryOffsetOffset", 32 },
		{ "gHotSpotVMStructEntryAddressOffset", 40 },
		{ "gHotSpotVMTypes", types_at }, { "gHotSpotVMTypeEntryArrayStride", 24 },
		{ "gHotSpotVMTypeEntryTypeNameOffset", 0 }, { "gHotSpotVMTypeEntrySizeOffset", 16 },
	}, 11);
}

/* --- classes ------------------------------------------------------------------------------------- */

static inline uint64_t fake_symbol(struct fake_jvm *f, const char *s)
{
	uint64_t at = fake_take(f, F_BODY + strlen(s));

	fake_put(f, at + F_LENGTH, strlen(s), 2);
	memcpy(f->bytes + (at + F_BODY - FAKE_BASE), s, strlen(s));
	return at;
}

/* UNSIGNED5 of this JDK; returns behind it. */
static inline uint8_t *fake_unsigned5(const struct fake_jvm *f, uint8_t *p, uint32_t value)
{
	uint8_t excluded = f->version >= 20;

	for (int i = 0; i < 4 && value >= 192u - excluded; i++) {	/* the fifth takes what is left */
		uint32_t low = 192 + ((value - (192 - excluded)) % 64);

		*p++ = (uint8_t)low;
		value = (value + excluded - low) / 64;
	}
	*p++ = (uint8_t)(value + excluded);
	return p;
}

/* A class with one method of 40 bytes of code; lines: 100 from 0, 105 from 10, 1105 from 30 on. */
static inline uint64_t fake_method(struct fake_jvm *f, const char *class, const char *name,
				   uint64_t *code)
{
	uint64_t klass = fake_take(f, 0x40), pool = fake_take(f, CONSTANT_POOL_SZ + 8 * 8);
	uint64_t const_method = fake_take(f, CONST_METHOD_SZ + 40 + 32), method = fake_take(f, 0x20);
	uint8_t *lines = f->bytes + (const_method + CONST_METHOD_SZ + 40 - FAKE_BASE);

	fake_put(f, klass + F_KLASS_NAME, fake_symbol(f, class), 8);
	fake_put(f, pool + F_HOLDER, klass, 8);
	fake_put(f, (f->version < 15 ? klass : pool) + F_SOURCE, 3, 2);
	fake_put(f, pool + CONSTANT_POOL_SZ + 8 * 2, fake_symbol(f, name) | 1, 8);
	fake_put(f, pool + CONSTANT_POOL_SZ + 8 * 3, fake_symbol(f, "Log.scala"), 8);
	fake_put(f, const_method + F_CONSTANTS, pool, 8);
	fake_put(f, const_method + F_CODE_SIZE, 40, 2);
	fake_put(f, const_method + F_NAME_INDEX, 2, 2);
	fake_put(f, const_method + F_FLAGS, 1, 2);
	*lines++ = 0xff;				/* (0, +100) */
	lines = fake_unsigned5(f, lines, 0);
	lines = fake_unsigned5(f, lines, 200);
	*lines++ = 10 << 3 | 5;				/* (+10, +5) */
	*lines++ = 0xff;				/* (+20, +1000) */
	lines = fake_unsigned5(f, lines, 40);
	fake_unsigned5(f, lines, 2000);
	fake_put(f, method + F_CONST_METHOD, const_method, 8);
	if (code)
		*code = const_method + CONST_METHOD_SZ;
	return method;
}

/* --- code ---------------------------------------------------------------------------------------- */

/* A block at that offset of the code heap; the address of its CodeBlob. */
static inline uint64_t fake_blob(struct fake_jvm *f, uint32_t off, uint32_t sz, const char *name,
				 int frame_words)
{
	uint64_t at = FAKE_BASE + FAKE_CODE_OFF + off + 16;

	for (uint32_t i = 0; i <= (sz + 16) / 128; i++)
		fake_put(f, f->segmap + off / 128 + i, i < 0xfe ? i : 0xfe, 1);
	fake_put(f, at + F_BLOB_NAME, fake_string(f, name), 8);
	fake_put(f, at + F_BLOB_SIZE, sz, 4);
	fake_put(f, at + F_FRAME_SIZE, (uint64_t)frame_words, 4);
	fake_put(f, at + F_CODE_BEGIN, at + NMETHOD_CODE, 8);
	fake_put(f, at + F_CODE_OFFSET, NMETHOD_CODE, 4);
	return at;
}

/* outer, with inner inlined at bytecode 12 of it: at offset 0x40 of the code, inner's bytecode 31. */
static inline void fake_compiled(struct fake_jvm *f, uint64_t at)
{
	const bool immutable = f->version >= 23;
	uint64_t data = immutable ? fake_take(f, 256) : at + 0x800, scopes = data + 4 * PC_DESC_SZ;
	uint64_t metadata = f->version >= 25 ? fake_take(f, 64) + 24 : at + 0xa00;
	uint8_t *stream = f->bytes + (scopes - FAKE_BASE), *p = stream + 1, *inner;
	const struct {
		int32_t pc;
		uint32_t scope;
	} descs[] = { { -1, 0 }, { 0x40, 0 }, { 0x90, 1 }, { 1 << 20, 0 } };

	p = fake_unsigned5(f, p, 0);	/* at 1: outer */
	p = fake_unsigned5(f, p, 1);
	inner = p = fake_unsigned5(f, p, 12 + 1);
	p = fake_unsigned5(f, p, 1);
	p = fake_unsigned5(f, p, 2);
	fake_unsigned5(f, p, 31 + 1);
	for (size_t i = 0; i < 4; i++) {
		fake_put(f, data + i * PC_DESC_SZ, (uint64_t)(int64_t)descs[i].pc, 4);
		fake_put(f, data + i * PC_DESC_SZ + 4, i == 1 ? (uint64_t)(inner - stream) : descs[i].scope, 4);
	}
	fake_put(f, metadata, f->outer, 8);
	fake_put(f, metadata + 8, f->inner, 8);
	fake_put(f, at + F_METHOD, f->outer, 8);
	fake_put(f, at + F_COMPILE_ID, FAKE_COMPILE_ID, 4);
	fake_put(f, at + F_PCS, immutable ? 0 : 0x800, 4);
	fake_put(f, at + F_SCOPES, immutable ? 4 * PC_DESC_SZ : 0x800 + 4 * PC_DESC_SZ, 4);
	fake_put(f, at + F_SCOPES_BEGIN, scopes, 8);
	fake_put(f, at + F_DEPENDENCIES, 0x800 + 4 * PC_DESC_SZ, 4);
	fake_put(f, at + F_IMMUTABLE, data, 8);
	fake_put(f, at + F_MUTABLE, metadata - 24, 8);
	fake_put(f, at + F_RELOCATION, 24, 4);
	fake_put(f, at + F_DATA_OFFSET, 0x900, 4);
	fake_put(f, at + F_METADATA, f->version >= 23 ? 0x100 : 0xa00, 2);
	fake_put(f, at + F_ORIG_PC_AT, FAKE_ORIG_PC, 4);
	fake_put(f, at + F_DEOPT_BEGIN, at + 0x700, 8);
	fake_put(f, at + F_DEOPT_OFFSET, 0x700, 4);
	fake_put(f, at + F_DEOPTIMIZE, 0x700, 4);
	f->compiled_pc = at + NMETHOD_CODE + 0x40;
	f->deopt_pc = at + 0x700;
	f->barrier_pc = at + NMETHOD_CODE + 0x400;
}

static inline void fake_heap(struct fake_jvm *f, struct fake_statics *at)
{
	uint64_t heap = fake_take(f, 0xa0), array = fake_take(f, 16), data = fake_take(f, 8);

	f->segmap = fake_take(f, FAKE_CODE_SZ / 128 + 64);
	memset(f->bytes + (f->segmap - FAKE_BASE), 0xff, FAKE_CODE_SZ / 128 + 64);
	fake_put(f, heap + F_MEMORY + F_LOW, FAKE_BASE + FAKE_CODE_OFF, 8);
	fake_put(f, heap + F_MEMORY + F_HIGH, FAKE_BASE + FAKE_CODE_OFF + FAKE_CODE_SZ, 8);
	fake_put(f, heap + F_SEGMAP + F_LOW, f->segmap, 8);
	fake_put(f, heap + F_SEGMAP + F_HIGH, f->segmap + FAKE_CODE_SZ / 128, 8);
	fake_put(f, heap + F_LOG2, 7, 4);
	fake_put(f, data, heap, 8);
	fake_put(f, array + F_LEN, 1, 4);
	fake_put(f, array + F_DATA, data, 8);
	at->heap = fake_take(f, 8);
	at->heaps = fake_take(f, 8);
	fake_put(f, at->heap, heap, 8);
	fake_put(f, at->heaps, array, 8);
	f->heaps = array;
}

static inline void fake_jvm__init(struct fake_jvm *f, int version)
{
	struct fake_statics at;
	uint64_t blob;

	memset(f, 0, sizeof(*f));
	f->version = version;
	f->library = "libjvm.so";
	f->used = 0x1000;
	fake_heap(f, &at);
	f->used = FAKE_CODE_OFF + FAKE_CODE_SZ;
	f->inner = fake_method(f, "kafka/message/ByteBufferMessageSet", "deepIterator", NULL);
	f->outer = fake_method(f, "kafka/log/LogSegment", "recover", &f->outer_code);
	f->lambda = fake_method(f, "kafka/log/Log$$Lambda$14+0x0000000800c03000", "run", NULL);
	fake_compiled(f, fake_blob(f, 0x400, 0xc00, "nmethod", FAKE_FRAME_WORDS));
	blob = fake_blob(f, 0x1400, 0x400, "native nmethod", 10);
	fake_put(f, blob + F_COMPILE_ID, 5, 4);
	fake_put(f, blob + F_METHOD, f->lambda, 8);
	f->native_pc = blob + NMETHOD_CODE + 0x20;
	f->interpreter_pc = fake_blob(f, 0x2000, 0x8000, "Interpreter", 0) + 0x7000;
	f->stub_pc = fake_blob(f, 0xb000, 0x200, "wrong_method_stub", 4) + 0x180;
	f->call_stub_pc = fake_blob(f, 0xc000, 0x1000, "StubRoutines (1)", 0) + 0x800;
	at.call_stub = fake_take(f, 8);
	at.jdk_version = fake_take(f, 8);
	at.vm_major = fake_take(f, 8);
	fake_put(f, at.call_stub, f->call_stub_pc, 8);
	fake_put(f, at.jdk_version, 0x1100 | (uint64_t)version, 4);
	fake_put(f, at.vm_major, (uint64_t)version, 4);
	fake_tables(f, &at);
}

/* --- lies ---------------------------------------------------------------------------------------- */

static inline uint64_t fake_random(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	return *s ^= *s << 17;
}

/* Writes numbers that are likely to hurt over places that are in use. */
static inline void fake_jvm__harm(struct fake_jvm *f, uint64_t *seed)
{
	static const uint64_t bad[] = { 0, 1, 0x7f, 0xffff, 0x7fffffff, ~0ull, 1ull << 63, FAKE_BASE };

	for (uint64_t n = 1 + fake_random(seed) % 6; n; n--) {
		size_t at = fake_random(seed) % (f->used - 8), sz = 1u << fake_random(seed) % 4;
		uint64_t value = fake_random(seed);

		if (value % 3)
			value = bad[value / 3 % 8];
		else if (value % 2)
			value = FAKE_BASE + value % FAKE_SZ;
		if (at >= FAKE_CODE_OFF + 0x1800 && at < FAKE_CODE_OFF + FAKE_CODE_SZ)
			at -= FAKE_CODE_OFF;	/* mostly empty code: rather the tables */
		memcpy(f->bytes + at, &value, sz);
	}
}

/* Where the nmethod's CodeBlob is. */
static inline uint64_t fake_nmethod(const struct fake_jvm *f)
{
	return f->deopt_pc - 0x700;
}

/* Everything is as long as it can be: the nmethod's tables, methods, names, the list of heaps. */
static inline void fake_jvm__stretch(struct fake_jvm *f)
{
	uint64_t at = fake_nmethod(f), const_method = f->outer_code - CONST_METHOD_SZ;

	fake_put(f, at + F_DEPENDENCIES, 0x800 + (2u << 20) - 64, 4);	/* where the PcDescs end */
	if (f->version >= 23)
		fake_put(f, at + F_SCOPES, (2u << 20) - 64, 4);
	fake_put(f, at + F_BLOB_SIZE, 0x7fffffff, 4);
	fake_put(f, at + F_FRAME_SIZE, 0x7fffffff, 4);
	fake_put(f, const_method + F_CODE_SIZE, 0xffff, 2);
	fake_put(f, f->heaps + F_LEN, 0x7fffffff, 4);
}

/* Segments, scopes and pointers that lead to themselves. */
static inline void fake_jvm__bend(struct fake_jvm *f)
{
	uint64_t at = fake_nmethod(f);

	memset(f->bytes + (f->segmap - FAKE_BASE), 1, FAKE_CODE_SZ / 128);
	fake_put(f, at + F_BLOB_NAME, at + F_BLOB_NAME, 8);
	fake_put(f, at + F_METHOD, at + F_METHOD - F_CONST_METHOD, 8);
	fake_put(f, at + F_SCOPES_BEGIN, at + 0x800, 8);
	fake_put(f, f->outer + F_CONST_METHOD, f->outer, 8);
	fake_put(f, f->inner + F_CONST_METHOD, f->inner, 8);
}

/* --- what the unwinder asks of a target ---------------------------------------------------------- */

static inline int fake_find_map(void *ctx, uint32_t tgid, uint64_t pc, bool again,
				struct unwind_map *out)
{
	if (pc < FAKE_BASE + FAKE_CODE_OFF || pc >= FAKE_BASE + FAKE_CODE_OFF + FAKE_CODE_SZ)
		return -ENOENT;
	*out = (struct unwind_map){ .start = FAKE_BASE + FAKE_CODE_OFF,
				    .end = FAKE_BASE + FAKE_CODE_OFF + FAKE_CODE_SZ,
				    .executable = true };
	return 0;
}

static inline int fake_open_file(void *ctx, uint32_t tgid, const struct unwind_map *map)
{
	return -ENOENT;
}

static inline int fake_read(void *ctx, uint32_t tgid, uint64_t addr, void *buf, size_t sz)
{
	struct fake_jvm *f = ctx;

	f->n_reads++;
	f->n_bytes += sz;
	if (addr < FAKE_BASE || sz > FAKE_SZ || addr - FAKE_BASE > FAKE_SZ - sz)
		return -EFAULT;
	memcpy(buf, f->bytes + (addr - FAKE_BASE), sz);
	return 0;
}

static inline int fake_find_file(void *ctx, uint32_t tgid, const char *name, struct unwind_map *out)
{
	const struct fake_jvm *f = ctx;

	if (!f->library || strcmp(f->library, name) != 0)
		return -ENOENT;
	*out = (struct unwind_map){ .start = FAKE_BASE, .end = FAKE_BASE + 0x1000, .ino = 9 };
	return 0;
}

static const struct unwind_target_ops fake_ops = {
	.find_map = fake_find_map,
	.open_file = fake_open_file,
	.read = fake_read,
	.find_file = fake_find_file,
};

#endif /* UNFREED_TESTS_FAKE_JVM_H */
