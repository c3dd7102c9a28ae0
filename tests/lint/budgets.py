#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Files and functions that outgrew their budget: a reason to look for the second duty inside.

Allowed ones stand in budgets.allow with the reason. An allowance that nothing needs any more is an
error, too. Functions are found by the layout: a line that begins in column one and ends in `)`, or
its continuation, then `{` alone in column one, up to the next `}` in column one.
"""

import re
import sys
from pathlib import Path

ROOT = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).resolve().parents[2])
ALLOW = "tests/lint/budgets.allow"
FOLDERS = ("user", "bpf", "tests")
MAX_C, MAX_H, MAX_FUNCTION = 450, 160, 70
MAX_TEST = 800  # a test's cases are a list: it is read by its parts
NAME = re.compile(r"(\w+)\s*\(")
BPF_NAME = re.compile(r"(?:BPF_\w+|SEC)\((\w+)")


def functions(lines):
    """(name, first line from 1, number of lines) of every function."""
    head = start = 0
    for i, line in enumerate(lines):
        if re.match(r"[A-Za-z_]", line):
            head = i
        elif line == "{":
            start = i
        elif line == "}" and start:
            text = " ".join(lines[head:start])
            m = BPF_NAME.search(text) or NAME.search(text)
            yield m.group(1) if m else "?", head + 1, i - head + 1
            start = 0


def over_budget():
    """Yields (key for budgets.allow, what to say)."""
    n = 0
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.[ch]")):
            n += 1
            name = path.relative_to(ROOT).as_posix()
            lines = path.read_text(encoding="utf-8").split("\n")[:-1]
            # *.bpf.h is code that several programs share, not declarations.
            limit = MAX_H if path.suffix == ".h" and ".bpf." not in path.name else MAX_C
            limit = MAX_TEST if folder == "tests" else limit
            if len(lines) > limit:
                yield name, f"{name}: {len(lines)} lines, budget {limit}"
            for function, line, length in functions(lines):
                if length > MAX_FUNCTION:
                    yield f"{name}:{function}", \
                        f"{name}:{line}: {function}: {length} lines, budget {MAX_FUNCTION}"
    if not n:
        sys.exit(f"no sources under {ROOT}")


def allowances():
    """key -> reason. Lines: key, spaces, reason; # begins a comment."""
    allowed = {}
    path = ROOT / ALLOW
    for i, line in enumerate(path.read_text(encoding="utf-8").splitlines() if path.exists() else []):
        if not line.strip() or line.startswith("#"):
            continue
        key, _, reason = line.partition(" ")
        if not reason.strip():
            sys.exit(f"{ALLOW}:{i + 1}: {key} has no reason")
        allowed[key] = reason.strip()
    return allowed


def main():
    allowed, found, bad = allowances(), dict(over_budget()), 0
    for key, what in found.items():
        print(f"{what} ({'allowed: ' + allowed[key] if key in allowed else 'NOT ALLOWED'})")
        bad += key not in allowed
    for key in allowed.keys() - found.keys():
        print(f"{ALLOW}: {key} keeps its budget, take it off the list")
        bad += 1
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
