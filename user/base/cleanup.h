/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Owned locals: `cleanup_free char *p = NULL;` frees at the end of the scope. Ownership leaves by
 * an explicit steal.
 */
#ifndef UNFREED_BASE_CLEANUP_H
#define UNFREED_BASE_CLEANUP_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_free_fn(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_fd_fn(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void cleanup_file_fn(FILE **f)
{
	if (*f)
		fclose(*f);
}

static inline void cleanup_dir_fn(DIR **d)
{
	if (*d)
		closedir(*d);
}

#define cleanup_free __attribute__((cleanup(cleanup_free_fn)))
#define cleanup_fd __attribute__((cleanup(cleanup_fd_fn)))	/* int; negative: none */
#define cleanup_file __attribute__((cleanup(cleanup_file_fn)))
#define cleanup_dir __attribute__((cleanup(cleanup_dir_fn)))

static inline int steal_fd(int *fd)
{
	int r = *fd;

	*fd = -1;
	return r;
}

/* Gives the pointer away and leaves NULL behind. */
#define steal_ptr(p)						\
	({							\
		__typeof__(*(p)) *steal_from = (p);		\
		__typeof__(*(p)) steal_value = *steal_from;	\
		*steal_from = NULL;				\
		steal_value;					\
	})

#endif /* UNFREED_BASE_CLEANUP_H */
