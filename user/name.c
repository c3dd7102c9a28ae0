/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Asks the recorded names, then the symbolizer, for each frame of a report that lies in a file. A file
 * that leaves frames of a finding without a name is told by its build-id, so that the missing debug
 * file can be had.
 */
#include "user/name.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/text.h"

static size_t parse_hex(const char *hex, uint8_t *out, size_t out_sz)
{
	size_t n = 0;
	unsigned int byte;

	while (hex && n < out_sz && sscanf(hex + 2 * n, "%2x", &byte) == 1)
		out[n++] = (uint8_t)byte;
	return n;
}

static int copy_name(struct report_frame *frame, const struct name *name)
{
	frame->function = name->function ? strdup(name->function) : NULL;
	frame->file = name->file ? strdup(name->file) : NULL;
	frame->line = name->line;
	return (name->function && !frame->function) || (name->file && !frame->file) ? -ENOMEM : 0;
}

static int name_frame(struct report_frame *frame, const struct names *names,
		      struct symbolizer *symbolizer)
{
	const struct name *name;
	struct symbol_query query = {
		.dev = frame->dev,
		.ino = frame->ino,
		.path = frame->path,
		.offset = frame->offset,
		.return_address = !frame->innermost,
	};
	uint8_t build_id[EV_BUILD_ID_MAX];
	struct symbol symbol;
	int r;

	if (frame->function || !frame->module)
		return 0;
	name = names__find(names, frame->dev, frame->ino, frame->offset, frame->innermost);
	if (name)
		return copy_name(frame, name);
	query.build_id_sz = parse_hex(frame->build_id, build_id, sizeof(build_id));
	query.build_id = build_id;
	r = symbolizer__resolve(symbolizer, &query, &symbol);
	if (r)
		return r < 0 ? r : 0;
	frame->function = symbol.function;
	frame->file = symbol.file;
	frame->line = symbol.line;
	return 0;
}

static int name_site(struct report_site *site, const struct names *names,
		     struct symbolizer *symbolizer)
{
	int r = 0;

	for (size_t i = 0; !r && i < site->n_frames; i++)
		r = name_frame(&site->frames[i], names, symbolizer);
	return r;
}

static int note_unnamed(struct report *report, const struct report_process *p,
			const struct report_site *site)
{
	if (site->verdict < VERDICT_GROWTH || site->verdict < p->verdict)
		return 0;
	for (size_t i = 0; i < site->n_frames; i++) {
		const struct report_frame *frame = &site->frames[i];
		struct text note;
		int r;

		if (frame->function || !frame->module)
			continue;
		text__init(&note);
		text__addf(&note, "%s has no names for some functions on these stacks: no debug file with "
			   "build-id %s was found", frame->module,
			   frame->build_id ? frame->build_id : "(none)");
		r = report__add_not_covered(report, text__steal(&note));
		if (r)
			return r;
	}
	return 0;
}

int report__name_frames(struct report *report, const struct names *names,
			struct symbolizer *symbolizer)
{
	for (size_t i = 0; i < report->n_processes; i++) {
		struct report_process *p = &report->processes[i];

		for (size_t k = 0; k < p->n_sites; k++) {
			int r = name_site(&p->sites[k], names, symbolizer);

			if (!r)
				r = note_unnamed(report, p, &p->sites[k]);
			if (r)
				return r;
		}
	}
	return 0;
}
