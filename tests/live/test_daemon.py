# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
# tests/run: beside others
"""The service: the whole system, those that start later, a textfile, and a clean end."""

import os
import re
import shutil
import signal
import stat
import subprocess
import time

import pytest

import promtext
from cgroup import Cgroup
from harness import PROGRAMS, map_lines, parse_done, wait_for

FAMILIES = ["process_unfreed_bytes", "process_resident_bytes", "process_growth_bytes_per_second",
            "process_leak_suspected", "handles_open", "handles_opened_total",
            "handles_closed_total", "events_total", "events_lost_total", "self_cpu_seconds_total",
            "self_resident_bytes", "build_info", "last_write_timestamp_seconds"]


class Daemon:
    def __init__(self, lab, *options):
        self.folder = lab.new_folder()
        self.watcher = lab.watcher("daemon", "--textfile-dir", self.folder, "--interval", "1s", "-v",
                                   *options)
        self.watcher.wait_until_watching()
        wait_for(self.path, "a textfile")

    def path(self):
        found = list(self.folder.glob("*.prom"))
        assert len(found) <= 1, found
        return found[0] if found else None

    def read(self):
        return promtext.parse(self.path().read_text(encoding="utf-8"))

    def wait_for_value(self, name, wanted, patience=30, **labels):
        """Until the textfile says so, or as far as it got."""
        deadline = time.monotonic() + patience
        while True:
            got = promtext.value(self.read(), name, **labels)
            if got == wanted or time.monotonic() > deadline:
                assert got == wanted, f"{name}{labels} is {got}, not {wanted}"
                return
            time.sleep(0.3)

    def n_probed(self, name):
        """How many files of that name it has probed so far."""
        return len(re.findall(rf"/{re.escape(name)}: \d+ probes", self.watcher.error_text()))

    def check_counts(self, counts, kind="zlib-inflate", **labels):
        for key, name in (("opened", "handles_opened_total"), ("closed", "handles_closed_total"),
                          ("open", "handles_open")):
            self.wait_for_value(f"unfreed_{name}", counts[key], kind=kind, **labels)

    def end(self):
        result = self.watcher.stop(signal.SIGTERM)
        assert result.status == 0, result.err
        assert list(self.folder.iterdir()) == [], "the textfile outlives the service"
        return result


@pytest.fixture
def daemon(lab):
    return Daemon(lab)


def test_textfile(daemon):
    families = daemon.read()
    for name in FAMILIES:
        assert f"unfreed_{name}" in families, name
    assert stat.S_IMODE(os.stat(daemon.path()).st_mode) == 0o644
    written = promtext.value(families, "unfreed_last_write_timestamp_seconds")
    assert abs(written - time.time()) < 10
    assert [p.name for p in daemon.folder.iterdir()] == [daemon.path().name], "temporary files"
    first = {name: f.help for name, f in families.items()}
    wait_for(lambda: promtext.value(daemon.read(), "unfreed_last_write_timestamp_seconds")
             > written, "the next write")
    second = {name: f.help for name, f in daemon.read().items()}
    assert {n: h for n, h in second.items() if n in first} == first, "HELP is not stable"
    daemon.end()


def test_process_that_starts_later(lab, daemon):
    program = lab.c("leaky", "--seconds", 4)
    program.go()
    counts = program.done()
    daemon.check_counts(counts, pid=str(program.pid), comm="leaky")
    program.end()
    daemon.end()


def test_process_that_was_there_before(lab):
    program = lab.c("zstreams")
    daemon = Daemon(lab)
    program.go()
    counts = program.done()
    daemon.check_counts(counts, pid=str(program.pid), comm="zstreams")
    program.end()
    daemon.end()


def test_own_mount_and_pid_namespace_with_its_own_libz(lab, daemon):
    """As in a container: another root for /mnt, other pids, a copy of libz nobody else has."""
    folder = lab.new_folder()
    n_before = daemon.n_probed("libz.so.1")
    libz = next(name for _, _, _, name in map_lines_of_zlib())
    script = ('mount -t tmpfs none "$0" && cp "$1" "$0/libz.so.1" && cp "$2" "$0/zs-boxed" &&'
              ' LD_LIBRARY_PATH="$0" exec "$0/zs-boxed" --opened 1000 --closed 900 --rate 300'
              " --wait --hold")
    process = subprocess.Popen(["unshare", "--mount", "--pid", "--fork", "--mount-proc", "sh",
                                "-c", script, folder, libz, PROGRAMS / "zstreams"],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline().startswith(b"ready ")
        # The library is new to the daemon: what is opened before it looks is lost.
        wait_for(lambda: daemon.n_probed("libz.so.1") > n_before, "its library to be probed")
        process.stdin.write(b"go\n")
        process.stdin.flush()
        counts = parse_done(process.stdout.readline().decode())
        assert counts["pid"] == 1
        daemon.check_counts(counts, comm="zs-boxed")
    finally:
        process.stdin.close()
        process.wait()
    daemon.end()


def map_lines_of_zlib():
    probe = subprocess.Popen([PROGRAMS / "zstreams", "--wait"], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE)
    probe.stdout.readline()
    lines = [l for l in map_lines(probe.pid) if re.search(r"/libz\.so", l[3])]
    probe.communicate(b"\n")
    return lines


def test_suspects_whom_it_should(lab, daemon):
    """Few bytes on a big host are nobody's emergency: the service waits, the one-shot does not;
    but who gives everything back is never suspected."""
    program = lab.c("leaky", "--seconds", 3, "--close")
    program.go()
    counts = program.done()
    daemon.check_counts(counts, pid=str(program.pid))
    suspected = promtext.value(daemon.read(), "unfreed_process_leak_suspected",
                               pid=str(program.pid))
    assert suspected in (None, 0)
    program.end()
    daemon.end()


def test_tells_a_leak_in_the_journal(lab, daemon, show):
    """Once, in one line, with the stack; by the id that the textfile has. Below a limit that is near,
    as the service weighs a leak by the memory that is left."""
    group = Cgroup.make(400 << 20)
    if not group:
        pytest.skip("no memory cgroup, v1 or v2, can be made here")
    program = lab.c("leaky", "--seconds", 5, prefix=group.wrap)
    began = time.monotonic()
    program.go()
    wait_for(lambda: f"leaky[{program.pid}]" in daemon.watcher.error_text(), "a line", 20)
    show(f"told after {time.monotonic() - began:.1f} s")
    program.done()
    daemon.wait_for_value("unfreed_process_leak_suspected", 1, pid=str(program.pid))
    families = daemon.read()
    program.end()
    group.remove()
    lines = [l for l in daemon.end().err.splitlines() if f"leaky[{program.pid}]" in l]
    match = re.search(r"leaks zlib-inflate: none of [\d,]+ was ever closed; .* out of memory in .* "
                      r"\(cgroup's memory.max in /.*: .* left\); site ([0-9a-f]{16}): inflateInit2_ < "
                      r"open_message_set \(leaky.c:\d+\) < recover_segment ", lines[0])
    assert match, lines
    assert promtext.value(families, "unfreed_site_leak_suspected", site=match.group(1)) == 1
    sites = [re.search(r" site ([0-9a-f]{16}):", l).group(1) for l in lines]
    assert len(sites) == len(set(sites)), "told twice"


def test_tells_a_leak_that_is_over_in_a_second(lab, daemon):
    """Who has a second to live is looked at more often than twice in it: then three in a row are told of
    hardly ever."""
    group = Cgroup.make(400 << 20)
    if not group:
        pytest.skip("no memory cgroup, v1 or v2, can be made here")
    programs = [lab.c("zstreams", "--opened", 12000, "--closed", 0, "--rate", 10000,
                      prefix=group.wrap) for _ in range(3)]
    time.sleep(3)   # a process of the first second is not looked at yet
    for program in programs:
        program.go()
        program.done()
        program.end()
    group.remove()
    for program in programs:
        wait_for(lambda: f"zstreams[{program.pid}]" in daemon.watcher.error_text(), "a line", 5)
    daemon.end()


def test_ended_processes_leave_the_textfile(lab, daemon):
    program = lab.c("zstreams")
    program.go()
    counts = program.done()
    daemon.check_counts(counts, pid=str(program.pid))
    program.end()
    wait_for(lambda: promtext.value(daemon.read(), "unfreed_handles_open", pid=str(program.pid),
                                    kind="zlib-inflate") is None, "its samples to go", 20, 0.3)
    daemon.end()


def test_many_short_processes(lab, daemon):
    """Nothing is known of them for long; the service stays well and small."""
    for _ in range(200):
        subprocess.run(["true"], check=True)
    copies = []
    for i in range(10):
        copy = lab.folder / f"short-{i}"
        shutil.copy(PROGRAMS / "zstreams", copy)
        copies.append(subprocess.Popen([copy, "--rate", "0"], stdout=subprocess.DEVNULL))
    assert [c.wait() for c in copies] == [0] * len(copies)
    before = promtext.value(daemon.read(), "unfreed_last_write_timestamp_seconds")
    wait_for(lambda: promtext.value(daemon.read(), "unfreed_last_write_timestamp_seconds")
             > before, "the next write")
    assert promtext.value(daemon.read(), "unfreed_self_resident_bytes") < 512 << 20
    daemon.end()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda n: n.name)
def test_ends_at_once(daemon, number):
    start = time.monotonic()
    result = daemon.watcher.stop(number)
    assert result.status == 0
    assert time.monotonic() - start < 30


def lessons(path):
    """The number of sites in a memory file: its header says it, and its length agrees."""
    data = path.read_bytes()
    n = int.from_bytes(data[12:16], "little")
    assert data[:8] == b"unfreedP" and len(data) == 24 + 24 * n
    return n


def test_memory_of_earlier_runs(lab):
    """A spoilt file is one line and is written anew; what a run learns is there for the next."""
    path = lab.new_folder() / "memory"
    path.write_bytes(b"unfreedP" + b"spoilt" * 20)
    daemon = Daemon(lab, "--memory-file", path)
    assert lessons(path) == 0
    program = lab.c("sessions", "--seconds", 8, "--rate", 400)
    program.go()
    program.done()
    program.end()
    time.sleep(2)
    err = daemon.end().err
    assert len([line for line in err.splitlines() if str(path) in line]) == 1, err
    learnt = lessons(path)
    assert learnt > 0
    assert path.stat().st_mode & 0o777 == 0o600
    daemon = Daemon(lab, "--memory-file", path)
    err = daemon.end().err
    assert str(path) not in err
    assert lessons(path) >= learnt
    assert [p.name for p in path.parent.iterdir()] == ["memory"]


def test_memory_file_in_no_folder(lab):
    watcher = lab.watcher("daemon", "--textfile-dir", lab.new_folder(), "--memory-file",
                          lab.folder / "nowhere" / "memory")
    result = watcher.result()
    assert result.status == 2
    assert "nowhere: No such file or directory" in result.err
