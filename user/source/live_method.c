/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Names that only the live process knows: what a runtime compiled, inlined or interprets. They are
 * written at once when a stack is defined, because the code may be gone a moment later and a capture
 * has no process to ask (docs/architecture.md, R2).
 *
 * HotSpot's are read from its memory (user/unwind), those of other runtimes from the perf map that the
 * process writes, if it does.
 *
 * A frame is told once. As addresses of methods and stubs can come to mean something else when
 * classes are unloaded, what was told is forgotten, and told again when it is needed, every half
 * minute.
 */
#include "user/source/live_private.h"

#include <unistd.h>

#include "user/source/runtime_names.h"
#include "user/symbol/symbol.h"
#include "user/wire/decode.h"

#define TOLD_FOR_NS 30000000000ull
#define MAX_NAMED 16384		/* 25 bytes each; when full it starts over */

/* True when the frame was not told lately. */
static int is_news(struct watched *p, const struct ev_frame *frame, bool *out)
{
	struct named_frame key = { frame->pc, { frame->extra[0], frame->extra[1] } };

	return table__insert(&p->named, &key, out) ? 0 : -ENOMEM;
}

static void forget(struct watched *p, const struct ev_frame *frame)
{
	struct named_frame key = { frame->pc, { frame->extra[0], frame->extra[1] } };

	table__remove(&p->named, &key);
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

/* One definition's frames; its process's perf map is opened when the first of them needs it. */
struct naming {
	struct live *live;
	struct watched *process;
	bool opened;
	int perf_fd;		/* negative: no perf map, and why */
	int why;
	bool unnamed;		/* compiled code was left without a name */
};

static int ask_perf_map(struct naming *naming, uint64_t pc, struct unwind_name *out, size_t *n)
{
	int r;

	if (!naming->opened) {
		naming->opened = true;
		r = perf_maps__open(naming->live->perf_maps, (pid_t)naming->process->tgid,
				    &naming->perf_fd, &naming->why);
		if (r < 0)
			return r;
	}
	*n = naming->perf_fd >= 0 &&
	     perf_maps__name(naming->live->perf_maps, (pid_t)naming->process->tgid, naming->perf_fd, pc,
			     out);
	naming->unnamed |= !*n;
	return 0;
}

static int name_frame(struct naming *naming, const struct ev_frame *frame, bool innermost)
{
	struct watched *p = naming->process;
	struct unwind_name names[UNWIND_MAX_NAMES];
	bool news;
	size_t n;
	int r;

	r = is_news(p, frame, &news);
	if (r || !news)
		return r;
	n = unwinder__name(naming->live->unwinder, p->tgid, frame, names, UNWIND_MAX_NAMES);
	if (!n && frame->kind != EV_FRAME_INTERPRETED)
		r = ask_perf_map(naming, innermost ? frame->pc : frame->pc - 1, names, &n);
	if (n)
		send_names(naming->live, p, frame, names, n);
	else if (frame->kind != EV_FRAME_NATIVE || naming->perf_fd >= 0)
		/* A JVM was asked too much lately, or a perf map's line comes a moment later: another time. */
		forget(p, frame);
	return r;
}

/* A frame of code that is in no file, or in one that has no functions: .NET keeps its code in memory
 * that is a file without a folder (memfd), to have it writable in one place and executable in another. */
static bool may_have_names(const struct live *live, const struct watched *p,
			   const struct ev_frame *frame, bool innermost)
{
	const struct unwind_map *map;

	if (frame->kind != EV_FRAME_NATIVE)
		return true;
	map = code_maps__find(&p->code, innermost ? frame->pc : frame->pc - 1);
	return map && !map->vdso &&
	       (!map->ino || symbolizer__is_useless(live->opts.symbolizer, map->dev, map->ino));
}

/* Once: why the code that a runtime compiles has no names. A JVM's trouble is told by itself. */
static void note_unnamed(struct live *live, struct watched *p, int why)
{
	char runtime[64] = "";
	struct text text;

	p->unnamed_told = true;
	procfs__runtime(live->procfs, (pid_t)p->tgid, runtime, sizeof(runtime));
	text__init(&text);
	if (runtime__compiles(runtime))
		runtime__add_unnamed(&text, runtime, why);
	if (text.n)
		live_note(live, p->tgid, "%s: %s", runtime, text.s);
	else if (!*runtime && why)
		live_note(live, p->tgid, "functions that it compiles at run time have no names: %s",
			  runtime__why_no_perf_map(why));
	text__fini(&text);
}

static void note_trouble(struct live *live, struct watched *p)
{
	const char *trouble = p->trouble_told ? NULL : unwinder__trouble(live->unwinder, p->tgid);

	if (!trouble)
		return;
	p->trouble_told = true;
	live_note(live, p->tgid, "%s", trouble);
}

int live_name_frames(struct live *live, struct watched *p, const struct ev_stack *definition)
{
	struct naming naming = { .live = live, .process = p, .perf_fd = -1 };
	uint64_t now = clock_monotonic_ns();
	int r = 0;

	if (p->named.n >= MAX_NAMED || now - p->named_since_ns > TOLD_FOR_NS) {
		table__clear(&p->named);
		p->named_since_ns = now;
	}
	for (size_t i = 0; !r && i < definition->n_frames; i++)
		if (may_have_names(live, p, &definition->frames[i], !i))
			r = name_frame(&naming, &definition->frames[i], !i);
	if (naming.perf_fd >= 0)
		close(naming.perf_fd);
	note_trouble(live, p);
	if (naming.perf_fd >= 0 && perf_maps__is_cut(live->perf_maps, (pid_t)p->tgid))
		live_note(live, p->tgid, "its perf map is larger than what is read of one (64 MB, 262,144 "
			  "lines): some compiled functions have no names");
	if (naming.unnamed && !p->unnamed_told)
		note_unnamed(live, p, naming.why);
	return r;
}
