/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Memory limits of control groups, and their freezer. A limit binds the sum of everything below it, so the group with
 * the least left anywhere between the process's own and the root decides, and each is weighed
 * with its own usage.
 *
 * All three layouts occur: v2 alone, v1 alone, and hybrid, where both are mounted and memory
 * belongs to v1; every memory hierarchy that is mounted is asked, and the tighter answer taken.
 *
 * Names: /proc/PID/cgroup and the root column of mountinfo are both relative to the root of OUR
 * cgroup namespace. What lies above it begins with /.., and only a mount whose root begins likewise
 * reaches there. A container that mounts its own group only (root /docker/..., no namespace) works
 * by the same rule: the path must lie below the root of the mount.
 */
#include "user/source/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/cleanup.h"
#include "user/base/error.h"
#include "user/source/procfs_dir.h"

/* v1 says "no limit" by the largest multiple of a page that fits in a long. */
#define V1_UNLIMITED (1ull << 62)

/* --- finding the mounts ---------------------------------------------------------------------- */

/* mountinfo writes space, tab, newline and backslash as three octal digits; in place. */
static void unescape_octal(char *s)
{
	char *to = s;

	while (*s) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' &&
		    s[3] >= '0' && s[3] <= '7') {
			*to++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 4;
		} else {
			*to++ = *s++;
		}
	}
	*to = '\0';
}

static bool has_word(const char *list, const char *word)
{
	size_t n = strlen(word);
	const char *s;

	for (s = strstr(list, word); s; s = strstr(s + 1, word))
		if ((s == list || s[-1] == ',') && (!s[n] || s[n] == ',' || s[n] == '\n'))
			return true;
	return false;
}

/* Adds the mount of one line, if it is one of those we want. `line` is changed. */
static int add_mount(struct cgroup_mounts *mounts, char *line, const char *sysroot)
{
	cleanup_free char *path = NULL;
	char *field[5], *after, *save = NULL;
	struct cgroup_mount *mount = &mounts->mount[mounts->n];
	char *type, *options;

	after = strstr(line, " - ");
	if (!after || mounts->n == CGROUP_MAX_MOUNTS)
		return 0;
	*after = '\0';
	type = strtok_r(after + 3, " ", &save);
	strtok_r(NULL, " ", &save);
	options = strtok_r(NULL, " ", &save);
	if (!type || !options)
		return 0;
	mount->v2 = !strcmp(type, "cgroup2");
	mount->memory = mount->v2 || has_word(options, "memory");
	mount->freezer = mount->v2 || has_word(options, "freezer");
	if (!mount->v2 && (strcmp(type, "cgroup") || (!mount->memory && !mount->freezer)))
		return 0;

	field[0] = strtok_r(line, " ", &save);
	for (unsigned int i = 1; i < 5; i++)
		field[i] = strtok_r(NULL, " ", &save);
	if (!field[4])
		return 0;
	unescape_octal(field[3]);
	unescape_octal(field[4]);
	mount->root = strdup(field[3]);
	if (!mount->root)
		return -ENOMEM;
	if (asprintf(&path, "%s%s", sysroot, field[4]) < 0) {
		path = NULL;
		free(mount->root);
		return -ENOMEM;
	}
	mount->fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	mounts->n++;
	return 0;
}

int cgroup_mounts__init(struct cgroup_mounts *mounts, const char *mountinfo, const char *sysroot)
{
	const char *line = mountinfo;

	memset(mounts, 0, sizeof(*mounts));
	while (*line) {
		size_t n = strcspn(line, "\n");
		cleanup_free char *copy = strndup(line, n);
		int r = copy ? add_mount(mounts, copy, sysroot) : -ENOMEM;

		if (r) {
			cgroup_mounts__fini(mounts);
			return r;
		}
		line += n + (line[n] == '\n');
	}
	return 0;
}

void cgroup_mounts__fini(struct cgroup_mounts *mounts)
{
	for (size_t i = 0; i < mounts->n; i++) {
		free(mounts->mount[i].root);
		if (mounts->mount[i].fd >= 0)
			close(mounts->mount[i].fd);
	}
	mounts->n = 0;
}

/* --- limits ---------------------------------------------------------------------------------- */

static bool has_parent_step(const char *path)
{
	const char *s;

	for (s = strstr(path, ".."); s; s = strstr(s + 1, ".."))
		if ((s == path || s[-1] == '/') && (!s[2] || s[2] == '/'))
			return true;
	return false;
}

bool cgroup_path_below(const char *root, const char *path, char *out, size_t out_sz)
{
	size_t n = strcmp(root, "/") ? strlen(root) : 0;
	size_t rest_sz;

	if (path[0] != '/' || strncmp(path, root, n) || (path[n] && path[n] != '/'))
		return false;
	path += n + strspn(path + n, "/");
	if (has_parent_step(path))
		return false;
	if (!*path)
		path = ".";
	rest_sz = strlen(path);
	if (rest_sz >= out_sz)
		return false;
	memcpy(out, path, rest_sz + 1);
	return true;
}

bool cgroup_find_path(const char *text, bool v2, const char *controller, char *out,
		      size_t out_sz)
{
	static const char deleted[] = " (deleted)";
	const char *line = text;

	for (; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		size_t n = strcspn(line, "\n");
		const char *list = memchr(line, ':', n);
		const char *path = list ? memchr(list + 1, ':', n - (size_t)(list + 1 - line)) : NULL;
		char names[256];
		size_t names_sz, path_sz;

		if (!path)
			continue;
		names_sz = (size_t)(path - list - 1);
		path_sz = n - (size_t)(path + 1 - line);
		if (names_sz >= sizeof(names) || path_sz >= out_sz)
			continue;
		memcpy(names, list + 1, names_sz);
		names[names_sz] = '\0';
		if (v2 ? names_sz || list - line != 1 || line[0] != '0' :
			 !has_word(names, controller))
			continue;
		memcpy(out, path + 1, path_sz);
		out[path_sz] = '\0';
		if (path_sz >= sizeof(deleted) && !strcmp(out + path_sz - sizeof(deleted) + 1, deleted))
			out[path_sz - sizeof(deleted) + 1] = '\0';
		return true;
	}
	return false;
}

static bool read_number(int dir_fd, const char *name, uint64_t *out)
{
	char text[64];
	size_t n;

	/* "max" is no number, and so no limit. */
	return !procfs__read_at(dir_fd, name, text, sizeof(text), &n) &&
	       procfs_field(text, "", out);
}

/* A group's name: the mount's, and the path below it. */
static void name_group(const char *root, const char *below, char out[static 256])
{
	char name[2 * 4097];
	size_t n;

	snprintf(name, sizeof(name), "%s%s%s", strcmp(root, "/") ? root : "",
		 strcmp(below, ".") ? "/" : "", strcmp(below, ".") ? below : "");
	if (!name[0])
		strcpy(name, "/");
	n = strlen(name);
	memmove(out, name + (n > 255 ? n - 255 : 0), (n > 255 ? 255 : n) + 1);
}

struct weighed {
	const struct cgroup_mount *mount;
	const char *below;
};

static void tighten(const struct weighed *group, uint64_t limit, uint64_t used, uint64_t *left,
		    uint64_t *left_limit, char name[static 256])
{
	uint64_t room = limit > used ? limit - used : 0;

	if (room < *left || *left_limit == ~0ull) {
		*left = room;
		*left_limit = limit;
		name_group(group->mount->root, group->below, name);
	}
}

/* Weighs the limits of one group. */
static void weigh_group(int group_fd, const struct weighed *group, struct cgroup_room *room)
{
	const bool v2 = group->mount->v2;
	uint64_t max = ~0ull, high = ~0ull, used, inactive = 0;
	char text[8192];
	size_t n;

	if (!read_number(group_fd, v2 ? "memory.max" : "memory.limit_in_bytes", &max) ||
	    (!v2 && max >= V1_UNLIMITED))
		max = ~0ull;
	if (!v2 || !read_number(group_fd, "memory.high", &high))
		high = ~0ull;
	if (max == ~0ull && high == ~0ull)
		return;
	if (!read_number(group_fd, v2 ? "memory.current" : "memory.usage_in_bytes", &used))
		return;
	/* v1 counts what is below a group only in the fields that begin with total_. */
	if (!procfs__read_at(group_fd, "memory.stat", text, sizeof(text), &n))
		procfs_field(text, v2 ? "inactive_file " : "total_inactive_file ", &inactive);
	used = used > inactive ? used - inactive : 0;

	if (max != ~0ull)
		tighten(group, max, used, &room->max_left, &room->max_limit, room->max_group);
	if (high != ~0ull)
		tighten(group, high, used, &room->high_left, &room->high_limit, room->high_group);
}

/* From the group up to the root of the mount. A group that is gone has living ancestors. */
static void weigh_ancestors(const struct cgroup_mount *mount, char *path, struct cgroup_room *room)
{
	for (;;) {
		cleanup_fd int fd = openat(mount->fd, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
		char *slash = strrchr(path, '/');

		if (fd >= 0)
			weigh_group(fd, &(struct weighed){ mount, path }, room);
		if (!strcmp(path, "."))
			return;
		if (slash)
			*slash = '\0';
		else
			strcpy(path, ".");
	}
}

/* The group that the process is in, O_PATH; -1: it cannot be seen. */
static int open_group(const struct cgroup_mount *mount, const char *cgroup_text,
		      const char *controller, char below[static 4097])
{
	char path[4097];

	if (mount->fd < 0 ||
	    !cgroup_find_path(cgroup_text, mount->v2, controller, path, sizeof(path)) ||
	    !cgroup_path_below(mount->root, path, below, 4097))
		return -1;
	return openat(mount->fd, below, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* Both layouts say of a group what holds for it, be it by an ancestor. */
bool cgroup__is_frozen(const struct cgroup_mounts *mounts, const char *cgroup_text)
{
	char below[4097], text[256];
	size_t n;

	for (size_t i = 0; i < mounts->n; i++) {
		const struct cgroup_mount *mount = &mounts->mount[i];
		cleanup_fd int fd = -1;
		uint64_t frozen;

		if (mount->freezer)
			fd = open_group(mount, cgroup_text, "freezer", below);
		if (fd < 0)
			continue;
		if (procfs__read_at(fd, mount->v2 ? "cgroup.events" : "freezer.state", text,
				    sizeof(text), &n))
			continue;
		if (mount->v2 ? procfs_field(text, "frozen ", &frozen) && frozen :
				!strncmp(text, "FROZEN", 6))
			return true;
	}
	return false;
}

void cgroup__room(const struct cgroup_mounts *mounts, const char *cgroup_text,
		  struct cgroup_room *out)
{
	char path[4097], below[4097];

	*out = (struct cgroup_room){ ~0ull, ~0ull, ~0ull, ~0ull, "", "" };
	for (size_t i = 0; i < mounts->n; i++) {
		const struct cgroup_mount *mount = &mounts->mount[i];

		if (mount->memory && mount->fd >= 0 &&
		    cgroup_find_path(cgroup_text, mount->v2, "memory", path, sizeof(path)) &&
		    cgroup_path_below(mount->root, path, below, sizeof(below)))
			weigh_ancestors(mount, below, out);
	}
}
