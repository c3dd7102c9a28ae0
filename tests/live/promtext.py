# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""A strict reader of a Prometheus textfile, as node_exporter's textfile collector wants it."""

import re

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"'
SAMPLE = re.compile(rf"({NAME})(?:\{{((?:{LABEL},?)*)\}})? (\S+)")
TYPES = {"gauge", "counter"}


class Family:
    def __init__(self, name, help_text):
        self.name = name
        self.help = help_text
        self.type = None
        self.samples = []	# (labels, value)


def unescape(text):
    return re.sub(r"\\(.)", lambda m: {"n": "\n"}.get(m.group(1), m.group(1)), text)


def parse(text):
    """The text of a .prom file -> {family name: Family}. Asserts all that the collector would not
    forgive: a timestamp, a sample outside of its family, a family in two pieces, a label twice."""
    assert text.endswith("\n")
    families, current = {}, None
    for line in text[:-1].split("\n"):
        if match := re.fullmatch(rf"# HELP ({NAME}) (.+)", line):
            assert match.group(1) not in families, f"{match.group(1)} in two pieces"
            current = families[match.group(1)] = Family(match.group(1), match.group(2))
        elif match := re.fullmatch(rf"# TYPE ({NAME}) (\w+)", line):
            assert current and current.name == match.group(1) and not current.type, line
            assert match.group(2) in TYPES, line
            current.type = match.group(2)
        else:
            match = SAMPLE.fullmatch(line)
            assert match, f"not a sample: {line!r}"
            assert current and current.type and match.group(1) == current.name, line
            pairs = [(m.group(1), unescape(m.group(2)))
                     for m in re.finditer(LABEL, match.group(2) or "")]
            labels = dict(pairs)
            assert len(labels) == len(pairs), f"a label twice: {line}"
            assert all(labels != other for other, _ in current.samples), f"twice: {line}"
            current.samples.append((labels, float(match.group(5))))
    for family in families.values():
        assert family.type, f"{family.name} has no TYPE"
        assert family.name.startswith("unfreed_"), family.name
        assert family.name.endswith("_total") == (family.type == "counter"), family.name
    return families


def value(families, name, **labels):
    """The one sample with these labels (it may have more), or None."""
    found = [v for have, v in getattr(families.get(name), "samples", [])
             if all(have.get(k) == want for k, want in labels.items())]
    assert len(found) <= 1, f"{name}{labels}: {found}"
    return found[0] if found else None
