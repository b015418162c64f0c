"""JSON Schemas written by others, made safe to run beside calls. Pure.

A schema can fetch URLs (``$ref``), take exponential time (``$ref`` chains, ``pattern``, ``uniqueItems``) or never end.
So references are put in place once, when the schema is taken, within a budget; and only keywords that cost little are
checked here. Patterns stay in what the model reads, and are the endpoint's to check.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import jsonschema

from aivoice.tools.errors import ToolShapeError

MAX_NODES, MAX_DEPTH = 500, 16
_VALUES = frozenset(
    ("type", "required", "enum", "const", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minLength",
     "maxLength", "minItems", "maxItems", "minProperties", "maxProperties")
)  # fmt: skip
_ONE = frozenset(("items", "additionalProperties", "not"))
_LISTS = frozenset(("anyOf", "allOf", "oneOf", "prefixItems"))


def checkable(schema: Mapping[str, Any], what: str) -> dict[str, Any]:
    """The part of a schema that is checked here, without references. what: its name, for errors.

    Raises ToolShapeError: no valid JSON Schema (2020-12), a reference that leaves the document or never ends, or more
    than `MAX_NODES` nodes.
    """
    whole = dict(schema)
    try:
        jsonschema.Draft202012Validator.check_schema(whole)
        return cast("dict[str, Any]", _Taker(whole, what).take(whole, 0))
    except jsonschema.SchemaError as error:
        where = ".".join(str(part) for part in error.absolute_path) or "its top"
        raise ToolShapeError(f"{what}: this is no valid JSON Schema (at {where[:100]})") from None
    except RecursionError:
        raise ToolShapeError(f"{what}: this JSON Schema is nested too deep") from None


def misfits(checked: Mapping[str, Any], value: Any) -> list[str]:
    """Names of the members that `value` has wrong, at most 10; never values. checked: what `checkable` gave."""
    validator = jsonschema.Draft202012Validator(dict(checked))
    names: set[str] = set()
    try:
        for error in validator.iter_errors(value):  # pyright: ignore[reportUnknownMemberType]
            names.add((".".join(str(part) for part in error.absolute_path) or str(error.validator))[:100])
            if len(names) >= 10:
                break
    except (RecursionError, ArithmeticError):
        names.add("too deep")
    return sorted(names)


class _Taker:
    def __init__(self, whole: dict[str, Any], what: str) -> None:
        self._whole, self._what, self._nodes = whole, what, 0

    def take(self, schema: object, depth: int) -> object:
        if isinstance(schema, bool):
            return schema
        self._nodes += 1
        if self._nodes > MAX_NODES or depth > MAX_DEPTH:
            raise ToolShapeError(f"{self._what}: this JSON Schema is too large: make it flatter")
        given = cast("dict[str, Any]", schema)
        taken: dict[str, Any] = {key: value for key, value in given.items() if key in _VALUES}
        for key in given.keys() & {"$dynamicRef", "$recursiveRef"}:
            raise ToolShapeError(f"{self._what}: {key} is not supported")
        for key in given.keys() & _ONE:
            taken[key] = self.take(given[key], depth + 1)
        for key in given.keys() & _LISTS:
            taken[key] = [self.take(each, depth + 1) for each in given[key]]
        if "properties" in given:
            taken["properties"] = {name: self.take(each, depth + 1) for name, each in given["properties"].items()}
        if "patternProperties" in given:
            taken.pop("additionalProperties", None)  # what a pattern would have let through is not to be refused
        if "$ref" in given:
            target = self.take(self._target(given["$ref"]), depth + 1)
            return {"allOf": [taken, target]} if taken else target
        return taken

    def _target(self, reference: str) -> object:
        found: Any = self._whole
        if not reference.startswith("#/"):
            raise ToolShapeError(f"{self._what}: a $ref must begin with #/ (nothing is fetched)")
        for part in reference[2:].split("/"):
            name = part.replace("~1", "/").replace("~0", "~")
            found = cast("dict[str, Any]", found).get(name) if isinstance(found, dict) else None
        if isinstance(found, dict | bool):
            return cast("dict[str, Any] | bool", found)
        raise ToolShapeError(f"{self._what}: a $ref leads nowhere")
