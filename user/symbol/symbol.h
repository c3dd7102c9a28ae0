/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * From (file, offset) to names, with elfutils: .symtab, .dynsym, separate debug files by build-id,
 * debuglink and from debuginfod servers, C++ and Rust demangled. Files are hostile: a broken one yields no name and one
 * note, never an error of the program.
 *
 * A file is registered while a process that maps it lives (its fd is kept), so that names are had
 * after the process is gone, from another mount namespace, or once the file was deleted. The
 * number of kept files and the bytes of names are bounded; the least recently used go first.
 */
#ifndef UNFREED_SYMBOL_SYMBOL_H
#define UNFREED_SYMBOL_SYMBOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct log;
struct symbolizer;

struct symbolizer_opts {
	size_t max_files;	/* kept open, each with up to two descriptors; 0: a default */
	size_t max_bytes;	/* of cached names; 0: a default */
	bool waits;		/* for debuginfod servers, within bounds; else their names come
				 * with a later question */
	struct log *log;	/* borrowed; NULL: no notes about files without names */
};

int symbolizer__new(struct symbolizer **out, const struct symbolizer_opts *opts);
struct symbolizer *symbolizer__free(struct symbolizer *symbolizer);

/*
 * Registers a file under (dev, ino). Takes ownership of `fd` in every case. Does nothing when the
 * file is registered already. Returns 0, 1 when it is no usable ELF file (remembered, so that it is
 * not tried again), or -ENOMEM.
 */
int symbolizer__add(struct symbolizer *symbolizer, uint32_t dev, uint64_t ino, int fd,
		    const char *path);
/* Looks for the debug file of a registered file where a process with another root than ours has it, and
 * keeps it: it may be gone with the process. root_fd stays the caller's. 0 or -ENOMEM. */
int symbolizer__add_root(struct symbolizer *symbolizer, uint32_t dev, uint64_t ino, int root_fd);
/* True when it was registered and is no usable ELF file. */
bool symbolizer__is_useless(const struct symbolizer *symbolizer, uint32_t dev, uint64_t ino);
bool symbolizer__has(const struct symbolizer *symbolizer, uint32_t dev, uint64_t ino);

/* The build-id of an ELF file: its length (1..20) and bytes in id[20]; 0: it has none, or it is
 * not ELF. Reads through fd, which stays the caller's. */
size_t elf_build_id(int fd, uint8_t id[20]);

struct symbol {
	char *function;		/* demangled, see demangle(); NULL: unknown */
	char *file;		/* source file; NULL: no line information */
	uint32_t line;
};
void symbol__fini(struct symbol *symbol);

struct symbol_query {
	uint32_t dev;
	uint64_t ino;
	const char *path;	/* tried when (dev, ino) is not registered; may be NULL */
	const uint8_t *build_id;	/* another file than this gives no names; NULL:
					 * what path leads to must be (dev, ino) */
	size_t build_id_sz;
	uint64_t offset;	/* in the file */
	bool return_address;	/* look up offset - 1: the call, not what follows it */
};

/* Returns 0 with *out, its members the caller's to free by symbol__fini(); 1 when nothing is known
 * (*out zeroed); -ENOMEM. */
int symbolizer__resolve(struct symbolizer *symbolizer, const struct symbol_query *query,
			struct symbol *out);

/* Bytes of memory held in names and tables of functions, which max_bytes bounds. */
size_t symbolizer__bytes(const struct symbolizer *symbolizer);

/*
 * Demangles C++ and Rust names, without the parameters of the function (`kafka::Log::recover`),
 * but with those that are part of a name and with template arguments; what is too long to demangle,
 * and any other name, is copied. Returns a new string or NULL: no memory.
 */
char *demangle(const char *name);

#endif /* UNFREED_SYMBOL_SYMBOL_H */
