"""YAML with positions: a document as plain values, and where each of them stands.

Safe by construction: only mappings, lists and scalars are built (no tags, so no objects), anchors and aliases are
refused (so nothing can be expanded), duplicate keys are errors, and size, depth and number of values are capped.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import yaml

MAX_BYTES = 512 * 1024
MAX_DEPTH = 24
MAX_VALUES = 20_000

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to put right. line, column: from 1; 0 where no line is to blame. text: what, and what to do."""

    line: int
    column: int
    text: str


@dataclass(slots=True)
class Source:
    """A parsed document. value: None when it could not be read at all. Positions are (line, column) from 1."""

    value: Any = None
    positions: dict[Path, tuple[int, int]] = field(default_factory=dict[Path, tuple[int, int]])
    key_positions: dict[Path, tuple[int, int]] = field(default_factory=dict[Path, tuple[int, int]])
    problems: list[Problem] = field(default_factory=list[Problem])

    def position(self, path: Path, *, key: bool = False) -> tuple[int, int]:
        """Where `path` stands, or else the nearest thing around it."""
        table = self.key_positions if key else self.positions
        if path in table:
            return table[path]
        while path:
            path = path[:-1]
            if path in self.positions:
                return self.positions[path]
        return (1, 1)


def read_yaml(text: str, typed: Callable[[Path], bool]) -> Source:
    """Parse `text`; problems are collected, never raised.

    typed(path): whether scalars below `path` get YAML 1.2 types (true, 5, 1.5); elsewhere every scalar stays the text
    that was written, so ``no``, ``9:30`` and ``0555`` mean what they look like. Empty, ``~`` and ``null`` are None.
    """
    source = Source()
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        source.problems.append(Problem(0, 0, f"the file is larger than {MAX_BYTES // 1024} KiB: make it smaller"))
        return source
    try:
        _refuse_tricks(text)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except _RefusedError as refused:
        source.problems.append(refused.problem)
        return source
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = " ".join(str(error.problem or error.context or "is not YAML").split())
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        source.problems.append(Problem(line, column, f"this is not valid YAML ({what}): check indentation and quotes"))
        return source
    except yaml.YAMLError as error:
        source.problems.append(Problem(1, 1, _unreadable(error)))
        return source
    except (RecursionError, ValueError, OverflowError):
        source.problems.append(Problem(1, 1, "this is not readable YAML: check indentation and quotes"))
        return source
    if node is not None:
        source.value = _Builder(source, typed).build(node, ())
    return source


def _unreadable(error: yaml.YAMLError) -> str:
    position = getattr(error, "position", None)
    where = f" at character {position + 1}" if isinstance(position, int) else ""
    return f"the file holds a character that YAML does not allow{where}: remove it"


class _RefusedError(Exception):
    def __init__(self, event: yaml.Event, text: str) -> None:
        super().__init__(text)
        mark = event.start_mark
        self.problem = Problem(mark.line + 1, mark.column + 1, text) if mark else Problem(1, 1, text)


def _refuse_tricks(text: str) -> None:
    """Before anything is built: no aliases, anchors, tags or second documents; bounded depth and count."""
    depth = documents = 0
    for count, event in enumerate(yaml.parse(text, Loader=yaml.SafeLoader), start=1):
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise _RefusedError(event, "a second document begins here: keep one business in a file")
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise _RefusedError(event, "anchors (&) and aliases (*) are not allowed: write the value out, or quote it")
        if getattr(event, "tag", None) is not None:
            raise _RefusedError(event, "tags (!) are not allowed: remove it, or quote the value")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            raise _RefusedError(event, f"nested deeper than {MAX_DEPTH} levels: make it flatter")
        if count > MAX_VALUES:
            raise _RefusedError(event, f"more than {MAX_VALUES} values: move text into knowledge documents")


_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?[0-9]{1,15}")
_FLOAT = re.compile(r"[-+]?(?:[0-9]{1,15}\.[0-9]{0,15}|\.[0-9]{1,15}|[0-9]{1,15})(?:[eE][-+]?[0-9]{1,2})?")


class _Builder:
    def __init__(self, source: Source, typed: Callable[[Path], bool]) -> None:
        self._source = source
        self._typed = typed

    def build(self, node: yaml.Node, path: Path) -> Any:
        self._source.positions[path] = _at(node)
        match node:
            case yaml.MappingNode():
                return self._mapping(node, path)
            case yaml.SequenceNode():
                items = cast("list[yaml.Node]", node.value)
                return [self.build(item, (*path, index)) for index, item in enumerate(items)]
            case _:
                return self._scalar(node, path)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in cast("list[tuple[yaml.Node, yaml.Node]]", node.value):
            line, column = _at(key_node)
            if not isinstance(key_node, yaml.ScalarNode):
                self._source.problems.append(
                    Problem(line, column, "a key must be plain text: quote it if it holds { or [")
                )
                continue
            key = str(cast("object", key_node.value))
            here = (*path, key)
            if key in result:
                first = self._source.key_positions[here][0]
                text = f"`{_shown(key)}` is here a second time (first on line {first}): remove one"
                self._source.problems.append(Problem(line, column, text))
                continue
            self._source.key_positions[here] = (line, column)
            result[key] = self.build(value_node, here)
        return result

    def _scalar(self, node: yaml.Node, path: Path) -> Any:
        text = str(cast("object", node.value))
        if getattr(node, "style", None) is not None:
            return text
        if text in _NULLS:
            return None
        if not self._typed(path):
            return text
        if text in _BOOLS:
            return _BOOLS[text]
        if _INT.fullmatch(text):
            return int(text)
        return float(text) if _FLOAT.fullmatch(text) else text


def _shown(key: str) -> str:
    return key if len(key) <= 40 else key[:39] + "…"


def _at(node: yaml.Node) -> tuple[int, int]:
    mark = node.start_mark
    return (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
