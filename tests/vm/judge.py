# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Judges what a plan left behind (guest.sh), by the words of the programs and the JSON contract."""

import re
from pathlib import Path

import contract
import promtext
from harness import Result, assert_counts, check_status, complete_share, function_names, parse_done

HERE = Path(__file__).resolve().parent
LEAK_STACK = ["open_message_set", "recover_segment", "serve_request"]
REGIONS = {"anon": "anon", "shm": "shm", "commit": "anon"}  # a plan's run of mmaps -> the report's kind


def kernels():
    """(release, suite) of those to be booted, and the words on those that are not."""
    booted, left_out = [], []
    for line in (HERE / "KERNELS").read_text().splitlines():
        if line.startswith("- "):
            left_out.append(line[2:].replace("\t", ": "))
        elif line and not line.startswith("#"):
            booted.append(tuple(line.split()))
    return booted, left_out


class Files:
    """The files of one run."""

    def __init__(self, files):
        self.files = files

    def text(self, name):
        assert name in self.files, f"no {name} among {sorted(self.files)}"
        return self.files[name].decode(errors="replace")

    def result(self, name):
        """A run of unfreed, as the live tests have it."""
        result = Result(int(self.text(f"{name}.status")), self.files[f"{name}.out"],
                        self.text(f"{name}.err"))
        assert f"{name}.json" in self.files, f"{name}: no report: {result.err}"
        result.report = contract.load(self.files[f"{name}.json"])
        check_status(result)
        assert result.lost() == {}, f"{name}: {result.lost()}"
        return result

    def counts(self, name):
        """The watched program's own; it must have ended well."""
        assert self.text(f"{name}.ended").strip() == "0", \
            f"{name}: ended with {self.text(f'{name}.ended')} {self.text(f'{name}.words')}"
        return parse_done(self.text(f"{name}.done").splitlines()[-1])

    def missing(self):
        """What helps and is not here, by the table of `doctor`."""
        return re.findall(r"^  (.{32}) no ", self.text("doctor.out"), re.M)


def judge_release(files, release):
    found = files.text("release").strip()
    assert found.startswith(release), f"{found} is not a {release}"
    assert files.text("doctor.status").strip() == "0", files.text("doctor.out")
    words = files.text("doctor.out")
    assert f"on Linux {found}," in words
    assert words.count("  without: ") >= len(files.missing()), words
    return found


def judge_leak(files, name):
    """Found, exactly counted, and named; returns the share of complete stacks."""
    counts, result = files.counts(name), files.result(name)
    assert_counts(result.kind(counts["pid"], "zlib-inflate"), counts)
    assert (result.status, result.report["verdict"]) == (3, "leak")
    site = result.sites(counts["pid"], "zlib-inflate")[0]
    assert site["verdict"] == "leak" and site["open"] == counts["open"]
    assert function_names(site)[1:4] == LEAK_STACK, function_names(site)
    assert function_names(site)[-1] == "_start", function_names(site)
    share = complete_share(result)
    assert share >= 0.99, share
    return share


def judge_twin(files, name):
    counts, result = files.counts(name), files.result(name)
    assert_counts(result.kind(counts["pid"], "zlib-inflate"), counts)
    assert counts["closed"] == counts["opened"] > 1000
    assert (result.status, result.report["verdict"]) == (0, "none")


def judge_regions(files, name):
    """System calls: the bytes are exact and the stack is the caller's."""
    kind = REGIONS[name]
    counts, result = files.counts(name), files.result(name)
    totals = result.kind(counts["pid"], kind)
    assert abs(totals["bytes"] - counts["bytes"]) <= 4096, (totals, counts)
    assert complete_share(result) >= 0.99, complete_share(result)
    assert any("main" in function_names(site) for site in result.sites(counts["pid"], kind))


def judge_verify(files):
    words = files.text("verify.out") + files.text("verify.err")
    found = re.search(r"^0 bytes of ([\d,]+) differ in 1 process", words, re.M)
    assert found and int(found.group(1).replace(",", "")) > 1 << 20, words
    assert "0 records were lost" in words, words
    assert files.text("verify.status").strip() == "0", words


def judge_service(files):
    """`daemon`: the leak stands in the textfile."""
    assert files.text("daemon.status").strip() == "0", files.text("daemon.err")
    families = promtext.parse(files.text("unfreed.prom"))
    assert promtext.value(families, "unfreed_process_leak_suspected", comm="leaky") == 1
    assert promtext.value(families, "unfreed_handles_open", comm="leaky", kind="zlib-inflate") > 1000


def judge_programs(files):
    """Every form of the BPF programs passed this verifier, and the links are those doctor promises."""
    words = files.text("load.out")
    assert files.text("load.status").strip() == "0", words + files.text("load.err")[-3000:]
    assert "helpers of Linux 5.8: loaded" in words, words
    if "uprobe_multi links" not in [name.strip() for name in files.missing()]:
        assert "uprobe_multi" in files.text("leak.links"), files.text("leak.links")
