# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
# libFuzzer harnesses; included by the Makefile: `include tests/fuzz/fuzz.mk`.
#
#   make fuzz FUZZ_SECONDS=60     builds all harnesses and runs each that long, from its seeds
#   make fuzz-build               only builds them
#   make fuzz-build-if-there      the same, or nothing and a line where clang has no libFuzzer
#
# tests/fuzz/test_fuzz.py runs each for some seconds, as a part of `make check`.
#
# tests/fuzz/fuzz_NAME.c is a harness; FUZZ_SRC_NAME are the sources it tries, built along with it
# under clang's -fsanitize=fuzzer,address (Debian: libclang-rt-dev); FUZZ_LIBS_NAME what they
# link with; tests/fuzz/seeds/NAME/ its seeds, which are only read. What it finds and learns stays
# in $(O)/fuzz/. Seeds with a number for a name were learnt, and are as few as reach all that was
# reached: $(O)/fuzz/fuzz_NAME -merge=1 -use_counters=0 tests/fuzz/seeds/NAME $(O)/fuzz/corpus/NAME

FUZZ_SECONDS ?= 60
FUZZ_FLAGS = -std=gnu11 -O1 -g -fno-omit-frame-pointer -fno-strict-aliasing \
	-fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all

FUZZ_NAMES := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_BIN := $(FUZZ_NAMES:%=$(O)/fuzz/fuzz_%)

FUZZ_SRC_decode := user/wire/decode.c user/wire/encode.c
FUZZ_SRC_capture := $(wildcard user/wire/capture*.c) $(FUZZ_SRC_decode)
FUZZ_LIBS_capture = $(call pkg,--libs,zlib)
FUZZ_SRC_dump_parse := $(wildcard user/wire/dump*.c) $(FUZZ_SRC_decode) user/wire/capture_format.c \
	user/base/text.c
FUZZ_LIBS_dump_parse = $(call pkg,--libs,zlib)
FUZZ_SRC_walk := $(wildcard user/base/*.c user/unwind/*.c)
FUZZ_SRC_cfi := $(FUZZ_SRC_walk)
FUZZ_SRC_hotspot := $(FUZZ_SRC_walk)
FUZZ_LIBS_walk = $(call pkg,--libs,libdw libelf)
FUZZ_LIBS_cfi = $(FUZZ_LIBS_walk)
FUZZ_LIBS_hotspot = $(FUZZ_LIBS_walk)
FUZZ_SRC_elf := $(wildcard user/base/*.c user/symbol/*.c)
FUZZ_LIBS_elf = $(call pkg,--libs,libdw libelf zlib) -liberty -lm
FUZZ_SRC_lines := user/symbol/line_program.c
FUZZ_SRC_demangle := user/symbol/demangle.c user/base/text.c
FUZZ_LIBS_demangle = -liberty -lm
FUZZ_SRC_region_map := user/model/region_map.c
FUZZ_SRC_perf_map := $(wildcard user/symbol/perf_map*.c)
FUZZ_SRC_past := user/detect/past.c $(wildcard user/base/*.c)
FUZZ_SRC_maps := $(addprefix user/source/,procfs.c procfs_maps.c cgroup.c)
FUZZ_SRC_cgroup := $(FUZZ_SRC_maps) user/source/cgroup_unit.c

$(foreach name,$(FUZZ_NAMES),$(eval $(O)/fuzz/fuzz_$(name): $$(FUZZ_SRC_$(name))))
$(FUZZ_BIN): $(O)/fuzz/fuzz_%: tests/fuzz/fuzz_%.c $(wildcard bpf/*.h user/*/*.h)
	$(call say,FUZZ,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(CPPFLAGS_ALL) $(FUZZ_FLAGS) $(WARNINGS) -o $@ $< $(FUZZ_SRC_$*) $(FUZZ_LIBS_$*)

.PHONY: fuzz-build fuzz
fuzz-build: $(FUZZ_BIN)

.PHONY: fuzz-build-if-there
fuzz-build-if-there:
	@if [ -e "$$($(CLANG) -print-file-name=libclang_rt.fuzzer-x86_64.a)" ]; then \
		$(MAKE) --no-print-directory fuzz-build; \
	else \
		echo 'clang has no libFuzzer: the fuzzers are not built'; \
	fi

fuzz: $(FUZZ_NAMES:%=fuzz-%)

FUZZ_RUNS := $(FUZZ_NAMES:%=fuzz-%)
.PHONY: $(FUZZ_RUNS)
$(FUZZ_RUNS): fuzz-%: $(O)/fuzz/fuzz_%
	$(Q)mkdir -p $(O)/fuzz/corpus/$*
	$(Q)$< -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
		-artifact_prefix=$(O)/fuzz/$*- $(O)/fuzz/corpus/$* $(wildcard tests/fuzz/seeds/$*)

.PHONY: fuzz-seeds
fuzz-seeds: $(O)/fuzz/make_seeds_decode
	$(Q)$< tests/fuzz/seeds/decode

$(O)/fuzz/make_seeds_decode: tests/fuzz/make_seeds_decode.c tests/unit/records.h bpf/event.h \
		$(FUZZ_SRC_decode)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -o $@ $< $(FUZZ_SRC_decode)
