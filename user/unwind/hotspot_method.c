/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Methods by name and line. A Method points at its ConstMethod (what never changes: bytecodes, line
 * table, indices of names), that at its ConstantPool (the symbols, and the class it belongs to).
 *
 * A hidden class (a lambda's, a method handle's) carries its address in its name, and a lambda's a
 * number by order of creation: both are left out, since they tell nothing and differ from run to run.
 */
#include "user/unwind/hotspot.h"

#include <stdio.h>
#include <string.h>

#define LINES_SZ 8192		/* bytes of a compressed line table that are looked at */
#define HAS_LINES 1u		/* ConstMethod's flag, in all versions */
#define ESCAPE 0xff		/* in a line table: two full numbers follow */

bool hotspot_unsigned5(const struct jvm *jvm, const uint8_t **p, const uint8_t *end, uint32_t *out)
{
	/* Bytes below 192 end a number. Since 20 none is 0: each stands for one less. */
	uint32_t excluded = jvm->tables.version >= 20, value = 0, byte;

	for (unsigned int i = 0; i < 5; i++) {
		if (*p >= end || **p < excluded)
			return false;
		byte = *(*p)++;
		value += (byte - excluded) << (6 * i);
		if (byte < 192)
			break;
	}
	*out = value;
	return true;
}

/* --- symbols --------------------------------------------------------------------------------- */

/* A Symbol's text, cut to fit, terminated. */
static bool read_symbol(const struct jvm *jvm, struct remote *remote, uint64_t at, char *buf,
			size_t buf_sz)
{
	int64_t length;
	size_t n;

	if (jvm__number(jvm, remote, at, SYMBOL_LENGTH, &length))
		n = (uint16_t)length;
	else if (jvm__number(jvm, remote, at, SYMBOL_LENGTH_AND_REFCOUNT, &length))
		n = (uint32_t)length >> 16;
	else
		return false;
	if (n >= buf_sz)
		n = buf_sz - 1;
	buf[n] = '\0';
	return hotspot_tables__has(&jvm->tables, SYMBOL_BODY) &&
	       remote__read(remote, at + jvm->tables.fields[SYMBOL_BODY].at, buf, n) && n;
}

/* The symbol in a slot of a constant pool; the lowest bit was a mark once. */
static bool read_pool_symbol(const struct jvm *jvm, struct remote *remote, uint64_t pool,
			     int64_t index, char *buf, size_t buf_sz)
{
	uint64_t slot = pool + jvm->tables.constant_pool_sz + 8ull * (uint16_t)index, symbol;

	return index > 0 && remote__word(remote, slot, &symbol) &&
	       read_symbol(jvm, remote, symbol & ~1ull, buf, buf_sz);
}

/* kafka/log/Log$$Lambda$14+0x0000000800c03000 -> kafka.log.Log$$Lambda */
static void tidy_class(char *name)
{
	char *lambda = strstr(name, "$$Lambda"), *hidden = strstr(name, "+0x");

	if (!hidden)
		hidden = strstr(name, "/0x");
	if (hidden)
		*hidden = '\0';
	if (lambda && (!hidden || lambda < hidden))
		lambda[strlen("$$Lambda")] = '\0';
	for (; *name; name++)
		if (*name == '/')
			*name = '.';
}

/* --- lines ----------------------------------------------------------------------------------- */

static int32_t unzigzag(uint32_t value)
{
	return (int32_t)(value >> 1) ^ -(int32_t)(value & 1);
}

/* Pairs of steps (bytecode index, line), most of them in one byte: 5 bits and 3. A line holds from
 * its index to the next. */
static uint32_t find_line(const struct jvm *jvm, const uint8_t *p, const uint8_t *end, int32_t bci)
{
	uint32_t index_step, line_step, at = 0, line = 0, best = 0, best_at = 0;

	while (p < end && *p) {
		if (*p == ESCAPE) {
			p++;
			if (!hotspot_unsigned5(jvm, &p, end, &index_step) ||
			    !hotspot_unsigned5(jvm, &p, end, &line_step))
				break;
			at += (uint32_t)unzigzag(index_step);
			line += (uint32_t)unzigzag(line_step);
		} else {
			at += *p >> 3;
			line += *p & 7;
			p++;
		}
		if (at <= (uint32_t)bci && at >= best_at) {
			best_at = at;
			best = line;
		}
	}
	return best;
}

static uint32_t read_line(const struct jvm *jvm, struct remote *remote, uint64_t const_method,
			  int32_t bci)
{
	uint8_t bytes[LINES_SZ];
	int64_t code_size, flags;
	size_t n = sizeof(bytes);
	uint64_t at;

	if (bci < 0 || !jvm__number(jvm, remote, const_method, CONST_METHOD_CODE_SIZE, &code_size) ||
	    !jvm__number(jvm, remote, const_method, CONST_METHOD_FLAGS, &flags) ||
	    !(flags & HAS_LINES) || bci >= (uint16_t)code_size)
		return 0;
	at = const_method + jvm->tables.const_method_sz + (uint16_t)code_size;
	while (n && !remote__read(remote, at, bytes, n))
		n /= 2;
	return find_line(jvm, bytes, bytes + n, bci);
}

/* --- methods --------------------------------------------------------------------------------- */

int32_t jvm__bci_of(const struct jvm *jvm, struct remote *remote, uint64_t method, uint64_t bcp)
{
	uint64_t const_method, code;
	int64_t code_size;

	if (!jvm__pointer(jvm, remote, method, METHOD_CONST_METHOD, &const_method) ||
	    !jvm__number(jvm, remote, const_method, CONST_METHOD_CODE_SIZE, &code_size))
		return -1;
	code = const_method + jvm->tables.const_method_sz;
	return bcp >= code && bcp - code < (uint16_t)code_size ? (int32_t)(bcp - code) : -1;
}

static void read_source_file(const struct jvm *jvm, struct remote *remote, uint64_t pool,
			     uint64_t holder, struct unwind_name *out)
{
	int64_t index;

	out->file[0] = '\0';
	if ((jvm__number(jvm, remote, pool, CONSTANT_POOL_SOURCE_FILE, &index) ||
	     jvm__number(jvm, remote, holder, INSTANCE_KLASS_SOURCE_FILE, &index)) &&
	    !read_pool_symbol(jvm, remote, pool, index, out->file, sizeof(out->file)))
		out->file[0] = '\0';
}

bool jvm__name_method(const struct jvm *jvm, struct remote *remote, const struct scope *scope,
		      struct unwind_name *out)
{
	uint64_t const_method, pool, holder, symbol;
	int64_t name_index;
	char class[256], method[128];

	if (!jvm__pointer(jvm, remote, scope->method, METHOD_CONST_METHOD, &const_method) ||
	    !jvm__pointer(jvm, remote, const_method, CONST_METHOD_CONSTANTS, &pool) ||
	    !jvm__pointer(jvm, remote, pool, CONSTANT_POOL_HOLDER, &holder) ||
	    !jvm__pointer(jvm, remote, holder, KLASS_NAME, &symbol) ||
	    !read_symbol(jvm, remote, symbol, class, sizeof(class)) ||
	    !jvm__number(jvm, remote, const_method, CONST_METHOD_NAME, &name_index) ||
	    !read_pool_symbol(jvm, remote, pool, name_index, method, sizeof(method)))
		return false;
	tidy_class(class);
	snprintf(out->function, sizeof(out->function), "%s.%s", class, method);
	out->bci = scope->bci;
	out->line = read_line(jvm, remote, const_method, scope->bci);
	read_source_file(jvm, remote, pool, holder, out);
	return true;
}
