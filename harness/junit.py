# SPDX-License-Identifier: GPL-2.0-only
"""Results as JUnit XML, in the shape of Jenkins's junit-10.xsd and within GitLab's limits.

GitLab takes 30 MB a file, 250,000 objects of XML, texts of less than 10 MB, and of two cases with the same
class and name only the first. That is why properties are the suite's: for each case they would be most of
the objects, and Jenkins's schema has them there.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from harness.digest import Digest
from harness.plaintext import clean, cut, one_line, short, unique
from harness.report import raw, reason
from harness.result import Outcome
from harness.verdict import Verdict

# Bytes of a file, with some left for what GitLab may count as MB; characters of a name, and of a message.
SIZE_MAX = 28_000_000
NAME_MAX = 250
MESSAGE_MAX = 1000
# What a case may say: as much as lets all of them fit.
TEXT_MAX = (65536, 16384, 4096, 1024, 256, 0)


def render(digest: Digest) -> str:
    """The whole report."""
    for limit in TEXT_MAX[:-1]:
        parts, size = [], 0
        for part in _document(digest, limit):
            parts.append(part)
            size += len(part.encode()) + 1
            if size > SIZE_MAX:
                break
        else:
            return "\n".join(parts)
    return "\n".join(_document(digest, TEXT_MAX[-1]))


def _document(digest: Digest, limit: int) -> Iterator[str]:
    """The report piece by piece; limit: characters of the text of a case."""
    files = digest.by_file()
    yield '<?xml version="1.0" encoding="utf-8"?>'
    yield f"<testsuites{attributes(name='live update', **_counts(digest.outcomes))}>"
    names = unique(name_of(_suite(file)) for file in files)
    for name, outcomes in zip(names, files.values(), strict=True):
        yield from _testsuite(name, outcomes, digest, limit)
    yield "</testsuites>\n"


def _suite(file: str) -> str:
    """A file's name for people: relative to where we are, if it is below."""
    path = Path(file)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else file


def _testsuite(name: str, outcomes: Sequence[Outcome], digest: Digest, limit: int) -> Iterator[str]:
    """The cases of one file."""
    counts = {**_counts(outcomes), "skipped": str(_elements(outcomes).count("skipped"))}
    stamp = {"timestamp": digest.started[:19]} if digest.started else {}
    yield f"<testsuite{attributes(name=name, **counts, **stamp)}>"
    yield "<properties>"
    folder = [("run directory", str(digest.path.parent))] if digest.path else []
    setting = dict.fromkeys(pair for outcome in outcomes for pair in outcome.setting if pair[0] != "carrier")
    for key, value in (*folder, *setting, *(("note", note) for note in digest.notes)):
        yield f"<property{attributes(name=key, value=one_line(value))}/>"
    yield "</properties>"
    cases = unique(name_of(outcome.case) for outcome in outcomes)
    for case, outcome in zip(cases, outcomes, strict=True):
        time = f"{outcome.seconds:.3f}"
        yield f"<testcase{attributes(classname=name, name=case, time=time)}>"
        yield from _result(outcome, limit)
        yield "</testcase>"
    yield "</testsuite>"


def _result(outcome: Outcome, limit: int) -> list[str]:
    """What is in a testcase: its report is the text of what went wrong, or of system-out if nothing did."""
    element = _element(outcome.verdict)
    text = escape(clean(cut(raw(outcome), limit))) if limit else ""
    output = [f"<system-out>{text}</system-out>"] if text else []
    if element is None:
        return output
    message = short(f"{outcome.verdict}: {reason(outcome)}", MESSAGE_MAX)
    what = f"{element}{attributes(type=str(outcome.verdict), message=message)}"
    if element == "skipped":
        return [f"<{what}>{escape(message)}</skipped>", *output]
    return [f"<{what}>{text or escape(message)}</{element}>", *_where(outcome)]


def _where(outcome: Outcome) -> list[str]:
    return (
        [f"<system-out>{escape(one_line(str(outcome.directory)))}</system-out>"] if outcome.directory else []
    )


def _element(verdict: Verdict) -> str | None:
    """The element for a verdict; None: a pass has none."""
    match verdict:
        case Verdict.PASS:
            return None
        case Verdict.SKIP | Verdict.XFAIL:
            return "skipped"
        case Verdict.ERROR:
            return "error"
        case _:
            return "failure"


def _elements(outcomes: Iterable[Outcome]) -> list[str | None]:
    return [_element(outcome.verdict) for outcome in outcomes]


def _counts(outcomes: Sequence[Outcome]) -> dict[str, str]:
    elements = _elements(outcomes)
    return {
        "tests": str(len(outcomes)),
        "failures": str(elements.count("failure")),
        "errors": str(elements.count("error")),
        "time": f"{sum(outcome.seconds for outcome in outcomes):.3f}",
    }


def attributes(**values: str) -> str:
    """The attributes of an element, as XML."""
    return "".join(f" {key}={quoteattr(value)}" for key, value in values.items())


def name_of(name: str) -> str:
    """A name as JUnit's readers take it."""
    return short(one_line(name), NAME_MAX) or "nameless"
