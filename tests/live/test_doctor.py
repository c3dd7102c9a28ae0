# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
# tests/run: beside others
"""`unfreed doctor`: what this kernel and this process allow, the reason and the cure."""

import subprocess

from harness import UNFREED
from test_bad_input import NOBODY, dead_pid

FACTS = ["BTF", "ring buffer", "tracepoint", "uprobe", "uprobe_multi", "fentry"]


def doctor(lab, *argv):
    return lab.watcher("doctor", *argv).result()


def test_kernel(lab):
    result = doctor(lab)
    assert result.status == 0, result.err
    text = result.out.decode()
    for fact in FACTS:
        assert fact.lower() in text.lower(), fact


def test_process(lab):
    program = lab.c("zstreams")
    result = doctor(lab, program.pid)
    assert result.status == 0, result.err
    text = result.out.decode()
    assert "libz.so" in text
    assert "inflateInit2_" in text and "inflateEnd" in text and "deflateEnd" in text
    program.go()
    program.done()
    program.end()


def test_process_without_zlib(lab):
    process = subprocess.Popen(["sleep", "60"])
    try:
        result = doctor(lab, process.pid)
        assert result.status == 0, result.err
        assert str(process.pid) in result.out.decode()
    finally:
        process.kill()
        process.wait()


def test_process_is_gone(lab):
    pid = dead_pid()
    result = doctor(lab, pid)
    assert result.status == 1
    assert len(result.err.splitlines()) == 1
    assert str(pid) in result.err


def test_without_root(lab):
    """Still of use: it says what is missing."""
    done = subprocess.run([*NOBODY, UNFREED, "doctor"], capture_output=True, text=True, timeout=60,
                          check=False)
    assert done.returncode == 1
    assert "root" in done.stdout + done.stderr
