# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Real programs that grow and are healthy, each with a load that fills it and then goes on.

Each has pid (to be watched), work(seconds) and stop(). What is filled is filled in the first part of
the work, so that a watcher sees both the growth and its end."""

import glob
import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from harness import PATIENCE, PROGRAMS, wait_for
from loads import NOBODY, need

MIB = 1 << 20


class Lines:
    """A program of tests/programs: it works by itself."""

    def __init__(self, lab, argv, seconds):
        self.program = lab.program(*argv, "--seconds", seconds)
        self.pid = self.program.pid

    def work(self, seconds):
        self.program.go()
        time.sleep(seconds)
        self.counts = self.program.done()

    def stop(self):
        self.program.end()


class Arenas(Lines):
    def __init__(self, lab, seconds):
        super().__init__(lab, [PROGRAMS / "arenas", "--fill", max(3, seconds // 4)], seconds)


class Heap(Lines):
    def __init__(self, lab, seconds):
        super().__init__(lab, [need("java"), "-Xms16m", "-Xmx320m", "-cp", PROGRAMS / "java", "Heap",
                               "--fill", max(4, seconds // 4)], seconds)


class Redis:
    """Filled to maxmemory within the first half, then new keys push out old ones."""

    MAX = 128 * MIB

    def __init__(self, lab, seconds):
        self.folder = lab.new_folder()
        self.path = self.folder / "redis.sock"
        # The server without its package, which would start it: the checker is the same program.
        binary = self.folder / "redis-server"
        binary.symlink_to(shutil.which("redis-server") or need("redis-check-rdb"))
        self.process = subprocess.Popen(
            [binary, "--port", "0", "--unixsocket", self.path, "--save", "",
             "--appendonly", "no", "--maxmemory", str(self.MAX), "--maxmemory-policy",
             "allkeys-lru", "--dir", self.folder, "--daemonize", "no"],
            stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        lab.things.append(self)
        self.pid = self.process.pid
        wait_for(self.path.exists, "redis to listen")

    def send(self, sock, first, n):
        value = b"v" * 900
        out = b"".join(b"*3\r\n$3\r\nSET\r\n$%d\r\nkey:%d\r\n$900\r\n%s\r\n"
                       % (len(b"key:%d" % i), i, value) for i in range(first, first + n))
        sock.sendall(out)
        left = 5 * n	# each is answered by +OK
        while left > 0:
            left -= len(sock.recv(min(left, 65536)))

    def work(self, seconds):
        rate = 2 * self.MAX / 1000 / seconds	# keys a second: full after half of the time
        sent, begun = 0, time.monotonic()
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(self.path))
            while time.monotonic() - begun < seconds:
                due = int((time.monotonic() - begun) * rate)
                while sent < due:
                    n = min(500, due - sent)
                    self.send(sock, sent, n)
                    sent += n
                time.sleep(0.01)
        info = self.info()
        assert int(info["evicted_keys"]) > 0, "it never became full"

    def info(self):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(self.path))
            sock.sendall(b"*1\r\n$4\r\nINFO\r\n")
            text = b""
            while b"evicted_keys" not in text or not text.endswith(b"\r\n"):
                text += sock.recv(65536)
        return dict(line.split(":", 1) for line in text.decode().split("\r\n") if ":" in line)

    def stop(self):
        self.process.terminate()
        assert self.process.wait(PATIENCE) == 0

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class Postgres:
    """Its shared buffers fill, as a table larger than they are is read piece by piece."""

    BUFFERS = 96		# MiB
    ROWS = 130000		# of about 1 KB

    def __init__(self, lab, seconds):
        found = sorted(glob.glob("/usr/lib/postgresql/*/bin/postgres"))
        if not found:
            pytest.skip("postgresql is not installed: sudo make deps-test")
        self.bin = Path(found[-1]).parent
        # The server refuses to run as root, and pytest keeps its folders to their owner.
        self.folder = Path(tempfile.mkdtemp(prefix="unfreed-pg-"))
        self.process = None
        lab.things.append(self)
        shutil.chown(self.folder, 65534, 65534)
        self.data = self.folder / "data"
        subprocess.run([*NOBODY, self.bin / "initdb", "-D", self.data, "--auth=trust", "--no-sync",
                        "--username=test"], check=True, cwd="/", stdout=subprocess.DEVNULL)
        self.start()
        self.sql("CREATE TABLE t AS SELECT i, repeat('x', 900) AS text"
                 f" FROM generate_series(1, {self.ROWS}) i")
        self.sql("CREATE INDEX ON t (i)")
        self.sql("CHECKPOINT")
        # Again with nothing in its buffers.
        self.halt()
        self.start()
        self.pid = self.process.pid

    def start(self):
        self.process = subprocess.Popen(
            [*NOBODY, self.bin / "postgres", "-D", self.data, "-k", self.folder, "-c", "listen_addresses=", "-c",
             f"shared_buffers={self.BUFFERS}MB", "-c", "huge_pages=off", "-c", "fsync=off", "-c",
             "autovacuum=off", "-c", "synchronize_seqscans=off"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, cwd="/")
        wait_for(self.answers, "postgres to answer")

    def answers(self):
        return subprocess.run([self.bin / "pg_isready", "-q", "-h", self.folder],
                              check=False).returncode == 0

    def psql(self):
        return subprocess.Popen([self.bin / "psql", "-h", self.folder, "-U", "test", "-qAt", "postgres"],
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def sql(self, *commands):
        session = self.psql()
        out, _ = session.communicate("\n".join(f"{c};" for c in commands))
        assert session.returncode == 0
        return out

    def work(self, seconds):
        """One session reads the table by its index, the whole of it within half of the time, and
        goes on; others come and go."""
        session = self.psql()
        step, at, begun = self.ROWS // 100, 0, time.monotonic()
        while time.monotonic() - begun < seconds:
            low = at % 100 * step
            session.stdin.write("SET enable_seqscan = off; SET enable_bitmapscan = off;"
                                f" SELECT sum(length(text)) FROM t WHERE i BETWEEN {low} AND"
                                f" {low + step};\n")
            session.stdin.flush()
            session.stdout.readline()
            if at % 20 == 0:
                self.sql("SELECT count(*) FROM t WHERE i < 1000")
            at += 1
            time.sleep(seconds / 200)
        session.stdin.close()
        session.wait(PATIENCE)
        session.stdout.close()
        assert at >= 100, "the table was not read once"

    def halt(self):
        self.process.send_signal(2)	# SIGINT: fast shutdown
        assert self.process.wait(PATIENCE) == 0

    def stop(self):
        self.halt()
        self.process = None

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(2)
            self.process.wait(PATIENCE)
        shutil.rmtree(self.folder, ignore_errors=True)


HEALTHY = {"postgres": Postgres, "redis": Redis, "java-heap": Heap, "arenas": Arenas}


def summary(report):
    """One line: what was said, how fast it grew, which kinds were found."""
    processes = report["processes"]
    found = sorted({f"{s['kind']} {s['verdict']}" for p in processes for s in p["sites"]
                    if s["verdict"] in ("leak", "growth")})
    grown = max((p["growth_bytes_per_second"] for p in processes), default=0)
    return f"{report['verdict']}, {grown / 1e6:.2f} MB/s, {', '.join(found) or 'no site'}"


def leaks(report):
    return [(p["comm"], s["kind"], s["evidence"], [f["function"] for f in s["stack"]][:8])
            for p in report["processes"] for s in p["sites"] if s["verdict"] == "leak"]
