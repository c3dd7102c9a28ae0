# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
# tests/run: beside others
"""Touched bytes beside mapped bytes: what nobody touches does not rank above a real leak."""

from harness import assert_trusted, function_names

PAGE = 4096


def observe(lab, *options, form="json"):
    program = lab.c("touch")
    output = lab.new_folder() / "report"
    watcher = lab.watcher("attach", program.pid, "--format", form, "-o", output,
                          "--no-until-verdict", *options,
                          output=output if form == "json" else None).wait_until_watching()
    program.go()
    counts = program.done()
    result = watcher.stop()
    program.end()
    return counts, result, output


def test_the_toucher_comes_first(lab):
    counts, result, _ = observe(lab)
    first, second = result.sites(counts["pid"], "anon")[:2]
    assert "take_touched" in function_names(first)
    assert "take_untouched" in function_names(second)
    assert first["verdict"] == second["verdict"] == "leak"
    assert abs(first["bytes"] - counts["touched"]) <= PAGE
    assert abs(second["bytes"] - counts["untouched"]) <= PAGE
    assert abs(first["resident_bytes"] - counts["touched_resident"]) <= PAGE
    assert second["resident_bytes"] <= PAGE
    assert result.process(counts["pid"])["explained_share"] <= 1
    assert_trusted(result)


def test_text_says_both(lab):
    counts, result, output = observe(lab, form="text")
    assert result.status == 3
    text = output.read_text()
    held = [line for line in text.splitlines() if " held, " in line and " resident" in line]
    assert held, text
    assert "26.2 MB held, 13.1 MB resident" in held[0], held


def test_of_handles_nothing_is_measured(lab):
    counts, result = lab.observe(lab.c("zstreams", "--opened", 300, "--closed", 200, "--rate", 300))
    site = result.sites(counts["pid"], "zlib-inflate")[0]
    assert site["resident_bytes"] is None
