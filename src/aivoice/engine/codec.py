"""Events, commands and configurations as JSON values, and back, without a table to keep in step.

Any frozen dataclass of simple values works: strings, numbers, booleans, None, tuples, dictionaries with string keys,
and such dataclasses. Fields at their default are left out, so a new field with a default does not break old files.
`decode(cls, encode(value)) == value`, floats and tuples included. Union members are told apart by class name.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import Any, Literal, Union, cast, get_args, get_origin, get_type_hints

from aivoice.core import commands, events
from aivoice.errors import InputError

Json = Any
"""What `json` reads and writes."""
Decoder = Callable[[Json], Any]

EVENTS: dict[str, type[Any]] = {cls.__name__: cls for cls in get_args(events.Event)}
COMMANDS: dict[str, type[Any]] = {cls.__name__: cls for cls in get_args(commands.Command)}


class CodecError(InputError):
    """A value does not have the shape of its type; the message names class and field, never the value."""

    code, stage = "journal_invalid", "journal"


def encode(value: Any) -> Json:
    """The JSON value of `value`; of a dataclass an object without its name (the reader knows the type)."""
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if isinstance(value, (tuple, list)):
        return [encode(item) for item in cast("tuple[Any, ...]", value)]
    if isinstance(value, dict):
        return {key: encode(item) for key, item in cast("dict[str, Any]", value).items()}
    encoded: dict[str, Json] = {}
    for name, default in _layout(cast("type[Any]", type(value))):
        item = getattr(value, name)
        if default is MISSING or (item is not default and item != default):
            encoded[name] = encode(item)
    return encoded


@cache
def _layout(cls: type[Any]) -> tuple[tuple[str, Any], ...]:
    if not is_dataclass(cls):
        raise TypeError(f"{cls.__name__} is neither a simple value nor a dataclass")
    layout: list[tuple[str, Any]] = []
    for field in fields(cls):
        default = field.default_factory() if field.default_factory is not MISSING else field.default
        layout.append((field.name, default))
    return tuple(layout)


def decode(cls: type[Any], value: Json) -> Any:
    """The `cls` that `value` encodes. Raises CodecError; unknown fields are ignored (a newer writer)."""
    return decoder(cls)(value)


@cache
def decoder(annotation: Any) -> Decoder:
    """A function from JSON to a value of `annotation`."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation is Any:
        return _identity
    if origin is Literal:
        return _literal(arguments)
    if origin in (Union, types.UnionType):
        return _optional(arguments)
    if origin is tuple:
        return _tuple(arguments)
    if origin is dict:
        return _mapping(decoder(arguments[1]))
    if is_dataclass(annotation):
        return _record(cast("type[Any]", annotation))
    if annotation in (str, bool, int, float):
        return _simple(annotation)
    raise TypeError(f"{annotation} cannot be decoded: use simple values, tuples, dictionaries and dataclasses")


def _identity(value: Json) -> Any:
    return value


def _simple(kind: type[Any]) -> Decoder:
    def read(value: Json) -> Any:
        if type(value) is kind:
            return value
        if kind is float and type(value) is int:
            return float(value)
        raise CodecError(f"expected {kind.__name__}, found {type(value).__name__}")

    return read


def _literal(allowed: tuple[Any, ...]) -> Decoder:
    def read(value: Json) -> Any:
        if value not in allowed:
            raise CodecError(f"expected one of {', '.join(map(str, allowed))}")
        return value

    return read


def _optional(arguments: tuple[Any, ...]) -> Decoder:
    kinds = [argument for argument in arguments if argument is not type(None)]
    if len(kinds) != 1:
        raise TypeError("only unions of one type with None can be decoded")
    inner = decoder(kinds[0])
    return lambda value: None if value is None else inner(value)


def _tuple(arguments: tuple[Any, ...]) -> Decoder:
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        item = decoder(arguments[0])
        return lambda value: tuple(item(part) for part in _list(value))
    parts = [decoder(argument) for argument in arguments]

    def read(value: Json) -> Any:
        found = _list(value)
        if len(found) != len(parts):
            raise CodecError(f"expected {len(parts)} items, found {len(found)}")
        return tuple(part(item) for part, item in zip(parts, found, strict=True))

    return read


def _list(value: Json) -> list[Json]:
    if not isinstance(value, list):
        raise CodecError(f"expected a list, found {type(value).__name__}")
    return cast("list[Json]", value)


def _mapping(item: Decoder) -> Decoder:
    def read(value: Json) -> Any:
        if not isinstance(value, dict):
            raise CodecError(f"expected an object, found {type(value).__name__}")
        return {key: item(part) for key, part in cast("dict[str, Json]", value).items()}

    return read


def _record(cls: type[Any]) -> Decoder:
    hints = get_type_hints(cls)
    readers: dict[str, Decoder] = {}

    def read(value: Json) -> Any:
        if not isinstance(value, dict):
            raise CodecError(f"{cls.__name__}: expected an object, found {type(value).__name__}")
        if not readers:
            readers.update((name, decoder(hints[name])) for name, _ in _layout(cls))
        arguments: dict[str, Any] = {}
        for name, part in cast("dict[str, Json]", value).items():
            if name in readers:
                try:
                    arguments[name] = readers[name](part)
                except CodecError as error:
                    raise CodecError(f"{cls.__name__}.{name}: {error}") from None
        try:
            return cls(**arguments)
        except TypeError as error:
            raise CodecError(f"{cls.__name__}: {error}") from None

    return read
