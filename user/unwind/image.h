/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * What unwinding needs of one ELF file, copied out of it: the executable segments and the call
 * frame sections. The file may be closed, truncated or rewritten afterwards.
 */
#ifndef UNFREED_UNWIND_IMAGE_H
#define UNFREED_UNWIND_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IMAGE_MAX_SEGMENTS 16

struct image_segment {
	uint64_t file_off, vaddr, sz;
};

/* A section's bytes, owned. n == 0: the file has none. */
struct image_section {
	uint8_t *p;
	size_t n;
	uint64_t vaddr;
};

/* One FDE of a section without a usable search table of its own. */
struct image_fde {
	uint64_t start;		/* vaddr */
	uint32_t len;		/* bytes of code */
	uint32_t off;		/* of the FDE in its section */
};

struct image_index {
	struct image_fde *fdes;	/* owned, sorted by start */
	size_t n;
};

struct image {
	struct image_segment segments[IMAGE_MAX_SEGMENTS];	/* executable */
	size_t n_segments;
	struct image_section eh_frame_hdr, eh_frame, debug_frame;
	uint64_t table_vaddr;		/* eh_frame_hdr's, to which its table's entries relate */
	const uint8_t *table;		/* in eh_frame_hdr: n_table pairs of s32; NULL: none */
	size_t n_table;
	struct image_index eh_index, debug_index;	/* for what has no table */
};

/* Where an ELF image comes from: memory when `mem` is set, else a file. Both borrowed. */
struct image_source {
	const uint8_t *mem;
	size_t mem_sz;
	int fd;
};

/*
 * Copies what matters out of an ELF file for x86-64. Anything else, or anything broken, makes an
 * image with less in it, down to an empty one. `image` need not be initialised. 0 or -ENOMEM.
 */
int image__load(struct image *image, const struct image_source *source);
void image__fini(struct image *image);	/* idempotent */
size_t image__bytes(const struct image *image);

/* The address that the file itself gives to a byte of it that is mapped executable. */
bool image__vaddr(const struct image *image, uint64_t file_off, uint64_t *vaddr);

#endif /* UNFREED_UNWIND_IMAGE_H */
