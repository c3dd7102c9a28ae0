# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
# tests/run: beside others
"""python3 that keeps zlib objects, and one that keeps nothing."""

from harness import PYTHON, assert_counts, assert_trusted, function_names, heap_bytes


def split(counts, n_kinds):
    return {key: counts[key] // n_kinds for key in ("opened", "closed", "open")}


def test_decompressobj_and_compressobj(lab, show):
    counts, result = lab.observe(lab.python("--kind", "both"))
    for kind in ("zlib-inflate", "zlib-deflate"):
        assert_counts(result.kind(counts["pid"], kind), split(counts, 2))
        site = result.sites(counts["pid"], kind)[0]
        assert site["verdict"] == "leak"
        assert "main" in function_names(site) or "Py_BytesMain" in function_names(site)
    assert_trusted(result)
    assert result.status == 3
    trust = result.report["trust"]
    share = trust["stacks_complete"] / trust["stacks"]
    show(f"{100 * share:.2f}% of {trust['stacks']} stacks complete")
    assert share >= 0.99


def test_twin(lab):
    counts, result = lab.observe(lab.python("--kind", "both", "--close"))
    for kind in ("zlib-inflate", "zlib-deflate"):
        assert_counts(result.kind(counts["pid"], kind), split(counts, 2))
    assert result.report["verdict"] == "none"
    assert result.status == 0


def test_run(lab):
    """From the first instruction: what Python's own start opens is closed again by then."""
    script = ("import zlib, os\n"
              "kept = [zlib.decompressobj() for _ in range(500)]\n"
              "os.write(1, b'%d\\n' % len(kept)); os._exit(0)\n")
    result = lab.run(PYTHON, "-S", "-c", script)
    assert result.out == b"500\n"
    pid = result.report["processes"][0]["pid"]
    assert result.kind(pid, "zlib-inflate")["open"] == 500


def test_break_grows_with_a_list_of_blocks(lab):
    """Blocks over 512 bytes come from malloc, and malloc's from the break."""
    program = lab.python("--kind", "bytes", "--count", 40000, "--rate", 20000)
    before = heap_bytes(program.pid)
    watcher = lab.attach(program)
    program.go()
    counts = program.done()
    after = heap_bytes(program.pid)
    result = watcher.stop()
    program.end()
    assert counts["open"] == 40000
    assert after - before > 30 << 20
    assert abs(result.kind(program.pid, "heap")["bytes"] - (after - before)) <= 4096
    assert result.process(program.pid)["verdict"] != "none"
