# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Programs that others wrote, at work: each is a context that gives the ids of its processes.

`verify` watches them for some seconds in `make check`, for a minute each in `make check-verify`. A
load works for longer than it is asked to; what is not installed is skipped, and says how to get it.
"""

import os
import shutil
import subprocess
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from harness import PYTHON, wait_for

NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
STARTING = 30		# seconds that a load goes on for besides those asked for


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


def need(program, how="sudo make deps-test"):
    path = shutil.which(program)
    if not path:
        pytest.skip(f"{program} is not installed: {how}")
    return path


def family(pid):
    """The process and its children: what works is not who started it."""
    pids = [pid]
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            for child in Path(f"/proc/{pid}/task/{task}/children").read_text().split():
                pids += family(int(child))
    except OSError:
        pass	# gone meanwhile
    return pids


# --- one program each --------------------------------------------------------------------------

STRESSORS = {
    "vm": ["--vm", "1", "--vm-bytes", "64M"],
    "mmap": ["--mmap", "1", "--mmap-bytes", "32M"],
    "mremap": ["--mremap", "1", "--mremap-bytes", "16M"],
    "brk": ["--brk", "1"],
    "shm": ["--shm", "1", "--shm-objs", "8"],
    "fork": ["--fork", "1"],
    "vma": ["--vma", "1"],
}


def stressor(name):
    @contextmanager
    def load(folder, seconds):
        need("stress-ng")
        words = subprocess.run(["stress-ng", "--help"], capture_output=True, text=True, check=True)
        if f"--{name} " not in words.stdout:
            pytest.skip(f"this stress-ng has no {name} stressor")
        with Running("stress-ng", *STRESSORS[name], "--quiet", "--timeout", seconds + STARTING,
                     "--temp-path", folder) as program:
            yield wait_for(lambda: len(family(program.pid)) > 1 and family(program.pid),
                           "the stressor")
    return load


@contextmanager
def redis(folder, seconds):
    """redis-benchmark writes, while the data is saved by a fork twice a second."""
    # The server without its package, which would start it: the checker is the same program.
    binary = shutil.which("redis-server") or need("redis-check-rdb")
    server = folder / "redis-server"
    server.symlink_to(binary)
    port = 7393
    with ExitStack() as stack:
        running = stack.enter_context(Running(server, "--port", port, "--save", "", "--dir", folder))
        time.sleep(1)
        stack.enter_context(Running("redis-benchmark", "-p", port, "-q", "-l", "-n", 2000000, "-r",
                                    100000, "-t", "set,lpush,hset", "-d", 200))
        time.sleep(1)
        stack.enter_context(Running("sh", "-c", f"while redis-cli -p {port} bgsave;"
                                    " do sleep 0.5; done"))
        yield [running.pid]


@contextmanager
def postgresql(folder, seconds):
    """pgbench, half of it with a new backend for every transaction; a cluster of our own."""
    bins = sorted(Path("/usr/lib/postgresql").glob("*/bin/pgbench"))
    if not bins:
        pytest.skip("postgresql is not installed: sudo make deps-test")
    bin_folder = bins[-1].parent
    with ExitStack() as stack:
        # The server refuses to run as root, and pytest keeps its folders to their owner.
        home = Path(subprocess.check_output(["mktemp", "-d", "/tmp/unfreed-pg.XXXXXX"], text=True)
                    .strip())
        stack.callback(shutil.rmtree, home)
        shutil.chown(home, 65534, 65534)
        data = home / "data"

        def run(program, *argv):
            subprocess.run([*NOBODY, bin_folder / program, *argv], check=True, cwd=home,
                           stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

        run("initdb", "--auth=trust", "--username=test", "--no-sync", "-D", data)
        server = stack.enter_context(Running(*NOBODY, bin_folder / "postgres", "-D", data, "-k", home,
                                             "-c", "listen_addresses=", "-c", "fsync=off"))
        stack.callback(stop_and_wait, server, "TERM")
        client = ["-h", home, "-U", "test", "postgres"]
        wait_for(lambda: subprocess.run([bin_folder / "pg_isready", "-q", "-h", home],
                                        check=False).returncode == 0, "the server")
        run("pgbench", "--initialize", "--quiet", *client)
        for more in ([], ["--connect"]):
            stack.enter_context(Running(*NOBODY, bin_folder / "pgbench", "--client=2",
                                        f"--time={seconds + STARTING}", *more, *client, cwd=home))
        time.sleep(1)
        yield family(server.pid)


def stop_and_wait(running, signal):
    subprocess.run(["kill", "-s", signal, str(running.pid)], check=False)
    try:
        running.process.wait(10)
    except subprocess.TimeoutExpired:
        pass


@contextmanager
def python_threads(folder, seconds):
    program = ("import threading, time\n"
               "def f():\n"
               "    x = [bytearray(200000) for _ in range(50)]; time.sleep(0.01)\n"
               "while True:\n"
               "    t = [threading.Thread(target=f) for _ in range(20)]\n"
               "    [a.start() for a in t]; [a.join() for a in t]\n")
    with Running(PYTHON, "-c", program) as running:
        time.sleep(0.5)
        yield [running.pid]


@contextmanager
def node(folder, seconds):
    program = ("const z = require('zlib'); let keep = [];"
               "setInterval(() => { for (let i = 0; i < 20; i++) {"
               " z.gzip(Buffer.alloc(100000, i), () => {}); keep.push(new Array(10000).fill(i)); }"
               " if (keep.length > 500) keep = []; }, 10);")
    with Running(need("node"), "-e", program) as running:
        time.sleep(1)
        yield [running.pid]


# Opens itself in a frame again and again, and works: memory of its own, of a worker, of WebAssembly.
PAGE = """<!DOCTYPE html><title>work</title><body><canvas id=c width=800 height=600></canvas><script>
let keep = [], n = 0;
const code = `let k = []; setInterval(() => { k.push(new ArrayBuffer(500000));
  if (k.length > 40) k = []; }, 5)`;
let worker;
setInterval(() => {
  keep.push(new Uint8Array(300000).fill(1), new Array(20000).fill({}));
  if (keep.length > 200) keep = [];
  const c = document.getElementById('c').getContext('2d');
  c.fillStyle = `rgb(${n % 255},0,0)`; c.fillRect(n % 700, n % 500, 90, 90); n++;
}, 10);
setInterval(() => {
  if (worker) worker.terminate();
  worker = new Worker(URL.createObjectURL(new Blob([code])));
  const m = new WebAssembly.Memory({initial: 1, maximum: 2000}); m.grow(500);
  if (window.top === window) {
    document.querySelectorAll('iframe').forEach(f => f.remove());
    const f = document.createElement('iframe'); f.src = location.href; document.body.append(f);
  }
}, 500);
</script>"""


@contextmanager
def chromium(folder, seconds):
    """Its own processes, without a window; and every second a further page in a new process."""
    binary = shutil.which("chromium") or need("chromium-browser", "sudo make deps-long")
    page = folder / "page.html"
    page.write_text(PAGE)
    profile = folder / "profile"
    words = [binary, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
             "--no-first-run", f"--user-data-dir={profile}", "--remote-debugging-port=0"]
    with Running(*words, page.as_uri(), start_new_session=True) as running:
        port_file = profile / "DevToolsActivePort"
        port = wait_for(lambda: port_file.exists() and port_file.read_text().split("\n")[0],
                        "the browser")
        wait_for(lambda: any("--type=renderer" in command(pid) for pid in family(running.pid)),
                 "a page")
        new_page = (f"while sleep 1; do curl -s -X PUT '127.0.0.1:{port}/json/new?{page.as_uri()}'"
                    f" -o {folder}/tab; id=$(sed -n 's/.*\"id\": \"\\(.*\\)\",/\\1/p' {folder}/tab);"
                    f" sleep 1; curl -s 127.0.0.1:{port}/json/close/$id; done")
        with Running("sh", "-c", new_page):
            yield family(running.pid)


def command(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


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
    return sorted({p.resolve().parent.parent for p in Path("/usr/lib/jvm").glob("*/bin/java")})


def java(jdk, collector):
    @contextmanager
    def load(folder, seconds):
        (folder / "Churn.java").write_text(CHURN)
        with Running(jdk / "bin/java", f"-XX:+Use{collector}GC", "-Xmx256m",
                     folder / "Churn.java") as running:
            time.sleep(3)
            assert running.process.poll() is None, f"{jdk} has no {collector}GC"
            yield [running.pid]
    return load


@contextmanager
def no_java(folder, seconds):
    pytest.skip("there is no JDK: sudo make deps-test")
    yield []


LOADS = {
    **{f"stress-ng-{name}": stressor(name) for name in STRESSORS},
    "redis": redis,
    "postgresql": postgresql,
    "python-threads": python_threads,
    "node": node,
    "chromium": chromium,
    **{f"java-{jdk.name}-{collector}": java(jdk, collector)
       for jdk in jdks() for collector in ("Serial", "G1", "Z")},
    **({} if jdks() else {"java": no_java}),
}
