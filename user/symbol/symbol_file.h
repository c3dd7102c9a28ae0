/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * One registered file of the symbolizer: its descriptor, and what was learnt from it. Everything
 * but the descriptor and the build-id can be dropped and is learnt again when it is asked for.
 */
#ifndef UNFREED_SYMBOL_SYMBOL_FILE_H
#define UNFREED_SYMBOL_SYMBOL_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/base/table.h"
#include "user/symbol/elf_file.h"

struct debug_servers;
struct log;
struct lines;
struct symtab;

/* What loading a file needs of the symbolizer. */
struct symbol_env {
	size_t max_bytes;		/* of memory for all files */
	struct log *log;
	struct debug_servers *servers;	/* NULL: none are asked */
};

/* (device, inode); the bytes are compared, so pad is zero. */
struct file_key {
	uint64_t ino;
	uint32_t dev;
	uint32_t pad;
};

struct symbol_file {
	struct file_key key;
	struct symbol_file *newer, *older;	/* the symbolizer's list */
	int fd;				/* negative: remembered as no use, and all below is empty */
	bool is_missing;		/* no use because nothing was found by path: `tried` */
	uint64_t tried;			/* a hash of the path and build-id that led nowhere */
	char *path;			/* NULL: unknown */
	uint8_t build_id[ELF_BUILD_ID_MAX];
	size_t build_id_sz;
	bool keeps_debug_fd;		/* debug_fd is not learnt: it may not be found again */
	bool is_noted;			/* that it has no names was said */

	/* Learnt: */
	bool is_loaded;
	int debug_fd;			/* the debug file, or unpacked .gnu_debugdata; or -1 */
	bool awaits_server;		/* for its debug file: to be loaded again */
	bool has_symtab;		/* more than .dynsym */
	bool has_lines;			/* not known to have none */
	size_t memfd_bytes;		/* of unpacked .gnu_debugdata */
	struct elf_segment *segments;
	size_t n_segments;
	struct symtab *symtab;
	struct lines *lines;
	struct table answers;		/* struct answer by offset */
	size_t answers_bytes;		/* of their strings */
};

/* What a lookup gave; both strings NULL: nothing. */
struct answer {
	uint64_t offset;
	char *function;
	char *file;
	uint32_t line;
};

/* Takes fd in every case. 0; 1: no usable ELF file; -ENOMEM. */
int symbol_file__new(struct symbol_file **out, const struct file_key *key, int fd,
		     const char *path);
/* One that only remembers that there is nothing; NULL: no memory. */
struct symbol_file *symbol_file__new_unusable(const struct file_key *key);
struct symbol_file *symbol_file__free(struct symbol_file *file);

/* Looks for the debug file below the root of a process that maps the file, and keeps it. 0 or -ENOMEM. */
int symbol_file__find_debug(struct symbol_file *file, int root_fd);

/* The answer for an offset, looked up if it is not known yet; *out is the file's until anything
 * else is asked or dropped. 0 or -ENOMEM. */
int symbol_file__ask(struct symbol_file *file, uint64_t offset, const struct symbol_env *env,
		     const struct answer **out);

void symbol_file__drop_answers(struct symbol_file *file);
void symbol_file__drop(struct symbol_file *file);	/* all that was learnt */
size_t symbol_file__bytes(const struct symbol_file *file);	/* of what was learnt */

#endif /* UNFREED_SYMBOL_SYMBOL_FILE_H */
