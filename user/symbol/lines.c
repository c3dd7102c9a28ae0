/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The line tables say themselves which addresses they are about, so neither .debug_info nor
 * .debug_aranges is needed (clang leaves the latter out). One pass runs all programs and keeps for
 * each sequence of rows its addresses and where it starts; a lookup reads that unit again and runs
 * that sequence. Units are read one at a time into a buffer, and names are read where they are
 * found, so the memory is that of the sequences alone, 32 bytes each.
 *
 * Sections that are compressed are unpacked by libelf and kept, if that fits into the bytes we may
 * hold. Not so .debug_str: no compiler refers to it from a line table, and it can be huge.
 */
#include "user/symbol/lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/cleanup.h"
#include "user/symbol/elf_file.h"
#include "user/symbol/elf_symbols.h"
#include "user/symbol/line_program.h"

#define MAX_SECTION_SZ (1ull << 30)	/* bytes of .debug_line: a few seconds' work */
#define MAX_UNIT_SZ (16ull << 20)	/* bytes; larger units are passed over */
#define MAX_STEPS_BACK 64		/* sequences */

struct section {
	uint64_t offset, sz;
	uint8_t *bytes;		/* NULL: in the file at offset */
};

struct sequence {
	uint64_t start, end;	/* addresses */
	uint64_t unit;		/* offset in .debug_line */
	uint32_t unit_sz;
	uint32_t at;		/* in the unit */
};

struct lines {
	int fd;			/* borrowed */
	struct section line, line_str, str;
	struct sequence *sequences;
	size_t n, capacity;
	size_t bytes_left;	/* that may still be held */
};

struct lines *lines__free(struct lines *lines)
{
	if (!lines)
		return NULL;
	free(lines->line.bytes);
	free(lines->line_str.bytes);
	free(lines->str.bytes);
	free(lines->sequences);
	free(lines);
	return NULL;
}

static void cleanup_lines_fn(struct lines **lines)
{
	lines__free(*lines);
}

size_t lines__bytes(const struct lines *lines)
{
	return sizeof(*lines) + lines->capacity * sizeof(*lines->sequences) +
	       (lines->line.bytes ? lines->line.sz : 0) +
	       (lines->line_str.bytes ? lines->line_str.sz : 0) +
	       (lines->str.bytes ? lines->str.sz : 0);
}

/* --- sections -------------------------------------------------------------------------------- */

static int unpack(struct lines *lines, Elf_Scn *scn, struct section *section)
{
	GElf_Chdr chdr;
	Elf_Data *data;

	/* libelf checks the ratio and the size that the header claims (elf_compress.c). */
	if (!gelf_getchdr(scn, &chdr) || chdr.ch_size > lines->bytes_left ||
	    elf_compress(scn, 0, 0) < 0)
		return 1;
	data = elf_rawdata(scn, NULL);
	if (!data || !data->d_buf || !data->d_size || data->d_size > lines->bytes_left)
		return 1;
	section->bytes = malloc(data->d_size);
	if (!section->bytes)
		return -ENOMEM;
	memcpy(section->bytes, data->d_buf, data->d_size);
	section->sz = data->d_size;
	lines->bytes_left -= data->d_size;
	return 0;
}

/* 0; 1: not there, or too large. */
static int find_section(struct lines *lines, const struct elf_file *file, const char *name,
			struct section *section)
{
	size_t index;
	GElf_Shdr shdr;
	int r;

	r = elf_file__find_section_index(file, SHT_PROGBITS, name, &index);
	if (!r)
		r = elf_file__section(file, index, &shdr);
	if (r)
		return r;
	if (shdr.sh_size > MAX_SECTION_SZ)
		return 1;
	if (shdr.sh_flags & SHF_COMPRESSED) {
		/* libelf reads the whole section before it looks at its header. */
		if (section == &lines->str || shdr.sh_size > lines->bytes_left)
			return 1;
		return unpack(lines, elf_getscn(file->elf, index), section);
	}
	section->offset = shdr.sh_offset;
	section->sz = shdr.sh_size;
	return 0;
}

static int read_section(const struct lines *lines, const struct section *section, uint64_t at,
			void *buf, size_t sz)
{
	if (at > section->sz || sz > section->sz - at)
		return -EBADMSG;
	if (!section->bytes)
		return elf_read(lines->fd, section->offset + at, buf, sz);
	memcpy(buf, section->bytes + at, sz);
	return 0;
}

/* --- the pass over all units ----------------------------------------------------------------- */

struct pass {
	struct lines *lines;
	struct sequence sequence;	/* the one that is being read */
	bool has_rows;
};

static int add_sequence(struct lines *lines, const struct sequence *sequence)
{
	if (lines->n == lines->capacity) {
		size_t capacity = lines->capacity ? lines->capacity * 2 : 64;
		struct sequence *sequences =
			reallocarray(lines->sequences, capacity, sizeof(*sequences));

		if (!sequences)
			return -ENOMEM;
		lines->sequences = sequences;
		lines->capacity = capacity;
	}
	lines->sequences[lines->n++] = *sequence;
	return 0;
}

static int note_row(void *ctx, const struct line_row *row)
{
	struct pass *pass = ctx;
	struct sequence *s = &pass->sequence;
	int r = 0;

	if (!pass->has_rows)
		s->start = row->address;
	pass->has_rows = true;
	if (!row->is_end)
		return 0;
	s->end = row->address;
	/* Functions that the linker dropped are left behind at address 0 or 1. */
	if (s->start > 1 && s->end > s->start) {
		if (pass->lines->n >= pass->lines->bytes_left / sizeof(*s))
			return 1;
		r = add_sequence(pass->lines, s);
	}
	s->at = row->next_at;
	pass->has_rows = false;
	return r;
}

static int compare_sequences(const void *va, const void *vb)
{
	const struct sequence *a = va, *b = vb;

	return a->start < b->start ? -1 : a->start > b->start;
}

/* A unit that is broken is passed over; one whose length is ends the pass. */
static int read_units(struct lines *lines)
{
	cleanup_free uint8_t *buf = NULL;
	size_t buf_sz = 0;
	uint64_t sz;
	int r;

	for (uint64_t at = 0; at + 12 <= lines->line.sz; at += sz) {
		struct pass pass = { .lines = lines, .sequence.unit = at };
		struct line_unit unit;
		uint8_t length[12];

		r = read_section(lines, &lines->line, at, length, sizeof(length));
		if (r)
			return r;
		sz = line_unit__size(length);
		if (sz < sizeof(length) || sz > lines->line.sz - at)
			return 0;
		if (sz > MAX_UNIT_SZ)
			continue;
		if (sz > buf_sz) {
			free(buf);
			buf = malloc(sz);
			if (!buf)
				return -ENOMEM;
			buf_sz = sz;
		}
		r = read_section(lines, &lines->line, at, buf, sz);
		if (r)
			return r;
		if (line_unit__init(&unit, buf, sz))
			continue;
		pass.sequence.unit_sz = sz;
		pass.sequence.at = unit.program_at;
		r = line_unit__run(&unit, unit.program_at, note_row, &pass);
		if (r)
			return r < 0 ? r : 0;
	}
	return 0;
}

int lines__new(struct lines **out, int fd, size_t max_bytes)
{
	__attribute__((cleanup(cleanup_lines_fn))) struct lines *lines = NULL;
	cleanup_elf_file struct elf_file *file = NULL;
	int r;

	lines = calloc(1, sizeof(*lines));
	if (!lines)
		return -ENOMEM;
	lines->fd = fd;
	lines->bytes_left = max_bytes;
	r = elf_file__open(&file, fd);
	if (!r)
		r = find_section(lines, file, ".debug_line", &lines->line);
	if (r)
		return r;
	r = find_section(lines, file, ".debug_line_str", &lines->line_str);
	if (r != -ENOMEM)
		r = find_section(lines, file, ".debug_str", &lines->str);
	if (r == -ENOMEM)
		return r;
	r = read_units(lines);
	if (r < 0 && (r == -ENOMEM || !lines->n))
		return r;
	if (!lines->n)
		return 1;
	qsort(lines->sequences, lines->n, sizeof(*lines->sequences), compare_sequences);
	*out = steal_ptr(&lines);
	return 0;
}

/* --- lookups --------------------------------------------------------------------------------- */

struct lookup {
	uint64_t vaddr;
	struct line_row row;	/* the one before, then the one that was wanted */
	bool has_row;
};

/* A row holds the addresses up to the next. 1: found; 2: the sequence is over. */
static int match_row(void *ctx, const struct line_row *row)
{
	struct lookup *lookup = ctx;

	if (lookup->has_row && lookup->row.address <= lookup->vaddr && lookup->vaddr < row->address)
		return 1;
	lookup->row = *row;
	lookup->has_row = true;
	return row->is_end ? 2 : 0;
}

static int read_string(const struct lines *lines, const struct line_unit *unit,
		       const struct line_name *name, char buf[ELF_NAME_MAX])
{
	struct section from = { .sz = unit->sz, .bytes = (uint8_t *)unit->bytes };
	size_t n;

	if (name->kind == LINE_NAME_NONE)
		return 1;
	if (name->kind != LINE_NAME_HERE)
		from = name->kind == LINE_NAME_STR ? lines->str : lines->line_str;
	if (!from.bytes)
		return elf_read_name(lines->fd, from.offset, from.sz, name->at, buf, ELF_NAME_MAX);
	if (name->at >= from.sz)
		return -EBADMSG;
	n = strnlen((const char *)from.bytes + name->at, from.sz - name->at);
	if (!n || n >= ELF_NAME_MAX)
		return 1;
	memcpy(buf, from.bytes + name->at, n);
	buf[n] = '\0';
	return 0;
}

static int make_path(const struct lines *lines, const struct line_unit *unit, uint64_t file,
		     char **out)
{
	char base[ELF_NAME_MAX], folder[ELF_NAME_MAX];
	struct line_name name, directory;
	int r;

	if (line_unit__file(unit, file, &name, &directory))
		return 1;
	r = read_string(lines, unit, &name, base);
	if (r)
		return r;
	if (base[0] == '/' || read_string(lines, unit, &directory, folder))
		*out = strdup(base);
	else if (asprintf(out, "%s/%s", folder, base) < 0)
		*out = NULL;
	return *out ? 0 : -ENOMEM;
}

static int find_in_sequence(const struct lines *lines, const struct sequence *sequence,
			    uint64_t vaddr, char **file, uint32_t *line)
{
	cleanup_free uint8_t *buf = malloc(sequence->unit_sz);
	struct lookup lookup = { .vaddr = vaddr };
	struct line_unit unit;
	int r;

	if (!buf)
		return -ENOMEM;
	r = read_section(lines, &lines->line, sequence->unit, buf, sequence->unit_sz);
	if (!r)
		r = line_unit__init(&unit, buf, sequence->unit_sz);
	if (r)
		return r;
	/* Line 0 is code that no line stands for. */
	if (line_unit__run(&unit, sequence->at, match_row, &lookup) != 1 || !lookup.row.line ||
	    lookup.row.line > UINT32_MAX)
		return 1;
	*line = lookup.row.line;
	return make_path(lines, &unit, lookup.row.file, file);
}

int lines__find(const struct lines *lines, uint64_t vaddr, char **file, uint32_t *line)
{
	size_t low = 0, high = lines->n, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (lines->sequences[middle].start <= vaddr)
			low = middle + 1;
		else
			high = middle;
	}
	for (size_t step = 0; low > 0 && step < MAX_STEPS_BACK; step++) {
		low--;
		if (vaddr < lines->sequences[low].end)
			return find_in_sequence(lines, &lines->sequences[low], vaddr, file, line);
	}
	return 1;
}
