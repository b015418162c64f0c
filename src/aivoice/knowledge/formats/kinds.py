"""Which format a file has: by what is in it where that is plain to see, else by its name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePosixPath

from aivoice.knowledge.errors import DocumentError
from aivoice.knowledge.formats.model import MAX_BYTES, Parsed
from aivoice.knowledge.formats.office import docx
from aivoice.knowledge.formats.pdf import pdf
from aivoice.knowledge.formats.plain import csv_table, markdown, text
from aivoice.knowledge.formats.web import html, mhtml

_BY_NAME: dict[str, Callable[[bytes], Parsed]] = {
    ".md": markdown, ".markdown": markdown, ".txt": text, ".text": text, ".csv": csv_table, ".tsv": csv_table,
    ".html": html, ".htm": html, ".xhtml": html, ".mhtml": mhtml, ".mht": mhtml, ".pdf": pdf, ".docx": docx,
}  # fmt: skip
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


def checked(name: str, data: bytes) -> Callable[[bytes], Parsed]:
    """The parser for a file, or DocumentError. Costs nothing: reads the first bytes only."""
    if not data:
        raise DocumentError("The file is empty (0 bytes).", "document_empty")
    if len(data) > MAX_BYTES:
        raise DocumentError(f"The file is larger than {MAX_BYTES // 1_000_000} MB.", "document_too_large")
    by_name = _BY_NAME.get(PurePosixPath(name.replace("\\", "/")).suffix.lower())
    if data[:1024].lstrip().startswith(b"%PDF-"):
        return pdf
    if data.startswith(b"PK\x03\x04") and by_name is docx:
        return docx
    if data.startswith(_OLE) and by_name is docx:
        raise DocumentError(
            "The file is protected by a password, or an old .doc: save it as .docx.", "document_encrypted"
        )
    if by_name is None or (
        by_name not in (pdf, docx) and data.startswith((b"PK\x03\x04", _OLE, b"\x89PNG", b"\xff\xd8"))
    ):
        kinds = "Markdown, text, HTML, saved web pages (.mhtml), PDF, DOCX and CSV"
        raise DocumentError(f"This kind of file cannot be read; {kinds} can.", "document_type_unknown")
    if by_name in (pdf, docx):
        raise DocumentError("The file is not what its name says.", "document_unreadable")
    return by_name


def parse(name: str, data: bytes) -> Parsed:
    """Read a document. Bounded by `model`'s limits, not in time: `read_document` adds that. Raises DocumentError."""
    reader = checked(name, data)
    try:
        parsed = reader(data)
    except DocumentError:
        raise
    except MemoryError:
        raise DocumentError("The file needs too much memory to be read.", "document_too_large") from None
    except Exception:  # noqa: BLE001 - a parser's errors on a broken file are of any kind and may quote it
        raise DocumentError("The file is damaged: it cannot be read.", "document_unreadable") from None
    if not any(block.level == 0 for block in parsed.blocks):
        raise DocumentError(
            "No text is in the file (a scan has to go through text recognition first).", "document_no_text"
        )
    return parsed
