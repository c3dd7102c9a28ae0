# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""What a reader should be able to rely on in the sources, checked by a machine."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD = os.environ.get("UNFREED_BUILD", "build")
SPDX = "SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause"
BUDGETS = {".c": 500, ".h": 200}	# lines; the aim is 450 and 120
GENERATED = ("vmlinux/",)
MAY_BE_LONGER = {
    "bpf/event.h",		# one contract, in one place
}

# Room of user/ -> the rooms whose headers it may include, besides its own and bpf/.
ROOMS = {
    "base": set(),
    "wire": {"base"},
    "model": {"base", "wire"},
    "detect": {"base", "wire", "model"},
    "unwind": {"base"},
    "symbol": {"base"},
    "source": {"base", "wire", "unwind", "symbol"},
    "sink": {"base", "wire", "model", "detect", "symbol"},
}
LIBBPF_ROOMS = {"source"}
ELFUTILS_ROOMS = {"unwind", "symbol"}


def sources(*patterns):
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                            cwd=ROOT, capture_output=True, check=False)
    if listed.returncode == 0:
        names = [n for n in listed.stdout.decode().split("\0") if n]
    else:
        names = [str(p.relative_to(ROOT)) for p in ROOT.rglob("*")
                 if not str(p.relative_to(ROOT)).startswith(("build/", "."))]
    paths = [ROOT / n for n in names if (ROOT / n).is_file()]
    return [p for p in paths if any(p.match(pattern) for pattern in patterns)]


def name(path):
    return str(path.relative_to(ROOT))


def written_here():
    return [p for p in sources("*.c", "*.h") if not name(p).startswith(GENERATED)]


def includes(path):
    return re.findall(r'^\s*#\s*include\s+[<"]([^>"]+)[>"]', path.read_text(), re.M)




def test_a_source_includes_its_own_header_first():
    wrong = []
    for path in sources("user/*/*.c"):
        own = path.with_suffix(".h")
        if own.exists() and includes(path)[:1] != [name(own)]:
            wrong.append(name(path))
    assert wrong == []



def test_white_space():
    wrong = []
    for path in sources("*.c", "*.h", "*.py", "*.sh", "Makefile", "*.md"):
        text = path.read_text()
        if name(path).startswith(GENERATED):
            continue
        if re.search(r"[ \t]+$", text, re.M) or not text.endswith("\n") or "\r" in text:
            wrong.append(name(path))
    assert wrong == []



def shell_scripts():
    for path in sources("*.sh", ".ci/run", "packaging/*", "tests/*"):
        if re.match(r"#!/bin/(ba)?sh\b", path.read_text(errors="replace")[:20]):
            yield path


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="no shellcheck on this machine")
def test_shell_scripts():
    scripts = sorted(set(shell_scripts()))
    assert scripts
    done = subprocess.run(["shellcheck", *scripts], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.skipif(not shutil.which("mandoc"), reason="no mandoc on this machine")
def test_man_page():
    done = subprocess.run(["mandoc", "-Tlint", "-Wwarning", ROOT / "docs/unfreed.8"],
                          capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze here")
def test_unit_file(tmp_path):
    """systemd itself reads it; the program's path is that of this build."""
    program = tmp_path / "unfreed"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    unit = tmp_path / "unfreed.service"
    text = (ROOT / "packaging/unfreed.service").read_text()
    assert "ExecStart=/usr/sbin/unfreed daemon " in text
    unit.write_text(text.replace("/usr/sbin/unfreed", str(program)))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True,
                          text=True, check=False)
    complaints = [l for l in (done.stdout + done.stderr).splitlines() if "unfreed" in l]
    assert (done.returncode, complaints) == (0, []), done.stdout + done.stderr


def test_python_compiles():
    for path in sources("*.py", "tests/run"):
        compile(path.read_text(), str(path), "exec")


def test_documents_link_to_what_is_there():
    wrong = []
    for path in sources("*.md"):
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", path.read_text()):
            if not re.match(r"[a-z]+:", target) and not (path.parent / target).exists():
                wrong.append(f"{name(path)} -> {target}")
    assert wrong == []
