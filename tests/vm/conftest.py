# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Tests in virtual machines: they need no root, but qemu and once the network."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "live")]

from harness import show  # noqa: E402, F401
