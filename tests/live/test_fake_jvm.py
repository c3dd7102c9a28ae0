# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
# tests/run: beside others
"""A process that looks like a JVM: of JDKs that are not here, of another make, or a lying one."""

import os
import time
from pathlib import Path

import pytest

from harness import assert_counts, assert_trusted, function_names

# All questions of a second to one process are bounded: they may take a fifth of a CPU.
CPU_SHARE = 0.3


def fake(lab, *argv):
    return lab.c("fakejvm", "--folder", lab.new_folder(), *argv)


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def site_of(result, pid):
    sites = result.sites(pid, "zlib-inflate")
    assert sites
    return max(sites, key=lambda s: s["opened"])


def notes_about(result, pid):
    return [n for n in result.report["trust"]["not_covered"] if str(pid) in n]


@pytest.mark.parametrize("jdk", (8, 11, 17, 21, 24, 25))
def test_by_what_its_tables_say(lab, jdk):
    counts, result = lab.observe(fake(lab, "--jdk", jdk))
    pid = counts["pid"]
    assert_counts(result.kind(pid, "zlib-inflate"), counts)
    assert_trusted(result)
    sites = result.sites(pid, "zlib-inflate")
    assert len(sites) == 1, [function_names(s) for s in sites]
    frames = [(f["kind"], f["function"], f["line"]) for f in sites[0]["stack"]]
    at = [f[1] for f in frames].index("open_stream")
    assert frames[at + 1:at + 4] == [
        ("java-inlined", "kafka.message.ByteBufferMessageSet.deepIterator", 1105),
        ("java", "kafka.log.LogSegment.recover", 105),
        ("java-interpreted", "kafka.log.LogSegment.recover", 105),
    ]
    assert [f[1] for f in frames][at + 4] == "main"
    assert not notes_about(result, pid)


HARMS = [("header", 1), ("garbage", 1), ("endless", 1), ("cycle", 1), ("stacks", 1), ("random", 1),
         ("random", 2)]


@pytest.mark.parametrize("how,seed", HARMS)
def test_lies(lab, how, seed, show):
    """Nothing is lost or slowed, the native frames are kept, and what cannot be read is said."""
    n = 4000 if how == "stacks" else 300
    program = fake(lab, "--harm", how, "--seed", seed, "--count", n, "--rate",
                   2000 if how == "stacks" else 300)
    watcher = lab.attach(program)
    begun, cpu = time.monotonic(), cpu_seconds(watcher.process.pid)
    program.go()
    counts = program.done()
    time.sleep(0.3)
    spent, took = cpu_seconds(watcher.process.pid) - cpu, time.monotonic() - begun
    result = watcher.stop()
    program.end()
    pid = counts["pid"]
    assert_counts(result.kind(pid, "zlib-inflate"), counts)
    assert_trusted(result)
    show(f"{spent:.2f} s of CPU in {took:.1f} s")
    assert spent < CPU_SHARE * took
    if how in ("header", "garbage"):
        names = function_names(site_of(result, pid))
        assert "open_stream" in names and names.index("open_stream") <= 2, names
        assert any("does not describe itself as HotSpot" in n for n in notes_about(result, pid))
