/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The gate. One good record of every type is made, and then harmed: cut at every length, every bit
 * flipped, every size claimed. Each harmed copy lies in memory of exactly its length, so that under
 * AddressSanitizer any read outside it ends the test; what passes is then read as its claims say.
 */
#include "user/wire/decode.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/unit/records.h"

static volatile uint8_t sink;

static void touch(const void *p, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		sink += ((const uint8_t *)p)[i];
}

/* Reads an accepted record the way a consumer would: as far as its counts say. */
static void consume(const struct ev_header *h)
{
	const union record *r = (const void *)h;

	touch(h, h->size);
	switch (h->type) {
	case EV_STACK:
		assert_in_range(r->stack.n_frames, 1, EV_MAX_FRAMES);
		touch(r->stack.frames, r->stack.n_frames * sizeof(struct ev_frame));
		break;
	case EV_MISS:
		touch(r->miss.stack, r->miss.stack_sz);
		break;
	case EV_PROCESS:
		touch(r->process.text, (size_t)r->process.comm_sz + r->process.cmdline_sz +
					       r->process.unit_sz + r->process.runtime_sz);
		break;
	case EV_FILE:
		assert_in_range(r->file.build_id_sz, 0, EV_BUILD_ID_MAX);
		touch(r->file.path, r->file.path_sz);
		break;
	case EV_PAIR:
		assert_true(strlen(r->pair.name) < sizeof(r->pair.name));
		break;
	case EV_NOTE:
		touch(r->note.text, r->note.text_sz);
		break;
	case EV_NAME:
		touch(r->name.text, (size_t)r->name.function_sz + r->name.file_sz);
		break;
	}
}

/* Checks a copy of `n` bytes that ends where its memory ends. */
static int check_exact(const void *bytes, size_t n)
{
	const struct ev_header *h = NULL;
	const char *why = NULL;
	void *copy = malloc(n ? n : 1);
	int r;

	assert_non_null(copy);
	memcpy(copy, bytes, n);
	r = ev_check(copy, n, &h, &why);
	if (r) {
		assert_int_equal(r, -EBADMSG);
		assert_non_null(why);
		assert_null(h);
	} else {
		assert_ptr_equal(h, copy);
		assert_true(h->size <= n);
		assert_non_null(ev_type_name(h->type));
		consume(h);
	}
	free(copy);
	return r;
}

static void good_records_pass(void **state)
{
	union record r;
	size_t i;

	for (i = 0; i < N_RECORD_TYPES; i++) {
		make_good(&r, i);
		if (record_types[i].size)
			assert_int_equal(r.h.size, record_types[i].size);
		assert_int_equal(check_exact(&r, r.h.size), 0);
		/* What follows in the buffer is the next record's. */
		assert_int_equal(check_exact(&r, r.h.size + 13), 0);
		assert_string_equal(ev_type_name(r.h.type), record_types[i].name);
	}
}

static void every_cut_is_refused(void **state)
{
	union record r;
	size_t i, n;

	for (i = 0; i < N_RECORD_TYPES; i++) {
		make_good(&r, i);
		for (n = 0; n < r.h.size; n++)
			assert_int_equal(check_exact(&r, n), -EBADMSG);
	}
}

/* The kernel side sends stacks in records of a few sizes, with room behind the frames, and misses with
 * room for all of the stack or for little. */
static bool is_another_good_size(const struct ev_header *h, uint32_t good)
{
	return (h->type == EV_STACK && h->size > good && h->size % 8 == 0) ||
	       (h->type == EV_MISS && h->size == EV_MISS_SHORT_SZ);
}

/* A size other than its own is never taken: neither with the bytes there nor without. */
static void every_other_size_is_refused(void **state)
{
	union record r;
	uint32_t size, good;
	size_t i;

	for (i = 0; i < N_RECORD_TYPES; i++) {
		make_good(&r, i);
		good = r.h.size;
		for (size = 0; size <= good + 64 && size <= sizeof(r); size++) {
			r.h.size = size;
			assert_int_equal(check_exact(&r, good) == 0, size == good ||
					 (size < good && is_another_good_size(&r.h, good)));
			assert_int_equal(check_exact(&r, size < 24 ? 24 : size) == 0,
					 size == good || is_another_good_size(&r.h, good));
		}
		for (size = 3; size < 32; size++) {
			r.h.size = 1u << size;
			assert_int_equal(check_exact(&r, good) == 0, r.h.size == good);
		}
		r.h.size = UINT32_MAX;
		assert_int_equal(check_exact(&r, good), -EBADMSG);
	}
}

static void every_bit_flip_is_survived(void **state)
{
	union record r;
	size_t i, bit, end;

	for (i = 0; i < N_RECORD_TYPES; i++) {
		make_good(&r, i);
		/* Behind the fixed part of a miss lie 16 KiB that nobody interprets. */
		end = r.h.size > 512 ? 512 : r.h.size;
		for (bit = 0; bit < end * 8; bit++) {
			uint32_t size = r.h.size;

			r.bytes[bit / 8] ^= 1u << bit % 8;
			check_exact(&r, size);
			r.bytes[bit / 8] ^= 1u << bit % 8;
		}
	}
}

static void random_bytes_are_survived(void **state)
{
	uint64_t x = 88172645463325252ull;
	union record r;
	int round, i;

	for (round = 0; round < 200000; round++) {
		uint32_t size;

		make_good(&r, round % N_RECORD_TYPES);
		if (r.h.type == EV_MISS)
			continue;
		size = r.h.size;
		for (i = round % 5; i >= 0; i--) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			r.bytes[(x >> 8) % size] = x & 1 ? x >> 40 : (x >> 48) % 4;
		}
		check_exact(&r, size);
	}
}

static void unknown_types_are_refused(void **state)
{
	union record r;
	uint32_t type;
	size_t i;

	memset(&r, 0, sizeof(r));
	for (type = 0; type <= UINT16_MAX; type++) {
		bool known = false;

		for (i = 0; i < N_RECORD_TYPES; i++)
			known |= record_types[i].type == type;
		assert_int_equal(ev_type_name(type) != NULL, known);
		r.h.type = type;
		r.h.size = 24;
		if (!known)
			assert_int_equal(check_exact(&r, 24), -EBADMSG);
	}
}

static void refused_because(union record *r, const char *part)
{
	const struct ev_header *h;
	const char *why = "accepted";

	assert_int_equal(ev_check(r, sizeof(*r), &h, NULL), -EBADMSG);
	assert_int_equal(ev_check(r, sizeof(*r), &h, &why), -EBADMSG);
	if (!strstr(why, part))
		fail_msg("refused because \"%s\", not \"%s\"", why, part);
}

static size_t index_of(uint16_t type)
{
	size_t i;

	for (i = 0; record_types[i].type != type; i++)
		;
	return i;
}

#define REFUSED(type, change, part)			\
	do {						\
		union record r;				\
							\
		make_good(&r, index_of(type));		\
		change;					\
		refused_because(&r, part);		\
	} while (0)

static void claims_are_checked(void **state)
{
	REFUSED(EV_TICK, r.h.flags = 128, "unknown flag");
	REFUSED(EV_LOST, r.bytes[32] = EV_STACK, "no such record");
	REFUSED(EV_UNDO, r.undo.undone = EV_BRK, "not a release");
	REFUSED(EV_FORK, r.fork.shares_vm = 2, "shares_vm");
	REFUSED(EV_STACK, r.stack.n_frames = 0, "number of frames is out");
	REFUSED(EV_STACK, r.stack.n_frames = EV_MAX_FRAMES + 1, "number of frames is out");
	REFUSED(EV_STACK, r.stack.n_frames = 4, "does not fit");
	REFUSED(EV_STACK, r.stack.end = 3, "unknown end");
	REFUSED(EV_STACK, r.stack.frames[2].kind = 3, "kind of frame");
	REFUSED(EV_MISS, r.miss.stack_sz = EV_MISS_STACK_SZ + 1, "stack is longer");
	REFUSED(EV_MISS, (r.miss.stack_sz = EV_MISS_SHORT_STACK_SZ + 1, r.h.size = EV_MISS_SHORT_SZ), "stack is longer");
	REFUSED(EV_PROCESS, r.process.unit_sz = UINT16_MAX, "longer than the record");
	REFUSED(EV_PROCESS, r.process.cmdline_sz = 0, "longer than its text");
	REFUSED(EV_SEED_BEGIN, r.seed.reason = 3, "reason");
	REFUSED(EV_SEED_END, r.seed.reason = 3, "reason");
	REFUSED(EV_REGION, r.region.flags = 16, "region flag");
	REFUSED(EV_FILE, r.file.build_id_sz = 21, "build-id");
	REFUSED(EV_FILE, r.file.path_sz = UINT32_MAX, "longer than the record");
	REFUSED(EV_FILE, r.bytes[r.h.size - 1] = 'x', "padding");
	REFUSED(EV_PAIR, r.pair.growth_percent = 101, "more than the whole");
	REFUSED(EV_PAIR, memset(r.pair.name, 'x', sizeof(r.pair.name)), "terminated");
	REFUSED(EV_NOTE, r.note.text_sz += 64, "longer than the record");
	REFUSED(EV_NAME, r.name.file_sz += 64, "longer than the record");
	REFUSED(EV_NAME, r.name.function_sz = EV_NAME_TEXT_MAX + 1, "too long");
	REFUSED(EV_NAME, r.name.innermost = 2, "innermost");
	REFUSED(EV_METHOD, r.method.n_names = 0, "number of names is out");
	REFUSED(EV_METHOD, r.method.n_names = EV_MAX_METHOD_NAMES + 1, "number of names is out");
	REFUSED(EV_METHOD, r.method.n_names = EV_MAX_METHOD_NAMES, "does not fit");
	REFUSED(EV_METHOD, r.method.names[1].kind = 4, "kind of method");
	REFUSED(EV_METHOD, r.method.names[1].bci = 65536, "bytecode");
	REFUSED(EV_METHOD, r.method.names[0].bci = -2, "bytecode");
	REFUSED(EV_METHOD, r.method.names[0].file_sz = UINT16_MAX, "longer than the record");
	REFUSED(EV_TICK, r.h.size = EV_MAX_RECORD_SZ + 8, "larger than any");
	REFUSED(EV_TICK, r.h.type = 0, "unknown type");
}

static void misaligned_data_is_refused(void **state)
{
	const struct ev_header *h;
	union record r, moved;

	make_good(&r, index_of(EV_TICK));
	memcpy(moved.bytes + 4, &r, 24);
	assert_int_equal(ev_check(moved.bytes + 4, 24, &h, NULL), -EBADMSG);
}

/* The longest stack there may be fits a record, and passes. */
static void the_longest_stack_passes(void **state)
{
	union record r;

	make_good(&r, index_of(EV_STACK));
	r.stack.n_frames = EV_MAX_FRAMES;
	r.h.size = sizeof(r.stack) + EV_MAX_FRAMES * sizeof(struct ev_frame);
	assert_int_equal(check_exact(&r, r.h.size), 0);
}

static void every_loss_and_limit_has_its_name(void **state)
{
	unsigned int i, j;

	for (i = 0; i < EV_N_LOSSES; i++) {
		assert_non_null(ev_loss_name(i));
		for (j = 0; j < i; j++)
			assert_string_not_equal(ev_loss_name(i), ev_loss_name(j));
	}
	assert_null(ev_loss_name(EV_N_LOSSES));
	assert_null(ev_loss_name(UINT32_MAX));
	assert_string_equal(ev_loss_name(EV_LOSS_READ), "read-failed");
	assert_string_equal(ev_loss_name(EV_LOSS_NESTED), "nested");
	for (i = 0; i < EV_N_LIMITS; i++)
		assert_non_null(ev_limit_name(i));
	assert_null(ev_limit_name(EV_N_LIMITS));
	assert_string_equal(ev_limit_name(EV_LIMIT_HOST), "host");
	assert_string_equal(ev_limit_name(EV_LIMIT_MAP_COUNT), "map-count");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_records_pass),
		cmocka_unit_test(every_cut_is_refused),
		cmocka_unit_test(every_other_size_is_refused),
		cmocka_unit_test(every_bit_flip_is_survived),
		cmocka_unit_test(random_bytes_are_survived),
		cmocka_unit_test(unknown_types_are_refused),
		cmocka_unit_test(claims_are_checked),
		cmocka_unit_test(misaligned_data_is_refused),
		cmocka_unit_test(the_longest_stack_passes),
		cmocka_unit_test(every_loss_and_limit_has_its_name),
	};

	return cmocka_run_group_tests_name("decode", tests, NULL, NULL);
}
