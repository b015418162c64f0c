"""A business file with its documents as text: what a version is made of, checked by the business loader.

Content is data throughout: nothing of it is run. A `service:` file is only a name here; the operator alone may attach a
program of that kind (`lifecycle.attach_service`), since it runs on the server's machine.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any, cast

from pydantic import TypeAdapter

from aivoice.business.load import MAX_DOCUMENT_BYTES, MAX_DOCUMENTS, BusinessFileError, load_business
from aivoice.business.model import Business, Document
from aivoice.business.yaml_source import MAX_BYTES, Problem, read_yaml
from aivoice.errors import InputError

FORMAT = 1
"""Of `pack`: raised when `Business` changes so that older packs cannot be read. Such a version is compiled anew."""
MAX_TOTAL_BYTES = 20 * 1024 * 1024
_FILE = "business.yaml"
_business: TypeAdapter[Business] = TypeAdapter(Business)


@dataclass(frozen=True, slots=True)
class Bundle:
    """source: the business file's text. documents: text by path relative to it (``knowledge/prices.md``); those that
    the file does not name are left out of the version. file_name: for messages."""

    source: str
    documents: Mapping[str, str] = field(default_factory=dict[str, str], hash=False)
    file_name: str = _FILE


@dataclass(frozen=True, slots=True)
class Draft:
    """A bundle that passed every check. digest: SHA-256 (hex) of the file's text and the documents it names."""

    source: str
    file_name: str
    business: Business
    digest: str


def read_bundle(path: Path) -> Bundle:
    """The bundle of a business file on this machine. Blocking. Raises BusinessFileError, listing every problem."""
    business = load_business(path)
    source = path.read_bytes().decode("utf-8-sig")
    return Bundle(source, {document.source: document.text for document in business.documents}, path.name)


def check_bundle(bundle: Bundle) -> Draft:
    """Check a bundle as `aivoice check` would. Blocking (tens of ms): run it in a thread beside a loop.

    Raises BusinessFileError with every problem and its line. `Business.path` and `service` of the result are bare
    names.
    """
    shown = PurePosixPath(bundle.file_name).name[:80] or _FILE
    problems = _refused(bundle)
    if problems:
        raise BusinessFileError(shown, tuple(problems))
    with tempfile.TemporaryDirectory(prefix="aivoice-") as name:
        folder = Path(name)
        service = _service(bundle.source)
        try:
            (folder / _FILE).write_bytes(bundle.source.encode())
            for source, text in {**bundle.documents, **({service: ""} if service else {})}.items():
                target = folder / source
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(text.encode())
        except OSError:
            text = "two documents cannot have these paths at once: rename one"
            raise BusinessFileError(shown, (Problem(0, 0, text),)) from None
        try:
            business = load_business(folder / _FILE)
        except BusinessFileError as error:
            raise BusinessFileError(shown, error.problems) from None
    business = replace(business, path=Path(shown), service=Path(service) if service else None)
    return Draft(bundle.source, shown, business, _digest(bundle.source, business.documents))


def _refused(bundle: Bundle) -> list[Problem]:
    """What is wrong before the loader may see it: paths that lead elsewhere, sizes, text that is none."""
    problems: list[Problem] = []
    if len(bundle.documents) > MAX_DOCUMENTS:
        return [Problem(0, 0, f"more than {MAX_DOCUMENTS} documents: join some")]
    total = _bytes(bundle.source)
    if total > MAX_BYTES:
        problems.append(Problem(0, 0, f"larger than {MAX_BYTES // 1024} KiB: make it smaller"))
    for source, text in bundle.documents.items():
        size = _bytes(text)
        total += max(size, 0)
        if not _inside(source):
            problems.append(Problem(0, 0, "a document's path is not usable: write it like knowledge/prices.md"))
        elif size < 0 or "\x00" in text:
            problems.append(Problem(0, 0, f"{source} is not UTF-8 text: save it as UTF-8"))
        elif size > MAX_DOCUMENT_BYTES:
            problems.append(Problem(0, 0, f"{source} is larger than {MAX_DOCUMENT_BYTES // 1024} KiB: split it"))
    if _bytes(bundle.source) < 0:
        problems.append(Problem(0, 0, "this is not UTF-8 text: save it as UTF-8"))
    if total > MAX_TOTAL_BYTES:
        problems.append(Problem(0, 0, f"more than {MAX_TOTAL_BYTES // 1024 // 1024} MiB of documents: shorten them"))
    return problems


def _bytes(text: str) -> int:
    """UTF-8 length; -1 where it holds half a surrogate pair."""
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        return -1


def _inside(source: str) -> bool:
    """A short relative path without ways up, that every file system takes."""
    parts = source.split("/")
    return (
        len(source) <= 300
        and len(parts) <= 8
        and source.isprintable()
        and "\\" not in source
        and all(part and part not in (".", "..") and 0 < _bytes(part) <= 200 for part in parts)
    )


def _service(source: str) -> str:
    """The path under ``service:``, "" without one, or one that the loader will refuse."""
    value: Any = read_yaml(source, typed=lambda _: False).value
    written = cast("dict[str, Any]", value).get("service") if isinstance(value, dict) else None
    if not isinstance(written, str):
        return ""
    path = written.strip().removeprefix("./")
    return path if path.endswith(".py") and _inside(path) else ""


def _digest(source: str, documents: tuple[Document, ...]) -> str:
    content = [source, *sorted((document.source, document.text) for document in documents)]
    return hashlib.sha256(json.dumps(content, separators=(",", ":")).encode()).hexdigest()


def text_digest(text: str) -> str:
    """SHA-256 (hex) of a document's text: equal texts of a tenant are kept once."""
    return hashlib.sha256(text.encode()).hexdigest()


def pack(business: Business) -> str:
    """A checked business as JSON, without its documents: read again in a millisecond, where YAML takes thirty."""
    return _business.dump_json(replace(business, documents=())).decode()


def unpack(text: str) -> Business:
    """What `pack` wrote. Raises InputError where this release cannot read it."""
    try:
        return _business.validate_json(text)
    except ValueError:
        raise InputError(
            "a packed business cannot be read: compile it anew", code="pack_invalid", stage="tenants"
        ) from (None)
