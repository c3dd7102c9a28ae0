# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
# tests/run: beside others
"""C programs that use libz.so: the count must be exact, the verdict right, the stack named."""

import pytest

from harness import assert_counts, assert_trusted, function_names

# kind of zstreams.c -> the report's kind
KINDS = {"inflate": "zlib-inflate", "init": "zlib-inflate", "back": "zlib-inflate",
         "deflate": "zlib-deflate", "copy": "zlib-inflate", "deflate-copy": "zlib-deflate"}

# What one stream holds, by zlib's own documentation (zconf.h): inflate (1 << windowBits) and
# about 7 KiB, deflate (1 << (windowBits + 2)) + (1 << (memLevel + 9)) and a few KiB.
# The window of inflateBack is its caller's.
STREAM_BYTES = {"inflate": (32 << 10, 48 << 10), "init": (32 << 10, 48 << 10),
                "copy": (32 << 10, 48 << 10), "back": (6 << 10, 16 << 10),
                "deflate": (256 << 10, 276 << 10), "deflate-copy": (256 << 10, 276 << 10)}


@pytest.mark.parametrize("way", KINDS)
def test_leak(lab, way):
    counts, result = lab.observe(lab.c("zstreams", "--kind", way, "--opened", 1000,
                                       "--closed", 990))
    kind = result.kind(counts["pid"], KINDS[way])
    assert_counts(kind, counts)
    assert_trusted(result)
    low, high = STREAM_BYTES[way]
    assert low * counts["open"] <= kind["bytes"] <= high * counts["open"]
    assert result.status == 3
    assert result.report["verdict"] == "leak"


@pytest.mark.parametrize("way", KINDS)
def test_twin(lab, way):
    counts, result = lab.observe(lab.c("zstreams", "--kind", way, "--opened", 1000,
                                       "--closed", 1000))
    assert_counts(result.kind(counts["pid"], KINDS[way]), counts)
    assert_trusted(result)
    assert result.report["verdict"] == "none"
    assert result.status == 0


def test_never_closed(lab):
    """What `make demo` shows: nothing is ever closed, and the report names the function."""
    counts, result = lab.observe(lab.c("leaky", "--seconds", 3))
    process = result.process(counts["pid"])
    assert_counts(result.kind(counts["pid"], "zlib-inflate"), counts)
    assert result.status == 3
    site = result.sites(counts["pid"], "zlib-inflate")[0]
    assert site["verdict"] == "leak"
    assert site["open"] == counts["open"]
    assert function_names(site)[1:4] == ["open_message_set", "recover_segment", "serve_request"]
    assert process["growth_bytes_per_second"] > 20e6
    assert process["explained_share"] > 0.8
    assert process["limit"] is not None


def test_never_closed_twin(lab):
    counts, result = lab.observe(lab.c("leaky", "--seconds", 3, "--close"))
    assert_counts(result.kind(counts["pid"], "zlib-inflate"), counts)
    assert result.report["verdict"] == "none"
    assert result.status == 0


def test_open_on_an_open_stream(lab):
    """Each inflateInit2 on a stream that is open loses the old one: all count as open."""
    counts, result = lab.observe(lab.c("zstreams", "--kind", "reinit", "--opened", 1000))
    assert_counts(result.kind(counts["pid"], "zlib-inflate"), counts)
    assert result.status == 3


def test_two_threads(lab):
    counts, result = lab.observe(lab.c("zstreams", "--threads", 2))
    assert counts["opened"] == 2000
    assert_counts(result.kind(counts["pid"], "zlib-inflate"), counts)
    assert_trusted(result)
    assert result.status == 3


def test_fork_both_leak(lab):
    sides, result = lab.observe(lab.c("zstreams", "--fork"), n_processes=2)
    assert sides[0]["pid"] != sides[1]["pid"]
    for counts in sides:
        assert_counts(result.kind(counts["pid"], "zlib-inflate"), counts)
        assert result.process(counts["pid"])["verdict"] == "leak"
    assert result.status == 3


def test_dlopen_after_attach(lab):
    counts, result = lab.observe(lab.c("zstreams_dlopen", "--dlopen", 2))
    assert_counts(result.kind(counts["pid"], "zlib-inflate"), counts)
    assert_trusted(result)
    assert result.status == 3


def test_two_processes_at_once(lab):
    leaking, healthy = lab.c("zstreams"), lab.c("zstreams", "--closed", 1000)
    watcher = lab.attach(leaking, healthy)
    leaking.go()
    healthy.go()
    counts = {leaking.pid: leaking.done(), healthy.pid: healthy.done()}
    result = watcher.stop()
    for pid, count in counts.items():
        assert_counts(result.kind(pid, "zlib-inflate"), count)
    assert result.process(leaking.pid)["verdict"] == "leak"
    assert result.process(healthy.pid)["verdict"] == "none"
    assert result.status == 3
    leaking.end()
    healthy.end()


def test_opened_before_attach(lab):
    """A stream from before is unknown until it is closed; it is not counted as opened."""
    program = lab.c("zstreams", "--opened", 3000, "--closed", 3000, "--rate", 500, wait=False)
    watcher = lab.attach(program)
    counts = program.done()
    result = watcher.stop()
    kind = result.kind(counts["pid"], "zlib-inflate")
    assert 0 < kind["opened"] < counts["opened"]
    assert kind["open"] == 0
    assert result.status == 0
    program.end()
