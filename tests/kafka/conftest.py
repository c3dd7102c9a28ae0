# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""What the tests of the real broker share: the jars, the log, the witness, a cgroup."""

import glob
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "live")]

import broker as kafka  # noqa: E402
import witness  # noqa: E402
from cgroup import Cgroup  # noqa: E402

JAVA = next(iter(sorted(glob.glob("/usr/lib/jvm/*17*/bin/java"))), None)
CACHE = Path(os.environ.get("KAFKA_CACHE", Path.home() / ".cache/unfreed-kafka"))
MEGABYTES = int(os.environ.get("KAFKA_MB", "1300"))
LEAKING, FIXED = "0.9.0.1", "0.10.0.1"
ZLIB = "/usr/lib/x86_64-linux-gnu/libz.so.1"
# As on a broker's host, where a limit is near. What the heap takes is in there, too.
LIMIT = 3584 << 20


def pytest_configure(config):
    config.addinivalue_line("markers", "full: in make check-kafka only")


def pytest_collection_modifyitems(items):
    if os.environ.get("KAFKA_FULL") != "1":
        items[:] = [item for item in items if not item.get_closest_marker("full")]


def jars_of(version):
    folder = CACHE / version
    done = subprocess.run([HERE / "fetch.sh", version, folder], capture_output=True, text=True,
                          check=False)
    if done.returncode == 77:
        pytest.skip(f"KAFKA SKIPPED: {done.stdout.strip()}")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="session")
def fixed_jars():
    return jars_of(FIXED)


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    if os.geteuid() != 0:
        pytest.skip("KAFKA SKIPPED: needs root")
    if not JAVA:
        pytest.skip("KAFKA SKIPPED: no JDK 17")
    the_site = kafka.Site(tmp_path_factory.mktemp("kafka"), JAVA, jars_of(LEAKING))
    try:
        the_site.start_zookeeper()
        the_site.log_size = the_site.fill(MEGABYTES)
        yield the_site
    finally:
        the_site.close()


@pytest.fixture(scope="session")
def cgroup():
    """None where no memory cgroup can be made: test_time_left says so."""
    group = Cgroup.make(LIMIT)
    yield group
    if group:
        group.remove()


@pytest.fixture(scope="session")
def count(tmp_path_factory):
    """argv -> the same, counted by the witness into a file."""
    program = witness.build(tmp_path_factory.mktemp("count"))
    offsets = [str(witness.symbol_offset(ZLIB, name)) for name in ("inflateInit2_", "inflateEnd")]

    def wrap(path, argv):
        return [program, path, ZLIB, *offsets, *argv]
    return wrap


@pytest.fixture
def dirty(site):
    """The site, with all of its log to be recovered. Kills what is left afterwards."""
    site.make_dirty()
    before = len(site.running)
    yield site
    for process in site.running[before:]:
        for child in descendants(process.pid):
            try:
                os.kill(child, 9)
            except ProcessLookupError:
                pass
        kafka.kill(process)


def descendants(pid):
    found = []
    for child in kafka.read(f"/proc/{pid}/task/{pid}/children").split():
        found += descendants(int(child)) + [int(child)]
    return found


@pytest.fixture
def java_of():
    """The broker below a process that was started, once it is there."""
    def find(process, patience=20):
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline and process.poll() is None:
            for pid in (process.pid, *descendants(process.pid)):
                if kafka.read(f"/proc/{pid}/comm") == "java\n":
                    return pid
            time.sleep(0.01)
        raise AssertionError(f"no broker: {process.said()[-2000:]}")
    return find


@pytest.fixture(autouse=True)
def show(request, capsys):
    """Prints figures past pytest's capturing; at the end, how long the test took."""
    began = time.monotonic()

    def line(text):
        with capsys.disabled():
            print(f"\n    {request.node.name}: {text}", flush=True)
    yield line
    line(f"{time.monotonic() - began:.0f} s")
