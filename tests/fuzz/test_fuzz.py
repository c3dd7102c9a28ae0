# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Every libFuzzer harness for some seconds, from its seeds. `make fuzz` runs them for longer."""

import os
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
BUILD = Path(os.environ.get("UNFREED_BUILD", HERE.parent.parent / "build"))
NAMES = sorted(path.stem.removeprefix("fuzz_") for path in HERE.glob("fuzz_*.c"))
# What reads a file or a record of others, and the map that everything is counted by, get more.
SECONDS = {"capture": 4, "decode": 4, "maps": 4, "region_map": 4}


def has_libfuzzer():
    try:
        done = subprocess.run(["clang", "-print-file-name=libclang_rt.fuzzer-x86_64.a"],
                              capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return False
    return Path(done.stdout.strip()).is_absolute()


@pytest.mark.parametrize("name", NAMES)
def test_fuzz(name, tmp_path):
    harness = BUILD / "fuzz" / f"fuzz_{name}"
    if not harness.exists():
        if not has_libfuzzer():
            pytest.skip("FUZZER NOT RUN: clang has no libFuzzer here: sudo make deps-test")
        pytest.fail(f"{harness} is not built: run make fuzz-build")
    seeds = HERE / "seeds" / name
    found = tmp_path / "found"
    corpus = tmp_path / "corpus"
    found.mkdir()
    corpus.mkdir()
    done = subprocess.run([harness, f"-max_total_time={SECONDS.get(name, 1)}", "-timeout=10",
                           "-rss_limit_mb=2048", f"-artifact_prefix={found}/", corpus,
                           *([seeds] if seeds.is_dir() else [])],
                          capture_output=True, text=True, errors="backslashreplace", check=False)
    inputs = "".join(f"{path.name}: {path.read_bytes().hex()}\n" for path in found.iterdir())
    assert done.returncode == 0, f"{done.stderr[-4000:]}\n{inputs}"
    assert "DONE" in done.stderr, done.stderr[-4000:]
