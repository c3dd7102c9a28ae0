/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * .gnu_debugdata is an ELF file with only a .symtab, packed by xz. libdwfl would unpack it, into as
 * much memory as it takes; a hostile megabyte takes 7 GB. So liblzma does it for us within bounds. Its
 * one function that we need is found at run time, which spares a library to build and install; systems
 * with such files have it. The result goes to a memfd, to be read as any other file.
 */
#include "user/symbol/debugfile.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "user/base/cleanup.h"
#include "user/base/error.h"

#define MAX_PACKED_SZ (16u << 20)	/* bytes; libxul's are 3 MB */
#define MAX_UNPACKED_SZ (64u << 20)
#define MAX_DECODER_SZ (80ull << 20)	/* of memory in the decoder: xz -9 needs 65 MB */

/* lzma_stream_buffer_decode() of liblzma 5 (lzma/container.h); lzma_ret 0 is LZMA_OK. */
typedef int (*lzma_decode_fn)(uint64_t *memory_limit, uint32_t flags, const void *allocator,
			      const uint8_t *in, size_t *in_at, size_t in_sz, uint8_t *out,
			      size_t *out_at, size_t out_sz);

static int write_memfd(const uint8_t *buf, size_t sz, int *out)
{
	cleanup_fd int fd = memfd_create("debugdata", MFD_CLOEXEC);
	size_t done = 0;
	ssize_t n;

	if (fd < 0)
		return negative_errno();
	while (done < sz) {
		n = write(fd, buf + done, sz - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return negative_errno();
		done += n;
	}
	*out = steal_fd(&fd);
	return 0;
}

static lzma_decode_fn find_decoder(void)
{
	void *library = dlopen("liblzma.so.5", RTLD_NOW | RTLD_NODELETE);

	return library ? (lzma_decode_fn)dlsym(library, "lzma_stream_buffer_decode") : NULL;
}

int debugdata__unpack(const struct elf_file *file, int *fd, size_t *sz)
{
	cleanup_free uint8_t *packed = NULL;
	uint64_t memory_limit = MAX_DECODER_SZ;
	size_t packed_at = 0;
	GElf_Shdr section;
	lzma_decode_fn decode;
	uint8_t *unpacked;
	int r;

	r = elf_file__find_section(file, SHT_PROGBITS, ".gnu_debugdata", &section);
	if (r)
		return r;
	decode = section.sh_size <= MAX_PACKED_SZ ? find_decoder() : NULL;
	if (!decode)
		return 1;
	packed = malloc(section.sh_size + 1);
	if (!packed)
		return -ENOMEM;
	r = elf_file__read(file, section.sh_offset, packed, section.sh_size);
	if (r)
		return r;
	/* How much it will be is unknown: room for the most, and only what is used is taken. */
	unpacked = mmap(NULL, MAX_UNPACKED_SZ, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (unpacked == MAP_FAILED)
		return negative_errno();
	*sz = 0;
	r = decode(&memory_limit, 0, NULL, packed, &packed_at, section.sh_size, unpacked, sz,
		   MAX_UNPACKED_SZ);
	r = r ? -EBADMSG : write_memfd(unpacked, *sz, fd);
	munmap(unpacked, MAX_UNPACKED_SZ);
	return r;
}
