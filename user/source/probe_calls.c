/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The walk shows each direct call and jump; a target outside the function is an opener by its
 * address, or by the name behind the PLT entry that it is. Calls through a fixed slot of the GOT
 * (code built with -fno-plt) are looked up by the slot.
 *
 * The nameless opener in a JDK's libzip.so: init() gets its z_stream from calloc and then calls
 * inflateInit2_ or deflateInit2_. So it is the first call after calloc's that leads to code of the
 * file itself and not to the PLT; between the two the size of a z_stream must turn up as an
 * operand, because every opener of zlib is handed it.
 */
#include "user/source/probe_calls.h"

#include "user/base/cleanup.h"
#include "user/base/error.h"
#include "user/source/probe_place.h"
#include "user/symbol/elf_symbols.h"

#include <string.h>

#define CODE_MAX (64 * 1024)	/* bytes read of a function */
#define CODE_UNSIZED 4096	/* ... when the file does not say how long it is */
#define Z_STREAM_SZ 0x70	/* on every 64-bit System V machine */

int function_code__read(struct function_code *code, int fd, uint64_t vaddr, uint64_t size)
{
	uint64_t want = size ? size : CODE_UNSIZED;
	int r;

	if (want > CODE_MAX)
		want = CODE_MAX;
	*code = (struct function_code){ .fd = fd, .vaddr = vaddr, .bytes = malloc(want) };
	if (!code->bytes)
		return -ENOMEM;
	r = elf_code__read(fd, vaddr, code->bytes, want, &code->n);
	code->is_whole = r == 0 && code->n == size;
	return r;
}

void function_code__fini(struct function_code *code)
{
	free(code->bytes);
	memset(code, 0, sizeof(*code));
}

static bool is_named(const struct pair_symbol *row, const char *name)
{
	size_t prefix_sz;

	return pair_symbol__matches(row, name, strlen(name), &prefix_sz);
}

/* The name behind the PLT entry or GOT slot that the instruction goes through. 1: none. */
static int link_target(const struct function_code *code, const struct x86_insn *insn,
		       uint64_t target, char name[ELF_NAME_MAX])
{
	int r;

	if (insn->flow == X86_FLOW_INDIRECT)
		r = insn->target ? elf_got__target(code->fd, target, name) : 1;
	else
		r = elf_plt__target(code->fd, target, name);
	return r == -ENOMEM || r == 0 ? r : 1;
}

static bool is_one_of(uint64_t vaddr, const uint64_t *vaddrs, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (vaddrs[i] == vaddr)
			return true;
	return false;
}

int function_code__calls(const struct function_code *code, const struct pair_symbol *opener,
			 const uint64_t *vaddrs, size_t n, bool *out)
{
	struct code_walk walk = { .code = code->bytes, .n = code->n };
	cleanup_free char *name = malloc(ELF_NAME_MAX);
	struct x86_insn insn;
	uint64_t target;
	int r;

	if (!name)
		return -ENOMEM;
	*out = false;
	while (!*out && code_walk__next(&walk, &insn)) {
		if (insn.flow == X86_FLOW_NEXT || insn.flow == X86_FLOW_END)
			continue;
		target = code->vaddr + walk.insn_at + (uint64_t)insn.target;
		if (insn.flow != X86_FLOW_INDIRECT) {
			if (target - code->vaddr < code->n)
				continue;
			if (is_one_of(target, vaddrs, n)) {
				*out = true;
				break;
			}
		}
		r = link_target(code, &insn, target, name);
		if (r < 0)
			return r;
		*out = r == 0 && is_named(opener, name);
	}
	return 0;
}

/* Whether `vaddr` is code of this file. */
static int is_code(const struct function_code *code, uint64_t vaddr, bool *out)
{
	uint8_t first;
	size_t n;
	int r = elf_code__read(code->fd, vaddr, &first, sizeof(first), &n);

	*out = r == 0 && n == 1;
	return r == -ENOMEM ? r : 0;
}

int function_code__find_inner_call(const struct function_code *code,
				   const struct pair_symbol *opener, enum inner_call *out,
				   size_t *at)
{
	struct code_walk walk = { .code = code->bytes, .n = code->n };
	cleanup_free char *name = malloc(ELF_NAME_MAX);
	size_t after_calloc = 0;
	struct x86_insn insn;
	bool is_found = false;
	uint64_t target;
	int r;

	if (!name)
		return -ENOMEM;
	*out = INNER_CALL_UNKNOWN;
	while (code_walk__next(&walk, &insn) && !walk.is_lost) {
		if (insn.flow != X86_FLOW_CALL && insn.flow != X86_FLOW_INDIRECT)
			continue;
		target = code->vaddr + walk.insn_at + (uint64_t)insn.target;
		r = link_target(code, &insn, target, name);
		if (r < 0)
			return r;
		if (r == 0 && is_named(opener, name)) {
			*out = INNER_CALL_LIBRARY;
			return 0;
		}
		if (r == 0 && !strcmp(name, "calloc"))
			after_calloc = walk.at;
		if (r == 0 || insn.flow == X86_FLOW_INDIRECT || !after_calloc)
			continue;
		if (memchr(code->bytes + after_calloc, Z_STREAM_SZ, walk.insn_at - after_calloc)) {
			r = is_code(code, target, &is_found);
			*out = is_found ? INNER_CALL_FOUND : INNER_CALL_UNKNOWN;
			*at = walk.insn_at;
		}
		return r < 0 ? r : 0;
	}
	return 0;
}
