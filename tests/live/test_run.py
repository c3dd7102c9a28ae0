# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
# tests/run: beside others
"""`unfreed run -- CMD`: from its first instruction, and CMD notices nothing."""

import os
import re
import signal
import subprocess
import time

from harness import PROGRAMS, UNFREED, assert_counts, assert_trusted, parse_done, wait_for


def counts_of(out):
    return parse_done([l for l in out.decode().splitlines() if l.startswith("done ")][-1])


def test_leak(lab):
    result = lab.run(PROGRAMS / "zstreams", "--opened", 1000, "--closed", 990)
    counts = counts_of(result.out)
    assert_counts(result.kind(counts["pid"], "zlib-inflate"), counts)
    assert_trusted(result)
    assert result.report["command"] == "run"
    assert result.report["verdict"] == "leak"
    assert result.status == 3


def test_no_leak(lab):
    result = lab.run(PROGRAMS / "zstreams", "--opened", 1000, "--closed", 1000)
    counts = counts_of(result.out)
    assert_counts(result.kind(counts["pid"], "zlib-inflate"), counts)
    assert result.status == 0


def test_first_instruction_counts(lab):
    """No pause before the first stream, and none is missed."""
    result = lab.run(PROGRAMS / "zstreams", "--rate", 0, "--opened", 20000, "--closed", 20000)
    counts = counts_of(result.out)
    assert_counts(result.kind(counts["pid"], "zlib-inflate"), counts)
    assert_trusted(result)


def test_children_are_watched(lab):
    result = lab.run("sh", "-c", f"{PROGRAMS}/zstreams; {PROGRAMS}/zstreams --closed 1000")
    lines = [parse_done(l) for l in result.out.decode().splitlines() if l.startswith("done ")]
    assert len(lines) == 2
    for counts in lines:
        assert_counts(result.kind(counts["pid"], "zlib-inflate"), counts)
    assert result.status == 3


def test_command_fails(lab):
    result = lab.run("sh", "-c", "exit 7")
    assert result.status == 1
    assert re.search(r"exited with status 7\b", result.err), result.err
    assert len(result.err.splitlines()) == 1


def test_command_is_killed(lab):
    result = lab.run("sh", "-c", "kill -TERM $$")
    assert result.status == 1
    assert re.search(r"signal 15|SIGTERM", result.err), result.err
    assert len(result.err.splitlines()) == 1


def test_leak_weighs_more_than_the_commands_failure(lab):
    result = lab.run("sh", "-c", f"{PROGRAMS}/zstreams; exit 7")
    assert result.status == 3
    assert re.search(r"exited with status 7\b", result.err), result.err


def test_arguments_input_and_output_are_untouched(lab):
    result = lab.run("printf", r"%s|", "a", "b c", "--format", "-o", "")
    assert result.out == b"a|b c|--format|-o||"
    assert result.status == 0
    source = lab.folder / "input"
    data = os.urandom(1 << 20)
    source.write_bytes(data)
    with open(source, "rb") as stdin:
        assert lab.run("cat", stdin=stdin).out == data


def test_report_on_standard_output(lab):
    """Without -o the report follows what CMD wrote."""
    watcher = lab.watcher("run", "--", "echo", "hello")
    result = watcher.result()
    assert result.out.startswith(b"hello\n")
    assert len(result.out) > len(b"hello\n")
    assert result.err == ""
    assert result.status == 0


def plain(command):
    return subprocess.run(command, capture_output=True, check=True).stdout


def test_the_command_inherits_what_it_would_without(lab):
    for command in (["grep", "-E", "^(Sig[BIC]|Cap|NoNewPrivs|Seccomp:|Groups)", "/proc/self/status"],
                    ["sh", "-c", "ulimit -a; umask; pwd"],
                    ["cat", "/proc/self/oom_score_adj"],
                    ["readlink", "/proc/self/ns/mnt", "/proc/self/ns/pid"]):
        expected = plain(command)
        assert lab.run(*command).out == expected, command


def test_no_descriptor_leaks_into_the_command(lab):
    command = ["sh", "-c", "for fd in /proc/$$/fd/*; do echo ${fd##*/}; done"]
    assert lab.run(*command).out == plain(command)


def trapping(lab, number, name):
    script = f"trap 'echo got {name}; exit 0' {name}; echo up; while :; do sleep 0.1; done"
    output = lab.new_folder() / "report.json"
    watcher = lab.watcher("run", "--format", "json", "-o", output, "--", "sh", "-c", script,
                          output=output)
    wait_for(lambda: (watcher.folder / "unfreed.out").read_bytes() == b"up\n", "the command")
    watcher.process.send_signal(number)
    return watcher.result()


def test_signals_are_passed_on(lab):
    for number, name in ((signal.SIGTERM, "TERM"), (signal.SIGINT, "INT"), (signal.SIGHUP, "HUP"),
                         (signal.SIGUSR1, "USR1")):
        result = trapping(lab, number, name)
        assert result.out == f"up\ngot {name}\n".encode()
        assert result.report is not None
        assert result.status == 0


def test_duration_ends_the_watching(lab):
    """The time is up before CMD is: a report all the same, and CMD does not outlive it."""
    start = time.monotonic()
    result = lab.run("sleep", "100", options=["--duration", "2s"])
    assert time.monotonic() - start < 30
    assert result.report is not None


def test_another_thread_execs(lab):
    """exec replaces the address space; the counts of the new program stand for themselves."""
    result = lab.run("sh", "-c", f"exec {PROGRAMS}/zstreams --closed 1000")
    counts = counts_of(result.out)
    assert_counts(result.kind(counts["pid"], "zlib-inflate"), counts)
    assert result.status == 0


def test_text_report_names_the_function(lab):
    watcher = lab.watcher("run", "-o", lab.folder / "report.txt", "--", PROGRAMS / "leaky",
                          "--seconds", "3")
    result = watcher.result()
    text = (lab.folder / "report.txt").read_text()
    assert result.status == 3, result.err
    assert "open_message_set" in text
    assert str(UNFREED) not in text
