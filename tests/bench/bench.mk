# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
# Benchmarks that are programs of their own: `make bench` builds them.

BENCH_SRC := $(filter-out tests/bench/bench_probes.c,$(wildcard tests/bench/bench_*.c))
BENCH_BIN := $(BENCH_SRC:%.c=$(B)/%)

$(BENCH_BIN): $(B)/%: %.c $(B)/libcore.a
	$(call say,BENCH,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(DEPFLAGS) $(LDFLAGS_ALL) -o $@ $< $(B)/libcore.a \
		$(call pkg,--libs,$(CORE_PKGS)) -liberty -lm

.PHONY: bench
bench: $(BENCH_BIN)

#   make bench-java BENCH_JAVA_ROUNDS=5     what Java stacks cost, and stacks in a storm; needs root
BENCH_JAVA_ROUNDS ?= 5
.PHONY: bench-java
bench-java: all programs
	$(call as_root,bench-java)
	@UNFREED_BUILD=$(abspath $(O)) $(PYTHON) tests/bench/java_stacks.py $(BENCH_JAVA_ROUNDS)
