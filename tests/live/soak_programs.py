# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""`make check-long`: real programs that are healthy, all at once, for MINUTES (30), under the eyes of
one `attach`, which would end with the first leak it is sure of, and of the service. Neither may ever
call one of them a leak."""

import os
import re
import time
from concurrent.futures import ThreadPoolExecutor

import programs
import promtext
from test_daemon import Daemon

MINUTES = float(os.environ.get("MINUTES", "30"))
BEGIN = 5	# seconds for the watchers to be there


def suspected(text, pids):
    """The samples of the service's textfile that suspect one of ours."""
    return [line for line in text.splitlines()
            if re.match(r"unfreed_(process|site)_leak_suspected\{", line) and line.endswith(" 1")
            and any(f'pid="{pid}"' in line for pid in pids)]


def test_soak(lab, show):
    seconds = int(MINUTES * 60)
    subjects = {name: make(lab, seconds) for name, make in programs.HEALTHY.items()}
    pids = [s.pid for s in subjects.values()]
    output = lab.new_folder() / "report.json"
    watcher = lab.watcher("attach", *pids, "--format", "json", "-o", output, "--until-verdict",
                          output=output).wait_until_watching()
    daemon = Daemon(lab)
    accused = set()
    with ThreadPoolExecutor() as pool:
        working = [pool.submit(s.work, seconds) for s in subjects.values()]
        end = time.monotonic() + seconds
        while time.monotonic() < end and watcher.process.poll() is None:
            time.sleep(min(5, seconds / 10))
            accused.update(suspected(daemon.path().read_text(encoding="utf-8"), pids))
        lasted = seconds - max(0, end - time.monotonic())
        result = watcher.stop()
        for work in working:
            work.result()
    text = daemon.path().read_text(encoding="utf-8")
    cpu = promtext.value(daemon.read(), "unfreed_self_cpu_seconds_total")
    own = promtext.value(daemon.read(), "unfreed_self_resident_bytes")
    daemon.end()
    for s in subjects.values():
        s.stop()
    show(f"{lasted / 60:.1f} of {MINUTES:g} minutes: {programs.summary(result.report)}; the service used"
         f" {cpu:.1f} s of CPU and holds {own / 1e6:.0f} MB; lost {result.lost()}")
    for name, s in subjects.items():
        for p in result.report["processes"]:
            if p["pid"] == s.pid:
                show(f"{name}: {p['verdict']}, {p['resident_bytes'] / 1e6:.0f} MB resident,"
                     f" {p['growth_bytes_per_second'] / 1e3:.1f} KB/s, explained"
                     f" {p['explained_share']:.0%}")
    assert not programs.leaks(result.report)
    assert result.status == 0
    assert not accused
    assert not suspected(text, pids)
