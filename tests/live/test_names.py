# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
# tests/run: beside others
"""Names of frames from wherever they are: perf maps, debug files, containers, files that are gone."""

import re
import shutil
import socket
import subprocess
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness import (PROGRAMS, PYTHON, ROOT, SCRIPTS, UNFREED, assert_counts, assert_trusted,
                     function_names, wait_for)
from test_daemon import Daemon
from test_java import JDKS, streams

NODE = shutil.which("node")
needs_node = pytest.mark.skipif(not NODE, reason="no node on this machine")


def biggest(sites):
    return max(sites, key=lambda site: site["opened"])


def site_of(result, pid, kind):
    return biggest(result.sites(pid, kind))


def frame_of(site, function):
    found = [f for f in site["stack"] if f["function"] == function]
    assert found, f"no {function} among {function_names(site)}"
    return found[0]


def doctor(pid):
    done = subprocess.run([UNFREED, "doctor", str(pid)], capture_output=True, text=True, timeout=60,
                          check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


# --- other runtimes ------------------------------------------------------------------------------

@pytest.fixture
def node(lab, tmp_path):
    """Starts node; what V8 writes beside its output goes again."""
    started = []

    def start(*argv):
        started.append(lab.program(NODE, *argv, cwd=tmp_path))
        return started[-1]
    yield start
    for program in started:
        Path(f"/tmp/perf-{program.pid}.map").unlink(missing_ok=True)


@needs_node
def test_javascript(lab, node, show):
    """Compiled JavaScript, in the middle of a stack that is complete."""
    program = node("--perf-basic-prof", SCRIPTS / "jsleak.js", "--count", "600", "--rate", "600")
    assert "names " in doctor(program.pid)
    counts, result = lab.observe(program)
    assert_counts(result.kind(counts["pid"], "zlib-inflate"), counts)
    assert_trusted(result)
    site = site_of(result, counts["pid"], "zlib-inflate")
    assert site["verdict"] == "leak"
    names = function_names(site)
    at = names.index("forgetInflater")
    assert names[at + 1] == "serveRequest"
    assert names[-1] == "_start"
    source = (SCRIPTS / "jsleak.js").read_text().splitlines()
    for frame in site["stack"][at:at + 2]:
        assert frame["kind"] == "jit"
        assert frame["file"].endswith("jsleak.js")
        assert f"function {frame['function']}(" in source[frame["line"] - 1]
    named = sum(s["opened"] for s in result.sites(counts["pid"], "zlib-inflate")
                if "forgetInflater" in function_names(s))
    show(f"{100 * named / counts['opened']:.2f}% of {counts['opened']} streams name the function")
    assert named >= 0.99 * counts["opened"]


@needs_node
def test_interpreted_javascript(lab, node):
    program = node("--perf-basic-prof", "--interpreted-frames-native-stack", "--no-sparkplug",
                   "--no-opt", SCRIPTS / "jsleak.js", "--count", "200")
    counts, result = lab.observe(program)
    names = function_names(site_of(result, counts["pid"], "zlib-inflate"))
    assert names.index("forgetInflater") + 1 == names.index("serveRequest")


@needs_node
def test_node_without_a_perf_map(lab, node):
    """Told, with the cure: by doctor before, and in the report of a stack that has such a frame."""
    program = node(SCRIPTS / "jsleak.js", "--count", "200")
    text = doctor(program.pid)
    assert "not named" in text and "--perf-basic-prof" in text
    counts, result = lab.observe(program)
    site = site_of(result, counts["pid"], "zlib-inflate")
    assert [f for f in site["stack"] if f["kind"] == "jit" and f["function"] is None]
    assert any("--perf-basic-prof" in said for said in result.report["trust"]["not_covered"])


def test_doctor_on_an_interpreter(lab):
    program = lab.python("--count", "1")
    text = doctor(program.pid)
    assert "functions of Python have no names" in text
    program.go()
    program.done()
    program.end()


def python_with_perf():
    """A Python that can write a perf map, 3.12 or later."""
    for name in (PYTHON, "python3.12", "python3.13", "python3.14"):
        if not shutil.which(name):
            continue
        done = subprocess.run([name, "-X", "perf", "-c", "import os, sys; print(os.getpid(),"
                               "sys.is_stack_trampoline_active())"], capture_output=True, text=True,
                              check=False)
        if done.stdout.endswith("True\n"):
            Path(f"/tmp/perf-{done.stdout.split()[0]}.map").unlink()
            return name
    return None


def test_python_functions(lab, tmp_path):
    python = python_with_perf()
    if not python:
        pytest.skip("no Python 3.12 or later on this machine")
    script = tmp_path / "shop.py"
    script.write_text("import os, time, zlib\nkept = []\n"
                      "def forget_cart():\n    kept.append(zlib.decompressobj())\n"
                      "def serve():\n    forget_cart()\n    time.sleep(0.002)\n"
                      "for i in range(300): serve()\nos._exit(0)\n")
    result = lab.run(python, "-X", "perf", script)
    process = result.report["processes"][0]
    Path(f"/tmp/perf-{process['pid']}.map").unlink()
    site = site_of(result, process["pid"], "zlib-inflate")
    assert [f["function"] for f in site["stack"] if f["kind"] == "jit"] == [
        "forget_cart", "serve", "<module>"]
    assert function_names(site)[-1] == "_start" and site["opened"] >= 297


@pytest.mark.parametrize("way", ["--memfd", "--trampoline"])
def test_made_at_run_time(lab, way):
    counts, result = lab.observe(lab.c("jitted", way, "--rate", "600"))
    site = site_of(result, counts["pid"], "anon")
    names = function_names(site)
    assert names[1:4] == ["take_piece", "forget_piece", "main"] and names[-1] == "_start"
    assert site["opened"] >= 0.99 * counts["opened"]
    frame = frame_of(site, "forget_piece")
    assert frame["kind"] == "jit" and frame["file"] == "/srv/made.py" and frame["line"] is None


def test_perf_map_in_another_pid_namespace(lab):
    """Its own /tmp, where it calls itself 1."""
    result = lab.run("unshare", "--mount", "--pid", "--fork", "--mount-proc", "sh", "-c",
                     f"exec 3<{PROGRAMS / 'jitted'}; mount -t tmpfs none /tmp; cat <&3 >/tmp/jitted;"
                     "chmod +x /tmp/jitted; exec /tmp/jitted")
    found = [p for p in result.report["processes"] if p["comm"] == "jitted"]
    assert len(found) == 1
    names = function_names(site_of(result, found[0]["pid"], "anon"))
    assert names[1:4] == ["take_piece", "forget_piece", "main"]


# --- names from the files of the program ---------------------------------------------------------

SOURCES = SCRIPTS / "names"
CFLAGS = ["-O2", "-g", "-fomit-frame-pointer", "-fno-optimize-sibling-calls", "-D_GNU_SOURCE",
          f"-I{ROOT}"]


def build(*argv, cwd=None):
    done = subprocess.run([str(a) for a in argv], cwd=cwd, capture_output=True, text=True, timeout=120,
                          check=False)
    assert done.returncode == 0, done.stderr


def build_id(path):
    text = subprocess.run(["readelf", "-n", path], capture_output=True, text=True, check=True).stdout
    return re.search(r"Build ID: ([0-9a-f]+)", text).group(1)


@dataclass
class Orders:
    """A program and its stripped library without frame pointers; what was split off lies apart."""
    folder: Path
    build_id: str

    @property
    def library(self):
        return self.folder / "liborders.so"

    @property
    def debug(self):
        return self.folder / "apart/liborders.debug"

    def argv(self, n=400, rate=800):
        return self.folder / "orders", n, rate


def build_orders(folder):
    library = folder / "liborders.so"
    build("gcc", *CFLAGS, "-fPIC", "-shared", "-Wl,--build-id", "-o", library, SOURCES / "orders.c",
          "-lz")
    build("gcc", *CFLAGS, "-o", folder / "orders", SOURCES / "orders_main.c", f"-L{folder}",
          "-lorders", "-Wl,-rpath,$ORIGIN")
    (folder / "apart").mkdir()
    orders = Orders(folder, build_id(library))
    build("objcopy", "--only-keep-debug", library, orders.debug)
    build("strip", "--strip-all", library)
    build("objcopy", f"--add-gnu-debuglink={orders.debug}", library)
    return orders


@pytest.fixture
def orders(tmp_path):
    folder = tmp_path / "orders"
    folder.mkdir()
    return build_orders(folder)


def inflate_site(result, comm):
    found = [p for p in result.report["processes"] if p["comm"] == comm]
    assert len(found) == 1, result.report["processes"]
    return site_of(result, found[0]["pid"], "zlib-inflate")


def test_stripped_library(lab, orders):
    """Frames that nothing names are told by module and offset; the stack goes on all the same."""
    result = lab.run(*orders.argv())
    site = inflate_site(result, "orders")
    assert site["verdict"] == "leak" and site["opened"] >= 396
    names = function_names(site)
    assert names[1:4] == [None, "orders_serve", "main"] and names[-1] == "_start"
    frame = site["stack"][1]
    assert frame["module"] == "liborders.so" and frame["build_id"] == orders.build_id
    assert frame["offset"]
    assert any(orders.build_id in said for said in result.report["trust"]["not_covered"])


def assert_named(site, has_lines=True):
    names = function_names(site)
    assert names[1:4] == ["forget_order", "orders_serve", "main"], names
    if has_lines:
        frame = site["stack"][1]
        line = (SOURCES / "orders.c").read_text().splitlines()[frame["line"] - 1]
        assert frame["file"].endswith("orders.c") and "inflateInit2(" in line


def test_debuglink(lab, orders):
    shutil.copy(orders.debug, orders.folder)
    assert_named(inflate_site(lab.run(*orders.argv()), "orders"))


def test_mini_debug_info(lab, orders):
    mini = orders.folder / "mini"
    build("objcopy", "-S", "--keep-symbol=forget_order", orders.debug, mini)
    build("xz", mini)
    build("objcopy", "--add-section", f".gnu_debugdata={mini}.xz", orders.library)
    assert_named(inflate_site(lab.run(*orders.argv()), "orders"), has_lines=False)


def test_gone(lab, orders):
    """It lives a tenth of a second, and its files are gone when the report is made."""
    shutil.copy(orders.debug, orders.folder)
    script = 'p=$1; shift; "$p" "$@"; rm -r "$(dirname "$p")"'
    result = lab.run("sh", "-c", script, "sh", *orders.argv(40, 400))
    assert not orders.library.exists()
    site = inflate_site(result, "orders")
    assert site["opened"] >= 39
    assert function_names(site)[2:4] == ["orders_serve", "main"]


def test_replaced_while_it_runs(lab, orders):
    """An upgrade: the path leads to another build, then to none. Names come from what is mapped."""
    shutil.copy(orders.debug, orders.folder)
    program = subprocess.Popen([str(a) for a in orders.argv(600, 400)])
    try:
        other = orders.folder / "other.so"
        build("gcc", *CFLAGS, "-fPIC", "-shared", "-O0", "-o", other, SOURCES / "orders.c", "-lz")
        other.rename(orders.library)
        (orders.folder / "orders").unlink()
        watcher = lab.attach(program.pid)
        program.wait(60)
        result = watcher.result()
    finally:
        program.kill()
        program.wait()
    site = site_of(result, program.pid, "zlib-inflate")
    assert_named(site, has_lines=False)
    assert site["stack"][1]["build_id"] == orders.build_id
    assert site["stack"][3]["module"].startswith("orders")


def test_python_extension(lab, tmp_path):
    flags = subprocess.run(["pkg-config", "--cflags", "python3"], capture_output=True, text=True,
                           check=False)
    if flags.returncode:
        pytest.skip("no headers of python3 on this machine")
    build("gcc", *CFLAGS, *flags.stdout.split(), "-fPIC", "-shared", "-o", tmp_path / "shop.so",
          SOURCES / "shopmodule.c", "-lz")
    script = (f"import sys, time; sys.path.insert(0, '{tmp_path}'); import shop\n"
              "def handle():\n    shop.serve()\n    time.sleep(0.0025)\n"
              "for i in range(400): handle()\n")
    result = lab.run(PYTHON, "-c", script)
    sites = result.sites(result.report["processes"][0]["pid"], "zlib-inflate")
    assert sum(s["opened"] for s in sites) == 400
    site = biggest(sites)
    names = function_names(site)
    assert names[1:3] == ["forget_cart", "serve"]
    assert names[-1] == "_start"
    assert frame_of(site, "forget_cart")["module"] == "shop.so"
    assert site["opened"] >= 0.99 * 400 and site["verdict"] == "leak"


def test_cpp(lab, tmp_path):
    build("g++", "-std=c++17", "-O2", "-g", "-fomit-frame-pointer", "-o", tmp_path / "shopcc",
          SOURCES / "shop.cc", "-lz")
    site = inflate_site(lab.run(tmp_path / "shopcc", "200"), "shopcc")
    assert function_names(site)[1:4] == ["shop::Cart<int>::forget",
                                         "shop::(anonymous namespace)::serve", "main"]
    assert frame_of(site, "shop::Cart<int>::forget")["file"].endswith("shop.cc")


def test_rust(lab, tmp_path):
    rustc = shutil.which("rustc", path="/usr/bin") or shutil.which("rustc")
    if not rustc:
        pytest.skip("no rustc on this machine")
    build(rustc, "-O", "-g", "-o", tmp_path / "shoprs", SOURCES / "shop.rs")
    site = inflate_site(lab.run(tmp_path / "shoprs", "200"), "shoprs")
    assert function_names(site)[1:4] == ["shop::shop::forget",
                                         "<shop::shop::Cart as shop::shop::Serve>::serve",
                                         "shop::main"]
    assert function_names(site)[-1] == "_start"


# --- containers ----------------------------------------------------------------------------------

def libraries_of(*paths):
    text = subprocess.run(["ldd", *paths], capture_output=True, text=True, check=True).stdout
    return sorted(set(re.findall(r"(?:=> |^\s+)(/\S+) \(0x", text, re.M)))


class Container:
    """What runs a command in mount, pid and user namespaces of its own, on a root that nothing else
    can see, with its own copies of the program, its libraries and their debug file."""

    def __init__(self, orders, folder):
        self.root = folder / "root"
        self.root.mkdir()
        files = [orders.folder / "orders", orders.library, *libraries_of(orders.folder / "orders")]
        copies = "".join(f"install -D {f} {self.root}{f}\n" for f in files)
        debug = f"/usr/lib/debug/.build-id/{orders.build_id[:2]}/{orders.build_id[2:]}.debug"
        self.script = folder / "container.sh"
        self.script.write_text(f"set -e\nmount -t tmpfs none {self.root}\n{copies}"
                               f"install -D {orders.debug} {self.root}{debug}\n"
                               # without /proc, $ORIGIN is not known
                               f"LD_LIBRARY_PATH={orders.folder} exec chroot {self.root} \"$@\"\n")

    def argv(self, *command):
        return ["unshare", "--user", "--map-root-user", "--mount", "--pid", "--fork", "sh",
                self.script, *command]


@pytest.fixture
def container(orders, tmp_path):
    done = subprocess.run(["unshare", "--user", "--map-root-user", "--mount", "true"],
                          capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"no user namespaces here: {done.stderr.decode().strip()}")
    return Container(orders, tmp_path)


def let_work(process):
    """A library that nobody has had before is probed some milliseconds after it was mapped; on a busy
    machine it may be more. Then all it opens is counted."""
    assert process.stdout.readline().startswith(b"ready")
    time.sleep(2)
    process.stdin.write(b"\n")
    process.stdin.flush()


def test_container(lab, orders, container):
    """Its own libz is probed; names and lines come from its own debug file, though it is gone."""
    output = lab.new_folder() / "report.json"
    watcher = lab.watcher("run", "--format", "json", "-o", output, "--",
                          *container.argv(*orders.argv(), "wait"), output=output,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    let_work(watcher.process)
    watcher.process.stdin.close()
    result = watcher.result()
    watcher.process.stdout.close()
    assert not list(container.root.iterdir())
    site = inflate_site(result, "orders")
    assert site["verdict"] == "leak" and site["opened"] >= 396
    assert_named(site)
    assert site["stack"][0]["module"].startswith("libz.so")


def test_container_under_a_daemon(lab, orders, container):
    """One that starts later than the service, with a libz that the service has not seen before."""
    daemon = Daemon(lab)
    argv = container.argv(*orders.argv(300, 300), "wait")
    process = subprocess.Popen([str(a) for a in argv], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        let_work(process)
        daemon.wait_for_value("unfreed_handles_opened_total", 300, comm="orders",
                              kind="zlib-inflate")
        process.stdin.close()
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    daemon.end()


# --- sites ---------------------------------------------------------------------------------------

def test_site_is_the_same_everywhere(lab, orders, container, tmp_path):
    """After a restart, at other addresses, under another path, in another mount namespace; and another
    one where the library is another."""
    first = inflate_site(lab.run(*orders.argv(100)), "orders")["site"]
    assert inflate_site(lab.run("setarch", "-R", *orders.argv(100)), "orders")["site"] == first
    copy = tmp_path / "a copy"
    shutil.copytree(orders.folder, copy)
    assert inflate_site(lab.run(copy / "orders", 100), "orders")["site"] == first
    assert inflate_site(lab.run(*container.argv(*orders.argv(200))), "orders")["site"] == first

    build("gcc", *CFLAGS, "-fPIC", "-shared", "-Wl,--build-id", "-DOTHER", "-O1", "-o",
          copy / "liborders.so", SOURCES / "orders.c", "-lz")
    assert inflate_site(lab.run(copy / "orders", 100), "orders")["site"] != first


@pytest.mark.skipif(not JDKS, reason="no JDK under /usr/lib/jvm")
def test_java_site_is_the_same_after_a_restart(lab):
    """Of methods: however they are run, wherever the JVM put them."""
    sites = []
    for options in ([], ["-Xint", "-XX:+UseSerialGC"]):
        counts, result = lab.observe(streams(lab, JDKS[0], "--count", 100, options=options))
        site = site_of(result, counts["pid"], "zlib-inflate")
        assert "Streams.openIterator" in function_names(site)
        sites.append(site["site"])
    assert sites[0] == sites[1]


# --- debuginfod ----------------------------------------------------------------------------------

def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.fixture
def client_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DEBUGINFOD_CACHE_PATH", str(tmp_path / "cache"))
    monkeypatch.delenv("DEBUGINFOD_URLS", raising=False)
    return tmp_path / "cache"


@pytest.fixture
def server(orders, tmp_path, client_cache):
    """A server that has the library's debug file, and the lines of its requests."""
    if not shutil.which("debuginfod"):
        pytest.skip("no debuginfod on this machine")
    port = free_port()
    log = tmp_path / "debuginfod.log"
    with open(log, "wb") as out:
        process = subprocess.Popen(["debuginfod", "-v", "-F", "-d", ":memory:", "-p", str(port),
                                    str(orders.debug.parent)], stdout=out, stderr=out)
    try:
        wait_for(lambda: re.search(rb"fdcache|scanned|recorded buildid|groom", log.read_bytes())
                 and asks(port, f"buildid/{orders.build_id}/debuginfo"), "debuginfod to have read it")
        yield port, log
    finally:
        process.kill()
        process.wait()


def asks(port, path):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


def test_debuginfod(lab, orders, server, monkeypatch, client_cache):
    port, log = server
    before = log.read_bytes().count(b"GET")
    site = inflate_site(lab.run(*orders.argv()), "orders")
    assert function_names(site)[1] is None
    assert log.read_bytes().count(b"GET") == before and not client_cache.exists(), \
        "a server was asked without being told to"
    monkeypatch.setenv("DEBUGINFOD_URLS", f"http://127.0.0.1:{port}/")
    assert_named(inflate_site(lab.run(*orders.argv()), "orders"))


def test_debuginfod_that_is_dead(lab, orders, show, monkeypatch, client_cache):
    """It takes the connection and says nothing: the report comes all the same, some seconds later."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen(8)
        monkeypatch.setenv("DEBUGINFOD_URLS", f"http://127.0.0.1:{s.getsockname()[1]}/")
        began = time.monotonic()
        result = lab.run(*orders.argv(200))
        seconds = time.monotonic() - began
    show(f"{seconds:.1f} s, of which the program took 0.3")
    assert 4 < seconds < 15
    assert function_names(inflate_site(result, "orders"))[1:4] == [None, "orders_serve", "main"]
    assert "DEBUGINFOD_URLS" in result.err
