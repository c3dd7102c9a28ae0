# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""The case unfreed was made for: a Kafka broker in log recovery that never closes its streams
(KAFKA-3933), and the release that does.

`make check-kafka`. KAFKA_MB is what the producer sends, in megabytes; the log gets half as large, and
one stream is opened per 9 KB of that.
"""

import glob
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "live")]

import broker as kafka  # noqa: E402
import contract  # noqa: E402
from harness import UNFREED, function_names  # noqa: E402

LEAKING, FIXED = "0.9.0.1", "0.10.0.1"
MEGABYTES = int(os.environ.get("KAFKA_MB", "600"))
JAVA = next(iter(sorted(glob.glob("/usr/lib/jvm/*17*/bin/java"))), None)
CACHE = Path(os.environ.get("KAFKA_CACHE", Path.home() / ".cache/unfreed-kafka"))
# A young generation that holds all that recovery makes: no collection ends the streams.
HEAP = ["-Xms5g", "-Xmx5g", "-Xmn4g", "-XX:+UseSerialGC", "-XX:MetaspaceSize=512m"]
STACK = ["java.util.zip.Inflater.init", "java.util.zip.GZIPInputStream.<init>",
         "kafka.message.CompressionFactory$.apply", "kafka.message.ByteBufferMessageSet$.deepIterator",
         "kafka.log.LogSegment.recover", "kafka.log.Log.loadSegments", "java.lang.Thread.run"]
NATIVE = ("java.util.zip.Inflater.init",)


def jars_of(version):
    folder = CACHE / version
    done = subprocess.run([HERE / "fetch.sh", version, folder], capture_output=True, text=True,
                          check=False)
    if done.returncode == 77:
        pytest.skip(f"KAFKA SKIPPED: {done.stdout.strip()}")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    if os.geteuid() != 0:
        pytest.skip("KAFKA SKIPPED: needs root")
    if not JAVA:
        pytest.skip("KAFKA SKIPPED: no JDK 17")
    the_site = kafka.Site(tmp_path_factory.mktemp("kafka"), JAVA, jars_of(LEAKING))
    the_site.start_zookeeper()
    size = the_site.fill(MEGABYTES)
    print(f"\n    a log of {size >> 20} MB")
    yield the_site
    the_site.close()


@pytest.fixture(scope="session")
def counter(tmp_path_factory):
    """The preloaded witness."""
    library = tmp_path_factory.mktemp("count") / "count.so"
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", library, HERE / "count.c", "-ldl"], check=True)
    return library


class Watch:
    """unfreed beside or around a broker; its report once it has ended."""

    def __init__(self, site, words, env=None):
        site.n += 1
        self.output = site.folder / f"{site.n}.json"
        self.argv = [UNFREED, words[0], "-f", "json", "-o", self.output, *words[1:]]
        self.process = site.start(self.argv, env)
        self.said_in = site.folder / f"{site.n}.out"
        self.report = None

    def end(self, patience=60):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        status = self.process.wait(patience)
        self.report = contract.load(self.output.read_bytes())
        return status

    def said(self):
        return self.said_in.read_text(errors="replace")[-2000:]

    def broker(self):
        found = [p for p in self.report["processes"] if p["comm"] == "java"]
        assert len(found) == 1, found
        return found[0]


def kind(process, name="zlib-inflate"):
    return next(k for k in process["kinds"] if k["kind"] == name)


def recovery_sites(process):
    return [s for s in process["sites"] if s["kind"] == "zlib-inflate"
            and "kafka.log.LogSegment.recover" in function_names(s)]


def in_order(wanted, names):
    rest = iter(names)
    return all(name in rest for name in wanted)


def assert_names_the_culprit(process, opened):
    sites = recovery_sites(process)
    assert sites, [function_names(s)[:6] for s in process["sites"]]
    told = [s for s in sites if in_order(STACK, function_names(s))]
    assert told[0] is process["sites"][0], "the culprit is not the first"
    assert sum(s["opened"] for s in told) >= 0.99 * opened
    for frame in told[0]["stack"]:
        if frame["function"] in STACK and frame["function"] not in NATIVE:
            assert frame["line"] and frame["file"], frame
    return told


def wait_until_recovered(site, process, patience=120):
    """The broker answers only when all its logs are loaded."""
    deadline = time.monotonic() + patience
    while not kafka.answers(site.broker_port):
        assert process.poll() is None and time.monotonic() < deadline, "the broker did not come back"
        time.sleep(0.05)


@pytest.fixture
def recovered(site):
    """Makes the log dirty before, and kills what is left after."""
    site.make_dirty()
    before = len(site.running)
    yield site
    for process in site.running[before:]:
        for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split() \
                if process.poll() is None else ():
            os.kill(int(child), signal.SIGKILL)
        site.kill(process)


def test_run(recovered, counter, tmp_path):
    """From its first instruction; counted by the witness in the same run."""
    site, counts = recovered, tmp_path / "counts"
    watch = Watch(site, ["run", "--", "env", f"LD_PRELOAD={counter}", f"ZLIB_COUNT={counts}",
                         *site.broker_argv(options=HEAP)])
    wait_until_recovered(site, watch.process)
    status = watch.end()
    opened, closed = kafka.read_counts(counts)
    process = watch.broker()
    total = kind(process)
    assert watch.report["verdict"] == "leak" and status == 3
    assert not any(watch.report["trust"]["lost"].values())
    assert (total["opened"], total["closed"]) == (opened, closed)
    told = assert_names_the_culprit(process, opened - closed)
    assert sum(s["closed"] for s in told) == 0
    print(f"\n    {opened} streams opened, {closed} closed; {len(told)} site(s); "
          f"{watch.report['trust']['stacks_complete']} of {watch.report['trust']['stacks']} stacks complete")


def test_attach(recovered):
    """A second after its start; ends by itself once it is sure."""
    site = recovered
    broker = site.start(site.broker_argv(options=HEAP))
    time.sleep(1)
    began = time.monotonic()
    watch = Watch(site, ["attach", str(broker.pid), "-d", "60", "--until-verdict"])
    status = watch.process.wait(90)
    took = time.monotonic() - began
    watch.end()
    assert status == 3 and watch.report["verdict"] == "leak"
    assert_names_the_culprit(watch.broker(), kind(watch.broker())["opened"])
    assert took < 15
    print(f"\n    sure {took:.1f} s after it was started")


def test_fixed(recovered):
    """The release that closes them: the same number, nothing found, although it uses more memory."""
    site = recovered
    watch = Watch(site, ["run", "-d", "15s", "--", *site.broker_argv(
        jars=jars_of(FIXED), options=HEAP, inter_broker_protocol_version="0.9.0.1",
        log_message_format_version="0.9.0.1")])
    wait_until_recovered(site, watch.process)  # by itself: a broker that is interrupted has failed
    status = watch.process.wait(60)
    watch.end()
    process = watch.broker()
    assert (watch.report["verdict"], status) == ("none", 0), (watch.said(), watch.report["trust"])
    assert all(s["opened"] == s["closed"] for s in recovery_sites(process))
    total = kind(process)
    assert total["opened"] > 1000
    assert total["open"] < 50  # the JVM's own, for its jars: kept for the next one
    print(f"\n    {total['opened']} streams opened, {total['closed']} closed")
