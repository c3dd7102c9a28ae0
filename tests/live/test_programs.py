# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
# tests/run: beside others
"""Real programs: those that grow for a good reason are no leak, those that leak are, and the exit
status says so. `make check-long` has the same for as many minutes as one likes."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import loads
import programs
from harness import PROGRAMS

SECONDS = 8


@pytest.mark.parametrize("name", programs.HEALTHY)
def test_healthy(lab, name, show):
    """It fills and goes on: whoever looks while it fills sees growth at most, and so does who looks on."""
    program = programs.HEALTHY[name](lab, SECONDS)
    early, late = (lab.attach(program.pid) for _ in range(2))
    with ThreadPoolExecutor() as pool:
        working = pool.submit(program.work, SECONDS)
        time.sleep(SECONDS * 0.4)
        results = [early.stop()]
        working.result()
    results.append(late.stop())
    program.stop()
    show("; ".join(programs.summary(r.report) for r in results))
    for result in results:
        assert result.report["verdict"] in ("none", "growth"), programs.leaks(result.report)
        assert result.status == 0


def collected(lab, *argv):
    return lab.program(loads.need("java"), "-Xmx1g", "-cp", PROGRAMS / "java", "Collected", *argv)


def test_dropped_and_never_collected(lab):
    """No collection comes: the streams pile up as if they were kept, and that is what is said."""
    counts, result = lab.observe(collected(lab, "--seconds", 6, "--rate", 150))
    site = result.sites(counts["pid"], "zlib-deflate")[0]
    assert site["verdict"] == "leak" and site["closed"] == 0
    assert result.status == 3


def test_dropped_and_collected(lab):
    """Each second a collection closes them: nothing piles up, but somebody forgot a close()."""
    counts, result = lab.observe(collected(lab, "--seconds", 7, "--rate", 150, "--gc", 1000))
    site = result.sites(counts["pid"], "zlib-deflate")[0]
    assert site["closed"] == site["closed_by_collector"] > 0
    assert site["verdict"] == "watch"
    assert "a forgotten close()" in site["evidence"]
    assert result.report["verdict"] in ("none", "growth")
    assert result.status == 0
