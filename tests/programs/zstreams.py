#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Keeps zlib objects, or a growing list of bytes. Prints its own counts, as tests/programs/program.h
says. `--close` is the twin that lets go of everything."""

import argparse
import os
import time
import zlib

PACKED = zlib.compress(bytes(40000))


def open_decompressor():
    reader = zlib.decompressobj()
    reader.decompress(PACKED)
    return reader


def open_compressor():
    writer = zlib.compressobj()
    writer.compress(b"a message")
    return writer


def small_bytes():
    """Too large for Python's own arenas, so it comes from malloc and malloc's from the break."""
    return bytearray(1000)


KINDS = {
    "decompressobj": [open_decompressor],
    "compressobj": [open_compressor],
    "both": [open_decompressor, open_compressor],
    "bytes": [small_bytes],
}


def say(line):
    os.write(1, (line + "\n").encode())


def wait_for_line():
    while os.read(0, 1) not in (b"\n", b""):
        pass


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--kind", choices=KINDS, default="both")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--rate", type=int, default=300)
    parser.add_argument("--close", action="store_true")
    parser.add_argument("--wait", action="store_true")
    parser.add_argument("--hold", action="store_true")
    args = parser.parse_args()

    for take in KINDS[args.kind]:
        take()
    say(f"ready pid={os.getpid()}")
    if args.wait:
        wait_for_line()

    kept = []
    opened = 0
    start = time.monotonic()
    for i in range(args.count):
        for take in KINDS[args.kind]:
            thing = take()
            opened += 1
            if not args.close:
                kept.append(thing)
            del thing
        if args.rate:
            time.sleep(max(0, start + (i + 1) / args.rate - time.monotonic()))
    say(f"done pid={os.getpid()} opened={opened} closed={opened - len(kept)} open={len(kept)}")
    if args.hold:
        wait_for_line()
    # Python would let go of everything at its end, which no service lives to see.
    os._exit(0)


if __name__ == "__main__":
    main()
