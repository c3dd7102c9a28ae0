/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * A writer that is killed leaves FILE.new, which nobody reads and the next writing begins anew. The file
 * reaches the disk before its name does (fsync, then rename), so a power cut leaves the old one or the
 * new one. It is bounded: what is longer than past.h allows is not read.
 */
#include "user/memory_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "user/base/cleanup.h"

/* 0; -ENOENT; or a negative errno. Nothing but a regular file is opened: a pipe would make us wait. */
static int read_all(const char *path, uint8_t **out, size_t *out_sz)
{
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	cleanup_free uint8_t *bytes = NULL;
	struct stat st;
	size_t n = 0;

	if (fd < 0 || fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (st.st_size < 0 || (uint64_t)st.st_size > PAST_MAX_SZ)
		return -EFBIG;
	bytes = malloc((size_t)st.st_size + 1);
	if (!bytes)
		return -ENOMEM;
	while (n < (size_t)st.st_size) {
		ssize_t got = read(fd, bytes + n, (size_t)st.st_size - n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (!got)
			break;
		n += (size_t)got;
	}
	*out = steal_ptr(&bytes);
	*out_sz = n;
	return 0;
}

int memory_file__load(const char *path, struct log *log, struct past **out)
{
	cleanup_free uint8_t *bytes = NULL;
	const char *why = NULL;
	size_t sz = 0;
	int r;

	r = read_all(path, &bytes, &sz);
	if (!r)
		r = past__read(out, bytes, sz, &why);
	else if (r != -ENOMEM && r != -ENOENT)
		why = strerror(-r);
	if (!r || r == -ENOMEM)
		return r;
	if (why)
		log_warning(log, "%s: %s: what earlier runs taught is forgotten, and the file written anew",
			    path, why);
	r = past__new(out);
	return !r && why ? MEMORY_FILE_BAD : r;
}

static int write_all(int fd, const uint8_t *bytes, size_t sz)
{
	while (sz) {
		ssize_t n = write(fd, bytes, sz);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		bytes += n;
		sz -= (size_t)n;
	}
	return 0;
}

/* A name is on the disk once its folder is. Not every file system can be asked. */
static void sync_folder(const char *path)
{
	cleanup_free char *folder = strdup(path);
	char *slash = folder ? strrchr(folder, '/') : NULL;
	cleanup_fd int fd = -1;

	if (!folder)
		return;
	if (slash)
		slash[slash == folder] = '\0';
	fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0)
		fsync(fd);
}

static int replace(const char *path, const char *beside, const uint8_t *bytes, size_t sz)
{
	cleanup_fd int fd = -1;
	int r;

	/* Whatever has that name is not ours to write into: it may be somebody's link. */
	if (unlink(beside) && errno != ENOENT)
		return -errno;
	fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = write_all(fd, bytes, sz);
	if (!r && fsync(fd))
		r = -errno;
	if (!r && rename(beside, path))
		r = -errno;
	if (r)
		unlink(beside);
	else
		sync_folder(path);
	return r;
}

int memory_file__save(const char *path, struct log *log, struct past *past)
{
	cleanup_free char *beside = NULL;
	cleanup_free uint8_t *bytes = NULL;
	size_t sz;
	int r;

	r = past__write(past, &bytes, &sz);
	if (!r && asprintf(&beside, "%s.new", path) < 0) {
		beside = NULL;
		r = -ENOMEM;
	}
	if (!r)
		r = replace(path, beside, bytes, sz);
	if (r)
		log_error(log, "%s: what was learnt cannot be kept: %s", path, strerror(-r));
	return r;
}
