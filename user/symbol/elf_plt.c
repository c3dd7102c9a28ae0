/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * A call into another library goes to an entry of .plt, .plt.sec or .plt.got, which jumps through a
 * slot of the GOT; the dynamic linker fills the slot as a relocation says, and the relocation names
 * the symbol. So: decode the jump, find the relocation of its slot, read its symbol's name.
 *
 * The entry is known by its instruction alone (x86-64 psABI, "Procedure Linkage Table"):
 *	[f3 0f 1e fa]  endbr64, with -fcf-protection
 *	[f2]           bnd, with MPX or .plt.sec of older linkers
 *	ff 25 disp32   jmp *disp(%rip)
 */
#include "user/symbol/elf_symbols.h"

#include <errno.h>
#include <string.h>

#include "user/base/cleanup.h"
#include "user/symbol/elf_file.h"

#define ENTRY_SZ 16

struct slot {
	uint64_t vaddr;
	uint64_t symbol;	/* index in .dynsym, when found */
};

/* 0 with the address of the slot, 1: no such jump. */
static int decode_jump(const uint8_t *code, size_t sz, uint64_t vaddr, uint64_t *slot)
{
	static const uint8_t endbr64[] = { 0xf3, 0x0f, 0x1e, 0xfa };
	size_t at = 0;
	int32_t disp;

	if (sz >= sizeof(endbr64) && !memcmp(code, endbr64, sizeof(endbr64)))
		at += sizeof(endbr64);
	if (at < sz && code[at] == 0xf2)
		at++;
	if (sz - at < 6 || code[at] != 0xff || code[at + 1] != 0x25)
		return 1;
	memcpy(&disp, code + at + 2, sizeof(disp));
	*slot = vaddr + at + 6 + (uint64_t)(int64_t)disp;	/* wraps as the processor's does */
	return 0;
}

/* 2 ends the walk: found. */
static int match_reloc(void *ctx, const GElf_Rela *reloc)
{
	struct slot *slot = ctx;
	uint64_t type = GELF_R_TYPE(reloc->r_info);

	if (reloc->r_offset != slot->vaddr ||
	    (type != R_X86_64_JUMP_SLOT && type != R_X86_64_GLOB_DAT))
		return 0;
	slot->symbol = GELF_R_SYM(reloc->r_info);
	return 2;
}

static int read_symbol_name(const struct elf_file *file, size_t symtab_index, uint64_t index,
			    char name[ELF_NAME_MAX])
{
	GElf_Shdr symbols, strings;
	Elf64_Sym symbol;
	int r;

	if (!index)
		return 1;
	r = elf_file__section(file, symtab_index, &symbols);
	if (!r)
		r = elf_file__section(file, symbols.sh_link, &strings);
	if (r)
		return r;
	if (symbols.sh_type != SHT_DYNSYM || strings.sh_type != SHT_STRTAB ||
	    symbols.sh_entsize != sizeof(symbol) ||
	    index >= symbols.sh_size / sizeof(symbol))
		return -EBADMSG;
	r = elf_file__read(file, symbols.sh_offset + index * sizeof(symbol), &symbol,
			   sizeof(symbol));
	if (!r)
		r = elf_read_name(file->fd, strings.sh_offset, strings.sh_size, symbol.st_name,
				  name, ELF_NAME_MAX);
	if (!r)
		name[strcspn(name, "@")] = '\0';
	return r ? r : !name[0];
}

static int find_slot(const struct elf_file *file, uint64_t vaddr, char name[ELF_NAME_MAX])
{
	struct slot slot = { .vaddr = vaddr };
	GElf_Shdr section;
	size_t n;
	int r;

	if (file->machine != EM_X86_64)
		return 1;
	if (elf_getshdrnum(file->elf, &n) < 0 || n > ELF_MAX_SECTIONS)
		return -EBADMSG;
	for (size_t i = 1; i < n; i++) {
		r = elf_file__section(file, i, &section);
		if (r)
			return r;
		if (section.sh_type != SHT_RELA || !(section.sh_flags & SHF_ALLOC))
			continue;
		r = elf_file__each_reloc(file, &section, match_reloc, &slot);
		if (r == 2)
			return read_symbol_name(file, section.sh_link, slot.symbol, name);
		if (r)
			return r;
	}
	return 1;
}

int elf_plt__target(int fd, uint64_t vaddr, char name[ELF_NAME_MAX])
{
	cleanup_elf_file struct elf_file *file = NULL;
	uint64_t offset, left, slot;
	uint8_t code[ENTRY_SZ];
	int r;

	r = elf_file__open(&file, fd);
	if (r)
		return r;
	if (elf_file__offset_of(file, vaddr, true, &offset, &left))
		return 1;
	if (left > sizeof(code))
		left = sizeof(code);
	r = elf_file__read(file, offset, code, left);
	if (r)
		return r;
	if (decode_jump(code, left, vaddr, &slot))
		return 1;
	return find_slot(file, slot, name);
}

int elf_got__target(int fd, uint64_t slot_vaddr, char name[ELF_NAME_MAX])
{
	cleanup_elf_file struct elf_file *file = NULL;
	int r = elf_file__open(&file, fd);

	return r ? r : find_slot(file, slot_vaddr, name);
}
