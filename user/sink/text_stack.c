/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Two columns, function and module, the second one where the widest function leaves it; a name
 * without a module has the line for itself.
 */
#include "user/sink/text_stack.h"

#include "user/sink/layout.h"
#include "user/sink/words.h"

#define STACK_INDENT 6
#define FUNCTION_MAX 64		/* columns of a function before the module's column starts */
#define MODULE_MAX 28

/* Columns of a name beside which a module is to be told; a name alone has the line for itself. */
static size_t frame_columns(const struct report_frame *frame)
{
	struct text name;
	size_t c;

	if (!frame->function || !frame->module)
		return 0;
	text__init(&name);
	words_add_frame(&name, frame);
	c = name.s ? layout_columns(name.s) : 0;
	text__fini(&name);
	return c < FUNCTION_MAX ? c : FUNCTION_MAX;
}

static void add_frame(struct text *out, const struct report_frame *frame, size_t widest)
{
	bool has_module = frame->function && frame->module;
	struct text name;
	size_t c;

	text__init(&name);
	words_add_frame(&name, frame);
	if (text__error(&name))
		out->failed = true;
	layout_add_spaces(out, STACK_INDENT);
	c = layout_add_cut(out, name.s ? name.s : "",
			   has_module ? FUNCTION_MAX : LAYOUT_WIDTH - STACK_INDENT);
	text__fini(&name);
	if (has_module) {
		layout_add_spaces(out, widest - c + 2);
		layout_add_cut(out, frame->module, MODULE_MAX);
	}
	text__add(out, "\n");
}

void text_add_stack(struct text *out, const struct report_site *site, bool all)
{
	size_t n = all ? site->n_frames : site__n_telling_frames(site);
	size_t widest = 0;

	for (size_t i = 0; i < n; i++) {
		size_t c = frame_columns(&site->frames[i]);

		widest = c > widest ? c : widest;
	}
	for (size_t i = 0; i < n; i++)
		add_frame(out, &site->frames[i], widest);
	layout_add_spaces(out, n == site->n_frames && n && site->complete ? 0 : STACK_INDENT);
	if (!site->n_frames)
		text__add(out, "(no stack was taken)\n");
	else if (!site->complete)
		text__add(out, "(the stack is incomplete: callers beyond are missing)\n");
	else if (n < site->n_frames)
		text__addf(out, "(%zu frames of the JVM, to the start of the thread)\n",
			   site->n_frames - n);
}
