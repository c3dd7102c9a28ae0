/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The file is hostile: it may be sparse and huge, change while it is read, or be no ELF at all. So
 * it is never mapped (truncation would be a SIGBUS) and only bounded pieces of it are copied.
 * elfutils is not used here because it trusts more: dwarf_getcfi_elf reads a whole file that has no
 * section headers, and a single register number in its call frame programs is worth 2 GB.
 *
 * The call frame sections are found as the C library's own unwinder finds them, by
 * PT_GNU_EH_FRAME, and by section name where that is missing.
 */
#include "user/unwind/image.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "user/base/cleanup.h"
#include "user/unwind/cfi.h"

/* The largest programs known (browsers, machine learning) have some 20 MB of .eh_frame. */
#define SECTION_MAX ((size_t)64 << 20)
/* Sections without a search table get an index of our own: less, as that takes time and room. */
#define UNINDEXED_MAX ((size_t)16 << 20)
#define PHDRS_MAX 128
#define SHDRS_MAX 1024
#define NAMES_MAX 65536

struct elf {
	const struct image_source *source;
	Elf64_Ehdr ehdr;
	Elf64_Phdr phdrs[PHDRS_MAX];
	size_t n_phdrs;
};

/* Up to n bytes from off; fewer at the end or on an error. */
static size_t read_some(const struct image_source *source, uint64_t off, void *buf, size_t n)
{
	size_t done = 0;
	ssize_t r;

	if (off > INT64_MAX - n)
		return 0;
	if (source->mem) {
		if (off >= source->mem_sz)
			return 0;
		if (n > source->mem_sz - off)
			n = source->mem_sz - off;
		memcpy(buf, source->mem + off, n);
		return n;
	}
	while (done < n) {
		r = pread(source->fd, (char *)buf + done, n - done, (off_t)(off + done));
		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			break;
		done += (size_t)r;
	}
	return done;
}

/* The byte after the last one that can be read, as far as that can be known. */
static uint64_t source_size(const struct image_source *source)
{
	off_t end;

	if (source->mem)
		return source->mem_sz;
	end = lseek(source->fd, 0, SEEK_END);
	return end > 0 ? (uint64_t)end : 0;
}

static int read_section(const struct elf *elf, uint64_t off, uint64_t n, uint64_t vaddr, size_t max,
			struct image_section *out)
{
	uint64_t size = source_size(elf->source);
	uint8_t *p;

	if (off >= size)
		return 0;
	if (n > size - off)
		n = size - off;
	if (!n || n > max)
		return 0;
	p = malloc(n);
	if (!p)
		return -ENOMEM;
	out->n = read_some(elf->source, off, p, n);
	out->p = p;
	out->vaddr = vaddr;
	return 0;
}

static bool read_headers(struct elf *elf)
{
	Elf64_Ehdr *ehdr = &elf->ehdr;
	size_t n;

	if (read_some(elf->source, 0, ehdr, sizeof(*ehdr)) != sizeof(*ehdr) ||
	    memcmp(ehdr->e_ident, ELFMAG, SELFMAG) != 0 ||
	    ehdr->e_ident[EI_CLASS] != ELFCLASS64 || ehdr->e_ident[EI_DATA] != ELFDATA2LSB ||
	    ehdr->e_machine != EM_X86_64 || ehdr->e_phentsize != sizeof(Elf64_Phdr))
		return false;
	n = ehdr->e_phnum < PHDRS_MAX ? ehdr->e_phnum : PHDRS_MAX;
	n = read_some(elf->source, ehdr->e_phoff, elf->phdrs, n * sizeof(Elf64_Phdr));
	elf->n_phdrs = n / sizeof(Elf64_Phdr);
	return true;
}

static void take_segments(const struct elf *elf, struct image *image)
{
	const Elf64_Phdr *phdr;
	size_t i;

	for (i = 0; i < elf->n_phdrs && image->n_segments < IMAGE_MAX_SEGMENTS; i++) {
		phdr = &elf->phdrs[i];
		if (phdr->p_type != PT_LOAD || !(phdr->p_flags & PF_X))
			continue;
		image->segments[image->n_segments++] = (struct image_segment){
			.file_off = phdr->p_offset,
			.vaddr = phdr->p_vaddr,
			.sz = phdr->p_filesz,
		};
	}
}

/* .eh_frame has no size of its own there: it ends with its segment at the latest. */
static int read_eh_frame_at(const struct elf *elf, uint64_t vaddr, struct image *image)
{
	const Elf64_Phdr *phdr;
	uint64_t skip, n;
	size_t i;

	for (i = 0; i < elf->n_phdrs; i++) {
		phdr = &elf->phdrs[i];
		skip = vaddr - phdr->p_vaddr;
		if (phdr->p_type != PT_LOAD || vaddr < phdr->p_vaddr || skip >= phdr->p_filesz ||
		    phdr->p_offset > UINT64_MAX - skip)
			continue;
		n = phdr->p_filesz - skip;
		return read_section(elf, phdr->p_offset + skip, n < SECTION_MAX ? n : SECTION_MAX,
				    vaddr, SECTION_MAX, &image->eh_frame);
	}
	return 0;
}

static int read_by_segment(const struct elf *elf, struct image *image)
{
	const Elf64_Phdr *phdr;
	uint64_t vaddr;
	size_t i;
	int r;

	for (i = 0; i < elf->n_phdrs; i++) {
		phdr = &elf->phdrs[i];
		if (phdr->p_type != PT_GNU_EH_FRAME)
			continue;
		r = read_section(elf, phdr->p_offset, phdr->p_filesz, phdr->p_vaddr, SECTION_MAX,
				 &image->eh_frame_hdr);
		if (r)
			return r;
		return cfi__read_header(image, &vaddr) ? read_eh_frame_at(elf, vaddr, image) : 0;
	}
	return 0;
}

static bool is_named(const char *names, size_t names_sz, const Elf64_Shdr *shdr, const char *name)
{
	size_t n = strlen(name) + 1;

	return shdr->sh_name < names_sz && names_sz - shdr->sh_name >= n &&
	       memcmp(names + shdr->sh_name, name, n) == 0;
}

static int read_by_name(const struct elf *elf, struct image *image)
{
	cleanup_free Elf64_Shdr *shdrs = malloc(SHDRS_MAX * sizeof(*shdrs));
	cleanup_free char *names = malloc(NAMES_MAX);
	const Elf64_Ehdr *ehdr = &elf->ehdr;
	size_t i, n = ehdr->e_shnum < SHDRS_MAX ? ehdr->e_shnum : SHDRS_MAX, names_sz;
	int r = 0;

	if (!shdrs || !names)
		return -ENOMEM;
	if (ehdr->e_shentsize != sizeof(*shdrs))
		return 0;
	n = read_some(elf->source, ehdr->e_shoff, shdrs, n * sizeof(*shdrs)) / sizeof(*shdrs);
	if (ehdr->e_shstrndx >= n)
		return 0;
	names_sz = shdrs[ehdr->e_shstrndx].sh_size;
	names_sz = read_some(elf->source, shdrs[ehdr->e_shstrndx].sh_offset, names,
			     names_sz < NAMES_MAX ? names_sz : NAMES_MAX);
	for (i = 0; i < n && !r; i++) {
		const Elf64_Shdr *shdr = &shdrs[i];

		if (shdr->sh_type == SHT_NOBITS || shdr->sh_flags & SHF_COMPRESSED)
			continue;
		if (!image->eh_frame.n && is_named(names, names_sz, shdr, ".eh_frame"))
			r = read_section(elf, shdr->sh_offset, shdr->sh_size, shdr->sh_addr,
					 SECTION_MAX, &image->eh_frame);
		else if (!image->debug_frame.n && is_named(names, names_sz, shdr, ".debug_frame"))
			r = read_section(elf, shdr->sh_offset, shdr->sh_size, 0, UNINDEXED_MAX,
					 &image->debug_frame);
	}
	return r;
}

int image__load(struct image *image, const struct image_source *source)
{
	cleanup_free struct elf *elf = calloc(1, sizeof(*elf));
	int r;

	*image = (struct image){ 0 };
	if (!elf)
		return -ENOMEM;
	elf->source = source;
	if (!read_headers(elf))
		return 0;
	take_segments(elf, image);
	r = read_by_segment(elf, image);
	if (!r)
		r = read_by_name(elf, image);
	if (!r && !image->table && image->eh_frame.n <= UNINDEXED_MAX)
		r = cfi__index(&image->eh_frame, true, &image->eh_index);
	if (!r)
		r = cfi__index(&image->debug_frame, false, &image->debug_index);
	if (r)
		image__fini(image);
	return r;
}

void image__fini(struct image *image)
{
	free(image->eh_frame_hdr.p);
	free(image->eh_frame.p);
	free(image->debug_frame.p);
	free(image->eh_index.fdes);
	free(image->debug_index.fdes);
	*image = (struct image){ 0 };
}

size_t image__bytes(const struct image *image)
{
	return image->eh_frame_hdr.n + image->eh_frame.n + image->debug_frame.n +
	       (image->eh_index.n + image->debug_index.n) * sizeof(struct image_fde);
}

bool image__vaddr(const struct image *image, uint64_t file_off, uint64_t *vaddr)
{
	const struct image_segment *segment;
	size_t i;

	for (i = 0; i < image->n_segments; i++) {
		segment = &image->segments[i];
		if (file_off < segment->file_off || file_off - segment->file_off >= segment->sz)
			continue;
		*vaddr = segment->vaddr + (file_off - segment->file_off);
		return true;
	}
	return false;
}
