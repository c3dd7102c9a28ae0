/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * From an address to its FDE. .eh_frame_hdr has a search table in the one form that all linkers
 * write (pairs of 4-byte offsets from the header, sorted); a section without it is read once from
 * beginning to end and gets an index of our own. A table that lies only leads to an FDE that does
 * not cover the address, which is checked.
 */
#include "user/unwind/cfi.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Pointer encodings (LSB 5, 10.5.1). */
enum {
	PE_ABS = 0x00, PE_ULEB = 0x01, PE_U2 = 0x02, PE_U4 = 0x03, PE_U8 = 0x04,
	PE_SLEB = 0x09, PE_S2 = 0x0a, PE_S4 = 0x0b, PE_S8 = 0x0c,
	PE_FORM = 0x0f, PE_PCREL = 0x10, PE_DATAREL = 0x30, PE_RELATION = 0x70, PE_INDIRECT = 0x80,
};

/* No function known has a program longer than some KB; this bounds the time for a hostile one. */
#define PROGRAM_MAX 65536

struct entry {
	struct cursor body;	/* behind the id */
	const uint8_t *id_at;
	uint64_t id;
	bool is_cie;
};

static bool read_entry(struct cursor *c, bool is_eh, struct entry *out)
{
	uint64_t len = cursor_unsigned(c, 4), cie_id = is_eh ? 0 : UINT32_MAX;
	unsigned int id_sz = 4;
	const uint8_t *p;

	if (len == UINT32_MAX) {
		len = cursor_unsigned(c, 8);
		if (!is_eh) {
			id_sz = 8;
			cie_id = UINT64_MAX;
		}
	}
	p = cursor_take(c, len);
	if (!p || !len)
		return false;
	out->body = (struct cursor){ .p = p, .end = p + len };
	out->id_at = p;
	out->id = cursor_unsigned(&out->body, id_sz);
	out->is_cie = out->id == cie_id;
	return !out->body.bad;
}

/* `at`: the vaddr of the cursor's position, `data`: what PE_DATAREL relates to. */
static bool read_pointer(struct cursor *c, uint8_t encoding, uint64_t at, uint64_t data,
			 uint64_t *out)
{
	uint64_t value;

	switch (encoding & PE_FORM) {
	case PE_ABS:
	case PE_U8:
	case PE_S8:
		value = cursor_unsigned(c, 8);
		break;
	case PE_U4:
		value = cursor_unsigned(c, 4);
		break;
	case PE_U2:
		value = cursor_unsigned(c, 2);
		break;
	case PE_S4:
		value = cursor_signed(c, 4);
		break;
	case PE_S2:
		value = cursor_signed(c, 2);
		break;
	case PE_ULEB:
		value = cursor_uleb(c);
		break;
	case PE_SLEB:
		value = cursor_sleb(c);
		break;
	default:
		return false;
	}
	if (encoding & PE_INDIRECT)
		return false;
	if ((encoding & PE_RELATION) == PE_PCREL)
		value += at;
	else if ((encoding & PE_RELATION) == PE_DATAREL)
		value += data;
	else if (encoding & PE_RELATION)
		return false;
	*out = value;
	return !c->bad;
}

/* The augmentation's data: only the encoding of the FDE's addresses matters. */
static bool read_augmentation(struct cursor *c, const char *letters, struct cfi_fde *fde)
{
	uint64_t n, ignored;
	struct cursor data;
	const uint8_t *p;
	uint8_t encoding;

	if (!*letters)
		return true;
	if (*letters++ != 'z')
		return false;
	fde->has_augmentation = true;
	n = cursor_uleb(c);
	p = cursor_take(c, n);
	if (!p)
		return false;
	data = (struct cursor){ .p = p, .end = p + n };
	for (; *letters; letters++) {
		switch (*letters) {
		case 'R':
			fde->pointer_encoding = (uint8_t)cursor_unsigned(&data, 1);
			break;
		case 'P':
			/* The personality: only to be skipped, so without its relation. */
			encoding = (uint8_t)cursor_unsigned(&data, 1);
			if (!read_pointer(&data, encoding & PE_FORM, 0, 0, &ignored))
				return false;
			break;
		case 'L':
			cursor_take(&data, 1);
			break;
		case 'S':
			break;
		default:
			return false;
		}
	}
	return !data.bad;
}

static bool read_cie(struct cursor *c, struct cfi_fde *fde)
{
	uint8_t version = (uint8_t)cursor_unsigned(c, 1);
	const char *letters = (const char *)c->p;
	size_t n = strnlen(letters, cursor_left(c));

	if (version != 1 && version != 3 && version != 4)
		return false;
	if (!cursor_take(c, n + 1))
		return false;
	if (version == 4 && (cursor_unsigned(c, 1) != 8 || cursor_unsigned(c, 1) != 0))
		return false;
	fde->code_align = cursor_uleb(c);
	fde->data_align = cursor_sleb(c);
	fde->ra_reg = version == 1 ? cursor_unsigned(c, 1) : cursor_uleb(c);
	if (c->bad || !read_augmentation(c, letters, fde))
		return false;
	fde->cie_program = *c;
	return true;
}

static bool is_too_long(const struct cfi_fde *fde)
{
	return cursor_left(&fde->program) > PROGRAM_MAX ||
	       cursor_left(&fde->cie_program) > PROGRAM_MAX;
}

/* The FDE at an offset of its section. False: there is none, or it is malformed. */
static bool read_fde(const struct image_section *section, bool is_eh, uint64_t off,
		     struct cfi_fde *fde)
{
	struct entry entry, cie;
	uint64_t cie_off, n;
	struct cursor at, *c = &entry.body;

	*fde = (struct cfi_fde){ 0 };
	if (off >= section->n)
		return false;
	at = (struct cursor){ .p = section->p + off, .end = section->p + section->n };
	if (!read_entry(&at, is_eh, &entry) || entry.is_cie)
		return false;
	cie_off = is_eh ? (uint64_t)(entry.id_at - section->p) - entry.id : entry.id;
	if (cie_off >= section->n)
		return false;
	at.p = section->p + cie_off;
	if (!read_entry(&at, is_eh, &cie) || !cie.is_cie || !read_cie(&cie.body, fde))
		return false;
	if (!read_pointer(c, fde->pointer_encoding, section->vaddr + (uint64_t)(c->p - section->p),
			  0, &fde->start) ||
	    !read_pointer(c, fde->pointer_encoding & PE_FORM, 0, 0, &n) ||
	    __builtin_add_overflow(fde->start, n, &fde->end))
		return false;
	if (fde->has_augmentation)
		cursor_take(c, cursor_uleb(c));
	fde->program = *c;
	return !c->bad && !is_too_long(fde);
}

bool cfi__read_header(struct image *image, uint64_t *eh_frame_vaddr)
{
	const struct image_section *header = &image->eh_frame_hdr;
	uint64_t version, frame_encoding, count_encoding, table_encoding, n;
	struct cursor c;

	if (!header->n)
		return false;
	c = (struct cursor){ .p = header->p, .end = header->p + header->n };
	version = cursor_unsigned(&c, 1);
	frame_encoding = cursor_unsigned(&c, 1);
	count_encoding = cursor_unsigned(&c, 1);
	table_encoding = cursor_unsigned(&c, 1);
	if (c.bad || version != 1 ||
	    !read_pointer(&c, (uint8_t)frame_encoding,
			  header->vaddr + (uint64_t)(c.p - header->p), header->vaddr,
			  eh_frame_vaddr))
		return false;
	if (table_encoding != (PE_DATAREL | PE_S4) ||
	    !read_pointer(&c, (uint8_t)count_encoding, 0, 0, &n))
		return true;
	if (n > cursor_left(&c) / 8)
		n = cursor_left(&c) / 8;
	image->table_vaddr = header->vaddr;
	image->table = n ? c.p : NULL;
	image->n_table = n;
	return true;
}

static int compare_fdes(const void *a, const void *b)
{
	const struct image_fde *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

static int index_add(struct image_index *index, size_t *capacity, const struct cfi_fde *fde,
		     uint64_t off)
{
	uint64_t len = fde->end - fde->start;
	size_t wanted;
	void *fdes;

	if (index->n == *capacity) {
		wanted = *capacity ? *capacity * 2 : 256;
		fdes = realloc(index->fdes, wanted * sizeof(*index->fdes));
		if (!fdes)
			return -ENOMEM;
		index->fdes = fdes;
		*capacity = wanted;
	}
	index->fdes[index->n++] = (struct image_fde){
		.start = fde->start,
		.len = len < UINT32_MAX ? (uint32_t)len : UINT32_MAX,
		.off = (uint32_t)off,
	};
	return 0;
}

int cfi__index(const struct image_section *section, bool is_eh, struct image_index *out)
{
	size_t capacity = 0;
	struct entry entry;
	struct cfi_fde fde;
	struct cursor c;
	uint64_t off;
	int r;

	*out = (struct image_index){ 0 };
	if (!section->n)
		return 0;
	c = (struct cursor){ .p = section->p, .end = section->p + section->n };
	while (cursor_left(&c)) {
		off = (uint64_t)(c.p - section->p);
		if (!read_entry(&c, is_eh, &entry))
			break;
		if (!read_fde(section, is_eh, off, &fde) || fde.start == fde.end)
			continue;
		r = index_add(out, &capacity, &fde, off);
		if (r) {
			free(out->fdes);
			*out = (struct image_index){ 0 };
			return r;
		}
	}
	if (out->n)
		qsort(out->fdes, out->n, sizeof(*out->fdes), compare_fdes);
	return 0;
}

static bool find_by_table(const struct image *image, uint64_t vaddr, uint64_t *off)
{
	int64_t wanted = (int64_t)(vaddr - image->table_vaddr);
	size_t low = 0, high = image->n_table, middle;
	int32_t pair[2];

	while (low < high) {
		middle = low + (high - low) / 2;
		memcpy(pair, image->table + middle * 8, 8);
		if (pair[0] <= wanted)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low)
		return false;
	memcpy(pair, image->table + (low - 1) * 8, 8);
	*off = image->table_vaddr + (uint64_t)(int64_t)pair[1] - image->eh_frame.vaddr;
	return true;
}

static bool find_by_index(const struct image_index *index, uint64_t vaddr, uint64_t *off)
{
	size_t low = 0, high = index->n, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (index->fdes[middle].start <= vaddr)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low || vaddr - index->fdes[low - 1].start >= index->fdes[low - 1].len)
		return false;
	*off = index->fdes[low - 1].off;
	return true;
}

static bool covers(const struct image_section *section, bool is_eh, uint64_t off, uint64_t vaddr,
		   struct cfi_fde *out)
{
	return read_fde(section, is_eh, off, out) && vaddr >= out->start && vaddr < out->end;
}

bool cfi__find(const struct image *image, uint64_t vaddr, struct cfi_fde *out)
{
	uint64_t off;
	bool found;

	found = image->table ? find_by_table(image, vaddr, &off)
			     : find_by_index(&image->eh_index, vaddr, &off);
	if (found && covers(&image->eh_frame, true, off, vaddr, out))
		return true;
	return find_by_index(&image->debug_index, vaddr, &off) &&
	       covers(&image->debug_frame, false, off, vaddr, out);
}
