/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * A definition is translated once: each pc becomes a file and an offset by the regions that the
 * process has at that moment (the source sends a definition before the first event that uses it).
 * Stacks of equal content are one, whoever defines them: the two hundred workers of a server cost
 * one set of stacks, and a stack is freed when the last id and the last site that use it are gone.
 *
 * The site id of a stack must be the same on every host and after every restart. It folds, per
 * frame, the build-id (without one: the last part of the path) and the offset. Frames of a
 * runtime's code fold, for each method that they stand for, its name and the index of the bytecode
 * that calls on: neither depends on whether the method is interpreted, compiled or inlined, so one
 * path of calls is one site in all its states of compilation. Other frames without a file (the vdso,
 * code nobody named) fold a marker and their kind only: their addresses differ from run to run.
 *
 * An event whose walk was cut short carries the hash of the frames it saw (bpf/rule.h). Each
 * definition therefore registers the hash of each of its beginnings. That needs the process and the
 * image that the hash began with, both of which the record carries.
 */
#include "user/model/stacks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/rule.h"
#include "user/model/files.h"
#include "user/model/space.h"

#define MARKER_FILE 0x66696c65ull	/* a file without build-id and path */
#define MARKER_NO_FILE 0x6e6f6e65ull
#define MARKER_METHOD 0x6d657468ull
#define BEGINNINGS_PER_STACK 16		/* bounds the beginnings kept: all told, on average */
#define NAMED_FRAMES_PER_STACK 4	/* likewise the frames whose names are kept */

struct counted_stack {
	uint64_t refs;
	uint64_t content;	/* its key in by_content */
	struct stack stack;
};

struct stack_row {
	uint64_t key;
	struct counted_stack *stack;
};

static struct counted_stack *counted(const struct stack *stack)
{
	return (struct counted_stack *)((char *)stack - offsetof(struct counted_stack, stack));
}

static size_t stack_sz(uint32_t n_frames)
{
	return sizeof(struct counted_stack) + n_frames * sizeof(struct frame);
}

void stacks__init(struct stacks *stacks, size_t max)
{
	*stacks = (struct stacks){ .max = max };
	table__init(&stacks->by_content, sizeof(uint64_t), sizeof(struct stack_row));
	method_pool__init(&stacks->methods);
}

void stacks__fini(struct stacks *stacks)
{
	table__fini(&stacks->by_content);
	method_pool__fini(&stacks->methods);
}

static void free_stack(struct counted_stack *s, struct stacks *stacks)
{
	for (uint32_t i = 0; i < s->stack.n_frames; i++)
		methods__unref(s->stack.frames[i].methods, &stacks->methods);
	free(s);
}

const struct stack *stack__ref(const struct stack *stack)
{
	if (stack)
		counted(stack)->refs++;
	return stack;
}

void stack__unref(const struct stack *stack, struct stacks *stacks)
{
	struct counted_stack *s;
	struct stack_row *row;

	if (!stack)
		return;
	s = counted(stack);
	if (--s->refs)
		return;
	row = table__find(&stacks->by_content, &s->content);
	if (row && row->stack == s)
		table__remove(&stacks->by_content, &s->content);
	stacks->bytes -= stack_sz(s->stack.n_frames);
	free_stack(s, stacks);
}

void stack_ids__init(struct stack_ids *ids)
{
	table__init(&ids->by_id, sizeof(uint64_t), sizeof(struct stack_row));
	table__init(&ids->beginnings, sizeof(uint64_t), sizeof(struct stack_row));
	method_frames__init(&ids->methods);
}

void stack_ids__fini(struct stack_ids *ids, struct stacks *stacks)
{
	const struct stack_row *row;
	size_t cursor = 0;

	while ((row = table__next(&ids->by_id, &cursor)))
		stack__unref(&row->stack->stack, stacks);
	stacks->n_ids -= ids->by_id.n;
	stacks->n_beginnings -= ids->beginnings.n;
	table__fini(&ids->by_id);
	table__fini(&ids->beginnings);
	method_frames__fini(&ids->methods, &stacks->methods);
}

void stack__mark_files(const struct stack *stack, uint8_t *used)
{
	uint32_t i;

	for (i = 0; stack && i < stack->n_frames; i++) {
		if (stack->frames[i].file)
			used[stack->frames[i].file->index] = 1;
	}
}

void stack_ids__mark_files(const struct stack_ids *ids, uint8_t *used)
{
	const struct stack_row *row;
	size_t cursor = 0;

	while ((row = table__next(&ids->by_id, &cursor)))
		stack__mark_files(&row->stack->stack, used);
}

const struct stack *stack_ids__find(const struct stack_ids *ids, uint64_t id)
{
	const struct stack_row *row = table__find(&ids->by_id, &id);

	return row ? &row->stack->stack : NULL;
}

const struct stack *stack_ids__find_beginning(const struct stack_ids *ids, uint64_t hash)
{
	const struct stack_row *row = table__find(&ids->beginnings, &hash);

	return row && row->stack ? &row->stack->stack : NULL;
}

/* --- hashes ----------------------------------------------------------------------------------- */

static uint64_t fold_bytes(uint64_t hash, const void *bytes, size_t n)
{
	const uint8_t *p = bytes;
	uint64_t word;
	size_t part;

	hash = stack_hash_fold(hash, n);
	for (; n; n -= part, p += part) {
		part = n < sizeof(word) ? n : sizeof(word);
		word = 0;
		memcpy(&word, p, part);
		hash = stack_hash_fold(hash, word);
	}
	return hash;
}

static uint64_t fold_file(uint64_t hash, const struct file *file)
{
	const char *name;

	if (file->build_id_sz)
		return fold_bytes(hash, file->build_id, file->build_id_sz);
	if (!file->path)
		return stack_hash_fold(hash, MARKER_FILE);
	name = strrchr(file->path, '/');
	name = name ? name + 1 : file->path;
	return fold_bytes(hash, name, strlen(name));
}

static uint64_t fold_methods(uint64_t hash, const struct methods *methods)
{
	for (uint32_t i = 0; i < methods->n; i++) {
		const struct method *m = &methods->list[i];

		hash = stack_hash_fold(hash, MARKER_METHOD);
		hash = fold_bytes(hash, m->function, strlen(m->function));
		hash = stack_hash_fold(hash, (uint64_t)(int64_t)m->bci);
	}
	return hash;
}

/* Frames as a reader counts them: methods, where there are any. */
static uint32_t count_frames(const struct stack *stack)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < stack->n_frames; i++)
		n += stack->frames[i].methods ? stack->frames[i].methods->n : 1;
	return n;
}

static uint64_t site_hash(const struct stack *stack)
{
	uint64_t hash = stack_hash_fold(0, count_frames(stack));
	uint32_t i;

	for (i = 0; i < stack->n_frames; i++) {
		const struct frame *f = &stack->frames[i];

		if (f->methods) {
			hash = fold_methods(hash, f->methods);
			continue;
		}
		hash = stack_hash_fold(hash, f->kind);
		if (f->file)
			hash = stack_hash_fold(fold_file(hash, f->file), f->offset);
		else
			hash = stack_hash_fold(hash, MARKER_NO_FILE);
	}
	return stack_hash_end(hash);
}

uint64_t site_id_of(uint64_t stack_site_id, unsigned int kind)
{
	return stack_hash_end(stack_hash_fold(stack_hash_fold(stack_site_id, kind), 1));
}

static uint64_t content_hash(const struct stack *stack)
{
	uint64_t hash = stack_hash_fold(stack->site_id, stack->end);
	uint32_t i;

	for (i = 0; i < stack->n_frames; i++) {
		const struct frame *f = &stack->frames[i];

		hash = stack_hash_fold(hash, f->file ? f->file->index + 1ull : 0);
		hash = stack_hash_fold(hash, f->offset);
		hash = stack_hash_extra(hash, f->extra[0], f->extra[1]);
	}
	return hash;
}

static bool same_content(const struct stack *a, const struct stack *b)
{
	uint32_t i;

	if (a->n_frames != b->n_frames || a->end != b->end)
		return false;
	for (i = 0; i < a->n_frames; i++) {
		const struct frame *f = &a->frames[i], *g = &b->frames[i];

		if (f->file != g->file || f->offset != g->offset || f->kind != g->kind ||
		    f->extra[0] != g->extra[0] || f->extra[1] != g->extra[1] ||
		    f->methods != g->methods)
			return false;
	}
	return true;
}

/* --- definitions ------------------------------------------------------------------------------ */

static void translate(struct stack *stack, const struct ev_stack *event,
		      const struct files *files, const struct space *space,
		      const struct method_frames *methods)
{
	uint32_t i;

	for (i = 0; i < event->n_frames; i++) {
		const struct ev_frame *from = &event->frames[i];
		struct frame *to = &stack->frames[i];
		const struct region_entry *e;
		/* A return address may lie just behind the last byte that is mapped. */
		uint64_t inside = from->pc - (i && from->pc ? 1 : 0);

		*to = (struct frame){ .offset = from->pc, .kind = from->kind, .innermost = !i,
				      .extra = { from->extra[0], from->extra[1] } };
		to->methods = methods__ref(method_frames__find(methods, from));
		if (to->methods)
			continue;
		e = space ? region_map__at(&space->map, region_map__seek(&space->map, inside)) :
			    NULL;
		if (!e || e->start > inside)
			continue;
		to->file = files__at(files, e->file);
		if (to->file)
			to->offset = (e->file_page << REGION_PAGE_SHIFT) + (from->pc - e->start);
	}
}

/* The stack of that content, with one reference for the caller. */
static int make(struct stacks *stacks, const struct files *files, const struct space *space,
		const struct method_frames *methods, const struct ev_stack *event,
		struct counted_stack **out)
{
	struct counted_stack *s = calloc(1, stack_sz(event->n_frames));
	struct stack_row *row;
	bool is_new;

	if (!s)
		return -ENOMEM;
	s->refs = 1;
	s->stack.id = event->id;
	s->stack.n_frames = event->n_frames;
	s->stack.end = event->end;
	translate(&s->stack, event, files, space, methods);
	s->stack.site_id = site_hash(&s->stack);
	s->content = content_hash(&s->stack);
	row = table__find(&stacks->by_content, &s->content);
	if (row && same_content(&row->stack->stack, &s->stack)) {
		free_stack(s, stacks);
		row->stack->refs++;
		*out = row->stack;
		return 0;
	}
	row = table__insert(&stacks->by_content, &s->content, &is_new);
	if (!row) {
		free_stack(s, stacks);
		return -ENOMEM;
	}
	if (is_new)	/* else two contents share a hash: this one just is not shared */
		row->stack = s;
	stacks->bytes += stack_sz(event->n_frames);
	*out = s;
	return 0;
}

/*
 * The hashes of all beginnings of the stack, as the walker folds them. False when they do not lead
 * to the id on the wire: then the id was made otherwise, and the beginnings mean nothing.
 */
static bool hash_beginnings(const struct ev_stack *event, uint64_t hashes[EV_MAX_FRAMES])
{
	uint64_t hash = stack_hash_begin(event->h.tgid, event->mm_id);
	uint32_t i;

	for (i = 0; i < event->n_frames; i++) {
		const struct ev_frame *f = &event->frames[i];

		hash = stack_hash_fold(hash, f->pc);
		hashes[i] = stack_hash_end(hash);
		if (f->kind != EV_FRAME_NATIVE)
			hash = stack_hash_extra(hash, f->extra[0], f->extra[1]);
	}
	return stack_hash_end(hash) == event->id;
}

static int register_beginnings(struct stack_ids *ids, struct stacks *stacks,
			       const struct ev_stack *event, struct counted_stack *s)
{
	uint64_t hashes[EV_MAX_FRAMES];
	struct stack_row *row;
	uint32_t i;
	bool is_new;

	if (event->end == EV_STACK_BROKEN || !hash_beginnings(event, hashes))
		return 0;
	if (stacks->n_beginnings + event->n_frames > stacks->max * BEGINNINGS_PER_STACK)
		return 1;
	for (i = 0; i < event->n_frames; i++) {
		row = table__insert(&ids->beginnings, &hashes[i], &is_new);
		if (!row)
			return -ENOMEM;
		stacks->n_beginnings += is_new;
		if (is_new)
			row->stack = s;
		else if (row->stack && row->stack->stack.site_id != s->stack.site_id)
			row->stack = NULL;
	}
	return 0;
}

int stack_ids__name(struct stack_ids *ids, struct stacks *stacks, const struct ev_method *event)
{
	return method_frames__learn(&ids->methods, &stacks->methods,
				    stacks->max * NAMED_FRAMES_PER_STACK, event);
}

int stack_ids__define(struct stack_ids *ids, struct stacks *stacks, const struct files *files,
		      const struct space *space, const struct ev_stack *event,
		      const struct stack **out)
{
	struct counted_stack *s;
	struct stack_row *row = table__find(&ids->by_id, &event->id);
	int r;

	if (row) {
		*out = &row->stack->stack;
		return 0;
	}
	if (stacks->n_ids >= stacks->max)
		return 1;
	r = make(stacks, files, space, &ids->methods, event, &s);
	if (r < 0)
		return r;
	row = table__insert(&ids->by_id, &event->id, NULL);
	if (!row) {
		stack__unref(&s->stack, stacks);
		return -ENOMEM;
	}
	row->stack = s;
	stacks->n_ids++;
	*out = &s->stack;
	r = register_beginnings(ids, stacks, event, s);
	return r < 0 ? r : 0;	/* partial events merely find no site */
}
