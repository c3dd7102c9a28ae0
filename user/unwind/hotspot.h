/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * HotSpot from outside, without a flag: what the files hotspot_*.c share.
 *
 *   hotspot.c         which processes are JVMs, and what is kept of each
 *   hotspot_read.c    the target's memory, within a budget
 *   hotspot_elf.c     symbols of a mapped library
 *   hotspot_tables.c  libjvm.so's description of itself: offsets of fields, sizes of types
 *   hotspot_code.c    the code cache: what lies at a pc
 *   hotspot_rule.c    the provider: how to leave a frame of that
 *   hotspot_lower.c   compiled code that has lowered its stack pointer for a while
 *   hotspot_scope.c   compiled code: which methods a pc stands for
 *   hotspot_method.c  methods: class, name, source file, line
 *   hotspot_name.c    a frame of a stack, named
 *
 * libjvm.so exports tables that describe its own structures, for debuggers (gHotSpotVMStructs and
 * its kin). A field is used when the table has it, whatever the version says. All of it is read
 * from a process that may lie: every read is charged to a budget, every loop is bounded, and a lie
 * can only yield a wrong or missing name in its own report.
 */
#ifndef UNFREED_UNWIND_HOTSPOT_H
#define UNFREED_UNWIND_HOTSPOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/base/table.h"
#include "user/unwind/hotspot_read.h"
#include "user/unwind/unwind.h"

/* --- tables ---------------------------------------------------------------------------------- */

enum hotspot_field {
	SYMBOL_LENGTH, SYMBOL_LENGTH_AND_REFCOUNT, SYMBOL_BODY,
	KLASS_NAME, INSTANCE_KLASS_SOURCE_FILE,
	METHOD_CONST_METHOD,
	CONST_METHOD_CONSTANTS, CONST_METHOD_CODE_SIZE, CONST_METHOD_NAME, CONST_METHOD_FLAGS,
	CONSTANT_POOL_HOLDER, CONSTANT_POOL_SOURCE_FILE,
	BLOB_NAME, BLOB_SIZE, BLOB_FRAME_SIZE, BLOB_CODE_BEGIN, BLOB_CODE_OFFSET, BLOB_DATA_OFFSET,
	BLOB_MUTABLE_DATA, BLOB_RELOCATION_SIZE,
	CODE_CACHE_HEAPS, CODE_CACHE_HEAP,
	ARRAY_LENGTH, ARRAY_DATA,
	HEAP_MEMORY, HEAP_SEGMAP, HEAP_LOG2_SEGMENT_SIZE,
	SPACE_LOW_BOUNDARY, SPACE_HIGH_BOUNDARY,
	NMETHOD_METHOD, NMETHOD_COMPILE_ID, NMETHOD_METADATA_OFFSET, NMETHOD_SCOPES_PCS_OFFSET,
	NMETHOD_SCOPES_DATA_OFFSET, NMETHOD_SCOPES_DATA_BEGIN, NMETHOD_DEPENDENCIES_OFFSET,
	NMETHOD_IMMUTABLE_DATA, NMETHOD_ORIG_PC_OFFSET, NMETHOD_DEOPT_BEGIN,
	NMETHOD_DEOPT_MH_BEGIN, NMETHOD_DEOPT_OFFSET, NMETHOD_DEOPTIMIZE_OFFSET,
	PC_DESC_PC_OFFSET, PC_DESC_SCOPE,
	CALL_STUB_RETURN, JDK_VERSION_CURRENT, VM_MAJOR_VERSION,
	N_HOTSPOT_FIELDS
};

struct hotspot_tables {
	/* at: offset in its object, or the address of a static one. sz: of an integer, by its
	 * declared type (8: anything else); 0: this JVM has no such field. */
	struct {
		uint64_t at;
		uint8_t sz;
	} fields[N_HOTSPOT_FIELDS];
	uint64_t const_method_sz, constant_pool_sz, heap_block_sz, pc_desc_sz;
	unsigned int version;		/* 8, 11, 17... */
};

/* From the library mapped at base. False: it is no HotSpot, or one whose tables make no sense. */
bool hotspot_tables__load(struct hotspot_tables *tables, struct remote *remote, uint64_t base);

static inline bool hotspot_tables__has(const struct hotspot_tables *tables, enum hotspot_field field)
{
	return tables->fields[field].sz;
}

/* --- a JVM ----------------------------------------------------------------------------------- */

#define HOTSPOT_MAX_HEAPS 8

struct code_heap {
	uint64_t low, high;	/* reserved, not all of it in use */
	uint64_t segmap;
	unsigned int shift;	/* log2 of the segments' size in bytes */
};

enum jvm_state {
	JVM_UNKNOWN,		/* to be looked at */
	JVM_NONE,		/* no libjvm.so is mapped */
	JVM_UNUSABLE,		/* there is one, of another make or with broken tables */
	JVM_READY,
};

struct jvm {
	uint32_t tgid;
	enum jvm_state state;
	uint64_t library;	/* where libjvm.so begins */
	struct hotspot_tables tables;
	struct code_heap heaps[HOTSPOT_MAX_HEAPS];
	size_t n_heaps;
	uint64_t call_stub_return;
	uint64_t second_ns, left;	/* what it may still be asked for in the second since then */
	bool starved;			/* there was a question that it could not be asked */
};

struct jvms {
	const struct unwind_target_ops *ops;
	void *ops_ctx;
	struct table by_tgid;	/* struct jvm_row */
};

void jvms__init(struct jvms *jvms, const struct unwind_target_ops *ops, void *ops_ctx);
void jvms__fini(struct jvms *jvms);
void jvms__forget(struct jvms *jvms, uint32_t tgid);
/* Code came or went in [start, end): what lay there is forgotten. */
void jvms__code_changed(struct jvms *jvms, uint32_t tgid, uint64_t start, uint64_t end);
/* Looked at when it is asked for the first time, and when that was not allowed. Borrowed until the next
 * call of forget. 0 or -ENOMEM. */
int jvms__get(struct jvms *jvms, uint32_t tgid, struct jvm **out);
struct jvm *jvms__find(const struct jvms *jvms, uint32_t tgid);	/* NULL: not looked at yet */

/* A few reads of any process, with that budget in bytes and no account by the second. */
struct remote jvms__remote(const struct jvms *jvms, uint32_t tgid, uint64_t budget);

#define HOTSPOT_TABLES_BUDGET (16u << 20)	/* bytes; real ones take some 2 MB */
#define HOTSPOT_MAPS_COST (1u << 20)		/* what reading its map file is counted as */
#define HOTSPOT_BUDGET (4u << 20)		/* for a rule, or the names of a frame */
#define HOTSPOT_PER_SECOND (64u << 20)		/* for all questions to one process */

/*
 * Begins a question to a process with that budget; false: it was asked for so much lately that this one
 * has to wait. jvm__asked() ends it.
 */
bool jvm__ask(const struct jvms *jvms, struct jvm *jvm, uint64_t budget, struct remote *out);
void jvm__asked(struct jvm *jvm, const struct remote *remote);

/* A field of the object at `at`: a pointer; a number. False leaves 0. */
bool jvm__pointer(const struct jvm *jvm, struct remote *remote, uint64_t at,
		  enum hotspot_field field, uint64_t *out);
bool jvm__number(const struct jvm *jvm, struct remote *remote, uint64_t at,
		 enum hotspot_field field, int64_t *out);

/* --- code ------------------------------------------------------------------------------------ */

enum blob_kind { BLOB_COMPILED, BLOB_NATIVE_WRAPPER, BLOB_INTERPRETER, BLOB_STUB };

struct code_blob {
	uint64_t at, sz;	/* the CodeBlob object, its code included */
	uint64_t frame_sz;	/* bytes; 0: it keeps a frame pointer */
	uint64_t code;		/* where instructions begin; compiled ones only */
	uint32_t compile_id;	/* compiled ones only */
	enum blob_kind kind;
	char name[64];
};

/* Whether pc may lie in the code cache, as far as the heaps are known. */
bool jvm__has_code_at(const struct jvm *jvm, uint64_t pc);
/* Reads the list of heaps anew: it is filled while the JVM starts. */
void jvm__read_heaps(struct jvm *jvm, struct remote *remote);
/* What lies at pc; false: nothing that makes sense. */
bool jvm__find_blob(const struct jvm *jvm, struct remote *remote, uint64_t pc, struct code_blob *out);
/* Whether a return to pc is one into the blob's deoptimization handler. */
bool jvm__is_deoptimized(const struct jvm *jvm, struct remote *remote, const struct code_blob *blob,
			 uint64_t pc);

/* Bytes that compiled code has below its frame when it returns to pc, for want of a record of them. */
uint32_t jvm__lowered_at(struct remote *remote, const struct code_blob *blob, uint64_t pc);

/* --- names ----------------------------------------------------------------------------------- */

/* A method and where in it, as compiled code records it. */
struct scope {
	uint64_t method;	/* Method* */
	int32_t bci;		/* -1: unknown */
};

/* The methods that pc stands for, innermost first; at most max. 0: nothing is recorded. */
size_t jvm__scopes(const struct jvm *jvm, struct remote *remote, const struct code_blob *blob,
		   uint64_t pc, struct scope *out, size_t max);

/* The bytecode index of an interpreter's position in a method, -1: it has none. */
int32_t jvm__bci_of(const struct jvm *jvm, struct remote *remote, uint64_t method, uint64_t bcp);

/* Names a method; false: it cannot be read. */
bool jvm__name_method(const struct jvm *jvm, struct remote *remote, const struct scope *scope,
		      struct unwind_name *out);

/* The names of a frame, innermost inlined first; 0: none can be had. */
size_t jvm__name_frame(struct jvm *jvm, struct remote *remote, const struct ev_frame *frame,
		       struct unwind_name *out, size_t max);

/* HotSpot's UNSIGNED5 at *p, which advances; false: it runs past end. */
bool hotspot_unsigned5(const struct jvm *jvm, const uint8_t **p, const uint8_t *end, uint32_t *out);

#endif /* UNFREED_UNWIND_HOTSPOT_H */
