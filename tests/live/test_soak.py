# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""The service over many short lives: what it remembers of those that are gone does not pile up."""

import re
import subprocess
import time
from pathlib import Path

import promtext
from test_daemon import Daemon

WARM_UP = 4000
LIVES = 20000


def live_and_die(n):
    subprocess.run(["sh", "-c", f"i=0; while [ $i -lt {n} ]; do /bin/true; i=$((i+1)); done"],
                   check=True)


def rss(pid):
    """Anonymous memory: how much of the shared ring is in memory is not the point."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return int(re.search(r"^RssAnon:\s+(\d+) kB", status, re.M).group(1)) * 1024


def test_short_lives_leave_nothing(lab, show):
    daemon = Daemon(lab)
    pid = daemon.watcher.process.pid
    live_and_die(WARM_UP)
    first = rss(pid)
    begun = time.monotonic()
    live_and_die(LIVES)
    seconds = time.monotonic() - begun
    time.sleep(7)	# whose exit was lost is noticed
    last = rss(pid)
    events = promtext.value(daemon.read(), "unfreed_events_total")
    show(f"{LIVES} processes in {seconds:.0f} s, {events:.0f} events: own memory"
         f" {first / 1e6:.1f} MB before, {last / 1e6:.1f} MB after")
    # Others live on this host too, and what they hold is kept; 400 bytes per life would be more.
    assert last - first < 8 << 20
    daemon.end()
