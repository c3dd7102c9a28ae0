/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Which places of an ELF file are to be probed for the resource pairs (pairs.h): each opener and
 * closer once, where a hit is cheap and the arguments are still in their registers.
 */
#ifndef UNFREED_SOURCE_PROBE_POINTS_H
#define UNFREED_SOURCE_PROBE_POINTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct probe_point {
	uint64_t offset;	/* in the file: what a uprobe is attached by */
	uint64_t entry_offset;	/* of the function; differs when the probe was moved forward */
	uint32_t symbol;	/* row of pair_symbols[] */
	uint8_t handle_arg;	/* 0..5: where the handle is at `offset` */
	bool single_step;	/* the kernel cannot emulate the instruction there: each hit costs
				 * two traps, not one (traps.md). Unknown counts as true */
	char *name;		/* the symbol as the file has it: "Cr_z_inflateInit2_" */
};

struct probe_points {
	struct probe_point *points;	/* by offset, all different */
	size_t n;
	/* Sentences about what is in the file and cannot be probed, without the file's name:
	 * "inflateInit2_ is not in an executable segment". For EV_NOTE. Names in them are
	 * the file's bytes: escape when printing. */
	char **notes;
	size_t n_notes;
};

#define PROBE_POINTS_MAX 64	/* points of one file; more are left out, with a note */

/*
 * Finds all of them; `fd` is readable and stays the caller's (its position is not used). *out is
 * the caller's to give to probe_points__fini(), whatever is returned, and holds n == 0 in the
 * usual case of a file that has nothing of the table. Returns 0; 1 when it is no ELF file that
 * could be read (n is 0, and a note says so if it calls itself one); -ENOMEM.
 */
int probe_points__find(int fd, struct probe_points *out);
void probe_points__fini(struct probe_points *points);	/* idempotent; zeroes *points */

#endif /* UNFREED_SOURCE_PROBE_POINTS_H */
