/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * One process: who it is, how near it is to its limits, in which of its files open handles can be
 * counted, and what is not covered. It is only read, never stopped; what it is called is hostile.
 */
#include "user/doctor.h"

#include <errno.h>
#include <string.h>

#include "user/base/cleanup.h"
#include "user/base/error.h"
#include "user/base/loop.h"
#include "user/base/table.h"
#include "user/source/pairs.h"
#include "user/source/probe_points.h"
#include "user/source/runtime_names.h"
#include "user/wire/decode.h"

struct file_key {
	uint64_t ino;
	uint64_t dev;
};

struct examination {
	struct procfs *procfs;
	pid_t pid;
	struct text *text;
	struct text uncovered;	/* sentences, each a line */
	struct table files;	/* struct file_key: looked at */
	size_t n_maps;
	size_t n_points;
};

__attribute__((format(printf, 3, 4)))
static void add_field(struct text *text, const char *name, const char *format, ...)
{
	char value[256];
	va_list args;

	va_start(args, format);
	vsnprintf(value, sizeof(value), format, args);
	va_end(args);
	text__addf(text, "  %-12s %s", name, value);
}

/* --- who it is ------------------------------------------------------------------------------- */

static void add_identity(struct examination *e, const struct procfs_facts *facts,
			 const char *runtime)
{
	struct text *text = e->text;
	uint64_t now = clock_boottime_ns();

	text__addf(text, "\nProcess %d: ", e->pid);
	text__add_safe(text, facts->comm);
	if (*runtime) {
		text__add(text, ", ");
		text__add_safe(text, runtime);
	}
	if (*facts->unit) {
		text__add(text, ", ");
		text__add_safe(text, facts->unit);
	}
	text__add(text, "\n");

	add_field(text, "command", "%s", "");
	text__add_safe_n(text, facts->cmdline, strnlen(facts->cmdline, 200));
	text__add(text, strlen(facts->cmdline) > 200 ? " ...\n" : "\n");
	add_field(text, "started", "%s", "");
	text__add_duration(text, now > facts->start_ns ? (double)(now - facts->start_ns) / 1e9 : 0);
	text__addf(text, " ago, by process %d, as user %u\n", facts->ppid, facts->uid);
	if (facts->nspid != facts->tgid)
		text__addf(text, "  %-12s calls itself process %d there\n", "container",
			   facts->nspid);
}

/* --- memory ---------------------------------------------------------------------------------- */

static void add_memory(struct examination *e)
{
	struct ev_memory memory = { 0 };
	struct text *text = e->text;

	if (procfs__memory(e->procfs, e->pid, true, &memory))
		return;
	add_field(text, "memory", "%s", "");
	text__add_size(text, (double)(memory.rss_anon + memory.rss_file + memory.rss_shmem));
	text__add(text, " resident (");
	text__add_size(text, (double)memory.rss_anon);
	text__add(text, " of it its own), ");
	text__add_size(text, (double)memory.mapped);
	text__add(text, " mapped\n");

	for (unsigned int i = 0; i < EV_N_LIMITS; i++) {
		if (memory.limit[i] == ~0ull)
			continue;
		add_field(text, "limit", "%s: ", ev_limit_name(i));
		if (i == EV_LIMIT_MAP_COUNT) {
			text__add_count(text, memory.left[i]);
			text__add(text, " of ");
			text__add_count(text, memory.limit[i]);
		} else {
			text__add_size(text, (double)memory.left[i]);
			text__add(text, " of ");
			text__add_size(text, (double)memory.limit[i]);
		}
		text__add(text, " left\n");
	}
}

/* --- files ----------------------------------------------------------------------------------- */

static const char *const role_words[] = {
	[PAIR_OPEN] = "opened by", [PAIR_CLOSE] = "closed by", [PAIR_COPY] = "copied by",
};

/* "zlib inflate streams: opened by inflateInit2_; closed by inflateEnd", in a line of its own. */
static void add_pair(struct text *text, const struct probe_points *points, uint32_t pair)
{
	unsigned int n_roles = 0;

	text__addf(text, "  %-12s   %s: ", "", pairs[pair].noun);
	for (unsigned int role = PAIR_OPEN; role <= PAIR_COPY; role++) {
		unsigned int n = 0;

		for (size_t i = 0; i < points->n; i++) {
			const struct pair_symbol *symbol = &pair_symbols[points->points[i].symbol];

			if (symbol->pair != pair || symbol->role != role)
				continue;
			if (n++)
				text__add(text, ", ");
			else
				text__addf(text, "%s%s ", n_roles++ ? "; " : "", role_words[role]);
			text__add_safe(text, points->points[i].name);
		}
	}
	text__add(text, "\n");
}

static void add_points(struct examination *e, const char *path, const struct probe_points *points)
{
	add_field(e->text, "handles", "%s", "");
	text__add_safe(e->text, path);
	text__add(e->text, "\n");
	for (uint32_t pair = 0; pair < n_pairs; pair++)
		for (size_t i = 0; i < points->n; i++)
			if (pair_symbols[points->points[i].symbol].pair == pair) {
				add_pair(e->text, points, pair);
				break;
			}
}

/* A sentence about one file. */
static void add_uncovered(struct examination *e, const char *path, const char *sentence)
{
	text__addf(&e->uncovered, "  %-12s ", "not covered");
	text__add_safe(&e->uncovered, path);
	text__add(&e->uncovered, ": ");
	text__add_safe(&e->uncovered, sentence);
	text__add(&e->uncovered, "\n");
}

static int examine_file(struct examination *e, const struct procfs_map *map)
{
	struct probe_points points;
	cleanup_fd int fd = -1;
	int r = procfs__open_mapped(e->procfs, e->pid, map, &fd);

	if (r == -EINVAL || r == -ENOMEM)
		return r == -ENOMEM ? r : 0;
	if (r) {
		add_uncovered(e, map->path, strerror(-r));
		return 0;
	}
	r = probe_points__find(fd, &points);
	if (r >= 0) {
		e->n_points += points.n;
		if (points.n)
			add_points(e, map->path, &points);
		for (size_t i = 0; i < points.n_notes; i++)
			add_uncovered(e, map->path, points.notes[i]);
	}
	probe_points__fini(&points);
	return r < 0 ? r : 0;
}

static int examine_map(void *ctx, const struct procfs_map *map)
{
	struct examination *e = ctx;
	struct file_key key = { map->ino, map->dev };
	bool is_new;

	e->n_maps++;
	if (!map->executable || !map->ino)
		return 0;
	if (!table__insert(&e->files, &key, &is_new))
		return -ENOMEM;
	return is_new ? examine_file(e, map) : 0;
}

/* --- all of it ------------------------------------------------------------------------------- */

static void add_limits_of_ours(struct examination *e, const struct procfs_facts *facts,
			       const struct features *features)
{
	struct text *text = &e->uncovered;

	if (facts->is_32bit)
		text__addf(text, "  %-12s system calls: it is a 32-bit program, and those pass by the "
			   "tracepoints we use; its map is read every second instead\n",
			   "not covered");
	if (!features__has(features, FEATURE_UPROBES))
		text__addf(text, "  %-12s handles: no functions can be probed here; see `unfreed "
			   "doctor`\n", "not covered");
	if (facts->seccomp == 2 && features->of[FEATURE_URETPROBE].answer == FEATURE_NO)
		text__addf(text, "  %-12s return probes: it has a seccomp filter, and on this kernel "
			   "one could kill it\n", "not covered");
	if (!e->n_points)
		text__addf(e->text, "  %-12s none of its files opens what we count (zlib streams); "
			   "files it loads later are looked at then\n", "handles");
}

/* Which functions of its runtime will have no names, and what helps. */
static void add_unnamed(struct examination *e, const char *runtime)
{
	struct text sentence;
	cleanup_fd int fd = -1;

	text__init(&sentence);
	runtime__add_unnamed(&sentence, runtime, procfs__open_perf_map(e->procfs, e->pid, &fd));
	if (sentence.n)
		text__addf(&e->uncovered, "  %-12s %s: %s\n", "not named", runtime, sentence.s);
	else if (fd >= 0)
		text__addf(e->text, "  %-12s of compiled functions come from its perf map\n", "names");
	text__fini(&sentence);
}

/* One line for each way in which a process cannot be examined. */
static int refuse(struct log *log, pid_t pid, const struct procfs_facts *facts, int r)
{
	if (r == PROCFS_NOT_A_LEADER) {
		log_error(log, "%d is a thread of process %d: name the process", pid, facts->tgid);
		return -EINVAL;
	}
	if (!r && facts->kernel_thread) {
		log_error(log, "process %d is a kernel thread: it has no memory of its own", pid);
		return -EINVAL;
	}
	if (!r && facts->zombie) {
		log_error(log, "process %d has ended and waits for its parent", pid);
		return -ESRCH;
	}
	if (r == -ESRCH)
		log_error(log, "process %d is not there", pid);
	else if (r == -EACCES || r == -EPERM)
		log_error(log, "process %d may not be read: run as root, or with CAP_SYS_PTRACE", pid);
	else if (r)
		log_error(log, "process %d cannot be read: %s", pid, strerror(-r));
	return r;
}

int doctor__describe(struct procfs *procfs, pid_t pid, const struct features *features,
		     struct text *text, struct log *log)
{
	struct examination e = { .procfs = procfs, .pid = pid };
	struct procfs_facts facts;
	char runtime[64] = "";
	struct text files;
	int r;

	r = refuse(log, pid, &facts, procfs__facts(procfs, pid, &facts));
	if (r)
		return r;

	text__init(&files);
	text__init(&e.uncovered);
	table__init(&e.files, sizeof(struct file_key), sizeof(struct file_key));
	/* The map file first: what it refuses leaves no half of a paragraph. */
	e.text = &files;
	r = procfs__each_map(procfs, pid, examine_map, &e);
	if (r) {
		refuse(log, pid, &facts, r);
	} else {
		procfs__runtime(procfs, pid, runtime, sizeof(runtime));
		add_limits_of_ours(&e, &facts, features);
		add_unnamed(&e, runtime);
		e.text = text;
		add_identity(&e, &facts, runtime);
		add_memory(&e);
		text__addf(text, "  %-12s system calls that take and give back memory\n", "covered");
		text__add(text, files.s ? files.s : "");
		text__add(text, e.uncovered.s ? e.uncovered.s : "");
		r = text__error(&files) ? text__error(&files) : text__error(&e.uncovered);
	}
	table__fini(&e.files);
	text__fini(&e.uncovered);
	text__fini(&files);
	return r;
}
