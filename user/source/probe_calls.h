/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The code of one function of an ELF file, and which openers it calls: in the file, through the PLT
 * or through the GOT. x86-64 only.
 */
#ifndef UNFREED_SOURCE_PROBE_CALLS_H
#define UNFREED_SOURCE_PROBE_CALLS_H

#include "user/source/pairs.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct function_code {
	int fd;			/* borrowed */
	uint64_t vaddr;
	uint8_t *bytes;		/* owned */
	size_t n;
	bool is_whole;		/* bytes[] is all of it */
};

/* size: as the symbol says, 0 unknown. 0; positive or -errno as elf_code__read(). */
int function_code__read(struct function_code *code, int fd, uint64_t vaddr, uint64_t size);
void function_code__fini(struct function_code *code);
#define cleanup_function_code __attribute__((cleanup(function_code__fini)))

/* *out: whether it calls or jumps to `opener`, which lies at the n addresses vaddrs[] in this file
 * and maybe in others. 0 or -ENOMEM. */
int function_code__calls(const struct function_code *code, const struct pair_symbol *opener,
			 const uint64_t *vaddrs, size_t n, bool *out);

enum inner_call {
	INNER_CALL_FOUND,
	INNER_CALL_LIBRARY,	/* it calls the opener of another file */
	INNER_CALL_UNKNOWN,
};

/*
 * Where it calls an opener that was linked in and has no name any more: *at is the offset of the
 * call instruction from the function's entry. 0 or -ENOMEM.
 */
int function_code__find_inner_call(const struct function_code *code,
				   const struct pair_symbol *opener, enum inner_call *out,
				   size_t *at);

#endif /* UNFREED_SOURCE_PROBE_CALLS_H */
