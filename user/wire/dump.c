/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Prints a record by its table of fields. All text is hostile: it is quoted, and escaped to ASCII. */
#include "user/wire/dump.h"

#include <inttypes.h>
#include <string.h>

#include "user/wire/decode.h"
#include "user/wire/dump_fields.h"

static void add_quoted(struct text *text, const char *s, size_t n)
{
	text__add(text, "\"");
	for (size_t i = 0; i < n; i++) {
		uint8_t c = (uint8_t)s[i];

		if (c == '"' || c == '\\')
			text__addf(text, "\\%c", c);
		else if (c >= ' ' && c < 0x7f)
			text__add_n(text, s + i, 1);
		else
			text__addf(text, "\\x%02x", c);
	}
	text__add(text, "\"");
}

static void add_hex_bytes(struct text *text, const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		text__addf(text, "%02x", bytes[i]);
}

static void add_list(struct text *text, const void *base, const struct field *field)
{
	size_t n = field->size / sizeof(uint64_t);

	while (n && !field_get(base, field->at + 8 * (n - 1), 8))
		n--;
	for (size_t i = 0; i < n; i++) {
		uint64_t value = field_get(base, field->at + 8 * i, 8);

		text__add(text, i ? "," : "");
		if (field->kind == FIELD_HEX_LIST)
			text__addf(text, "0x%" PRIx64, value);
		else if (value == UINT64_MAX)
			text__add(text, "-");
		else
			text__addf(text, "%" PRIu64, value);
	}
}

static void add_frames(struct text *text, const struct ev_stack *stack)
{
	for (uint32_t i = 0; i < stack->n_frames; i++) {
		const struct ev_frame *f = &stack->frames[i];

		text__addf(text, "%s0x%llx", i ? "," : "", f->pc);
		if (f->kind || f->extra[0] || f->extra[1])
			text__addf(text, ":%u:0x%llx:0x%llx", f->kind, f->extra[0], f->extra[1]);
	}
}

static void add_methods(struct text *text, const struct ev_method *method)
{
	const char *s = (const char *)&method->names[method->n_names];

	for (uint32_t i = 0; i < method->n_names; i++) {
		const struct ev_method_name *name = &method->names[i];

		text__addf(text, "%s%u:%u:%d:", i ? "," : "", name->kind, name->line, name->bci);
		add_quoted(text, s, name->function_sz);
		s += name->function_sz;
		text__add(text, ":");
		add_quoted(text, s, name->file_sz);
		s += name->file_sz;
	}
}

/* Bytes of a string that need not be terminated. */
static size_t chars_n(const void *base, const struct field *field)
{
	return strnlen((const char *)base + field->at, field->size);
}

static bool is_empty(const void *base, const struct field *field)
{
	switch (field->kind) {
	case FIELD_LIST:
	case FIELD_HEX_LIST:
		for (size_t i = 0; i < field->size; i += 8)
			if (field_get(base, field->at + i, 8))
				return false;
		return true;
	case FIELD_CHARS:
		return !chars_n(base, field);
	case FIELD_BYTES:
	case FIELD_TEXT:
	case FIELD_FRAMES:
	case FIELD_METHODS:
		return !field_get(base, field->count_at, field->count_sz);
	default:
		return !field_get(base, field->at, field->size);
	}
}

static int64_t sign_extended(uint64_t value, size_t size)
{
	unsigned int shift = 64 - 8 * (unsigned int)size;

	return (int64_t)(value << shift) >> shift;
}

/* *text_at: where the next trailing text lies. */
static void add_value(struct text *text, const void *base, const struct field *field,
		      size_t *text_at)
{
	size_t n = field->count_sz ? field_get(base, field->count_at, field->count_sz) : 0;
	uint64_t value = field->size <= 8 && field->kind < FIELD_LIST ?
				 field_get(base, field->at, field->size) : 0;

	switch (field->kind) {
	case FIELD_DEC:
		text__addf(text, "%" PRIu64, value);
		break;
	case FIELD_HEX:
		text__addf(text, "0x%" PRIx64, value);
		break;
	case FIELD_SIGNED:
		text__addf(text, "%" PRId64, sign_extended(value, field->size));
		break;
	case FIELD_WORD:
		text__add(text, field->words[value]);
		break;
	case FIELD_LIST:
	case FIELD_HEX_LIST:
		add_list(text, base, field);
		break;
	case FIELD_CHARS:
		add_quoted(text, (const char *)base + field->at, chars_n(base, field));
		break;
	case FIELD_BYTES:
		add_hex_bytes(text, (const uint8_t *)base + field->at, n);
		break;
	case FIELD_TEXT:
		add_quoted(text, (const char *)base + *text_at, n);
		*text_at += n;
		break;
	case FIELD_FRAMES:
		add_frames(text, base);
		break;
	case FIELD_METHODS:
		add_methods(text, base);
		break;
	}
}

static void add_fields(struct text *text, const void *base, const struct line_shape *shape)
{
	size_t text_at = shape->fixed_sz;

	for (size_t i = 0; i < shape->n_fields; i++) {
		const struct field *field = &shape->fields[i];

		if (is_empty(base, field))
			continue;
		text__addf(text, " %s=", field->name);
		add_value(text, base, field, &text_at);
	}
	text__add(text, "\n");
}

void dump__add_facts(struct text *text, const struct capture_facts *facts)
{
	text__addf(text, "%s version=%d", DUMP_FIRST_WORD, CAPTURE_VERSION);
	add_fields(text, facts, &facts_shape);
}

void dump__add_record(struct text *text, const struct ev_header *record)
{
	text__add(text, ev_type_name(record->type));
	add_fields(text, record, line_shape_of(record->type));
}
