# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
# tests/run: beside others
"""Memory taken from the kernel: kind and bytes right within a page, the right verdict."""

import pytest

from harness import OWN, assert_trusted, function_names, kind_bytes, map_bytes

PAGE = 4096

# mode of mmaps.c -> the report's kind, the verdict on who keeps. What was never given back at
# all is growth; a leak is what stays while its siblings were given back, and a file mapped again
# and again, for which there is no reason (docs/detector.md).
MODES = {
    "anon": ("anon", {"leak"}),
    "file": ("file", {"leak"}),
    "memfd": ("shm", {"leak"}),
    "shm": ("shm", {"growth"}),
    "brk": ("heap", {"growth"}),
    "commit": ("anon", {"growth"}),
    "partial": ("anon", {"growth", "leak"}),
    "remap": ("anon", {"growth", "leak"}),
}


def test_what_is_kept_names_its_taker(lab):
    counts, result = lab.observe(lab.c("mmaps", "--mode", "anon", "--rate", 500))
    site = result.sites(counts["pid"], "anon")[0]
    assert site["verdict"] == "leak"
    assert result.status == 3
    assert site["open"] == counts["pieces"]
    assert site["bytes"] == counts["bytes"]
    assert "take_anon" in function_names(site) and "main" in function_names(site)


def observe(lab, *argv, rate=500):
    """What the program says, and the report: beside /proc/PID/maps, kind by kind."""
    program = lab.c("mmaps", *argv, "--rate", rate)
    kinds = ("anon", "file", "shm", "heap", "reserved")
    before = {kind: kind_bytes(program.pid, kind) for kind in kinds}
    watcher = lab.attach(program)
    program.go()
    counts = program.done()
    taken = {kind: kind_bytes(program.pid, kind) - before[kind] for kind in kinds}
    result = watcher.stop()
    program.end()
    assert_trusted(result)
    for kind in kinds:
        got = result.kind(counts["pid"], kind)["bytes"]
        assert abs(got - taken[kind]) <= PAGE, f"{kind}: {got}, by the kernel {taken[kind]}"
    return counts, result


@pytest.mark.parametrize("mode", MODES)
def test_kept(lab, mode):
    kind, verdicts = MODES[mode]
    counts, result = observe(lab, "--mode", mode)
    assert abs(result.kind(counts["pid"], kind)["bytes"] - counts["bytes"]) <= PAGE
    assert result.process(counts["pid"])["verdict"] in verdicts


@pytest.mark.parametrize("mode", MODES)
def test_twin(lab, mode):
    kind, _ = MODES[mode]
    counts, result = observe(lab, "--mode", mode, "--close")
    assert result.kind(counts["pid"], kind)["bytes"] <= PAGE
    assert result.kind(counts["pid"], kind)["opened"] > 0
    assert result.report["verdict"] == "none"
    assert result.status == 0


def test_small_blocks_of_malloc(lab):
    counts, result = observe(lab, "--mode", "malloc", "--count", 300000, rate=150000)
    assert result.kind(counts["pid"], "heap")["bytes"] > 30 << 20
    assert result.process(counts["pid"])["verdict"] == "growth"


def test_reservation_is_no_leak(lab):
    counts, result = lab.observe(lab.c("mmaps", "--mode", "reserve", "--rate", 5))
    process = result.process(counts["pid"])
    assert counts["bytes"] == 10 << 30
    assert result.kind(counts["pid"], "reserved")["bytes"] == counts["bytes"]
    assert process["reserved_bytes"] >= counts["bytes"]
    assert process["verdict"] == "none"
    assert result.status == 0


def test_filling_and_stopping_is_no_leak(lab):
    program = lab.c("mmaps", "--mode", "fill", "--rate", 200)
    watcher = lab.attach(program)
    program.go()
    counts = program.done()
    try:
        watcher.process.wait(3)	# it has stopped: nothing is taken any more
    except Exception:
        pass
    result = watcher.stop()
    program.end()
    assert counts["bytes"] == 200 << 20
    assert abs(result.kind(counts["pid"], "anon")["bytes"] - counts["bytes"]) <= PAGE
    assert result.report["verdict"] != "leak"
    assert result.status == 0


@pytest.mark.parametrize("mode", ["anon", "brk", "commit", "partial", "remap", "file"])
def test_totals_are_the_kernels_own(lab, mode):
    """Bytes accessible and reserved, seeded and tracked, beside /proc/PID/maps at the end."""
    program = lab.c("mmaps", "--mode", mode, "--rate", 1000)
    watcher = lab.attach(program)
    program.go()
    program.done()
    accessible = map_bytes(program.pid, lambda p, n: p[:3] != "---" and n not in OWN)
    reserved = map_bytes(program.pid, lambda p, n: p[:3] == "---" and n not in OWN)
    result = watcher.stop()
    program.end()
    process = result.process(program.pid)
    special = 64 << 10	# whether vdso and vvar count is not for this test to say
    assert accessible <= process["accessible_bytes"] <= accessible + special
    assert reserved <= process["reserved_bytes"] <= reserved + special
