# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Every JDK of the machine, with no flag: the count and the native frames."""

import glob
import os

import pytest

from harness import PROGRAMS, assert_counts, assert_trusted, function_names

JDKS = sorted({os.path.realpath(p) for p in glob.glob("/usr/lib/jvm/*/bin/java")})
KINDS = {"gzip": "zlib-inflate", "deflater": "zlib-deflate"}

pytestmark = pytest.mark.skipif(not JDKS, reason="no JDK under /usr/lib/jvm")


def jdk_name(java):
    return java.split("/")[4]


def streams(lab, java, *argv):
    return lab.program(java, "-Xmx256m", "-cp", PROGRAMS / "java", "Streams", *argv)


@pytest.mark.parametrize("way", KINDS)
@pytest.mark.parametrize("java", JDKS, ids=jdk_name)
def test_leak(lab, java, way):
    counts, result = lab.observe(streams(lab, java, "--kind", way))
    kind = KINDS[way]
    assert_counts(result.kind(counts["pid"], kind), counts)
    assert_trusted(result)
    assert result.status == 3
    site = result.sites(counts["pid"], kind)[0]
    assert site["verdict"] == "leak"
    # The probe is in zlib itself, or, in a libzip.so without symbols, at its JNI entry.
    class_name = {"gzip": "Inflater", "deflater": "Deflater"}[way]
    names = function_names(site)
    entry = f"Java_java_util_zip_{class_name}_init"
    assert entry in names[:2], names
    assert site["stack"][names.index(entry)]["module"] == "libzip.so"


@pytest.mark.parametrize("way", KINDS)
@pytest.mark.parametrize("java", JDKS, ids=jdk_name)
def test_twin(lab, java, way):
    counts, result = lab.observe(streams(lab, java, "--kind", way, "--close"))
    assert_counts(result.kind(counts["pid"], KINDS[way]), counts)
    assert not [s for s in result.sites(counts["pid"], KINDS[way])
                if s["verdict"] in ("leak", "growth")]
    assert result.status == 0


@pytest.mark.parametrize("java", JDKS, ids=jdk_name)
def test_closed_by_the_collector(lab, java):
    """Dropped without end(): the Cleaner's thread closes them, and the report says so."""
    counts, result = lab.observe(streams(lab, java, "--kind", "dropped", "--count", 300))
    kind = result.kind(counts["pid"], "zlib-deflate")
    assert kind["opened"] == counts["opened"]
    assert kind["closed"] > 0
    assert kind["closed_by_collector"] == kind["closed"]
