/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * verify: watches processes for a while, then holds the model against the kernel's own map.
 *
 * The processes go on meanwhile, so "the same" has to be said of a moment that does not exist. One
 * reading of a process goes so: the ring is read to its end, then the map file, then the ring again.
 * What the model says now is what the kernel said at some time during the reading, for all addresses
 * that nobody touched since shortly before it; and that is known, because every touch is a record.
 * Addresses that were touched say nothing in this reading. A byte counts as different once three
 * readings, the last of them PAUSE_LONG_NS after the first or more, have shown it so, with nobody
 * touching it since the first, and none in between has shown it right. So a call in flight is no difference (a munmap is
 * told when it enters; an mmap with MAP_POPULATE when it has filled what the map shows already), while
 * a real one stays, as only a later call at the same addresses could mend it. What is touched in
 * every reading is counted apart.
 *
 * Not compared but named: [vdso], [vvar] and [uprobes], which no call of the process made; and the
 * part of a stack (the main one, or what was mapped with MAP_GROWSDOWN: smaps says `gd`) that grew
 * below what is known of it, at page faults.
 */
#include "user/verify.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "user/app.h"
#include "user/base/error.h"
#include "user/base/loop.h"
#include "user/model/world.h"
#include "user/source/live.h"
#include "user/source/procfs.h"
#include "user/symbol/symbol.h"

#define STOP 1
#define DURATION_NS 2000000000ull
#define MAX_READINGS 60
#define PAUSE_NS 3000000
#define PAUSE_LONG_NS 150000000	/* before every other reading, so one of any three */
#define IN_FLIGHT_NS 20000000ull	/* a call is told at its entry, so long before it has its way */

struct verify {
	const struct options *options;
	struct log *log;
	struct loop *loop;
	struct live *live;
	struct world *world;
	struct symbolizer *symbolizer;
	struct history history;
	struct subject *subjects;
	size_t n_subjects;
	unsigned int n_healed;		/* map files read again, for what records do not tell */
	/* of the reading at hand */
	struct region *regions;
	size_t n_regions, regions_capacity;
	struct map_line *lines;
	size_t n_lines, lines_capacity;
	uint64_t since_ns;
	uint32_t tgid;
};

/* --- watching ---------------------------------------------------------------------------------- */

static int on_record(void *ctx, const struct ev_header *record)
{
	struct verify *verify = ctx;
	int r = world__apply(verify->world, record);

	if (r && r != -EBADMSG)
		return r;
	if (record->type == EV_SEED_BEGIN)
		verify->n_healed += ((const struct ev_seed *)record)->reason == EV_SEED_HEAL;
	return history__note(&verify->history, record);
}

static int on_stop(void *ctx, int signal)
{
	return STOP;
}

static int on_duration(void *ctx, uint64_t now)
{
	return STOP;
}

static int add_one(void *ctx, pid_t pid)
{
	struct verify *verify = ctx;
	int r = pid == getpid() ? 0 : live__add(verify->live, pid);

	return r == -ENOMEM ? r : 0;	/* gone, or a kernel thread */
}

static int add_processes(struct verify *verify)
{
	const struct options *options = verify->options;
	size_t n_added = 0;
	int r;

	if (options->all)
		return live__each_process(verify->live, add_one, verify) ? EXIT_TOOL_FAILED : 0;
	for (size_t i = 0; i < options->n_pids; i++) {
		r = live__add(verify->live, options->pids[i]);
		if (r)
			log_error(verify->log, "verify: process %d: %s", options->pids[i],
				  live__why_not(r));
		else
			n_added++;
	}
	return n_added ? 0 : EXIT_TOOL_FAILED;
}

static int start(struct verify *verify)
{
	const struct options *options = verify->options;
	struct live_opts opts = {
		.log = verify->log,
		.emit = on_record,
		.emit_ctx = verify,
		.all = options->all,
		.stacks = true,		/* every image is read from its exec on */
		.regions_only = true,
		.ordered = options->lock_order,
		.ring_sz = options->ring_sz,
		.memory_ns = UINT64_MAX,
	};
	int r;

	r = symbolizer__new(&verify->symbolizer, &(struct symbolizer_opts){});
	if (!r)
		r = world__new(&verify->world, &(struct world_opts){});
	if (!r)
		r = loop__new(&verify->loop);
	opts.loop = verify->loop;
	opts.symbolizer = verify->symbolizer;
	if (!r)
		r = loop__add_signal(verify->loop, SIGINT, on_stop, verify);
	if (!r)
		r = loop__add_signal(verify->loop, SIGTERM, on_stop, verify);
	if (!r)
		r = live__new(&verify->live, &opts);
	if (r)
		return EXIT_TOOL_FAILED;
	r = add_processes(verify);
	if (r)
		return r;
	r = loop__add_timeout(verify->loop,
			      options->duration_ns ? options->duration_ns : DURATION_NS,
			      on_duration, verify);
	return r ? EXIT_TOOL_FAILED : 0;
}

/* --- one reading ------------------------------------------------------------------------------- */

/* Room for one more of `sz` bytes. */
static int make_room(void *array, size_t n, size_t *capacity, size_t sz)
{
	size_t more = *capacity ? 2 * *capacity : 256;
	void *p;

	if (n < *capacity)
		return 0;
	p = realloc(*(void **)array, more * sz);
	if (!p)
		return -ENOMEM;
	*(void **)array = p;
	*capacity = more;
	return 0;
}

static enum map_name name_of(const struct procfs_map *map)
{
	if (!map->deleted)
		return MAP_NAME_OTHER;
	if (!strcmp(map->path, "/dev/zero"))
		return MAP_NAME_ZERO;
	if (!strncmp(map->path, "/SYSV", 5))
		return MAP_NAME_SYSV;
	if (!strcmp(map->path, "/anon_hugepage"))
		return MAP_NAME_HUGE;
	return MAP_NAME_OTHER;
}

static int on_line(void *ctx, const struct procfs_map *map, uint32_t fs_magic)
{
	struct verify *verify = ctx;

	if (make_room(&verify->lines, verify->n_lines, &verify->lines_capacity,
		      sizeof(*verify->lines)))
		return -ENOMEM;
	verify->lines[verify->n_lines++] = (struct map_line){
		.start = map->start,
		.end = map->end,
		.file_off = map->file_off,
		.ino = map->ino,
		.dev = map->dev,
		.prot = map->prot,
		.flags = map->flags,
		.fs_magic = fs_magic,
		.name = name_of(map),
	};
	return 0;
}

static int on_region(void *ctx, const struct region *region)
{
	struct verify *verify = ctx;

	if (make_room(&verify->regions, verify->n_regions, &verify->regions_capacity,
		      sizeof(*verify->regions)))
		return -ENOMEM;
	verify->regions[verify->n_regions++] = *region;
	return 0;
}

static bool touched(void *ctx, uint64_t start, uint64_t end, uint64_t since_ns)
{
	const struct verify *verify = ctx;

	return live__is_doubtful(verify->live, (pid_t)verify->tgid) ||
	       history__touched(&verify->history, verify->tgid, start, end, since_ns);
}

static int drain(struct verify *verify)
{
	int r = live__drain(verify->live);

	return r == LIVE_NEVER_EMPTY ? 0 : r;
}

static int settle(struct verify *verify)
{
	int r = live__settle(verify->live);

	return r == LIVE_NEVER_EMPTY ? 0 : r;
}

static bool has_grown_down(void *ctx, const struct difference *d)
{
	const struct verify *verify = ctx;

	return d->what == DIFFERS_MISSING && !d->kernel.ino &&
	       live__grows_down(verify->live, (pid_t)verify->tgid, d->start);
}

/* At once, before the process takes it down and makes it grow anew. */
static void pass_over_stacks(struct verify *verify, struct subject *subject)
{
	uint64_t grown = suspects__drop_if(&subject->suspects, has_grown_down, verify);

	subject->grown_bytes += grown;
	subject->bytes -= grown;
}

/* Reads one process's map between two readings of the ring, and narrows down what differs. */
static int read_subject(struct verify *verify, struct subject *subject)
{
	struct differences found = { 0 };
	const struct process *process;
	int r;

	r = drain(verify);
	if (!r && live__is_doubtful(verify->live, (pid_t)subject->tgid))
		r = settle(verify);
	verify->since_ns = clock_monotonic_ns() - IN_FLIGHT_NS;
	verify->tgid = subject->tgid;
	verify->n_lines = verify->n_regions = 0;
	if (!r)
		r = live__each_map(verify->live, (pid_t)subject->tgid, on_line, verify);
	if (r) {
		subject->outcome = r == LIVE_GONE ? VERIFY_GONE : VERIFY_FAILED;
		return r == -ENOMEM ? r : 0;
	}
	r = drain(verify);
	process = world__find(verify->world, subject->tgid);
	if (r || !process) {
		subject->outcome = VERIFY_GONE;
		return r;
	}
	r = process__each_region(process, on_region, verify);
	if (!r)
		r = differences__find(&found, verify->regions, verify->n_regions, verify->lines,
				      verify->n_lines);
	if (!r && !subject->suspects.n_readings) {
		subject->bytes = found.bytes;
		subject->own_bytes = found.own_bytes;
		subject->grown_bytes = found.grown_bytes;
	}
	if (!r)
		r = suspects__narrow(&subject->suspects, &found, verify->since_ns, touched, verify);
	if (!r)
		pass_over_stacks(verify, subject);
	differences__fini(&found);
	return r;
}

/* --- the comparison ---------------------------------------------------------------------------- */

static int choose_subjects(struct verify *verify)
{
	const struct process *process;
	size_t n = 0;

	for (process = world__processes(verify->world); process; process = process->next)
		n += !process->exited && process->seeded;
	verify->subjects = calloc(n + 1, sizeof(*verify->subjects));
	if (!verify->subjects)
		return -ENOMEM;
	for (process = world__processes(verify->world); process; process = process->next) {
		if (process->exited || !process->seeded || verify->n_subjects == n)
			continue;
		verify->subjects[verify->n_subjects].tgid = process->tgid;
		if (live__is_32bit(verify->live, (pid_t)process->tgid))
			verify->subjects[verify->n_subjects].outcome = VERIFY_32BIT;
		verify->n_subjects++;
	}
	return 0;
}

static int compare(struct verify *verify)
{
	bool again = true;
	int r;

	/* What was lost, and what no record tells, is put right first. */
	r = settle(verify);
	if (!r)
		r = choose_subjects(verify);
	for (unsigned int i = 0; !r && again && i < MAX_READINGS; i++) {
		again = false;
		if (i)
			nanosleep(&(struct timespec){ .tv_nsec = i % 2 ? PAUSE_LONG_NS : PAUSE_NS },
				  NULL);
		for (size_t k = 0; !r && k < verify->n_subjects; k++) {
			struct subject *subject = &verify->subjects[k];

			if (subject->outcome != VERIFY_COMPARED ||
			    (i && suspects__settled(&subject->suspects, VERIFY_READINGS)))
				continue;
			r = read_subject(verify, subject);
			again |= !suspects__settled(&subject->suspects, VERIFY_READINGS);
		}
	}
	return r;
}

static int report(struct verify *verify)
{
	struct verify_totals totals = {
		.n_healed = verify->n_healed,
		.n_lost = world__lost(verify->world, EV_LOSS_RING_FULL),
	};
	struct text text;
	int r;

	text__init(&text);
	for (size_t i = 0; i < verify->n_subjects; i++) {
		const struct subject *subject = &verify->subjects[i];
		const struct process *process = world__find(verify->world, subject->tgid);

		verify__print_subject(subject, process ? process->comm : "", &verify->history,
				      clock_monotonic_ns(), &text);
		totals.n_left_out += subject->outcome == VERIFY_32BIT ||
				     subject->outcome == VERIFY_FAILED;
		if (subject->outcome != VERIFY_COMPARED)
			continue;
		totals.n_processes++;
		totals.bytes += subject->bytes;
		totals.own_bytes += subject->own_bytes;
		totals.grown_bytes += subject->grown_bytes;
		totals.differing += suspects__bytes(&subject->suspects, VERIFY_READINGS, true);
		totals.unsettled += suspects__bytes(&subject->suspects, VERIFY_READINGS, false);
	}
	verify__print_totals(&totals, &text);
	r = text__error(&text);
	if (!r && (fwrite(text.s, 1, text.n, stdout) != text.n || fflush(stdout)))
		r = negative_errno();
	text__fini(&text);
	if (r)
		log_error(verify->log, "verify: standard output: %s", strerror(-r));
	return r ? EXIT_TOOL_FAILED : totals.differing ? EXIT_LEAK : 0;
}

static void fini(struct verify *verify)
{
	for (size_t i = 0; i < verify->n_subjects; i++)
		suspects__fini(&verify->subjects[i].suspects);
	free(verify->subjects);
	free(verify->regions);
	free(verify->lines);
	verify->live = live__free(verify->live);
	verify->loop = loop__free(verify->loop);
	verify->world = world__free(verify->world);
	verify->symbolizer = symbolizer__free(verify->symbolizer);
	history__fini(&verify->history);
}

int verify__run(const struct options *options, struct log *log)
{
	struct verify verify = { .options = options, .log = log };
	int r;

	history__init(&verify.history);
	r = start(&verify);
	if (!r) {
		r = loop__run(verify.loop);
		if (r == STOP)
			r = compare(&verify);
		if (r)
			log_error(log, "verify: %s", strerror(r < 0 ? -r : EIO));
		r = r ? EXIT_TOOL_FAILED : report(&verify);
	}
	fini(&verify);
	return r;
}
