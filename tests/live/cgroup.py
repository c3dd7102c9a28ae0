# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""A memory cgroup of a test's own."""

import os
import re
import time
from pathlib import Path


class Cgroup:
    """A memory cgroup of our own with a limit, v2 or v1; None where neither can be had."""

    def __init__(self, folder, v2):
        self.folder, self.v2 = folder, v2

    @classmethod
    def make(cls, limit):
        name = f"unfreed-test-{os.getpid()}"
        for line in Path("/proc/mounts").read_text().splitlines():
            _, mount, kind, options, *_ = line.split()
            v2 = kind == "cgroup2" and "memory" in read(f"{mount}/cgroup.controllers").split()
            if not v2 and not (kind == "cgroup" and "memory" in options.split(",")):
                continue
            try:
                if v2:
                    Path(mount, "cgroup.subtree_control").write_text("+memory")
                self = cls(Path(mount, name), v2)
                self.folder.mkdir()
                (self.folder / ("memory.max" if v2 else "memory.limit_in_bytes")).write_text(str(limit))
                return self
            except OSError as e:
                print(f"\n    {mount}: {e}")
        return None

    def wrap(self, argv):
        """A command that begins inside."""
        return ["sh", "-c", 'echo $$ >"$0"; exec "$@"', self.folder / "cgroup.procs", *argv]

    def used(self):
        """What cannot be had back without swapping."""
        total = int(read(self.folder / ("memory.current" if self.v2 else "memory.usage_in_bytes")))
        inactive = "inactive_file" if self.v2 else "total_inactive_file"
        return total - int(re.search(rf"^{inactive} (\d+)$", read(self.folder / "memory.stat"),
                                     re.M).group(1))

    def remove(self):
        for _ in range(50):
            try:
                self.folder.rmdir()
                return
            except OSError:
                time.sleep(0.1)


def read(path):
    try:
        return Path(path).read_text()
    except OSError:
        return ""
