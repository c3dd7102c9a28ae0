/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The frames of a site in the report: one for each frame of its stack, and where a runtime named
 * methods that were inlined into it, one for each of these.
 */
#include "user/detect/build_frames.h"

#include <inttypes.h>
#include <stdio.h>

static int build_method(struct report_frame *out, const struct frame *frame, uint32_t i)
{
	static const enum report_frame_kind kinds[] = {
		[EV_METHOD_COMPILED] = FRAME_JAVA,
		[EV_METHOD_INLINED] = FRAME_JAVA_INLINED,
		[EV_METHOD_INTERPRETED] = FRAME_JAVA_INTERPRETED,
		[EV_METHOD_STUB] = FRAME_JIT,
	};
	const struct method *method = &frame->methods->list[i];
	int r;

	out->offset = frame->offset;
	out->kind = kinds[method->kind];
	out->innermost = frame->innermost;
	out->line = method->line;
	r = report_copy_string(&out->function, method->function);
	return r < 0 || !*method->file ? r : report_copy_string(&out->file, method->file);
}

static enum report_frame_kind frame_kind(const struct frame *frame)
{
	if (frame->kind == EV_FRAME_INTERPRETED)
		return FRAME_JAVA_INTERPRETED;
	return frame->file ? FRAME_NATIVE : FRAME_JIT;
}

static int copy_build_id(char **out, const struct file *file)
{
	size_t n = file->build_id_sz < EV_BUILD_ID_MAX ? file->build_id_sz : EV_BUILD_ID_MAX;
	char hex[2 * EV_BUILD_ID_MAX + 1];

	if (!n)
		return 0;
	for (size_t i = 0; i < n; i++)
		snprintf(hex + 2 * i, 3, "%02x", file->build_id[i]);
	return report_copy_string(out, hex);
}

static int build_frame(struct report_frame *out, const struct frame *frame)
{
	const struct file *file = frame->file;
	const char *slash;
	int r;

	out->offset = frame->offset;
	out->kind = frame_kind(frame);
	out->innermost = frame->innermost;
	if (!file)
		return 0;
	out->ino = file->ino;
	out->dev = file->dev;
	r = copy_build_id(&out->build_id, file);
	if (r < 0 || !file->path)
		return r;
	slash = strrchr(file->path, '/');
	r = report_copy_string(&out->path, file->path);
	if (r < 0)
		return r;
	return report_copy_string(&out->module, slash && slash[1] ? slash + 1 : file->path);
}

static size_t count_frames(const struct stack *stack)
{
	size_t n = 0;

	for (uint32_t i = 0; i < stack->n_frames; i++)
		n += stack->frames[i].methods ? stack->frames[i].methods->n : 1;
	return n;
}

int report_site__add_frames(struct report_site *out, const struct stack *stack)
{
	int r = 0;

	if (!stack || !stack->n_frames)
		return 0;
	out->frames = calloc(count_frames(stack), sizeof(*out->frames));
	if (!out->frames)
		return -ENOMEM;
	for (uint32_t i = 0; i < stack->n_frames && r >= 0; i++) {
		const struct frame *frame = &stack->frames[i];

		if (!frame->methods)
			r = build_frame(&out->frames[out->n_frames++], frame);
		for (uint32_t k = 0; frame->methods && k < frame->methods->n && r >= 0; k++)
			r = build_method(&out->frames[out->n_frames++], frame, k);
	}
	return r;
}
