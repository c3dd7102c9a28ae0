# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""What a Java stack costs the watched thread, and what becomes of stacks in a storm of calls.

    java_stacks.py [ROUNDS] [PAIRS]

A JVM opens and ends zlib streams under 10 and under 40 Java frames, with and without `unfreed attach`
in turn; each figure is the median over the rounds of its thread's own CPU time. A frame's cost is
the difference of the two depths. Then two storms, in a C program and in a JVM, watched from just
before their first call on, when no rule is known yet.

Fails when the stacks are not as deep as is said, never because of a number.
"""

import glob
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "live"))
import harness		# pylint: disable=wrong-import-position

DEPTHS = (10, 40)
STORM_S = 3
STORM_PAIRS = 400000
WAYS = {
    "compiled": ["-XX:CompileCommand=quiet", "-XX:CompileCommand=dontinline,Pairs.*"],
    "interpreted": ["-Xint"],
}


def jdk_name(java):
    return java.split("/")[4]


def ask(program, depth, pairs):
    program.process.stdin.write(f"{depth} {pairs}\n".encode())
    program.process.stdin.flush()
    return float(program.line())


def n_java_frames(report, pid):
    """How many Java frames each site's stack has: on the machine, inlined ones aside."""
    sites = [s for p in report["processes"] if p["pid"] == pid for s in p["sites"]]
    return {sum(f["kind"] in ("java", "java-interpreted") for f in site["stack"])
            for site in sites if site["kind"] == "zlib-inflate"}


def start_jvm(lab, java, options):
    return lab.program(java, "-Xmx256m", "-XX:+UseSerialGC", *options, "-cp",
                       harness.PROGRAMS / "java", "Pairs", wait=False)


def one_round(lab, program, pairs, frames):
    """({depth: ns added}, {depth: ns untraced}); what was seen of stacks goes to `frames`."""
    plain = {d: ask(program, d, pairs) for d in DEPTHS}
    watcher = lab.attach(program)
    watched = {}
    for depth in DEPTHS:
        ask(program, depth, 900)	# the rules are learnt
        time.sleep(0.2)
        watched[depth] = ask(program, depth, pairs)
    frames |= n_java_frames(watcher.stop().report, program.pid)
    return {d: watched[d] - plain[d] for d in DEPTHS}, plain


def cost(lab, java, way, rounds, pairs):
    program, frames = start_jvm(lab, java, WAYS[way]), set()
    done = [one_round(lab, program, pairs, frames) for _ in range(rounds)]
    program.kill()
    added, plain = ({d: statistics.median(r[i][d] for r in done) for d in DEPTHS} for i in (0, 1))
    frame = (added[DEPTHS[1]] - added[DEPTHS[0]]) / (DEPTHS[1] - DEPTHS[0])
    print(f"{jdk_name(java):24} {way:12} {plain[DEPTHS[0]]:8.0f}"
          + "".join(f" {added[d]:+9.0f}" for d in DEPTHS) + f" {frame:8.0f}", flush=True)
    # Compiled, the constructor may be inlined into its caller.
    missing = [d for d in DEPTHS if not frames & {d, d - 1}]
    return [f"{jdk_name(java)}, {way}: no stack of {d} frames, but {frames}" for d in missing]


def tell_storm(what, report, took):
    trust = report["trust"]
    n, complete = trust["stacks"], trust["stacks_complete"]
    print(f"{what:37} {trust['events'] / took:10,.0f} {sum(trust['lost'].values()):8}"
          f" {n:9} {(n - complete) / max(1, n):9.3%}", flush=True)


def c_storm(lab):
    program = lab.c("storm", "--threads", "2", "--seconds", str(STORM_S))
    watcher = lab.attach(program)
    begun = time.monotonic()
    program.go()
    program.done()
    took = time.monotonic() - begun
    tell_storm("C, 2 threads", watcher.stop().report, took)
    program.kill()


def java_storm(lab, java, way, pairs):
    program = start_jvm(lab, java, WAYS[way])
    watcher = lab.attach(program)
    begun = time.monotonic()
    ask(program, DEPTHS[0], pairs)
    took = time.monotonic() - begun
    tell_storm(f"{jdk_name(java)} {way}", watcher.stop().report, took)
    program.kill()


def main(rounds=5, pairs=18000):
    lab = harness.Lab(pathlib.Path(tempfile.mkdtemp()))
    jdks = sorted({os.path.realpath(p) for p in glob.glob("/usr/lib/jvm/*/bin/java")})
    if not jdks:
        print("BENCH NOT RUN: no JDK under /usr/lib/jvm")
        return 77
    wrong = []
    try:
        print("ns of CPU time per stream opened and ended, added by watching; medians of"
              f" {rounds} rounds")
        print(f"{'':37} {'untraced':>8}" + "".join(f" {d:>2} frames" for d in DEPTHS)
              + f" {'a frame':>8}")
        for java in jdks:
            for way in WAYS:
                wrong += cost(lab, java, way, rounds, pairs)
        print(f"\n{'a storm, from its first call on':37} {'events/s':>10} {'lost':>8} {'stacks':>9}"
              f" {'no stack':>9}")
        c_storm(lab)
        for java in jdks:
            for way in WAYS:
                java_storm(lab, java, way, STORM_PAIRS)
    finally:
        lab.close()
        shutil.rmtree(lab.folder)
    for line in wrong:
        print(f"broken: {line}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    if os.geteuid():
        print("BENCH NOT RUN: needs root")
        sys.exit(77)
    sys.exit(main(*map(int, sys.argv[1:])))
