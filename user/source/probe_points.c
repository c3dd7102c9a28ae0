/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * One pass over the file's symbols collects those that the pair table names: the candidates. Then
 * each becomes a point, or not:
 *
 *   - A wrapper (inflateInit_) that calls the opener it wraps, directly, through the PLT or through
 *     the GOT, is left out: one stream is to be counted once. If that call was inlined, the
 *     wrapper opens by itself and is probed like the other.
 *   - Aliases are one point: points at one file offset are the same.
 *   - Two copies of a function, under two prefixes or one name, are two points.
 *   - Fallback rows (the JNI functions of a JDK) count only when the file names no opener of their
 *     pair. There the library's opener was linked in and its name stripped, and the probe goes on
 *     the call of it (probe_calls.h), which the kernel emulates. If the JNI code calls zlib
 *     through its PLT, the library has the probes and this file gets none.
 *
 * Only x86-64 code can be read. On other 64-bit machines probes go to the entries, wrappers are
 * left out and fallbacks are not there; 32-bit code has its arguments on the stack: no probes.
 *
 * The file is hostile: candidates, code and names are bounded here, its structure by elf_symbols.
 */
#include "user/source/probe_points.h"

#include "user/base/cleanup.h"
#include "user/base/error.h"
#include "user/source/pairs.h"
#include "user/source/probe_calls.h"
#include "user/source/probe_place.h"
#include "user/symbol/elf_symbols.h"

#include <elf.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NOTES_MAX 32

struct candidate {
	uint32_t symbol;	/* row of pair_symbols[] */
	uint64_t vaddr, file_offset, size;
	char *name;
};

struct finder {
	int fd;
	bool is_64_bit, is_x86_64;
	struct candidate candidates[PROBE_POINTS_MAX];
	size_t n_candidates;
	bool too_many;
	const char *uncounted;	/* of pair_uncounted[]: the file defines it */
	bool can_open[PAIRS_MAX];	/* by pair: a fallback opener was found */
	struct probe_points *out;
};

__attribute__((format(printf, 2, 3)))
static int add_note(struct probe_points *out, const char *format, ...)
{
	char *text = NULL;
	char **notes;
	va_list args;
	int r;

	if (out->n_notes >= NOTES_MAX)
		return 0;
	va_start(args, format);
	r = vasprintf(&text, format, args);
	va_end(args);
	if (r < 0)
		return -ENOMEM;
	notes = reallocarray(out->notes, out->n_notes + 1, sizeof(*notes));
	if (!notes) {
		free(text);
		return -ENOMEM;
	}
	out->notes = notes;
	notes[out->n_notes++] = text;
	return 0;
}

static int add_point(struct finder *finder, const struct candidate *candidate, uint64_t forward,
		     bool single_step)
{
	const struct pair_symbol *row = &pair_symbols[candidate->symbol];
	struct probe_points *out = finder->out;
	struct probe_point *point;
	uint64_t offset;
	size_t i;

	if (__builtin_add_overflow(candidate->file_offset, forward, &offset))
		return 0;
	for (i = 0; i < out->n; i++)
		if (out->points[i].offset == offset) {
			if (pair_symbols[out->points[i].symbol].pair == row->pair)
				return 0;
			return add_note(out, "%s and %s are one function: only the first is "
					"counted", out->points[i].name, candidate->name);
		}
	point = reallocarray(out->points, out->n + 1, sizeof(*point));
	if (!point)
		return -ENOMEM;
	out->points = point;
	point += out->n;
	*point = (struct probe_point){
		.offset = offset,
		.entry_offset = candidate->file_offset,
		.symbol = candidate->symbol,
		.handle_arg = (uint8_t)row->handle_arg,
		.single_step = single_step,
		.name = strdup(candidate->name),
	};
	if (!point->name)
		return -ENOMEM;
	out->n++;
	return 0;
}

/* Row of the opener that `row` wraps, or NULL. */
static const struct pair_symbol *wrapped_by(const struct pair_symbol *row)
{
	size_t i;

	for (i = 0; row->wraps && i < n_pair_symbols; i++)
		if (!strcmp(pair_symbols[i].name, row->wraps))
			return &pair_symbols[i];
	return NULL;
}

/* *out: whether the code calls or jumps to the opener `inner`, in this file or another. */
static int is_wrapper_of(const struct finder *finder, const struct function_code *code,
			 const struct pair_symbol *inner, bool *out)
{
	uint64_t vaddrs[PROBE_POINTS_MAX];
	size_t i, n = 0;

	for (i = 0; i < finder->n_candidates; i++)
		if (&pair_symbols[finder->candidates[i].symbol] == inner)
			vaddrs[n++] = finder->candidates[i].vaddr;
	return function_code__calls(code, inner, vaddrs, n, out);
}

/* --- the openers and closers that have names -------------------------------------------------- */

static int place_entry(struct finder *finder, const struct candidate *candidate)
{
	const struct pair_symbol *inner = wrapped_by(&pair_symbols[candidate->symbol]);
	cleanup_function_code struct function_code code = { 0 };
	struct probe_place place;
	bool is_wrapper = false;
	int r;

	if (!finder->is_x86_64)
		return inner ? 0 : add_point(finder, candidate, 0, true);
	r = function_code__read(&code, finder->fd, candidate->vaddr, candidate->size);
	if (r == -ENOMEM)
		return r;
	if (r)
		return add_note(finder->out, "%s cannot be probed: its code could not be read",
				candidate->name);
	if (inner) {
		r = is_wrapper_of(finder, &code, inner, &is_wrapper);
		if (r < 0 || is_wrapper)
			return r;
	}
	place = probe_place__find(code.bytes, code.n, code.is_whole);
	return add_point(finder, candidate, place.offset, place.single_step);
}

/* --- fallbacks -------------------------------------------------------------------------------- */

static int place_inner_call(struct finder *finder, const struct candidate *candidate)
{
	const struct pair_symbol *row = &pair_symbols[candidate->symbol];
	const struct pair_symbol *inner = wrapped_by(row);
	cleanup_function_code struct function_code code = { 0 };
	enum inner_call found = INNER_CALL_UNKNOWN;
	size_t at = 0;
	int r;

	if (finder->is_x86_64) {
		r = function_code__read(&code, finder->fd, candidate->vaddr, candidate->size);
		if (!r)
			r = function_code__find_inner_call(&code, inner, &found, &at);
		if (r == -ENOMEM)
			return r;
	}
	if (found == INNER_CALL_LIBRARY)
		return 0;
	if (found == INNER_CALL_UNKNOWN)
		return add_note(finder->out, "%s of this file are not counted: %s is not named, "
				"and its call was not found in %s", pairs[row->pair].noun,
				inner->name, candidate->name);
	finder->can_open[row->pair] = true;
	return add_point(finder, candidate, at, false);
}

static bool names_opener(const struct finder *finder, uint32_t pair)
{
	const struct pair_symbol *row;
	size_t i;

	for (i = 0; i < finder->n_candidates; i++) {
		row = &pair_symbols[finder->candidates[i].symbol];
		if (row->pair == pair && row->role == PAIR_OPEN && !row->fallback)
			return true;
	}
	return false;
}

/* Openers first: closers of what is not seen opening are of no use. */
static int place_fallbacks(struct finder *finder)
{
	const struct candidate *candidate;
	const struct pair_symbol *row;
	int pass, r = 0;
	size_t i;

	for (pass = 0; pass < 2; pass++)
		for (i = 0; i < finder->n_candidates && !r; i++) {
			candidate = &finder->candidates[i];
			row = &pair_symbols[candidate->symbol];
			if (!row->fallback || names_opener(finder, row->pair) ||
			    (row->role == PAIR_OPEN) != (pass == 0))
				continue;
			if (row->site == PAIR_SITE_INNER_CALL)
				r = place_inner_call(finder, candidate);
			else if (finder->can_open[row->pair])
				r = place_entry(finder, candidate);
		}
	return r;
}

/* --- the pass over the symbols ---------------------------------------------------------------- */

static int collect(void *ctx, const struct elf_symbol *symbol)
{
	struct finder *finder = ctx;
	struct candidate *candidate;
	size_t name_sz = strlen(symbol->name);
	size_t row, i, prefix_sz;

	for (row = 0; row < n_pair_symbols; row++)
		if (pair_symbol__matches(&pair_symbols[row], symbol->name, name_sz, &prefix_sz))
			break;
	if (row == n_pair_symbols) {
		for (i = 0; i < n_pair_uncounted; i++)
			if (!strcmp(pair_uncounted[i], symbol->name))
				finder->uncounted = pair_uncounted[i];
		return 0;
	}
	for (i = 0; i < finder->n_candidates; i++)
		if (finder->candidates[i].vaddr == symbol->vaddr &&
		    finder->candidates[i].symbol == row)
			return 0;
	if (finder->n_candidates == PROBE_POINTS_MAX) {
		finder->too_many = true;
		return 0;
	}
	candidate = &finder->candidates[finder->n_candidates];
	*candidate = (struct candidate){
		.symbol = (uint32_t)row,
		.vaddr = symbol->vaddr,
		.file_offset = symbol->file_offset,
		.size = symbol->size,
		.name = strdup(symbol->name),
	};
	if (!candidate->name)
		return -ENOMEM;
	finder->n_candidates++;
	return 0;
}

static int by_offset(const void *a, const void *b)
{
	const struct probe_point *x = a, *y = b;

	return (x->offset > y->offset) - (x->offset < y->offset);
}

static int place_all(struct finder *finder)
{
	struct probe_points *out = finder->out;
	size_t i;
	int r = 0;

	if (finder->uncounted)
		r = add_note(out, "streams opened by %s and its kin are not counted: not in the "
			     "pair table", finder->uncounted);
	if (r || !finder->n_candidates)
		return r;
	if (!finder->is_64_bit)
		return add_note(out, "%s and others cannot be probed: 32-bit code",
				finder->candidates[0].name);
	if (finder->too_many)
		r = add_note(out, "it defines more than %d functions of the pair table: the rest "
			     "is not probed", PROBE_POINTS_MAX);
	for (i = 0; i < finder->n_candidates && !r; i++)
		if (!pair_symbols[finder->candidates[i].symbol].fallback)
			r = place_entry(finder, &finder->candidates[i]);
	if (!r)
		r = place_fallbacks(finder);
	if (out->n)
		qsort(out->points, out->n, sizeof(*out->points), by_offset);
	return r;
}

static bool read_machine(struct finder *finder)
{
	Elf64_Ehdr header;

	/* e_machine lies at the same place in both classes. */
	if (pread(finder->fd, &header, 20, 0) != 20 || memcmp(header.e_ident, ELFMAG, SELFMAG) ||
	    header.e_ident[EI_DATA] != ELFDATA2LSB)
		return false;
	finder->is_64_bit = header.e_ident[EI_CLASS] == ELFCLASS64;
	finder->is_x86_64 = finder->is_64_bit && header.e_machine == EM_X86_64;
	return true;
}

int probe_points__find(int fd, struct probe_points *out)
{
	cleanup_free struct finder *finder = calloc(1, sizeof(*finder));
	size_t i;
	int r;

	memset(out, 0, sizeof(*out));
	if (!finder)
		return -ENOMEM;
	finder->fd = fd;
	finder->out = out;
	if (!read_machine(finder))
		return 1;
	r = elf_symbols__each(fd, collect, finder);
	if (!r)
		r = place_all(finder);
	for (i = 0; i < finder->n_candidates; i++)
		free(finder->candidates[i].name);
	if (r < 0 && r != -ENOMEM) {
		r = add_note(out, "it could not be searched for functions to probe: %s",
			     r == -EBADMSG ? "a broken ELF file" : strerror(-r));
		return r ? r : 1;
	}
	return r;
}

void probe_points__fini(struct probe_points *points)
{
	size_t i;

	for (i = 0; i < points->n; i++)
		free(points->points[i].name);
	for (i = 0; i < points->n_notes; i++)
		free(points->notes[i]);
	free(points->points);
	free(points->notes);
	memset(points, 0, sizeof(*points));
}
