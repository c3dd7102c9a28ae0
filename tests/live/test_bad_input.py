# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
# tests/run: beside others
"""Whatever is wrong: one line saying what and where, the documented status, nothing left."""

import os
import shutil
import signal
import subprocess
import time

import pytest

from harness import PROGRAMS, PYTHON, UNFREED

FAILED, USAGE = 1, 2
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all",
          "--bounding-set=-all"]


def fails(lab, status, argv, *words, prefix=()):
    """Runs unfreed to its end: that status, one line on stderr with those words, nothing else."""
    if prefix:
        done = subprocess.run([*prefix, UNFREED, *map(str, argv)], capture_output=True, text=True,
                              timeout=60, check=False)
        code, out, err = done.returncode, done.stdout, done.stderr
    else:
        result = lab.watcher(*argv).result()
        code, out, err = result.status, result.out.decode(), result.err
    assert code == status, (code, err)
    lines = err.splitlines()
    assert len(lines) == 1, err
    assert lines[0].startswith("unfreed: "), err
    for word in words:
        assert word in lines[0], err
    assert out == ""
    return lines[0]


def dead_pid():
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def test_pid_is_gone(lab):
    pid = dead_pid()
    fails(lab, FAILED, ["attach", pid], str(pid))


PF_KTHREAD = 0x00200000


def test_kernel_thread(lab):
    pid = next((p for p in os.listdir("/proc") if p.isdigit() and is_kernel_thread(p)), None)
    if not pid:
        pytest.skip("no kernel thread to be seen in this pid namespace")
    fails(lab, FAILED, ["attach", pid], pid, "kernel thread")


def is_kernel_thread(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
            return int(stat.read().rpartition(")")[2].split()[6]) & PF_KTHREAD != 0
    except OSError:
        return False


def test_exits_during_attach(lab):
    """Caught at every stage of attaching: a report or a line, never a crash or a remainder."""
    for i in range(12):
        process = subprocess.Popen(["sleep", str(0.01 * i * i)])
        result = lab.watcher("attach", process.pid, "--duration", "5s").result()
        process.wait()
        assert result.status in (0, FAILED), result.err
        if result.status == FAILED:
            assert len(result.err.splitlines()) == 1, result.err
            assert str(process.pid) in result.err
        else:
            assert result.out


def test_zombie(lab):
    process = subprocess.Popen(["true"])
    time.sleep(0.2)
    fails(lab, FAILED, ["attach", process.pid], str(process.pid))
    process.wait()


@pytest.mark.parametrize("argv", [["attach", "1"], ["run", "--", "true"],
                                  ["daemon", "--textfile-dir", "/tmp"]], ids=lambda a: a[0])
def test_no_root(lab, argv):
    fails(lab, FAILED, argv, "root", prefix=NOBODY)


def test_no_btf(lab):
    """The kernel's types are hidden in a mount namespace of the test's own."""
    hide = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /sys/kernel/btf && exec "$@"',
            "sh"]
    fails(lab, FAILED, ["run", "--", "true"], "BTF", prefix=hide)


def test_command_does_not_exist(lab):
    fails(lab, USAGE, ["run", "--", "/nonexistent/command"], "/nonexistent/command")
    fails(lab, USAGE, ["run", "--", "no-such-command-anywhere"], "no-such-command-anywhere")


def test_command_is_not_executable(lab):
    path = lab.folder / "plain-file"
    path.write_text("not a program")
    fails(lab, USAGE, ["run", "--", path], str(path))


@pytest.mark.parametrize("argv", [
    [], ["frobnicate"], ["attach"], ["attach", "abc"], ["attach", "0"], ["attach", "-1"],
    ["attach", "12x"], ["attach", "99999999999999999999"], ["attach", "1", "--duration", "5x"],
    ["attach", "1", "--duration"], ["attach", "1", "--duration", "-5s"],
    ["attach", "1", "--format", "xml"], ["attach", "1", "--no-such-option"], ["run"],
    ["run", "--"], ["run", "--duration", "", "--", "true"], ["daemon", "leftover"],
    ["daemon", "--textfile-dir", "/tmp", "--interval", "0"], ["doctor", "abc"],
], ids=" ".join)
def test_wrong_usage(lab, argv):
    result = lab.watcher(*argv).result()
    assert result.status == USAGE, result.err
    assert result.err.startswith("unfreed: ") or result.err.startswith("usage: "), result.err
    assert result.out == b""


def test_output_cannot_be_written(lab):
    """Said before the watching begins, not after it."""
    start = time.monotonic()
    fails(lab, USAGE, ["attach", os.getpid(), "--duration", "60s", "-o", "/nonexistent/x.json"],
          "/nonexistent/x.json")
    assert time.monotonic() - start < 20


def test_textfile_dir_does_not_exist(lab):
    fails(lab, USAGE, ["daemon", "--textfile-dir", "/nonexistent/folder"], "/nonexistent/folder")


BREAKAGES = {
    "empty": lambda data: b"",
    "truncated header": lambda data: data[:40],
    "truncated": lambda data: data[:len(data) // 3],
    "no magic": lambda data: b"\0" * 64 + data[64:],
    "wild section table": lambda data: data[:40] + b"\xff" * 8 + data[48:],
    "wild program headers": lambda data: data[:32] + b"\xf0" * 8 + data[40:],
    "too many sections": lambda data: data[:60] + b"\xff\xff\xff\xff" + data[64:],
    "noise after the header": lambda data: data[:64] + os.urandom(len(data) - 64),
}

MAPS_A_LIBRARY = """
import mmap, os, sys, zlib
fd = os.open(sys.argv[1], os.O_RDONLY)
size = max(os.fstat(fd).st_size, 1)
area = mmap.mmap(fd, size, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_EXEC) \\
    if os.fstat(fd).st_size else None
kept = [zlib.decompressobj() for _ in range(200)]
os.write(1, b"ready\\n")
sys.stdin.read()
"""


@pytest.mark.parametrize("breakage", BREAKAGES)
def test_broken_library(lab, breakage):
    """One mapped file that is no sound ELF file spoils nothing for the others."""
    sound = next(line.split()[-1] for line in open("/proc/self/maps", encoding="utf-8")
                 if "/libc.so" in line or "/libc-" in line)
    broken = lab.folder / "libz.so.1"
    with open(sound, "rb") as file:
        broken.write_bytes(BREAKAGES[breakage](file.read()))
    result = lab.run(PYTHON, "-S", "-c", MAPS_A_LIBRARY, broken)
    assert result.out == b"ready\n"
    pid = result.report["processes"][0]["pid"]
    assert result.kind(pid, "zlib-inflate")["opened"] >= 200


def test_hostile_names(lab):
    """Names and arguments of others reach neither a terminal nor JSON unescaped."""
    evil = lab.folder / "\x1b[31m\"ev\nil\\\xff"
    shutil.copy(PROGRAMS / "zstreams", evil)
    argument = "--rate=500"
    report = lab.folder / "report.json"
    result = lab.watcher("run", "-o", report, "--", evil, argument, output=report).result()
    assert result.status == 3, result.err
    process = result.report["processes"][0]
    assert process["comm"].startswith("\x1b[31m")
    text = lab.watcher("run", "--", evil, argument).result()
    own = text.out[text.out.index(b"\n", text.out.index(b"done ")) + 1:]
    assert b"\x1b" not in own and b"\xff" not in own
    assert own.strip()


def test_no_tracefs_is_needed(lab):
    """Where none is mounted, unfreed mounts one where nobody else sees it (the lab checks)."""
    mounted = os.path.isdir("/sys/kernel/tracing/events")
    assert lab.run("true").status == 0
    assert os.path.isdir("/sys/kernel/tracing/events") == mounted


def test_report_goes_to_a_closed_pipe(lab):
    """Nobody reads any more: ended by SIGPIPE or with an error, never a silent success."""
    read_end, write_end = os.pipe()
    os.close(read_end)
    watcher = lab.watcher("run", "--format", "json", "--", "true", stdout=write_end)
    os.close(write_end)
    assert watcher.process.wait(60) in (FAILED, -signal.SIGPIPE)
    watcher.check_nothing_left()


def test_full_disk(lab):
    result = lab.watcher("run", "--format", "json", "-o", "/dev/full", "--", "true").result()
    assert result.status == FAILED
    assert "/dev/full" in result.err
