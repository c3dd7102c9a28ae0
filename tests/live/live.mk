# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
# The long form of a live test; the short one is a part of `make check`.
#
#   sudo make check-verify DURATION=60   `unfreed verify` beside each load of tests/live/loads.py, that
#                                        many seconds each: not a byte may differ from the kernel's map

DURATION ?= 60

.PHONY: check-verify
check-verify:
	$(call as_root,check-verify)
	@packaging/install-deps.sh long
	@$(MAKE) --no-print-directory -j$$(nproc) all
	@chown -R --reference=Makefile $(O)
	@UNFREED_BUILD=$(B) VERIFY_SECONDS=$(DURATION) $(PYTHON) -m pytest -v -rs -p no:cacheprovider \
		tests/live/test_verify.py -k test_load

#   sudo make check-long MINUTES=30      real programs that are healthy, all at once for so long, beside
#                                        `attach` and the service (tests/live/soak_programs.py)
MINUTES ?= 30
.PHONY: check-long
check-long:
	$(call as_root,check-long)
	@packaging/install-deps.sh test
	@$(MAKE) --no-print-directory -j$$(nproc) all programs
	@chown -R --reference=Makefile $(O)
	@UNFREED_BUILD=$(abspath $(O)) MINUTES=$(MINUTES) $(PYTHON) -m pytest -v --no-header \
		-p no:cacheprovider tests/live/soak_programs.py
