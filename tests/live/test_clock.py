# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
# tests/run: beside others
"""Who cannot run can give nothing back: a process stopped, frozen or starved of work is not called
a leak for what it held then, and one that runs is judged as quickly as ever."""

import os
import signal
import time
from pathlib import Path

import pytest

from harness import assert_counts, wait_for, read_state

FREEZER_V1 = Path("/sys/fs/cgroup/freezer")
UNIFIED = (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified"))


class Stopped:
    """SIGSTOP for the time of the block; the program was started by this test."""

    def __init__(self, pid):
        self.pid = pid

    def __enter__(self):
        os.kill(self.pid, signal.SIGSTOP)
        wait_for(lambda: read_state(self.pid) == "T", "the stop", 5)

    def __exit__(self, *_):
        os.kill(self.pid, signal.SIGCONT)


class Frozen:
    """A cgroup of its own, frozen for the time of the block, and removed."""

    def __init__(self, pid):
        self.pid = pid
        self.group, self.switch, self.words = self.make()

    @staticmethod
    def make():
        name = f"unfreed-test-{os.getpid()}"
        if (FREEZER_V1 / "cgroup.procs").exists():
            group = FREEZER_V1 / name
            group.mkdir()
            return group, group / "freezer.state", ("FROZEN", "THAWED")
        for root in UNIFIED:
            if (root / "cgroup.controllers").exists():
                group = root / name
                group.mkdir()
                return group, group / "cgroup.freeze", ("1", "0")
        pytest.skip("CGROUP FREEZER NOT TESTED: neither v1 freezer nor v2 is mounted writable")

    def __enter__(self):
        (self.group / "cgroup.procs").write_text(str(self.pid))
        self.switch.write_text(self.words[0])

    def __exit__(self, *_):
        self.switch.write_text(self.words[1])
        (self.group.parent / "cgroup.procs").write_text(str(self.pid))
        wait_for(lambda: not (self.group / "cgroup.procs").read_text(), "the group to empty", 5)
        self.group.rmdir()


@pytest.mark.parametrize("hold", [Stopped, Frozen])
def test_pause_in_the_middle(lab, hold):
    """60 sessions of 300 ms stay open for five seconds, and are closed when it may go on."""
    program = lab.c("sessions", "--seconds", 8)
    pause = hold(program.pid)
    output = program_report(lab)
    watcher = lab.watcher("attach", program.pid, "--format", "json", "-o", output, "--until-verdict",
                          output=output).wait_until_watching()
    program.go()
    time.sleep(2)
    with pause:
        time.sleep(5)
        assert watcher.process.poll() is None, "it was sure of a leak during the pause"
    counts = program.done()
    result = watcher.stop()
    assert_counts(result.kind(program.pid, "zlib-inflate"), counts)
    assert result.report["verdict"] == "none"
    assert result.status == 0
    program.end()


def program_report(lab):
    return lab.new_folder() / "report.json"


def test_end_while_stopped(lab):
    """The report is made while it stands still."""
    program = lab.c("sessions", "--seconds", 8)
    watcher = lab.attach(program)
    program.go()
    time.sleep(2)
    with Stopped(program.pid):
        time.sleep(5)
        result = watcher.stop()
    assert 50 <= result.kind(program.pid, "zlib-inflate")["open"] <= 61
    assert result.report["verdict"] == "none"
    assert result.status == 0
    program.kill()


def test_leak_despite_a_stop(lab):
    """What leaks is found all the same; the stop only puts it off."""
    program = lab.c("sessions", "--seconds", 6, "--keep", 10)
    watcher = lab.attach(program)
    program.go()
    time.sleep(1)
    with Stopped(program.pid):
        time.sleep(2)
    counts = program.done()
    result = watcher.stop()
    assert_counts(result.kind(program.pid, "zlib-inflate"), counts)
    assert result.report["verdict"] == "leak"
    assert result.status == 3
    program.end()
