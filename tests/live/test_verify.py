# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""The model beside the kernel's own map: not a byte may differ, whatever a program does."""

import os
import re
import shutil
import subprocess
import time

import pytest

from harness import PROGRAMS, PYTHON, UNFREED

# Moves of memory that no reading of the map has to put right.
MODES = ["any", "brk", "growsdown", "stack", "fork", "vfork", "threads", "exec", "many"]


def verify(*pids, seconds=2, options=()):
    """Exit status, bytes that differ, bytes compared, and all the words."""
    run = subprocess.run([UNFREED, "verify", "--duration", f"{seconds}s", *options,
                          *map(str, pids)], capture_output=True, text=True, timeout=120)
    found = re.search(r"^([\d,]+) bytes of ([\d,]+) differ in \d+ process", run.stdout, re.M)
    assert found, run.stdout + run.stderr
    differing, compared = (int(n.replace(",", "")) for n in found.groups())
    return run.returncode, differing, compared, run.stdout


def assert_exact(*pids, **more):
    status, differing, compared, words = verify(*pids, **more)
    assert differing == 0, words
    assert status == 0
    assert compared > 1 << 20
    return words


class Running:
    """A program that is there for the time of a test, and killed after it."""

    def __init__(self, *argv, **popen):
        popen.setdefault("stdout", subprocess.DEVNULL)
        popen.setdefault("stderr", subprocess.DEVNULL)
        self.process = subprocess.Popen([str(a) for a in argv], **popen)
        self.pid = self.process.pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def mover(mode, seed=1):
    running = Running(PROGRAMS / "mover", "--mode", mode, "--seed", seed,
                      stdout=subprocess.PIPE)
    assert running.process.stdout.readline().startswith(b"ready")
    return running


@pytest.mark.parametrize("mode", MODES)
def test_mover(mode):
    with mover(mode) as program:
        assert_exact(program.pid)


def test_a_process_whose_first_thread_has_gone():
    with mover("leader") as program:
        time.sleep(0.3)
        _, _, compared, words = verify(program.pid)
        assert compared > 1 << 20, words


def test_threads_that_race_for_the_same_pages():
    with mover("hammer") as program:
        assert_exact(program.pid, seconds=4, options=["--lock-order"])


def test_stacks_that_grew_are_named():
    with mover("growsdown") as program:
        words = assert_exact(program.pid)
        grown = re.search(r"([\d,]+) bytes by which stacks grew", words)
        assert int(grown.group(1).replace(",", "")) > 100 * 4096


def test_the_whole_system():
    status, differing, _, words = verify(seconds=2, options=["--all"])
    assert differing == 0, words
    assert status == 0
    assert len(re.findall(r"^process \d+", words, re.M)) > 3


def test_no_such_process():
    run = subprocess.run([UNFREED, "verify", "4194304"], capture_output=True, text=True)
    assert run.returncode == 1
    assert "there is no such process" in run.stderr


def test_usage():
    for words in ([], ["--all", "1"], ["x"]):
        run = subprocess.run([UNFREED, "verify", *words], capture_output=True, text=True)
        assert run.returncode == 2, words


STRESSORS = {
    "vm": ["--vm", "1", "--vm-bytes", "64M"],
    "mmap": ["--mmap", "1", "--mmap-bytes", "32M"],
    "mremap": ["--mremap", "1", "--mremap-bytes", "16M"],
    "brk": ["--brk", "1"],
    "shm": ["--shm", "1", "--shm-objs", "8"],
    "fork": ["--fork", "1"],
    "vma": ["--vma", "1"],
}


def family(pid):
    """The process and its children: what works is not who started it."""
    pids = [pid]
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/children") as children:
            for child in children.read().split():
                pids += family(int(child))
    return pids


@pytest.mark.parametrize("name", STRESSORS)
def test_stress_ng(name, tmp_path):
    if not shutil.which("stress-ng"):
        pytest.skip("stress-ng is not installed: sudo make deps-test")
    if f"--{name} " not in subprocess.run(["stress-ng", "--help"], capture_output=True,
                                          text=True).stdout:
        pytest.skip(f"this stress-ng has no {name} stressor")
    with Running("stress-ng", *STRESSORS[name], "--quiet", "--timeout", "20",
                 "--temp-path", tmp_path) as program:
        time.sleep(1)
        pids = family(program.pid)
        assert len(pids) > 1
        assert_exact(*pids, seconds=3)


def test_redis_saving_in_the_background(tmp_path):
    # The server without its package, which would start it: the checker is the same program.
    binary = shutil.which("redis-server") or shutil.which("redis-check-rdb")
    if not binary:
        pytest.skip("redis-tools is not installed: sudo make deps-test")
    server = tmp_path / "redis-server"
    server.symlink_to(binary)
    port = "7393"
    with Running(server, "--port", port, "--save", "", "--dir", tmp_path) as running:
        time.sleep(1)
        with Running("redis-benchmark", "-p", port, "-q", "-n", "2000000", "-r", "100000",
                     "-t", "set,lpush,hset", "-d", "200"):
            time.sleep(1)
            with Running("sh", "-c", f"while :; do redis-cli -p {port} bgsave; sleep 0.5; done"):
                assert_exact(running.pid, seconds=3)


def test_python_threads():
    program = ("import threading, time\n"
               "def f():\n"
               "    x = [bytearray(200000) for _ in range(50)]; time.sleep(0.01)\n"
               "while True:\n"
               "    t = [threading.Thread(target=f) for _ in range(20)]\n"
               "    [a.start() for a in t]; [a.join() for a in t]\n")
    with Running(PYTHON, "-c", program) as running:
        time.sleep(0.5)
        assert_exact(running.pid, seconds=3)


def test_node():
    if not shutil.which("node"):
        pytest.skip("node is not installed: sudo make deps-test")
    program = ("const z = require('zlib'); let keep = [];"
               "setInterval(() => { for (let i = 0; i < 20; i++) {"
               " z.gzip(Buffer.alloc(100000, i), () => {}); keep.push(new Array(10000).fill(i)); }"
               " if (keep.length > 500) keep = []; }, 10);")
    with Running("node", "-e", program) as running:
        time.sleep(1)
        assert_exact(running.pid, seconds=3)


CHURN = """
public class Churn {
    static volatile Object sink;
    public static void main(String[] a) throws Exception {
        for (int t = 0; t < 3; t++) {
            Thread thread = new Thread(() -> {
                java.util.ArrayDeque<byte[]> keep = new java.util.ArrayDeque<>();
                for (long i = 0; ; i++) {
                    keep.add(new byte[50000]);
                    if (keep.size() > 400) keep.clear();
                    sink = java.nio.ByteBuffer.allocateDirect(4096);
                }
            });
            thread.start();
        }
    }
}
"""


def jdks():
    from pathlib import Path
    return sorted({p.resolve().parent.parent for p in Path("/usr/lib/jvm").glob("*/bin/java")})


@pytest.mark.parametrize("collector", ["Serial", "G1", "Z"])
@pytest.mark.parametrize("jdk", jdks(), ids=lambda p: p.name)
def test_java(jdk, collector, tmp_path):
    (tmp_path / "Churn.java").write_text(CHURN)
    with Running(jdk / "bin/java", f"-XX:+Use{collector}GC", "-Xmx256m",
                 tmp_path / "Churn.java") as running:
        time.sleep(3)
        assert running.process.poll() is None, f"{jdk} has no {collector}GC"
        assert_exact(running.pid, seconds=4)
