# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""node: zlib is inside the program, and a stream opens at its first write, in a pool thread."""

import shutil

import pytest

from harness import SCRIPTS, assert_counts, assert_trusted

NODE = shutil.which("node")

pytestmark = pytest.mark.skipif(not NODE, reason="no node on this machine")

KINDS = {"inflate": "zlib-inflate", "deflate": "zlib-deflate"}


@pytest.mark.parametrize("way", KINDS)
def test_leak(lab, show, way):
    counts, result = lab.observe(lab.program(NODE, SCRIPTS / "zstreams.js", "--kind", way))
    assert_counts(result.kind(counts["pid"], KINDS[way]), counts)
    assert_trusted(result)
    assert result.sites(counts["pid"], KINDS[way])[0]["verdict"] == "leak"
    assert result.status == 3
    trust = result.report["trust"]
    share = trust["stacks_complete"] / trust["stacks"]
    show(f"{100 * share:.2f}% of {trust['stacks']} stacks complete")
    assert share >= 0.99


@pytest.mark.parametrize("way", KINDS)
def test_twin(lab, way):
    counts, result = lab.observe(lab.program(NODE, SCRIPTS / "zstreams.js", "--kind", way,
                                             "--close"))
    assert_counts(result.kind(counts["pid"], KINDS[way]), counts)
    assert not [s for s in result.sites(counts["pid"], KINDS[way])
                if s["verdict"] in ("leak", "growth")]
    assert result.status == 0
