# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Live tests: real processes, watched by the real program, judged by their own counts.

They need root and a kernel that lets unfreed work; without, all of them are skipped, and say why.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

import harness  # noqa: E402
from harness import show  # noqa: E402, F401


@pytest.fixture(scope="session")
def can_watch():
    """Skips everything, loudly, where no BPF program can be loaded."""
    if os.geteuid() != 0:
        pytest.skip("LIVE TESTS SKIPPED: they need root")
    if not harness.UNFREED.exists():
        pytest.fail(f"{harness.UNFREED} is not built: run make")
    doctor = subprocess.run([harness.UNFREED, "doctor"], capture_output=True, text=True,
                            timeout=60, check=False)
    if doctor.returncode != 0:
        pytest.skip("LIVE TESTS SKIPPED: `unfreed doctor` ends with status"
                    f" {doctor.returncode}: {(doctor.stdout + doctor.stderr).strip()}")


@pytest.fixture
def lab(can_watch, tmp_path):
    """Starts programs and watchers, and at the end shows that nothing of theirs is left."""
    the_lab = harness.Lab(tmp_path)
    yield the_lab
    the_lab.close()
