/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The map file, line by line:
 *
 *   7f2a14e00000-7f2a14f00000 r-xp 00026000 fe:01 1835211      /usr/lib/libc.so.6
 *
 * Strict, because what comes out becomes the model: one character that is not as the kernel writes
 * it, and the reading is refused as a whole. A process chooses only the path, and cannot end a
 * line with it (a newline is written \012), nor begin it with a bracket: file paths begin with a
 * slash or a file system's own word, and names given by prctl() come as [anon:name].
 *
 * When a mapping grows or merges between two reads, the kernel resumes inside it and may show a
 * part twice; the later line is cut to what is new, so that callers see no overlap.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "user/base/cleanup.h"
#include "user/base/error.h"
#include "user/source/procfs_dir.h"

/* The longest line: a path of 4096 bytes, each a newline and so four characters, and the rest. */
#define MAPS_BUF_SZ 65536

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Reads a number and the character that must follow it; the cursor moves past both. */
static bool take_number(const char **s, const char *end, unsigned int base, char follow,
			uint64_t *out)
{
	uint64_t value = 0;
	const char *p = *s;

	for (; p < end; p++) {
		int digit = hex_digit(*p);

		if (digit < 0 || (unsigned int)digit >= base)
			break;
		if (__builtin_mul_overflow(value, base, &value) ||
		    __builtin_add_overflow(value, (unsigned int)digit, &value))
			return false;
	}
	if (p == *s || p == end || *p != follow)
		return false;
	*out = value;
	*s = p + 1;
	return true;
}

static bool take_prot(const char **s, const char *end, struct procfs_map *out)
{
	const char *p = *s;

	if (end - p < 5 || (p[0] != 'r' && p[0] != '-') || (p[1] != 'w' && p[1] != '-') ||
	    (p[2] != 'x' && p[2] != '-') || (p[3] != 's' && p[3] != 'p') || p[4] != ' ')
		return false;
	out->prot = (p[0] == 'r' ? PROT_READ : 0) | (p[1] == 'w' ? PROT_WRITE : 0) |
		    (p[2] == 'x' ? PROT_EXEC : 0);
	out->executable = p[2] == 'x';
	out->shared = p[3] == 's';
	out->flags = out->shared ? EV_REGION_SHARED : 0;
	*s = p + 5;
	return true;
}

/* \012 is a newline; in place, returns the new length. */
static size_t unescape(char *path, size_t n)
{
	size_t from, to = 0;

	for (from = 0; from < n; from++) {
		if (n - from >= 4 && !memcmp(path + from, "\\012", 4)) {
			path[to++] = '\n';
			from += 3;
		} else {
			path[to++] = path[from];
		}
	}
	return to;
}

static void take_path(char *path, size_t n, struct procfs_map *out)
{
	static const char deleted[] = " (deleted)";
	const size_t deleted_sz = sizeof(deleted) - 1;

	if (n > deleted_sz && path[0] != '[' &&
	    !memcmp(path + n - deleted_sz, deleted, deleted_sz)) {
		out->deleted = true;
		n -= deleted_sz;
	}
	n = unescape(path, n);
	path[n] = '\0';
	out->path = path;
	out->path_sz = n;

	if (path[0] != '[')
		return;
	if (!strcmp(path, "[heap]"))
		out->flags |= EV_REGION_HEAP;
	else if (!strcmp(path, "[stack]"))
		out->flags |= EV_REGION_STACK;
	else if (strncmp(path, "[anon:", 6) && strncmp(path, "[anon_shmem:", 12))
		out->flags |= EV_REGION_SPECIAL;
}

int procfs_map__parse(char *line, size_t n, struct procfs_map *out)
{
	const char *s = line, *end = line + n;
	uint64_t major, minor;

	memset(out, 0, sizeof(*out));
	out->path = "";
	if (memchr(line, '\0', n) || memchr(line, '\n', n))
		return -EBADMSG;
	/* So that the inode has a follower also where no path comes after it. */
	line[n] = ' ';
	end++;

	if (!take_number(&s, end, 16, '-', &out->start) ||
	    !take_number(&s, end, 16, ' ', &out->end) || !take_prot(&s, end, out) ||
	    !take_number(&s, end, 16, ' ', &out->file_off) ||
	    !take_number(&s, end, 16, ':', &major) || !take_number(&s, end, 16, ' ', &minor) ||
	    !take_number(&s, end, 10, ' ', &out->ino))
		return -EBADMSG;
	if (out->start >= out->end || ((out->start | out->end | out->file_off) & 4095) ||
	    major > 0xfff || minor > 0xfffff)
		return -EBADMSG;
	out->dev = (uint32_t)(major << 20 | minor);

	while (s < line + n && *s == ' ')
		s++;
	if (s < line + n)
		take_path(line + (s - line), (size_t)(line + n - s), out);
	else
		line[n] = '\0';
	return 0;
}

struct walk {
	procfs_map_fn fn;
	void *ctx;
	uint64_t end;		/* of the last mapping */
	bool seen;
};

static int walk_line(struct walk *walk, char *line, size_t n)
{
	struct procfs_map map;
	int r = procfs_map__parse(line, n, &map);

	if (r)
		return r;
	walk->seen = true;
	if (!strcmp(map.path, "[vsyscall]") || map.end <= walk->end)
		return 0;
	if (map.start < walk->end) {
		if (map.ino)
			map.file_off += walk->end - map.start;
		map.start = walk->end;
	}
	walk->end = map.end;
	return walk->fn(walk->ctx, &map);
}

/* Walks the whole lines in buf, and what is left at the end of the file; moves the rest to the
 * front and says how much it is. */
static int walk_lines(struct walk *walk, char *buf, size_t *have, bool at_end)
{
	char *line = buf, *end = buf + *have, *newline;
	int r;

	while ((newline = memchr(line, '\n', (size_t)(end - line)))) {
		r = walk_line(walk, line, (size_t)(newline - line));
		if (r)
			return r;
		line = newline + 1;
	}
	if (at_end && line < end) {
		r = walk_line(walk, line, (size_t)(end - line));
		if (r)
			return r;
		line = end;
	}
	*have = (size_t)(end - line);
	memmove(buf, line, *have);
	return 0;
}

int procfs__each_map_at(int dir_fd, procfs_map_fn fn, void *ctx)
{
	struct walk walk = { .fn = fn, .ctx = ctx };
	cleanup_free char *buf = malloc(MAPS_BUF_SZ + 1);
	cleanup_fd int fd = -1;
	size_t have = 0;
	int r;

	if (!buf)
		return -ENOMEM;
	r = procfs__open_at(dir_fd, "maps", O_RDONLY, &fd);
	if (r)
		return r;
	for (;;) {
		ssize_t n = read(fd, buf + have, MAPS_BUF_SZ - have);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return negative_errno();
		have += (size_t)n;
		r = walk_lines(&walk, buf, &have, !n);
		if (r)
			return r;
		if (!n)
			break;
		if (have == MAPS_BUF_SZ)
			return -EBADMSG;
	}
	return walk.seen ? 0 : -ESRCH;
}

/* The first thread of a process may be gone while others live on: they have the map. */
static int each_map_of_threads(int dir_fd, procfs_map_fn fn, void *ctx)
{
	cleanup_dir DIR *tasks = NULL;
	cleanup_fd int fd = -1;
	const struct dirent *entry;
	int r = procfs__open_at(dir_fd, "task", O_RDONLY | O_DIRECTORY, &fd);

	if (r)
		return r;
	tasks = fdopendir(fd);
	if (!tasks)
		return negative_errno();
	steal_fd(&fd);
	for (r = -ESRCH; r == -ESRCH && (entry = readdir(tasks));) {
		cleanup_fd int task_fd = -1;

		if (entry->d_name[0] != '.' &&
		    !procfs__open_at(dirfd(tasks), entry->d_name, O_PATH | O_DIRECTORY, &task_fd))
			r = procfs__each_map_at(task_fd, fn, ctx);
	}
	return r;
}

int procfs__each_map(struct procfs *procfs, pid_t pid, procfs_map_fn fn, void *ctx)
{
	cleanup_fd int dir_fd = -1;
	int r = procfs__open_dir(procfs, pid, &dir_fd);

	if (!r)
		r = procfs__each_map_at(dir_fd, fn, ctx);
	return r == -ESRCH && dir_fd >= 0 ? each_map_of_threads(dir_fd, fn, ctx) : r;
}

bool procfs__grows_down(struct procfs *procfs, pid_t pid, uint64_t addr)
{
	cleanup_fd int dir_fd = -1, fd = -1;
	cleanup_free char *line = NULL;
	cleanup_file FILE *smaps = NULL;
	bool inside = false;
	size_t capacity = 0;
	ssize_t n;

	if (procfs__open_dir(procfs, pid, &dir_fd) ||
	    procfs__open_at(dir_fd, "smaps", O_RDONLY, &fd))
		return false;
	smaps = fdopen(fd, "r");
	if (!smaps)
		return false;
	steal_fd(&fd);
	while ((n = getline(&line, &capacity, smaps)) > 0) {
		struct procfs_map map;

		if (inside && !strncmp(line, "VmFlags:", 8))
			return strstr(line, " gd");
		if (hex_digit(*line) < 0)
			continue;	/* a line of numbers begins with a capital letter */
		line[n - 1] = '\0';
		if (!procfs_map__parse(line, (size_t)n - 1, &map))
			inside = map.start <= addr && addr < map.end;
	}
	return false;
}
