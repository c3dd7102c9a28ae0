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


def test_licence_in_every_file():
    lacking = [name(p) for p in sources("*.c", "*.h", "*.py", "*.sh", "*.js", "*.java", "*.service",
                                        "*.yml", "tests/run", ".ci/run")
               if SPDX not in "".join(p.read_text().splitlines(True)[:4])
               and not name(p).startswith(GENERATED)]
    assert lacking == []


def test_who_may_include_whom():
    wrong = []
    for path in sources("user/*/*.c", "user/*/*.h"):
        room = path.parent.name
        for header in includes(path):
            parts = header.split("/")
            if parts[0] == "user" and len(parts) == 3 and parts[1] != room:
                if parts[1] not in ROOMS[room]:
                    wrong.append(f"{name(path)} includes {header}")
            if parts[0] == "bpf" and len(parts) == 2 and room not in LIBBPF_ROOMS:
                if not (ROOT / header).exists():
                    wrong.append(f"{name(path)} includes libbpf's {header}")
            if parts[0] in ("elfutils",) or header in ("libelf.h", "gelf.h", "dwarf.h"):
                if room not in ELFUTILS_ROOMS:
                    wrong.append(f"{name(path)} includes elfutils' {header}")
    assert wrong == []


def test_a_source_includes_its_own_header_first():
    wrong = []
    for path in sources("user/*/*.c"):
        own = path.with_suffix(".h")
        if own.exists() and includes(path)[:1] != [name(own)]:
            wrong.append(name(path))
    assert wrong == []


def test_rooms_stay_small():
    long = []
    for path in written_here():
        n = len(path.read_text().splitlines())
        budget = BUDGETS[".c" if path.name.endswith(".bpf.h") else path.suffix]	# code, too
        if n > budget and name(path) not in MAY_BE_LONGER:
            if not name(path).startswith("tests/"):
                long.append(f"{name(path)}: {n} lines, the budget is {budget}")
    assert long == []


def test_white_space():
    wrong = []
    for path in sources("*.c", "*.h", "*.py", "*.sh", "Makefile", "*.md"):
        text = path.read_text()
        if name(path).startswith(GENERATED):
            continue
        if re.search(r"[ \t]+$", text, re.M) or not text.endswith("\n") or "\r" in text:
            wrong.append(name(path))
    assert wrong == []


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_each_header_compiles_alone(compiler, tmp_path):
    if not shutil.which(compiler):
        pytest.skip(f"no {compiler}")
    wrong = []
    for path in sources("user/*.h", "user/*/*.h", "bpf/event.h", "bpf/rule.h"):
        done = subprocess.run([compiler, "-std=gnu11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror",
                               "-Wno-unused-parameter", "-I.", f"-I{BUILD}", "-fsyntax-only", "-x", "c",
                               "-include", name(path), "/dev/null"], cwd=ROOT, text=True,
                              capture_output=True, check=False)
        if done.returncode != 0:
            wrong.append(f"{name(path)}: {done.stderr.splitlines()[0]}")
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
