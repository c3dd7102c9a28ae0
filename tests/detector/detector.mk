# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
# The detector's own bench: labelled traces, and who finds the leaks in them.
#
#   make detector                builds the programs
#   make detector-quality        measures them on seeds that nothing was tuned on (DETECTOR_SEEDS=);
#                                three minutes of a core

DETECTOR_GEN_SRC := $(addprefix tests/detector/,generate.c make.c scenarios_leak.c \
	scenarios_benign.c scenarios_other.c)
DETECTOR_EVAL_SRC := $(addprefix tests/detector/,evaluate.c trace.c trace_fields.c replay.c \
	baseline.c score.c)
DETECTOR_GEN := $(B)/tests/detector/generate
DETECTOR_EVAL := $(B)/tests/detector/evaluate

$(DETECTOR_GEN): $(DETECTOR_GEN_SRC) $(wildcard tests/detector/*.h)
	$(call say,TEST,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $(DETECTOR_GEN_SRC) -lm

$(DETECTOR_EVAL): $(DETECTOR_EVAL_SRC) $(wildcard tests/detector/*.h) $(B)/libcore.a
	$(call say,TEST,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $(DETECTOR_EVAL_SRC) \
		$(B)/libcore.a -lm

.PHONY: detector
detector: $(DETECTOR_GEN) $(DETECTOR_EVAL)

DETECTOR_SEEDS ?=
.PHONY: detector-quality
detector-quality: detector
	$(Q)UNFREED_BUILD=$(B) tests/detector/quality.sh $(DETECTOR_SEEDS)
