# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
# tests/run: beside others
"""What is mapped without a call that could be followed: its map file is read for it."""

import subprocess
import time

import pytest

from harness import PROGRAMS, PYTHON, kernel_bytes
from test_verify import assert_exact

MIB = 1 << 20


def become_tiny32():
    """A shell that waits, and becomes a 32-bit program when it is told."""
    program = PROGRAMS / "tiny32"
    if not program.exists():
        pytest.skip("32-BIT PROGRAMS NOT TESTED: there is none for this machine")
    shell = subprocess.Popen(["sh", "-c", 'read line; exec "$0"', program],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    return shell


def go(shell):
    shell.stdin.write(b"\n")
    shell.stdin.flush()
    if shell.stdout.readline() != b"done\n":
        shell.wait()
        pytest.skip("32-BIT PROGRAMS NOT TESTED: this kernel does not run them")


def test_exec_of_a_32bit_program(lab):
    shell = become_tiny32()
    try:
        watcher = lab.attach(shell)
        go(shell)
        kernel = kernel_bytes(shell.pid)
        time.sleep(1.5)		# it is read every second
        process = watcher.stop().process(shell.pid)
    finally:
        shell.kill()
        shell.wait()
    assert process["comm"] == "tiny32"
    assert kernel[0] > 48 * MIB
    assert kernel[0] <= process["accessible_bytes"] <= kernel[0] + 65536, kernel
    # What it holds is known, where it took it is not: nothing to call a leak.
    [site] = [s for s in process["sites"] if s["kind"] == "anon"]
    assert site["bytes"] >= 48 * MIB and site["stack"] == []
    assert process["verdict"] == "none"


def test_a_32bit_program_is_named(lab):
    shell = become_tiny32()
    try:
        watcher = lab.attach(shell)
        go(shell)
        result = watcher.stop()
        verify = lab.watcher("verify", shell.pid, "--duration", "1s").result()
    finally:
        shell.kill()
        shell.wait()
    said = [n for n in result.report["trust"]["not_covered"] if "tiny32" in n]
    assert said and "32-bit" in said[0] and "every second" in said[0], result.report["trust"]
    assert b"not compared: a 32-bit program" in verify.out


RINGS = """
import ctypes, time
libc = ctypes.CDLL(None, use_errno=True)
SETUP, DESTROY = 206, 207
kept = []
print("ready", flush=True)
for i in range(100000):
    ring = ctypes.c_ulong()
    if libc.syscall(SETUP, 64 + i % 5 * 300, ctypes.byref(ring)):
        print("errno", ctypes.get_errno(), flush=True)
        time.sleep(60)
    kept.append(ring)
    if i % 3 and len(kept) > 1:
        libc.syscall(DESTROY, kept.pop(0))
    if len(kept) > 20:
        libc.syscall(DESTROY, kept.pop())
    time.sleep(0.02)
"""


def test_rings_of_asynchronous_io():
    """io_setup maps memory of the kernel's own choice; nothing tells where."""
    process = subprocess.Popen([PYTHON, "-c", RINGS], stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline() == b"ready\n"
        assert_exact(process.pid, seconds=3)
    finally:
        process.kill()
        assert process.stdout.read() == b"", "this kernel has asynchronous I/O"
        process.wait()
