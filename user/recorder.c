/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The recorder. Time is told by the records, so that it reads no clock: at a tick that comes FLUSH_NS
 * after the last frame the block becomes the next frame, and a killed recorder has lost no more.
 *
 * With a limit there are two generations of half the size: when FILE is full it becomes FILE.1, in
 * place of the former FILE.1, and a new FILE begins with a snapshot of the state (user/model/snapshot.h).
 * Each can be read by itself. At the end what is in FILE, without its snapshot, is put behind FILE.1,
 * which becomes FILE. A generation ends at a tick, where no reading of a map file is half told.
 */
#include "user/recorder.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "user/base/error.h"
#include "user/base/text.h"
#include "user/model/snapshot.h"
#include "user/wire/decode.h"

#define FLUSH_NS 500000000ull

struct recorder {
	struct recorder_opts opts;
	struct capture_facts facts;	/* of the present generation */
	struct capture_writer *writer;
	struct snapshot *snapshot;	/* NULL: no limit */
	char *old_path;			/* FILE.1 */
	bool has_old;
	uint64_t generation_sz;		/* a file as large as this becomes the old one; bytes */
	uint64_t flushed_ns;
	int error;
};

static int failed(struct recorder *recorder, int r)
{
	if (r && !recorder->error) {
		recorder->error = r;
		log_error(recorder->opts.log, "%s: the recording ends here: %s%s%s", recorder->opts.path,
			  strerror(-r), recorder->has_old ? "; what came before is in " : "",
			  recorder->has_old ? recorder->old_path : "");
	}
	return r;
}

int recorder__new(struct recorder **out, const struct recorder_opts *opts)
{
	struct recorder *recorder = calloc(1, sizeof(*recorder));
	int r = -ENOMEM;

	if (!recorder)
		return -ENOMEM;
	recorder->opts = *opts;
	recorder->facts = *opts->facts;
	recorder->flushed_ns = opts->facts->started_ns;
	if (opts->max_sz) {
		/* A sixteenth for what comes between two ticks, and for the names. */
		recorder->generation_sz = opts->max_sz / 2 - opts->max_sz / 16;
		if (asprintf(&recorder->old_path, "%s.1", opts->path) < 0)
			recorder->old_path = NULL;
		if (!recorder->old_path || snapshot__new(&recorder->snapshot))
			goto fail;
	}
	r = capture_writer__new(&recorder->writer, opts->path, opts->facts);
	if (!r) {
		*out = recorder;
		return 0;
	}
fail:
	log_error(opts->log, "%s: %s", opts->path, strerror(-r));
	recorder__free(recorder);
	return r;
}

struct recorder *recorder__free(struct recorder *recorder)
{
	if (!recorder)
		return NULL;
	capture_writer__free(recorder->writer);
	snapshot__free(recorder->snapshot);
	free(recorder->old_path);
	free(recorder);
	return NULL;
}

bool recorder__has_failed(const struct recorder *recorder)
{
	return recorder->error;
}

/* --- generations ------------------------------------------------------------------------------- */

static int add(void *ctx, const struct ev_header *record)
{
	struct recorder *recorder = ctx;

	return capture_writer__add(recorder->writer, record);
}

/* A new FILE, which begins with the state as of now. */
static int write_snapshot(struct recorder *recorder)
{
	const struct capture_facts *first = recorder->opts.facts;
	uint64_t now = world__now_ns(recorder->opts.world);
	int r;

	recorder->writer = capture_writer__free(recorder->writer);
	recorder->facts.started_ns = now;
	recorder->facts.started = first->started + (now - first->started_ns);
	r = capture_writer__new(&recorder->writer, recorder->opts.path, &recorder->facts);
	if (!r)
		r = capture_writer__set_snapshot(recorder->writer, true);
	if (!r)
		r = snapshot__write(recorder->snapshot, recorder->opts.world, add, recorder);
	if (!r)
		r = capture_writer__set_snapshot(recorder->writer, false);
	return r;
}

/* FILE becomes FILE.1; where the new FILE has no room, FILE.1 is FILE again. */
static int begin_generation(struct recorder *recorder)
{
	uint64_t floor;
	int r = capture_writer__flush(recorder->writer);

	if (!r && rename(recorder->opts.path, recorder->old_path))
		r = negative_errno();
	if (r)
		return r;
	r = write_snapshot(recorder);
	recorder->has_old = !r || rename(recorder->old_path, recorder->opts.path);
	if (r)
		return r;
	/* Where the state alone is large, the limit cannot be kept: half of a file is news at least. */
	floor = 2 * capture_writer__size(recorder->writer);
	if (floor > recorder->generation_sz) {
		log_warning(recorder->opts.log, "%s: the state alone takes %" PRIu64 " bytes: the file "
			    "will be larger than --max-size", recorder->opts.path, floor / 2);
		recorder->generation_sz = floor;
	}
	return 0;
}

/* Joins the generations again: what is kept is the old one and what came after it. */
static int join_generations(struct recorder *recorder)
{
	int r;

	if (!recorder->has_old)
		return 0;
	recorder->writer = capture_writer__free(recorder->writer);
	r = capture_join(recorder->old_path, recorder->opts.path);
	if (!r && rename(recorder->old_path, recorder->opts.path))
		r = negative_errno();
	if (r)
		log_error(recorder->opts.log, "%s and %s stay two files, each a capture by itself: %s",
			  recorder->old_path, recorder->opts.path, strerror(-r));
	return r;
}

/* --- records ----------------------------------------------------------------------------------- */

static int at_tick(struct recorder *recorder, uint64_t now)
{
	int r = 0;

	if (recorder->snapshot && capture_writer__size(recorder->writer) >= recorder->generation_sz)
		r = begin_generation(recorder);
	if (!r && now - recorder->flushed_ns >= FLUSH_NS) {
		recorder->flushed_ns = now;
		r = capture_writer__flush(recorder->writer);
	}
	return r;
}

void recorder__take(struct recorder *recorder, const struct ev_header *record)
{
	int r = 0;

	if (recorder->error)
		return;
	if (record->type == EV_TICK)
		r = at_tick(recorder, record->time_ns);
	if (!r && recorder->snapshot)
		r = snapshot__keep(recorder->snapshot, record);
	if (!r)
		r = capture_writer__add(recorder->writer, record);
	failed(recorder, r);
}

/* --- names ------------------------------------------------------------------------------------- */

struct naming {
	struct recorder *recorder;
	struct names *names;
	_Alignas(8) uint8_t buffer[sizeof(struct ev_name) + 2 * EV_NAME_TEXT_MAX + 8];
};

static int name_frame(struct naming *naming, const struct frame *frame)
{
	struct ev_name *ev = (struct ev_name *)naming->buffer;
	const struct file *file = frame->file;
	struct symbol symbol = {};
	int r;

	if (!file || !file->path ||
	    names__find(naming->names, file->dev, file->ino, frame->offset, frame->innermost))
		return 0;
	r = symbolizer__resolve(naming->recorder->opts.symbolizer,
				&(struct symbol_query){ .dev = file->dev,
							.ino = file->ino,
							.path = file->path,
							.build_id = file->build_id,
							.build_id_sz = file->build_id_sz,
							.offset = frame->offset,
							.return_address = !frame->innermost },
				&symbol);
	if (r < 0)
		return r;
	memset(ev, 0, sizeof(*ev));
	ev_write_name(ev, sizeof(naming->buffer), symbol.function, symbol.file);
	ev->h.time_ns = world__now_ns(naming->recorder->opts.world);
	ev->ino = file->ino;
	ev->dev = file->dev;
	ev->offset = frame->offset;
	ev->innermost = frame->innermost;
	ev->line = symbol.line;
	symbol__fini(&symbol);
	r = names__add(naming->names, ev);
	return r ? r : capture_writer__add(naming->recorder->writer, &ev->h);
}

static int name_frames(struct recorder *recorder, struct names *names)
{
	struct naming naming = { .recorder = recorder, .names = names };
	const struct process *p;
	const struct site *site;
	int r;

	for (p = world__processes(recorder->opts.world); p; p = p->next)
		for (site = p->sites; site; site = site->next)
			for (uint32_t i = 0; site->stack && i < site->stack->n_frames; i++) {
				r = name_frame(&naming, &site->stack->frames[i]);
				if (r)
					return r;
			}
	return 0;
}

/* What there is now, for who waited for it. */
static void tell(const struct recorder *recorder)
{
	struct text text;
	struct stat st;

	if (stat(recorder->opts.path, &st) || !S_ISREG(st.st_mode))
		return;
	text__init(&text);
	text__addf(&text, "%s: ", recorder->opts.path);
	text__add_size(&text, (double)st.st_size);
	text__add(&text, recorder->has_old ? ", the newest part" : "");
	if (!text__error(&text))
		log_info(recorder->opts.log, "%s; `unfreed report` reads it", text.s);
	text__fini(&text);
}

int recorder__finish(struct recorder *recorder, struct names *names)
{
	int r = recorder->error;

	if (!r)
		r = name_frames(recorder, names);
	if (!r)
		r = capture_writer__end(recorder->writer);
	failed(recorder, r);
	if (r)
		return r;
	recorder->error = join_generations(recorder);
	if (!recorder->error)
		tell(recorder);
	return recorder->error;
}
