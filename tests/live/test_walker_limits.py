# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
# tests/run: beside others
"""The walker where stacks are hard to walk: each with the frames that a debugger would show."""

import resource
import subprocess

import pytest

from harness import assert_counts, assert_trusted, function_names


def watch(lab, where, *argv):
    counts, result = lab.observe(lab.c("limits", "--where", where, *argv))
    assert_counts(result.kind(counts["pid"], "zlib-inflate"), counts)
    assert_trusted(result)
    assert counts["opened"] > 0
    return counts, result


def share_with(result, counts, wanted):
    """The share of the streams whose stack has these functions in this order, to the start."""
    def fits(site):
        rest = iter(function_names(site))
        return all(name in rest for name in wanted)
    sites = result.sites(counts["pid"], "zlib-inflate")
    return sum(s["opened"] for s in sites if fits(s)) / counts["opened"]


@pytest.mark.parametrize("where", ("signal", "alternate"))
def test_signal_handler(lab, where):
    counts, result = watch(lab, where)
    assert share_with(result, counts, ["open_stream", "on_signal", "interrupted_work", "main",
                                       "_start"]) >= 0.99


def test_interrupted_in_the_vdso(lab, show):
    counts, result = watch(lab, "vdso")
    assert share_with(result, counts, ["on_signal", "read_the_clock", "main", "_start"]) >= 0.99
    names = [function_names(s) for s in result.sites(counts["pid"], "zlib-inflate")]
    between = [n[n.index("on_signal") + 1:n.index("read_the_clock")] for n in names
               if "on_signal" in n and "read_the_clock" in n]
    # The signal's return, then the vdso's frame, which is in no file and so has no name.
    inside = sum(None in part for part in between)
    show(f"{inside} of {len(names)} sites were interrupted in the vdso")
    assert inside


def test_deep_recursion(lab):
    """Ends as truncated and is said to: no caller is made up for those that are missing."""
    counts, result = watch(lab, "deep")
    sites = result.sites(counts["pid"], "zlib-inflate")
    assert len(sites) == 1
    names = function_names(sites[0])
    assert len(names) == 128
    assert set(names[names.index("go_down"):]) == {"go_down"}
    assert result.report["trust"]["stacks_complete"] <= result.report["trust"]["stacks"] - \
        counts["opened"]


def build(folder, name, source, *flags):
    (folder / f"{name}.c").write_text(source)
    path = folder / f"lib{name}.so"
    subprocess.run(["cc", "-O2", "-fomit-frame-pointer", "-fPIC", "-shared", "-o", path,
                    folder / f"{name}.c", *flags], check=True)
    return path


TAKE = """
void {name}(void (*open)(void));
__attribute__((noipa)) void {name}(void (*open)(void))
{{ volatile char room[{room}]; room[3] = 1; open(); room[4] = 2; }}
void take(void (*open)(void));
__attribute__((noipa)) void take(void (*open)(void)) {{ {name}(open); __asm__ volatile(""); }}
"""


def test_an_address_that_is_used_again(lab):
    """Two libraries at one address, one after the other: frames of another size, other names."""
    folder = lab.new_folder()
    at = "-Wl,-Ttext-segment=0x7e5500000000"
    libraries = [build(folder, name, TAKE.format(name=name, room=room), at)
                 for name, room in (("take_small", 40), ("take_large", 4000))]
    options = [o for library in libraries for o in ("--library", library)]
    counts, result = watch(lab, "libraries", *options)
    for name in ("take_small", "take_large"):
        assert share_with(result, counts, ["open_stream", name, "take", "main", "_start"]) >= 0.495, name


def most_threads():
    soft, _ = resource.getrlimit(resource.RLIMIT_NPROC)
    limits = [int(open(path, encoding="ascii").read()) - 2000 for path in
              ("/proc/sys/kernel/threads-max", "/proc/sys/kernel/pid_max")]
    maps = (int(open("/proc/sys/vm/max_map_count", encoding="ascii").read()) - 1000) // 2
    return min(10000, maps, *limits, soft if soft != resource.RLIM_INFINITY else 10000)


def test_threads(lab, show):
    n = most_threads()
    if n < 1000:
        pytest.skip(f"this machine lets a process have {n} threads")
    counts, result = watch(lab, "threads", "--count", n)
    assert counts["opened"] == n
    share = share_with(result, counts, ["open_stream", "thread_body", "start_thread"])
    show(f"{share:.2%} of {n} threads' stacks reach start_thread")
    assert share >= 0.99
