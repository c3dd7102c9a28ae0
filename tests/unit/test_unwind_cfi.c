/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Our reading of call frame information against libdw's. Every row of every file that is mapped
 * here (and of those in UNWIND_TEST_FILES, colon-separated) is worked out by both, for made-up
 * registers over a made-up memory: the caller's sp, pc and bp must come out the same. Where there
 * is no rule of ours, libdw's must need a register that rules do not have.
 *
 * Then files that are broken in every way: cut off, with flipped bits, sparse.
 */
#include "user/unwind/cfi.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include <dwarf.h>
#include <elf.h>
#include <elfutils/libdw.h>
#include <link.h>
#include <sys/auxv.h>
#include <sys/mman.h>

#include "tests/unit/unwind_self.h"
#include "user/unwind/module.h"
#include "user/unwind/providers.h"

struct registers {
	uint64_t pc, sp, bp;
};

/* The made-up memory: any address holds something, and never the same. */
static uint64_t memory(uint64_t addr)
{
	uint64_t x = addr * 0x9E3779B97F4A7C15ull;

	return (x ^ x >> 31) & 0x7fffffffffff;
}

/* --- libdw's answer ----------------------------------------------------------------------------- */

struct twin {
	struct registers at, caller;
	uint64_t cfa;
	bool is_end;
	bool uses_others;	/* a register that rules do not have, or a computed bp */
	bool bp_is_lost;
};

static uint64_t twin_register(struct twin *twin, uint64_t reg)
{
	switch (reg) {
	case 6:
		return twin->at.bp;
	case 7:
		return twin->at.sp;
	case 16:
		return twin->at.pc;
	default:
		twin->uses_others = true;
		return 0;
	}
}

static uint64_t twin_binary(uint8_t op, uint64_t a, uint64_t b)
{
	switch (op) {
	case DW_OP_plus:
		return a + b;
	case DW_OP_minus:
		return a - b;
	case DW_OP_and:
		return a & b;
	case DW_OP_mul:
		return a * b;
	case DW_OP_shl:
		return a << b;
	case DW_OP_ge:
		return (int64_t)a >= (int64_t)b;
	default:
		fail_msg("operation 0x%x", op);
		return 0;
	}
}

static uint64_t twin_evaluate(struct twin *twin, const Dwarf_Op *ops, size_t n)
{
	uint64_t stack[32] = { 0 };
	size_t i, top = 0;

	for (i = 0; i < n; i++) {
		const Dwarf_Op *op = &ops[i];

		assert_true(top < 30);
		if (op->atom >= DW_OP_breg0 && op->atom <= DW_OP_breg31)
			stack[++top] = twin_register(twin, op->atom - DW_OP_breg0) + op->number;
		else if (op->atom == DW_OP_bregx)
			stack[++top] = twin_register(twin, op->number) + op->number2;
		else if (op->atom >= DW_OP_lit0 && op->atom <= DW_OP_lit31)
			stack[++top] = op->atom - DW_OP_lit0;
		else if (op->atom >= DW_OP_const1u && op->atom <= DW_OP_consts)
			stack[++top] = op->number;
		else if (op->atom == DW_OP_call_frame_cfa)
			stack[++top] = twin->cfa;
		else if (op->atom == DW_OP_plus_uconst)
			stack[top] += op->number;
		else if (op->atom == DW_OP_deref)
			stack[top] = memory(stack[top]);
		else if (op->atom == DW_OP_stack_value || op->atom == DW_OP_regx ||
			 (op->atom >= DW_OP_reg0 && op->atom <= DW_OP_reg31))
			twin->bp_is_lost = true;
		else
			top--, stack[top] = twin_binary(op->atom, stack[top], stack[top + 1]);
	}
	return stack[top];
}

static void twin_step(struct twin *twin, Dwarf_Frame *frame)
{
	Dwarf_Op *ops, mem[3];
	size_t n;

	assert_int_equal(dwarf_frame_cfa(frame, &ops, &n), 0);
	twin->cfa = twin_evaluate(twin, ops, n);
	assert_int_equal(dwarf_frame_register(frame, 16, mem, &ops, &n), 0);
	twin->is_end = n == 0;
	twin->caller.pc = memory(twin_evaluate(twin, ops, n));
	twin->uses_others |= twin->bp_is_lost;	/* vfork keeps it in rdi */
	assert_int_equal(dwarf_frame_register(frame, 6, mem, &ops, &n), 0);
	twin->bp_is_lost = n == 0 && ops == mem;
	twin->caller.bp = n ? memory(twin_evaluate(twin, ops, n)) : twin->at.bp;
	twin->caller.sp = twin->cfa;
}

/* --- ours --------------------------------------------------------------------------------------- */

static struct registers follow(const struct unwind_rule *rule, const struct registers *at)
{
	uint64_t cfa = unwind_base(rule, at->sp, at->bp);
	struct registers caller = { .bp = at->bp };

	if (rule->kind == UNWIND_SIGNAL)
		return (struct registers){
			.pc = memory(at->sp + UNWIND_SIGNAL_IP_OFF),
			.sp = memory(at->sp + UNWIND_SIGNAL_SP_OFF),
			.bp = memory(at->sp + UNWIND_SIGNAL_BP_OFF),
		};
	if (unwind_derefs(rule))
		cfa = memory(cfa + (uint64_t)(int64_t)rule->deref_off);
	caller.sp = cfa + (uint64_t)(int64_t)rule->cfa_off;
	caller.pc = memory(caller.sp + (uint64_t)(int64_t)rule->ra_off);
	if (rule->flags & UNWIND_F_BP_SAVED)
		caller.bp = memory(unwind_bp_slot(rule, at->bp, caller.sp));
	return caller;
}

struct tally {
	size_t rows, broken, gaps;
	size_t kinds[UNWIND_BROKEN + 1];
};

static int ask_provider(struct unwind_module *module, uint64_t vaddr, struct unwind_rule *rule)
{
	const struct unwind_place place = { .module = module, .vaddr = vaddr, .pc = vaddr };

	return cfi_provider.rule(&place, rule);
}

static void compare(const struct image *image, Dwarf_Frame *frame, uint64_t vaddr,
		    struct tally *tally)
{
	struct unwind_module module = { .image = *image };
	struct registers at = { vaddr, 0x7ffd12345678, 0x7ffd1234aaa0 }, caller;
	struct twin twin = { .at = at };
	struct unwind_rule rule;

	twin_step(&twin, frame);
	assert_int_equal(ask_provider(&module, vaddr, &rule), 0);
	tally->rows++;
	tally->kinds[rule.kind]++;
	if (rule.kind == UNWIND_BROKEN) {
		tally->broken++;
		if (!twin.uses_others)
			fail_msg("no rule at 0x%" PRIx64, vaddr);
		return;
	}
	if (rule.kind == UNWIND_END || twin.is_end) {
		assert_true(rule.kind == UNWIND_END && twin.is_end);
		return;
	}
	assert_false(twin.uses_others && !twin.bp_is_lost);
	caller = follow(&rule, &at);
	if (caller.sp != twin.caller.sp || caller.pc != twin.caller.pc ||
	    (caller.bp != twin.caller.bp && !twin.bp_is_lost))
		fail_msg("rule of kind %u at 0x%" PRIx64 " differs from libdw's", rule.kind, vaddr);
}

static void compare_all(const struct image *image, Elf *elf, const char *name)
{
	Dwarf_CFI *cfi = dwarf_getcfi_elf(elf);
	struct tally tally = { 0 };
	size_t i;

	if (!cfi)
		return;
	for (i = 0; i < image->n_segments; i++) {
		const struct image_segment *segment = &image->segments[i];
		Dwarf_Addr vaddr = segment->vaddr, end;

		while (vaddr < segment->vaddr + segment->sz) {
			Dwarf_Frame *frame = NULL;
			struct cfi_fde fde;

			if (dwarf_cfi_addrframe(cfi, vaddr, &frame)) {
				if (!image->debug_frame.n)
					assert_false(cfi__find(image, vaddr, &fde));
				tally.gaps++;
				vaddr++;
				continue;
			}
			dwarf_frame_info(frame, NULL, &end, NULL);
			assert_true(end > vaddr);
			compare(image, frame, vaddr, &tally);
			compare(image, frame, end - 1, &tally);
			vaddr = end;
			free(frame);
		}
	}
	print_message("# %s: %zu rows (sp %zu, bp %zu, end %zu, signal %zu, deref %zu, none %zu)\n",
		      *name ? name : "this program", tally.rows, tally.kinds[UNWIND_SP],
		      tally.kinds[UNWIND_BP], tally.kinds[UNWIND_END], tally.kinds[UNWIND_SIGNAL],
		      tally.kinds[UNWIND_SP_DEREF] + tally.kinds[UNWIND_BP_DEREF], tally.broken);
	assert_true(tally.rows > 0);
	assert_true(tally.broken * 100 <= tally.rows);
	dwarf_cfi_end(cfi);
}

static void compare_file(const char *path, const char *name)
{
	struct image image;
	Elf *elf;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(image__load(&image, &(struct image_source){ .fd = fd }), 0);
	elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
	assert_non_null(elf);
	compare_all(&image, elf, name);
	elf_end(elf);
	image__fini(&image);
	close(fd);
}

static int compare_loaded(struct dl_phdr_info *info, size_t sz, void *ctx)
{
	if (!strchr(info->dlpi_name, '/') && *info->dlpi_name)
		return 0;	/* the vdso has no file */
	compare_file(*info->dlpi_name ? info->dlpi_name : "/proc/self/exe", info->dlpi_name);
	return 0;
}

static void test_libraries(void **state)
{
	dl_iterate_phdr(compare_loaded, NULL);
}

static void test_named_files(void **state)
{
	char *files = getenv("UNWIND_TEST_FILES"), *name, *rest = NULL;

	if (!files)
		return;
	for (name = strtok_r(files, ":", &rest); name; name = strtok_r(NULL, ":", &rest))
		compare_file(name, name);
}

/* --- the vdso: an ELF file of two pages, whole in memory ------------------------------------------ */

static size_t copy_vdso(uint8_t **out)
{
	uint64_t base = getauxval(AT_SYSINFO_EHDR);
	struct unwind_map map;
	char path[PATH_MAX];

	assert_int_equal(self_find(base, &map, path), 0);
	*out = malloc(map.end - map.start);
	assert_non_null(*out);
	memcpy(*out, (void *)(uintptr_t)base, map.end - map.start);
	return map.end - map.start;
}

static void load_memory(struct image *image, const uint8_t *mem, size_t n)
{
	assert_int_equal(image__load(image, &(struct image_source){ .mem = mem, .mem_sz = n }), 0);
}

static void test_vdso(void **state)
{
	cleanup_free uint8_t *vdso = NULL;
	size_t n = copy_vdso(&vdso);
	struct image image;
	Elf *elf = elf_memory((char *)vdso, n);

	load_memory(&image, vdso, n);
	assert_non_null(elf);
	compare_all(&image, elf, "vdso");
	elf_end(elf);
	image__fini(&image);
}

/* Asks an image for the rule at many addresses; whatever it says, it must say it soon. */
static void ask(const struct image *image)
{
	struct unwind_module module = { .image = *image };
	struct unwind_rule rule;
	uint64_t vaddr;

	for (vaddr = 0; vaddr < 0x2000; vaddr += 0x95)
		ask_provider(&module, vaddr, &rule);
}

static void test_truncated(void **state)
{
	cleanup_free uint8_t *vdso = NULL;
	size_t n = copy_vdso(&vdso), cut;
	struct image image;

	for (cut = 0; cut < n; cut += 64) {
		/* A block of its own, so that the sanitizer sees a read beyond its end. */
		cleanup_free uint8_t *piece = malloc(cut + 1);

		memcpy(piece, vdso, cut);
		piece[cut] = 0;
		load_memory(&image, piece, cut);
		ask(&image);
		image__fini(&image);
	}
}

static void test_flipped_bits(void **state)
{
	cleanup_free uint8_t *vdso = NULL;
	size_t n = copy_vdso(&vdso), bit, step = 1;
	struct image image;

	for (bit = 0; bit < n * 8; bit += step) {
		vdso[bit / 8] ^= (uint8_t)(1u << bit % 8);
		load_memory(&image, vdso, n);
		ask(&image);
		image__fini(&image);
		vdso[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}

/* The sections filled with noise behind intact headers. */
static void test_random_sections(void **state)
{
	cleanup_free uint8_t *vdso = NULL;
	size_t n = copy_vdso(&vdso), i, round;
	uint64_t seed = 0x5eed;
	struct image image;

	for (round = 0; round < 2000; round++) {
		load_memory(&image, vdso, n);
		assert_true(image.eh_frame.n > 64);
		for (i = 0; i < 40; i++)
			image.eh_frame.p[next_random(&seed) % image.eh_frame.n] =
				(uint8_t)next_random(&seed);
		if (round % 2) {
			image.table = NULL;
			assert_int_equal(cfi__index(&image.eh_frame, true, &image.eh_index), 0);
		}
		ask(&image);
		image__fini(&image);
	}
}

static void test_not_elf(void **state)
{
	static const char *const paths[] = { "/proc/self/maps", "/dev/null", "/", "/etc/passwd" };
	struct image image;
	size_t i;

	for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		cleanup_fd int fd = open(paths[i], O_RDONLY | O_CLOEXEC);

		assert_int_equal(image__load(&image, &(struct image_source){ .fd = fd }), 0);
		assert_int_equal(image.n_segments, 0);
		image__fini(&image);
	}
}

/* A sparse file that claims sections of many GB: nothing like that may be allocated. */
static void test_sparse(void **state)
{
	cleanup_fd int fd = memfd_create("sparse", MFD_CLOEXEC);
	Elf64_Ehdr ehdr = {
		.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB },
		.e_machine = EM_X86_64,
		.e_phoff = sizeof(ehdr),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = 2,
	};
	Elf64_Phdr phdrs[2] = {
		{ .p_type = PT_LOAD, .p_flags = PF_X, .p_filesz = 1ull << 40 },
		{ .p_type = PT_GNU_EH_FRAME, .p_offset = 4096, .p_vaddr = 4096, .p_filesz = 1ull << 40 },
	};
	struct image image;

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 1ll << 40), 0);
	assert_int_equal(pwrite(fd, &ehdr, sizeof(ehdr), 0), sizeof(ehdr));
	assert_int_equal(pwrite(fd, phdrs, sizeof(phdrs), sizeof(ehdr)), sizeof(phdrs));
	assert_int_equal(image__load(&image, &(struct image_source){ .fd = fd }), 0);
	assert_int_equal(image.n_segments, 1);
	assert_true(image__bytes(&image) <= 64 << 20);
	ask(&image);
	image__fini(&image);
}

/* --- .debug_frame, by hand: a CIE of version 4, and an FDE for [0x1000, 0x1020) that pushes bp --- */

static uint8_t debug_frame[] = {
	24, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 4, 0, 8, 0,	/* length, id, version, "", sizes */
	1, 0x78, 16,						/* code 1, data -8, ra in 16 */
	DW_CFA_def_cfa, 7, 8, DW_CFA_offset | 16, 1,		/* CFA = sp + 8, ra at CFA - 8 */
	0, 0, 0, 0, 0, 0, 0, 0,
	36, 0, 0, 0, 0, 0, 0, 0,				/* length, the CIE is at 0 */
	0x00, 0x10, 0, 0, 0, 0, 0, 0, 0x20, 0, 0, 0, 0, 0, 0, 0,
	DW_CFA_advance_loc | 1, DW_CFA_def_cfa_offset, 16, DW_CFA_offset | 6, 2,
	DW_CFA_advance_loc | 3, DW_CFA_def_cfa_register, 6, 0, 0, 0, 0, 0, 0, 0, 0,
};

static void test_debug_frame(void **state)
{
	struct image image = {
		.debug_frame = { .p = debug_frame, .n = sizeof(debug_frame) },
	};
	struct unwind_module module;
	struct unwind_rule rule;

	assert_int_equal(cfi__index(&image.debug_frame, false, &image.debug_index), 0);
	assert_int_equal(image.debug_index.n, 1);
	module = (struct unwind_module){ .image = image };
	assert_int_equal(ask_provider(&module, 0xfff, &rule), 1);
	assert_int_equal(ask_provider(&module, 0x1020, &rule), 1);
	assert_int_equal(ask_provider(&module, 0x1000, &rule), 0);
	assert_int_equal(rule.kind, UNWIND_SP);
	assert_int_equal(rule.cfa_off, 8);
	assert_int_equal(rule.ra_off, -8);
	assert_int_equal(rule.flags, 0);
	assert_int_equal(ask_provider(&module, 0x1003, &rule), 0);
	assert_int_equal(rule.kind, UNWIND_SP);
	assert_int_equal(rule.cfa_off, 16);
	assert_int_equal(rule.flags, UNWIND_F_BP_SAVED);
	assert_int_equal(rule.bp_off, -16);
	assert_int_equal(ask_provider(&module, 0x101f, &rule), 0);
	assert_int_equal(rule.kind, UNWIND_BP);
	assert_int_equal(rule.cfa_off, 16);
	free(image.debug_index.fdes);
}

/* --- expressions --------------------------------------------------------------------------------- */

static bool evaluate(const uint8_t *p, size_t n, uint64_t pc, struct cfi_value *out)
{
	return cfi__evaluate((struct cursor){ .p = p, .end = p + n }, false, pc, out);
}

static void test_expressions(void **state)
{
	static const uint8_t plt[] = { DW_OP_breg7, 8, DW_OP_breg16, 0, DW_OP_lit15, DW_OP_and,
				       DW_OP_lit11, DW_OP_ge, DW_OP_lit3, DW_OP_shl, DW_OP_plus };
	static const uint8_t realigned[] = { DW_OP_breg6, 0x78, DW_OP_deref };
	static const uint8_t assembly[] = { DW_OP_breg7, 0xf0, 0x00, DW_OP_deref,
					    DW_OP_plus_uconst, 8 };
	static const uint8_t twice[] = { DW_OP_breg7, 0, DW_OP_deref, DW_OP_deref };
	static const uint8_t empty_pop[] = { DW_OP_breg7, 0, DW_OP_plus };
	static const uint8_t number[] = { DW_OP_lit5 };
	static const uint8_t cut[] = { DW_OP_const8u, 1, 2 };
	uint8_t many[64];
	struct cfi_value value;

	assert_true(evaluate(plt, sizeof(plt), 0x102a, &value));
	assert_true(value.base == CFI_SP && !value.deref && value.off == 8);
	assert_true(evaluate(plt, sizeof(plt), 0x102b, &value));
	assert_true(value.base == CFI_SP && !value.deref && value.off == 16);
	assert_true(evaluate(realigned, sizeof(realigned), 0, &value));
	assert_true(value.base == CFI_BP && value.deref && value.inner == -8ull && !value.off);
	assert_true(evaluate(assembly, sizeof(assembly), 0, &value));
	assert_true(value.base == CFI_SP && value.deref && value.inner == 112 && value.off == 8);
	assert_false(evaluate(twice, sizeof(twice), 0, &value));
	assert_false(evaluate(empty_pop, sizeof(empty_pop), 0, &value));
	assert_false(evaluate(number, sizeof(number), 0, &value));
	assert_false(evaluate(cut, sizeof(cut), 0, &value));
	assert_false(evaluate(cut, 0, 0, &value));
	memset(many, DW_OP_lit1, sizeof(many));
	assert_false(evaluate(many, sizeof(many), 0, &value));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_libraries),
		cmocka_unit_test(test_named_files),
		cmocka_unit_test(test_vdso),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_flipped_bits),
		cmocka_unit_test(test_random_sections),
		cmocka_unit_test(test_not_elf),
		cmocka_unit_test(test_sparse),
		cmocka_unit_test(test_debug_frame),
		cmocka_unit_test(test_expressions),
	};

	elf_version(EV_CURRENT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
