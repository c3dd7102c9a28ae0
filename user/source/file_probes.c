/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * One table of files, keyed by (device, inode); an entry holds the links of its probes.
 *
 * Where the kernel has them (6.6), one uprobe_multi link carries all probes of a file: detaching
 * then waits once, not once per probe (traps.md, 25). The libbpf of older distributions does not know
 * that kind, so the link is made by the system call itself. Otherwise each point is a perf uprobe,
 * and where that cannot carry a cookie, a stub does (probe_stub.h).
 *
 * The kernel is given the file as /proc/self/fd/N: it holds in every mount namespace, for deleted
 * files, and cannot be exchanged between our look and the kernel's.
 */
#include "user/source/file_probes.h"

#include <string.h>
#include <sys/syscall.h>

#include "user/base/cleanup.h"
#include "user/base/error.h"
#include "user/base/table.h"
#include "user/source/bpf.h"
#include "user/source/pairs.h"
#include "user/source/probe_points.h"
#include "user/source/probe_stub.h"

#define MAX_PROBED_FILES 4096	/* then the one goes that nobody mapped for longest */
#define MAX_KNOWN_FILES 65536	/* then all go that carry no probe: they are looked at again */

struct file_key {
	uint64_t ino;
	uint32_t dev;
	uint32_t pad;
};

struct file_entry {
	struct file_key key;
	struct bpf_link **links;	/* perf uprobes; else NULL */
	int *events;			/* perf uprobes with stubs; else NULL */
	size_t n_points;
	int multi_fd;			/* > 0: a uprobe_multi link */
	uint64_t used;			/* file_probes.clock when it was mapped last */
};

struct file_probes {
	struct file_probes_opts opts;
	struct table files;
	size_t n_points, n_files;	/* that are probed now */
	uint64_t clock;			/* counts questions */
	uint64_t n_evicted;
	uint16_t serial;		/* of the file probed next */
	struct probe_stubs *stubs;	/* NULL where the kernel has cookies */
};

int file_probes__new(struct file_probes **out, const struct file_probes_opts *opts)
{
	struct file_probes *probes = calloc(1, sizeof(*probes));
	int r;

	if (!probes)
		return -ENOMEM;
	if (opts->stubs) {
		r = probe_stubs__new(&probes->stubs, bpf_program__fd(opts->program),
				     opts->cookies_fd);
		if (r) {
			free(probes);
			return r;
		}
	}
	probes->opts = *opts;
	table__init(&probes->files, sizeof(struct file_key), sizeof(struct file_entry));
	*out = probes;
	return 0;
}

static void detach(struct file_entry *entry)
{
	for (size_t i = 0; entry->links && i < entry->n_points; i++)
		bpf_link__destroy(entry->links[i]);
	for (size_t i = 0; entry->events && i < entry->n_points; i++)
		close(entry->events[i]);
	free(entry->links);
	free(entry->events);
	if (entry->multi_fd > 0)
		close(entry->multi_fd);
	entry->links = NULL;
	entry->events = NULL;
	entry->multi_fd = 0;
	entry->n_points = 0;
}

struct file_probes *file_probes__free(struct file_probes *probes)
{
	struct file_entry *entry;
	size_t cursor = 0;

	if (!probes)
		return NULL;
	while ((entry = table__next(&probes->files, &cursor)))
		detach(entry);
	table__fini(&probes->files);
	probe_stubs__free(probes->stubs);
	free(probes);
	return NULL;
}

bool file_probes__knows(struct file_probes *probes, uint32_t dev, uint64_t ino)
{
	struct file_key key = { .ino = ino, .dev = dev };
	struct file_entry *entry = table__find(&probes->files, &key);

	if (entry)
		entry->used = ++probes->clock;
	return entry;
}

uint64_t file_probes__n_evicted(const struct file_probes *probes)
{
	return probes->n_evicted;
}

size_t file_probes__n_points(const struct file_probes *probes)
{
	return probes->n_points;
}

size_t file_probes__n_files(const struct file_probes *probes)
{
	return probes->n_files;
}

static void note(struct file_probes *probes, const char *path, const char *sentence)
{
	if (probes->opts.note)
		probes->opts.note(probes->opts.note_ctx, path, sentence);
}

static uint64_t cookie_of(const struct file_probes *probes, const struct probe_point *point)
{
	const struct pair_symbol *symbol = &pair_symbols[point->symbol];
	struct handle_cookie cookie = {
		.symbol = point->symbol,
		.pair = symbol->pair,
		.is_close = symbol->role == PAIR_CLOSE,
		.handle_arg = point->handle_arg,
		.file = probes->serial,
	};
	uint64_t raw;

	memcpy(&raw, &cookie, sizeof(raw));
	return raw;
}

/* BPF_LINK_CREATE as of Linux 6.6 (89ae89f53d20), which the headers of older systems lack. */
struct link_create_uprobe_multi {
	uint32_t prog_fd, target_fd, attach_type, flags;
	uint64_t path, offsets, ref_ctr_offsets, cookies;
	uint32_t cnt, multi_flags, pid, pad;
};

static int attach_multi(struct file_probes *probes, struct file_entry *entry, const char *path,
			const struct probe_points *found)
{
	uint64_t offsets[PROBE_POINTS_MAX], cookies[PROBE_POINTS_MAX];
	struct link_create_uprobe_multi attr = {
		.prog_fd = bpf_program__fd(probes->opts.program),
		.attach_type = bpf_program__get_expected_attach_type(probes->opts.program),
		.path = (uintptr_t)path,
		.offsets = (uintptr_t)offsets,
		.cookies = (uintptr_t)cookies,
		.cnt = found->n,
	};
	int fd;

	for (size_t i = 0; i < found->n; i++) {
		offsets[i] = found->points[i].offset;
		cookies[i] = cookie_of(probes, &found->points[i]);
	}
	fd = syscall(SYS_bpf, BPF_LINK_CREATE, &attr, sizeof(attr));
	if (fd < 0)
		return negative_errno();
	entry->multi_fd = fd;
	entry->n_points = found->n;
	return 0;
}

static int attach_each(struct file_probes *probes, struct file_entry *entry, const char *path,
		       const struct probe_points *found)
{
	entry->links = calloc(found->n, sizeof(*entry->links));
	if (!entry->links)
		return -ENOMEM;
	for (size_t i = 0; i < found->n; i++) {
		LIBBPF_OPTS(bpf_uprobe_opts, opts, .bpf_cookie = cookie_of(probes, &found->points[i]));
		struct bpf_link *link;

		link = bpf_program__attach_uprobe_opts(probes->opts.program, -1, path,
						       found->points[i].offset, &opts);
		if (!link)
			return negative_errno();
		entry->links[entry->n_points++] = link;
	}
	return 0;
}

static int attach_stubs(struct file_probes *probes, struct file_entry *entry, const char *path,
			const struct probe_points *found)
{
	entry->events = calloc(found->n, sizeof(*entry->events));
	if (!entry->events)
		return -ENOMEM;
	for (size_t i = 0; i < found->n; i++) {
		int fd = probe_stubs__attach(probes->stubs, path, found->points[i].offset,
					     cookie_of(probes, &found->points[i]));

		if (fd < 0)
			return fd;
		entry->events[entry->n_points++] = fd;
	}
	return 0;
}

static int probe_file(struct file_probes *probes, struct file_entry *entry, int fd,
		      const char *path, const struct probe_points *found)
{
	char fd_path[64], sentence[160];
	int r;

	for (size_t i = 0; i < found->n_notes; i++)
		note(probes, path, found->notes[i]);
	if (!found->n)
		return 0;
	snprintf(fd_path, sizeof(fd_path), "/proc/self/fd/%d", fd);
	r = probes->opts.multi ? attach_multi(probes, entry, fd_path, found) :
	    probes->stubs      ? attach_stubs(probes, entry, fd_path, found) :
				 attach_each(probes, entry, fd_path, found);
	if (r) {
		detach(entry);
		snprintf(sentence, sizeof(sentence), "its functions cannot be probed: %s",
			 strerror(-r));
		note(probes, path, sentence);
		return r == -ENOMEM ? r : 0;
	}
	log_debug(probes->opts.log, "%s: %zu probes", path, entry->n_points);
	probes->n_points += entry->n_points;
	probes->n_files++;
	probes->serial++;
	return (int)entry->n_points;
}

static void evict(struct file_probes *probes, const struct file_key *key)
{
	struct file_entry *entry = table__find(&probes->files, key);

	if (entry->n_points) {
		probes->n_points -= entry->n_points;
		probes->n_files--;
		detach(entry);
	}
	table__remove(&probes->files, key);
	probes->n_evicted++;
}

/* Months bring many files, most of them of containers and packages that are gone. */
static void make_room(struct file_probes *probes)
{
	const struct file_entry *entry, *oldest = NULL;
	struct file_key keys[256];
	size_t cursor = 0, n = 0;

	if (probes->n_files >= MAX_PROBED_FILES) {
		while ((entry = table__next(&probes->files, &cursor)))
			if (entry->n_points && (!oldest || entry->used < oldest->used))
				oldest = entry;
		keys[0] = oldest->key;
		evict(probes, &keys[0]);
	}
	while (probes->files.n >= MAX_KNOWN_FILES) {
		for (cursor = n = 0; n < 256 && (entry = table__next(&probes->files, &cursor));)
			if (!entry->n_points)
				keys[n++] = entry->key;
		while (n)
			evict(probes, &keys[--n]);
	}
}

int file_probes__add(struct file_probes *probes, uint32_t dev, uint64_t ino, int fd,
		     const char *path)
{
	struct file_key key = { .ino = ino, .dev = dev };
	struct probe_points found = {};
	struct file_entry *entry;
	bool is_new;
	int r;

	make_room(probes);
	entry = table__insert(&probes->files, &key, &is_new);
	if (!entry)
		return -ENOMEM;
	entry->used = ++probes->clock;
	if (!is_new)
		return (int)entry->n_points;
	r = probe_points__find(fd, &found);
	if (r == 1)	/* no ELF file: remembered, with no probe */
		r = 0;
	else if (!r)
		r = probe_file(probes, entry, fd, path, &found);
	probe_points__fini(&found);
	return r;
}
