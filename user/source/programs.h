/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Which of the BPF programs are loaded, and in which form. */
#ifndef UNFREED_SOURCE_PROGRAMS_H
#define UNFREED_SOURCE_PROGRAMS_H

struct features;
struct unfreed_bpf;

/* Before the load, for what this kernel offers. What else is younger than Linux 5.8 the programs settle
 * by themselves (kernel_has() in bpf/maps.bpf.h). Returns 0 or -errno. */
int programs__choose(struct unfreed_bpf *bpf, const struct features *features);

#endif /* UNFREED_SOURCE_PROGRAMS_H */
