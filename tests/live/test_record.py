# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
# tests/run: beside others
"""Captures: what was recorded gives the live report again, to nobody, after a crash, a full disk."""

import os
import shutil
import signal
import struct
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


def test_a_capture_only_grows_and_is_packed(lab, shelf):
    """What was written is never touched again; the records take less than a third of their size."""
    program = lab.c("leaky", "--rate", 5000, "--seconds", 3)
    capture = shelf / "it.capture"
    watcher = lab.watcher("record", "-o", capture, program.pid).wait_until_watching()
    program.go()
    beginnings = []
    for _ in range(5):
        time.sleep(0.6)
        beginnings.append(capture.read_bytes())
    program.done()
    watcher.stop()
    program.end()
    whole = capture.read_bytes()
    sizes = [len(b) for b in beginnings]
    assert sizes == sorted(sizes) and sizes[0] < sizes[-1] < len(whole)
    assert all(whole.startswith(b) for b in beginnings)
    raw = packed = 0
    at = 344
    while at < len(whole):
        _, _, packed_sz, raw_sz, _, _ = struct.unpack_from("<6I", whole, at)
        at += 24 + packed_sz
        packed, raw = packed + packed_sz, raw + raw_sz
    assert at == len(whole) and raw > 3 * packed > 0


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


@pytest.fixture
def small_disk(shelf):
    """A disk of 48 KiB."""
    disk = shelf / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48k,mode=755", "none", disk], check=True)
    yield disk
    subprocess.run(["umount", disk], check=True)


def fill(disk):
    """To the last byte: a write of one more fails."""
    with open(disk / "filler", "ab", buffering=0) as file:
        for size in (4096, 1):
            with pytest.raises(OSError, match="No space left"):
                while True:
                    file.write(bytes(size))


def one_line(result, path):
    """What is told of a full disk: once, and of which file."""
    lines = [line for line in result.err.splitlines() if "No space left" in line]
    assert len(lines) == 1 and str(path) in lines[0], result.err
    return lines[0]


def test_full_disk(lab, small_disk):
    """The recording ends, the watching does not; the file is good up to there."""
    program = lab.c("leaky", "--rate", 20000, "--seconds", 3)
    capture, _, result = attach_and_record(lab, small_disk, program)
    one_line(result, capture)
    assert result.report["verdict"] == "leak", "the report is made all the same"
    assert result.status == LEAK
    assert report(capture, status=FAILED).stdout == b""
    salvaged = contract.load(report(capture, "--salvage", "-f", "json").stdout)
    assert 0 < salvaged["trust"]["events"] < result.report["trust"]["events"]


def test_full_disk_before_the_header(lab, small_disk):
    """No room for a header: nothing is watched, and no file is left."""
    fill(small_disk)
    program = lab.c("leaky", "--seconds", 1)
    capture = small_disk / "it.capture"
    report_file = small_disk / "report.json"
    for argv in (["record", "-o", capture, "--duration", "3s"],
                 ["record", "-o", capture, "--max-size", "1M", program.pid],
                 ["attach", program.pid, "--record", capture, "-o", report_file],
                 ["run", "--record", capture, "-o", report_file, "--", "true"]):
        fails(lab, USAGE, argv, str(capture), "No space left")
    assert sorted(path.name for path in small_disk.iterdir()) == ["filler"]
    program.kill()


@pytest.mark.parametrize("command", ["attach", "record"])
def test_full_disk_at_the_end(lab, small_disk, command):
    """The last frame has no room: `attach` without a leak ends with 1 instead of 0."""
    program = lab.c("leaky", "--close", "--seconds", 1)
    capture = small_disk / "it.capture"
    options = ["-o", capture] if command == "record" else ["--record", capture]
    watcher = lab.watcher(command, program.pid, *options).wait_until_watching()
    wait_for(lambda: capture.stat().st_size > 344, "a first frame")
    fill(small_disk)
    program.go()
    program.done()
    result = watcher.stop()
    program.end()
    assert result.status == FAILED, result.err
    assert "the recording ends here" in one_line(result, capture)
    done = report(capture, status=FAILED)
    assert done.stdout == b"" and len(done.stderr.splitlines()) == 1
    assert b"cut short" in done.stderr, "whole frames, no torn one, no end mark"


def test_full_disk_between_generations(lab, small_disk):
    """No room for a new generation: the one that was to become the older stays FILE."""
    program = lab.c("leaky", "--close", "--rate", 20000, "--seconds", 30)
    capture, older = small_disk / "it.capture", small_disk / "it.capture.1"
    subprocess.run(["mount", "-o", "remount,size=64m", small_disk], check=True)
    watcher = lab.watcher("record", "-o", capture, "--max-size", "1M", program.pid)
    watcher.wait_until_watching()
    program.go()
    wait_for(older.exists, "a second generation")
    wait_for(lambda: capture.stat().st_size > 200_000, "frames of its own")
    fill(small_disk)
    result = watcher.result()
    program.kill()
    assert result.status == FAILED
    line = one_line(result, capture)
    assert f"what came before is in {older}" in line
    for path in (older, capture):
        done = report(path, "--salvage", "-f", "json", status=FAILED)
        assert contract.load(done.stdout)["processes"][0]["comm"] == "leaky"


def test_full_disk_for_what_is_made_of_a_capture(small_disk, small):
    """A report, a dump, a capture: one line, nothing left half written."""
    source = small_disk / "a.capture"
    source.write_bytes(small)
    fill(small_disk)
    for name, options in (("r.json", []), ("r.events", ["--dump-events"]), ("r.capture", [])):
        done = report(source, "-o", small_disk / name, *options, prefix=[])
        lines = done.stderr.splitlines()
        assert done.returncode in (FAILED, USAGE) and done.stdout == b""
        assert len(lines) == 1 and b"No space left" in lines[0] and name.encode() in lines[0], lines
    assert sorted(path.name for path in small_disk.iterdir()) == ["a.capture", "filler"]


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


@pytest.mark.parametrize("harm, readable", [
    (lambda b: b"", False),
    (lambda b: b[:100], False),
    (lambda b: b[:8] + b"\x09" + b[9:], False),
    (lambda b: b[:400], True),
    (lambda b: b[:-24], True),
    (lambda b: b[:500] + bytes([b[500] ^ 1]) + b[501:], True),
    (lambda b: b + b"x", True),
], ids=["empty", "header", "version", "frame", "end", "bit", "more"])
def test_salvage(small, shelf, harm, readable):
    """What comes before the damage is reported if asked for; without a header there is nothing."""
    path = shelf / "bad.capture"
    path.write_bytes(harm(small))
    done = report(path, "--salvage", "-f", "json", status=FAILED)
    assert len(done.stderr.splitlines()) == 1 and str(path).encode() in done.stderr
    assert bool(done.stdout) == readable
    if readable:
        assert contract.load(done.stdout)["command"] == "attach"


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
