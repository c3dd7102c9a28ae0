# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Losses: counted by cause, told of whom, healed from the map file, and no leak of their making."""

import re
import signal
import subprocess
import time

import pytest

from harness import PROGRAMS, function_names, kernel_bytes

SMALL_RING = ("--ring-size", "64K")


def assert_exact(process, pid, kernel):
    special = 64 << 10	# whether vdso and vvar count is not for this test to say
    assert kernel[0] <= process["accessible_bytes"] <= kernel[0] + special, (pid, kernel)
    assert kernel[1] <= process["reserved_bytes"] <= kernel[1] + special, (pid, kernel)


def choke(watcher, seconds=0.3):
    """Nobody reads the ring for a while: whatever the machine, it overflows in a storm."""
    time.sleep(0.3)
    watcher.process.send_signal(signal.SIGSTOP)
    time.sleep(seconds)
    watcher.process.send_signal(signal.SIGCONT)


def storm(lab, *more, seconds=2):
    return lab.c("storm", "--threads", 4, "--seconds", seconds, *more)


def test_after_a_storm_the_model_is_the_kernels_map(lab, show):
    program, bystander = storm(lab), lab.c("mmaps", "--mode", "anon", "--rate", 500)
    watcher = lab.attach(program, bystander, options=SMALL_RING)
    bystander.go()
    program.go()
    choke(watcher)
    program.done()
    bystander.done()
    time.sleep(1.5)	# a storm that is over is healed soon
    kernel = {p.pid: kernel_bytes(p.pid) for p in (program, bystander)}
    result = watcher.stop()
    lost = result.lost()
    trust = result.report["trust"]
    show(f"{trust['events']} events, lost {lost}, healed {trust['healed']}")
    for p in (program, bystander):
        assert_exact(result.process(p.pid), p.pid, kernel[p.pid])
        p.end()
    assert lost["ring-full"] > 1000
    assert 1 <= trust["healed"] <= 12
    assert not any("not been read again" in n for n in trust["not_covered"])
    assert any(f"storm[{program.pid}]" in n and "closings" in n for n in trust["not_covered"])


def test_healing_while_the_storm_lasts(lab):
    """Watching ends in the middle of it: the last report is healed all the same."""
    program = storm(lab, seconds=4)
    watcher = lab.attach(program, options=SMALL_RING)
    program.go()
    for _ in range(4):
        choke(watcher, 0.2)
    result = watcher.stop()
    assert result.lost()["ring-full"] > 1000
    assert 1 <= result.report["trust"]["healed"] <= 5
    program.done()
    program.end()


def test_lost_closings_are_no_leak(lab):
    """Every stream is closed; thousands of closings were never seen."""
    program = storm(lab)
    watcher = lab.attach(program, options=SMALL_RING)
    program.go()
    choke(watcher)
    counts = program.done()
    time.sleep(0.3)
    result = watcher.stop()
    program.end()
    assert result.lost()["ring-full"] > 1000
    assert counts["open"] == 0
    assert not [s for s in result.process(program.pid)["sites"] if s["verdict"] == "leak"]
    assert result.status == 0


def test_a_leak_beside_a_storm_is_found(lab):
    """What one process loses is not held against another."""
    program, leaky = storm(lab), lab.c("zstreams", "--opened", 400, "--closed", 200,
                                       "--rate", 200)
    watcher = lab.attach(program, leaky, options=SMALL_RING)
    leaky.go()
    program.go()
    choke(watcher, 0.1)
    program.done()
    leaky.done()
    time.sleep(0.3)
    result = watcher.stop()
    assert result.lost()["ring-full"] > 1000
    assert result.process(program.pid)["verdict"] != "leak"
    assert result.process(leaky.pid)["verdict"] == "leak"
    program.end()
    leaky.end()


def test_lost_exits_are_noticed(lab):
    """Children that came and went in the storm: none is taken for alive at the end."""
    program = storm(lab, "--children", 300)
    watcher = lab.attach(program, options=SMALL_RING)
    program.go()
    choke(watcher)
    program.done()
    time.sleep(7)	# everybody is asked every 5 s
    program.end()
    result = watcher.result()	# it ends by itself: nobody is left
    assert result.lost()["ring-full"] > 1000
    assert result.report is not None


def test_a_lost_exec_is_noticed(lab):
    """The shell becomes another program while nobody reads the ring."""
    script = 'read line; "$0" --threads 4 --seconds 1 </dev/null >/dev/null & sleep 0.3; exec "$1" 60'
    sleeper = subprocess.Popen(["sh", "-c", script, PROGRAMS / "storm", "sleep"],
                               stdin=subprocess.PIPE)
    try:
        watcher = lab.attach(sleeper, options=SMALL_RING)
        watcher.process.send_signal(signal.SIGSTOP)
        sleeper.stdin.write(b"\n")
        sleeper.stdin.flush()
        time.sleep(1.5)
        watcher.process.send_signal(signal.SIGCONT)
        time.sleep(3)
        kernel = kernel_bytes(sleeper.pid)
        result = watcher.stop()
    finally:
        sleeper.kill()
        sleeper.wait()
    assert result.lost()["ring-full"] > 1000
    process = result.process(sleeper.pid)
    assert_exact(process, sleeper.pid, kernel)
    assert process["comm"] == "sleep"


def assert_verified(result, least_lost=1000):
    words = result.out.decode()
    assert re.search(r"^0 bytes of [\d,]+ differ", words, re.M) and result.status == 0, words
    lost = re.search(r"^(\d+) records were lost", words, re.M)
    assert lost and int(lost.group(1)) > least_lost, words
    return words


@pytest.mark.parametrize("order", [[], ["--lock-order"]], ids=["as-told", "lock-order"])
@pytest.mark.parametrize("children", [0, 60])
def test_verify_is_exact_after_the_storm(lab, order, children):
    """Children that were forked in the storm have copies of what was wrong in their parent."""
    program = storm(lab, *(["--children", children, "--stay"] if children else []))
    watcher = lab.watcher("verify", program.pid, "--duration", "5s", *SMALL_RING, *order)
    watcher.wait_until_watching()
    program.go()
    for _ in range(3):
        choke(watcher)
    program.done()
    result = watcher.result()
    program.end()
    words = assert_verified(result)
    assert f"differ in {children + 1} process" in words


def test_verify_while_threads_race_and_records_are_lost(lab):
    """The kernel's own order, and readings of the map in between: nothing is ever at rest."""
    racing = subprocess.Popen([PROGRAMS / "mover", "--mode", "hammer", "--seed", "1"],
                              stdout=subprocess.PIPE)
    try:
        assert racing.stdout.readline().startswith(b"ready")
        watcher = lab.watcher("verify", racing.pid, "--duration", "4s", *SMALL_RING, "--lock-order")
        watcher.wait_until_watching()
        for _ in range(3):
            choke(watcher)
        assert_verified(watcher.result())
    finally:
        racing.kill()
        racing.wait()


def test_lock_order_keeps_the_stacks(lab):
    """A record may be older, by its lock, than the definition of its own stack."""
    program = lab.c("mmaps", "--mode", "anon", "--rate", 500)
    watcher = lab.attach(program, options=["--lock-order"])
    program.go()
    program.done()
    time.sleep(0.3)
    result = watcher.stop()
    program.end()
    assert result.lost() == {}
    sites = [s for s in result.sites(program.pid, "anon") if s["opened"] > 100]
    assert sites and all(function_names(s) for s in sites), result.report
    assert "main" in function_names(sites[0])
