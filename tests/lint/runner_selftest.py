#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""The test runner's own test: fake trees of tests that pass, fail, crash, hang and keep silent."""

import os
import subprocess
import sys
import tempfile
import time
import unittest
import xml.etree.ElementTree as ET
from pathlib import Path

RUN = Path(__file__).resolve().parent.parent / "run"
PASSING = "echo 1..2; echo 'ok 1 - a'; echo 'ok 2 - b'"


class Runner(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.root = Path(self.folder.name)

    def put(self, name, text, mode=0o755):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)

    def script(self, name, text, mode=0o755):
        self.put(name, f"#!/bin/sh\n{text}\n", mode)

    def unit(self, name, text):
        self.script(f"build/tests/unit/{name}", text)

    def run_all(self, *more, timeout=20, jobs=2, prefix=()):
        done = subprocess.run([*prefix, sys.executable, RUN, "--root", self.root, "--build",
                               self.root / "build", "--timeout", str(timeout),
                               "--jobs", str(jobs), *more],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120,
                              check=False, encoding="utf-8", errors="replace")
        return done.returncode, done.stdout

    def expect(self, passed, failed, skipped, *parts, **options):
        status, output = self.run_all(**options)
        self.assertEqual(output.splitlines()[-1],
                         f"{passed} passed, {failed} failed, {skipped} skipped", output)
        self.assertEqual(status, 1 if failed or not passed + skipped else 0, output)
        for part in parts:
            self.assertIn(part, output)
        return output

    def test_tests_do_not_inherit_ignored_signals(self):
        # HUP, INT and QUIT are signals 1 to 3: the lowest bits.
        self.script("tests/lint/a.sh", "grep -q '^SigIgn:.*[08]$' /proc/self/status")
        self.expect(1, 0, 0, prefix=["sh", "-c", 'trap "" HUP INT QUIT; exec "$@"', "sh"])

    def test_nothing_ran_is_a_failure(self):
        self.expect(0, 0, 0, "nothing ran")

    def test_all_pass(self):
        self.unit("test_a", PASSING)
        self.script("build/sanitize/tests/unit/test_a", PASSING)
        self.script("tests/lint/fine.sh", "exit 0")
        self.script("tests/bpf/fine.sh", "exit 0")
        self.script("tests/bench/smoke.sh", "exit 0")
        self.script("tests/bench/slow.sh", "exit 1")
        self.expect(7, 0, 0)

    def test_unit_failure_shows_the_output(self):
        self.unit("test_a", "echo 'ok 1 - a'; echo 'not ok 2 - b'; echo '0x1 != 0x2' >&2; exit 1")
        self.expect(1, 1, 0, "FAILED   build/tests/unit/test_a: b: not ok", "0x1 != 0x2")

    def test_unit_failure_counts_whatever_the_status(self):
        self.unit("test_a", "echo 'not ok 1 - a'; exit 77")
        self.expect(0, 1, 0)

    def test_unit_crash_after_passing_tests(self):
        self.unit("test_a", "echo 'ok 1 - a'; kill -SEGV $$")
        self.expect(1, 1, 0, "killed by signal 11")

    def test_unit_bad_status_with_passing_tests(self):
        self.unit("test_a", PASSING + "; echo 'LeakSanitizer: detected memory leaks'; exit 23")
        self.expect(2, 1, 0, "ended with status 23", "detected memory leaks")

    def test_unit_that_stops_early(self):
        self.unit("test_a", "echo 1..3; echo 'ok 1 - a'")
        self.expect(1, 1, 0, "promised 3 tests and reported 1")

    def test_unit_with_two_groups(self):
        self.unit("test_a", PASSING + "; echo '# ok - first'; " + PASSING)
        self.expect(4, 0, 0)

    def test_unit_that_runs_nothing(self):
        self.unit("test_a", "true")
        self.expect(0, 1, 0, "ran no test")

    def test_unit_that_was_not_built(self):
        self.unit("test_a", PASSING)
        self.put("tests/unit/test_b.c", "", 0o644)
        self.expect(2, 1, 0, "test_b: not built")

    def test_unit_skips(self):
        self.unit("test_a", "echo 'ok 1 - a'; echo '# no tty'; echo 'not ok 2 # SKIP progress'")
        self.unit("test_b", "echo 'needs root'; exit 77")
        self.expect(1, 0, 2, "SKIPPED  build/tests/unit/test_a: progress: no tty",
                    "SKIPPED  build/tests/unit/test_b: needs root")

    def test_executables_fail_skip_and_break(self):
        self.script("tests/lint/a.sh", "echo 'the reason why'; exit 3")
        self.script("tests/lint/b.sh", "echo noise; echo 'no such kernel'; exit 77")
        self.script("tests/lint/c.sh", "exit 99")
        self.script("tests/lint/d.sh", "exit 0", 0o644)
        self.put("tests/lint/notes.txt", "not a test", 0o644)
        self.put("tests/lint/e.sh", "no interpreter", 0o755)
        self.expect(0, 4, 1, "the reason why", "SKIPPED  tests/lint/b.sh: no such kernel",
                    "harness is broken (status 99)", "tests/lint/d.sh: not executable",
                    "cannot be started")

    def test_a_hang_is_killed_with_all_it_started(self):
        pid = self.root / "pid"
        self.unit("test_a", f"sleep 1000 & echo $! > {pid}; echo 'ok 1 - a'; wait")
        start = time.monotonic()
        self.expect(1, 1, 0, "not done after 1 s, killed", timeout=1)
        self.assertLess(time.monotonic() - start, 30)
        self.assert_gone(int(pid.read_text()))

    def test_what_is_left_running_is_killed_and_holds_nobody_up(self):
        pid = self.root / "pid"
        self.unit("test_a", f"sleep 1000 & echo $! > {pid}; {PASSING}")
        self.expect(2, 0, 0)
        self.assert_gone(int(pid.read_text()))

    def assert_gone(self, pid):
        for _ in range(100):
            try:
                state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
            except OSError:
                return
            if state == "Z":
                return
            time.sleep(0.05)
        self.fail(f"process {pid} still runs")

    def test_pytest_files(self):
        self.put("tests/live/test_a.py", "import pytest\n"
                 "def test_good(): pass\n"
                 "def test_bad(): assert 1 == 2\n"
                 "def test_skip(): pytest.skip('no java here')\n"
                 "@pytest.fixture\n"
                 "def torn():\n    yield\n    assert not 'left behind'\n"
                 "def test_torn(torn): pass\n")
        self.put("tests/live/test_b.py", "import no_such_module\n")
        self.put("tests/live/test_c.py", "# empty\n")
        self.expect(1, 4, 1, "assert 1 == 2", "no java here", "test_a.py::test_torn",
                    "test_c.py: ran no test")

    def test_a_hanging_pytest_file_keeps_its_results_and_cleans_up(self):
        left = self.root / "left"
        self.put("tests/live/test_a.py", "import pytest, time\n"
                 "@pytest.fixture\n"
                 f"def lab():\n    yield\n    open({str(left)!r}, 'w').close()\n"
                 "def test_good(): pass\n"
                 "def test_hang(lab): time.sleep(1000)\n")
        self.put("tests/live/test_b.py", "def test_good(): pass\n")
        self.expect(2, 1, 0, "tests/live/test_a.py::test_hang: not done after 3 s", timeout=3)
        self.assertTrue(left.exists())

    def test_beside_others(self):
        """Two that wait for each other pass only side by side; each one's output stays together."""
        def waits(mine, other, patience):
            return ("# tests/run: beside others\nimport os, time\n"
                    "def test_it():\n"
                    f"    open({str(self.root / mine)!r}, 'w').close()\n"
                    f"    end = time.monotonic() + {patience}\n"
                    f"    while not os.path.exists({str(self.root / other)!r}):\n"
                    "        assert time.monotonic() < end, 'alone'\n        time.sleep(0.01)\n"
                    f"    assert {mine!r} != 'b', 'b fails'\n")
        self.put("tests/live/test_a.py", waits("a", "b", 20))
        self.put("tests/live/test_b.py", waits("b", "a", 20))
        self.put("tests/live/test_c.py", "def test_good(): pass\n")
        output = self.expect(2, 1, 0, "test_b.py::test_it: AssertionError: b fails")
        self.assertLess(output.index("1 failed in"), output.index("FAILED   tests/live/test_b.py"))
        self.assertEqual(output.count("test session starts"), 3)
        for name in "ab":
            (self.root / name).unlink()
        self.put("tests/live/test_a.py", waits("a", "b", 0.1))
        self.expect(1, 2, 0, "alone", jobs=1)

    def test_only_and_junit(self):
        self.unit("test_a", PASSING)
        self.unit("test_b", "echo 'not ok 1 - \x1b'; exit 1")
        self.script("tests/lint/skip.sh", "echo why; exit 77")
        junit = self.root / "out.xml"
        status, output = self.run_all("--only", "test_a", "--junit", junit)
        self.assertEqual((status, output.splitlines()[-1]), (0, "2 passed, 0 failed, 0 skipped"))
        status, _ = self.run_all("--junit", junit)
        self.assertEqual(status, 1)
        suites = {s.get("name"): s for s in ET.parse(junit).getroot()}
        self.assertEqual(suites["unit"].get("tests"), "3")
        self.assertEqual(suites["unit"].get("failures"), "1")
        self.assertEqual(suites["lint"].find("testcase/skipped").get("message"), "why")
        status, output = self.run_all("--only", "no such test")
        self.assertEqual(status, 1, output)


if __name__ == "__main__":
    os.environ.pop("PYTEST_ADDOPTS", None)
    unittest.main()
