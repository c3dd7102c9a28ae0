# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""A kernel in a virtual machine with next to nothing around it: the program, what it watches, and a
static busybox, all in an initial RAM disk made here.

Emulated, unless UNFREED_VM_ACCEL=kvm: /dev/kvm says little about whether a kernel gets anywhere with
it (inside another virtual machine it may hang), and emulated it boots in 20 s of one processor.
"""

import io
import os
import re
import shutil
import stat
import subprocess
import tarfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BUILD = Path(os.environ.get("UNFREED_BUILD", ROOT / "build"))
UNFREED = Path(os.environ.get("UNFREED", BUILD / "unfreed"))
CACHE = Path(os.environ.get("UNFREED_VM_CACHE", Path.home() / ".cache/unfreed-vm"))
ACCEL = os.environ.get("UNFREED_VM_ACCEL", "tcg")
QEMU = shutil.which("qemu-system-x86_64")


# What a plan may run, beside unfreed itself.
PROGRAMS = ["leaky", "confined", "mmaps", "mover"]


class CannotHave(Exception):
    """What is needed is not here and cannot be fetched."""


def fetch(what, suite):
    """The file that fetch.sh puts into the cache."""
    folder = CACHE / (suite if what == "kernel" else what)
    done = subprocess.run([HERE / "fetch.sh", what, suite, folder], capture_output=True, text=True,
                          check=False)
    if done.returncode == 77:
        raise CannotHave(done.stdout.strip().splitlines()[-1])
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / {"kernel": "vmlinuz", "busybox": "busybox"}[what]


def libraries_of(programs):
    """What the dynamic linker maps for them, itself included, as the paths they are asked by."""
    out = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=True).stdout
    return {Path(p) for p in re.findall(r"(?:=> |^\s+)(/\S+) \(0x", out, re.M)}


class Cpio:
    """An initial RAM disk in the kernel's own format (Documentation/driver-api/early-userspace/
    buffer-format.rst): newc."""

    def __init__(self):
        self.parts, self.n, self.folders = [], 0, set()

    def add(self, name, mode, data=b""):
        self.n += 1
        name = name.encode() + b"\0"
        fields = [self.n, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name), 0]
        header = b"070701" + b"".join(b"%08x" % f for f in fields) + name
        self.parts += [header + b"\0" * (-len(header) % 4), data + b"\0" * (-len(data) % 4)]

    def add_file(self, path, data, mode=0o755):
        for folder in reversed(Path(path).parents):
            if str(folder) not in self.folders | {"/"}:
                self.folders.add(str(folder))
                self.add(str(folder)[1:], stat.S_IFDIR | 0o755)
        self.add(str(path)[1:], stat.S_IFREG | mode, data)

    def bytes(self):
        self.add("TRAILER!!!", 0)
        return b"".join(self.parts)


def initrd(plan):
    """`plan`: the lines of shell that guest.sh runs."""
    programs = [UNFREED, BUILD / "tests/bpf/load",
                *(BUILD / "tests/programs" / name for name in PROGRAMS)]
    disk = Cpio()
    disk.add_file("/init", (HERE / "guest.sh").read_bytes())
    disk.add_file("/plan", plan.encode())
    disk.add_file("/bin/busybox", fetch("busybox", "-").read_bytes())
    for program in programs:
        disk.add_file(f"/bin/{program.name}", program.read_bytes())
    for library in sorted(libraries_of(programs)):
        disk.add_file(str(library), library.read_bytes())
    return disk.bytes()


def run(folder, suite, plan, timeout):
    """Boots a suite's kernel, lets a plan (a file here) run, and returns what that left in /out: name
    -> bytes."""
    if not QEMU:
        raise CannotHave("no qemu-system-x86_64: packaging/install-deps.sh vm")
    kernel = fetch("kernel", suite)
    (folder / "initrd").write_bytes(initrd((HERE / plan).read_text()))
    console, results = folder / "console", folder / "results"
    command = ["nice", "-n", "10", QEMU, "-accel", ACCEL, "-cpu", "max", "-m", "1536",
               "-display", "none", "-nodefaults", "-no-reboot", "-kernel", kernel,
               "-initrd", folder / "initrd", "-serial", f"file:{console}",
               "-serial", f"file:{results}",
               "-append", "console=ttyS0 quiet panic=-1 oops=panic mitigations=off"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False,
                              timeout=timeout)
    except subprocess.TimeoutExpired:
        done = None
    words = console.read_text(errors="replace") if console.exists() else ""
    assert done, f"not done after {timeout} s; its console ends with:\n{words[-3000:]}"
    data = results.read_bytes() if results.exists() else b""
    assert done.returncode == 0 and data, \
        f"{done.stderr}; no result; its console ends with:\n{words[-3000:]}"
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {Path(m.name).name: tar.extractfile(m).read() for m in tar if m.isfile()}
