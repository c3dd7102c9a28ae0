# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""ZooKeeper and a broker on loopback, a log of gzip batches, and brokers that have to recover it."""

import re
import shutil
import signal
import socket
import subprocess
import time
from datetime import datetime
from pathlib import Path

HERE = Path(__file__).resolve().parent
LOG4J = """log4j.rootLogger=WARN, out
log4j.logger.kafka.log.LogManager=INFO
log4j.appender.out=org.apache.log4j.ConsoleAppender
log4j.appender.out.layout=org.apache.log4j.PatternLayout
log4j.appender.out.layout.ConversionPattern=[%d] %p %m (%c)%n
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def answers(port):
    with socket.socket() as s:
        s.settimeout(0.5)
        return s.connect_ex(("127.0.0.1", port)) == 0


class Site:
    """A folder with everything of one ZooKeeper and the brokers that follow each other on one log."""

    def __init__(self, folder, java, jars):
        self.folder, self.java, self.jars = Path(folder), java, Path(jars)
        self.zookeeper_port, self.broker_port = free_port(), free_port()
        self.running = []
        self.n = 0
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "log4j.properties").write_text(LOG4J)
        (self.folder / "zoo.cfg").write_text(
            f"dataDir={self.folder}/zookeeper\nclientPort={self.zookeeper_port}\n"
            "clientPortAddress=127.0.0.1\ntickTime=2000\n")

    def argv(self, jars, *words, options=()):
        return [self.java, *options, f"-Dlog4j.configuration=file:{self.folder}/log4j.properties",
                "-cp", f"{jars}/*:{self.folder}", *words]

    def new_file(self, ending):
        self.n += 1
        return self.folder / f"{self.n}.{ending}"

    def start(self, argv, **popen):
        """A process whose output goes to a file; `.said()` reads it."""
        path = self.new_file("out")
        with open(path, "wb") as out:
            popen.setdefault("stderr", out)
            process = subprocess.Popen([str(a) for a in argv], stdout=out,
                                       stdin=subprocess.DEVNULL, **popen)
        process.said = lambda: path.read_text(errors="replace")
        self.running.append(process)
        return process

    def wait_for_port(self, port, process, patience=60):
        deadline = time.monotonic() + patience
        while not answers(port):
            assert process.poll() is None and time.monotonic() < deadline, \
                f"nobody answers: {process.said()[-2000:]}"
            time.sleep(0.05)

    def start_zookeeper(self):
        process = self.start(self.argv(self.jars, "org.apache.zookeeper.server.quorum.QuorumPeerMain",
                                       self.folder / "zoo.cfg", options=["-Xmx256m"]))
        self.wait_for_port(self.zookeeper_port, process)

    def properties(self, **more):
        """Of a broker, in a file of its own. The checkpoint is late: all of the log is recovered. Each
        broker has its own corner of ZooKeeper, where nothing is left of the one that was killed."""
        path = self.new_file("properties")
        lines = {
            "broker.id": 0, "listeners": f"PLAINTEXT://127.0.0.1:{self.broker_port}",
            "zookeeper.connect": f"127.0.0.1:{self.zookeeper_port}/{self.n}",
            "log.dirs": self.folder / "log",
            "log.segment.bytes": 100 << 20, "num.partitions": 1,
            "log.flush.offset.checkpoint.interval.ms": 3600000,
            **{key.replace("_", "."): value for key, value in more.items()},
        }
        path.write_text("".join(f"{key}={value}\n" for key, value in lines.items()))
        return path

    def broker_argv(self, jars=None, options=(), **properties):
        return self.argv(jars or self.jars, "kafka.Kafka", self.properties(**properties),
                         options=options)

    def fill(self, megabytes):
        """A log of about half as many megabytes, left behind by a broker that was killed."""
        classes = self.folder
        javac = Path(self.java).with_name("javac")
        subprocess.run([javac, "-cp", f"{self.jars}/*", "-d", classes, HERE / "Fill.java"], check=True)
        broker = self.start(self.broker_argv(options=["-Xmx1g"]))
        self.wait_for_port(self.broker_port, broker)
        subprocess.run(self.argv(self.jars, "Fill", f"127.0.0.1:{self.broker_port}", "events",
                                 str(megabytes), options=["-Xmx512m"]),
                       check=True, timeout=600, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        kill(broker)
        return sum(f.stat().st_size for f in (self.folder / "log").glob("events-0/*.log"))

    def make_dirty(self):
        """As a crash leaves it: nothing is known to be good."""
        for name in (".kafka_cleanshutdown", "recovery-point-offset-checkpoint"):
            (self.folder / "log" / name).unlink(missing_ok=True)

    def close(self):
        for process in self.running:
            kill(process)
        shutil.rmtree(self.folder / "log", ignore_errors=True)


def kill(process):
    if process.poll() is None:
        process.send_signal(signal.SIGKILL)
        process.wait()


def recovery_seconds(said):
    """From a broker's own log: how long it took to load its logs."""
    times = [re.search(rf"^\[(\S+ \S+)\] INFO {words}", said, re.M)
             for words in ("Loading logs", "Logs loading complete")]
    assert all(times), said[-2000:]
    began, ended = (datetime.strptime(m.group(1), "%Y-%m-%d %H:%M:%S,%f") for m in times)
    return (ended - began).total_seconds()


def read(path):
    try:
        return Path(path).read_text()
    except OSError:
        return ""
