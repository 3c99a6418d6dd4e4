# SPDX-License-Identifier: GPL-2.0-only
"""What is promised, as ratios within one run: a slow host is slow for both."""

from collections.abc import Mapping
from dataclasses import dataclass

from harness.bench import overhead, runs

SHIPPED = "bare selftest as shipped"
NEHALEM = "bare selftest with our CPU model"
VNG = "virtme-ng to one command"
SUITE = "a sixth of the suite, workers: {}"
KMOD = "edit one line of kmod/fdbox, to verdict"
MM = "edit one line of mm/memfd_luo.c, to verdict"
# The 1 GiB of bench/size.yaml.
GIB = "size[{},1G] {}"


@dataclass(frozen=True)
class Target:
    """The sum of some numbers, in relation to another, or in seconds; at most so much."""

    what: str
    numerator: tuple[str, ...]
    denominator: str | None
    most: float

    def seen(self, medians: Mapping[str, float]) -> float | None:
        """What was measured; None if something was not."""
        if any(name not in medians for name in (*self.numerator, *filter(None, (self.denominator,)))):
            return None
        value = sum(medians[name] for name in self.numerator)
        return value / medians[self.denominator] if self.denominator else value


TARGETS = (
    Target("warm memfd case / bare selftest as shipped", (runs.WARM,), SHIPPED, 0.65),
    Target("cold memfd case / bare selftest as shipped", (runs.COLD,), SHIPPED, 1.2),
    Target("warm start to first SSH answer / virtme-ng to one command", (runs.WARM_START,), VNG, 0.05),
    Target("two workers / one worker, a sixth of the suite", (SUITE.format(2),), SUITE.format(1), 0.58),
    Target(f"{KMOD} (s)", (KMOD,), None, 8),
    Target(f"{MM} (s)", (MM,), None, 40),
    Target(
        "FDBox unseal + get of 1 GiB / LUO retrieve of the same",
        (GIB.format("fdbox", "unseal"), GIB.format("fdbox", "get")),
        GIB.format("luo", "get"),
        1.0,
    ),
    Target(f"{overhead.HELP} (s)", (overhead.HELP,), None, 0.15),
    Target(f"{overhead.COLLECT} (s)", (overhead.COLLECT,), None, 2),
    Target(f"{runs.OWN} (s)", (runs.OWN,), None, 0.4),
    Target(f"{overhead.NOTHING} (s)", (overhead.NOTHING,), None, 0.5),
)
