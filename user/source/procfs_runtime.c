/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * What runs inside a process, guessed from names: enough to tell an operator "this is the JVM's",
 * and nothing is decided by it. The executable's name counts, and the base names of all mapped
 * files; where several match, the row that comes first in the table wins, since a JVM may well
 * map libpython, and no Python maps libjvm without being a JVM too.
 *
 * Go leaves no library behind, but its linker writes a note into the program headers.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/cleanup.h"
#include "user/base/error.h"
#include "user/source/procfs_dir.h"

#define GO_BUILD_ID_NOTE 4	/* "Go", type 4: .note.go.buildid */

struct runtime_row {
	const char *name;	/* what it is called in reports */
	const char *prefix;	/* the base name begins so */
	const char *suffix;	/* NULL: goes on as it likes; else what follows prefix and version */
	bool has_version;	/* digits and dots follow the prefix, and the report shows them */
};

static const struct runtime_row rows[] = {
	{ "openj9", "libj9vm", NULL, false },
	{ "hotspot", "libjvm.so", "", false },
	{ "node", "node", "", false },
	{ "node", "nodejs", "", false },
	{ "node", "libnode.so", NULL, false },
	{ "dotnet", "libcoreclr.so", "", false },
	{ "erlang", "beam.smp", "", false },
	{ "python", "python", "", true },
	{ "python", "libpython", ".so", true },
	{ "ruby", "ruby", "", true },
	{ "ruby", "libruby.so.", "", true },
	{ "ruby", "libruby-", ".so", true },
	{ "php", "php", "", true },
	{ "php", "php-fpm", "", true },
	{ "perl", "perl", "", false },
	{ "perl", "libperl.so", NULL, false },
};

#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

struct guess {
	size_t row;		/* N_ROWS: none yet */
	char version[16];
	char *libjvm;		/* where it is mapped from; owned */
};

static bool row_matches(const struct runtime_row *row, const char *name, char version[16])
{
	size_t n = strlen(row->prefix), digits = 0;

	version[0] = '\0';
	if (strncmp(name, row->prefix, n))
		return false;
	if (row->has_version) {
		digits = strspn(name + n, "0123456789.");
		/* The dot before "so" is no part of it. */
		while (digits && name[n + digits - 1] == '.')
			digits--;
		if (digits >= 16)
			return false;
		memcpy(version, name + n, digits);
		version[digits] = '\0';
	}
	if (!row->suffix)
		return true;
	name += n + digits;
	n = strlen(row->suffix);
	/* A library may go on with its own version: libpython3.11.so.1.0. */
	return !strncmp(name, row->suffix, n) && (!name[n] || (n && name[n] == '.'));
}

static void guess_name(struct guess *guess, const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	char version[16];

	for (size_t i = 0; i < guess->row; i++) {
		if (row_matches(&rows[i], name, version)) {
			guess->row = i;
			memcpy(guess->version, version, sizeof(version));
		}
	}
}

static int guess_map(void *ctx, const struct procfs_map *map)
{
	struct guess *guess = ctx;
	const char *slash;

	if (map->path[0] != '/')
		return 0;
	guess_name(guess, map->path);
	slash = strrchr(map->path, '/');
	if (!guess->libjvm && !strcmp(slash, "/libjvm.so")) {
		guess->libjvm = strdup(map->path);
		if (!guess->libjvm)
			return -ENOMEM;
	}
	return 0;
}

/* JAVA_VERSION="17.0.15": from the text of a JDK's `release` file. False: not said. */
static bool release_version(const char *text, char *out, size_t out_sz)
{
	static const char key[] = "JAVA_VERSION=\"";
	const char *s = strstr(text, key);
	size_t n;

	if (!s || (s != text && s[-1] != '\n'))
		return false;
	s += sizeof(key) - 1;
	n = strspn(s, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ._+-");
	if (!n || n >= out_sz || s[n] != '"')
		return false;
	memcpy(out, s, n);
	out[n] = '\0';
	return true;
}

/* Beside lib/server/libjvm.so lies ../../release; Java 8 has jre/lib/<arch>/server/libjvm.so, and
 * `release` beside jre. */
static void read_release(int dir_fd, char *libjvm, char *version, size_t version_sz)
{
	cleanup_fd int root_fd = openat(dir_fd, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);

	version[0] = '\0';
	if (root_fd < 0)
		return;
	for (unsigned int up = 1; up <= 5; up++) {
		cleanup_free char *path = NULL;
		cleanup_fd int fd = -1;
		char *slash = strrchr(libjvm, '/');
		char text[4096];
		size_t n;

		if (!slash)
			return;
		*slash = '\0';
		if (up < 3)
			continue;
		if (asprintf(&path, "%s/release", libjvm) < 0) {
			path = NULL;
			return;
		}
		if (!procfs__open_below(root_fd, path, &fd) &&
		    !procfs__read_fd(fd, text, sizeof(text), &n) &&
		    release_version(text, version, version_sz))
			return;
	}
}

/* Whether the notes in `text` (n bytes) include Go's. */
static bool has_go_note(const char *text, size_t n)
{
	size_t at = 0;

	while (n - at >= sizeof(Elf64_Nhdr)) {
		Elf64_Nhdr note;
		uint64_t name_sz, desc_sz, next;

		memcpy(&note, text + at, sizeof(note));
		at += sizeof(note);
		name_sz = ((uint64_t)note.n_namesz + 3) & ~3ull;
		desc_sz = ((uint64_t)note.n_descsz + 3) & ~3ull;
		if (note.n_type == GO_BUILD_ID_NOTE && note.n_namesz == 4 && n - at >= 4 &&
		    !memcmp(text + at, "Go\0", 4))
			return true;
		next = name_sz + desc_sz;
		if (next > n - at)
			return false;
		at += (size_t)next;
	}
	return false;
}

static bool is_go(int dir_fd)
{
	cleanup_fd int fd = -1;
	Elf64_Ehdr header;
	unsigned int i;

	if (procfs__open_at(dir_fd, "exe", O_RDONLY | O_NONBLOCK | O_NOCTTY, &fd) ||
	    pread(fd, &header, sizeof(header), 0) != sizeof(header) ||
	    memcmp(header.e_ident, ELFMAG, SELFMAG) || header.e_ident[EI_CLASS] != ELFCLASS64 ||
	    header.e_phentsize != sizeof(Elf64_Phdr) || header.e_phoff > INT32_MAX)
		return false;
	for (i = 0; i < header.e_phnum && i < 64; i++) {
		off_t at = (off_t)header.e_phoff + (off_t)(i * sizeof(Elf64_Phdr));
		Elf64_Phdr segment;
		char notes[1024];
		size_t want;
		ssize_t n;

		if (pread(fd, &segment, sizeof(segment), at) != sizeof(segment))
			return false;
		if (segment.p_type != PT_NOTE || segment.p_offset > INT64_MAX)
			continue;
		want = segment.p_filesz < sizeof(notes) ? segment.p_filesz : sizeof(notes);
		n = pread(fd, notes, want, (off_t)segment.p_offset);
		if (n > 0 && has_go_note(notes, (size_t)n))
			return true;
	}
	return false;
}

int procfs__runtime(struct procfs *procfs, pid_t pid, char *out, size_t out_sz)
{
	struct guess guess = { .row = N_ROWS };
	cleanup_fd int dir_fd = -1;
	char version[48], exe[4096];
	ssize_t n;
	int r;

	out[0] = '\0';
	r = procfs__open_dir(procfs, pid, &dir_fd);
	if (r)
		return r;
	n = readlinkat(dir_fd, "exe", exe, sizeof(exe) - 1);
	exe[n > 0 ? n : 0] = '\0';
	guess_name(&guess, exe);
	r = procfs__each_map_at(dir_fd, guess_map, &guess);
	cleanup_free char *libjvm = guess.libjvm;
	if (r)
		return r;

	if (guess.row < N_ROWS && libjvm && !strcmp(rows[guess.row].name, "hotspot")) {
		read_release(dir_fd, libjvm, version, sizeof(version));
		snprintf(out, out_sz, "hotspot%s%s", version[0] ? " " : "", version);
	} else if (guess.row < N_ROWS) {
		snprintf(out, out_sz, "%s%s", rows[guess.row].name, guess.version);
	} else if (is_go(dir_fd)) {
		snprintf(out, out_sz, "go");
	}
	return 0;
}
