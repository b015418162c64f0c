"""Text, Markdown and CSV."""

from __future__ import annotations

import codecs
import csv
import io
import re

from aivoice.knowledge.errors import DocumentError
from aivoice.knowledge.formats.model import MAX_CELLS, MAX_ROWS, Block, Gathered, Parsed
from aivoice.knowledge.passages import heading_of, markdown_sections

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")
_MOST_CONTROL = 0.01


def decoded(data: bytes) -> str:
    """Text of unknown encoding: by its mark, as UTF-8, else as Windows' Western one. Raises DocumentError where that
    gives no text."""
    found = ""
    for mark, encoding in ((codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16")):
        if data.startswith(mark):
            found = data.decode(encoding, "replace")
    if not found:
        try:
            found = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            found = data.decode("cp1252", "replace")
    if len(_CONTROL.findall(found[:100_000])) > _MOST_CONTROL * len(found[:100_000]):
        raise DocumentError("The file is not text.", "document_unreadable")
    return _CONTROL.sub(" ", found).replace("\r\n", "\n").replace("\r", "\n").replace("\f", "\n\n")


def markdown(data: bytes) -> Parsed:
    """Headings by #; tables row by row."""
    gathered, title = Gathered(), ""
    for level, name, body in markdown_sections(decoded(data)):
        gathered.add(name, level)
        title = title or (name if level == 1 else "")
        for part in re.split(r"\n\s*\n", body):
            rows = [line.strip() for line in part.strip().splitlines()]
            if len(rows) > 2 and all(row.startswith("|") for row in rows) and set(rows[1]) <= set("|:- "):
                cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
                for row in cells[2:]:
                    gathered.row(cells[0], row)
            else:
                gathered.add(part)
    return Parsed(title, tuple(gathered.blocks))


def text(data: bytes) -> Parsed:
    """Paragraphs; a short line by itself without a full stop, before text, is a heading."""
    gathered = Gathered()
    parts = [part.strip() for part in re.split(r"\n\s*\n", decoded(data)) if part.strip()]
    for at, part in enumerate(parts):
        gathered.add(part, 2 if heading_of(part) and at + 1 < len(parts) else 0)
    return Parsed("", tuple(gathered.blocks))


def csv_table(data: bytes) -> Parsed:
    """A row a passage, each cell with its column's name. Separated by commas, semicolons or tabs."""
    content = decoded(data)
    first = content.split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    gathered, cells = Gathered(), 0
    names: list[str] = []
    try:
        for at, row in enumerate(csv.reader(io.StringIO(content), delimiter=delimiter, strict=True)):
            cells += len(row)
            if at > MAX_ROWS or cells > MAX_CELLS:
                raise DocumentError(
                    f"The table has more than {MAX_ROWS} rows or {MAX_CELLS} cells.", "document_too_large"
                )
            if at == 0:
                names = [" ".join(name.split()) for name in row]
            else:
                gathered.row(names, row)
    except csv.Error:
        raise DocumentError(
            "The table is damaged: a quote is open, or a cell too long.", "document_unreadable"
        ) from None
    if not gathered.blocks:  # a single line is no table
        gathered.blocks = [Block("; ".join(name for name in names if name))] if any(names) else []
    return Parsed("", tuple(gathered.blocks))
