/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The memory of earlier runs (user/detect/past.h) in a file: read at the service's start, written now
 * and then and at its end. At every moment the file is a whole one, be the writer killed or the power cut.
 */
#ifndef UNFREED_MEMORY_FILE_H
#define UNFREED_MEMORY_FILE_H

#include "user/base/log.h"
#include "user/detect/past.h"

/*
 * What the file teaches; nothing, when it is not there. One that cannot be read, or is damaged or of
 * another version, is one line in the log and teaches nothing: MEMORY_FILE_BAD, to be written anew. The
 * caller owns *out. 0, that condition, or -ENOMEM.
 */
#define MEMORY_FILE_BAD 1
int memory_file__load(const char *path, struct log *log, struct past **out);

/* Writes it beside its place, to the disk, and renames it. 0 or -errno, which is logged. */
int memory_file__save(const char *path, struct log *log, struct past *past);

#endif /* UNFREED_MEMORY_FILE_H */
