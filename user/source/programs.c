/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Where two programs do one thing, the newer way and the older cannot stand in one: an older verifier
 * refuses what it cannot read even where it would never get (callbacks, before Linux 5.13).
 */
#include "user/source/programs.h"

#include "user/source/bpf.h"
#include "user/source/features.h"

int programs__choose(struct unfreed_bpf *bpf, const struct features *features)
{
	bool find_vma = features__has(features, FEATURE_FIND_VMA);
	int n_cpus = libbpf_num_possible_cpus(), r;

	if (n_cpus < 0)
		return n_cpus;
	bpf_program__set_autoload(bpf->progs.exit_shmat, find_vma);
	bpf_program__set_autoload(bpf->progs.exit_shmat_blind, !find_vma);
	bpf_program__set_autoload(bpf->progs.exit_remap_file_pages, find_vma);
	bpf_program__set_autoload(bpf->progs.exit_remap_file_pages_blind, !find_vma);
	if (features__has(features, FEATURE_UPROBE_MULTI))
		bpf_program__set_expected_attach_type(bpf->progs.handle_call,
						      FEATURES_UPROBE_MULTI_ATTACH_TYPE);
	r = bpf_map__set_max_entries(bpf->maps.walks, (unsigned int)n_cpus * WALKS_PER_CPU);
	if (!r)
		r = bpf_map__set_max_entries(bpf->maps.memos, (unsigned int)n_cpus * MEMOS_PER_CPU);
	return r;
}
