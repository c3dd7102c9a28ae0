# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Names of frames from wherever they are: perf maps, debug files, containers, files that are gone."""

import shutil
import subprocess

import pytest

from harness import PROGRAMS, SCRIPTS, UNFREED, assert_counts, assert_trusted, function_names

NODE = shutil.which("node")
needs_node = pytest.mark.skipif(not NODE, reason="no node on this machine")


def biggest(sites):
    return max(sites, key=lambda site: site["opened"])


def site_of(result, pid, kind):
    return biggest(result.sites(pid, kind))


def frame_of(site, function):
    found = [f for f in site["stack"] if f["function"] == function]
    assert found, f"no {function} among {function_names(site)}"
    return found[0]


def doctor(pid):
    done = subprocess.run([UNFREED, "doctor", str(pid)], capture_output=True, text=True, timeout=60,
                          check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


# --- other runtimes ------------------------------------------------------------------------------

@needs_node
def test_javascript(lab, show):
    """Compiled JavaScript, in the middle of a stack that is complete."""
    program = lab.program(NODE, "--perf-basic-prof", SCRIPTS / "jsleak.js")
    assert "names " in doctor(program.pid)
    counts, result = lab.observe(program)
    assert_counts(result.kind(counts["pid"], "zlib-inflate"), counts)
    assert_trusted(result)
    site = site_of(result, counts["pid"], "zlib-inflate")
    assert site["verdict"] == "leak"
    names = function_names(site)
    at = names.index("forgetInflater")
    assert names[at + 1] == "serveRequest"
    assert names[-1] == "_start"
    source = (SCRIPTS / "jsleak.js").read_text().splitlines()
    for frame in site["stack"][at:at + 2]:
        assert frame["kind"] == "jit"
        assert frame["file"].endswith("jsleak.js")
        assert f"function {frame['function']}(" in source[frame["line"] - 1]
    named = sum(s["opened"] for s in result.sites(counts["pid"], "zlib-inflate")
                if "forgetInflater" in function_names(s))
    show(f"{100 * named / counts['opened']:.2f}% of {counts['opened']} streams name the function")
    assert named >= 0.99 * counts["opened"]


@needs_node
def test_interpreted_javascript(lab):
    program = lab.program(NODE, "--perf-basic-prof", "--interpreted-frames-native-stack",
                          "--no-sparkplug", "--no-opt", SCRIPTS / "jsleak.js", "--count", "300")
    counts, result = lab.observe(program)
    names = function_names(site_of(result, counts["pid"], "zlib-inflate"))
    assert names.index("forgetInflater") + 1 == names.index("serveRequest")


@needs_node
def test_node_without_a_perf_map(lab):
    """Told, with the cure: by doctor before, and in the report of a stack that has such a frame."""
    program = lab.program(NODE, SCRIPTS / "jsleak.js", "--count", "300")
    text = doctor(program.pid)
    assert "not named" in text and "--perf-basic-prof" in text
    counts, result = lab.observe(program)
    site = site_of(result, counts["pid"], "zlib-inflate")
    assert [f for f in site["stack"] if f["kind"] == "jit" and f["function"] is None]
    assert any("--perf-basic-prof" in said for said in result.report["trust"]["not_covered"])


def test_doctor_on_an_interpreter(lab):
    program = lab.python("--count", "1")
    text = doctor(program.pid)
    assert "functions of Python have no names" in text
    program.go()
    program.done()
    program.end()


@pytest.mark.parametrize("memory", [[], ["--memfd"]], ids=["anonymous", "memfd"])
def test_made_at_run_time(lab, memory):
    counts, result = lab.observe(lab.c("jitted", *memory))
    site = site_of(result, counts["pid"], "anon")
    names = function_names(site)
    assert names[1:4] == ["take_piece", "forget_piece", "main"]
    frame = frame_of(site, "forget_piece")
    assert frame["kind"] == "jit" and frame["file"] == "/srv/made.py" and frame["line"] is None


def test_perf_map_in_another_pid_namespace(lab):
    """Its own /tmp, where it calls itself 1."""
    result = lab.run("unshare", "--mount", "--pid", "--fork", "--mount-proc", "sh", "-c",
                     f"mount -t tmpfs none /tmp && exec {PROGRAMS / 'jitted'}")
    found = [p for p in result.report["processes"] if p["comm"] == "jitted"]
    assert len(found) == 1
    names = function_names(site_of(result, found[0]["pid"], "anon"))
    assert names[1:4] == ["take_piece", "forget_piece", "main"]
