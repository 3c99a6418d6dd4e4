# SPDX-License-Identifier: GPL-2.0-only
"""The manual page of the scenario language, made of the models; docs/language.md is what it says."""

from collections.abc import Iterable, Iterator, Mapping

from harness import layout
from harness.actions import Fault, Measure
from harness.faultrules import WHY
from harness.faults import FAULTS, Word
from harness.kinds import DEFAULT_MODULES, KINDS, UNPRIVILEGED, Carrier, Kind
from harness.record import PROMISES, Property
from harness.releases import RANGE, VERSION
from harness.report import MEANING
from harness.result import CHECKS
from harness.scalars import FD_NAME, MODULE_CHANGE, PROGRAM, TAG, UNITS, VARIABLE
from harness.schema import DEFS, Schema, definitions, purpose
from harness.topics import (
    BEGIN,
    BESIDE,
    BROKEN,
    FIRST,
    HEAD,
    LOADED,
    PROMISED,
    REFUSED,
    REPEAT,
    SEEN,
    TEMPLATE,
    TOPICS,
    VALUES,
)
from harness.verbs import VERBS, Verb
from harness.verdict import EXIT_CODES, EXIT_ERROR, EXIT_INTERRUPTED, EXIT_USAGE, Verdict

# The words of VALUES by the patterns that the schema has for them.
LOOKS: Mapping[str, str] = {
    FD_NAME: "name",
    MODULE_CHANGE: "module",
    TAG: "tag",
    VARIABLE: "variable",
    VERSION: "version",
    RANGE: "range",
    PROGRAM: "program",
}
# Mappings that stand in the header, and those that stand in steps.
IN_HEADER = ("Boot", "Requires", "Allowed", "Xfail")
IN_STEPS = ("Fill", "Span", "Write", "Output")


def manual() -> str:
    """The whole page, as Markdown."""
    defs = definitions()
    parts = [HEAD, *example(), *header(defs), VALUES, *steps(defs)]
    parts += [*kinds(), *promises(), SEEN, *checks(), *verdicts()]
    return "\n".join(parts)


def example() -> Iterator[str]:
    """A whole scenario, and what can be done with it."""
    text = TEMPLATE.read_text(encoding="utf-8")
    yield "## A whole scenario\n"
    yield f"```yaml\n{text[text.index(FIRST) :]}```\n{BEGIN}"


def header(defs: Mapping[str, Schema]) -> Iterator[str]:
    """The keys of the file, and those of the mappings in it."""
    yield "## The file\n"
    steps_key = {"description": "What is done, in order: see [steps](#steps).", "type": "array", "items": {}}
    whole = defs["Header"]
    properties = whole["properties"] | {"steps": steps_key}
    yield keys({**whole, "properties": properties, "required": [*whole["required"], "steps"]})
    yield from (mapping(name, defs) for name in IN_HEADER)


def steps(defs: Mapping[str, Schema]) -> Iterator[str]:
    """Every verb, by topic, and what may stand beside one."""
    yield "## Steps\n"
    yield "A step is a verb with its arguments. Beside the verb, on lines of their own, may stand:\n"
    yield keys(defs["Modifiers"])
    users = ", ".join(f"`{name}` (user {uid})" for name, uid in UNPRIVILEGED.items())
    yield f"{BESIDE}Processes that are not root's: {users}.\n"
    for topic, examples in TOPICS.items():
        yield f"### {topic}\n"
        for word, example in examples.items():
            if word == REPEAT:
                yield entry(word, f"{defs['Repeat']['description']}\n", example, defs["Repeat"])
            else:
                verb = VERBS[word]
                yield entry(word, about(verb), example, defs[verb.kind.__name__])
    yield "### Mappings in steps\n"
    yield from (mapping(name, defs) for name in IN_STEPS)
    yield "### Words for `fault`\n"
    yield BROKEN
    yield from (breakage(word, FAULTS[word], defs[FAULTS[word].kind.__name__]) for word in FAULTS)
    yield f"### Faults that are refused\n\n{REFUSED}"
    yield table(("what is said", "why"), ((said.format(word="WORD"), why) for said, why in WHY.items()))
    yield "### Fields for `damage`\n"
    yield "The checksum of what has one is made right again, unless `checksum: stale`.\n"
    fields = {
        part: [*own, *(layout.HEAD if part in layout.BLOBS else ())] for part, own in layout.OWN.items()
    }
    yield table(("part", "fields"), ((f"`{part}`", code(names)) for part, names in fields.items()))


def entry(word: str, text: str, example: str, model: Schema) -> str:
    """The manual of one verb."""
    return f"#### `{word}`\n\n{text}\n    - {example}\n\n{keys(model)}"


def breakage(name: str, word: Word, model: Schema) -> str:
    """The manual of one word that `fault` knows."""
    short = f" A value alone is its `{word.short}`." if word.short else ""
    place = {
        (True, True): "A step of its own, or beside a verb.",
        (True, False): "Only a step of its own.",
        (False, True): "Only beside a verb.",
    }[word.alone, word.beside]
    properties = keys(model) if model.get("properties") else ""
    first, *more = model["description"].split("\n\n")
    text = "\n\n".join([f"`{name}`: {first}{short} {place}", *more])
    return f"#### {word.kind.__name__}\n\n{text}\n\n{properties}"


def about(verb: Verb) -> str:
    """What a verb does, what it is on each carrier, and what may stand beside it."""
    lines = [purpose(verb)]
    if verb.short:
        lines[0] += f" A value alone is its `{verb.short}`."
    means = {carrier: verb.means.get(carrier, f"not there; {verb.instead}") for carrier in Carrier}
    if len(set(means.values())) == 1:
        lines += [f"That is {next(iter(means.values()))}."]
    else:
        lines += [f"On {carrier}: {text}." for carrier, text in means.items()]
    refusable = [carrier for carrier in verb.means if carrier in verb.refusable]
    on = f" on {', '.join(refusable)}" if set(refusable) != set(Carrier) else ""
    beside = [f"`expect`{on}"] if refusable else []
    beside += ["`as`"] if verb.by_process else []
    beside += ["`fault`"] if verb.kind not in {Fault, Measure} else []
    lines += [f"Beside it: {', '.join(beside)}."] if beside else ["Nothing stands beside it."]
    return "  \n".join(lines) + "\n"


def mapping(name: str, defs: Mapping[str, Schema]) -> str:
    """The keys of a mapping that stands within others."""
    return f"#### {name}\n\n{defs[name]['description']}\n\n{keys(defs[name])}"


def keys(model: Schema) -> str:
    """A table of the keys of a mapping."""
    required = model.get("required", ())
    return table(
        ("key", "value", "if left out", ""),
        (
            (f"`{key}`", looks(one), "(required)" if key in required else default(one), one["description"])
            for key, one in model["properties"].items()
        ),
    )


def looks(value: Schema) -> str:
    """What a value looks like, in the words of VALUES."""
    if "title" in value:
        return str(value["title"])
    match value:
        case {"$ref": str(name)}:
            return reference(name.removeprefix(DEFS))
        case {"anyOf": [single, {"type": "array", "items": items}]} if single == items:
            return f"{looks(single)}, or a list"
        case {"anyOf": choices}:
            return " or ".join(map(looks, choices))
        case {"enum": words}:
            return code(words)
        case {"const": word}:
            return code([word])
        case {"type": "array", "items": items}:
            return f"list of {looks(items)}" if items else "list"
        case {"type": "integer"}:
            return f"whole number{limits(value)}"
        case {"type": "boolean"}:
            return "`true` or `false`"
        case {"type": "string", "pattern": pattern}:
            return LOOKS[pattern]
        case {"type": "string"}:
            return "text"
        case {"type": "object"}:
            return "mapping"
    return "anything"


def reference(name: str) -> str:
    """What stands for another definition."""
    if name == "Step":
        return "step"
    if name in {"Carrier", "Kind"}:
        return code({"Carrier": Carrier, "Kind": Kind}[name])
    return f"[{name}](#{name.lower()})"


def limits(value: Schema) -> str:
    """The range of a whole number, in words."""
    low, high = value.get("minimum"), value.get("maximum")
    high = value["exclusiveMaximum"] - 1 if "exclusiveMaximum" in value else high
    if high is None:
        return "" if low is None else f", at least {low}"
    said = f"2^{(high + 1).bit_length() - 1} - 1" if high > 1 << 31 and high & (high + 1) == 0 else f"{high}"
    return f", {low or 0} to {said}"


def default(value: Schema) -> str:
    """What a key is if it is left out."""
    match value.get("default"):
        case None:
            return ""
        case bool(truth):
            return f"`{str(truth).lower()}`"
        case list(several):
            return code(several)
        case int(size) if value.get("title") == "size" and size:
            unit = max((unit for unit in UNITS if size % UNITS[unit] == 0), key=lambda unit: UNITS[unit])
            return f"`{size // UNITS[unit]}{unit}`"
        case other:
            return f"`{other}`"


def kinds() -> Iterator[str]:
    """What can be opened."""
    yield "## Kinds of files\n"
    yield LOADED.format(code(DEFAULT_MODULES))
    rows = (
        (
            f"`{kind}`",
            facts.about,
            code(facts.needs),
            code(facts.takes),
            code(facts.flags),
            code(facts.modules),
        )
        for kind, facts in KINDS.items()
    )
    yield table(("kind", "", "needs", "takes", "flags", "modules"), rows)


def promises() -> Iterator[str]:
    """What each carrier promises to keep of each kind."""
    yield "## What is promised\n"
    yield PROMISED
    kept = list(dict.fromkeys(PROMISES))
    properties = [name for name in Property if any(name in PROMISES[pair] for pair in kept)]
    rows = [("contents, in the same page frames", *(mark(KINDS[kind].memory) for kind, _ in kept))]
    rows += [(name, *(mark(name in PROMISES[pair]) for pair in kept)) for name in properties]
    yield table(("", *(f"{kind} on {carrier}" for kind, carrier in kept)), rows)


def checks() -> Iterator[str]:
    """What judges a run."""
    yield "## Checks\n"
    yield (
        "Each judges by itself, and none can be turned off: a scenario that one is not to judge says why. "
        "[More about them](oracles.md).\n"
    )
    yield table(("check", "what it looks at"), CHECKS.items())


def verdicts() -> Iterator[str]:
    """What a run can come to."""
    yield "## Verdicts\n"
    rows = [(f"{verdict}", MEANING[verdict], f"{code}") for verdict, code in EXIT_CODES.items()]
    rows += [("", "the command line or a scenario is wrong", f"{EXIT_USAGE}")]
    rows += [("", "the run was interrupted", f"{EXIT_INTERRUPTED}")]
    yield table(("verdict", "what it means", "exit code"), rows)
    yield (
        f"\nOf several cases: {EXIT_CODES[Verdict.FAIL]} if there is one, else {EXIT_ERROR} if there is one, "
        f"else {EXIT_CODES[Verdict.PASS]}. Where every case is skipped nothing was tested: {EXIT_ERROR}.\n"
    )


def mark(is_so: bool) -> str:
    """A cell of a table that says yes or nothing."""
    return "x" if is_so else ""


def code(words: Iterable[object]) -> str:
    """Words as they are written in a file."""
    return ", ".join(f"`{word}`" for word in words)


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table in Markdown."""
    titles = tuple(head)
    lines = [titles, ["---"] * len(titles), *rows]
    cells = ([cell.replace("|", r"\|") for cell in line] for line in lines)
    return "".join(f"| {' | '.join(line)} |\n" for line in cells)
