# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
# Every kernel of tests/vm/KERNELS in a virtual machine; needs no root once its packages are there.
.PHONY: check-kernels
check-kernels: $(B)/unfreed programs bpf-tests
	@packaging/install-deps.sh vm
	@UNFREED_BUILD=$(B) $(PYTHON) -m pytest -v -rs --no-header -p no:cacheprovider tests/vm/test_kernels.py
