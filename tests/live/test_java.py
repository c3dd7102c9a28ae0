# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
# tests/run: beside others
"""Every JDK of the machine, with no flag: the count, and stacks through Java to the thread's start."""

import glob
import os
import re
import subprocess
import time

import pytest

from harness import PROGRAMS, UNFREED, assert_counts, assert_trusted, function_names

JDKS = sorted({os.path.realpath(p) for p in glob.glob("/usr/lib/jvm/*/bin/java")})
KINDS = {"gzip": "zlib-inflate", "deflater": "zlib-deflate"}

pytestmark = pytest.mark.skipif(not JDKS, reason="no JDK under /usr/lib/jvm")


def jdk_name(java):
    return java.split("/")[4]


def streams(lab, java, *argv, options=("-Xmx256m",), **how):
    return lab.program(java, *options, "-cp", PROGRAMS / "java", "Streams", *argv, **how)


@pytest.mark.parametrize("way", KINDS)
@pytest.mark.parametrize("java", JDKS, ids=jdk_name)
def test_leak(lab, java, way):
    counts, result = lab.observe(streams(lab, java, "--kind", way))
    kind = KINDS[way]
    assert_counts(result.kind(counts["pid"], kind), counts)
    assert_trusted(result)
    assert result.status == 3
    site = result.sites(counts["pid"], kind)[0]
    assert site["verdict"] == "leak"
    # The probe is in zlib itself, or, in a libzip.so without symbols, at its JNI entry.
    class_name = {"gzip": "Inflater", "deflater": "Deflater"}[way]
    names = function_names(site)
    entry = f"Java_java_util_zip_{class_name}_init"
    assert entry in names[:2], names
    assert site["stack"][names.index(entry)]["module"] == "libzip.so"


@pytest.mark.parametrize("way", KINDS)
@pytest.mark.parametrize("java", JDKS, ids=jdk_name)
def test_twin(lab, java, way):
    counts, result = lab.observe(streams(lab, java, "--kind", way, "--close"))
    assert_counts(result.kind(counts["pid"], KINDS[way]), counts)
    assert not [s for s in result.sites(counts["pid"], KINDS[way])
                if s["verdict"] in ("leak", "growth")]
    assert result.status == 0


@pytest.mark.parametrize("java", JDKS, ids=jdk_name)
def test_closed_by_the_collector(lab, java):
    """Dropped without end(): the Cleaner's thread closes them, and the report says so."""
    counts, result = lab.observe(streams(lab, java, "--kind", "dropped", "--count", 300))
    kind = result.kind(counts["pid"], "zlib-deflate")
    assert kind["opened"] == counts["opened"]
    assert kind["closed"] > 0
    assert kind["closed_by_collector"] == kind["closed"]


# What the virtual machine is told, and what the program is told.
MODES = {
    "serial": (["-XX:+UseSerialGC"], []),
    "g1": (["-XX:+UseG1GC"], []),
    "zgc": (["-XX:+UseZGC"], []),
    "interpreted": (["-Xint"], []),
    "c2-only": (["-XX:-TieredCompilation"], []),
    "compact-headers": (["-XX:+UnlockExperimentalVMOptions", "-XX:+UseCompactObjectHeaders"], []),
    "virtual-thread": ([], ["--virtual"]),
}
SINCE_25 = ("virtual-thread", "compact-headers")
PATH = ["java.util.zip.Inflater.init", "java.util.zip.Inflater.<init>",
        "java.util.zip.GZIPInputStream.<init>", "Streams.openIterator", "Streams.recoverSegment",
        "Streams.step", "Streams.run"]
JAVA_KINDS = ("java", "java-inlined", "java-interpreted")


def is_java(site):
    return any(frame["kind"] in JAVA_KINDS for frame in site["stack"])


def reaches_the_start(site):
    """Through main or run, and out again on the other side. A frame without a name does not."""
    names = function_names(site)
    java = [f["function"] or "" for f in site["stack"] if f["kind"] in JAVA_KINDS]
    return java and java[-1].rpartition(".")[2] in ("main", "run") and names[-1] in (
        "clone3", "__clone3", "start_thread", "__clone")


def in_order(wanted, names):
    rest = iter(names)
    return all(name in rest for name in wanted)


PARTIAL = 1		# EV_F_STACK_PARTIAL
MAPPING_CALLS = ("mmap", "mprotect", "mremap", "brk")


def whole_stacks(capture):
    """(how many of them have a whole stack, all calls that map) of threads that open streams."""
    text = subprocess.run([UNFREED, "report", capture, "--dump-events"], capture_output=True,
                          check=True).stdout.decode()
    ends, calls, openers = {}, [], set()
    for line in text.splitlines():
        kind, _, rest = line.partition(" ")
        fields = dict(re.findall(r"(\S+?)=(\S+)", rest))
        if kind == "stack":
            ends[fields["id"]] = fields.get("end", "complete")
        elif kind == "handle-open":
            openers.add(fields["tid"])
        elif kind in MAPPING_CALLS:
            calls.append(fields)
    calls = [f for f in calls if f["tid"] in openers]
    whole = [f for f in calls if ends.get(f.get("stack")) == "complete"
             and not int(f.get("header_flags", "0"), 0) & PARTIAL]
    return len(whole), len(calls)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("java", JDKS, ids=jdk_name)
def test_stacks(lab, java, mode, show):
    if mode in SINCE_25 and "25" not in jdk_name(java):
        pytest.skip("not in this JDK")
    options, argv = MODES[mode]
    capture = lab.new_folder() / "it.capture"
    counts, result = lab.observe(streams(lab, java, "--count", 1500, "--rate", 600, *argv,
                                         options=["-Xmx256m", *options]),
                                 options=("--record", capture))
    sites = result.sites(counts["pid"], "zlib-inflate")
    opened = result.kind(counts["pid"], "zlib-inflate")["opened"]
    good = [s for s in sites if reaches_the_start(s) and in_order(PATH, function_names(s))]
    share = sum(s["opened"] for s in good) / opened
    anon = [s for s in result.sites(counts["pid"], "anon") if is_java(s)]
    taken = sum(s["opened"] for s in anon)
    named = sum(s["opened"] for s in anon if reaches_the_start(s))
    n_whole, n_calls = whole_stacks(capture)
    show(f"{share:.1%} of {opened} streams and {named} of {taken} mappings told to the start;"
         f" {len(good)} site; {n_whole / n_calls:.2%} of {n_calls} calls with a whole stack")
    assert opened >= counts["opened"]
    assert share >= 0.99
    assert len(good) == 1, [function_names(s) for s in good]  # one cause, however it is compiled
    assert taken >= counts["opened"] and named / taken >= 0.99
    assert n_calls >= counts["opened"] and n_whole / n_calls >= 0.99
    frame = next(f for f in good[0]["stack"] if f["function"] == "Streams.openIterator")
    assert frame["file"] == "Streams.java" and frame["line"] > 0


def told_shares(result, pid, from_start=False):
    """Of zlib streams and of mappings by Java code: the share that is told to the thread's start. One
    without a stack may have been Java's; to who attached it may be from before."""
    def share(sites):
        total = sum(s["opened"] for s in sites)
        return sum(s["opened"] for s in sites if reaches_the_start(s)) / total if total else 1, total
    return (*share(result.sites(pid, "zlib-inflate")),
            *share([s for s in result.sites(pid, "anon")
                    if is_java(s) or (from_start and not s["stack"])]))


@pytest.mark.parametrize("mode", ("g1", "interpreted"))
@pytest.mark.parametrize("java", JDKS, ids=jdk_name)
def test_from_its_first_instruction(lab, java, mode, show):
    """Loading the JVM itself, its classes and its libraries, included."""
    options, _ = MODES[mode]
    result = lab.run(java, "-Xmx256m", *options, "-cp", PROGRAMS / "java", "Streams", "--count", 600)
    pid = result.report["processes"][0]["pid"]
    streams_share, n, mappings_share, n_mappings = told_shares(result, pid, from_start=True)
    show(f"{streams_share:.1%} of {n} streams and {mappings_share:.1%} of {n_mappings} mappings told"
         " to the start")
    assert n >= 600
    assert streams_share >= 0.99
    assert n_mappings and mappings_share >= 0.99


@pytest.mark.parametrize("java", JDKS, ids=jdk_name)
def test_attached_to_a_jvm_at_work(lab, java, show):
    """Its code is compiled and in use. UNFREED_JVM_AGE: for how many seconds it has been."""
    age = int(os.environ.get("UNFREED_JVM_AGE", "4"))
    program = streams(lab, java, "--count", 200 * (age + 5), "--rate", 200, wait=False)
    time.sleep(age)
    watcher = lab.attach(program)
    program.done()
    result = watcher.stop()
    program.end()
    streams_share, n, mappings_share, n_mappings = told_shares(result, program.pid)
    show(f"{streams_share:.1%} of {n} streams and {mappings_share:.1%} of {n_mappings} mappings told"
         " to the start")
    assert n >= 200
    assert streams_share >= 0.99
    assert mappings_share >= 0.99
