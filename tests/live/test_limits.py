# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""When memory ends: each program is let run into its limit, and the moment at which it got there is
compared with what the report had foretold, and against which limit."""

import os
import select
import time
from pathlib import Path

import pytest

from harness import PATIENCE, PROGRAMS, wait_for

MIB = 1 << 20
MEMORY_V1 = Path("/sys/fs/cgroup/memory")
UNIFIED = (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified"))


class Group:
    """A cgroup of its own with a limit; programs of this test are put in, and are gone at its end."""

    def __init__(self, version, limits):
        self.folder = (self.find_v1 if version == 1 else self.find_v2)()
        self.folder.mkdir()
        for name, value in limits.items():
            (self.folder / name).write_text(str(value))

    @staticmethod
    def find_v1():
        if not os.access(MEMORY_V1 / "cgroup.procs", os.W_OK):
            pytest.skip("CGROUP V1 LIMIT NOT TESTED: no v1 memory controller is mounted writable")
        return MEMORY_V1 / f"unfreed-limits-{os.getpid()}"

    @staticmethod
    def find_v2():
        for root in UNIFIED:
            control = root / "cgroup.subtree_control"
            if control.exists() and "memory" in (root / "cgroup.controllers").read_text().split():
                if "memory" not in control.read_text().split():
                    pytest.skip("CGROUP V2 LIMIT NOT TESTED: memory is not enabled for groups here")
                return root / f"unfreed-limits-{os.getpid()}"
        pytest.skip("CGROUP V2 LIMIT NOT TESTED: v2 has no memory controller here")

    def add(self, pid):
        (self.folder / "cgroup.procs").write_text(str(pid))

    def remove(self):
        wait_for(lambda: not (self.folder / "cgroup.procs").read_text(), "the group to empty", 5)
        wait_for(self.try_to_remove, "the group to go", 5)

    def try_to_remove(self):
        try:
            self.folder.rmdir()
            return True
        except OSError:
            return False


def ended(program):
    """Whether it wrote a line more, or is over."""
    return program.process.poll() is not None or \
        bool(select.select([program.process.stdout], [], [], 0)[0])


def limit_of(result, program):
    process = result.process(program.pid)
    limit = process["limit"]
    assert limit is not None and limit["seconds_low"] is not None, (limit, process["verdict"])
    return limit


def watch_until(program, others, lab, watched, options=()):
    """The forecast after `watched` seconds, and how long it really took from then on."""
    watcher = lab.attach(program, options=options)
    for each in (program, *others):
        each.go()
    time.sleep(watched)
    begun = time.monotonic()
    result = watcher.stop()
    wait_for(lambda: ended(program), "the limit", PATIENCE)
    return limit_of(result, program), time.monotonic() - begun


def check(limit, took, show):
    show(f"{limit['kind']}: foretold {limit['seconds_low']} to {limit['seconds_high']} s,"
         f" took {took:.1f} s")
    assert limit["seconds_low"] <= limit["seconds_high"] <= 4 * limit["seconds_low"] + 1
    assert 0.7 * limit["seconds_low"] - 0.5 <= took <= 1.4 * limit["seconds_high"] + 0.5


@pytest.mark.parametrize("version,limits,kind", [
    (1, {"memory.limit_in_bytes": 300 * MIB}, "cgroup-max"),
    (2, {"memory.max": 300 * MIB}, "cgroup-max"),
    (2, {"memory.high": 300 * MIB}, "cgroup-high"),
], ids=["v1", "v2-max", "v2-high"])
def test_cgroup(lab, version, limits, kind, show):
    group = Group(version, limits)
    program = lab.c("leaky", "--rate", 1000, "--seconds", 30)
    group.add(program.pid)
    limit, took = watch_until(program, [], lab, 3)
    if kind == "cgroup-max":	# memory.high does not end it
        check(limit, took, show)
    assert limit["kind"] == kind
    assert limit["bytes_limit"] == 300 * MIB
    assert limit["group"].endswith(group.folder.name)
    program.kill()
    group.remove()


def test_cgroup_shared(lab, show):
    """Two that grow alike are at their group's limit in half of the time."""
    group = Group(1, {"memory.limit_in_bytes": 400 * MIB})
    programs = [lab.c("leaky", "--rate", 700, "--seconds", 30) for _ in range(2)]
    for program in programs:
        group.add(program.pid)
    watcher = lab.attach(*programs)
    for program in programs:
        program.go()
    time.sleep(3)
    begun = time.monotonic()
    result = watcher.stop()
    wait_for(lambda: any(ended(p) for p in programs), "the limit", PATIENCE)
    took = time.monotonic() - begun
    for program in programs:
        limit = limit_of(result, program)
        show(f"foretold {limit['seconds_low']} to {limit['seconds_high']} s, took {took:.1f} s")
        assert limit["kind"] == "cgroup-max"
        assert 0.7 * limit["seconds_low"] - 0.5 <= took <= 1.4 * limit["seconds_high"] + 0.5
    groups = [g for g in result.report["groups"] if g["group"].endswith(group.folder.name)]
    assert len(groups) == 1
    assert sorted(groups[0]["pids"]) == sorted(p.pid for p in programs)
    check(groups[0], took, show)
    for program in programs:
        program.kill()
    group.remove()


def test_address_space(lab, show):
    program = lab.program("prlimit", f"--as={360 * MIB}", PROGRAMS / "leaky", "--rate", 1000,
                          "--seconds", 30)
    limit, took = watch_until(program, [], lab, 3)
    assert limit["kind"] == "rlimit-as"
    assert limit["bytes_limit"] == 360 * MIB
    assert limit["group"] is None
    check(limit, took, show)
    program.kill()


def test_map_count(lab, show):
    most = int(Path("/proc/sys/vm/max_map_count").read_text())
    if most > 1 << 20:
        pytest.skip(f"MAP COUNT NOT TESTED: {most} mappings are allowed here")
    program = lab.c("maps", "--first", most - 5000, "--rate", 400)
    limit, took = watch_until(program, [], lab, 4)
    assert limit["kind"] == "map-count"
    assert limit["bytes_limit"] == most
    check(limit, took, show)
    program.kill()
