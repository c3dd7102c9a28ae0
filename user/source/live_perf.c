/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Names from the perf maps that runtimes write. A map is looked at when a frame of code that is in no
 * file is to be named, and then what was added to it since the last time is read.
 *
 * Reading has to end: a process may write more than we can read, or begin its file anew all the time.
 * So a reading that took some time is followed by twenty times as long without one, and all readings
 * together get a fifth of the time; meanwhile what is known already is used. Of the memory that all
 * maps may take, one may take it all: then the others go, and are read again when they are needed.
 */
#include "user/source/live_private.h"

#include <string.h>

#include "user/base/error.h"
#include "user/symbol/perf_map.h"

#define MAX_BYTES (16u << 20)
#define PAUSE_FACTOR 20
#define WINDOW_NS 1000000000ull
#define WINDOW_SHARE 5		/* of which a fifth */

void live_forget_perf_map(struct live *live, struct watched *p)
{
	if (p->perf_map)
		live->perf_bytes -= perf_map__bytes(p->perf_map);
	p->perf_map = perf_map__free(p->perf_map);
	p->perf_again_ns = 0;
}

static void keep_bounds(struct live *live, const struct watched *current)
{
	const struct process_slot *slot;
	size_t cursor = 0;

	while (live->perf_bytes > MAX_BYTES && (slot = table__next(&live->processes, &cursor))) {
		if (slot->process == current || !slot->process->perf_map)
			continue;
		live_forget_perf_map(live, slot->process);
		live->n_evicted++;
	}
}

/* True when there is time for a reading. */
static bool may_read(struct live *live, const struct watched *p, uint64_t now)
{
	if (now - live->perf_window_ns > WINDOW_NS) {
		live->perf_window_ns = now;
		live->perf_spent_ns = 0;
	}
	return now >= p->perf_again_ns && live->perf_spent_ns < WINDOW_NS / WINDOW_SHARE;
}

static int update(struct live *live, struct watched *p, int fd, uint64_t now)
{
	size_t before = perf_map__bytes(p->perf_map);
	bool was_cut = perf_map__is_cut(p->perf_map);
	int r = perf_map__update(p->perf_map, fd);
	uint64_t spent = clock_monotonic_ns() - now;

	live->perf_bytes += perf_map__bytes(p->perf_map) - before;
	live->perf_spent_ns += spent;
	p->perf_again_ns = now + PAUSE_FACTOR * spent;
	if (!was_cut && perf_map__is_cut(p->perf_map))
		live_note(live, p->tgid, "its perf map is larger than what is read of one (64 MB, 262,144 "
			  "lines): some compiled functions have no names");
	keep_bounds(live, p);
	return r == -ENOMEM ? r : 0;
}

int live_open_perf_map(struct live *live, struct watched *p, int *fd)
{
	uint64_t now = clock_monotonic_ns();
	int r = procfs__open_perf_map(live->procfs, (pid_t)p->tgid, fd);

	p->perf_state = r;
	if (r)
		return r == -ENOMEM ? r : 1;
	if (!p->perf_map) {
		r = perf_map__new(&p->perf_map);
		if (r)
			return r;
		live->perf_bytes += perf_map__bytes(p->perf_map);
	}
	return may_read(live, p, now) ? update(live, p, *fd, now) : 0;
}

/* Terminated, and cut where it does not fit. */
static void copy(char *out, size_t out_sz, const char *s, size_t n)
{
	if (n >= out_sz)
		n = out_sz - 1;
	memcpy(out, s, n);
	out[n] = '\0';
}

bool live_perf_name(struct watched *p, int fd, uint64_t pc, struct unwind_name *out)
{
	char buf[PERF_MAP_LINE_MAX];
	struct perf_map_name name;
	struct perf_map_line line;

	if (!p->perf_map || perf_map__find(p->perf_map, fd, pc, buf, &line))
		return false;
	perf_map_name__split(line.name, line.name_sz, &name);
	*out = (struct unwind_name){ .line = name.line, .bci = -1, .kind = EV_METHOD_STUB };
	copy(out->function, sizeof(out->function), name.function, name.function_sz);
	if (name.file_sz)
		copy(out->file, sizeof(out->file), name.file, name.file_sz);
	return out->function[0] != '\0';
}
