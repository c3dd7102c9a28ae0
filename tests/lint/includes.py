#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Who may include whom: the table of docs/architecture.md, read from the #include lines.

Quoted includes name a file from the root of the tree. A room is a folder of user/; only files
directly in user/ know them all. libbpf's headers belong to source/ and bpf/, elfutils' to unwind/
and symbol/: what else needs them asks these rooms.
"""

import re
import sys
from pathlib import Path

ROOT = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).resolve().parents[2])

# Room -> the others it may include; every room may include itself. "event" is bpf/event.h alone,
# "contracts" are all headers that both sides share: bpf/*.h but for *.bpf.h.
BELOW = {
    "base": set(),
    "wire": {"base", "event"},
    "model": {"base", "wire", "contracts"},     # rule.h: the hash that makes a stack's id
    "detect": {"base", "model", "wire", "event"},
    "sink": {"base", "wire", "model", "detect", "symbol", "event"},
    "unwind": {"base", "contracts"},
    "symbol": {"base", "contracts"},
    "source": {"base", "wire", "unwind", "symbol", "contracts", "skeleton"},
    "bpf": {"contracts"},
}
EVENT = "bpf/event.h"
CONTRACT = re.compile(r"bpf/\w+\.h")
SKELETON = re.compile(r"bpf/\w+\.skel\.h")
LIBBPF = re.compile(r"(bpf/(libbpf|bpf|btf|libbpf_\w+|bpf_\w+|skel_internal)\.h|linux/bpf\.h)")
LIBBPF_ROOMS = {"source", "bpf"}
ELFUTILS = re.compile(r"((libelf|gelf|libdw|libdwfl|dwarf|nlist)\.h|elfutils/.*)")
ELFUTILS_ROOMS = {"unwind", "symbol"}
INCLUDE = re.compile(r'^[ \t]*#[ \t]*(?:include|include_next|import)[ \t]*(["<])([^">]+)[">]', re.M)
COMPUTED = re.compile(r"^[ \t]*#[ \t]*include[ \t]+[A-Za-z_]", re.M)


def room_of(path):
    """The folder under user/, "user" for files directly in it, else the first folder."""
    if path.parts[0] != "user":
        return path.parts[0]
    return path.parts[1] if len(path.parts) > 2 else "user"


def quoted(path, room, name):
    """What is wrong with #include "name" in a file of that room; None: nothing."""
    target = Path(name)
    if ".." in target.parts or target.parts[0] not in ("user", "bpf", "vmlinux.h", "vmlinux"):
        return "name it from the root of the tree"
    if room in ("user", "tests") or SKELETON.fullmatch(name):
        return None if room in ("user", "tests") or "skeleton" in BELOW[room] else \
            "only source/ may include the skeleton"
    if target.parts[0].startswith("vmlinux"):
        return None if room == "bpf" else "only bpf/ may include it"
    if target.parts[0] == "user":
        other = room_of(target)
        return None if other == room or other in BELOW[room] else \
            f"{room}/ may not know {other}/"
    if room == "bpf" or (name == EVENT and "event" in BELOW[room]) or \
            (CONTRACT.fullmatch(name) and "contracts" in BELOW[room]):
        return None
    return f"{room}/ may not know {name}"


def check(path):
    room = room_of(path)
    text = (ROOT / path).read_text(encoding="utf-8")
    if room not in BELOW and room != "user":
        yield 1, f"the room {room}/ is not in the table of tests/lint/includes.py"
        return
    for m in COMPUTED.finditer(text):
        yield text.count("\n", 0, m.start()) + 1, "an include this check cannot read"
    for m in INCLUDE.finditer(text):
        line, (quote, name) = text.count("\n", 0, m.start()) + 1, m.groups()
        wrong = None
        if quote == '"':
            wrong = quoted(path, room, name)
        elif name.startswith("user/"):
            wrong = "our own headers are included with quotes"
        elif LIBBPF.fullmatch(name) and room not in LIBBPF_ROOMS:
            wrong = "libbpf belongs to source/ and bpf/"
        elif ELFUTILS.fullmatch(name) and room not in ELFUTILS_ROOMS:
            wrong = "elfutils belongs to unwind/ and symbol/"
        if wrong:
            yield line, f"{name}: {wrong}"


def main():
    files = [p.relative_to(ROOT) for folder in ("user", "bpf")
             for p in sorted((ROOT / folder).rglob("*.[ch]"))]
    if not files:
        sys.exit(f"no sources under {ROOT}")
    wrong = [f"{path}:{line}: {what}" for path in files for line, what in check(path)]
    print("\n".join(wrong) if wrong else f"{len(files)} files keep to the table")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
