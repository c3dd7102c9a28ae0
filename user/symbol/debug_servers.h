/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Separate debug files from debuginfod servers, when DEBUGINFOD_URLS names some. Nobody is asked
 * without it, and no server can hold us: see the bounds.
 */
#ifndef UNFREED_SYMBOL_DEBUG_SERVERS_H
#define UNFREED_SYMBOL_DEBUG_SERVERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct log;

#define DEBUG_SERVERS_SILENCE_NS 5000000000ull	/* no server has begun to send the file */
#define DEBUG_SERVERS_FILE_NS 20000000000ull	/* one file, while it comes in */
#define DEBUG_SERVERS_ALL_NS 30000000000ull	/* all files, within DEBUG_SERVERS_AGAIN_NS */
#define DEBUG_SERVERS_AGAIN_NS 600000000000ull	/* then, or after a silence, they are not asked */
#define DEBUG_SERVERS_PEEK_NS 100000000ull	/* how long is waited for one who does not wait */

struct debug_servers;

/* `waits`: a question is answered before it returns, within the bounds above. Else it returns at once
 * or nearly so, and the file is there to be had later. */
int debug_servers__new(struct debug_servers **out, bool waits, struct log *log);
/* Ends what is being fetched. */
struct debug_servers *debug_servers__free(struct debug_servers *servers);

/*
 * The debug file of a build-id, from the servers or from their client's cache. 0 with *fd, the
 * caller's to close (what it is, is the caller's to check); 1: there is none; 2: not now, ask again
 * once debug_servers__are_ready(); -ENOMEM or -errno.
 */
int debug_servers__find(struct debug_servers *servers, const uint8_t *id, size_t id_sz, int *fd);

/* False while a file is being fetched. */
bool debug_servers__are_ready(struct debug_servers *servers);

#endif /* UNFREED_SYMBOL_DEBUG_SERVERS_H */
