# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
# tests/run: beside others
"""Captures: what was recorded gives the live report again, to nobody, after a crash, a full disk."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

import contract
from harness import PROGRAMS, UNFREED, wait_for
from test_bad_input import NOBODY, fails

FAILED, USAGE, LEAK = 1, 2, 3


def report(*argv, prefix=NOBODY, status=None):
    """`unfreed report` as nobody, who has no privileges at all."""
    done = subprocess.run([*prefix, UNFREED, "report", *map(str, argv)], capture_output=True,
                          timeout=60, check=False)
    if status is not None:
        assert done.returncode == status, (done.returncode, done.stderr)
    return done


@pytest.fixture
def shelf():
    """A folder that nobody can enter; pytest keeps its own to their owner."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)


def attach_and_record(lab, shelf, program, *options):
    capture = shelf / "it.capture"
    watcher = lab.attach(program, options=("--record", capture, *options))
    program.go()
    program.done()
    time.sleep(0.3)
    result = watcher.stop()
    program.end()
    return capture, watcher.output, result


def test_attach_and_replay(lab, shelf):
    capture, live, result = attach_and_record(lab, shelf, lab.c("leaky", "--seconds", 2))
    replay = report(capture, "--format", "json", status=result.status)
    assert result.status == LEAK
    assert replay.stdout == live.read_bytes()
    assert replay.stderr == b""
    # The other forms of the report, and of the capture.
    text = report(capture, status=LEAK).stdout
    assert b"LEAKING" in text or b"LEAKED" in text
    events = shelf / "it.events"
    events.write_bytes(report(capture, "--dump-events", status=0).stdout)
    assert report(events, "--format", "json", status=LEAK).stdout == replay.stdout
    assert report(events, "--dump-events", status=0).stdout == events.read_bytes()
    subprocess.run([UNFREED, "report", events, "-o", shelf / "again.capture"], check=True)
    assert report(shelf / "again.capture", "-f", "json").stdout == replay.stdout


def test_run_and_replay(lab, shelf):
    capture = shelf / "run.capture"
    result = lab.run(PROGRAMS / "leaky", "--close", "--seconds", 1, options=("--record", capture))
    live = lab.things[-1].output.read_bytes()
    assert report(capture, "-f", "json", status=result.status).stdout == live


def test_replay_without_the_files(lab, shelf):
    """Names are in the capture: the program may be gone."""
    program = shelf / "short-lived"
    shutil.copy(PROGRAMS / "leaky", program)
    capture, live, _ = attach_and_record(lab, shelf, lab.program(program, "--seconds", 1))
    program.unlink()
    assert report(capture, "-f", "json").stdout == live.read_bytes()
    assert b"open_message_set" in live.read_bytes()


def test_record(lab, shelf):
    program = lab.c("leaky", "--seconds", 2)
    capture = shelf / "it.capture"
    watcher = lab.watcher("record", "-o", capture, program.pid).wait_until_watching()
    program.go()
    counts = program.done()
    time.sleep(0.3)
    result = watcher.stop()
    program.end()
    assert (result.status, result.out) == (0, b""), result.err
    replay = contract.load(report(capture, "-f", "json", status=LEAK).stdout)
    assert replay["command"] == "record"
    [process] = replay["processes"]
    [kind] = [k for k in process["kinds"] if k["kind"] == "zlib-inflate"]
    assert kind["opened"] == counts["opened"] and kind["open"] == counts["open"]


def test_record_all_for_a_while(lab, shelf):
    program = lab.c("leaky", "--seconds", 3)
    capture = shelf / "all.capture"
    watcher = lab.watcher("record", "-o", capture, "--duration", "6s").wait_until_watching()
    program.go()
    program.done()
    result = watcher.result()
    assert result.status == 0, result.err
    replay = contract.load(report(capture, "-f", "json").stdout)
    assert program.pid in [p["pid"] for p in replay["processes"]]
    program.end()


def test_killed_recorder(lab, shelf):
    """kill -9: what was written until then is there, and is told to be a part."""
    program = lab.c("leaky", "--seconds", 6)
    capture = shelf / "it.capture"
    watcher = lab.watcher("record", "-o", capture, program.pid).wait_until_watching()
    program.go()
    time.sleep(3)
    watcher.process.kill()
    watcher.process.wait()
    done = report(capture, status=FAILED)
    assert b"cut short" in done.stderr and done.stdout == b""
    assert len(done.stderr.splitlines()) == 1
    done = report(capture, "--salvage", "-f", "json", status=LEAK)
    replay = contract.load(done.stdout)
    [process] = replay["processes"]
    [kind] = [k for k in process["kinds"] if k["kind"] == "zlib-inflate"]
    assert kind["opened"] > 1250, "two of three seconds at least"
    names = [f["function"] for s in process["sites"] for f in s["stack"]]
    assert "open_message_set" in names, "found by path and build-id where the files are there"
    program.kill()


def test_killed_between_generations(lab, shelf):
    """Both files are captures by themselves."""
    program = lab.c("leaky", "--close", "--rate", 20000, "--seconds", 30)
    capture, older = shelf / "it.capture", shelf / "it.capture.1"
    watcher = lab.watcher("record", "-o", capture, "--max-size", "1M", program.pid)
    watcher.wait_until_watching()
    program.go()
    wait_for(older.exists, "a second generation")
    time.sleep(1.5)
    watcher.process.kill()
    watcher.process.wait()
    for path in (older, capture):
        replay = contract.load(report(path, "--salvage", "-f", "json", status=FAILED).stdout)
        [process] = replay["processes"]
        [kind] = [k for k in process["kinds"] if k["kind"] == "zlib-inflate"]
        assert kind["opened"] > 0 and abs(kind["opened"] - kind["closed"]) < 5
        assert process["comm"] == "leaky"
    program.kill()


def test_full_disk(lab, shelf):
    """The recording ends, the watching does not; the file is good up to there."""
    disk = shelf / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48k,mode=755", "none", disk], check=True)
    try:
        program = lab.c("leaky", "--rate", 20000, "--seconds", 3)
        capture, live, result = attach_and_record(lab, disk, program)
        assert "No space left" in result.err and str(capture) in result.err
        assert result.report["verdict"] == "leak", "the report is made all the same"
        assert result.status == LEAK
        assert report(capture, status=FAILED).stdout == b""
        salvaged = contract.load(report(capture, "--salvage", "-f", "json").stdout)
        assert 0 < salvaged["trust"]["events"] < result.report["trust"]["events"]

        watcher = lab.watcher("record", "-o", disk / "b.capture", "--duration", "3s")
        assert watcher.result().status in (FAILED, USAGE), "there is not even room for a header"
    finally:
        subprocess.run(["umount", disk], check=True)


def test_max_size(lab, shelf):
    """The newest part is kept, and can be read by itself."""
    program = lab.c("leaky", "--close", "--rate", 20000, "--seconds", 9)
    capture = shelf / "it.capture"
    watcher = lab.watcher("record", "-o", capture, "--max-size", "1M", program.pid)
    started = time.monotonic()
    watcher.wait_until_watching()
    program.go()
    counts = program.done()
    time.sleep(0.3)
    result = watcher.stop()
    elapsed = time.monotonic() - started
    assert result.status == 0, result.err
    assert 300_000 < capture.stat().st_size <= 1 << 20
    assert not (shelf / "it.capture.1").exists()
    replay = contract.load(report(capture, "-f", "json", status=0).stdout)
    [process] = replay["processes"]
    [kind] = [k for k in process["kinds"] if k["kind"] == "zlib-inflate"]
    assert 0 < kind["opened"] < counts["opened"], "only the newest"
    assert 0 < replay["seconds"] < elapsed - 0.5
    site = next(s for s in process["sites"] if s["kind"] == "zlib-inflate")
    assert "open_message_set" in [f["function"] for f in site["stack"]], "defined before, still known"
    assert process["cmdline"] and process["comm"] == "leaky"
    held = [p for p in process["kinds"] if p["kind"] == "anon"]
    assert held and held[0]["before_attach"] > 0
    program.end()


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A good capture, made without watching anything."""
    folder = tmp_path_factory.mktemp("small")
    events = folder / "a.events"
    events.write_text("unfreed-events version=1 command=\"attach\" host=\"h\"\n" +
                      "".join(f"tick time={i}\n" for i in range(1, 500)))
    subprocess.run([UNFREED, "report", events, "-o", folder / "a.capture"], check=True)
    return (folder / "a.capture").read_bytes()


@pytest.mark.parametrize("harm, words", [
    (lambda b: b"", ["offset 0", "empty"]),
    (lambda b: b[:100], ["offset 0", "cut off"]),
    (lambda b: b[:400], ["offset 344", "cut off", "--salvage"]),
    (lambda b: b[:-24], ["end mark", "cut short", "--salvage"]),
    (lambda b: b[:500] + bytes([b[500] ^ 1]) + b[501:], ["offset 344", "checksum"]),
    (lambda b: b[:8] + b"\x09" + b[9:], ["offset 0", "version"]),
    (lambda b: b + b"x", ["follows its end mark"]),
    (lambda b: b"\x7fELF" + bytes(1000), ["not a capture"]),
    (lambda b: b"unfreed-events version=1\ntock\n", ["line 2", "no record"]),
    (lambda b: b"unfreed-events version=9\n", ["line 1", "version"]),
], ids=["empty", "header", "frame", "end", "bit", "version", "more", "other", "text", "text-version"])
def test_damaged(lab, small, harm, words):
    path = lab.new_folder() / "bad.capture"
    path.write_bytes(harm(small))
    fails(lab, FAILED, ["report", path], str(path), *words)


def test_wrong_usage(lab):
    folder = lab.new_folder()
    fails(lab, FAILED, ["report", folder / "none"], "none", "No such file")
    fails(lab, FAILED, ["report", folder], "directory")
    fails(lab, USAGE, ["report"], "FILE")
    fails(lab, USAGE, ["record"], "-o FILE")
    fails(lab, USAGE, ["record", "-o", folder / "no" / "where"], "where", "No such file")
    fails(lab, USAGE, ["record", "-o", folder / "x", "--all", "1"], "--all")
    fails(lab, USAGE, ["attach", "1", "--max-size", "2M"], "--record")
    fails(lab, USAGE, ["record", "-o", folder / "x", "--max-size", "1K"], "--max-size")


def test_interrupted_record_ends_well(lab, shelf):
    program = lab.c("leaky", "--seconds", 1)
    capture = shelf / "it.capture"
    watcher = lab.watcher("record", "-o", capture, program.pid).wait_until_watching()
    assert watcher.stop(signal.SIGTERM).status == 0
    assert report(capture, status=0).stdout
    program.go()
    program.done()
    program.end()
