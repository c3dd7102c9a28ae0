/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The decoder against binutils: every instruction of the text of some libraries that the table
 * claims to know has objdump's length, and when objdump names an argument register as the
 * destination, the decoder says that it is written. Prints how much is known.
 */
#include "user/base/x86_insn.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct line {
	uint8_t bytes[16];
	size_t n;
	char text[256];		/* mnemonic and operands */
};

/* One line of `objdump -dw --insn-width=16`: "  addr:\tb0 b1 ..\ttext". */
static bool parse_line(const char *s, struct line *line)
{
	const char *at = strstr(s, ":\t"), *end = at ? strchr(at + 2, '\t') : NULL;

	if (!end)
		return false;
	line->n = 0;
	for (at += 2; at < end && line->n < 16; at++)
		if (*at != ' ') {
			line->bytes[line->n++] = (uint8_t)strtoul(at, NULL, 16);
			at++;
		}
	snprintf(line->text, sizeof(line->text), "%s", end + 1);
	line->text[strcspn(line->text, "#<\n")] = '\0';
	return line->n > 0;
}

static const char *const argument_names[6][5] = {
	{ "rdi", "edi", "di", "dil" }, { "rsi", "esi", "si", "sil" },
	{ "rdx", "edx", "dx", "dl", "dh" }, { "rcx", "ecx", "cx", "cl", "ch" },
	{ "r8", "r8d", "r8w", "r8b" }, { "r9", "r9d", "r9w", "r9b" },
};

/* The argument whose register is the last operand and so, in AT&T syntax, the destination. */
static int destination_argument(const struct line *line)
{
	static const char *const readers[] = { "cmp", "test", "push", "bt ", "btl", "btw", "btq",
					       "call", "jmp", "nop", "out", "ptwrite", "div",
					       "idiv", "prefetch", "incssp", "wrfs", "wrgs",
					       "ldmxcsr", "comis", "ucomis", "bnd", "notrack",
					       "mul" };
	char text[256];
	char *last;
	size_t n;

	for (size_t i = 0; i < sizeof(readers) / sizeof(*readers); i++)
		if (!strncmp(line->text, readers[i], strlen(readers[i])))
			return -1;
	if (!strncmp(line->text, "imul", 4) && !strchr(line->text, ','))
		return -1;	/* to rdx:rax */
	snprintf(text, sizeof(text), "%s", line->text);
	for (n = strlen(text); n && text[n - 1] == ' '; n--)
		text[n - 1] = '\0';
	last = strrchr(text, '%');
	if (!last || last == text || (last[-1] != ',' && last[-1] != ' '))
		return -1;
	for (int arg = 0; arg < 6; arg++)
		for (int i = 0; i < 5 && argument_names[arg][i]; i++)
			if (!strcmp(last + 1, argument_names[arg][i]))
				return arg;
	return -1;
}

static void compare_with_objdump(const char *path, double least_known)
{
	long n = 0, n_known = 0, n_wrong = 0, n_missed = 0, n_destinations = 0;
	char command[512], s[1024];
	struct line line;
	FILE *f;

	if (access(path, R_OK)) {
		print_message("# %s is not here\n", path);
		return;
	}
	snprintf(command, sizeof(command), "objdump -dw --insn-width=16 -j .text '%s'", path);
	f = popen(command, "r");
	assert_non_null(f);
	while (fgets(s, sizeof(s), f)) {
		struct x86_insn insn;
		uint8_t *exact;
		int arg;

		if (!parse_line(s, &line) || strstr(line.text, "(bad)"))
			continue;
		n++;
		exact = malloc(line.n);		/* so that reading on is caught */
		memcpy(exact, line.bytes, line.n);
		if (x86_insn__decode(exact, line.n, &insn)) {
			n_known++;
			if (insn.length != line.n && n_wrong++ < 10)
				print_error("length %d: %s", insn.length, s);
			arg = destination_argument(&line);
			n_destinations += arg >= 0;
			if (arg >= 0 && !(insn.writes & (1 << arg)) && n_missed++ < 10)
				print_error("writes %#x: %s", insn.writes, s);
		}
		free(exact);
	}
	pclose(f);
	print_message("# %s: %ld instructions, %.3f %% known, %ld lengths wrong, "
		      "%ld of %ld destinations missed\n", path, n, n ? 100.0 * n_known / n : 0,
		      n_wrong, n_missed, n_destinations);
	assert_true(n > 1000);
	assert_int_equal(n_wrong, 0);
	assert_int_equal(n_missed, 0);
	assert_true(n_known >= n * least_known);
}

static void libz_agrees(void **state)
{
	compare_with_objdump("/lib/x86_64-linux-gnu/libz.so.1", 0.999);
}

static void libc_agrees(void **state)
{
	compare_with_objdump("/lib/x86_64-linux-gnu/libc.so.6", 0.999);
}

static void jdk_agrees(void **state)
{
	compare_with_objdump("/usr/lib/jvm/java-17-openjdk-amd64/lib/libzip.so", 0.999);
	compare_with_objdump("/usr/lib/jvm/temurin-25-jdk-amd64/lib/libzip.so", 0.999);
}

#define CODE(...) { __VA_ARGS__ }, sizeof((uint8_t[]){ __VA_ARGS__ })

static const struct {
	const char *text;
	uint8_t code[X86_MAX_INSN_SZ];
	size_t n;
	enum x86_flow flow;
	bool emulated;
	uint8_t writes;
	int64_t target;		/* 0: not looked at */
} cases[] = {
	{ "push %rbp", CODE(0x55), X86_FLOW_NEXT, true, 0, 0 },
	{ "push %r15", CODE(0x41, 0x57), X86_FLOW_NEXT, true, 0, 0 },
	{ "rex.W push %rbp", CODE(0x48, 0x55), X86_FLOW_NEXT, false, 0, 0 },
	{ "push %bp", CODE(0x66, 0x55), X86_FLOW_NEXT, false, 0, 0 },
	{ "push $0x70", CODE(0x6a, 0x70), X86_FLOW_NEXT, false, 0, 0 },
	{ "nop", CODE(0x90), X86_FLOW_NEXT, true, 0, 0 },
	{ "xchg %ax,%ax", CODE(0x66, 0x90), X86_FLOW_NEXT, false, 0, 0 },
	{ "xchg %rax,%r8", CODE(0x49, 0x90), X86_FLOW_NEXT, false, 1 << 4, 0 },
	{ "nopl 8(%rax,%rax)", CODE(0x0f, 0x1f, 0x44, 0x00, 0x08), X86_FLOW_NEXT, false, 0, 0 },
	{ "endbr64", CODE(0xf3, 0x0f, 0x1e, 0xfa), X86_FLOW_NEXT, false, 0, 0 },
	{ "je +0x1000", CODE(0x0f, 0x84, 0x00, 0x10, 0, 0), X86_FLOW_BRANCH, true, 0, 0x1006 },
	{ "je -2", CODE(0x74, 0xfc), X86_FLOW_BRANCH, true, 0, -2 },
	{ "ds je", CODE(0x3e, 0x74, 0x01), X86_FLOW_BRANCH, false, 0, 4 },
	{ "jmp +5", CODE(0xeb, 0x03), X86_FLOW_JUMP, true, 0, 5 },
	{ "bnd jmp", CODE(0xf2, 0xe9, 0x01, 0, 0, 0), X86_FLOW_JUMP, true, 0, 7 },
	{ "call -256", CODE(0xe8, 0xfb, 0xfe, 0xff, 0xff), X86_FLOW_CALL, true, 0x3f, -256 },
	{ "jrcxz", CODE(0xe3, 0x10), X86_FLOW_BRANCH, false, 0x3f, 18 },
	{ "call *%rax", CODE(0xff, 0xd0), X86_FLOW_INDIRECT, false, 0x3f, 0 },
	{ "call *16(%rip)", CODE(0xff, 0x15, 0x10, 0, 0, 0), X86_FLOW_INDIRECT, false, 0x3f, 22 },
	{ "ret", CODE(0xc3), X86_FLOW_END, false, 0, 0 },
	{ "ud2", CODE(0x0f, 0x0b), X86_FLOW_END, false, 0, 0 },
	{ "test %rdi,%rdi", CODE(0x48, 0x85, 0xff), X86_FLOW_NEXT, false, 0, 0 },
	{ "cmp $0x70,%ecx", CODE(0x83, 0xf9, 0x70), X86_FLOW_NEXT, false, 0, 0 },
	{ "sub $8,%rsp", CODE(0x48, 0x83, 0xec, 0x08), X86_FLOW_NEXT, false, 0, 0 },
	{ "mov %rdi,%rbx", CODE(0x48, 0x89, 0xfb), X86_FLOW_NEXT, false, 0, 0 },
	{ "mov %edx,%ecx", CODE(0x89, 0xd1), X86_FLOW_NEXT, false, 1 << 3, 0 },
	{ "mov %rdi,(%rdi)", CODE(0x48, 0x89, 0x3f), X86_FLOW_NEXT, false, 0, 0 },
	{ "mov $15,%esi", CODE(0xbe, 0x0f, 0, 0, 0), X86_FLOW_NEXT, false, 1 << 1, 0 },
	{ "xor %r9d,%r9d", CODE(0x45, 0x31, 0xc9), X86_FLOW_NEXT, false, 1 << 5, 0 },
	{ "mov $1,%dh", CODE(0xb6, 0x01), X86_FLOW_NEXT, false, 1 << 2, 0 },
	{ "mov $1,%sil", CODE(0x40, 0xb6, 0x01), X86_FLOW_NEXT, false, 1 << 1, 0 },
	{ "cltd", CODE(0x99), X86_FLOW_NEXT, false, 1 << 2, 0 },
	{ "testb $1,(%rdi)", CODE(0xf6, 0x07, 0x01), X86_FLOW_NEXT, false, 0, 0 },
	{ "neg %rdi", CODE(0x48, 0xf7, 0xdf), X86_FLOW_NEXT, false, 1 << 0, 0 },
	{ "div %rsi", CODE(0x48, 0xf7, 0xf6), X86_FLOW_NEXT, false, 1 << 2, 0 },
	{ "rep stos", CODE(0xf3, 0x48, 0xab), X86_FLOW_NEXT, false, 0x3f, 0 },
	{ "movabs $..,%r8", CODE(0x49, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8), X86_FLOW_NEXT, false, 1 << 4, 0 },
	{ "vmovdqu (%rsi),%xmm0", CODE(0xc5, 0xfa, 0x6f, 0x06), X86_FLOW_NEXT, false, 0x3f, 0 },
};

static void known_instructions_have_their_effects(void **state)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct x86_insn insn;

		if (!x86_insn__decode(cases[i].code, cases[i].n, &insn))
			fail_msg("unknown: %s", cases[i].text);
		if (insn.length != cases[i].n || insn.flow != cases[i].flow ||
		    insn.emulated != cases[i].emulated || insn.writes != cases[i].writes ||
		    (cases[i].target && insn.target != cases[i].target))
			fail_msg("%s: length %d flow %d emulated %d writes %#x target %ld",
				 cases[i].text, insn.length, insn.flow, insn.emulated, insn.writes,
				 (long)insn.target);
		for (size_t n = 0; n < cases[i].n; n++) {
			uint8_t *cut = malloc(n + !n);

			memcpy(cut, cases[i].code, n);
			if (x86_insn__decode(cut, n, &insn))
				fail_msg("%s: known when cut to %zu", cases[i].text, n);
			free(cut);
		}
	}
}

static void unknown_instructions_stop(void **state)
{
	static const struct {
		uint8_t code[X86_MAX_INSN_SZ];
		size_t n;
	} unknown[] = {
		{ CODE(0x06) }, { CODE(0xea, 0, 0, 0, 0, 0, 0) }, { CODE(0xf1) }, { CODE(0xd6) },
		{ CODE(0x66, 0xe8, 0, 0, 0, 0) },	/* 16-bit on AMD, not on Intel */
		{ CODE(0x48, 0x66, 0x89, 0xd1) },	/* a dead REX */
		{ CODE(0x0f, 0xff, 0xc0) }, { CODE(0xff, 0xff) }, { CODE(0xc6, 0xf8, 0x00) },
		{ CODE(0x48, 0xc5, 0xfa, 0x6f, 0x06) }, { CODE(0xc4, 0x00, 0x7a, 0x6f, 0x06) },
		{ CODE(0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
		       0x66, 0x66, 0x66) },
	};
	struct x86_insn insn;

	for (size_t i = 0; i < sizeof(unknown) / sizeof(*unknown); i++)
		if (x86_insn__decode(unknown[i].code, unknown[i].n, &insn))
			fail_msg("case %zu is known", i);
}

static void random_bytes_stay_in_bounds(void **state)
{
	uint64_t seed = 88172645463325252ull;

	for (int i = 0; i < 300000; i++) {
		size_t n = i % 17;
		uint8_t *code = malloc(n + !n);
		struct x86_insn insn;

		for (size_t k = 0; k < n; k++) {
			seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
			code[k] = (uint8_t)(seed >> 24);
		}
		if (x86_insn__decode(code, n, &insn)) {
			assert_in_range(insn.length, 1, n);
			assert_true(insn.length <= X86_MAX_INSN_SZ);
		}
		free(code);
	}
}

int main(void)
{
	const struct CMUnitTest pure[] = {
		cmocka_unit_test(known_instructions_have_their_effects),
		cmocka_unit_test(unknown_instructions_stop),
		cmocka_unit_test(random_bytes_stay_in_bounds),
	};
	const struct CMUnitTest against_binutils[] = {
		cmocka_unit_test(libz_agrees),
		cmocka_unit_test(libc_agrees),
		cmocka_unit_test(jdk_agrees),
	};
	int r = cmocka_run_group_tests_name("x86_insn", pure, NULL, NULL);

	if (r)
		return r;
	if (system("objdump --version >/dev/null 2>&1"))
		return 77;
	return cmocka_run_group_tests_name("x86_insn-objdump", against_binutils, NULL, NULL);
}
