# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Stacks without frame pointers: complete, named, and the same as a debugger's."""

import json
import re
import shutil
import subprocess

import pytest

from harness import PROGRAMS, PYTHON, ROOT, SCRIPTS, assert_counts, complete_share, function_names

GDB = shutil.which("gdb")
NODE = shutil.which("node")


def inflate_site(result, pid):
    return max(result.sites(pid, "zlib-inflate"), key=lambda site: site["opened"])


def test_c_frame_by_frame(lab, show):
    counts, result = lab.observe(lab.c("leaky", "--seconds", 2))
    site = inflate_site(result, counts["pid"])
    names = function_names(site)
    assert names[0] in ("inflateInit2_", "inflateInit2")
    assert names[1:5] == ["open_message_set", "recover_segment", "serve_request", "main"]
    assert names[-1] == "_start"
    assert all(f["kind"] == "native" for f in site["stack"])
    assert site["stack"][0]["module"].startswith("libz.so")
    assert site["stack"][1]["module"] == "leaky"
    assert all(f["build_id"] for f in site["stack"])
    share = complete_share(result)
    show(f"{100 * share:.2f}% of stacks complete")
    assert share >= 0.99	# an event between a first miss and its answer may stay incomplete


def bpftool(*argv):
    tool = subprocess.run([ROOT / "packaging/install-deps.sh", "bpftool"], capture_output=True,
                          text=True, check=False).stdout.strip()
    if not tool:
        pytest.skip("no bpftool that runs")
    return json.loads(subprocess.run([tool, "-j", *map(str, argv)], capture_output=True, text=True,
                                     check=True).stdout or "null")


def test_no_walk_is_free(lab):
    """What of stacks is under way on a CPU is bounded; who finds no room is counted all the same."""
    program = lab.c("leaky", "--seconds", 2)
    watcher = lab.attach(program)
    walks, = [m for kind, n in watcher.ids if kind == "map"
              for m in [bpftool("map", "show", "id", n)] if m["name"] == "walks"]
    taken = ["1"] + ["0"] * (walks["bytes_value"] - 1)	# struct walk begins with n_takers
    for key in range(walks["max_entries"]):
        bpftool("map", "update", "id", walks["id"], "key", *key.to_bytes(4, "little"), "value", *taken)
    program.go()
    counts = program.done()
    result = watcher.stop()
    program.end()
    assert_counts(result.kind(counts["pid"], "zlib-inflate"), counts)
    assert result.lost() == {}
    assert result.report["trust"]["stacks"] >= counts["opened"]
    assert result.report["trust"]["stacks_complete"] == 0


def test_c_source_lines(lab):
    """leaky has debug information: frames name file and line."""
    counts, result = lab.observe(lab.c("leaky", "--seconds", 1))
    frame = inflate_site(result, counts["pid"])["stack"][1]
    if frame["file"] is None:
        pytest.skip("source lines are not resolved yet")
    assert frame["file"].endswith("leaky.c")
    line = (SCRIPTS / "leaky.c").read_text().splitlines()[frame["line"] - 1]
    assert "inflateInit2(" in line


def test_names_outlive_the_process(lab):
    result = lab.run(PROGRAMS / "leaky", "--seconds", "2")
    pid = result.report["processes"][0]["pid"]
    assert function_names(inflate_site(result, pid))[1] == "open_message_set"


def ask_debugger(argv, function):
    done = subprocess.run(
        [GDB, "-nx", "-batch", "-ex", "set debuginfod enabled off", "-ex", "set pagination off",
         "-ex", "set breakpoint pending on", "-ex", "set print frame-arguments none",
         "-ex", "set backtrace past-main on", "-ex", "set backtrace past-entry on",
         "-ex", f"break {function}", "-ex", "ignore 1 100",
         "-ex", "run", "-ex", "bt", "-ex", "kill", "--args", *map(str, argv)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False)
    names = []
    for line in done.stdout.splitlines():
        # "#1  0x00007f... in name (...) from file" or "#0  name (...)"; C++ names have blanks
        match = re.match(r"#\d+\s+(?:0x[0-9a-f]+ in )?(.+?) \([^()]*\)(?: from | at |$)", line)
        if match:
            names.append(None if match.group(1) == "??" else match.group(1))
    return names, done.stdout + done.stderr


def debugger_names(argv):
    """The functions on the stack at about the 100th inflateInit2_, by gdb: by then an interpreter
    has settled on how it calls. Where a uprobe of somebody else's sits on the same instruction the
    kernel takes gdb's breakpoint for its own; then the function that inflateInit2_ calls serves."""
    names, said = ask_debugger(argv, "inflateInit2_")
    if not names:
        names, more = ask_debugger(argv, "inflateReset2")
        said, names = said + more, names[1:]
    assert names and names[0] == "inflateInit2_", f"gdb saw no stack: {said}"
    return names


def plain(name):
    """Without version, parameters, clone suffixes: what both would agree to call it."""
    if name is None:
        return None
    name = re.sub(r"@.*$|\.(isra|constprop|part|cold|lto_priv)\.?\d*.*$", "", name)
    name = re.sub(r"^__libc_start_main_impl$", "__libc_start_main", name)	# one address, two names
    return re.sub(r"\(.*$", "", name.replace("(anonymous namespace)", "anonymous")).replace(" ", "")


def compare(ours, theirs, show):
    """Frame by frame: as many frames, and where both know a name, the same one."""
    assert len(ours) == len(theirs), f"ours {ours}\ngdb's {theirs}"
    both = [(plain(a), plain(b)) for a, b in zip(ours, theirs) if a and b]
    show(f"{len(ours)} frames, {len(both)} named by both, all the same as gdb's")
    assert [a for a, _ in both] == [b for _, b in both]
    assert len(both) >= len(ours) * 2 // 3


PACED = ["--rate", "200"]
BESIDE_GDB = {
    "c": [PROGRAMS / "zstreams", "--opened", "300", "--closed", "0", *PACED],
    "python": [PYTHON, SCRIPTS / "zstreams.py", "--kind", "decompressobj", "--count", "300", *PACED],
    "node": [NODE, SCRIPTS / "zstreams.js", "--count", "300", *PACED],
}


@pytest.mark.skipif(not GDB, reason="no gdb on this machine")
@pytest.mark.parametrize("language", BESIDE_GDB)
def test_beside_gdb(lab, show, language):
    argv = BESIDE_GDB[language]
    if not argv[0]:
        pytest.skip("no node on this machine")
    result = lab.run(*argv)
    pid = result.report["processes"][0]["pid"]
    compare(function_names(inflate_site(result, pid)), debugger_names(argv), show)
