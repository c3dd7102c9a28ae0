/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Memory of earlier runs: what sites did when they did not leak. A cache that fills and a leak take
 * and give back alike until the cache is full; who has seen it full once knows the difference.
 *
 * A pure table in memory, with a bound, and its form as bytes. Reading and writing the file is the
 * caller's. Keys are site ids, which are made of build-ids and offsets: a program that is built anew
 * is another one, and what was learnt of the old one falls out in time.
 */
#ifndef UNFREED_DETECT_PAST_H
#define UNFREED_DETECT_PAST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAST_MAX 16384		/* sites; who was learnt of longest ago goes first */
#define PAST_HEADER_SZ 24
#define PAST_ENTRY_SZ 24
#define PAST_MAX_SZ (PAST_HEADER_SZ + (size_t)PAST_MAX * PAST_ENTRY_SZ)	/* bytes of its form */

/* Of a site that is said to leak there is none. */
struct lesson {
	/* Some of what survives here is still given back at that age, in ticks. 0: none
	 * was old. */
	uint32_t release_age;
	/* Bytes at which what is old here levelled off. 0: it did not. */
	uint64_t plateau;
};

struct past;

/* Empty. 0 or -ENOMEM; the caller owns *out. */
int past__new(struct past **out);
struct past *past__free(struct past *past);	/* accepts NULL; returns NULL */

uint32_t past__n(const struct past *past);
/* Zeros when nothing is known of that site, or `past` is NULL. */
struct lesson past__find(const struct past *past, uint64_t site, unsigned int kind);
/* Adds to what is known: the greater age and the greater plateau count. One without either, or of a
 * site without an id, is none. 0 or -ENOMEM. */
int past__learn(struct past *past, uint64_t site, unsigned int kind, const struct lesson *lesson);
/* Whether anything was learnt since the table was made, read or written last. */
bool past__is_changed(const struct past *past);

/* Its form, at most PAST_MAX_SZ bytes, equal for equal lessons. 0 or -ENOMEM; the caller frees *out. */
int past__write(struct past *past, uint8_t **out, size_t *out_sz);
/* The inverse, from bytes of anybody. Returns 0; -ENOMEM; or 1 when these bytes are not of this
 * version or are damaged: then *why says so, for one line of the log, and *out is not set. */
int past__read(struct past **out, const uint8_t *bytes, size_t sz, const char **why);

#endif /* UNFREED_DETECT_PAST_H */
