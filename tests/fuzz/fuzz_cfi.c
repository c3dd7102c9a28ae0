/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* The input is an ELF file; every address it claims to have code at is asked for. */
#include <stdlib.h>

#include "user/unwind/module.h"
#include "user/unwind/providers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t sz);

static void ask(struct unwind_module *module, uint64_t pc, uint64_t vaddr)
{
	struct unwind_place place = { .pc = pc, .module = module, .vaddr = vaddr };
	struct unwind_rule rule;

	cfi_provider.rule(&place, &rule);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t sz)
{
	struct unwind_module module = { .serial = 1 };
	const struct image *image = &module.image;
	size_t i;

	/* A source without memory would be a file. */
	if (!sz || image__load(&module.image, &(struct image_source){ .mem = data, .mem_sz = sz }))
		return 0;
	for (i = 0; i < image->eh_index.n && i < 64; i++)
		ask(&module, i, image->eh_index.fdes[i].start);
	for (i = 0; i < image->debug_index.n && i < 64; i++)
		ask(&module, i, image->debug_index.fdes[i].start + 1);
	for (i = 0; i < image->n_segments; i++)
		ask(&module, i, image->segments[i].vaddr);
	for (i = 0; i < 0x2000; i += 0x95)
		ask(&module, i, i);
	image__fini(&module.image);
	return 0;
}
