# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""The man page names every command and option that the program has, and no other."""

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
UNFREED = Path(os.environ.get("UNFREED_BUILD", ROOT / "build")) / "unfreed"
MAN_PAGE = (ROOT / "docs/unfreed.8").read_text()

pytestmark = pytest.mark.skipif(not UNFREED.exists(), reason="build/unfreed is not built")


def help_of(*topic):
    return subprocess.run([UNFREED, "help", *topic], capture_output=True, text=True, timeout=10,
                          check=True).stdout


def commands():
    return re.findall(r"^  unfreed (\w+)", help_of(), re.M)


def test_commands():
    assert commands()
    named = set(re.findall(r"^\.It Cm (\w+)", MAN_PAGE, re.M))
    assert set(commands()) <= named | {"help", "version"}
    assert named <= set(commands())


def test_options():
    known = {option for command in commands()
             for option in re.findall(r"--([a-z][a-z-]+)", help_of(command))}
    named = set(re.findall(r"^\.It Fl (?:\w , )?-([a-z][a-z-]+)", MAN_PAGE, re.M))
    assert known == named
