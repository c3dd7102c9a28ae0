/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The conventions are gdb's ("Debugging Information in Separate Files") and elfutils'. The paths
 * come from the traced process' own view, which here may lead to another file or to none: so a
 * candidate counts only with the right build-id or checksum, and must be a regular file.
 */
#include "user/symbol/debugfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <zlib.h>

#include "user/base/cleanup.h"
#include "user/base/error.h"
#include "user/base/text.h"
#include "user/symbol/debug_servers.h"

#define DEBUG_ROOT "/usr/lib/debug"
#define MAX_LINK_SZ 256			/* bytes of .gnu_debuglink: a file name and a checksum */
#define MAX_CHECKED_SZ (2ull << 30)	/* bytes of a file whose checksum is taken */

static int reopen(int path_fd)
{
	char via[sizeof("/proc/self/fd/") + 11];
	struct stat st;
	int r;

	if (path_fd < 0 || fstat(path_fd, &st) < 0)
		return negative_errno();
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	snprintf(via, sizeof(via), "/proc/self/fd/%d", path_fd);
	r = open(via, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	return r < 0 ? negative_errno() : r;
}

int open_regular(const char *path)
{
	cleanup_fd int fd = open(path, O_PATH | O_CLOEXEC);

	return reopen(fd);
}

/* With root_fd not negative: as seen by whoever has that root; links do not lead out of it. */
static int open_below(int root_fd, const char *path)
{
	struct open_how how = {
		.flags = O_PATH | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	cleanup_fd int fd = -1;

	if (root_fd < 0)
		return open_regular(path);
	fd = (int)syscall(SYS_openat2, root_fd, path, &how, sizeof(how));
	return reopen(fd);
}

static bool same_build_id(int fd, const uint8_t *id, size_t id_sz)
{
	cleanup_elf_file struct elf_file *file = NULL;
	uint8_t found[ELF_BUILD_ID_MAX];

	return elf_file__open(&file, fd) == 0 && elf_file__build_id(file, found) == id_sz &&
	       !memcmp(found, id, id_sz);
}

static bool same_checksum(int fd, uint32_t want)
{
	cleanup_free uint8_t *buf = malloc(1 << 16);
	uLong sum = crc32(0, NULL, 0);
	uint64_t done = 0;
	ssize_t n;

	if (!buf)
		return false;
	while ((n = pread(fd, buf, 1 << 16, (off_t)done)) > 0) {
		sum = crc32(sum, buf, n);
		done += n;
		if (done > MAX_CHECKED_SZ)
			return false;
	}
	return n == 0 && sum == want;
}

static int find_by_build_id(int root_fd, const uint8_t *id, size_t id_sz, int *out)
{
	char path[sizeof(DEBUG_ROOT "/.build-id/xx/.debug") + 2 * ELF_BUILD_ID_MAX];
	cleanup_fd int fd = -1;
	int n;

	if (id_sz < 2)
		return 1;
	n = snprintf(path, sizeof(path), DEBUG_ROOT "/.build-id/%02x/", id[0]);
	for (size_t i = 1; i < id_sz; i++)
		n += snprintf(path + n, sizeof(path) - n, "%02x", id[i]);
	snprintf(path + n, sizeof(path) - n, ".debug");
	fd = open_below(root_fd, path);
	if (fd < 0 || !same_build_id(fd, id, id_sz))
		return 1;
	*out = steal_fd(&fd);
	return 0;
}

/* .gnu_debuglink: a file name, zeros up to a multiple of four, a CRC-32. 1: none, or a bad one. */
static int read_link(const struct elf_file *file, char name[MAX_LINK_SZ], uint32_t *sum)
{
	GElf_Shdr section;
	size_t at;
	int r;

	r = elf_file__find_section(file, SHT_PROGBITS, ".gnu_debuglink", &section);
	if (r)
		return r;
	if (section.sh_size < 8 || section.sh_size > MAX_LINK_SZ)
		return 1;
	r = elf_file__read(file, section.sh_offset, name, section.sh_size);
	if (r)
		return r;
	at = strnlen(name, section.sh_size);
	if (!at || memchr(name, '/', at))
		return 1;
	at = (at + 1 + 3) & ~(size_t)3;
	if (at + sizeof(*sum) > section.sh_size)
		return 1;
	memcpy(sum, name + at, sizeof(*sum));
	return 0;
}

struct candidate {
	int root_fd;
	const uint8_t *id;
	size_t id_sz;
	uint32_t sum;
	const struct stat *self;	/* the file itself, which may have the name of its link */
};

static int try_link(const struct candidate *want, const char *root, const char *folder,
		    size_t folder_sz, const char *sub, const char *name, int *out)
{
	cleanup_fd int fd = -1;
	struct text path;
	struct stat st;

	text__init(&path);
	text__add(&path, root);
	text__add_n(&path, folder, folder_sz);
	text__add(&path, sub);
	text__add(&path, name);
	if (!text__error(&path))
		fd = open_below(want->root_fd, path.s);
	text__fini(&path);
	if (fd < 0 || fstat(fd, &st) < 0 ||
	    (st.st_dev == want->self->st_dev && st.st_ino == want->self->st_ino))
		return 1;
	if (want->id_sz ? !same_build_id(fd, want->id, want->id_sz) : !same_checksum(fd, want->sum))
		return 1;
	*out = steal_fd(&fd);
	return 0;
}

static int find_by_link(const struct elf_file *file, int root_fd, const char *path,
			const uint8_t *id, size_t id_sz, int *out)
{
	struct candidate want = { .root_fd = root_fd, .id = id, .id_sz = id_sz };
	char name[MAX_LINK_SZ];
	struct stat self;
	size_t folder_sz;
	int r;

	if (!path || path[0] != '/')
		return 1;
	r = read_link(file, name, &want.sum);
	if (r)
		return r;
	if (fstat(file->fd, &self) < 0)
		return negative_errno();
	want.self = &self;
	folder_sz = strrchr(path, '/') - path;
	if (!try_link(&want, "", path, folder_sz, "/", name, out) ||
	    !try_link(&want, "", path, folder_sz, "/.debug/", name, out) ||
	    !try_link(&want, DEBUG_ROOT, path, folder_sz, "/", name, out))
		return 0;
	return 1;
}

static int ask_servers(struct debug_servers *servers, const uint8_t *id, size_t id_sz, int *out)
{
	cleanup_fd int fd = -1;
	int r = servers ? debug_servers__find(servers, id, id_sz, &fd) : 1;

	if (r)
		return r;
	if (!same_build_id(fd, id, id_sz))
		return 1;
	*out = steal_fd(&fd);
	return 0;
}

int debugfile__find_below(const struct elf_file *file, int root_fd, const char *path, int *fd)
{
	uint8_t id[ELF_BUILD_ID_MAX];
	size_t id_sz = elf_file__build_id(file, id);

	if (!find_by_build_id(root_fd, id, id_sz, fd))
		return 0;
	return find_by_link(file, root_fd, path, id, id_sz, fd);
}

int debugfile__find(const struct elf_file *file, const char *path, struct debug_servers *servers,
		    int *fd)
{
	uint8_t id[ELF_BUILD_ID_MAX];
	int r = debugfile__find_below(file, -1, path, fd);

	if (r > 0 || r == -EBADMSG)
		r = ask_servers(servers, id, elf_file__build_id(file, id), fd);
	return r;
}
