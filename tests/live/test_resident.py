# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
# tests/run: beside others
"""Touched bytes beside mapped bytes: what nobody touches does not rank above a real leak."""

import pytest

from harness import assert_trusted, function_names

PAGE = 4096


def observe(lab, *options, form="json", advise=()):
    program = lab.c("touch", *advise)
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


@pytest.mark.parametrize("advice, kind", [("dontneed", "anon"), ("free", "anon"), ("remove", "shm")])
def test_advice_takes_pages_and_leaves_the_mapping(lab, advice, kind):
    counts, result, _ = observe(lab, advise=["--advise", advice])
    [site] = [s for s in result.sites(counts["pid"], kind) if "take_touched" in function_names(s)]
    assert site["bytes"] == counts["touched"] > 0
    assert counts["touched_resident"] == 0 and site["resident_bytes"] <= PAGE
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
