/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The cache of files, and its bounds:
 *   - at most max_files keep their descriptors (and each may hold one more, of its debug file); the
 *     least recently used is forgotten, and found again by its path and build-id while that leads
 *     to it;
 *   - what was learnt from all of them takes at most max_bytes: the least recently used file loses
 *     its tables first, but keeps its descriptor, so that it can learn again. The file in use loses
 *     its answers, and if it is too large even so, everything it learnt;
 *   - files that are no use are remembered, so that they are not opened again and again, up to
 *     MAX_UNUSABLE.
 *
 * A kept descriptor also keeps the inode from being given to another file. Where a query names a
 * build-id, a registered file with another one (written over in place) gives no names: a wrong name
 * is worse than none.
 */
#include "user/symbol/symbol.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "user/base/cleanup.h"
#include "user/base/table.h"
#include "user/symbol/debug_servers.h"
#include "user/symbol/debugfile.h"
#include "user/symbol/elf_file.h"
#include "user/symbol/symbol_file.h"

#define DEFAULT_MAX_FILES 256
#define DEFAULT_MAX_BYTES (64u << 20)
#define MAX_UNUSABLE 4096

struct list {
	struct symbol_file *newest, *oldest;
	size_t n;
};

struct symbolizer {
	struct table by_key;		/* struct slot */
	struct list kept, unusable;	/* by use */
	size_t max_files;
	size_t bytes;			/* learnt, of all kept files */
	struct symbol_env env;
};

struct slot {
	struct file_key key;
	struct symbol_file *file;
};

static void list__add(struct list *list, struct symbol_file *file)
{
	file->newer = NULL;
	file->older = list->newest;
	if (list->newest)
		list->newest->newer = file;
	else
		list->oldest = file;
	list->newest = file;
	list->n++;
}

static void list__remove(struct list *list, struct symbol_file *file)
{
	if (file->newer)
		file->newer->older = file->older;
	else
		list->newest = file->older;
	if (file->older)
		file->older->newer = file->newer;
	else
		list->oldest = file->newer;
	list->n--;
}

static struct list *list_of(struct symbolizer *symbolizer, const struct symbol_file *file)
{
	return file->fd >= 0 ? &symbolizer->kept : &symbolizer->unusable;
}

int symbolizer__new(struct symbolizer **out, const struct symbolizer_opts *opts)
{
	struct symbolizer *symbolizer = calloc(1, sizeof(*symbolizer));

	if (!symbolizer)
		return -ENOMEM;
	table__init(&symbolizer->by_key, sizeof(struct file_key), sizeof(struct slot));
	symbolizer->max_files = opts->max_files ? opts->max_files : DEFAULT_MAX_FILES;
	symbolizer->env.max_bytes = opts->max_bytes ? opts->max_bytes : DEFAULT_MAX_BYTES;
	symbolizer->env.log = opts->log;
	if (debug_servers__new(&symbolizer->env.servers, opts->waits, opts->log)) {
		free(symbolizer);
		return -ENOMEM;
	}
	*out = symbolizer;
	return 0;
}

static void forget(struct symbolizer *symbolizer, struct symbol_file *file)
{
	list__remove(list_of(symbolizer, file), file);
	table__remove(&symbolizer->by_key, &file->key);
	symbolizer->bytes -= symbol_file__bytes(file);
	symbol_file__free(file);
}

struct symbolizer *symbolizer__free(struct symbolizer *symbolizer)
{
	if (!symbolizer)
		return NULL;
	while (symbolizer->kept.oldest)
		forget(symbolizer, symbolizer->kept.oldest);
	while (symbolizer->unusable.oldest)
		forget(symbolizer, symbolizer->unusable.oldest);
	table__fini(&symbolizer->by_key);
	debug_servers__free(symbolizer->env.servers);
	free(symbolizer);
	return NULL;
}

static struct symbol_file *find(const struct symbolizer *symbolizer, const struct file_key *key)
{
	const struct slot *slot = table__find(&symbolizer->by_key, key);

	return slot ? slot->file : NULL;
}

/* Takes the file in every case. 0 or -ENOMEM. */
static int insert(struct symbolizer *symbolizer, struct symbol_file *file)
{
	struct list *list = list_of(symbolizer, file);
	size_t max = list == &symbolizer->kept ? symbolizer->max_files : MAX_UNUSABLE;
	struct slot *slot = table__insert(&symbolizer->by_key, &file->key, NULL);

	if (!slot) {
		symbol_file__free(file);
		return -ENOMEM;
	}
	slot->file = file;
	list__add(list, file);
	while (list->n > max)
		forget(symbolizer, list->oldest);
	return 0;
}

static void use(struct symbolizer *symbolizer, struct symbol_file *file)
{
	struct list *list = list_of(symbolizer, file);

	list__remove(list, file);
	list__add(list, file);
}

int symbolizer__add(struct symbolizer *symbolizer, uint32_t dev, uint64_t ino, int raw_fd,
		    const char *path)
{
	struct file_key key = { .dev = dev, .ino = ino };
	struct symbol_file *file = find(symbolizer, &key);
	cleanup_fd int fd = raw_fd;
	int r, result;

	if (file && !file->is_missing)
		return file->fd < 0;
	if (file)
		forget(symbolizer, file);
	result = symbol_file__new(&file, &key, steal_fd(&fd), path);
	if (result < 0)
		return result;
	if (result)
		file = symbol_file__new_unusable(&key);
	r = file ? insert(symbolizer, file) : -ENOMEM;
	return r ? r : result;
}

int symbolizer__add_root(struct symbolizer *symbolizer, uint32_t dev, uint64_t ino, int root_fd)
{
	struct file_key key = { .dev = dev, .ino = ino };
	struct symbol_file *file = find(symbolizer, &key);

	return file && file->fd >= 0 ? symbol_file__find_debug(file, root_fd) : 0;
}

bool symbolizer__has(const struct symbolizer *symbolizer, uint32_t dev, uint64_t ino)
{
	struct file_key key = { .dev = dev, .ino = ino };
	const struct symbol_file *file = find(symbolizer, &key);

	return file && !file->is_missing;
}

bool symbolizer__is_useless(const struct symbolizer *symbolizer, uint32_t dev, uint64_t ino)
{
	struct file_key key = { .dev = dev, .ino = ino };
	const struct symbol_file *file = find(symbolizer, &key);

	return file && file->fd < 0 && !file->is_missing;
}

size_t elf_build_id(int fd, uint8_t id[20])
{
	cleanup_elf_file struct elf_file *file = NULL;

	return elf_file__open(&file, fd) ? 0 : elf_file__build_id(file, id);
}

/* FNV-1a, 64 bits: tells questions apart, no more. */
static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t n)
{
	const uint8_t *p = bytes;

	while (n--)
		hash = (hash ^ *p++) * 0x100000001b3ull;
	return hash;
}

static bool is_wrong_build(const struct symbol_file *file, const struct symbol_query *query)
{
	return query->build_id && query->build_id_sz &&
	       (file->build_id_sz != query->build_id_sz ||
		memcmp(file->build_id, query->build_id, query->build_id_sz));
}

/* Without a build-id to tell, only the very same file will do. */
static bool is_same_inode(int fd, const struct symbol_query *query)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_ino == query->ino &&
	       ((uint32_t)major(st.st_dev) << 20 | minor(st.st_dev)) == query->dev;
}

/* 0 with *out; 1: not there, or not that file; -ENOMEM. */
static int open_by_path(const struct file_key *key, const struct symbol_query *query,
			struct symbol_file **out)
{
	struct symbol_file *file = NULL;
	int fd, r;

	fd = open_regular(query->path);
	if (fd < 0)
		return 1;
	r = symbol_file__new(&file, key, fd, query->path);
	if (r)
		return r;
	if (query->build_id && query->build_id_sz ? is_wrong_build(file, query) :
						    !is_same_inode(file->fd, query)) {
		symbol_file__free(file);
		return 1;
	}
	*out = file;
	return 0;
}

/* The file of a query, registered; NULL in *out: nothing is known. 0 or -ENOMEM. */
static int find_file(struct symbolizer *symbolizer, const struct symbol_query *query,
		     struct symbol_file **out)
{
	struct file_key key = { .dev = query->dev, .ino = query->ino };
	struct symbol_file *file = find(symbolizer, &key);
	uint64_t question = 0xcbf29ce484222325ull;
	int r;

	*out = NULL;
	if (file && !file->is_missing) {
		*out = file->fd >= 0 && !is_wrong_build(file, query) ? file : NULL;
		return 0;
	}
	if (!query->path)
		return 0;
	question = hash_bytes(question, query->path, strlen(query->path) + 1);
	if (query->build_id)
		question = hash_bytes(question, query->build_id, query->build_id_sz);
	if (file && file->tried == question)
		return 0;
	if (file)
		forget(symbolizer, file);
	r = open_by_path(&key, query, &file);
	if (r < 0)
		return r;
	if (r) {
		file = symbol_file__new_unusable(&key);
		if (!file)
			return -ENOMEM;
		file->is_missing = true;
		file->tried = question;
	}
	if (insert(symbolizer, file))
		return -ENOMEM;
	*out = r ? NULL : file;
	return 0;
}

/* `current` has just been used and is the newest. */
static void keep_bounds(struct symbolizer *symbolizer, struct symbol_file *current)
{
	struct symbol_file *file;

	for (file = symbolizer->kept.oldest;
	     file != current && symbolizer->bytes > symbolizer->env.max_bytes; file = file->newer) {
		symbolizer->bytes -= symbol_file__bytes(file);
		symbol_file__drop(file);
		symbolizer->bytes += symbol_file__bytes(file);
	}
	if (symbolizer->bytes <= symbolizer->env.max_bytes)
		return;
	symbolizer->bytes -= symbol_file__bytes(current);
	symbol_file__drop_answers(current);
	if (symbol_file__bytes(current) > symbolizer->env.max_bytes)
		symbol_file__drop(current);
	symbolizer->bytes += symbol_file__bytes(current);
}

static int copy_answer(const struct answer *answer, struct symbol *out)
{
	if (!answer->function && !answer->file)
		return 1;
	out->function = answer->function ? strdup(answer->function) : NULL;
	out->file = answer->file ? strdup(answer->file) : NULL;
	out->line = answer->line;
	if ((answer->function && !out->function) || (answer->file && !out->file)) {
		symbol__fini(out);
		return -ENOMEM;
	}
	return 0;
}

int symbolizer__resolve(struct symbolizer *symbolizer, const struct symbol_query *query,
			struct symbol *out)
{
	const struct answer *answer;
	struct symbol_file *file;
	uint64_t offset = query->offset;
	size_t before;
	int r;

	*out = (struct symbol){0};
	r = find_file(symbolizer, query, &file);
	if (r || !file)
		return r ? r : 1;
	use(symbolizer, file);
	if (query->return_address && offset)
		offset--;
	before = symbol_file__bytes(file);
	r = symbol_file__ask(file, offset, &symbolizer->env, &answer);
	symbolizer->bytes += symbol_file__bytes(file) - before;
	if (!r)
		r = copy_answer(answer, out);
	keep_bounds(symbolizer, file);
	return r;
}

size_t symbolizer__bytes(const struct symbolizer *symbolizer)
{
	return symbolizer->bytes;
}

void symbol__fini(struct symbol *symbol)
{
	free(symbol->function);
	free(symbol->file);
	*symbol = (struct symbol){0};
}
