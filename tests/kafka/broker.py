# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""ZooKeeper and a broker on loopback, a log of gzip batches, and brokers that have to recover it."""

import os
import shutil
import signal
import socket
import struct
import subprocess
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
SESSION_S = 9  # until ZooKeeper forgets a broker that was killed
LOG4J = """log4j.rootLogger=WARN, out
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
        self.killed_at = 0.0
        self.n = 0
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "log4j.properties").write_text(LOG4J)
        (self.folder / "zoo.cfg").write_text(
            f"dataDir={self.folder}/zookeeper\nclientPort={self.zookeeper_port}\n"
            "clientPortAddress=127.0.0.1\ntickTime=2000\n")

    def argv(self, jars, *words, options=()):
        return [self.java, *options, f"-Dlog4j.configuration=file:{self.folder}/log4j.properties",
                "-cp", f"{jars}/*:{self.folder}", *words]

    def start(self, argv, env=None):
        self.n += 1
        out = open(self.folder / f"{self.n}.out", "wb")
        process = subprocess.Popen([str(a) for a in argv], stdout=out, stderr=out,
                                   stdin=subprocess.DEVNULL, env=dict(os.environ, **(env or {})))
        out.close()
        self.running.append(process)
        return process

    def wait_for_port(self, port, what, patience=60):
        deadline = time.monotonic() + patience
        while not answers(port):
            assert time.monotonic() < deadline, f"{what} does not answer"
            time.sleep(0.1)

    def start_zookeeper(self):
        self.start(self.argv(self.jars, "org.apache.zookeeper.server.quorum.QuorumPeerMain",
                             self.folder / "zoo.cfg", options=["-Xmx256m"]))
        self.wait_for_port(self.zookeeper_port, "ZooKeeper")

    def properties(self, **more):
        """Of a broker, in a file of its own. The checkpoint is late: all of the log is recovered."""
        lines = {
            "broker.id": 0, "listeners": f"PLAINTEXT://127.0.0.1:{self.broker_port}",
            "zookeeper.connect": f"127.0.0.1:{self.zookeeper_port}",
            "zookeeper.session.timeout.ms": 4000, "log.dirs": self.folder / "log",
            "log.segment.bytes": 100 << 20, "num.partitions": 1,
            "log.flush.offset.checkpoint.interval.ms": 3600000,
            **{key.replace("_", "."): value for key, value in more.items()},
        }
        self.n += 1
        path = self.folder / f"broker{self.n}.properties"
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
        self.wait_for_port(self.broker_port, "the broker")
        subprocess.run(self.argv(self.jars, "Fill", f"127.0.0.1:{self.broker_port}", "events",
                                 str(megabytes), options=["-Xmx512m"]),
                       check=True, timeout=600, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.kill(broker)
        return sum(f.stat().st_size for f in (self.folder / "log").glob("events-0/*.log"))

    def kill(self, process):
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            process.wait()
        self.killed_at = time.monotonic()

    def make_dirty(self):
        """As a crash leaves it: nothing is known to be good. Waits until the broker may come back."""
        for name in (".kafka_cleanshutdown", "recovery-point-offset-checkpoint"):
            (self.folder / "log" / name).unlink(missing_ok=True)
        time.sleep(max(0.0, self.killed_at + SESSION_S - time.monotonic()))

    def close(self):
        for process in self.running:
            if process.poll() is None:
                process.kill()
                process.wait()
        shutil.rmtree(self.folder / "log", ignore_errors=True)


def read_counts(path):
    opened, closed = struct.unpack_from("<QQ", Path(path).read_bytes())
    return opened, closed
