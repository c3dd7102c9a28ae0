/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * A frame of a stack, named: the methods that compiled code stands for, the interpreter's method, or
 * a stub by what the JVM calls it. It is asked right after the frame was seen for the first time,
 * while the code is there; that it still is the same code is told by the compile id in the frame.
 */
#include "user/unwind/hotspot.h"

#include <stdio.h>

/* Compiled code without a scope for its pc: the method itself is known. */
static size_t name_whole(const struct jvm *jvm, struct remote *remote, const struct code_blob *blob,
			 struct unwind_name *out)
{
	struct scope scope = { .bci = -1 };

	out->kind = EV_METHOD_COMPILED;
	return jvm__pointer(jvm, remote, blob->at, NMETHOD_METHOD, &scope.method) &&
	       jvm__name_method(jvm, remote, &scope, out);
}

static size_t name_compiled(const struct jvm *jvm, struct remote *remote,
			    const struct code_blob *blob, const struct ev_frame *frame,
			    struct unwind_name *out, size_t max)
{
	struct scope scopes[UNWIND_MAX_NAMES];
	uint64_t pc = frame->extra[1] ? frame->extra[1] : frame->pc;
	size_t n;

	if (blob->kind == BLOB_NATIVE_WRAPPER)
		return name_whole(jvm, remote, blob, out);
	n = jvm__scopes(jvm, remote, blob, pc, scopes, max);
	for (size_t i = 0; i < n; i++) {
		out[i].kind = i + 1 < n ? EV_METHOD_INLINED : EV_METHOD_COMPILED;
		if (!jvm__name_method(jvm, remote, &scopes[i], &out[i]))
			return name_whole(jvm, remote, blob, out);
	}
	return n ? n : name_whole(jvm, remote, blob, out);
}

static size_t name_interpreted(const struct jvm *jvm, struct remote *remote,
			       const struct ev_frame *frame, struct unwind_name *out)
{
	struct scope scope = { .method = frame->extra[0] };

	scope.bci = jvm__bci_of(jvm, remote, scope.method, frame->extra[1]);
	out->kind = EV_METHOD_INTERPRETED;
	return jvm__name_method(jvm, remote, &scope, out);
}

static size_t name_stub(const struct jvm *jvm, const struct code_blob *blob, uint64_t pc,
			struct unwind_name *out)
{
	*out = (struct unwind_name){ .kind = EV_METHOD_STUB, .bci = -1 };
	snprintf(out->function, sizeof(out->function), "%s",
		 pc == jvm->call_stub_return ? "call_stub" : blob->name);
	return out->function[0] != '\0';
}

size_t jvm__name_frame(struct jvm *jvm, struct remote *remote, const struct ev_frame *frame,
		       struct unwind_name *out, size_t max)
{
	struct code_blob blob;

	if (max > UNWIND_MAX_NAMES)
		max = UNWIND_MAX_NAMES;
	if (!max || !jvm__has_code_at(jvm, frame->pc))
		return 0;
	if (frame->kind == EV_FRAME_INTERPRETED)
		return name_interpreted(jvm, remote, frame, out);
	if (!jvm__find_blob(jvm, remote, frame->pc, &blob))
		return 0;
	if (frame->kind != EV_FRAME_GUARDED)
		return blob.kind == BLOB_STUB ? name_stub(jvm, &blob, frame->pc, out) : 0;
	if ((blob.kind != BLOB_COMPILED && blob.kind != BLOB_NATIVE_WRAPPER) ||
	    blob.compile_id != frame->extra[0])
		return 0;
	return name_compiled(jvm, remote, &blob, frame, out, max);
}
