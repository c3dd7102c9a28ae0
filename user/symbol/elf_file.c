/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * libelf parses the file header, the program headers and the section headers. The contents of
 * sections we read ourselves with pread(), in pieces, after checking them against the size of the
 * file: libelf would allocate whatever a section header claims. Files of the other byte order are
 * refused, since no process of this machine runs them.
 */
#include "user/symbol/elf_file.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "user/base/cleanup.h"
#include "user/base/error.h"

#define MAX_PROGRAM_HEADERS 4096
#define MAX_NOTES_SZ 65536	/* bytes of one note segment or section that are looked at */

static bool range_fits(uint64_t start, uint64_t len, uint64_t limit)
{
	uint64_t end;

	return !__builtin_add_overflow(start, len, &end) && end <= limit;
}

int elf_read(int fd, uint64_t offset, void *buf, size_t sz)
{
	size_t done = 0;
	ssize_t n;

	if (!range_fits(offset, sz, INT64_MAX))
		return -EBADMSG;
	while (done < sz) {
		n = pread(fd, (char *)buf + done, sz - done, (off_t)(offset + done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return negative_errno();
		if (n == 0)
			return -EBADMSG;
		done += n;
	}
	return 0;
}

static int read_segments(struct elf_file *file)
{
	GElf_Phdr phdr;
	uint64_t end;
	size_t n;

	if (elf_getphdrnum(file->elf, &n) < 0 || n > MAX_PROGRAM_HEADERS)
		return -EBADMSG;
	for (size_t i = 0; i < n; i++) {
		if (!gelf_getphdr(file->elf, i, &phdr))
			return -EBADMSG;
		if (phdr.p_type != PT_LOAD)
			continue;
		if (__builtin_add_overflow(phdr.p_vaddr, phdr.p_filesz, &end) ||
		    __builtin_add_overflow(phdr.p_offset, phdr.p_filesz, &end))
			return -EBADMSG;
		if (file->n_segments == ELF_MAX_SEGMENTS)
			return -EBADMSG;
		file->segments[file->n_segments++] = (struct elf_segment){
			.offset = phdr.p_offset,
			.vaddr = phdr.p_vaddr,
			.filesz = phdr.p_filesz,
			.executable = phdr.p_flags & PF_X,
		};
	}
	return file->n_segments ? 0 : -EBADMSG;
}

/*
 * What must be known before libelf sees the file: it has magic, our byte order, and no more
 * sections than we allow. libelf allocates some 300 bytes for each of up to 2^32 of them, which a
 * sparse file can claim in the first section header when e_shnum is 0.
 */
static int check_header(int fd)
{
	union {
		unsigned char ident[EI_NIDENT];
		Elf32_Ehdr e32;
		Elf64_Ehdr e64;
	} ehdr = {0};
	union {
		Elf32_Shdr s32;
		Elf64_Shdr s64;
	} first;
	bool is_64;
	uint64_t n;
	int r;

	r = elf_read(fd, 0, ehdr.ident, SELFMAG);
	if (r)
		return r == -EBADMSG ? 1 : r;
	if (memcmp(ehdr.ident, ELFMAG, SELFMAG))
		return 1;
	r = elf_read(fd, 0, ehdr.ident, sizeof(ehdr.e32));
	if (r)
		return r;
	is_64 = ehdr.ident[EI_CLASS] == ELFCLASS64;
	if (!is_64 && ehdr.ident[EI_CLASS] != ELFCLASS32)
		return -EBADMSG;
	if (ehdr.ident[EI_DATA] != (__BYTE_ORDER == __LITTLE_ENDIAN ? ELFDATA2LSB : ELFDATA2MSB))
		return 1;
	if (is_64)
		r = elf_read(fd, 0, &ehdr, sizeof(ehdr.e64));
	if (r)
		return r;
	if ((is_64 ? ehdr.e64.e_shnum : ehdr.e32.e_shnum) ||
	    (is_64 ? ehdr.e64.e_shoff : ehdr.e32.e_shoff) == 0)
		return 0;
	r = elf_read(fd, is_64 ? ehdr.e64.e_shoff : ehdr.e32.e_shoff, &first,
			 is_64 ? sizeof(first.s64) : sizeof(first.s32));
	if (r)
		return r;
	n = is_64 ? first.s64.sh_size : first.s32.sh_size;
	return n > ELF_MAX_SECTIONS ? -EBADMSG : 0;
}

int elf_file__open(struct elf_file **out, int fd)
{
	cleanup_elf_file struct elf_file *file = NULL;
	struct stat st;
	GElf_Ehdr ehdr;
	int r;

	if (fstat(fd, &st) < 0)
		return negative_errno();
	if (!S_ISREG(st.st_mode))
		return 1;
	r = check_header(fd);
	if (r)
		return r;

	file = calloc(1, sizeof(*file));
	if (!file)
		return -ENOMEM;
	file->fd = fd;
	file->size = st.st_size;
	if (elf_version(EV_CURRENT) == EV_NONE)
		return -EBADMSG;
	file->elf = elf_begin(fd, ELF_C_READ, NULL);
	if (!file->elf || elf_kind(file->elf) != ELF_K_ELF || !gelf_getehdr(file->elf, &ehdr))
		return -EBADMSG;
	if (ehdr.e_type != ET_EXEC && ehdr.e_type != ET_DYN)
		return 1;
	file->machine = ehdr.e_machine;
	file->is_64 = gelf_getclass(file->elf) == ELFCLASS64;
	r = read_segments(file);
	if (r)
		return r;
	*out = steal_ptr(&file);
	return 0;
}

struct elf_file *elf_file__free(struct elf_file *file)
{
	if (!file)
		return NULL;
	elf_end(file->elf);
	free(file);
	return NULL;
}

int elf_segments__vaddr_of(const struct elf_segment *segments, size_t n_segments, uint64_t offset,
			   uint64_t *vaddr)
{
	const struct elf_segment *found = NULL;

	for (size_t i = 0; i < n_segments; i++) {
		const struct elf_segment *s = &segments[i];

		if (offset < s->offset || offset - s->offset >= s->filesz)
			continue;
		if (!found || (s->executable && !found->executable))
			found = s;
	}
	if (!found)
		return 1;
	*vaddr = found->vaddr + (offset - found->offset);
	return 0;
}

int elf_file__offset_of(const struct elf_file *file, uint64_t vaddr, bool executable,
			uint64_t *offset, uint64_t *left)
{
	for (size_t i = 0; i < file->n_segments; i++) {
		const struct elf_segment *s = &file->segments[i];

		if (vaddr < s->vaddr || vaddr - s->vaddr >= s->filesz ||
		    (executable && !s->executable))
			continue;
		*offset = s->offset + (vaddr - s->vaddr);
		if (left)
			*left = s->filesz - (vaddr - s->vaddr);
		return 0;
	}
	return 1;
}

int elf_file__read(const struct elf_file *file, uint64_t offset, void *buf, size_t sz)
{
	if (!range_fits(offset, sz, file->size))
		return -EBADMSG;
	return elf_read(file->fd, offset, buf, sz);
}

int elf_read_name(int fd, uint64_t names_offset, uint64_t names_sz, uint64_t at, char *buf,
		  size_t sz)
{
	size_t n;
	int r;

	if (at >= names_sz || !range_fits(names_offset, names_sz, INT64_MAX))
		return -EBADMSG;
	/* Most names are short: 128 bytes first, all that fits if there is no end in them. */
	for (n = sz < 128 ? sz : 128;; n = sz) {
		if (n > names_sz - at)
			n = names_sz - at;
		r = elf_read(fd, names_offset + at, buf, n);
		if (r)
			return r;
		if (memchr(buf, '\0', n))
			return buf[0] ? 0 : 1;
		if (n == sz)
			return 1;
		if (n == names_sz - at)
			return -EBADMSG;
	}
}

/* The build-id among the notes in `data`, which libelf has laid out as notes. */
static size_t find_build_id(Elf_Data *data, uint8_t id[ELF_BUILD_ID_MAX])
{
	size_t at = 0, next, name, desc;
	GElf_Nhdr note;

	while ((next = gelf_getnote(data, at, &note, &name, &desc)) > at) {
		if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == sizeof("GNU") &&
		    !memcmp((char *)data->d_buf + name, "GNU", sizeof("GNU")) &&
		    note.n_descsz > 0 && note.n_descsz <= ELF_BUILD_ID_MAX) {
			memcpy(id, (char *)data->d_buf + desc, note.n_descsz);
			return note.n_descsz;
		}
		at = next;
	}
	return 0;
}

static size_t build_id_at(const struct elf_file *file, uint64_t offset, uint64_t sz, uint64_t align,
			  uint8_t id[ELF_BUILD_ID_MAX])
{
	Elf_Data *data;

	if (sz > MAX_NOTES_SZ || !range_fits(offset, sz, file->size))
		return 0;
	data = elf_getdata_rawchunk(file->elf, (int64_t)offset, sz,
				    align == 8 ? ELF_T_NHDR8 : ELF_T_NHDR);
	return data ? find_build_id(data, id) : 0;
}

size_t elf_file__build_id(const struct elf_file *file, uint8_t id[ELF_BUILD_ID_MAX])
{
	size_t n_headers, n_sections, n;
	GElf_Phdr phdr;
	GElf_Shdr shdr;

	if (elf_getphdrnum(file->elf, &n_headers) < 0 || n_headers > MAX_PROGRAM_HEADERS)
		n_headers = 0;
	for (size_t i = 0; i < n_headers; i++) {
		if (!gelf_getphdr(file->elf, i, &phdr) || phdr.p_type != PT_NOTE)
			continue;
		n = build_id_at(file, phdr.p_offset, phdr.p_filesz, phdr.p_align, id);
		if (n)
			return n;
	}
	/* Debug files may keep the program headers of the file they were split from. */
	if (elf_getshdrnum(file->elf, &n_sections) < 0 || n_sections > ELF_MAX_SECTIONS)
		return 0;
	for (size_t i = 1; i < n_sections; i++) {
		if (elf_file__section(file, i, &shdr) || shdr.sh_type != SHT_NOTE)
			continue;
		n = build_id_at(file, shdr.sh_offset, shdr.sh_size, shdr.sh_addralign, id);
		if (n)
			return n;
	}
	return 0;
}

int elf_file__section(const struct elf_file *file, size_t index, GElf_Shdr *out)
{
	Elf_Scn *section = elf_getscn(file->elf, index);

	if (!section || !gelf_getshdr(section, out))
		return -EBADMSG;
	if (out->sh_type != SHT_NOBITS && !range_fits(out->sh_offset, out->sh_size, file->size))
		return -EBADMSG;
	return 0;
}

int elf_file__find_section_index(const struct elf_file *file, uint32_t type, const char *name,
				 size_t *index)
{
	GElf_Shdr names = {0}, shdr;
	size_t n, names_index;
	char found[64];

	if (elf_getshdrnum(file->elf, &n) < 0 || n > ELF_MAX_SECTIONS)
		return -EBADMSG;
	if (name && (elf_getshdrstrndx(file->elf, &names_index) < 0 ||
		     elf_file__section(file, names_index, &names)))
		return n ? -EBADMSG : 1;	/* no names: no sections, or a broken header */
	for (size_t i = 1; i < n; i++) {
		Elf_Scn *section = elf_getscn(file->elf, i);

		if (!section || !gelf_getshdr(section, &shdr))
			return -EBADMSG;
		if (type != SHT_NULL && shdr.sh_type != type)
			continue;
		if (name && (elf_read_name(file->fd, names.sh_offset, names.sh_size, shdr.sh_name,
					   found, sizeof(found)) ||
			     strcmp(found, name)))
			continue;
		*index = i;
		return 0;
	}
	return 1;
}

int elf_file__find_section(const struct elf_file *file, uint32_t type, const char *name,
			   GElf_Shdr *out)
{
	size_t index;
	int r = elf_file__find_section_index(file, type, name, &index);

	return r ? r : elf_file__section(file, index, out);
}

bool elf_is_function(const GElf_Sym *symbol)
{
	return GELF_ST_TYPE(symbol->st_info) == STT_FUNC && symbol->st_shndx != SHN_UNDEF &&
	       symbol->st_shndx != SHN_ABS && symbol->st_shndx != SHN_COMMON && symbol->st_value;
}
