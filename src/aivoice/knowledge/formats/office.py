"""DOCX."""

from __future__ import annotations

import io
import re
import zipfile

import docx as python_docx
from docx.text.paragraph import Paragraph

from aivoice.knowledge.errors import DocumentError
from aivoice.knowledge.formats.model import MAX_CELLS, MAX_MEMBERS, MAX_UNPACKED, Gathered, Parsed

_MAX_RATIO = 200
_SMALL = 1_000_000


def docx(data: bytes) -> Parsed:
    """Headings by their style; tables row by row. Its members' sizes are checked before any is unpacked (zipfile
    unpacks no more than the size that a member states)."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            members = packed.infolist()
    except zipfile.BadZipFile:
        raise DocumentError("The file is damaged: it cannot be unpacked.", "document_unreadable") from None
    whole = sum(member.file_size for member in members)
    dense = any(member.file_size > max(_SMALL, _MAX_RATIO * member.compress_size) for member in members)
    if len(members) > MAX_MEMBERS or whole > MAX_UNPACKED or dense:
        raise DocumentError("The file unpacks to far more than a document holds.", "document_zip_bomb")
    if any(member.flag_bits & 1 for member in members):
        raise DocumentError("The file is protected by a password.", "document_encrypted")
    document = python_docx.Document(io.BytesIO(data))
    gathered, cells = Gathered(), 0
    for item in document.iter_inner_content():
        if isinstance(item, Paragraph):
            style = (item.style.name or "") if item.style is not None else ""
            gathered.add(item.text, _level(style))
        else:
            names: list[str] = []
            for at, row in enumerate(item.rows):
                found = [cell.text for cell in row.cells]
                cells += len(found)
                if cells > MAX_CELLS:
                    raise DocumentError(f"The document has more than {MAX_CELLS} cells.", "document_too_large")
                if at == 0 and len(item.rows) > 1:
                    names = [" ".join(name.split()) for name in found]
                else:
                    gathered.row(names, found)
    return Parsed((document.core_properties.title or "")[:300], tuple(gathered.blocks))


def _level(style: str) -> int:
    match = re.fullmatch(r"Heading ([1-6])", style)
    return int(match[1]) if match else 1 if style == "Title" else 0
