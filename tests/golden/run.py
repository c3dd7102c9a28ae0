#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Every *.events here through the whole program, compared with what stands beside it.

NAME.events is a capture as text (docs/capture.md). Each is turned into a capture and back, and
reported from both forms in every format; NAME.FORMAT is the output, byte for byte, and NAME.status
the exit status where it is not 0. NAME.explain-SITE is what `--explain SITE` says of it, where that is
there: to add one, make it empty and update. `run.py --update` writes them anew: read the difference before
committing it.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
BUILD = Path(os.environ.get("UNFREED_BUILD", HERE.parent.parent / "build"))
UNFREED = Path(os.environ.get("UNFREED", BUILD / "unfreed"))
FORMATS = ("text", "json")


def report(*argv):
    done = subprocess.run([UNFREED, "report", *map(str, argv)], capture_output=True, timeout=60,
                          check=False, env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"})
    assert not done.stderr, done.stderr.decode()
    return done.returncode, done.stdout


def expected(path):
    return path.read_bytes() if path.exists() else None


def forms_of(events):
    """(file, options) of each report that is compared."""
    for form in FORMATS:
        yield events.with_suffix("." + form), ["--format", form]
    for golden in sorted(HERE.glob(events.stem + ".explain-*")):
        yield golden, ["--explain", golden.suffix.removeprefix(".explain-")]


def check(events, folder, update):
    """Yields what differs."""
    capture = folder / (events.stem + ".capture")
    report(events, "-o", capture)
    lines = [line for line in events.read_bytes().splitlines(True)
             if line != b"\n" and not line.startswith(b"#")]
    if report(capture, "--dump-events")[1] != b"".join(lines):
        yield "it does not come back from a capture as it was"
    wanted = events.with_suffix(".status")
    for golden, options in forms_of(events):
        status, out = report(events, *options)
        if report(capture, *options) != (status, out):
            yield f"text and capture give two reports with {options}"
        if update:
            golden.write_bytes(out)
            wanted.unlink(missing_ok=True)
            if status:
                wanted.write_text(f"{status}\n")
        if out != expected(golden):
            (folder / golden.name).write_bytes(out)
            diff = subprocess.run(["diff", "-u", golden, folder / golden.name], check=False,
                                  capture_output=True, text=True)
            yield f"{golden.name} differs:\n{diff.stdout}{diff.stderr}"
        if status != int(expected(wanted) or 0):
            yield f"status {status}"


def main():
    cases, bad = sorted(HERE.glob("*.events")), 0
    with tempfile.TemporaryDirectory() as folder:
        for events in cases:
            for what in check(events, Path(folder), "--update" in sys.argv):
                print(f"{events.name}: {what}")
                bad += 1
    print(f"{len(cases)} captures, {len(FORMATS)} formats, {bad} differences")
    return 1 if bad or not cases else 0


if __name__ == "__main__":
    sys.exit(main())
