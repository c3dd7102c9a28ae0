# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
# The real broker, whole; `make check` has it without the rounds that are timed.
#
#   sudo make check-kafka KAFKA_MB=1300   so many megabytes are sent; the log gets half as large

KAFKA_MB ?= 1300

.PHONY: check-kafka
check-kafka:
	$(call as_root,check-kafka)
	@packaging/install-deps.sh test
	@$(MAKE) --no-print-directory -j$$(nproc) all
	@chown -R --reference=Makefile $(O)
	@UNFREED_BUILD=$(abspath $(O)) KAFKA_FULL=1 KAFKA_MB=$(KAFKA_MB) $(PYTHON) -m pytest -v -rs \
		--no-header --tb=short -p no:cacheprovider tests/kafka
