# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
# tests/run: beside others
"""Every long wait shows progress on a terminal and nothing on a pipe."""

import os
import pty
import select
import signal
import subprocess
import time

from harness import PROGRAMS, UNFREED


def read_for(fd, seconds, until=None):
    data, deadline = b"", time.monotonic() + seconds
    while time.monotonic() < deadline and not (until and until in data):
        if select.select([fd], [], [], 0.2)[0]:
            try:
                chunk = os.read(fd, 4096)
            except OSError:
                break
            if not chunk:
                break
            data += chunk
    return data


def test_terminal(lab):
    program = lab.c("leaky", "--seconds", 5)
    master, slave = pty.openpty()
    process = subprocess.Popen([UNFREED, "attach", str(program.pid), "--duration", "30s"],
                               stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
    os.close(slave)
    try:
        time.sleep(1.5)
        program.go()
        shown = read_for(master, 3.5)
        assert b"\r" in shown, shown
        assert b"leaky" in shown or str(program.pid).encode() in shown, shown
        program.done()
        process.send_signal(signal.SIGINT)
        shown = read_for(master, 20)
        assert process.wait(20) == 3
        assert b"open_message_set" in shown
        # The line is cleared before the report is written over it.
        assert b"\x1b[K" in shown or b"\r" in shown
    finally:
        process.kill()
        process.wait()
        os.close(master)
    program.end()


def test_pipe(lab):
    program = lab.c("leaky", "--seconds", 2)
    watcher = lab.watcher("attach", program.pid, "--duration", "4s").wait_until_watching()
    program.go()
    program.done()
    result = watcher.result()
    assert result.err == ""
    assert b"\r" not in result.out and b"\x1b" not in result.out
    assert b"open_message_set" in result.out
    program.end()


def test_until_verdict_ends_early(lab):
    program = lab.c("leaky", "--seconds", 20)
    watcher = lab.watcher("attach", program.pid, "--until-verdict", "--duration", "60s")
    watcher.wait_until_watching()
    program.go()
    start = time.monotonic()
    result = watcher.result()
    assert time.monotonic() - start < 15
    assert result.status == 3
    assert PROGRAMS.name not in result.err
    program.kill()


def test_ends_with_the_process(lab):
    program = lab.c("zstreams", "--opened", 500, "--closed", 500)
    watcher = lab.attach(program)
    program.go()
    program.done()
    program.end()
    result = watcher.result(20)
    assert result.report is not None
    assert result.status == 0
