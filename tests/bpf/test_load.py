# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Every BPF program passes this kernel's verifier; its size in instructions is printed."""

import json
import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD = Path(os.environ.get("UNFREED_BUILD", ROOT / "build"))
BPFTOOL = subprocess.run([ROOT / "packaging/install-deps.sh", "bpftool"], capture_output=True,
                         text=True, check=False).stdout.strip()

# In a mount namespace of its own with a BPF file system of its own: nothing outlives the shell.
LOAD = """
set -e
mount -t bpf none /sys/fs/bpf
"$1" prog loadall "$2" /sys/fs/bpf/unfreed >&2
for pin in /sys/fs/bpf/unfreed/*; do
    "$1" -j prog show pinned "$pin"
    echo
done
"""


def test_every_program_loads(capsys):
    if os.geteuid() != 0:
        pytest.skip("BPF PROGRAMS NOT LOADED: needs root")
    if not BPFTOOL:
        pytest.skip("BPF PROGRAMS NOT LOADED: no bpftool that runs")
    done = subprocess.run(["unshare", "--mount", "sh", "-c", LOAD, "sh", BPFTOOL,
                           BUILD / "bpf/unfreed.bpf.o"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    programs = [json.loads(line) for line in done.stdout.splitlines() if line.strip()]
    assert programs
    with capsys.disabled():
        print()
        for program in sorted(programs, key=lambda p: p["name"]):
            print(f"    {program['name']:<20} {program['bytes_xlated'] // 8:>6} instructions")
