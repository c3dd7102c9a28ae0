/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The provider for code that a HotSpot JVM made. Compiled code has a fixed frame and saves the
 * caller's bp below the return address; its rule is guarded by the compile id of its nmethod, a
 * number that is never given twice, so that code which was freed and replaced is noticed. A return
 * into a deoptimization handler leaves a frame of the same size, and its true pc is kept in it.
 *
 * Interpreted frames and the stub through which Java is entered keep a frame pointer.
 */
#include "user/unwind/hotspot.h"

#include "user/unwind/providers.h"

static void make_frame_rule(const struct code_blob *blob, struct unwind_rule *out)
{
	*out = (struct unwind_rule){
		.kind = UNWIND_SP,
		.flags = UNWIND_F_BP_SAVED,
		.cfa_off = (__s32)blob->frame_sz,
		.ra_off = -8,
		.bp_off = -16,
	};
}

static void make_deoptimized(const struct jvm *jvm, struct remote *remote,
			     const struct code_blob *blob, struct unwind_rule *out)
{
	int64_t orig_pc;

	if (jvm__number(jvm, remote, blob->at, NMETHOD_ORIG_PC_OFFSET, &orig_pc) &&
	    orig_pc >= 0 && orig_pc <= INT16_MAX) {
		out->flags |= UNWIND_F_SAVED_PC;
		out->deref_off = (__s16)orig_pc;
	}
}

static void make_compiled_rule(const struct jvm *jvm, struct remote *remote,
			       const struct code_blob *blob, const struct unwind_place *place,
			       struct unwind_rule *out)
{
	struct scope scope;

	make_frame_rule(blob, out);
	out->flags |= UNWIND_F_GUARD;
	out->guard_addr = blob->at + jvm->tables.fields[NMETHOD_COMPILE_ID].at;
	out->guard_value = blob->compile_id;
	if (blob->kind != BLOB_COMPILED)
		return;
	if (jvm__is_deoptimized(jvm, remote, blob, place->pc))
		make_deoptimized(jvm, remote, blob, out);
	else if (!place->innermost && !jvm__scopes(jvm, remote, blob, place->pc, &scope, 1))
		out->cfa_off += (__s32)jvm__lowered_at(remote, blob, place->pc);
}

static int make_rule(struct jvm *jvm, struct remote *remote, const struct unwind_place *place,
		     struct unwind_rule *out)
{
	struct code_blob blob;

	if (!jvm__has_code_at(jvm, place->pc))
		jvm__read_heaps(jvm, remote);
	if (!jvm__find_blob(jvm, remote, place->pc, &blob))
		return 1;
	if (blob.kind == BLOB_INTERPRETER)
		*out = (struct unwind_rule){
			.kind = UNWIND_INTERPRETER,
			.deref_off = jvm->tables.version <= 8 ? UNWIND_INTERPRETER_BCP_8 : 0,
		};
	else if (!blob.frame_sz || place->pc == jvm->call_stub_return)
		return 1;	/* the frame pointer's rule */
	else if (blob.kind == BLOB_STUB)
		make_frame_rule(&blob, out);
	else
		make_compiled_rule(jvm, remote, &blob, place, out);
	return 0;
}

static int hotspot_rule(const struct unwind_place *place, struct unwind_rule *out)
{
	struct remote remote;
	struct jvm *jvm;
	int r;

	if (place->module)
		return 1;
	r = jvms__get(place->jvms, place->tgid, &jvm);
	if (r)
		return r;
	if (jvm->state != JVM_READY)
		return jvm->state == JVM_UNKNOWN ? UNWIND_NOT_NOW : 1;
	if (!jvm__ask(place->jvms, jvm, HOTSPOT_BUDGET, &remote))
		return UNWIND_NOT_NOW;
	r = make_rule(jvm, &remote, place, out);
	jvm__asked(jvm, &remote);
	return r;
}

const struct unwind_provider hotspot_provider = { .name = "hotspot", .rule = hotspot_rule };
