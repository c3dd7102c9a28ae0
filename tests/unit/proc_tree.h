/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Lays down a tree of files from tests/data/proc/NAME.tree below a temporary folder, for
 * procfs__new(). The format: comments first, then for each file its path and its lines:
 *
 *   == proc/1/comm          the lines that follow, as they are
 *   ==0 proc/1/cmdline      ... each ended by a zero instead of a newline
 *   == proc/1/exe -> TO     a symbolic link
 */
#ifndef UNFREED_TESTS_PROC_TREE_H
#define UNFREED_TESTS_PROC_TREE_H

#include <errno.h>
#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct proc_tree {
	char dir[64];
};

static inline void proc_tree__die(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(99);
}

static inline void proc_tree__make_parents(char *path)
{
	for (char *s = strchr(path + 1, '/'); s; s = strchr(s + 1, '/')) {
		*s = '\0';
		if (mkdir(path, 0755) && errno != EEXIST)
			proc_tree__die(path);
		*s = '/';
	}
}

/* A new file of the tree, or a link; the folders it lies in are made. */
static inline FILE *proc_tree__create(const struct proc_tree *tree, const char *name)
{
	char path[8192];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", tree->dir, name);
	proc_tree__make_parents(path);
	f = fopen(path, "w");
	if (!f)
		proc_tree__die(path);
	return f;
}

static inline void proc_tree__link(const struct proc_tree *tree, const char *name, const char *to)
{
	char path[8192];

	snprintf(path, sizeof(path), "%s/%s", tree->dir, name);
	proc_tree__make_parents(path);
	unlink(path);
	if (symlink(to, path))
		proc_tree__die(path);
}

static inline void proc_tree__write(const struct proc_tree *tree, const char *name,
				    const void *data, size_t n)
{
	FILE *f = proc_tree__create(tree, name);

	if (fwrite(data, 1, n, f) != n || fclose(f))
		proc_tree__die(name);
}

static inline void proc_tree__init(struct proc_tree *tree)
{
	snprintf(tree->dir, sizeof(tree->dir), "/tmp/unfreed-proc-tree.XXXXXX");
	if (!mkdtemp(tree->dir))
		proc_tree__die(tree->dir);
}

static inline int proc_tree__remove_one(const char *path, const struct stat *st, int type,
					struct FTW *ftw)
{
	return remove(path);
}

static inline void proc_tree__fini(struct proc_tree *tree)
{
	nftw(tree->dir, proc_tree__remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void proc_tree__unpack(struct proc_tree *tree, const char *name)
{
	char path[256], *line = NULL, *arrow;
	bool zeros = false;
	FILE *in, *out = NULL;
	size_t room = 0;
	ssize_t n;

	proc_tree__init(tree);
	snprintf(path, sizeof(path), "tests/data/proc/%s.tree", name);
	in = fopen(path, "r");
	if (!in)
		proc_tree__die(path);
	while ((n = getline(&line, &room, in)) > 0) {
		if (strncmp(line, "== ", 3) && strncmp(line, "==0 ", 4)) {
			if (zeros)
				line[n - 1] = '\0';
			if (out && fwrite(line, 1, (size_t)n, out) != (size_t)n)
				proc_tree__die(path);
			continue;
		}
		if (out && fclose(out))
			proc_tree__die(path);
		out = NULL;
		line[n - 1] = '\0';
		zeros = line[2] == '0';
		arrow = strstr(line, " -> ");
		if (arrow) {
			*arrow = '\0';
			proc_tree__link(tree, line + 3, arrow + 4);
		} else {
			out = proc_tree__create(tree, line + 3 + zeros);
		}
	}
	if (out && fclose(out))
		proc_tree__die(path);
	free(line);
	fclose(in);
}

#endif /* UNFREED_TESTS_PROC_TREE_H */
