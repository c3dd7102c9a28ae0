/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Builds a record from its line, by the same table that prints it. Fields stand in the table's order,
 * each at most once, so that there is one way to write a record and the trailing texts lie as the
 * record wants them. What is built passes the gate like any other record.
 */
#include <stdio.h>
#include <string.h>

#include "user/wire/decode.h"
#include "user/wire/dump.h"
#include "user/wire/dump_fields.h"

/* A record, or the facts, being built. */
struct building {
	uint8_t *base;
	size_t max;	/* bytes there is room for */
	size_t end;	/* behind the last byte that was placed */
};

typedef const char *why;	/* NULL: fine; else what is wrong */

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* --- values: each takes its characters off *s ---------------------------------------------------- */

static why take_number(const char **s, uint64_t max, uint64_t *out)
{
	unsigned int base = 10;
	const char *p = *s;
	uint64_t value = 0;
	int digit;

	if (p[0] == '0' && p[1] == 'x') {
		base = 16;
		p += 2;
	}
	digit = hex_digit(*p);
	if (digit < 0 || (unsigned int)digit >= base)
		return "a number is missing";
	for (; (digit = hex_digit(*p)) >= 0 && (unsigned int)digit < base; p++)
		if (__builtin_mul_overflow(value, base, &value) ||
		    __builtin_add_overflow(value, (uint64_t)digit, &value))
			return "a number is too large";
	if (value > max)
		return "a number is too large for its field";
	*s = p;
	*out = value;
	return NULL;
}

static uint64_t max_of(size_t size)
{
	return size == 8 ? UINT64_MAX : (1ull << (8 * size)) - 1;
}

static why take_signed(const char **s, size_t size, uint64_t *out)
{
	bool negative = **s == '-';
	const char *p = *s + negative;
	why wrong = take_number(&p, max_of(size) / 2 + negative, out);

	if (wrong)
		return wrong;
	if (negative)
		*out = -*out;
	*s = p;
	return NULL;
}

static why take_word(const char **s, const char *const *words, uint64_t *out)
{
	size_t n = strcspn(*s, " ");

	for (uint64_t i = 0; words[i]; i++)
		if (strlen(words[i]) == n && !strncmp(words[i], *s, n)) {
			*s += n;
			*out = i;
			return NULL;
		}
	return "an unknown word";
}

/* At most `max` bytes to out, their number to *n. */
static why take_quoted(const char **s, uint8_t *out, size_t max, size_t *n)
{
	const char *p = *s;

	if (*p++ != '"')
		return "a text does not begin with a quote";
	for (*n = 0; *p != '"'; ++*n) {
		int c = (uint8_t)*p++;

		if (!c)
			return "a text does not end";
		if (*n == max)
			return "a text is too long";
		if (c == '\\' && *p == 'x') {
			int high = hex_digit(p[1]), low = high < 0 ? -1 : hex_digit(p[2]);

			if (low < 0)
				return "\\x wants two digits";
			c = high << 4 | low;
			p += 3;
		} else if (c == '\\') {
			if (*p != '"' && *p != '\\')
				return "an unknown escape";
			c = *p++;
		}
		out[*n] = (uint8_t)c;
	}
	*s = p + 1;
	return NULL;
}

static why take_hex_bytes(const char **s, uint8_t *out, size_t max, size_t *n)
{
	const char *p = *s;

	for (*n = 0; hex_digit(p[0]) >= 0; p += 2, ++*n) {
		if (hex_digit(p[1]) < 0)
			return "half a byte";
		if (*n == max)
			return "too many bytes";
		out[*n] = (uint8_t)(hex_digit(p[0]) << 4 | hex_digit(p[1]));
	}
	*s = p;
	return NULL;
}

static why take_list(const char **s, uint8_t *out, size_t max)
{
	for (size_t i = 0; i < max; i++) {
		uint64_t value = UINT64_MAX;
		why wrong = NULL;

		if (**s == '-')
			++*s;
		else
			wrong = take_number(s, UINT64_MAX, &value);
		if (wrong)
			return wrong;
		field_put(out, 8 * i, 8, value);
		if (**s != ',')
			return NULL;
		++*s;
	}
	return "too many numbers";
}

static why take_frame(const char **s, struct ev_frame *out)
{
	uint64_t value[4] = { 0 };
	const char *p = *s;

	for (int i = 0; i < 4; i++) {
		why wrong;

		if (i && *p != ':')
			return i == 1 ? NULL : "a frame is pc or pc:kind:extra:extra";
		p += !!i;
		wrong = take_number(&p, i == 1 ? UINT32_MAX : UINT64_MAX, &value[i]);
		if (wrong)
			return wrong;
		*out = (struct ev_frame){ .pc = value[0], .kind = (uint32_t)value[1],
					  .extra = { value[2], value[3] } };
		*s = p;
	}
	return NULL;
}

static why take_frames(const char **s, struct building *b, size_t *n)
{
	struct ev_stack *stack = (struct ev_stack *)b->base;
	why wrong;

	for (*n = 0; *n < EV_MAX_FRAMES; ++*s) {
		wrong = take_frame(s, &stack->frames[*n]);
		if (wrong)
			return wrong;
		++*n;
		if (**s != ',') {
			b->end = sizeof(*stack) + *n * sizeof(stack->frames[0]);
			return NULL;
		}
	}
	return "too many frames";
}

/* Appends a quoted text behind those that are there; its size to *sz. */
static why take_method_text(const char **s, uint8_t *text, size_t *text_sz, __u16 *sz)
{
	size_t n;
	why wrong;

	if (*(*s)++ != ':')
		return "a name is kind:line:bci:\"function\":\"file\"";
	wrong = take_quoted(s, text + *text_sz, EV_MAX_RECORD_SZ - *text_sz, &n);
	if (wrong)
		return wrong;
	if (n > UINT16_MAX)
		return "a text is too long";
	*text_sz += n;
	*sz = (__u16)n;
	return NULL;
}

static why take_method(const char **s, struct ev_method_name *out, uint8_t *text, size_t *text_sz)
{
	uint64_t kind, line, bci;
	why wrong;

	wrong = take_number(s, UINT16_MAX, &kind);
	if (!wrong && *(*s)++ != ':')
		wrong = "a name has no line";
	if (!wrong)
		wrong = take_number(s, UINT32_MAX, &line);
	if (!wrong && *(*s)++ != ':')
		wrong = "a name has no bytecode index";
	if (!wrong)
		wrong = take_signed(s, sizeof(out->bci), &bci);
	if (wrong)
		return wrong;
	*out = (struct ev_method_name){ .kind = (__u16)kind, .line = (__u32)line, .bci = (__s32)bci };
	wrong = take_method_text(s, text, text_sz, &out->function_sz);
	return wrong ? wrong : take_method_text(s, text, text_sz, &out->file_sz);
}

/* The texts lie behind all names, whose number is known only at the end. */
static why take_methods(const char **s, struct building *b, size_t *n)
{
	struct ev_method *method = (struct ev_method *)b->base;
	uint8_t text[EV_MAX_RECORD_SZ];
	size_t text_sz = 0, fixed;
	why wrong;

	for (*n = 0; *n < EV_MAX_METHOD_NAMES; ++*s) {
		wrong = take_method(s, &method->names[*n], text, &text_sz);
		if (wrong)
			return wrong;
		++*n;
		if (**s != ',') {
			fixed = sizeof(*method) + *n * sizeof(method->names[0]);
			if (text_sz > b->max - fixed)
				return "a text is too long";
			memcpy(b->base + fixed, text, text_sz);
			b->end = fixed + text_sz;
			return NULL;
		}
	}
	return "too many names";
}

/* --- fields -------------------------------------------------------------------------------------- */

static why put_count(struct building *b, const struct field *field, size_t n)
{
	if (n > max_of(field->count_sz))
		return "a text is too long";
	field_put(b->base, field->count_at, field->count_sz, n);
	return NULL;
}

static why take_value(const char **s, const struct field *field, struct building *b)
{
	uint64_t number = 0;
	size_t n = 0;
	why wrong;

	switch (field->kind) {
	case FIELD_LIST:
	case FIELD_HEX_LIST:
		return take_list(s, b->base + field->at, field->size / 8);
	case FIELD_CHARS:
		return take_quoted(s, b->base + field->at, field->size, &n);
	case FIELD_BYTES:
		wrong = take_hex_bytes(s, b->base + field->at, field->size, &n);
		return wrong ? wrong : put_count(b, field, n);
	case FIELD_TEXT:
		wrong = take_quoted(s, b->base + b->end, b->max - b->end, &n);
		b->end += wrong ? 0 : n;
		return wrong ? wrong : put_count(b, field, n);
	case FIELD_FRAMES:
		wrong = take_frames(s, b, &n);
		return wrong ? wrong : put_count(b, field, n);
	case FIELD_METHODS:
		wrong = take_methods(s, b, &n);
		return wrong ? wrong : put_count(b, field, n);
	case FIELD_SIGNED:
		wrong = take_signed(s, field->size, &number);
		break;
	case FIELD_WORD:
		wrong = take_word(s, field->words, &number);
		break;
	default:
		wrong = take_number(s, max_of(field->size), &number);
	}
	if (!wrong)
		field_put(b->base, field->at, field->size, number);
	return wrong;
}

static why take_fields(const char *s, const struct line_shape *shape, struct building *b)
{
	size_t next = 0;

	while (*s) {
		size_t n;
		why wrong;

		if (*s++ != ' ')
			return "what follows a value is no space";
		n = strcspn(s, "= ");
		if (s[n] != '=')
			return "a field has no value";
		for (; next < shape->n_fields; next++)
			if (strlen(shape->fields[next].name) == n &&
			    !strncmp(shape->fields[next].name, s, n))
				break;
		if (next == shape->n_fields)
			return "a field is unknown, repeated, or out of order";
		s += n + 1;
		wrong = take_value(&s, &shape->fields[next++], b);
		if (wrong)
			return wrong;
	}
	return NULL;
}

why dump__parse_facts(const char *line, struct capture_facts *out)
{
	struct building b = { (uint8_t *)out, sizeof(*out), sizeof(*out) };
	char first[64];
	size_t n = (size_t)snprintf(first, sizeof(first), "%s version=%d", DUMP_FIRST_WORD,
				    CAPTURE_VERSION);
	why wrong;

	memset(out, 0, sizeof(*out));
	if (strncmp(line, DUMP_FIRST_WORD " ", strlen(DUMP_FIRST_WORD) + 1))
		return "it is not a text of events";
	if (strncmp(line, first, n) || (line[n] && line[n] != ' '))
		return "it is of another version of the format than this program reads";
	wrong = take_fields(line + n, &facts_shape, &b);
	return wrong ? wrong : capture_facts__check(out);
}

/* 0: no type is called so. */
static uint16_t type_of(const char *name, size_t n)
{
	for (uint16_t type = 1; type < 256; type++) {
		const char *known = ev_type_name(type);

		if (known && strlen(known) == n && !strncmp(known, name, n))
			return type;
	}
	return 0;
}

why dump__parse_record(const char *line, void *buf)
{
	size_t n = strcspn(line, " ");
	uint16_t type = type_of(line, n);
	const struct line_shape *shape = type ? line_shape_of(type) : NULL;
	struct building b = { buf, EV_MAX_RECORD_SZ, shape ? shape->fixed_sz : 0 };
	struct ev_header *h = buf;
	const struct ev_header *checked;
	why wrong;

	if (!shape)
		return "no record is called so";
	memset(buf, 0, EV_MAX_RECORD_SZ);
	wrong = take_fields(line + n, shape, &b);
	if (wrong)
		return wrong;
	h->type = type;
	h->size = (uint32_t)((b.end + 7) & ~(size_t)7);
	return ev_check(h, EV_MAX_RECORD_SZ, &checked, &wrong) ? wrong : NULL;
}
