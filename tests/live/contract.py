# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""A strict reader of the JSON report (`unfreed.report/1`), written from its documentation alone.

Keys may be added to a report, never renamed or left out; so a key that is not known here is no
fault, and one that is missing or of another type is.
"""

import json
import re
from datetime import datetime

NUMBER = (int, float)
REGION_KINDS = {"anon", "file", "shm", "heap", "reserved"}
VERDICTS = {"leak", "growth", "none"}
FRAME_KINDS = {"native", "java", "java-inlined", "java-interpreted", "kernel", "jit"}
LIMIT_KINDS = {"cgroup-max", "cgroup-high", "rlimit-as", "host", "map-count"}


class ContractBroken(AssertionError):
    pass


def need(condition, what):
    if not condition:
        raise ContractBroken(what)


def is_count(value):
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def take(where, thing, key, check):
    """thing[key], which must be there and pass `check` (a type, a set of words or a function)."""
    need(isinstance(thing, dict), f"{where}: not an object")
    need(key in thing, f"{where}: no key {key!r}")
    value = thing[key]
    if isinstance(check, (set, frozenset)):
        good = isinstance(value, str) and value in check
    elif check is int:
        good = is_count(value)
    elif check is NUMBER:
        good = isinstance(value, NUMBER) and not isinstance(value, bool)
    elif isinstance(check, type):
        good = isinstance(value, check)
    else:
        good = check(value)
    need(good, f"{where}.{key}: {value!r}")
    return value


def or_null(check):
    return lambda value: value is None or isinstance(value, check)


def share(value):
    return isinstance(value, NUMBER) and not isinstance(value, bool) and 0 <= value <= 1


def check_frame(where, frame):
    take(where, frame, "function", or_null(str))
    take(where, frame, "module", or_null(str))
    take(where, frame, "build_id",
         lambda v: v is None or isinstance(v, str) and re.fullmatch(r"([0-9a-f]{2})+", v))
    take(where, frame, "offset", int)
    take(where, frame, "file", or_null(str))
    take(where, frame, "line", lambda v: v is None or is_count(v))
    take(where, frame, "kind", FRAME_KINDS)


def check_counts(where, thing):
    opened = take(where, thing, "opened", int)
    closed = take(where, thing, "closed", int)
    n_open = take(where, thing, "open", int)
    by_collector = take(where, thing, "closed_by_collector", int)
    take(where, thing, "bytes", int)
    need(by_collector <= closed, f"{where}: {by_collector} of {closed} closed by a collector")
    return opened, closed, n_open


def check_site(where, site):
    take(where, site, "site", lambda v: isinstance(v, str) and re.fullmatch(r"[0-9a-f]{16}|", v))
    take(where, site, "kind", str)
    take(where, site, "verdict", VERDICTS | {"watch"})
    opened, closed, n_open = check_counts(where, site)
    need(opened - closed == n_open, f"{where}: {opened} - {closed} is not {n_open}")
    take(where, site, "resident_bytes", lambda v: v is None or is_count(v))
    take(where, site, "share", share)
    take(where, site, "private_share", share)
    take(where, site, "evidence", str)
    for i, frame in enumerate(take(where, site, "stack", list)):
        check_frame(f"{where}.stack[{i}]", frame)
    if "tests" in site:
        check_tests(where + ".tests", site["tests"])


def check_tests(where, tests):
    """What --explain adds."""
    question = take(where, tests, "question", {"one-shot", "service"})
    unasked = take(where, tests, "unasked", or_null(str))
    take(where, tests, "at", NUMBER)
    limit = take(where, tests, "limit", lambda v: v is None or v in LIMIT_KINDS)
    left = take(where, tests, "bytes_left", or_null(NUMBER))
    need((limit is None) == (left is None), f"{where}: {left} of {limit}")
    need(limit is None or question == "service", f"{where}: {question} weighs no limit")
    take(where, tests, "since", NUMBER)
    take(where, tests, "held", or_null(NUMBER))
    kept = take(where, tests, "kept", int)
    take(where, tests, "kept_closed", lambda v: is_count(v) and v <= kept)
    retracted = take(where, tests, "retracted", or_null(dict))
    if retracted is not None:
        take(where, retracted, "at", NUMBER)
        take(where, retracted, "why", str)
    for i, test in enumerate(take(where, tests, "list", list)):
        check_test(f"{where}.list[{i}]", test)
    need(not unasked or not tests["list"], f"{where}: tests although {unasked}")


def check_test(where, test):
    take(where, test, "way", str)
    take(where, test, "test", str)
    take(where, test, "unit", {"count", "bytes", "seconds", "share", "ratio", "per-second"})
    take(where, test, "age", or_null(NUMBER))
    result = take(where, test, "result", {"met", "missed", "not-asked"})
    measured = take(where, test, "measured", or_null(NUMBER))
    least = take(where, test, "at_least", or_null(NUMBER))
    most = take(where, test, "at_most", or_null(NUMBER))
    need(least is None or most is None, f"{where}: two thresholds")
    need(result != "not-asked" or measured is least is most is None, f"{where}: numbers of no test")
    if result != "not-asked" and measured is not None and (least is not None or most is not None):
        met = measured <= most if least is None else measured >= least
        need(met == (result == "met"), f"{where}: {test}")


def check_limit(where, limit):
    kind = take(where, limit, "kind", LIMIT_KINDS)
    group = take(where, limit, "group", or_null(str))
    need(group is None or kind.startswith("cgroup-"), f"{where}: {kind} of {group}")
    take(where, limit, "bytes_limit", or_null(int))
    take(where, limit, "bytes_left", int)
    low = take(where, limit, "seconds_low", or_null(NUMBER))
    high = take(where, limit, "seconds_high", or_null(NUMBER))
    need((low is None) == (high is None), f"{where}: half a range")
    need(low is None or 0 <= low <= high, f"{where}: {low}..{high}")


def check_growth(where, growth):
    gained = take(where, growth, "resident_bytes", NUMBER)
    take(where, growth, "private_bytes", NUMBER)
    take(where, growth, "private_explained_share", share)
    rest = take(where, growth, "unexplained", dict)
    need(set(rest) == {"file", "shared", "given_back", "touched_later", "allocator", "unknown"},
         f"{where}: {rest}")
    need(all(type(v) in (int, float) and v >= 0 for v in rest.values()), f"{where}: {rest}")
    need(sum(rest.values()) <= gained + 5, f"{where}: {rest} of {gained}")
    take(where, growth, "watch", bool)


def check_process(where, process):
    take(where, process, "pid", lambda v: is_count(v) and v > 0)
    take(where, process, "start_time", NUMBER)
    for key in ("comm", "cmdline"):
        take(where, process, key, str)
    for key in ("unit", "runtime"):
        take(where, process, key, or_null(str))
    take(where, process, "verdict", VERDICTS)
    take(where, process, "growth_bytes_per_second", NUMBER)
    take(where, process, "explained_share", share)
    for key in ("resident_bytes", "accessible_bytes", "reserved_bytes"):
        take(where, process, key, int)
    limit = take(where, process, "limit", or_null(dict))
    if limit is not None:
        check_limit(where + ".limit", limit)
    check_growth(where + ".growth", take(where, process, "growth", dict))
    names = set()
    for i, kind in enumerate(take(where, process, "kinds", list)):
        name = take(f"{where}.kinds[{i}]", kind, "kind", str)
        need(name not in names, f"{where}: kind {name} twice")
        names.add(name)
        check_counts(f"{where}.kinds[{i}]", kind)
        take(f"{where}.kinds[{i}]", kind, "before_attach", int)
    for i, site in enumerate(take(where, process, "sites", list)):
        check_site(f"{where}.sites[{i}]", site)
        need(site["kind"] in names, f"{where}.sites[{i}]: kind {site['kind']} has no totals")
    if process["verdict"] == "leak":
        need(any(s["verdict"] == "leak" for s in process["sites"]), f"{where}: a leak of no site")


def check_report(report):
    take("report", report, "schema", {"unfreed.report/1"})
    take("report", report, "command", {"attach", "run", "daemon", "record"})
    take("report", report, "host", str)
    started = take("report", report, "started", str)
    need(datetime.fromisoformat(started.replace("Z", "+00:00")).tzinfo, "report.started: no zone")
    take("report", report, "seconds", lambda v: isinstance(v, NUMBER) and v >= 0)
    verdict = take("report", report, "verdict", VERDICTS)
    processes = take("report", report, "processes", list)
    for i, process in enumerate(processes):
        check_process(f"processes[{i}]", process)
    pids = {p["pid"] for p in processes}
    for i, group in enumerate(take("report", report, "groups", list)):
        check_limit(f"groups[{i}]", group)
        take(f"groups[{i}]", group, "group", str)
        need(set(take(f"groups[{i}]", group, "pids", list)) <= pids, f"groups[{i}]: whose pids?")
    order = ["none", "growth", "leak"]
    worst = max((p["verdict"] for p in processes), key=order.index, default="none")
    need(verdict == worst, f"report.verdict: {verdict}, but the worst process is {worst}")
    trust = take("report", report, "trust", dict)
    take("trust", trust, "events", int)
    for cause, count in take("trust", trust, "lost", dict).items():
        need(re.fullmatch(r"[a-z][a-z-]*", cause) and is_count(count), f"trust.lost: {cause}")
    take("trust", trust, "healed", int)
    stacks = take("trust", trust, "stacks", int)
    need(take("trust", trust, "stacks_complete", int) <= stacks, "trust: more complete than taken")
    for note in take("trust", trust, "not_covered", list):
        need(isinstance(note, str) and note, "trust.not_covered: not a sentence")
    return report


def no_duplicate_keys(pairs):
    keys = [key for key, _ in pairs]
    need(len(keys) == len(set(keys)), f"a key twice in {keys}")
    return dict(pairs)


def load(data):
    """Bytes of a report file -> the checked report."""
    text = data.decode("utf-8", errors="strict")

    def refuse(word):
        raise ContractBroken(f"{word} is not JSON")

    report = json.loads(text, object_pairs_hook=no_duplicate_keys, parse_constant=refuse)
    need(text.endswith("\n"), "the report does not end with a newline")
    return check_report(report)
