# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
# tests/run: beside others
"""Stacks that were taken in part from what the walk before had found (bpf/memo.bpf.h) are the true ones:
each is walked a second time without."""

import re

import pytest

import harness
from test_java import JDKS, jdk_name

CHECK = "--check-stacks"


def check(result, least_share):
    """Nothing differs, and enough was taken to show it by."""
    found = re.search(r"(\d+) stacks walked twice: (\d+) differ; the memo gave (\d+) of (\d+) frames",
                      result.err)
    assert found, result.err
    walks, differ, given, frames = map(int, found.groups())
    assert walks > 10000
    assert differ == 0, found.group(0)
    assert given >= least_share * frames, found.group(0)
    return found.group(0)


@pytest.mark.parametrize("n_threads", (1, 3))
def test_ever_changing_ways(lab, show, n_threads):
    program = lab.c("wander", "--threads", n_threads, "--count", 40000 // n_threads)
    # No counts: 10,000 and more stacks to be told may fill the ring where others are at work.
    _, result = lab.observe(program, options=[CHECK])
    show(check(result, 0.1))


@pytest.mark.parametrize("way", ("compiled", "interpreted"))
@pytest.mark.parametrize("java", JDKS, ids=jdk_name)
def test_java(lab, show, java, way):
    options = ["-Xint"] if way == "interpreted" else ["-XX:CompileCommand=quiet",
                                                      "-XX:CompileCommand=dontinline,Pairs.*"]
    program = lab.program(java, "-Xmx256m", *options, "-cp", harness.PROGRAMS / "java", "Pairs",
                          wait=False)
    watcher = lab.attach(program, options=[CHECK])
    for depth in (10, 40, 20):
        program.process.stdin.write(f"{depth} 20000\n".encode())
        program.process.stdin.flush()
        program.line()
    result = watcher.stop()
    program.end()
    show(check(result, 0.5))
