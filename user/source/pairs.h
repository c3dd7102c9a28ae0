/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Resource pairs: things a program opens by one function and gives back by another, whose memory
 * is lost when the second call never comes. A pair is a row of data: the model and the BPF side
 * only know its number, probe_points.h finds its functions in files, and a new pair is a new row.
 *
 * The rows' numbers are what records carry (struct ev_handle: pair, symbol), so a capture is read
 * with the table that wrote it; EV_PAIR carries the name, and the source fills in bytes and
 * copy_of before a record is kept.
 */
#ifndef UNFREED_SOURCE_PAIRS_H
#define UNFREED_SOURCE_PAIRS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAIR_N_ARGS 6	/* integer arguments of the System V calling convention: EV_N_HANDLE_ARGS */
#define PAIRS_MAX 64	/* n_pairs is no larger */

struct pair {
	const char *name;	/* the report's kind, at most 31 characters: "zlib-inflate" */
	const char *noun;	/* for sentences, plural: "zlib inflate streams" */
	/*
	 * The share of what is left to the memory limit, in percent, at which the service tells of
	 * handles that were never closed so far. A region that is never given back is mostly a heap
	 * or a cache that fills: GROWTH_SHARE. A handle has to be closed; the lower, the more often programs
	 * that keep many are told wrongly while they fill. docs/detector.md has the figures.
	 */
	uint8_t growth_percent;
};

enum pair_role {
	PAIR_OPEN,	/* the handle is open from here on */
	PAIR_CLOSE,	/* ... is gone from here on */
	PAIR_COPY,	/* an open handle, a copy of the one in copy_arg */
};

/* Where in the function the probe sits; what the arguments are follows from it. */
enum pair_site {
	PAIR_SITE_ENTRY,	/* at or near the entry: the function's own arguments */
	PAIR_SITE_INNER_CALL,	/* on the call of the library's opener that was linked in without
				 * a name: that call's arguments */
};

enum pair_size_kind {
	PAIR_SIZE_NONE,		/* not known from the arguments: closers and copies */
	PAIR_SIZE_CONSTANT,
	PAIR_SIZE_INFLATE,	/* windowBits */
	PAIR_SIZE_DEFLATE,	/* windowBits and memLevel */
};

struct pair_size {
	enum pair_size_kind kind;
	int8_t window_arg;	/* argument that is windowBits; -1: it is zlib's default, 15 */
	int8_t mem_level_arg;	/* ... memLevel; -1: zlib's default, 8 */
	uint64_t bytes;		/* PAIR_SIZE_CONSTANT */
};

struct pair_symbol {
	uint32_t pair;		/* row of pairs[] */
	enum pair_role role;
	enum pair_site site;
	const char *name;
	bool prefixed;		/* also sought behind each of pair_prefixes[] */
	bool fallback;		/* sought only in a file that names no opener of the pair itself */
	int8_t handle_arg;	/* at `site`, 0-based */
	int8_t copy_arg;	/* PAIR_COPY: the source; else -1 */
	const char *wraps;	/* the opener it does its work by, so that one of the two is to be
				 * probed (behind the same prefix); NULL: none */
	struct pair_size size;
};

extern const struct pair pairs[];
extern const size_t n_pairs;
extern const struct pair_symbol pair_symbols[];
extern const size_t n_pair_symbols;
/* What builds put before zlib's names: "z_" by Z_PREFIX, "Cr_z_" in Chromium's copy (and node). */
extern const char *const pair_prefixes[];
extern const size_t n_pair_prefixes;
/* Openers that are known and not in the table: whoever finds one says that it is not counted. They
 * are zlib-ng's own, whose streams and sizes differ; built to replace zlib it has zlib's names. */
extern const char *const pair_uncounted[];
extern const size_t n_pair_uncounted;

/*
 * The bytes one handle holds: an estimate by the formulas of zlib's zconf.h, meant to be right
 * within a few kilobytes once the stream has been used (inflate takes its window at first use).
 * Arguments of type int are read from the low half of a register. Whatever they say, the result
 * lies within what zlib itself would take. 0 for PAIR_SIZE_NONE.
 */
uint64_t pair_symbol__bytes(const struct pair_symbol *symbol, const uint64_t arg[PAIR_N_ARGS]);

/*
 * True when `name` (not terminated: `name_sz` bytes) is that of the row, plain or with a prefix;
 * *prefix_sz is then the length of the prefix, 0 for none.
 */
bool pair_symbol__matches(const struct pair_symbol *symbol, const char *name, size_t name_sz,
			  size_t *prefix_sz);

#endif /* UNFREED_SOURCE_PAIRS_H */
