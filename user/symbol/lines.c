/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * libdw parses the DWARF; around it stand the bounds it does not have. A file that a traced process
 * can change is read into memory rather than mapped (a truncated mapping is a SIGBUS), so its debug
 * sections may have 256 MB in all; the line table of one unit may have 4 MB, since each byte can
 * become a row of about 100. Files that refer to others (a .dwo, a common file of dwz) are read only
 * where root alone can have made them: libdw would open whatever path they name.
 *
 * .debug_aranges is not relied on, clang makes none: the ranges of all units are gathered once from
 * their first entries and sorted.
 *
 * libdw keeps what it parsed until dwarf_end(). After MAX_UNITS_PARSED units the whole is worn, and
 * its owner makes a new one when it needs it.
 */
#include "user/symbol/lines.h"

#include <dwarf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <elfutils/libdw.h>

#include "user/base/cleanup.h"
#include "user/symbol/elf_file.h"

#define MAX_READ_SZ (256ull << 20)	/* bytes of debug sections, unpacked */
#define MAX_MAPPED_SZ (8ull << 30)
#define MAX_LINE_TABLE_SZ (4ull << 20)	/* bytes of one unit's part of .debug_line */
#define MAX_RANGES (2u << 20)
#define MAX_UNITS_PARSED 128
#define MAX_PATH_SZ 4096

struct range {
	uint64_t start, end;
	Dwarf_Off unit;		/* offset of its first entry in .debug_info */
};

struct lines {
	Elf *elf;
	Dwarf *dwarf;
	Elf_Data *line_data;	/* .debug_line, unpacked; NULL: none */
	struct range *ranges;
	size_t n, capacity;
	Dwarf_Off last;		/* the unit of the lookup before */
	unsigned int n_parsed;	/* units, some of them more than once */
	bool is_trusted;
};

struct lines *lines__free(struct lines *lines)
{
	if (!lines)
		return NULL;
	dwarf_end(lines->dwarf);
	elf_end(lines->elf);
	free(lines->ranges);
	free(lines);
	return NULL;
}

static void cleanup_lines_fn(struct lines **lines)
{
	lines__free(*lines);
}

/* Sums up the debug sections. 0; 1: no DWARF, or too much of it. */
static int check_sections(const struct elf_file *file, bool is_trusted)
{
	uint64_t sum = 0, limit = is_trusted ? MAX_MAPPED_SZ : MAX_READ_SZ;
	GElf_Shdr shdr;
	GElf_Chdr chdr;
	size_t n;
	int r;

	r = elf_file__find_section(file, SHT_PROGBITS, ".debug_info", &shdr);
	if (r)
		return r;
	r = elf_file__find_section(file, SHT_PROGBITS, ".debug_line", &shdr);
	if (r)
		return r;
	if (!is_trusted && elf_file__find_section(file, SHT_PROGBITS, ".gnu_debugaltlink", &shdr) != 1)
		return 1;
	if (elf_getshdrnum(file->elf, &n) < 0 || n > ELF_MAX_SECTIONS)
		return -EBADMSG;
	for (size_t i = 1; i < n; i++) {
		if (elf_file__section(file, i, &shdr))
			return -EBADMSG;
		if (shdr.sh_type != SHT_PROGBITS || (shdr.sh_flags & SHF_ALLOC))
			continue;
		if (__builtin_add_overflow(sum, shdr.sh_size, &sum) || sum > limit)
			return 1;
		if (!(shdr.sh_flags & SHF_COMPRESSED))
			continue;
		if (!gelf_getchdr(elf_getscn(file->elf, i), &chdr) ||
		    __builtin_add_overflow(sum, chdr.ch_size, &sum) || sum > limit)
			return 1;
	}
	return 0;
}

static int add_range(struct lines *lines, uint64_t start, uint64_t end, Dwarf_Off unit)
{
	if (start >= end || lines->n == MAX_RANGES)
		return 0;
	if (lines->n == lines->capacity) {
		size_t capacity = lines->capacity ? lines->capacity * 2 : 256;
		struct range *ranges = reallocarray(lines->ranges, capacity, sizeof(*ranges));

		if (!ranges)
			return -ENOMEM;
		lines->ranges = ranges;
		lines->capacity = capacity;
	}
	lines->ranges[lines->n++] = (struct range){ start, end, unit };
	return 0;
}

/* What it says lies in another file: a .dwo. */
static bool is_skeleton(Dwarf_Die *unit)
{
	return dwarf_hasattr(unit, DW_AT_dwo_name) || dwarf_hasattr(unit, DW_AT_GNU_dwo_name);
}

static int compare_ranges(const void *va, const void *vb)
{
	const struct range *a = va, *b = vb;

	return a->start < b->start ? -1 : a->start > b->start;
}

/* A broken unit ends the gathering: libdw cannot find the next one. */
static int gather_ranges(struct lines *lines)
{
	Dwarf_Addr base, start, end;
	Dwarf_CU *cu = NULL;
	Dwarf_Die unit;
	ptrdiff_t at;
	uint8_t type;
	int r;

	while (dwarf_get_units(lines->dwarf, cu, &cu, NULL, &type, &unit, NULL) == 0) {
		if ((type != DW_UT_compile && type != DW_UT_skeleton) ||
		    (!lines->is_trusted && is_skeleton(&unit)))
			continue;
		at = 0;
		while ((at = dwarf_ranges(&unit, at, &base, &start, &end)) > 0) {
			if (lines->n == MAX_RANGES)
				break;
			r = add_range(lines, start, end, dwarf_dieoffset(&unit));
			if (r)
				return r;
		}
	}
	if (lines->n)
		qsort(lines->ranges, lines->n, sizeof(*lines->ranges), compare_ranges);
	return lines->n ? 0 : 1;
}

static void find_line_data(struct lines *lines)
{
	Elf_Scn *section = NULL;
	GElf_Shdr shdr;
	size_t names;
	const char *name;

	if (elf_getshdrstrndx(lines->elf, &names) < 0)
		return;
	while ((section = elf_nextscn(lines->elf, section))) {
		name = gelf_getshdr(section, &shdr) ? elf_strptr(lines->elf, names, shdr.sh_name) :
						      NULL;
		if (name && !strcmp(name, ".debug_line"))
			lines->line_data = elf_rawdata(section, NULL);
	}
}

int lines__new(struct lines **out, int fd, bool is_trusted)
{
	__attribute__((cleanup(cleanup_lines_fn))) struct lines *lines = NULL;
	cleanup_elf_file struct elf_file *file = NULL;
	int r;

	r = elf_file__open(&file, fd);
	if (!r)
		r = check_sections(file, is_trusted);
	if (r)
		return r;
	lines = calloc(1, sizeof(*lines));
	if (!lines)
		return -ENOMEM;
	lines->is_trusted = is_trusted;
	lines->elf = elf_begin(fd, is_trusted ? ELF_C_READ_MMAP : ELF_C_READ, NULL);
	if (!lines->elf)
		return -EBADMSG;
	lines->dwarf = dwarf_begin_elf(lines->elf, DWARF_C_READ, NULL);
	if (!lines->dwarf)
		return -EBADMSG;
	find_line_data(lines);
	r = gather_ranges(lines);
	if (r)
		return r;
	*out = steal_ptr(&lines);
	return 0;
}

/* The range with the greatest start that holds vaddr; a few steps back, since a linker's leavings
 * (functions that were dropped, at address 0) overlap others. */
static const struct range *find_range(const struct lines *lines, uint64_t vaddr)
{
	size_t low = 0, high = lines->n, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (lines->ranges[middle].start <= vaddr)
			low = middle + 1;
		else
			high = middle;
	}
	for (size_t step = 0; low > 0 && step < 16; step++)
		if (vaddr < lines->ranges[--low].end)
			return &lines->ranges[low];
	return NULL;
}

/* The unit's line table is there and of a size that may be parsed. */
static bool is_parsable(const struct lines *lines, Dwarf_Die *unit)
{
	Dwarf_Attribute attr;
	uint32_t short_sz;
	Dwarf_Word at;
	uint64_t sz;

	if (!lines->line_data || !lines->line_data->d_buf ||
	    !dwarf_attr(unit, DW_AT_stmt_list, &attr) || dwarf_formudata(&attr, &at))
		return false;
	if (at >= lines->line_data->d_size || lines->line_data->d_size - at < 12)
		return false;
	memcpy(&short_sz, (const char *)lines->line_data->d_buf + at, sizeof(short_sz));
	sz = short_sz;
	if (short_sz == 0xffffffff)
		memcpy(&sz, (const char *)lines->line_data->d_buf + at + 4, sizeof(sz));
	return sz <= MAX_LINE_TABLE_SZ;
}

int lines__find(struct lines *lines, uint64_t vaddr, char **file, uint32_t *line)
{
	const struct range *range = find_range(lines, vaddr);
	const char *path;
	Dwarf_Line *row;
	Dwarf_Die unit;
	int number;

	if (!range || !dwarf_offdie(lines->dwarf, range->unit, &unit) || !is_parsable(lines, &unit))
		return 1;
	lines->n_parsed += lines->last != range->unit;
	lines->last = range->unit;
	row = dwarf_getsrc_die(&unit, vaddr);
	if (!row || dwarf_lineno(row, &number) || number <= 0)
		return 1;
	path = dwarf_linesrc(row, NULL, NULL);
	if (!path || !path[0])
		return 1;
	*file = strndup(path, MAX_PATH_SZ - 1);
	if (!*file)
		return -ENOMEM;
	*line = number;
	return 0;
}

bool lines__is_worn(const struct lines *lines)
{
	return lines->n_parsed >= MAX_UNITS_PARSED;
}
