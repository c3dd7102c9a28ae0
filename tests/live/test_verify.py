# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""The model beside the kernel's own map: not a byte may differ, whatever a program does."""

import os
import re
import subprocess
import sys
import time

import pytest

from harness import PROGRAMS, UNFREED
from loads import LOADS, Running

SECONDS = int(os.environ.get("VERIFY_SECONDS", 3))

# Moves of memory that no reading of the map has to put right.
MODES = ["any", "brk", "growsdown", "stack", "fork", "vfork", "threads", "exec", "many"]


def verify(*pids, seconds=2, options=()):
    """Exit status, bytes that differ, bytes compared, and all the words."""
    run = subprocess.run([UNFREED, "verify", "--duration", f"{seconds}s", *options,
                          *map(str, pids)], capture_output=True, text=True, timeout=seconds + 120)
    found = re.search(r"^([\d,]+) bytes of ([\d,]+) differ in \d+ process", run.stdout, re.M)
    assert found, run.stdout + run.stderr
    differing, compared = (int(n.replace(",", "")) for n in found.groups())
    return run.returncode, differing, compared, run.stdout


def assert_exact(*pids, **more):
    status, differing, compared, words = verify(*pids, **more)
    assert differing == 0, words
    assert status == 0
    assert compared > 1 << 20
    moving = re.search(r"^([\d,]+) bytes changed too fast to tell", words, re.M)
    assert not moving or int(moving.group(1).replace(",", "")) < compared / 20, words
    return words


def mover(mode, seed=1):
    running = Running(PROGRAMS / "mover", "--mode", mode, "--seed", seed,
                      stdout=subprocess.PIPE)
    assert running.process.stdout.readline().startswith(b"ready")
    return running


@pytest.mark.parametrize("mode", MODES)
def test_mover(mode):
    with mover(mode) as program:
        assert_exact(program.pid)


def test_a_process_whose_first_thread_has_gone():
    with mover("leader") as program:
        time.sleep(0.3)
        _, _, compared, words = verify(program.pid)
        assert compared > 1 << 20, words


def test_calls_that_take_long():
    """An mmap that fills what it maps is in the kernel's map long before it returns and is told."""
    program = ("import mmap\nwhile True: mmap.mmap(-1, 96 << 20, flags=mmap.MAP_PRIVATE"
               " | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE).close()")
    with Running(sys.executable, "-c", program) as running:
        time.sleep(0.3)
        for _ in range(2):
            _, differing, compared, words = verify(running.pid)
            assert compared > 1 << 20
            assert differing == 0, words


def test_threads_that_race_for_the_same_pages():
    with mover("hammer") as program:
        assert_exact(program.pid, seconds=4, options=["--lock-order"])


def test_stacks_that_grew_are_named():
    with mover("growsdown") as program:
        words = assert_exact(program.pid)
        grown = re.search(r"([\d,]+) bytes by which stacks grew", words)
        assert int(grown.group(1).replace(",", "")) > 100 * 4096


def test_the_whole_system():
    status, differing, _, words = verify(seconds=2, options=["--all"])
    assert differing == 0, words
    assert status == 0
    assert len(re.findall(r"^process \d+", words, re.M)) > 3


def test_what_differs_is_found(lab):
    """Each byte, on which side it is, and the calls that touched it last."""
    program = lab.c("unseen")
    watcher = lab.watcher("verify", program.pid, "--duration", "2s").wait_until_watching()
    program.go()
    try:
        counts = program.done()
    except AssertionError:
        watcher.kill()
        pytest.skip("32-BIT SYSTEM CALLS NOT TESTED: this kernel has none")
    result = watcher.result()
    program.end()
    words = result.out.decode()
    extra, missing = counts["extra"], counts["missing"]
    assert result.status == 3, words
    assert f"  {extra:x}-{extra + 8 * 4096:x} extra: model rw-p anon, kernel nothing" in words
    assert f"  {missing:x}-{missing + (1 << 20):x} missing: model nothing, kernel rw-p anon" in words
    history = words[words.index(f"  {extra:x}"):words.index(f"  {missing:x}")]
    assert (f"thread {program.pid}  mmap {extra - 8 * 4096:x}-{extra + 8 * 4096:x} rw-"
            in history.splitlines()[-1]), words
    assert words.splitlines()[-1].startswith(f"{8 * 4096 + (1 << 20):,} bytes of ")


def test_no_such_process():
    run = subprocess.run([UNFREED, "verify", "4194304"], capture_output=True, text=True)
    assert run.returncode == 1
    assert "there is no such process" in run.stderr


def test_usage():
    for words in ([], ["--all", "1"], ["x"]):
        run = subprocess.run([UNFREED, "verify", *words], capture_output=True, text=True)
        assert run.returncode == 2, words


@pytest.mark.parametrize("name", LOADS)
def test_load(name, tmp_path, show):
    """What others wrote, at work: a few seconds each, or as long as VERIFY_SECONDS says."""
    with LOADS[name](tmp_path, SECONDS) as pids:
        words = assert_exact(*pids, seconds=SECONDS)
    if "VERIFY_SECONDS" in os.environ:
        show("\n".join(line for line in words.splitlines() if not line.startswith("process")))
