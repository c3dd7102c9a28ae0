/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* The words for rates, limits and frames: the same in the report and in the journal. */
#include "user/sink/words.h"

#include <inttypes.h>
#include <string.h>

void words_add_rate(struct text *out, double bytes_per_second)
{
	if (bytes_per_second >= 0)
		text__add(out, "+");
	text__add_size(out, bytes_per_second);
	text__add(out, "/s");
}

#define FOLD_MIN 3	/* fewer frames are shown rather than counted */

const char *words_limit(enum ev_limit_kind kind)
{
	switch (kind) {
	case EV_LIMIT_CGROUP_MAX:
		return "cgroup's memory.max";
	case EV_LIMIT_CGROUP_HIGH:
		return "cgroup's memory.high";
	case EV_LIMIT_RLIMIT_AS:
		return "address space limit";
	case EV_LIMIT_HOST:
		return "host";
	case EV_LIMIT_MAP_COUNT:
		return "vm.max_map_count";
	default:
		return "limit";
	}
}

bool words_add_time_left(struct text *out, const struct report_process *p)
{
	const struct report_limit *limit = &p->limit;

	if (!p->has_limit || p->verdict < VERDICT_GROWTH || limit->seconds_low < 0)
		return false;
	text__addf(out, "out of %s in ",
		   limit->kind == EV_LIMIT_MAP_COUNT ? "mappings" : "memory");
	text__add_duration(out, limit->seconds_low);
	if (limit->seconds_high > limit->seconds_low * 1.1) {
		text__add(out, " to ");
		text__add_duration(out, limit->seconds_high);
	}
	return true;
}

void words_add_limit(struct text *out, const struct report_process *p)
{
	const struct report_limit *limit = &p->limit;

	text__addf(out, "(%s", words_limit(limit->kind));
	if (p->limit_group && *p->limit_group)
		text__addf(out, " in %s", p->limit_group);
	text__add(out, ": ");
	if (limit->kind == EV_LIMIT_MAP_COUNT) {
		text__add_count(out, limit->bytes_left);
		text__add(out, " maps");
	} else {
		text__add_size(out, (double)limit->bytes_left);
	}
	text__add(out, " left)");
}

bool is_java_frame(const struct report_frame *frame)
{
	return frame->kind == FRAME_JAVA || frame->kind == FRAME_JAVA_INLINED ||
	       frame->kind == FRAME_JAVA_INTERPRETED;
}

void words_add_frame(struct text *out, const struct report_frame *frame)
{
	if (frame->function)
		text__add(out, frame->function);
	else if (frame->module)
		text__addf(out, "[%s+0x%" PRIx64 "]", frame->module, frame->offset);
	else
		text__addf(out, "[0x%" PRIx64 "]", frame->offset);
	if (is_java_frame(frame)) {	/* the class tells the file */
		if (frame->line)
			text__addf(out, ":%" PRIu32, frame->line);
	} else if (frame->file && frame->line) {
		const char *slash = strrchr(frame->file, '/');

		/* The folder is the builder's business; the JSON form has the whole path. */
		text__addf(out, " (%s:%" PRIu32 ")", slash ? slash + 1 : frame->file, frame->line);
	}
}

size_t site__n_telling_frames(const struct report_site *site)
{
	size_t n = site->n_frames;

	if (!site->complete)
		return n;
	while (n && !is_java_frame(&site->frames[n - 1]))
		n--;
	return n && site->n_frames - n >= FOLD_MIN ? n : site->n_frames;
}
