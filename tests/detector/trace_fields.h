/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* The words of a trace (trace.h) as numbers. False: it is none, or too large. */
#ifndef UNFREED_TESTS_DETECTOR_TRACE_FIELDS_H
#define UNFREED_TESTS_DETECTOR_TRACE_FIELDS_H

#include <stdbool.h>
#include <stdint.h>

/* Whole numbers, also as 1.5e9 or 4096.0. */
bool field__to_u64(const char *s, uint64_t max, uint64_t *out);
/* The same; a word that says there is none is 0. */
bool field__to_limit(const char *s, uint64_t *out);
bool field__to_tick(const char *s, uint32_t *out);
bool field__to_double(const char *s, double *out);	/* not negative */
unsigned int field__to_kind(const char *s);		/* enum kind: any word is one */

#endif /* UNFREED_TESTS_DETECTOR_TRACE_FIELDS_H */
