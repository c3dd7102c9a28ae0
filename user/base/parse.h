/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Strict parsing of what people type: every character counts, nothing may be left over.
 * All return 0, -EINVAL (not of the form) or -ERANGE (too large, or below what is allowed).
 */
#ifndef UNFREED_BASE_PARSE_H
#define UNFREED_BASE_PARSE_H

#include <stdint.h>
#include <sys/types.h>

int parse_u64(const char *s, uint64_t *out);		/* decimal digits only */
int parse_pid(const char *s, pid_t *out);		/* 1 .. 2^22 (PID_MAX_LIMIT) */
int parse_size(const char *s, uint64_t *out_bytes);	/* 64M: K, M, G, T of 1024, or bytes */
int parse_duration(const char *s, uint64_t *out_ns);	/* 500ms, 90s, 10m, 2h, 3d; plain: s */
/* 4 to 16 hex digits: the first ones of a site's id. */
int parse_site(const char *s, uint64_t *out_digits, unsigned int *out_n_digits);

#endif /* UNFREED_BASE_PARSE_H */
