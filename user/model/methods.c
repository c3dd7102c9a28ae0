/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* One block per set of names: the count of references, the methods, their text. */
#include "user/model/methods.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/rule.h"

struct counted_methods {
	uint64_t refs;
	uint64_t content;	/* its key in by_content */
	size_t sz;
	struct methods methods;
};

struct pool_row {
	uint64_t content;
	struct counted_methods *methods;
};

struct frame_row {
	uint64_t pc, extra[2];
	struct counted_methods *methods;
	uint64_t told_ns;
};

#define TOLD_AGAIN_NS 60000000000ull	/* the source's 30 s, and then some */
#define FRAME_KEY_SZ offsetof(struct frame_row, methods)

static struct counted_methods *counted(const struct methods *methods)
{
	return (struct counted_methods *)((char *)methods - offsetof(struct counted_methods, methods));
}

void method_pool__init(struct method_pool *pool)
{
	*pool = (struct method_pool){};
	table__init(&pool->by_content, sizeof(uint64_t), sizeof(struct pool_row));
}

void method_pool__fini(struct method_pool *pool)
{
	table__fini(&pool->by_content);
}

const struct methods *methods__ref(const struct methods *methods)
{
	if (methods)
		counted(methods)->refs++;
	return methods;
}

void methods__unref(const struct methods *methods, struct method_pool *pool)
{
	struct counted_methods *m;
	struct pool_row *row;

	if (!methods)
		return;
	m = counted(methods);
	if (--m->refs)
		return;
	row = table__find(&pool->by_content, &m->content);
	if (row && row->methods == m)
		table__remove(&pool->by_content, &m->content);
	pool->bytes -= m->sz;
	free(m);
}

void method_frames__init(struct method_frames *frames)
{
	table__init(&frames->by_frame, FRAME_KEY_SZ, sizeof(struct frame_row));
}

void method_frames__fini(struct method_frames *frames, struct method_pool *pool)
{
	const struct frame_row *row;
	size_t cursor = 0;

	while ((row = table__next(&frames->by_frame, &cursor)))
		methods__unref(&row->methods->methods, pool);
	pool->n_frames -= frames->by_frame.n;
	table__fini(&frames->by_frame);
}

const struct methods *method_frames__find(const struct method_frames *frames,
					  const struct ev_frame *frame)
{
	struct frame_row key = { .pc = frame->pc, .extra = { frame->extra[0], frame->extra[1] } };
	const struct frame_row *row = table__find(&frames->by_frame, &key);

	return row ? &row->methods->methods : NULL;
}

/* --- making ----------------------------------------------------------------------------------- */

/* Copies n bytes as a string to *to, which advances. */
static const char *take_string(char **to, const char **from, size_t n)
{
	const char *s = *to;

	memcpy(*to, *from, n);
	(*to)[n] = '\0';
	*to += n + 1;
	*from += n;
	return s;
}

static struct counted_methods *copy(const struct ev_method *event)
{
	const char *from = (const char *)&event->names[event->n_names];
	size_t sz = sizeof(struct counted_methods) + event->n_names * sizeof(struct method);
	struct counted_methods *m;
	char *to;

	for (uint32_t i = 0; i < event->n_names; i++)
		sz += event->names[i].function_sz + event->names[i].file_sz + 2u;
	m = calloc(1, sz);
	if (!m)
		return NULL;
	m->sz = sz;
	m->refs = 1;
	m->methods.n = event->n_names;
	to = (char *)&m->methods.list[event->n_names];
	for (uint32_t i = 0; i < event->n_names; i++) {
		const struct ev_method_name *name = &event->names[i];
		struct method *method = &m->methods.list[i];

		method->function = take_string(&to, &from, name->function_sz);
		method->file = take_string(&to, &from, name->file_sz);
		method->line = name->line;
		method->bci = name->bci;
		method->kind = name->kind;
	}
	return m;
}

static uint64_t hash_content(const struct ev_method *event)
{
	const uint64_t *words = (const uint64_t *)&event->n_names;
	size_t n = (event->h.size - offsetof(struct ev_method, n_names)) / sizeof(*words);
	uint64_t hash = 0;

	for (size_t i = 0; i < n; i++)
		hash = stack_hash_fold(hash, words[i]);
	return hash;
}

static bool same(const struct methods *a, const struct methods *b)
{
	if (a->n != b->n)
		return false;
	for (uint32_t i = 0; i < a->n; i++) {
		const struct method *x = &a->list[i], *y = &b->list[i];

		if (x->line != y->line || x->bci != y->bci || x->kind != y->kind ||
		    strcmp(x->function, y->function) != 0 || strcmp(x->file, y->file) != 0)
			return false;
	}
	return true;
}

/* The names of that content, with one reference for the caller; NULL: no memory. */
static struct counted_methods *make(struct method_pool *pool, const struct ev_method *event)
{
	struct counted_methods *m = copy(event);
	struct pool_row *row;
	bool is_new;

	if (!m)
		return NULL;
	m->content = hash_content(event);
	row = table__insert(&pool->by_content, &m->content, &is_new);
	if (!row) {
		free(m);
		return NULL;
	}
	if (!is_new && same(&row->methods->methods, &m->methods)) {
		free(m);
		row->methods->refs++;
		return row->methods;
	}
	if (is_new)	/* else two contents share a hash: this one just is not shared */
		row->methods = m;
	pool->bytes += m->sz;
	return m;
}

/* Drops what the source would tell again: such names are only in the way. */
static void drop_old(struct method_frames *frames, struct method_pool *pool, uint64_t now_ns)
{
	struct frame_row *row, old[64];
	size_t cursor, n;

	do {
		n = cursor = 0;
		while (n < 64 && (row = table__next(&frames->by_frame, &cursor)))
			if (now_ns - row->told_ns > TOLD_AGAIN_NS)
				old[n++] = *row;
		for (size_t i = 0; i < n; i++) {
			table__remove(&frames->by_frame, &old[i]);
			methods__unref(&old[i].methods->methods, pool);
		}
		pool->n_frames -= n;
	} while (n == 64);
}

int method_frames__learn(struct method_frames *frames, struct method_pool *pool, size_t max,
			 const struct ev_method *event)
{
	struct frame_row key = { .pc = event->pc, .extra = { event->extra[0], event->extra[1] } };
	struct frame_row *row = table__find(&frames->by_frame, &key);
	struct counted_methods *m;

	if (!row && pool->n_frames >= max)
		drop_old(frames, pool, event->h.time_ns);
	if (!row && pool->n_frames >= max)
		return 1;
	m = make(pool, event);
	if (!m)
		return -ENOMEM;
	if (row) {
		methods__unref(&row->methods->methods, pool);
	} else {
		row = table__insert(&frames->by_frame, &key, NULL);
		if (!row) {
			methods__unref(&m->methods, pool);
			return -ENOMEM;
		}
		pool->n_frames++;
	}
	row->methods = m;
	row->told_ns = event->h.time_ns;
	return 0;
}
