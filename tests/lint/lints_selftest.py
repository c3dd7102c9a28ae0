#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""The lints' own test: small trees that break one rule each, and one that breaks none."""

import subprocess
import tempfile
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
LICENCE = "SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause"
C_HEAD = f"/* {LICENCE} */\n/* What it is. */\n"


class Lints(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.root = Path(self.folder.name)
        self.put("user/base/text.h", C_HEAD + "struct text;\n")
        self.put("bpf/event.h", C_HEAD)

    def put(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def lint(self, name):
        done = subprocess.run([HERE / name, self.root], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, check=False, encoding="utf-8")
        return done.returncode, done.stdout

    def good(self, name):
        status, output = self.lint(name)
        self.assertEqual(status, 0, output)

    def bad(self, name, part):
        status, output = self.lint(name)
        self.assertEqual(status, 1, output)
        self.assertIn(part, output)

    def test_includes_that_are_allowed(self):
        self.put("user/base/a.c", '#include "user/base/text.h"\n#include <stdio.h>\n')
        self.put("user/model/a.c", '#include "user/wire/decode.h"\n#include "bpf/event.h"\n')
        self.put("user/unwind/a.c", '#include "bpf/rule.h"\n#include <elfutils/libdw.h>\n')
        self.put("user/source/a.c", '#include "bpf/unfreed.skel.h"\n#include <bpf/libbpf.h>\n')
        self.put("user/main.c", '#include "user/sink/text.h"\n#include "user/source/live.h"\n')
        self.put("bpf/a.bpf.c", '#include "vmlinux.h"\n#include <bpf/bpf_helpers.h>\n'
                 '#include "bpf/maps.bpf.h"\n')
        self.good("includes.py")

    def test_includes_that_are_not(self):
        for name, line, part in (
                ("user/base/a.c", '#include "user/wire/decode.h"', "base/ may not know wire/"),
                ("user/base/a.c", '#include "bpf/event.h"', "base/ may not know bpf/event.h"),
                ("user/wire/a.h", '  #  include "user/model/world.h"', "wire/ may not know model/"),
                ("user/detect/a.c", '#include "bpf/rule.h"', "detect/ may not know bpf/rule.h"),
                ("user/detect/a.c", '#include "user/symbol/symbol.h"', "may not know symbol/"),
                ("user/unwind/a.c", '#include "user/symbol/symbol.h"', "may not know symbol/"),
                ("user/unwind/a.c", '#include "bpf/maps.bpf.h"', "may not know bpf/maps.bpf.h"),
                ("user/sink/a.c", '#include "bpf/unfreed.skel.h"', "only source/"),
                ("user/model/a.c", '#include <bpf/libbpf.h>', "libbpf belongs to"),
                ("user/main.c", '#include <bpf/bpf.h>', "libbpf belongs to"),
                ("user/source/a.c", '#include <libelf.h>', "elfutils belongs to"),
                ("user/main.c", '#include <elfutils/libdwfl.h>', "elfutils belongs to"),
                ("user/base/a.c", '#include "text.h"', "from the root"),
                ("user/base/a.c", '#include "user/../bpf/event.h"', "from the root"),
                ("user/base/a.c", '#include <user/wire/decode.h>', "with quotes"),
                ("user/base/a.c", "#include WHATEVER", "cannot read"),
                ("bpf/a.bpf.c", '#include "user/base/text.h"', "bpf/ may not know base/"),
                ("user/novel/a.c", "", "not in the table")):
            with self.subTest(name=name, line=line):
                self.put(name, line + "\n")
                self.bad("includes.py", part)
                (self.root / name).unlink()

    def test_headers(self):
        self.good("headers.sh")
        self.put("user/wire/a.h", C_HEAD + "int f(size_t n);\n")
        self.bad("headers.sh", "user/wire/a.h does not compile alone")
        self.put("user/wire/a.h", C_HEAD + "struct twice { int x; };\n")
        self.bad("headers.sh", "user/wire/a.h does not compile alone")

    def test_budgets(self):
        self.put("user/base/a.c", "int f(int a,\n      int b)\n{\n" + "\t;\n" * 66 + "}\n")
        self.good("budgets.py")
        self.put("user/base/a.c", "int f(int a,\n      int b)\n{\n" + "\t;\n" * 67 + "}\n")
        self.bad("budgets.py", "f: 71 lines")
        self.put("tests/lint/budgets.allow", "user/base/a.c:f a table, really\n")
        self.good("budgets.py")
        self.put("user/base/a.c", "\n" * 450)
        self.bad("budgets.py", "user/base/a.c:f keeps its budget")
        self.put("tests/lint/budgets.allow", "# none\n")
        self.good("budgets.py")
        self.put("user/base/a.c", "\n" * 451)
        self.bad("budgets.py", "451 lines, budget 450")
        self.put("tests/lint/budgets.allow", "user/base/a.c\n")
        self.bad("budgets.py", "has no reason")
        self.put("tests/lint/budgets.allow", "user/base/a.c it grew\n")
        self.good("budgets.py")
        self.put("user/base/a.h", "\n" * 161)
        self.bad("budgets.py", "161 lines, budget 160")

    def test_licence_lines(self):
        self.put("user/base/a.c", C_HEAD)
        self.put("tests/lint/a.py", f"#!/usr/bin/python3\n# {LICENCE}\n")
        self.put("tests/run", f"#!/usr/bin/python3\n# {LICENCE}\n")
        self.put("tests/fuzz/seeds/a", "anything")
        self.good("spdx.sh")
        for name, text, part in (
                ("user/base/b.c", "/* ours */\n", "licence line"),
                ("user/base/b.h", "", "licence line"),
                ("user/base/b.c", f"/* {LICENCE} */\n#include <a.h>\n", "no opening comment"),
                ("tests/b", f"#!/bin/sh\n\n# {LICENCE}\n", "licence line"),
                ("tests/b.py", '"""None."""\n', "licence line")):
            with self.subTest(name=name, text=text):
                self.put(name, text)
                self.bad("spdx.sh", part)
                (self.root / name).unlink()


if __name__ == "__main__":
    unittest.main()
