# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
# The real broker: `make check-kafka`, as root; KAFKA_MB=1300 for the log of docs/kafka.md.
.PHONY: check-kafka
check-kafka: $(B)/unfreed
	@UNFREED_BUILD=$(B) $(PYTHON) -m pytest -q -s -rs -p no:cacheprovider tests/kafka
