"""`load_business(path)`: read a business file, check all of it, and say everything that is wrong at once, by line."""

from __future__ import annotations

import datetime as dt
import difflib
import os
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel, ValidationError

from aivoice.business import schema as s
from aivoice.business.hours import Hours, Span, parse_spans
from aivoice.business.model import MESSAGES, SERVICE, Business, Document, Emergency, Limits, Price, Tool, TransferTarget
from aivoice.business.yaml_source import MAX_BYTES, Problem, Source, read_yaml
from aivoice.business.yaml_source import Path as YamlPath
from aivoice.core.config import DEFAULT_CLIPS
from aivoice.errors import InputError

MAX_DOCUMENTS = 200
MAX_DOCUMENT_BYTES = 1024 * 1024
MAX_HOLIDAY_DAYS = 400
_TEXT_SUFFIXES = (".md", ".markdown", ".txt")
RESERVED_TOOLS = frozenset({"transfer", "end_call"})


class BusinessFileError(InputError):
    """A business file cannot be used. `problems` is complete; ``str()`` is the first line of `lines()`."""

    code, stage = "business_file_invalid", "business"

    def __init__(self, file: str, problems: tuple[Problem, ...]) -> None:
        self.file = file
        self.problems = problems
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        super().__init__(self.lines()[0] + more)

    def lines(self) -> tuple[str, ...]:
        """``file:line:column: what is wrong: what to do``, one line a problem, in the file's order."""
        return tuple(
            f"{self.file}:{item.line}:{item.column}: {item.text}" if item.line else f"{self.file}: {item.text}"
            for item in self.problems
        )


def load_business(path: str | os.PathLike[str]) -> Business:
    """The business described by the YAML file at `path`.

    Raises BusinessFileError, listing every problem. Reads only that file and the documents it names, which must lie in
    its folder; nothing is run or fetched. Blocking (a few ms): call it before a server starts, or in a thread.
    """
    file = Path(path)
    text = _read(file, str(path))
    source = read_yaml(text, typed=_is_schema)
    if source.value is None and not source.problems:
        source.problems.append(Problem(1, 1, "the file is empty: begin with `name: …`"))
    if source.problems and source.value is None:
        raise BusinessFileError(str(path), tuple(source.problems))
    if not isinstance(source.value, dict):
        source.problems.append(Problem(1, 1, "the file must hold `key: value` lines: begin with `name: …`"))
        raise BusinessFileError(str(path), tuple(source.problems))
    shape, broken = _validate(source)
    business = _Assembler(file, shape, source, broken).build()
    if source.problems:
        ordered = sorted(dict.fromkeys(source.problems), key=lambda item: (item.line, item.column, item.text))
        raise BusinessFileError(str(path), tuple(ordered))
    return business


def _read(file: Path, shown: str) -> str:
    try:
        if not file.is_file():
            what = "is a folder" if file.is_dir() else "does not exist"
            raise BusinessFileError(shown, (Problem(0, 0, f"this {what}: give the path of a business.yaml"),))
        if file.stat().st_size > MAX_BYTES:
            raise BusinessFileError(shown, (Problem(0, 0, f"larger than {MAX_BYTES // 1024} KiB: make it smaller"),))
        return file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BusinessFileError(shown, (Problem(0, 0, "this is not UTF-8 text: save it as UTF-8"),)) from None
    except (OSError, ValueError) as error:
        reason = (error.strerror or "unreadable").lower() if isinstance(error, OSError) else "not a usable path"
        raise BusinessFileError(shown, (Problem(0, 0, f"cannot be read ({reason}): check the path"),)) from None


def _is_schema(path: YamlPath) -> bool:
    """Below tools/<n>/parameters YAML's own types count; elsewhere the written text."""
    return len(path) > 3 and path[0] == "tools" and path[2] == "parameters"


def _validate(source: Source) -> tuple[s.BusinessShape, frozenset[str]]:
    """The shape, and the top-level keys that had to be left out of it so that the rest can still be checked."""
    value = {key: item for key, item in cast("dict[str, Any]", source.value).items() if item is not None}
    try:
        return s.BusinessShape.model_validate(value), frozenset()
    except ValidationError as error:
        found = [cast("dict[str, Any]", item) for item in error.errors(include_url=False, include_context=True)]
    source.problems.extend(_problem(source, item) for item in found)
    broken = frozenset(str(item["loc"][0]) for item in found)
    rest = {key: item for key, item in value.items() if key not in broken}
    return s.BusinessShape.model_validate({"name": "?", **rest}), broken


def _problem(source: Source, item: dict[str, Any]) -> Problem:
    loc: YamlPath = tuple(part for part in item["loc"] if part != "[key]")
    kind = str(item["type"])
    name = _shown(loc)
    if kind == "extra_forbidden":
        line, column = source.position(loc, key=True)
        return Problem(line, column, _unknown_key(str(loc[-1]), _fields_at(loc[:-1])))
    if kind == "missing":
        line, column = source.position(loc)
        return Problem(line, column, f"{name} is missing: add it")
    line, column = source.position(loc)
    return Problem(line, column, f"{name}: {_explain(kind, item)}")


_EXPECTED = {
    "model_type": "must be `key: value` lines, indented below it",
    "dict_type": "must be `key: value` lines, indented below it",
    "model_attributes_type": "must be `key: value` lines, indented below it",
    "tuple_type": "must be a list: lines that begin with `- `",
    "list_type": "must be a list: lines that begin with `- `",
    "string_type": "must be text: put it in quotes",
    "bool_parsing": "must be yes or no",
    "bool_type": "must be yes or no",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "string_too_short": "is empty: write something, or remove the line",
}


def _explain(kind: str, item: dict[str, Any]) -> str:
    context: dict[str, Any] = item.get("ctx") or {}
    match kind:
        case "value_error":
            return str(context.get("error", item["msg"]))
        case "string_too_long":
            return f"is too long: at most {context['max_length']} characters"
        case "too_long":
            return f"has too many entries: at most {context['max_length']}"
        case "too_short":
            return f"has too few entries: at least {context['min_length']}"
        case "greater_than_equal":
            return f"is too small: at least {context['ge']}"
        case "less_than_equal":
            return f"is too large: at most {context['le']}"
        case "string_pattern_mismatch":
            return "must be lower-case letters, digits and underscores, beginning with a letter: like `book_visit`"
        case _:
            return _EXPECTED.get(kind) or f"cannot be used ({item['msg'].lower()}): correct it"


def _shown(loc: YamlPath) -> str:
    """``tools[2].endpoint`` (counting from 1), cut where a key is absurdly long."""
    out = ""
    for part in loc:
        out += f"[{part + 1}]" if isinstance(part, int) else ("." if out else "") + part
    return f"`{out if len(out) <= 80 else out[:79] + '…'}`"


def _unknown_key(key: str, known: tuple[str, ...]) -> str:
    shown = key if len(key) <= 40 else key[:39] + "…"
    nearest = difflib.get_close_matches(key.lower().replace("-", "_"), known, n=1, cutoff=0.6)
    if nearest:
        return f"unknown key `{shown}`: did you mean `{nearest[0]}`?"
    return f"unknown key `{shown}`: remove it, or use one of {', '.join(known)}"


def _fields_at(loc: YamlPath) -> tuple[str, ...]:
    """The keys that the mapping at `loc` may have."""
    model: type[BaseModel] = s.BusinessShape
    children: dict[tuple[type[BaseModel], str], type[BaseModel]] = {
        (s.BusinessShape, "hours"): s.HoursShape,
        (s.BusinessShape, "prices"): s.PriceShape,
        (s.BusinessShape, "tools"): s.ToolShape,
        (s.BusinessShape, "transfers"): s.TransferShape,
        (s.BusinessShape, "emergency"): s.EmergencyShape,
        (s.BusinessShape, "limits"): s.LimitsShape,
        (s.HoursShape, "holidays"): s.Holiday,
    }
    for part in loc:
        if isinstance(part, str):
            model = children.get((model, part), model)
    return tuple(field.alias or name for name, field in model.model_fields.items())


class _Assembler:
    """Checks that need more than one key, the files a business names, and the frozen result."""

    def __init__(self, file: Path, shape: s.BusinessShape, source: Source, broken: frozenset[str]) -> None:
        self._file = file
        self._broken = broken
        self._folder = file.parent
        self._shape = shape
        self._source = source

    def _report(self, loc: YamlPath, text: str, *, key: bool = False) -> None:
        line, column = self._source.position(loc, key=key)
        self._source.problems.append(Problem(line, column, f"{_shown(loc)}: {text}"))

    def build(self) -> Business:
        shape = self._shape
        self._check_names()
        self._check_sentences()
        return Business(
            name=shape.name, path=self._file, greeting=shape.greeting, disclosure=shape.disclosure,
            personality=shape.personality, instructions=shape.instructions, timezone=shape.timezone, voice=shape.voice,
            address=shape.address, phone=shape.phone, email=shape.email, website=shape.website, hours=self._hours(),
            prices=tuple(Price(item.item, item.price, item.note) for item in shape.prices),
            documents=self._documents(), tools=self._tools(),
            transfers=tuple(TransferTarget(item.name, item.number, item.phrases) for item in shape.transfers),
            emergency=self._emergency(), limits=Limits(**shape.limits.model_dump()), sentences=dict(shape.sentences),
            lexicon=dict(shape.lexicon), service=self._service(),
        )  # fmt: skip

    def _check_names(self) -> None:
        for group, names in (
            ("tools", [tool.name for tool in self._shape.tools]),
            ("transfers", [item.name.casefold() for item in self._shape.transfers]),
        ):
            for index, name in enumerate(names):
                if name in names[:index]:
                    self._report((group, index, "name"), "is used twice: give each its own name")
        for index, tool in enumerate(self._shape.tools):
            if tool.name in RESERVED_TOOLS:
                self._report(("tools", index, "name"), "is built in: choose another name")

    def _check_sentences(self) -> None:
        tools = {tool.name for tool in self._shape.tools}
        for key in self._shape.sentences:
            filler = key.removeprefix("filler.") if key.startswith("filler.") else ""
            if key in DEFAULT_CLIPS or filler in tools or (filler and "tools" in self._broken):
                continue
            line, column = self._source.position(("sentences", key), key=True)
            self._source.problems.append(Problem(line, column, _unknown_key(key, tuple(DEFAULT_CLIPS))))

    def _hours(self) -> Hours:
        written = self._shape.hours
        if written is None:
            return Hours()
        special: dict[dt.date, tuple[dt.date, tuple[Span, ...], str]] = {}
        for index, day in enumerate(written.holidays):
            last = day.to or day.date
            if last < day.date or (last - day.date).days >= MAX_HOLIDAY_DAYS:
                self._report(("hours", "holidays", index, "to"), "must be on or soon after `date`: correct one of them")
                continue
            spans = parse_spans(day.hours)
            for offset in range((last - day.date).days + 1):
                date = day.date + dt.timedelta(days=offset)
                if date in special:
                    self._report(("hours", "holidays", index), f"{date} is already listed: remove one")
                special[date] = (date, spans, day.name)
        weekly = tuple(parse_spans(written.day(index)) for index in range(7))
        return Hours(weekly, tuple(special[date] for date in sorted(special)), known=True)

    def _emergency(self) -> Emergency:
        written = self._shape.emergency
        if written is None:
            return Emergency()
        names = [item.name for item in self._shape.transfers]
        if written.target not in names and "transfers" not in self._broken:
            known = f"use one of {', '.join(names)}" if names else "add it under `transfers`"
            self._report(("emergency", "target"), f"no transfer has this name: {known}")
        return Emergency(written.phrases, written.sentence, written.target)

    def _tools(self) -> tuple[Tool, ...]:
        tools: list[Tool] = []
        for index, tool in enumerate(self._shape.tools):
            if tool.endpoint == SERVICE and self._shape.service is None and "service" not in self._broken:
                self._report(("tools", index, "endpoint"), "there is no `service:` in this file: add it, or use a URL")
            tools.append(
                Tool(
                    tool.name, tool.description, tool.parameters, tool.side_effects, tool.endpoint, tool.fillers,
                    tool.time_limit_ms,
                )
            )  # fmt: skip
        if not any(tool.name == "take_message" for tool in tools):
            tools.append(_message_tool(self._shape.name))
        return tuple(tools)

    def _inside(self, loc: YamlPath, written: str) -> Path | None:
        """A path below the business's folder, symbolic links followed; reports and gives None otherwise."""
        try:
            target = (self._folder / written).resolve()
            inside = target.is_relative_to(self._folder.resolve())
        except (OSError, ValueError, RuntimeError):
            self._report(loc, "is not a usable path: write it relative to this file")
            return None
        if Path(written).is_absolute() or not inside:
            self._report(loc, "leads out of this file's folder: move the file there and write a relative path")
            return None
        return target

    def _service(self) -> Path | None:
        if self._shape.service is None:
            return None
        target = self._inside(("service",), self._shape.service)
        if target is not None and (target.suffix != ".py" or not target.is_file()):
            self._report(("service",), "is not a Python file: correct the path")
        return target

    def _documents(self) -> tuple[Document, ...]:
        documents: dict[Path, Document] = {}
        for index, written in enumerate(self._shape.knowledge):
            loc: YamlPath = ("knowledge", index)
            for target in self._matching(loc, written):
                if target in documents:
                    continue
                if len(documents) >= MAX_DOCUMENTS:
                    self._report(loc, f"more than {MAX_DOCUMENTS} documents: join some")
                    return tuple(documents.values())
                document = self._document(loc, target)
                if document is not None:
                    documents[target] = document
        return tuple(documents.values())

    def _matching(self, loc: YamlPath, written: str) -> list[Path]:
        if "*" not in written:
            target = self._inside(loc, written)
            return [target] if target is not None else []
        if self._inside(loc, written.replace("*", "x")) is None:
            return []
        try:
            names = sorted(str(path.relative_to(self._folder)) for path in self._folder.glob(written) if path.is_file())
        except (OSError, ValueError, NotImplementedError):
            names = []
        if not names:
            self._report(loc, "matches no file: correct the pattern, or remove it")
        return [target for name in names[: MAX_DOCUMENTS + 1] if (target := self._inside(loc, name)) is not None]

    def _document(self, loc: YamlPath, target: Path) -> Document | None:
        name = target.relative_to(self._folder.resolve()).as_posix()
        if target.suffix.lower() not in _TEXT_SUFFIXES:
            self._report(loc, f"{name} is not Markdown or text (.md, .txt): convert it")
            return None
        try:
            size = target.stat().st_size
            data = target.read_bytes() if size <= MAX_DOCUMENT_BYTES else b""
            text = data.decode("utf-8-sig")
        except FileNotFoundError:
            self._report(loc, f"{name} does not exist: correct the path, or remove it")
            return None
        except UnicodeDecodeError:
            self._report(loc, f"{name} is not UTF-8 text: save it as UTF-8")
            return None
        except OSError as error:
            self._report(loc, f"{name} cannot be read ({(error.strerror or 'unreadable').lower()}): correct it")
            return None
        if size > MAX_DOCUMENT_BYTES:
            self._report(loc, f"{name} is larger than {MAX_DOCUMENT_BYTES // 1024} KiB: split it")
            return None
        heading = next((line.lstrip("# ").strip() for line in text.splitlines() if line.startswith("# ")), "")
        return Document(name, heading or target.stem.replace("-", " ").replace("_", " ").capitalize(), text)


def _message_tool(name: str) -> Tool:
    """Every receptionist can take a message, whatever the file says."""
    text = {"type": "string"}
    parameters: dict[str, Any] = {
        "type": "object",
        "properties": {
            "name": {**text, "description": "Caller's name", "maxLength": 100},
            "phone": {**text, "format": "phone", "description": "Number to call back"},
            "message": {**text, "description": "The message", "maxLength": 1_000},
        },
        "required": ["name", "phone", "message"],
    }
    return Tool("take_message", f"Take a message for the team at {name}", parameters, True, MESSAGES)
