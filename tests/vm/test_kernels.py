# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Every kernel of KERNELS, in a virtual machine. `make check-kernels`; a line is printed for each."""

import time

import pytest

import judge
import vm

BOOTED, LEFT_OUT = judge.kernels()


@pytest.mark.parametrize("release,suite", BOOTED, ids=[suite for _, suite in BOOTED])
def test_kernel(release, suite, tmp_path, show):
    since = time.monotonic()
    try:
        files = judge.Files(vm.run(tmp_path, suite, "long.plan", 400))
    except vm.CannotHave as why:
        pytest.skip(f"KERNEL {release} ({suite}) NOT BOOTED: {why}")
    found = judge.judge_release(files, release)
    judge.judge_programs(files)
    share = judge.judge_leak(files, "leak")
    judge.judge_twin(files, "twin")
    judge.judge_leak(files, "confined")
    for name in judge.REGIONS:
        judge.judge_regions(files, name)
    assert files.result("run").report["verdict"] == "leak"
    judge.judge_service(files)
    judge.judge_verify(files)
    missing = ", ".join(name.strip() for name in files.missing()) or "nothing"
    show(f"{found} ({suite}): {100 * share:.2f}% of stacks complete, 0 bytes differ;"
         f" missing: {missing}; {time.monotonic() - since:.0f} s")


def test_what_is_left_out(show):
    for words in LEFT_OUT:
        show(f"not booted: {words}")
    assert BOOTED and all(": " in words for words in LEFT_OUT)
