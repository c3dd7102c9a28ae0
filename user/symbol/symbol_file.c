/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Of the memory that all files may take, one file's functions may take half and its lines the other
 * half; more is left out.
 *
 * A file is loaded at its first question: segments, .dynsym, and the first .symtab there is among
 * its own, its debug file's and the one in .gnu_debugdata. The debug file is looked for when the
 * file lacks .symtab or DWARF. A broken table leaves what could be read; it is noted once and is
 * never an error.
 *
 * Lines come from the file's own line tables, else from its debug file's.
 */
#include "user/symbol/symbol_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/cleanup.h"
#include "user/base/log.h"
#include "user/symbol/debug_servers.h"
#include "user/symbol/debugfile.h"
#include "user/symbol/lines.h"
#include "user/symbol/symbol.h"
#include "user/symbol/symtab.h"

#define BYTES_PER_FUNCTION 16	/* in a symtab */

static void symbol_file__init(struct symbol_file *file, const struct file_key *key)
{
	*file = (struct symbol_file){ .key = *key, .fd = -1, .debug_fd = -1 };
	table__init(&file->answers, sizeof(uint64_t), sizeof(struct answer));
}

struct symbol_file *symbol_file__new_unusable(const struct file_key *key)
{
	struct symbol_file *file = malloc(sizeof(*file));

	if (file)
		symbol_file__init(file, key);
	return file;
}

int symbol_file__new(struct symbol_file **out, const struct file_key *key, int raw_fd,
		     const char *path)
{
	cleanup_elf_file struct elf_file *elf = NULL;
	cleanup_fd int fd = raw_fd;
	struct symbol_file *file;
	int r;

	r = elf_file__open(&elf, fd);
	if (r)
		return r == -ENOMEM ? r : 1;
	file = malloc(sizeof(*file));
	if (!file)
		return -ENOMEM;
	symbol_file__init(file, key);
	file->path = path ? strdup(path) : NULL;
	file->build_id_sz = elf_file__build_id(elf, file->build_id);
	file->fd = steal_fd(&fd);
	*out = file;
	return 0;
}

struct symbol_file *symbol_file__free(struct symbol_file *file)
{
	if (!file)
		return NULL;
	file->keeps_debug_fd = false;
	symbol_file__drop(file);
	if (file->fd >= 0)
		close(file->fd);
	free(file->path);
	free(file);
	return NULL;
}

void symbol_file__drop_answers(struct symbol_file *file)
{
	struct answer *answer;
	size_t cursor = 0;

	while ((answer = table__next(&file->answers, &cursor))) {
		free(answer->function);
		free(answer->file);
	}
	table__fini(&file->answers);
	table__init(&file->answers, sizeof(uint64_t), sizeof(struct answer));
	file->answers_bytes = 0;
}

void symbol_file__drop(struct symbol_file *file)
{
	symbol_file__drop_answers(file);
	file->lines = lines__free(file->lines);
	file->symtab = symtab__free(file->symtab);
	free(file->segments);
	file->segments = NULL;
	file->n_segments = 0;
	if (file->debug_fd >= 0 && !file->keeps_debug_fd) {
		close(file->debug_fd);
		file->debug_fd = -1;
	}
	file->memfd_bytes = 0;
	file->is_loaded = file->awaits_server = false;
}

size_t symbol_file__bytes(const struct symbol_file *file)
{
	return file->answers_bytes + table__bytes(&file->answers) + file->memfd_bytes +
	       file->n_segments * sizeof(*file->segments) +
	       (file->symtab ? symtab__bytes(file->symtab) : 0) +
	       (file->lines ? lines__bytes(file->lines) : 0);
}

static const char *name_of(const struct symbol_file *file)
{
	return file->path ? file->path : "a file without a name";
}

static int add_table(struct symbol_file *file, const struct elf_file *elf, uint32_t type,
		     const struct symbol_env *env)
{
	int r = symtab__add(file->symtab, elf, type, env->max_bytes / 2 / BYTES_PER_FUNCTION);

	if (r < 0 && r != -ENOMEM) {
		log_info(env->log, "%s: a broken %s, some names will be missing", name_of(file),
			 type == SHT_DYNSYM ? ".dynsym" : ".symtab");
		return 0;
	}
	return r;
}

/* The .symtab of the file behind debug_fd. 1: none. */
static int add_debug_table(struct symbol_file *file, const struct symbol_env *env)
{
	cleanup_elf_file struct elf_file *elf = NULL;
	int r = elf_file__open(&elf, file->debug_fd);

	if (r)
		return r == -ENOMEM ? r : 1;
	return add_table(file, elf, SHT_SYMTAB, env);
}

static bool is_whole(const struct elf_file *elf)
{
	GElf_Shdr section;

	return !elf_file__find_section(elf, SHT_SYMTAB, NULL, &section) &&
	       !elf_file__find_section(elf, SHT_PROGBITS, ".debug_line", &section);
}

int symbol_file__find_debug(struct symbol_file *file, int root_fd)
{
	cleanup_elf_file struct elf_file *elf = NULL;
	int r;

	if (file->debug_fd >= 0)
		return 0;
	r = elf_file__open(&elf, file->fd);
	if (!r && !is_whole(elf))
		r = debugfile__find_below(elf, root_fd, file->path, &file->debug_fd);
	file->keeps_debug_fd = file->debug_fd >= 0;
	return r == -ENOMEM ? r : 0;
}

/* Debug file or .gnu_debugdata, as needed. 0 or -ENOMEM. */
static int load_debug(struct symbol_file *file, const struct elf_file *elf,
		      const struct symbol_env *env)
{
	GElf_Shdr section;
	int r;

	if (file->has_symtab && !elf_file__find_section(elf, SHT_PROGBITS, ".debug_line", &section))
		return 0;
	r = file->keeps_debug_fd ?
		    0 : debugfile__find(elf, file->path, env->servers, &file->debug_fd);
	if (r == -ENOMEM)
		return r;
	file->awaits_server = r == 2;
	if (file->has_symtab)
		return 0;
	if (r == 0)
		r = add_debug_table(file, env);
	if (r == 0)
		file->has_symtab = true;
	if (r == 0 || r == -ENOMEM || file->debug_fd >= 0)
		return r < 0 ? r : 0;
	r = debugdata__unpack(elf, &file->debug_fd, &file->memfd_bytes);
	if (r == 0)
		r = add_debug_table(file, env);
	if (r < 0 && r != -ENOMEM)
		log_info(env->log, "%s: a broken .gnu_debugdata, some names will be missing",
			 name_of(file));
	file->has_symtab = r == 0;
	return r == -ENOMEM ? r : 0;
}

static int load(struct symbol_file *file, const struct symbol_env *env)
{
	cleanup_elf_file struct elf_file *elf = NULL;
	size_t sz;
	int r;

	r = symtab__new(&file->symtab);
	if (r)
		return r;
	file->is_loaded = true;
	file->has_lines = true;		/* until they are looked for */
	r = elf_file__open(&elf, file->fd);
	if (r)		/* it was fine when it was registered: it has changed since */
		return r == -ENOMEM ? r : 0;
	sz = elf->n_segments * sizeof(*file->segments);
	file->segments = malloc(sz);
	if (!file->segments)
		return -ENOMEM;
	memcpy(file->segments, elf->segments, sz);
	file->n_segments = elf->n_segments;
	r = add_table(file, elf, SHT_DYNSYM, env);
	if (r < 0)
		return r;
	r = add_table(file, elf, SHT_SYMTAB, env);
	if (r < 0)
		return r;
	file->has_symtab = r == 0;
	r = load_debug(file, elf, env);
	if (r)
		return r;
	symtab__finish(file->symtab);
	return 0;
}

/* Once per file: what would have to be installed for more names. */
static void note_nameless(struct symbol_file *file, struct log *log)
{
	char id[2 * ELF_BUILD_ID_MAX + 1] = "none";

	if (file->is_noted || file->has_symtab)
		return;
	file->is_noted = true;
	for (size_t i = 0; i < file->build_id_sz; i++)
		snprintf(id + 2 * i, 3, "%02x", file->build_id[i]);
	log_debug(log, "%s: functions without names; no debug file with build-id %s was found",
		 name_of(file), id);
}

/* 0, found or not, or -ENOMEM. */
static int find_line(struct symbol_file *file, uint64_t vaddr, const struct symbol_env *env,
		     struct answer *answer)
{
	int r;

	if (!file->has_lines)
		return 0;
	if (!file->lines) {
		r = lines__new(&file->lines, file->fd, env->max_bytes / 2);
		if (r && r != -ENOMEM && file->debug_fd >= 0)
			r = lines__new(&file->lines, file->debug_fd, env->max_bytes / 2);
		if (r) {
			file->has_lines = false;
			return r == -ENOMEM ? r : 0;
		}
	}
	r = lines__find(file->lines, vaddr, &answer->file, &answer->line);
	return r == -ENOMEM ? r : 0;
}

static int look_up(struct symbol_file *file, const struct symbol_env *env, struct answer *answer)
{
	char name[ELF_NAME_MAX];
	uint64_t vaddr;
	int r;

	if (elf_segments__vaddr_of(file->segments, file->n_segments, answer->offset, &vaddr))
		return 0;
	r = symtab__find(file->symtab, vaddr, name);
	if (r == -ENOMEM)
		return r;
	if (r == 0) {
		answer->function = demangle(name);
		if (!answer->function)
			return -ENOMEM;
	} else {
		note_nameless(file, env->log);
	}
	return find_line(file, vaddr, env, answer);
}

int symbol_file__ask(struct symbol_file *file, uint64_t offset, const struct symbol_env *env,
		     const struct answer **out)
{
	struct answer *entry, answer = { .offset = offset };
	int r;

	if (file->awaits_server && debug_servers__are_ready(env->servers))
		symbol_file__drop(file);
	entry = table__find(&file->answers, &offset);
	if (entry) {
		*out = entry;
		return 0;
	}
	if (!file->is_loaded) {
		r = load(file, env);
		if (r) {
			symbol_file__drop(file);
			return r;
		}
	}
	r = look_up(file, env, &answer);
	entry = r ? NULL : table__insert(&file->answers, &offset, NULL);
	if (!entry) {
		free(answer.function);
		free(answer.file);
		return r ? r : -ENOMEM;
	}
	*entry = answer;
	file->answers_bytes += (answer.function ? strlen(answer.function) + 1 : 0) +
			       (answer.file ? strlen(answer.file) + 1 : 0);
	*out = entry;
	return 0;
}
