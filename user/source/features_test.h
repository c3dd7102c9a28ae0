/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * What the tests behind features.h share. A test fills in one struct feature by the setters below.
 */
#ifndef UNFREED_SOURCE_FEATURES_TEST_H
#define UNFREED_SOURCE_FEATURES_TEST_H

#include <stdint.h>

#include "user/source/features.h"

struct feature_tests {
	struct features *out;
	uint64_t caps;		/* effective */
	int tracefs_fd;		/* or -errno */
	int btf_error;		/* 0 or -errno of the kernel's BTF */
	int btf_tracepoint;	/* BTF id of a tracepoint, and of a function nobody calls: */
	int btf_function;	/* ids of types; 0: not there */
};

__attribute__((format(printf, 2, 3)))
void feature__yes(struct feature *feature, const char *why, ...);
__attribute__((format(printf, 4, 5)))
void feature__no(struct feature *feature, int error, const char *cure, const char *why, ...);
__attribute__((format(printf, 3, 4)))
void feature__unknown(struct feature *feature, int error, const char *why, ...);

/* features_bpf.c. `error` numbers are positive throughout. */
void feature_tests__read_btf(struct feature_tests *tests);
void test_btf(struct feature_tests *tests, struct feature *out);
void test_bpf(struct feature_tests *tests, struct feature *out);
void test_lockdown(struct feature_tests *tests, struct feature *out);
void test_ringbuf(struct feature_tests *tests, struct feature *out);
void test_tp_btf(struct feature_tests *tests, struct feature *out);
void test_find_vma(struct feature_tests *tests, struct feature *out);
void test_task_pt_regs(struct feature_tests *tests, struct feature *out);
void test_bpf_cookie(struct feature_tests *tests, struct feature *out);
void test_uprobe_multi(struct feature_tests *tests, struct feature *out);
void test_fentry(struct feature_tests *tests, struct feature *out);

/* features_system.c */
uint64_t effective_caps(void);
void test_initial_pidns(struct feature_tests *tests, struct feature *out);
void test_map_files(struct feature_tests *tests, struct feature *out);
void test_perf(struct feature_tests *tests, struct feature *out);
void test_uprobes(struct feature_tests *tests, struct feature *out);
void test_jit(struct feature_tests *tests, struct feature *out);
void test_uretprobe(struct feature_tests *tests, struct feature *out);
void test_pagemap_scan(struct feature_tests *tests, struct feature *out);

#endif /* UNFREED_SOURCE_FEATURES_TEST_H */
