"""A tool's JSON Schema as things to ask a caller for.

`shape_of(spec)` flattens the parameters into `Field`s (nested objects by path) and says what each one is in a
caller's terms: a day, a name, a number from 1 to 12, one of four services. Hints come from type, format, name and
description, in that order. Extensions, all optional: ``x-question`` (wording, or a list of wordings) and ``x-label`` on
a parameter, ``x-synonyms`` (option → list of words) on an enum, ``x-keywords`` (list of words) on the whole schema.
Never raises, whatever the schema: what cannot be asked by voice makes the shape `askable` = False.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, cast

from aivoice.core.prompt import ToolSpec
from aivoice.providers.receptionist.questions import Kind, Option, label_for, questions_for
from aivoice.providers.receptionist.text import content, humanise, stem, words

Schema = dict[str, Any]

TRANSFER, END_CALL, TAKE_MESSAGE = "transfer", "end_call", "take_message"
BUILT_IN = frozenset({TRANSFER, END_CALL})


@dataclass(frozen=True, slots=True)
class Field:
    """One value to get. path: where it goes in the arguments. label: noun phrase without article ("phone number").

    past_ok: a day in the past makes sense (birth, accident). item: the kind of an array's items.
    hints: stems that announce the field in speech. wrap: property that wraps each array item, or "".
    custom: the business worded the question. wordy: every option has letters in it.
    """

    name: str
    path: tuple[str, ...]
    kind: Kind
    label: str
    questions: tuple[str, ...]
    required: bool
    options: tuple[Option, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    pattern: str = ""
    min_length: int = 0
    max_length: int = 1_000
    past_ok: bool = False
    item: Kind = "text"
    hints: frozenset[str] = frozenset()
    numeric_code: bool = False
    wrap: str = ""
    custom: bool = False
    wordy: bool = False


@dataclass(frozen=True, slots=True)
class Shape:
    """A tool as the receptionist uses it. fixed: arguments known beforehand (``const``). verb: "book", "cancel", ….

    task: what it does, as in "I can <task>". visit: its day and time are when somebody comes to the business."""

    spec: ToolSpec
    fields: tuple[Field, ...]
    fixed: tuple[tuple[tuple[str, ...], Any], ...]
    verb: str
    task: str
    keywords: frozenset[str]
    visit: bool
    askable: bool

    @property
    def name(self) -> str:
        return self.spec.name

    def field(self, name: str) -> Field | None:
        return next((item for item in self.fields if item.name == name), None)


_VISIT = re.compile(r"\b(appointment|visit|book|booking|reserv\w*|schedul\w*|table|consultation|come in|slot)\b")
_NO_VISIT = re.compile(r"\b(emergenc\w*|dispatch|tow\w*|roadside|call ?back|message)\b")
_PAST = re.compile(
    r"\b(birth\w*|dob|born|incident|accident|happened|occur\w*|purchase\w*|since|last|loss|injur\w*|"
    r"arrest\w*|began|started)\b"
)
_HINTS: tuple[tuple[Kind, str], ...] = (
    ("email", r"e[- ]?mail"),
    ("phone", r"(tele)?phone( number)?|mobile( number)?|cell( number)?|call ?back number|contact number|tel"),
    ("datetime", r"date ?time|timestamp|date and time|when|starts? at|start"),
    ("date", r"date|day|dob|birthday"),
    ("time", r"time|hour"),
    ("code",
        r"(zip|postal|post)( ?code)?|plate|licen[cs]e plate|vin|\w+ (code|number|id|no)|reference|"
        r"confirmation|code"
    ),
    ("name",
        r"((full|first|last|given|family|middle|caller|customer|client|patient|guest|contact|your|pet|person|"
        r"owner)s? )*(sur)?name|who|attendee"
    ),
    ("address", r"(\w+ )?address|street|location|where|pick ?up|drop ?off|destination|place"),
)  # fmt: skip
_QUANTITY = re.compile(r"\b(number of|how many|count|quantity|size|amount)\b")
VERBS = (
    "book", "schedule", "reserve", "cancel", "reschedule", "move", "change", "send", "request", "dispatch", "order",
    "register", "create", "submit", "place", "arrange", "file", "open", "take", "record", "add", "sign", "check",
    "find", "look", "get", "list", "search", "start", "make", "log", "report", "update", "confirm", "quote",
)  # fmt: skip


def shape_of(spec: ToolSpec) -> Shape:
    """The tool as fields. Total: a malformed schema gives a shape without fields or one that is not `askable`."""
    schema = _dict(spec.parameters)
    defs = {**_dict(schema.get("definitions")), **_dict(schema.get("$defs"))}
    fields: list[Field] = []
    fixed: list[tuple[tuple[str, ...], Any]] = []
    askable = _flatten(schema, (), True, defs, fields, fixed, 0)
    description = " ".join(spec.description.split())
    task = re.sub(r"\bthe (caller|customer|patient|client|guest)'s\b", "your", _task(spec.name, description))
    head = words(task)
    verb = next((w for w in [*head[:1], *words(humanise(spec.name))] if w in VERBS), "")
    said = f"{humanise(spec.name)} {description}".lower()
    raw_keywords = schema.get("x-keywords")
    extra = cast("list[Any]", raw_keywords) if isinstance(raw_keywords, list) else []
    keywords = frozenset(part for word in extra if isinstance(word, str) for part in content(word))
    visit = verb != "cancel" and bool(_VISIT.search(said)) and not _NO_VISIT.search(said)
    if verb == "cancel":
        fields = [_about_existing(item) for item in fields]
    return Shape(spec, tuple(fields), tuple(fixed), verb, task, keywords, visit, askable)


def _about_existing(item: Field) -> Field:
    """A cancellation asks for the day that is, not for one that would suit."""
    if item.custom or item.kind not in ("date", "time", "datetime"):
        return item
    what = {"date": "day", "time": "time"}.get(item.kind, "day and time")
    return replace(item, questions=(f"What {what} is it for?", f"Which {what} was it booked for?"))


def _dict(value: object) -> Schema:
    return cast("Schema", value) if isinstance(value, dict) else {}


def _flatten(
    schema: Schema, path: tuple[str, ...], needed: bool, defs: Schema, fields: list[Field],
    fixed: list[tuple[tuple[str, ...], Any]], depth: int,
) -> bool:  # fmt: skip
    """Append the fields of an object schema; False where a required one cannot be asked by voice."""
    raw = schema.get("required")
    required = [str(name) for name in cast("list[Any]", raw)] if isinstance(raw, list) else []
    properties = {str(key): _resolve(value, defs) for key, value in _dict(schema.get("properties")).items()}
    order = [*required, *(name for name in properties if name not in required)]
    askable = True
    for name in dict.fromkeys(order):
        prop = properties.get(name, {"type": "string"})
        here, must = (*path, name), needed and name in required
        if "const" in prop:
            if must:
                fixed.append((here, prop["const"]))
        elif _type(prop) == "object" or "properties" in prop:
            inner = depth < 4 and _flatten(prop, here, must, defs, fields, fixed, depth + 1)
            askable = askable and (inner or not must)
        else:
            field = _field(name, here, prop, must, defs)
            if field is not None:
                fields.append(field)
            askable = askable and (field is not None or not must)
    return askable


def _resolve(value: object, defs: Schema) -> Schema:
    """Follow one local reference; of alternatives take the first that is not null."""
    schema = _dict(value)
    for _ in range(4):
        ref = schema.get("$ref")
        if isinstance(ref, str):
            schema = {**_dict(defs.get(ref.rsplit("/", 1)[-1])), **{k: v for k, v in schema.items() if k != "$ref"}}
            continue
        for key in ("anyOf", "oneOf", "allOf"):
            choices = (
                [_dict(item) for item in cast("list[Any]", schema.get(key) or [])]
                if isinstance(schema.get(key), list)
                else []
            )
            consts = [item["const"] for item in choices if "const" in item]
            rest = {k: v for k, v in schema.items() if k != key}
            if consts and len(consts) == len(choices):
                return {**rest, "enum": consts}
            real = [item for item in choices if item.get("type") != "null"]
            if real:
                schema = {**real[0], **rest}
                break
        else:
            return schema
    return schema


def _type(schema: Schema) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((item for item in cast("list[Any]", kind) if item != "null"), "string")
    return kind if isinstance(kind, str) else ""


def _field(name: str, path: tuple[str, ...], prop: Schema, required: bool, defs: Schema) -> Field | None:
    item = _resolve(prop.get("items"), defs)
    is_array = _type(prop) == "array"
    wrap = ""
    if is_array and (_type(item) == "object" or "properties" in item):
        inner = {k: _resolve(v, defs) for k, v in _dict(item.get("properties")).items()}
        needed = [str(k) for k in cast("list[Any]", item.get("required") or [])] or list(inner)[:1]
        if len(needed) != 1 or _type(inner.get(needed[0], {})) not in ("string", ""):
            return None
        wrap, item = needed[0], inner.get(needed[0], {})
    spoken_name = humanise(path[-1])
    if spoken_name in ("name", "id", "number", "date", "time") and len(path) > 1:
        spoken_name = f"{humanise(path[-2])} {spoken_name}"
    description = _text(prop.get("description")) or _text(prop.get("title"))
    item_kind = kind_of(spoken_name, description, item) if is_array else "text"
    kind: Kind = "array" if is_array else kind_of(spoken_name, description, prop)
    options = _options(item if is_array else prop)
    about = f"{spoken_name} {description}".lower()
    label = _text(prop.get("x-label")) or label_for(spoken_name, description, kind)
    number = (prop.get("minimum"), prop.get("maximum"))
    low, high = (float(v) if isinstance(v, int | float) and not isinstance(v, bool) else None for v in number)
    exclusive = prop.get("exclusiveMinimum")
    if low is None and isinstance(exclusive, int | float) and not isinstance(exclusive, bool):
        low = float(exclusive) + 1
    own = prop.get("x-question")
    asked = [own] if isinstance(own, str) else cast("list[Any]", own) if isinstance(own, list) else []
    asked = [item for item in asked if isinstance(item, str) and item.strip()]
    wordings = tuple(
        dict.fromkeys([*asked, *questions_for(kind, label, description, options, bool(_PAST.search(about)))])
    )
    hints = frozenset(stem(w) for w in words(spoken_name)) | frozenset(content(description)) - frozenset(
        {"caller", "format"}
    )
    return Field(
        ".".join(path), path, kind, label, wordings, required, options, low, high, _text(prop.get("pattern")),
        _int(prop.get("minLength"), 0), _int(prop.get("maxLength"), 1_000), bool(_PAST.search(about)), item_kind, hints,
        _type(prop) == "integer" or bool(re.search(r"\b(zip|phone|digits)\b", about)), wrap, bool(asked),
        all(any(part.isalpha() for part in way) for option in options for way in option.stems),
    )  # fmt: skip


def _text(value: object) -> str:
    return " ".join(value.split()) if isinstance(value, str) else ""


def _int(value: object, default: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else default


def kind_of(name: str, description: str, schema: Schema) -> Kind:
    """What a value is in a caller's terms, from format, type, then name and description."""
    if isinstance(schema.get("enum"), list) and schema["enum"]:
        return "enum"
    formats: dict[str, Kind] = {
        "date": "date", "time": "time", "date-time": "datetime", "email": "email", "phone": "phone", "tel": "phone",
    }  # fmt: skip
    declared = formats.get(str(schema.get("format", "")))
    kind = _type(schema)
    if declared and kind in ("string", ""):
        return declared
    if kind in ("integer", "number", "boolean"):
        return cast("Kind", kind)
    if _QUANTITY.search(f"{name} {description}".lower()):
        return "text"
    for hinted, pattern in _HINTS:
        if re.fullmatch(pattern, name) or re.search(rf"(^| )({pattern})$", name):
            return _refine(hinted, description.lower())
    lowered = description.lower()
    iso = re.search(r"yyyy|iso ?8601|hh:mm", lowered)
    if iso:
        both = ("time" in lowered and "date" in lowered) or ("hh" in lowered and "yyyy" in lowered)
        return "datetime" if both else "time" if "hh" in lowered else "date"
    if re.search(r"\be-?mail\b", lowered):
        return "email"
    return "phone" if re.search(r"\bphone number\b", lowered) else "text"


def _refine(kind: Kind, lowered: str) -> Kind:
    """A "date" whose description also wants the time, a "when" that wants only the day."""
    if kind == "code" and re.search(r"\bphone number\b|\bcall ?back number\b|\bto call back\b", lowered):
        return "phone"
    if kind in ("date", "datetime") and re.search(r"yyyy-mm-dd(?![t ]*hh)", lowered) and "time" not in lowered:
        return "date"
    if kind == "date" and re.search(r"date and time|hh:mm", lowered):
        return "datetime"
    return kind


def _options(schema: Schema) -> tuple[Option, ...]:
    raw = schema.get("enum")
    synonyms = _dict(schema.get("x-synonyms"))
    result: list[Option] = []
    for value in cast("list[Any]", raw) if isinstance(raw, list) else []:
        if value is None:
            continue
        spoken = humanise(str(value)) if isinstance(value, str) else str(value).lower()
        more = synonyms.get(str(value))
        same = [str(way) for way in cast("list[Any]", more)] if isinstance(more, list) else []
        spoken = next(
            (way for way in same if "'" in way and re.sub(r"\W", "", way) == re.sub(r"\W", "", spoken)), spoken
        )
        ways = (
            [spoken, *(str(word) for word in cast("list[Any]", more) if word)] if isinstance(more, list) else [spoken]
        )
        stems = tuple(dict.fromkeys(tuple(stem(w) for w in words(way)) for way in ways))
        result.append(Option(value, spoken, tuple(item for item in stems if item)))
    return tuple(result)


def _task(name: str, description: str) -> str:
    first = re.split(r"(?<=\w)[.;:]\s|[.;(]", description)[0].strip() if description else ""
    if not first or not words(first) or words(first)[0] not in VERBS or len(first.split()) > 12:
        return humanise(name)
    return first[:1].lower() + first[1:]
