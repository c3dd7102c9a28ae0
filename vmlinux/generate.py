#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Writes vmlinux.h: the few kernel types that bpf/ reads, cut down to the fields named in types.txt.

A full dump of a kernel's BTF is three megabytes that nobody reads. This one fits on a page, and a
reviewer sees at once what the programs depend on. Run it as: vmlinux/generate.py > vmlinux/vmlinux.h
"""
import json
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
BTF = sys.argv[1] if len(sys.argv) > 1 else "/sys/kernel/btf/vmlinux"


class Btf:
    def __init__(self, path):
        dump = subprocess.run(["bpftool", "-j", "btf", "dump", "file", path],
                              check=True, capture_output=True).stdout
        self.types = {t["id"]: t for t in json.loads(dump)["types"]}
        self.structs = {t["name"]: t for t in self.types.values()
                        if t["kind"] in ("STRUCT", "UNION") and t["name"] != "(anon)"}
        self.enums = [t for t in self.types.values() if t["kind"] in ("ENUM", "ENUM64")]

    def members(self, struct):
        """Fields with those of anonymous structs and unions inside lifted to the top."""
        for member in struct["members"]:
            inner = self.types.get(member["type_id"])
            if member["name"] == "(anon)" and inner and inner["kind"] in ("STRUCT", "UNION"):
                yield from self.members(inner)
            else:
                yield member

    def declare(self, type_id, name):
        """A C declaration of `name` with that type, and the structs it points at or contains."""
        suffix, used = "", []
        t = self.types.get(type_id)
        while t is not None:
            kind = t["kind"]
            if kind == "PTR":
                name = "*" + name
                pointee = self.types.get(t["type_id"])
                if pointee is None:
                    return f"void {name}{suffix}", used
                if pointee["kind"] == "FUNC_PROTO":
                    return f"void {name}{suffix}", used
            elif kind == "ARRAY":
                suffix += f"[{t['nr_elems']}]"
            elif kind in ("INT", "TYPEDEF"):
                if kind == "TYPEDEF" and t["name"] not in SCALARS:
                    t = self.types.get(t["type_id"])
                    continue
                return f"{SCALARS.get(t['name'], t['name'])} {name}{suffix}", used
            elif kind in ("STRUCT", "UNION"):
                if t["name"] == "(anon)":       # atomic_t and its like: one int inside
                    fields = "; ".join(self.declare(m["type_id"], m["name"])[0]
                                       for m in self.members(t))
                    return f"struct {{ {fields}; }} {name}{suffix}", used
                used.append(t["name"])
                return f"struct {t['name']} {name}{suffix}", used
            elif kind in ("ENUM", "FWD"):
                return f"{'int' if kind == 'ENUM' else 'struct ' + t['name']} {name}{suffix}", used
            t = self.types.get(t["type_id"]) if kind not in ("INT",) else None
        return f"void {name}{suffix}", used


SCALARS = {
    "unsigned int": "__u32", "int": "int", "unsigned long": "unsigned long", "long": "long",
    "long int": "long", "long unsigned int": "unsigned long",
    "long long unsigned int": "__u64", "long long int": "__s64",
    "unsigned short": "__u16", "short": "short", "short unsigned int": "__u16",
    "unsigned char": "__u8", "char": "char", "short int": "short",
    "u8": "__u8", "u16": "__u16", "u32": "__u32", "u64": "__u64", "__u64": "__u64",
    "__u32": "__u32", "__u16": "__u16", "__u8": "__u8", "pid_t": "int", "dev_t": "__u32",
}


def main():
    btf = Btf(BTF)
    print("/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */")
    print("/* The kernel types that bpf/ reads, no more: made by vmlinux/generate.py from types.txt. */")
    print("#ifndef __VMLINUX_H__\n#define __VMLINUX_H__\n")
    for width, s, u in ((8, "signed char", "unsigned char"), (16, "short", "unsigned short"),
                        (32, "int", "unsigned int"), (64, "long long", "unsigned long long")):
        print(f"typedef {s} __s{width};\ntypedef {u} __u{width};")
    print("typedef __u8 u8;\ntypedef __u16 u16;\ntypedef __u32 u32;\ntypedef __u64 u64;\n"
          "typedef __s32 s32;\ntypedef __s64 s64;\ntypedef _Bool bool;\n"
          "typedef __u16 __be16;\ntypedef __u32 __be32;\ntypedef __u32 __wsum;\n"
          "#define true 1\n#define false 0\n")
    print("#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)\n")
    for line in (HERE / "types.txt").read_text().splitlines():
        line = line.split("#")[0].strip()
        if line and not line.startswith("enum "):
            name, _, fields = line.partition(":")
            wanted = fields.split()
            out, found = [], set()
            for member in btf.members(btf.structs[name]):
                if wanted != ["*"] and member["name"] not in wanted:
                    continue
                found.add(member["name"])
                out.append("\t" + btf.declare(member["type_id"], member["name"])[0] + ";")
            missing = set(wanted) - found - {"*"}
            if missing:
                sys.exit(f"generate.py: struct {name} has no {', '.join(sorted(missing))}")
            print(f"struct {name} {{\n" + "\n".join(out) + "\n};\n")
    print("#pragma clang attribute pop\n")
    print("/* The context of raw tracepoints: a fixed interface, not subject to relocation. */\n"
          "struct bpf_raw_tracepoint_args {\n\t__u64 args[0];\n};\n")
    for line in (HERE / "types.txt").read_text().splitlines():
        line = line.split("#")[0].strip()
        if line.startswith("enum "):
            name, _, only = line[5:].partition(":")
            name, only = name.strip(), only.split()
            enum = next(t for t in btf.enums if t["name"] == name or
                        (t["name"] == "(anon)" and any(v["name"] == name for v in t["values"])))
            tag = "" if enum["name"] == "(anon)" else " " + name
            print(f"enum{tag} {{")
            for value in enum["values"]:
                if not only or value["name"] in only:
                    print(f"\t{value['name']} = {value['val']},")
            print("};\n")
    print("#endif /* __VMLINUX_H__ */")


main()
