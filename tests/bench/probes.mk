# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
# What watching costs, by tests/bench/bench_probes.c.
#
#   make bench-probes BENCH_ROUNDS=25 BENCH_PAIRS=6000     builds and runs it; needs root
#   make bench-build                                only builds it, for tests/bench/smoke.sh

BENCH_ROUNDS ?= 25
BENCH_PAIRS ?= 6000
PROBES_TARGETS := $(B)/tests/bench/target $(B)/tests/bench/target-fp
PROBES_BIN := $(B)/tests/bench/bench_probes

$(B)/tests/bench/target: BENCH_FRAMES := -fomit-frame-pointer
$(B)/tests/bench/target-fp: BENCH_FRAMES := -fno-omit-frame-pointer
$(PROBES_TARGETS): tests/bench/target.c | $(B)/tests/bench/libz.so.1
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -D_GNU_SOURCE -O2 -g $(BENCH_FRAMES) -fno-optimize-sibling-calls \
		-fno-inline -fno-ipa-cp $(WARNINGS) $(DEPFLAGS) -o $@ $< -lz \
		-Wl,-rpath,'$$ORIGIN'

# A copy of its own: probes that somebody else has put on the system's would be measured, too.
$(B)/tests/bench/libz.so.1:
	$(Q)mkdir -p $(@D)
	$(Q)cp "$$(realpath "$$($(CC) -print-file-name=libz.so)")" $@

$(B)/tests/bench/empty.bpf.o: tests/bench/empty.bpf.c
	$(call say,BPF,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) $(DEPFLAGS) -c -o $@ $<

$(B)/tests/bench/empty.skel.h: $(B)/tests/bench/empty.bpf.o
	$(call say,GEN,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name empty_bpf > $@

PROBES_OBJ := $(B)/tests/bench/bench_probes.o $(B)/tests/bench/attach.o
$(PROBES_OBJ): | $(B)/tests/bench/empty.skel.h $(B)/bpf/unfreed.skel.h
$(PROBES_OBJ): $(B)/%.o: %.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(DEPFLAGS) -c -o $@ $<

$(PROBES_BIN): $(PROBES_OBJ) $(B)/liblive.a $(B)/libcore.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $^ $(call pkg,--libs,$(LIVE_PKGS) $(CORE_PKGS)) \
		-liberty -lm

.PHONY: bench-build bench-probes
bench-build: $(PROBES_BIN) $(PROBES_TARGETS)

bench-probes: bench-build
	$(call as_root,bench-probes)
	@$(PROBES_BIN) $(BENCH_ROUNDS) $(BENCH_PAIRS) $(PROBES_TARGETS)
