# SPDX-License-Identifier: GPL-2.0-only
"""The result of a benchmark as Markdown, JSON and, for the curves, SVG."""

import json
import math
import os
import platform
import re
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.bench.curves import NUMBERS
from harness.bench.sample import Measured, Series
from harness.bench.targets import TARGETS
from harness.scalars import parse_size

POINT = re.compile(r"^(size|count)\[(\w+),(\w+)\] (\w+)$")
WIDTH, HEIGHT, LEFT, BOTTOM = 420, 260, 60, 40
# The curves, and what their x axis is.
UNITS = {"size": "size", "count": "fds"}
# Letters of the reason why there is no figure.
REASON = 300
COLOURS = ("#0969da", "#1a7f37", "#9a6700", "#8250df", "#cf222e")


def host(accelerator: str, qemu: str) -> dict[str, str]:
    """The machine that it was measured on."""
    model = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return {
        "processor": model[1] if model else platform.processor(),
        "cores": f"{os.cpu_count()}",
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') >> 20} MiB",
        "kernel of the host": platform.release(),
        "QEMU": qemu,
        "accelerator": accelerator,
        "load before": f"{os.getloadavg()[0]:.1f}",
    }


def as_json(about: Mapping[str, str], found: Measured) -> str:
    """Everything, for programs."""
    values = {one.name: {"median": one.median, "values": one.values} for one in found.series}
    whole = {"format": 1, "host": about, "series": values, "absent": found.absent, "undone": found.undone}
    return json.dumps(whole, indent=1) + "\n"


def markdown(about: Mapping[str, str], found: Measured) -> str:
    """Everything, for people."""
    series = found.series
    lines = ["| machine | |", "| --- | --- |", *(f"| {name} | {text} |" for name, text in about.items())]
    lines += ["", *targets({one.name: one.median for one in series}), ""]
    lines += ["| seconds | runs | median | least | most |", "| --- | --- | --- | --- | --- |"]
    for one in series:
        if not POINT.match(one.name):
            least, most = one.spread
            lines.append(f"| {one.name} | {len(one.values)} | {one.median:.3f} | {least:.3f} | {most:.3f} |")
    for kind, unit in UNITS.items():
        lines += ["", *curve(kind, unit, series), ""]
    for words, reasons in (("not measured", found.absent), ("did not do its work", found.undone)):
        lines += [f"- {name}: {words}: {brief(why)}" for name, why in reasons.items()]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip("\n") + "\n"


def brief(why: str) -> str:
    """A reason in one line, without the folder of who measured."""
    return textwrap.shorten(why.replace(str(Path.home()), "~"), REASON, placeholder=" ...")


def targets(medians: Mapping[str, float]) -> list[str]:
    """What was promised, and what came of it."""
    lines = ["| target | at most | measured | |", "| --- | --- | --- | --- |"]
    for target in TARGETS:
        seen = target.seen(medians)
        verdict = "not measured" if seen is None else "met" if seen <= target.most else "**not met**"
        lines.append(
            f"| {target.what} | {target.most} | {'' if seen is None else f'{seen:.2f}'} | {verdict} |"
        )
    return lines


def points(kind: str, series: Sequence[Series]) -> dict[tuple[str, str], list[tuple[float, str, float]]]:
    """The curves of a scenario by carrier and number: x, its name, and the median at it."""
    found: dict[tuple[str, str], list[tuple[float, str, float]]] = {}
    for one in series:
        match = POINT.match(one.name)
        if match and match[1] == kind:
            x = parse_size(match[3]) if kind == "size" else int(match[3])
            found.setdefault((match[2], match[4]), []).append((float(x), match[3], one.median))
    return {key: sorted(values) for key, values in found.items()}


def curve(kind: str, unit: str, series: Sequence[Series]) -> list[str]:
    """A table of the curves of a scenario: a cost that grows faster than the work shows along a line."""
    found = points(kind, series)
    if not found:
        return []
    names = [name for _, name, _ in max(found.values(), key=len)]
    lines = [f"| {unit} | {' | '.join(names)} |", "| --- |" + " --- |" * len(names)]
    for (carrier, number), values in found.items():
        by_name = {name: seconds for _, name, seconds in values}
        cells = (f"{by_name[name]:.4f}" if name in by_name else "" for name in names)
        lines.append(f"| {number} on {carrier}, s | {' | '.join(cells)} |")
    return [*lines, "", f"![seconds by {unit}]({plot(kind)})"]


def plot(kind: str) -> str:
    """The name of the file that a curve is drawn into, beside the page."""
    return f"performance-{kind}.svg"


def svg(kind: str, series: Sequence[Series]) -> str:
    """The curves of a scenario, both axes logarithmic: what grows as the work does goes up as it does."""
    found = points(kind, series)
    every = [value for values in found.values() for value in values if value[2] > 0]
    if not every:
        return ""
    xs = sorted({(x, name) for x, name, _ in every})
    low, high = (
        math.floor(math.log10(min(y for _, _, y in every))),
        math.ceil(math.log10(max(y for _, _, y in every))),
    )
    first, last = math.log10(xs[0][0]), math.log10(xs[-1][0])

    def place(x: float, y: float) -> str:
        across = (math.log10(x) - first) / max(last - first, 1e-9)
        up = (math.log10(y) - low) / max(high - low, 1)
        return (
            f"{LEFT + across * (WIDTH - LEFT - 10):.1f},{HEIGHT - BOTTOM - up * (HEIGHT - BOTTOM - 10):.1f}"
        )

    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH + 130} {HEIGHT}" font-size="11">']
    parts.append("<!-- SPDX-License-Identifier: GPL-2.0-only -->")
    parts.append(f'<rect width="{WIDTH + 130}" height="{HEIGHT}" fill="#ffffff"/>')
    for power in range(low, high + 1):
        x, y = place(xs[0][0], 10.0**power).split(",")
        parts.append(f'<text x="{LEFT - 6}" y="{y}" text-anchor="end">{10.0**power:g} s</text>')
        parts.append(f'<path d="M{x},{y}H{WIDTH - 10}" stroke="#d1d9e0"/>')
    for value, name in xs:
        x, _ = place(value, 10.0**low).split(",")
        parts.append(f'<text x="{x}" y="{HEIGHT - 20}" text-anchor="middle">{name}</text>')
    for index, ((carrier, number), values) in enumerate(found.items()):
        colour = COLOURS[NUMBERS.index(number)]
        dash = "" if carrier == "fdbox" else ' stroke-dasharray="4 3"'
        path = " ".join(place(x, y) for x, _, y in values if y > 0)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}"{dash}/>')
        parts.append(f'<text x="{WIDTH}" y="{16 + 14 * index}" fill="{colour}">{number} on {carrier}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"
