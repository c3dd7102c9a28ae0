# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""The oldest kernel of KERNELS, briefly: this one is part of `make check`."""

import time

import pytest

import judge
import vm


def test_oldest(tmp_path, show):
    (release, suite), since = judge.kernels()[0][0], time.monotonic()
    try:
        files = judge.Files(vm.run(tmp_path, suite, "short.plan", 200))
    except vm.CannotHave as why:
        pytest.skip(f"KERNEL {release} ({suite}) NOT BOOTED: {why}")
    found = judge.judge_release(files, release)
    share = judge.judge_leak(files, "leak")
    show(f"{found}: {100 * share:.2f}% of stacks complete; {time.monotonic() - since:.0f} s")
