# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""The reader of reports that the live tests trust: does it notice what is wrong?"""

import copy
import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "live"))

import contract  # noqa: E402
import promtext  # noqa: E402

COUNTS = {"opened": 3, "closed": 1, "open": 2, "closed_by_collector": 0, "bytes": 80000}
FRAME = {"function": "inflateInit2_", "module": "libz.so.1", "build_id": "00ff", "offset": 4096,
         "file": None, "line": None, "kind": "native"}
SITE = dict(COUNTS, site="0123456789abcdef", kind="zlib-inflate", verdict="leak",
            resident_bytes=None, share=0.5, private_share=0.4,
            evidence="2 of 3 are open", stack=[FRAME])
PROCESS = {"pid": 7, "start_time": 1.5, "comm": "java", "cmdline": "java -jar x", "unit": None,
           "runtime": None, "verdict": "leak", "growth_bytes_per_second": 4e8,
           "explained_share": 0.97, "resident_bytes": 1, "accessible_bytes": 2, "reserved_bytes": 3,
           "limit": {"kind": "host", "group": None, "bytes_limit": 20, "bytes_left": 9,
                     "seconds_low": 18, "seconds_high": 25},
           "growth": {"resident_bytes": 100, "private_bytes": 90, "private_explained_share": 0.9,
                      "unexplained": {"file": 1, "shared": 0, "given_back": 0, "touched_later": 1, "allocator": 1,
                                      "unknown": 0}, "watch": False},
           "kinds": [dict(COUNTS, kind="zlib-inflate", before_attach=0)], "sites": [SITE]}
REPORT = {"schema": "unfreed.report/1", "command": "attach", "host": "h",
          "started": "2025-01-02T03:04:05Z", "seconds": 12.4, "verdict": "leak",
          "processes": [PROCESS],
          "groups": [{"group": "/a.slice", "kind": "cgroup-max", "bytes_limit": None, "bytes_left": 9,
                      "seconds_low": None, "seconds_high": None, "pids": [7]}],
          "trust": {"events": 4, "lost": {"ring-full": 0}, "healed": 0, "stacks": 3,
                    "stacks_complete": 3, "not_covered": ["32-bit tasks"]}}


def paths(thing, path=()):
    """The path of every key in the report."""
    if isinstance(thing, dict):
        for key, value in thing.items():
            yield (*path, key)
            yield from paths(value, (*path, key))
    elif isinstance(thing, list):
        for i, value in enumerate(thing):
            yield from paths(value, (*path, i))


def changed(path, change):
    report = copy.deepcopy(REPORT)
    thing = report
    for key in path[:-1]:
        thing = thing[key]
    change(thing, path[-1])
    return (json.dumps(report) + "\n").encode()


KEYS = [p for p in paths(REPORT) if p[-1] != "ring-full"]


def test_a_sound_report():
    assert contract.load((json.dumps(REPORT) + "\n").encode()) == REPORT


@pytest.mark.parametrize("path", KEYS, ids=lambda p: ".".join(map(str, p)))
def test_a_key_is_missing(path):
    with pytest.raises(contract.ContractBroken):
        contract.load(changed(path, lambda thing, key: thing.pop(key)))


@pytest.mark.parametrize("path", KEYS, ids=lambda p: ".".join(map(str, p)))
def test_a_value_of_another_type(path):
    with pytest.raises(contract.ContractBroken):
        contract.load(changed(path, lambda thing, key: thing.update({key: [True]})))


@pytest.mark.parametrize("path,value", [
    (("verdict",), "none"), (("processes", 0, "sites", 0, "open"), 1),
    (("processes", 0, "explained_share"), 1.2), (("started",), "2025-01-02T03:04:05"),
    (("processes", 0, "limit", "seconds_low"), 26), (("groups", 0, "pids"), [8]),
    (("processes", 0, "limit", "group"), "/a"), (("processes", 0, "growth", "unexplained", "file"), -1),
    (("processes", 0, "growth", "resident_bytes"), -9), (("trust", "stacks_complete"), 4),
    (("processes", 0, "sites", 0, "site"), "0123"), (("processes", 0, "kinds"), []),
    (("processes", 0, "sites", 0, "verdict"), "growth"), (("trust", "lost", "ring-full"), -1),
], ids=str)
def test_a_contradiction(path, value):
    with pytest.raises(contract.ContractBroken):
        contract.load(changed(path, lambda thing, key: thing.update({key: value})))


@pytest.mark.parametrize("data", [b"{}", b"", b'{"a": 1, "a": 2}\n', b'{"seconds": NaN}\n',
                                  b"\xff\n", json.dumps(REPORT).encode()], ids=repr)
def test_not_even_json(data):
    with pytest.raises((contract.ContractBroken, ValueError)):
        contract.load(data)


def test_more_keys_are_welcome():
    assert contract.load(changed(("processes", 0, "pid"), lambda t, k: t.update({"new": 1})))


PROM = ("# HELP unfreed_x What.\n# TYPE unfreed_x gauge\n"
        'unfreed_x{comm="a\\"b\\\\c\\nd",pid="1"} 2.5\nunfreed_x{comm="e",pid="2"} +Inf\n')


def test_a_sound_textfile():
    families = promtext.parse(PROM)
    assert promtext.value(families, "unfreed_x", comm='a"b\\c\nd') == 2.5
    assert promtext.value(families, "unfreed_x", comm="nobody") is None


@pytest.mark.parametrize("text", [
    PROM[:-1], PROM + PROM, PROM.replace(" 2.5", " 2.5 1700000000"), PROM.replace("gauge", "untyped"),
    PROM.replace("gauge", "counter"), PROM.replace("# TYPE unfreed_x gauge\n", ""),
    PROM.replace('"2"} +Inf', '"1"} 1').replace('"e"', '"a\\"b\\\\c\\nd"'),
    PROM.replace("unfreed_x{comm=\"e\"", "unfreed_y{comm=\"e\""), PROM.replace("\\n", "\n"),
    PROM.replace("unfreed_", "other_")], ids=range(10))
def test_a_broken_textfile(text):
    with pytest.raises(AssertionError):
        promtext.parse(text)
