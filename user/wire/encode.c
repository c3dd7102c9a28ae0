/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Building the records that end in text or an array: the source's side of what decode.c checks. What
 * does not fit is cut; no call writes outside the buffer it was given.
 */
#include "user/wire/decode.h"

#include <string.h>

/* Bytes for trailing text behind `fixed` ones; never more than any record may have. */
static size_t text_room(size_t buf_sz, size_t fixed)
{
	if (buf_sz > EV_MAX_RECORD_SZ)
		buf_sz = EV_MAX_RECORD_SZ;
	return (buf_sz & ~(size_t)7) - fixed;
}

/* Bytes of `s` that fit; takes them off the room. NULL counts as empty. */
static size_t take_room(const char *s, size_t *room)
{
	size_t n = s ? strnlen(s, *room) : 0;

	*room -= n;
	return n;
}

/* Copies into the record at `at`, where take_room() said there is room. */
static size_t put(void *buf, size_t at, const char *s, size_t n)
{
	if (n)
		memcpy((char *)buf + at, s, n);
	return at + n;
}

/* Pads with zeros and fills in what the header says about the whole. */
static size_t finish(void *buf, size_t end, uint16_t type)
{
	struct ev_header *h = buf;
	size_t size = ev_round_up(end);

	memset((char *)buf + end, 0, size - end);
	h->type = type;
	h->size = size;
	return size;
}

size_t ev_write_process(void *buf, size_t buf_sz, const struct ev_process_text *text)
{
	struct ev_process *e = buf;
	size_t room, at = offsetof(struct ev_process, text);

	if (buf_sz < sizeof(*e))
		return 0;
	/* The command line is the one that gets long, so it gets what the others leave. */
	room = text_room(buf_sz, at);
	e->comm_sz = take_room(text->comm, &room);
	e->unit_sz = take_room(text->unit, &room);
	e->runtime_sz = take_room(text->runtime, &room);
	e->cmdline_sz = take_room(text->cmdline, &room);
	at = put(buf, at, text->comm, e->comm_sz);
	at = put(buf, at, text->cmdline, e->cmdline_sz);
	at = put(buf, at, text->unit, e->unit_sz);
	at = put(buf, at, text->runtime, e->runtime_sz);
	return finish(buf, at, EV_PROCESS);
}

size_t ev_write_file(void *buf, size_t buf_sz, const uint8_t *build_id, size_t build_id_sz,
		     const char *path)
{
	struct ev_file *e = buf;
	size_t room, at = offsetof(struct ev_file, path);

	if (buf_sz < sizeof(*e))
		return 0;
	if (build_id_sz > EV_BUILD_ID_MAX)
		build_id_sz = EV_BUILD_ID_MAX;
	memset(e->build_id, 0, sizeof(e->build_id));
	if (build_id_sz)
		memcpy(e->build_id, build_id, build_id_sz);
	e->build_id_sz = build_id_sz;
	room = text_room(buf_sz, at);
	e->path_sz = take_room(path, &room);
	return finish(buf, put(buf, at, path, e->path_sz), EV_FILE);
}

size_t ev_write_note(void *buf, size_t buf_sz, const char *text)
{
	struct ev_note *e = buf;
	size_t room, at = offsetof(struct ev_note, text);

	if (buf_sz < sizeof(*e))
		return 0;
	room = text_room(buf_sz, at);
	e->text_sz = take_room(text, &room);
	return finish(buf, put(buf, at, text, e->text_sz), EV_NOTE);
}

size_t ev_write_group(void *buf, size_t buf_sz, unsigned int kind, const char *path)
{
	struct ev_group *e = buf;
	size_t room, at = offsetof(struct ev_group, path);

	if (buf_sz < sizeof(*e))
		return 0;
	room = text_room(buf_sz, at);
	room = room < EV_GROUP_PATH_MAX ? room : EV_GROUP_PATH_MAX;
	e->kind = kind;
	e->path_sz = take_room(path, &room);
	return finish(buf, put(buf, at, path, e->path_sz), EV_GROUP);
}

size_t ev_write_name(void *buf, size_t buf_sz, const char *function, const char *file)
{
	struct ev_name *e = buf;
	size_t room, both, at = offsetof(struct ev_name, text);

	if (buf_sz < sizeof(*e))
		return 0;
	both = text_room(buf_sz, at);
	room = both < EV_NAME_TEXT_MAX ? both : EV_NAME_TEXT_MAX;
	e->function_sz = take_room(function, &room);
	both -= e->function_sz;
	room = both < EV_NAME_TEXT_MAX ? both : EV_NAME_TEXT_MAX;
	e->file_sz = take_room(file, &room);
	at = put(buf, at, function, e->function_sz);
	return finish(buf, put(buf, at, file, e->file_sz), EV_NAME);
}

size_t ev_write_method(void *buf, size_t buf_sz, const struct ev_method_text *names, size_t n)
{
	struct ev_method *e = buf;
	size_t fixed, room, at;

	if (n > EV_MAX_METHOD_NAMES)
		n = EV_MAX_METHOD_NAMES;
	fixed = sizeof(*e) + n * sizeof(e->names[0]);
	if (!n || buf_sz < fixed)
		return 0;
	room = text_room(buf_sz, fixed);
	at = fixed;
	e->n_names = (__u32)n;
	e->pad = 0;
	for (size_t i = 0; i < n; i++) {
		struct ev_method_name *name = &e->names[i];

		*name = (struct ev_method_name){
			.line = names[i].line,
			.bci = names[i].bci,
			.kind = names[i].kind,
		};
		name->function_sz = (__u16)take_room(names[i].function, &room);
		name->file_sz = (__u16)take_room(names[i].file, &room);
		at = put(buf, at, names[i].function, name->function_sz);
		at = put(buf, at, names[i].file, name->file_sz);
	}
	return finish(buf, at, EV_METHOD);
}
