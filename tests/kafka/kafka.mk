# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
# The real broker, whole: `make check-kafka`, as root. `make check` has it with a smaller log.
KAFKA_MB ?= 1300

.PHONY: check-kafka
check-kafka: $(B)/unfreed
	@KAFKA_FULL=1 KAFKA_MB=$(KAFKA_MB) UNFREED_BUILD=$(B) $(PYTHON) -m pytest -v -rs --tb=short --no-header \
		-p no:cacheprovider tests/kafka $(KAFKA_ARGS)
