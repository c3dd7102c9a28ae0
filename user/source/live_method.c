/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Names that only the live process knows: what a runtime compiled, inlined or interprets. They are
 * written at once when a stack is defined, because the code may be gone a moment later and a capture
 * has no process to ask (docs/architecture.md, R2).
 *
 * A frame is told once. As addresses of methods and stubs can come to mean something else when
 * classes are unloaded, what was told is forgotten, and told again when it is needed, every half
 * minute.
 */
#include "user/source/live_private.h"

#include "user/wire/decode.h"

#define TOLD_FOR_NS 30000000000ull
#define MAX_NAMED 16384		/* 25 bytes each; when full it starts over */

/* True when the frame was not told lately. */
static int is_news(struct watched *p, const struct ev_frame *frame, bool *out)
{
	struct named_frame key = { frame->pc, { frame->extra[0], frame->extra[1] } };

	return table__insert(&p->named, &key, out) ? 0 : -ENOMEM;
}

static void send_names(struct live *live, const struct watched *p, const struct ev_frame *frame,
		       const struct unwind_name *names, size_t n)
{
	struct ev_method_text text[UNWIND_MAX_NAMES];
	struct ev_method *ev = (struct ev_method *)live->buffer;
	size_t sz;

	for (size_t i = 0; i < n; i++)
		text[i] = (struct ev_method_text){
			.function = names[i].function,
			.file = names[i].file,
			.line = names[i].line,
			.bci = names[i].bci,
			.kind = names[i].kind,
		};
	sz = ev_write_method(live->buffer, sizeof(live->buffer), text, n);
	if (!sz)
		return;
	ev->pc = frame->pc;
	ev->extra[0] = frame->extra[0];
	ev->extra[1] = frame->extra[1];
	live_header(&ev->h, EV_METHOD, (uint32_t)sz, p->tgid);
	live_emit(live, &ev->h);
}

static int name_frame(struct live *live, struct watched *p, const struct ev_frame *frame)
{
	struct unwind_name names[UNWIND_MAX_NAMES];
	bool news;
	size_t n;
	int r;

	r = is_news(p, frame, &news);
	if (r || !news)
		return r;
	n = unwinder__name(live->unwinder, p->tgid, frame, names, UNWIND_MAX_NAMES);
	if (n)
		send_names(live, p, frame, names, n);
	return 0;
}

/* A frame of code that is in no file. */
static bool may_have_names(const struct watched *p, const struct ev_frame *frame, bool innermost)
{
	const struct unwind_map *map;

	if (frame->kind != EV_FRAME_NATIVE)
		return true;
	map = code_maps__find(&p->code, innermost ? frame->pc : frame->pc - 1);
	return map && !map->ino && !map->vdso;
}

int live_name_frames(struct live *live, struct watched *p, const struct ev_stack *definition)
{
	uint64_t now = clock_monotonic_ns();
	const char *trouble;
	int r = 0;

	if (p->named.n >= MAX_NAMED || now - p->named_since_ns > TOLD_FOR_NS) {
		table__clear(&p->named);
		p->named_since_ns = now;
	}
	for (size_t i = 0; !r && i < definition->n_frames; i++)
		if (may_have_names(p, &definition->frames[i], !i))
			r = name_frame(live, p, &definition->frames[i]);
	trouble = p->trouble_told ? NULL : unwinder__trouble(live->unwinder, p->tgid);
	if (trouble) {
		p->trouble_told = true;
		live_note(live, p->tgid, "%s", trouble);
	}
	return r;
}
