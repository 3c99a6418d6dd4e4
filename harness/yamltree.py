# SPDX-License-Identifier: GPL-2.0-only
"""YAML as a tree of plain values in which every key and value knows its place in the file.

YAML 1.2 core schema: only true and false are booleans; on, off, yes, no and dates are text; 0o7 is octal.
Parsing is PyYAML's; it is stopped before it makes values, because those have no place any more. libyaml finds
the tokens of a file that is right; what is wrong with another one is told by PyYAML itself, whose words and
places are better.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import yaml
from yaml.composer import Composer

from harness.diagnostic import Diagnostic, Where

Loc = tuple[str | int, ...]
Plain: TypeAlias = "dict[str, Plain] | tuple[Plain, ...] | str | int | float | bool | None"
# Aliases can make a small file grow without bound.
MAX_NODES = 100_000
NULL, BOOL, INT, FLOAT, STR, SEQ, MAP = (
    f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float", "str", "seq", "map")
)
# YAML 1.2.2, 10.3.2.
CORE = (
    (NULL, re.compile(r"^(?:~|null|Null|NULL|)$")),
    (BOOL, re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$")),
    (INT, re.compile(r"^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$")),
    (FLOAT, re.compile(r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$")),
    (FLOAT, re.compile(r"^(?:[-+]?\.(?:inf|Inf|INF)|\.nan|\.NaN|\.NAN)$")),
)
# A key that begins a line, but not in its first column.
DEEPER = re.compile(r"( +)([\w-]+)$")
# What PyYAML says, and what it mostly means.
SYNTAX = (
    ("character '\\t' that cannot start", "a tab: YAML is indented with spaces"),
    (
        "mapping values are not allowed",
        "a second ': ' in one value: put the value in quotes, or begin a new line",
    ),
    ("expected <block end>", "this is indented differently from the lines that it belongs to"),
    ("could not find expected ':'", "a key without its ':' just before this place"),
    ("that cannot start any token", "a value cannot begin with this character: put the value in quotes"),
    ("unexpected end of stream", "a quote that is opened here is never closed"),
    ("expected '<document start>'", "nothing may follow here: a bracket too many?"),
    (
        "undefined alias",
        "no anchor (&name) before this alias (*name); text that begins with '*' needs quotes",
    ),
    ("another document", "a second document ('---'): a scenario is one document in one file"),
)


class CoreLoader(yaml.SafeLoader):
    """PyYAML without the YAML 1.1 rules for what a scalar is."""

    yaml_implicit_resolvers: dict[str | None, list[tuple[str, re.Pattern[str]]]] = {None: list(CORE)}  # noqa: RUF012


class FastLoader(Composer, yaml.CSafeLoader):
    """The same by libyaml, five times as fast; but its own composer overruns the stack in a deep file."""

    yaml_implicit_resolvers = CoreLoader.yaml_implicit_resolvers

    def __init__(self, stream: str) -> None:
        yaml.CSafeLoader.__init__(self, stream)
        Composer.__init__(self)


@dataclass
class Tree:
    """A parsed file."""

    file: Path
    lines: list[str]
    value: Plain = None
    # Where the value at a path begins, and where its key does.
    values: dict[Loc, Where] = field(default_factory=dict)
    keys: dict[Loc, Where] = field(default_factory=dict)
    faults: list[Diagnostic] = field(default_factory=list)
    # Paths of values that could not be made, which has been reported.
    broken: set[Loc] = field(default_factory=set)
    nodes: int = 0

    def where(self, loc: Loc) -> Where:
        """The place of a value, or of the nearest thing around it that has a place."""
        while loc and loc not in self.values:
            loc = loc[:-1]
        return self.values.get(loc, Where(self.file, 1, 1))

    def where_key(self, loc: Loc) -> Where:
        """The place of a value's key, or of the value if it has none."""
        return self.keys.get(loc) or self.where(loc)

    def existing(self, loc: Loc) -> Loc:
        """A path as the file has it: where `x` stands for the list `[x]`, there is no index 0."""
        found: Loc = ()
        for part in loc:
            if part != 0 or (*found, 0) in self.values or found not in self.values:
                found = (*found, part)
        return found

    def fault(self, where: Where, message: str) -> None:
        """Note that something is wrong."""
        source = self.lines[where.line - 1] if 0 < where.line <= len(self.lines) else ""
        self.faults.append(Diagnostic(where, message, source))

    def is_broken(self, loc: Loc) -> bool:
        """Whether a value, or something around it, could not be made."""
        return any(loc[:length] in self.broken for length in range(len(loc) + 1))

    def at(self, mark: yaml.Mark) -> Where:
        """PyYAML's place as ours."""
        return Where(self.file, mark.line + 1, mark.column + 1)


def parse(text: str, file: Path, loader: type[CoreLoader | FastLoader] = CoreLoader) -> Tree:
    """Parse a file's text; what is wrong with it as YAML is in the tree's faults."""
    tree = Tree(file, text.splitlines())
    try:
        node = yaml.compose(text, Loader=loader)
        if node is not None:
            tree.value = build(tree, node, (), frozenset())
    except yaml.MarkedYAMLError as error:
        report_syntax(tree, error)
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        where = Where(file, before.count("\n") + 1, error.position - before.rfind("\n"))
        tree.fault(where, f"a control character (U+{int(error.character):04X}): only text may be here")
    except TooMuchError as error:
        tree.fault(error.where, f"aliases make this file larger than {MAX_NODES} values")
    except RecursionError:
        tree.fault(Where(file, 1, 1), "nested too deeply")
    return tree


class TooMuchError(Exception):
    """The tree grows too large."""

    def __init__(self, where: Where) -> None:
        super().__init__()
        self.where = where


def report_syntax(tree: Tree, error: yaml.MarkedYAMLError) -> None:
    """Say what PyYAML says, in words for somebody who does not know its insides."""
    problem = f"{error.problem or error.context}"
    mark, opened = error.problem_mark or error.context_mark, error.context_mark
    message = next((ours for theirs, ours in SYNTAX if theirs in problem), problem)
    flow = opened is not None and "flow" in f"{error.context}"
    if opened is not None and flow and "expected ','" in problem:
        kind = "}" if "mapping" in f"{error.context}" else "]"
        message = f"a ',' or the '{kind}' is missing: the bracket was opened in line {opened.line + 1}"
    if "unexpected end of stream" in problem:
        mark = opened
    if "mapping values" in problem and mark and (key := DEEPER.match(tree.lines[mark.line][: mark.column])):
        message = f"'{key[2]}:' is indented more than the key before it, and so part of its value"
        tree.fault(Where(tree.file, mark.line + 1, len(key[1]) + 1), message)
        return
    tree.fault(tree.at(mark) if mark else Where(tree.file, 1, 1), message)


def build(tree: Tree, node: yaml.Node, loc: Loc, above: frozenset[int]) -> Plain:
    """The plain value of a node, which is at the path loc and inside the nodes with the ids above."""
    where = tree.at(node.start_mark)
    tree.values[loc] = where
    tree.nodes += 1
    if tree.nodes > MAX_NODES:
        raise TooMuchError(where)
    if id(node) in above:
        tree.fault(where, "an alias inside of what it stands for")
        tree.broken.add(loc)
        return None
    inside = above | {id(node)}
    match node:
        case yaml.MappingNode(tag=tag) if tag == MAP:
            pairs = list(entries(tree, node, loc))
            return {key: build(tree, value, (*loc, key), inside) for key, value in pairs}
        case yaml.SequenceNode(tag=tag) if tag == SEQ:
            return tuple(build(tree, item, (*loc, index), inside) for index, item in enumerate(node.value))
        case yaml.ScalarNode() if node.tag in {NULL, BOOL, INT, FLOAT, STR}:
            return scalar(tree, node, loc)
    tree.fault(where, f"the tag '{node.tag.replace('tag:yaml.org,2002:', '!!')}': scenarios have none")
    tree.broken.add(loc)
    return None


def entries(tree: Tree, node: yaml.MappingNode, loc: Loc) -> Iterator[tuple[str, yaml.Node]]:
    """The keys and values of a mapping, without those whose key is wrong."""
    seen: dict[str, Where] = {}
    for key, value in node.value:
        where = tree.at(key.start_mark)
        if not isinstance(key, yaml.ScalarNode):
            tree.fault(where, "a key must be text, not a list or a mapping")
        elif key.value == "<<" and key.style is None:
            tree.fault(where, "'<<' merges nothing here (YAML 1.2): write the keys out")
        elif key.tag != STR:
            tree.fault(where, f"a key must be text: put it in quotes: '{key.value}'")
        elif key.value in seen:
            first = seen[key.value]
            place = f"column {first.column}" if first.line == where.line else f"line {first.line}"
            tree.fault(where, f"duplicate key '{key.value}': it is already in {place}")
        else:
            seen[key.value] = where
            tree.keys[(*loc, key.value)] = where
            yield key.value, value


def scalar(tree: Tree, node: yaml.ScalarNode, loc: Loc) -> str | int | float | bool | None:
    """The value of a scalar, by its tag."""
    text = str(node.value)
    try:
        match node.tag:
            case t if t == NULL:
                return None
            case t if t == BOOL:
                return text.lower() == "true"
            case t if t == INT:
                return int(text, 0) if text[:2] in {"0o", "0x"} else int(text)
            case t if t == FLOAT:
                return float(re.sub(r"\.(?=inf|nan)", "", text.lower()))
    except ValueError:  # an explicit tag (!!int x), or more digits than Python converts
        tree.fault(tree.at(node.start_mark), f"'{text[:40]}' is not a number")
        tree.broken.add(loc)
        return None
    return text
