# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
# tests/run: beside others
"""report --explain SITE: which sites it takes, what it refuses and how, and its form as JSON.

From captures as text, so it needs neither root nor a kernel. What the page says stands in tests/golden.
"""

import re
import subprocess

import pytest

import contract
from harness import ROOT, UNFREED

FAILED, USAGE, LEAK = 1, 2, 3
GOLDEN = ROOT / "tests/golden"
STRAY = GOLDEN / "stray.events", "506ec5276c186659"

# Two call sites whose ids begin with the same four digits.
SAME_BEGIN = """\
unfreed-events version=1 started=1700000000000000000 boot_time=1699999900000000000 \
started_ns=100000000000 flags=0x1 command="attach" host="example"
pair time=100000000000 name="zlib-inflate"
process time=100000000000 tgid=7 start_ns=90000000000 ppid=1 uid=1000 comm="b" cmdline="b" unit=""
seed-begin time=100000000000 tgid=7
region time=100000000000 tgid=7 start=0x400000 end=0x500000 ino=11 dev=0x800001 prot=0x5
seed-end time=100000000000 tgid=7
file time=100000000000 tgid=7 ino=11 dev=0x800001 \
build_id=00112233445566778899aabbccddeeff00112233 path="/usr/bin/broker"
stack time=100000000000 tgid=7 tid=7 id=0x1 mm_id=0x1 frames=0x4010f0
stack time=100000000000 tgid=7 tid=7 id=0x2 mm_id=0x1 frames=0x404820
handle-open time=100100000000 tgid=7 tid=7 stack=0x1 handle=0x1000 bytes=40000 arg=0x1000,0x1f
handle-open time=100100000000 tgid=7 tid=7 stack=0x2 handle=0x2000 bytes=40000 arg=0x2000,0x1f
tick time=100500000000
"""


def explain(capture, site, *options):
    return subprocess.run([UNFREED, "report", capture, "--explain", site, *map(str, options)],
                          capture_output=True, text=True, timeout=60, check=False)


def refuses(status, capture, site, *words, options=()):
    done = explain(capture, site, *options)
    assert done.returncode == status, done.stderr
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1 and done.stderr.startswith("unfreed: "), done.stderr
    for word in words:
        assert word in done.stderr


@pytest.mark.parametrize("site", ["", "506", "506ec5276c1866590", "506g", "0x506e", "506e ", "-506e"])
def test_no_site(site):
    refuses(USAGE, STRAY[0], site, "--explain")


def test_not_of_a_capture(tmp_path):
    for options in (["--dump-events"], ["-f", "capture", "-o", tmp_path / "a"],
                    ["-o", tmp_path / "a.capture"]):
        refuses(USAGE, *STRAY, "--explain", options=options)
    done = subprocess.run([UNFREED, "attach", "--explain", "506e", "1"], capture_output=True, text=True,
                          timeout=60, check=False)
    assert done.returncode == USAGE and "--explain" in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("digits", [4, 5, 15, 16])
def test_its_first_digits(digits):
    whole = explain(*STRAY)
    assert whole.returncode == LEAK and STRAY[1] in whole.stdout
    for site in (STRAY[1][:digits], STRAY[1][:digits].upper()):
        done = explain(STRAY[0], site)
        assert (done.returncode, done.stdout) == (LEAK, whole.stdout)


def test_unknown(tmp_path):
    refuses(FAILED, STRAY[0], "506f", "506f", "no such site", options=["-o", tmp_path / "out"])
    assert not list(tmp_path.iterdir())


def test_more_than_one(tmp_path):
    capture = tmp_path / "two.events"
    capture.write_text(SAME_BEGIN)
    refuses(FAILED, capture, "bf28", "bf28087889be04ad", "bf289ab0e8e5c149")
    for site in ("bf280", "bf289"):
        done = explain(capture, site)
        assert done.returncode == 0 and f"site {site}" in done.stdout, done.stderr


def test_every_process_that_has_it():
    done = explain(GOLDEN / "processes.events", "c527")
    heads = re.findall(r"\[(\d+)\].*  site c5274081dd5cf70c$", done.stdout, re.M)
    assert heads == ["7", "8"]


@pytest.mark.parametrize("name, site, question", [
    ("stray", "506e", "one-shot"), ("growth", "c527", "one-shot"), ("retracted", "4a33", "one-shot"),
    ("host", "4a33", "service")])
def test_json(name, site, question):
    capture = GOLDEN / f"{name}.events"
    done = explain(capture, site, "--format", "json")
    report = contract.load(done.stdout.encode())
    sites = [s for p in report["processes"] for s in p["sites"]]
    explained = [s for s in sites if "tests" in s]
    assert [s["site"][:4] for s in explained] == [site]
    tests = explained[0]["tests"]
    assert tests["question"] == question
    assert (tests["retracted"] is not None) == (name == "retracted")
    assert {t["result"] for t in tests["list"]} <= {"met", "missed", "not-asked"}
    # But for that key it is the report that is always made.
    for s in explained:
        del s["tests"]
    plain = subprocess.run([UNFREED, "report", capture, "-f", "json"], capture_output=True, timeout=60,
                           check=False)
    assert plain.returncode == done.returncode
    assert report == contract.load(plain.stdout)
