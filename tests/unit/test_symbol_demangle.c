/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Demangling: the forms of C++ and Rust, names that are neither, and names made to explode. */
#include "tests/unit/symbol_files.h"

#include "user/base/text.h"

static void check(const char *mangled, const char *want)
{
	cleanup_free char *got = demangle(mangled);

	assert_non_null(got);
	assert_string_equal(got, want);
}

static void test_cpp(void **state)
{
	check("_ZN5kafka3Log7recoverEi", "kafka::Log::recover");
	check("_ZN5kafka3Log7recoverEi.part.0", "kafka::Log::recover [clone .part.0]");
	check("_ZN5kafka3Log7recoverEi.constprop.0.cold",
	      "kafka::Log::recover [clone .constprop.0.cold]");
	check("_ZNSt6vectorIiSaIiEE9push_backEOi",
	      "std::vector<int, std::allocator<int> >::push_back");
	check("_Z3fooIiEvT_", "foo<int>");
	/* What tells one lambda or local class from another stays. */
	check("_ZZ3fooiENKUlvE_clEv", "foo(int)::{lambda()#1}::operator()");
	check("_ZN3FooD1Ev", "Foo::~Foo");
}

static void test_rust(void **state)
{
	check("_ZN4core3fmt5Write9write_fmt17h0123456789abcdefE", "core::fmt::Write::write_fmt");
	check("_ZN71_$LT$Test$u20$$u2b$$u20$$u27$static$u20$as$u20$foo..Bar$LT$Test$GT$$GT$3bar"
	      "17h930b740aa94f1d3aE",
	      "<Test + 'static as foo::Bar<Test>>::bar");
	check("_RNvNtNtCs1234_7mycrate3foo3bar3baz", "mycrate::foo::bar::baz");
	check("_RINvNtC3std3mem8align_ofdE", "std::mem::align_of::<f64>");
	check("_RNvC1au8gdel_5qa", "a::gödel");
}

static void test_others(void **state)
{
	check("malloc", "malloc");
	check("", "");
	check("_Zgarbage", "_Zgarbage");
	check("_Z", "_Z");
	check("_ZN", "_ZN");
	check("_R", "_R");
	check("_Read", "_Read");
	check("inflateInit2_", "inflateInit2_");
}

/* Appends the sequence number n in a base with these digits, as `S3_` and `B3_` have it. */
static void add_reference(struct text *text, char letter, size_t n, const char *digits)
{
	char number[16];
	size_t at = sizeof(number) - 1, base = strlen(digits);

	number[at] = '\0';
	if (n) {
		n--;
		do {
			number[--at] = digits[n % base];
			n /= base;
		} while (n);
	}
	text__addf(text, "%c%s_", letter, number + at);
}

/* a<b<int,int>, a<T,T>, ...>: each type twice the one before, by substitution. */
static void test_cpp_bomb(void **state)
{
	struct text text;

	text__init(&text);
	text__add(&text, "_Z1aI1bIiiE");
	for (size_t n = 1; n <= 60; n++) {
		text__add(&text, "S_I");
		add_reference(&text, 'S', n, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ");
		add_reference(&text, 'S', n, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ");
		text__add(&text, "E");
	}
	text__add(&text, "EvT_");
	check(text.s, text.s);
	text__fini(&text);
}

/* ((T, T), (T, T)), by back references. */
static void test_rust_bomb(void **state)
{
	static const char digits[] =
		"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	size_t before, start;
	struct text text;

	text__init(&text);
	text__add(&text, "_RINvC1a1b");
	before = text.n - 2;
	text__add(&text, "TllE");
	for (size_t n = 0; n < 60; n++) {
		start = text.n - 2;
		text__add(&text, "T");
		add_reference(&text, 'B', before, digits);
		add_reference(&text, 'B', before, digits);
		text__add(&text, "E");
		before = start;
	}
	text__add(&text, "E");
	check(text.s, text.s);
	text__fini(&text);
}

static void test_long(void **state)
{
	struct text text;

	/* Deeper than libiberty goes: it says no, and the stack holds. */
	text__init(&text);
	text__add(&text, "_Z1f");
	for (size_t i = 0; i < 4000; i++)
		text__add(&text, "P");
	text__add(&text, "i");
	check(text.s, text.s);
	/* And longer than we hand over. */
	for (size_t i = 0; i < 5000; i++)
		text__add(&text, "P");
	check(text.s, text.s);
	text__fini(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cpp),	 cmocka_unit_test(test_rust),
		cmocka_unit_test(test_others),	 cmocka_unit_test(test_cpp_bomb),
		cmocka_unit_test(test_rust_bomb), cmocka_unit_test(test_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
