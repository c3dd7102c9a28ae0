/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The gate between bytes and records: nothing casts a record before ev_check() said it is one.
 */
#ifndef UNFREED_WIRE_DECODE_H
#define UNFREED_WIRE_DECODE_H

#include <stddef.h>
#include <stdint.h>

#include "bpf/event.h"

/*
 * Checks that `data` starts with one whole, well-formed record: known type, size a multiple of 8,
 * at least its struct and at most `data_sz` and EV_MAX_RECORD_SZ, counts and lengths inside it,
 * enumerators known, strings terminated where the type says so. `data` must be 8-byte aligned.
 *
 * Returns 0 and the record in *out (borrowed: it points into data), or -EBADMSG with *why, when
 * why is not NULL, a static sentence that says what is wrong.
 */
int ev_check(const void *data, size_t data_sz, const struct ev_header **out, const char **why);

/* A record's size: that of what is in it, up to the next multiple of 8. */
static inline uint64_t ev_round_up(uint64_t n)
{
	return (n + 7) & ~7ull;
}

/* The name of a type as `--dump-events` prints it, such as "mmap"; NULL if there is none. */
const char *ev_type_name(uint16_t type);

/* The name of a loss cause as reports print it, such as "ring-full"; NULL if there is none. */
const char *ev_loss_name(unsigned int cause);

/* The name of a limit kind as reports print it, such as "cgroup-max"; NULL if there is none. */
const char *ev_limit_name(unsigned int kind);

/*
 * Writers for the records with trailing text or arrays. Each builds a whole record in `buf`
 * (`buf_sz` bytes, 8-byte aligned), pads it with zeros and returns its size; text that does not
 * fit is cut, never overrun. h->type, h->size are filled in; the other header fields are the
 * caller's, set beforehand or after. Returns 0 when not even the fixed part fits.
 */
struct ev_process_text {
	const char *comm, *cmdline, *unit, *runtime;	/* terminated; NULL counts as empty */
};
size_t ev_write_process(void *buf, size_t buf_sz, const struct ev_process_text *text);
size_t ev_write_file(void *buf, size_t buf_sz, const uint8_t *build_id, size_t build_id_sz,
		     const char *path);
size_t ev_write_note(void *buf, size_t buf_sz, const char *text);
size_t ev_write_group(void *buf, size_t buf_sz, unsigned int kind, const char *path);
size_t ev_write_name(void *buf, size_t buf_sz, const char *function, const char *file);

struct ev_method_text {
	const char *function, *file;	/* terminated; NULL counts as empty */
	uint32_t line;
	int32_t bci;
	enum ev_method_kind kind;
};
/* 1..EV_MAX_METHOD_NAMES names; the frame's pc and extra are the caller's. */
size_t ev_write_method(void *buf, size_t buf_sz, const struct ev_method_text *names, size_t n);

#endif /* UNFREED_WIRE_DECODE_H */
