# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Starts watched programs and unfreed itself, and keeps the books on what they leave behind."""

import os
import re
import select
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import contract

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD = Path(os.environ.get("UNFREED_BUILD", ROOT / "build"))
UNFREED = Path(os.environ.get("UNFREED", BUILD / "unfreed"))
PROGRAMS = BUILD / "tests/programs"
SCRIPTS = ROOT / "tests/programs"
PATIENCE = 60		# seconds for anything that should take a few
PYTHON = "/usr/bin/python3"

# A shell that runs us in the background lets us ignore it, and what we start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


def wait_for(condition, what, patience=PATIENCE, pause=0.02):
    deadline = time.monotonic() + patience
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"waited {patience} s for {what}"
        time.sleep(pause)


class Program:
    """A program that speaks the lines of tests/programs/program.h."""

    def __init__(self, argv, folder, wait=True, prefix=lambda argv: argv, **popen):
        self.argv = [str(a) for a in prefix(argv)]
        more = ["--wait", "--hold"] if wait else ["--hold"]
        self.trouble = open(folder / "program.err", "w+b")
        self.process = subprocess.Popen(self.argv + more, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=self.trouble, **popen)
        self.buffer = b""
        self.pid = int(re.fullmatch(r"ready pid=(\d+)", self.line()).group(1))

    def line(self):
        deadline = time.monotonic() + PATIENCE
        while b"\n" not in self.buffer:
            ready, _, _ = select.select([self.process.stdout], [], [],
                                        max(0, deadline - time.monotonic()))
            data = os.read(self.process.stdout.fileno(), 4096) if ready else b""
            if not data:
                self.trouble.seek(0)
                raise AssertionError(f"{self.argv}: no line; {self.trouble.read().decode()}")
            self.buffer += data
        line, _, self.buffer = self.buffer.partition(b"\n")
        return line.decode()

    def go(self):
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()

    def done(self):
        """The program's own counts, one dict; it lives on until end()."""
        return parse_done(self.line())

    def end(self):
        """Lets it go; it must end well: being watched has done it no harm."""
        self.process.stdin.close()
        status = self.process.wait(PATIENCE)
        self.process.stdout.close()
        assert status == 0, f"{self.argv} ended with {status}"

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def show(request, capsys):
    """Prints a measured number past pytest's capturing: `make check` shows it."""
    def line(text):
        with capsys.disabled():
            print(f"\n    {request.node.name}: {text}", flush=True)
    return line


def parse_done(line):
    assert line.startswith("done "), line
    return {k: int(v) for k, v in (word.split("=") for word in line.split()[1:])}


@dataclass
class Result:
    status: int
    out: bytes
    err: str
    report: dict = None
    left_behind: list = field(default_factory=list)

    def process(self, pid):
        found = [p for p in self.report["processes"] if p["pid"] == pid]
        assert len(found) == 1, f"{len(found)} entries for {pid}: {self.report['processes']}"
        return found[0]

    def kind(self, pid, name):
        """The totals of one kind; zeros when the report has nothing to say about it."""
        for kind in self.process(pid)["kinds"]:
            if kind["kind"] == name:
                return kind
        return {"kind": name, "opened": 0, "closed": 0, "open": 0, "bytes": 0,
                "closed_by_collector": 0, "before_attach": 0}

    def sites(self, pid, kind):
        return [s for s in self.process(pid)["sites"] if s["kind"] == kind]

    def lost(self):
        return {k: v for k, v in self.report["trust"]["lost"].items() if v}


class Watcher:
    """One run of unfreed. Its own temporary folder, its own session, its BPF ids noted."""

    def __init__(self, argv, folder, output=None, stdin=subprocess.DEVNULL, **popen):
        self.folder = folder
        self.output = output
        self.scratch = folder / "scratch"
        self.scratch.mkdir(exist_ok=True)
        self.argv = [str(UNFREED)] + [str(a) for a in argv]
        self.err = open(folder / "unfreed.err", "w+b")
        self.out = open(folder / "unfreed.out", "w+b")
        self.ids = set()
        env = dict(os.environ, TMPDIR=str(self.scratch))
        popen.setdefault("stdout", self.out)
        self.process = subprocess.Popen(self.argv, stdin=stdin, stderr=self.err, env=env,
                                        start_new_session=True, **popen)

    def fd_links(self):
        folder = f"/proc/{self.process.pid}/fd"
        links = []
        try:
            for fd in os.listdir(folder):
                links.append((fd, os.readlink(f"{folder}/{fd}")))
        except OSError:
            pass
        return links

    def note_bpf_ids(self):
        for fd, _ in self.fd_links():
            try:
                text = Path(f"/proc/{self.process.pid}/fdinfo/{fd}").read_text()
            except OSError:
                continue
            for kind, number in re.findall(r"^(prog|map|link)_id:\s*(\d+)$", text, re.M):
                self.ids.add((kind, int(number)))

    def wait_until_watching(self):
        """Until what it attaches is attached: the count of its links has stopped growing."""
        seen, since = None, time.monotonic()
        deadline = since + PATIENCE
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                return self
            n = sum(1 for _, link in self.fd_links()
                    if "bpf_link" in link or "bpf-link" in link or "perf_event" in link)
            if n != seen:
                seen, since = n, time.monotonic()
            elif n and time.monotonic() - since > 0.5:
                self.note_bpf_ids()
                return self
            time.sleep(0.05)
        raise AssertionError(f"{self.argv}: attached nothing in {PATIENCE} s: {self.error_text()}")

    def error_text(self):
        # Not by self.err: the program writes where that stands.
        return (self.folder / "unfreed.err").read_bytes().decode("utf-8", errors="backslashreplace")

    def result(self, patience=PATIENCE):
        """Waits for its end, then for all that was its own to be gone."""
        self.note_bpf_ids()
        status = self.process.wait(patience)
        self.out.seek(0)
        out = self.out.read()
        result = Result(status, out, self.error_text())
        assert status >= 0, f"unfreed was killed by signal {-status}: {result.err}"
        for word in ("AddressSanitizer", "runtime error", "Traceback"):
            assert word not in result.err, result.err
        self.check_nothing_left()
        if self.output and self.output.exists():
            result.report = contract.load(self.output.read_bytes())
            check_status(result)
        return result

    def stop(self, number=signal.SIGINT):
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.result()

    def check_nothing_left(self):
        left = list(self.scratch.iterdir())
        assert not left, f"files left behind: {left}"
        wait_for(lambda: not session_members(self.process.pid), "its processes to end", 5)
        wait_for(lambda: not any(bpf_alive(kind, n) for kind, n in self.ids),
                 f"its BPF objects to go: {sorted(self.ids)}", 20, 0.2)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.err.close()
        self.out.close()


def check_status(result):
    """The exit status says what the report says."""
    if result.report["verdict"] == "leak":
        assert result.status == 3, result.status
    else:
        assert result.status in (0, 1), result.status


def kernel_mounts():
    """What of the kernel's own file systems the host has mounted; others come and go."""
    lines = Path("/proc/mounts").read_text().splitlines()
    return [l for l in lines if l.split()[2] in ("tracefs", "debugfs", "bpf")]


def session_members(sid):
    members = []
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != sid:
            try:
                if os.getsid(int(entry)) == sid and read_state(entry) != "Z":
                    members.append(int(entry))
            except OSError:
                pass
    return members


def read_state(pid):
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def bpf_alive(kind, number):
    done = subprocess.run(["bpftool", kind, "show", "id", str(number)], capture_output=True,
                          check=False)
    return done.returncode == 0


class Lab:
    def __init__(self, folder):
        self.folder = folder
        self.n = 0
        self.things = []
        self.mounts = kernel_mounts()

    def new_folder(self):
        self.n += 1
        folder = self.folder / str(self.n)
        folder.mkdir()
        return folder

    def program(self, *argv, **how):
        program = Program(argv, self.new_folder(), **how)
        self.things.append(program)
        return program

    def c(self, name, *argv, **how):
        return self.program(PROGRAMS / name, *argv, **how)

    def python(self, *argv, **how):
        return self.program(PYTHON, SCRIPTS / "zstreams.py", *argv, **how)

    def watcher(self, *argv, **how):
        watcher = Watcher(argv, self.new_folder(), **how)
        self.things.append(watcher)
        return watcher

    def attach(self, *programs, options=()):
        """Watches programs that wait; returns when the watching has begun."""
        output = self.new_folder() / "report.json"
        watcher = self.watcher("attach", *(getattr(p, "pid", p) for p in programs), "--format",
                               "json", "-o", output, "--no-until-verdict", *options, output=output)
        return watcher.wait_until_watching()

    def observe(self, program, n_processes=1, options=()):
        """The usual course: attach, let it work, stop watching. (its counts, the result)"""
        watcher = self.attach(program, options=options)
        program.go()
        counts = [program.done() for _ in range(n_processes)]
        time.sleep(0.3)
        result = watcher.stop()
        program.end()
        assert result.report is not None, result.err
        return (counts[0] if n_processes == 1 else counts), result

    def run(self, *argv, options=(), **how):
        """`unfreed run` of a command to its end. Its standard output is in result.out."""
        output = self.new_folder() / "report.json"
        return self.watcher("run", "--format", "json", "-o", output, *options, "--", *argv,
                            output=output, **how).result()

    def close(self):
        for thing in self.things:
            thing.kill()
        assert kernel_mounts() == self.mounts, "the host's mounts changed"


def map_lines(pid):
    """(start, end, permissions, name) of each region of a process."""
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        words = line.split(maxsplit=5)
        start, end = (int(x, 16) for x in words[0].split("-"))
        yield start, end, words[1], words[5] if len(words) > 5 else ""


def map_bytes(pid, wanted):
    return sum(end - start for start, end, perms, name in map_lines(pid) if wanted(perms, name))


OWN = ("[vdso]", "[vvar]", "[vvar_vclock]", "[vsyscall]", "[uprobes]")	# the kernel's, not taken


def kind_of(perms, name):
    """The report's kind of a region, read from a map line: for programs as simple as ours."""
    if name in OWN:
        return None
    if perms[:3] == "---":
        return "reserved"
    if name == "[heap]":
        return "heap"
    if name.startswith(("/memfd:", "/SYSV", "/dev/zero", "/dev/shm/")):
        return "shm"
    return "file" if name.startswith("/") else "anon"


def kind_bytes(pid, kind):
    return map_bytes(pid, lambda perms, name: kind_of(perms, name) == kind)


def kernel_bytes(pid):
    """(accessible, reserved) bytes by the kernel's own map."""
    return (map_bytes(pid, lambda p, n: p[:3] != "---" and n not in OWN),
            map_bytes(pid, lambda p, n: p[:3] == "---" and n not in OWN))


def heap_bytes(pid):
    return map_bytes(pid, lambda perms, name: name == "[heap]")


def function_names(site):
    return [frame["function"] for frame in site["stack"]]


def complete_share(result):
    trust = result.report["trust"]
    assert trust["stacks"] > 0
    return trust["stacks_complete"] / trust["stacks"]


def assert_counts(kind, counts):
    got = {key: kind[key] for key in ("opened", "closed", "open")}
    assert got == {key: counts[key] for key in got}


def assert_trusted(result):
    assert result.lost() == {}, result.lost()
