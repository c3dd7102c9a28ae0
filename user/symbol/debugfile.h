/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Finds what was split off an ELF file: its separate debug file, and the small compressed symbol
 * table that Fedora and its kin leave inside (.gnu_debugdata).
 */
#ifndef UNFREED_SYMBOL_DEBUGFILE_H
#define UNFREED_SYMBOL_DEBUGFILE_H

#include "user/symbol/elf_file.h"

struct debug_servers;

/* Opens a regular file for reading; anything else is not even opened, since opening a device can
 * do things. Returns an fd, the caller's to close, or -errno (-EINVAL: no regular file). */
int open_regular(const char *path);

/*
 * Looks for the debug file of `file`: under the build-id in /usr/lib/debug/.build-id; by its
 * .gnu_debuglink beside `path` (may be NULL), in .debug beside it, and in /usr/lib/debug; and at the
 * servers, unless they are NULL. What is found has the same build-id, or where the file has none, the
 * checksum of the link.
 * Returns 0 with *fd, the caller's to close; 1: there is none; 2: a server may have it, see
 * debug_servers__find(); -errno.
 */
int debugfile__find(const struct elf_file *file, const char *path, struct debug_servers *servers,
		    int *fd);

/* Without the servers, and with the paths as whoever has the root root_fd sees them (negative: ours).
 * 0, 1 or -errno. */
int debugfile__find_below(const struct elf_file *file, int root_fd, const char *path, int *fd);

/* Unpacks .gnu_debugdata into memory. 0 with *fd, the caller's to close, and the bytes it holds; 1:
 * there is none, or it cannot be unpacked here; -EBADMSG, -ENOMEM, -errno. */
int debugdata__unpack(const struct elf_file *file, int *fd, size_t *sz);

#endif /* UNFREED_SYMBOL_DEBUGFILE_H */
