# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""What count.c saw, and what a capture of the same run would have said at any moment of it."""

import bisect
import re
import subprocess
from collections import Counter
from pathlib import Path

import contract
from harness import UNFREED

HERE = Path(__file__).resolve().parent


def build(folder):
    program = folder / "count"
    subprocess.run(["cc", "-O2", "-D_GNU_SOURCE", "-I", HERE.parents[1], "-o", program,
                    HERE / "count.c"], check=True)
    return program


def symbol_offset(library, name):
    """Where in the file a function is."""
    table = subprocess.run(["readelf", "--dyn-syms", "-lW", library], check=True,
                           capture_output=True, text=True).stdout
    address = int(re.search(rf" ([0-9a-f]+) +\d+ FUNC +GLOBAL +DEFAULT +\d+ {name}(@|$)", table,
                            re.M).group(1), 16)
    for offset, start, size in re.findall(r"LOAD +0x(\w+) 0x(\w+) 0x\w+ 0x\w+ 0x(\w+)", table):
        if int(start, 16) <= address < int(start, 16) + int(size, 16):
            return address - int(start, 16) + int(offset, 16)
    raise AssertionError(f"{name} in no segment of {library}")


class Counts:
    """Moments in seconds of CLOCK_MONOTONIC."""

    def __init__(self, path):
        lines = path.read_text().splitlines()
        assert lines and lines[-1] == "end 0", lines[-1:]
        calls = [(letter, tid, int(ns) / 1e9) for letter, tid, ns in map(str.split, lines[:-1])]
        self.opened = sorted(ns for letter, _, ns in calls if letter == "o")
        self.closed = sorted(ns for letter, _, ns in calls if letter == "c")
        assert self.opened, "no stream was opened"
        # All logs of one folder are recovered by one thread; others open a few streams for classes.
        of_thread = Counter((letter, tid) for letter, tid, _ in calls)
        thread = max((tid for letter, tid in of_thread if letter == "o"),
                     key=lambda tid: of_thread["o", tid])
        self.recovery_opened, self.recovery_closed = of_thread["o", thread], of_thread["c", thread]

    @property
    def first(self):
        return self.opened[0]

    def opened_since(self, first, last):
        """Calls from the one on in which another probe was hit at `first`; at `last` it was in the
        last call of all. Of two probes of one place either may be the first to run."""
        before = bisect.bisect_right(self.opened, first)
        return len(self.opened) - before + (last >= self.opened[-1])


class Capture:
    def __init__(self, path, folder):
        self.path, self.folder = path, folder
        dump = subprocess.run([UNFREED, "report", path, "--dump-events"], check=True,
                              capture_output=True).stdout
        self.lines = dump.splitlines(True)
        self.times = [self.time(line) for line in self.lines]

    @staticmethod
    def time(line):
        m = re.match(rb"\S+ time=(\d+)", line)
        return int(m.group(1)) / 1e9 if m else 0.0

    def streams(self):
        """When the first and the last one were opened."""
        times = [t for t, l in zip(self.times, self.lines) if l.startswith(b"handle-open ")]
        return times[0], times[-1]

    def report_at(self, moment):
        """What the records until then say: the model and the detector read no clock."""
        events, out = self.folder / "cut.events", self.folder / "cut.json"
        # Names of frames and the like come last in a capture.
        events.write_bytes(b"".join(l for t, l in zip(self.times, self.lines)
                                    if t <= moment or l.startswith((b"name ", b"trust "))))
        done = subprocess.run([UNFREED, "report", events, "-f", "json", "-o", out], check=False,
                              capture_output=True)
        assert done.returncode in (0, 3), done.stderr.decode()
        return contract.load(out.read_bytes())

    def leak_found_at(self, first, last):
        """The moment, to 0.1 s, at which the verdict is a leak; it is not one at `first`."""
        assert self.report_at(last)["verdict"] == "leak", f"no leak {last - first:.1f} s later"
        while last - first > 0.1:
            middle = (first + last) / 2
            if self.report_at(middle)["verdict"] == "leak":
                last = middle
            else:
                first = middle
        return last
