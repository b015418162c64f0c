"""PDF."""

from __future__ import annotations

import io
import logging
import re
from collections import Counter
from typing import Any

from pypdf import PdfReader
from pypdf.errors import DependencyError, FileNotDecryptedError, PdfReadError

from aivoice.knowledge.errors import DocumentError
from aivoice.knowledge.formats.model import MAX_PAGES, MAX_TEXT, Gathered, Parsed
from aivoice.knowledge.passages import heading_of

_LARGER = 1.15
"""A line that is so much larger than most of the text is a heading."""

Line = tuple[str, float]


def pdf(data: bytes) -> Parsed:
    """Lines with their size: the larger ones are headings. What stands on most pages (page numbers, names at the foot)
    is left out. A file that opens without a password is read, whatever its owner forbids to print."""
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # it quotes what it reads
    try:
        reader = PdfReader(io.BytesIO(data), strict=False)
        if reader.is_encrypted and not reader.decrypt(""):
            raise DocumentError("The file is protected by a password.", "document_encrypted")
        if len(reader.pages) > MAX_PAGES:
            raise DocumentError(f"The file has more than {MAX_PAGES} pages.", "document_too_large")
        pages = _pages(reader)
        title = str(reader.metadata.title or "") if reader.metadata else ""
    except (FileNotDecryptedError, DependencyError):
        raise DocumentError("The file is protected by a password.", "document_encrypted") from None
    except PdfReadError:
        raise DocumentError("The file is damaged: it cannot be read.", "document_unreadable") from None
    return Parsed(" ".join(title.split())[:300], tuple(_blocks(pages).blocks))


def _pages(reader: PdfReader) -> list[list[Line]]:
    pages: list[list[Line]] = []
    characters = 0
    for page in reader.pages:
        runs: list[Line] = []

        def seen(text: str, cm: Any, tm: Any, _font: Any, size: Any, runs: list[Line] = runs) -> None:
            scale = abs(float(tm[3]) or float(tm[1])) * (abs(float(cm[3]) or float(cm[1])) or 1.0)
            runs.append((text, round(float(size or 0) * (scale or 1.0), 1)))

        page.extract_text(visitor_text=seen)
        pages.append(_lines(runs))
        characters += sum(len(text) for text, _ in runs)
        if characters > MAX_TEXT:
            raise DocumentError("The document holds more text than can be read; split it.", "document_too_large")
    return pages


def _lines(runs: list[Line]) -> list[Line]:
    lines: list[Line] = []
    text, sizes = "", Counter[float]()
    for run, size in runs:
        for at, part in enumerate(run.split("\n")):
            if at:
                lines.append((" ".join(text.split()), sizes.most_common(1)[0][0] if sizes else 0.0))
                text, sizes = "", Counter[float]()
            text += part
            if part.strip():
                sizes[size] += len(part)
    lines.append((" ".join(text.split()), sizes.most_common(1)[0][0] if sizes else 0.0))
    return lines


def _blocks(pages: list[list[Line]]) -> Gathered:
    every = Counter(re.sub(r"\d+", "#", text) for page in pages for text in {text for text, _ in page if text})
    repeated = {text for text, count in every.items() if len(pages) >= 3 and count > len(pages) / 2}
    weights = Counter[float]()
    for page in pages:
        for text, size in page:
            weights[size] += len(text)
    body = weights.most_common(1)[0][0] if weights else 0.0
    larger = sorted({size for size in weights if size > body * _LARGER}, reverse=True)
    gathered, open_text = Gathered(), ""
    for page in pages:
        for text, size in page:
            if re.sub(r"\d+", "#", text) in repeated:
                continue
            heading = text and size in larger and heading_of(text)
            if not text or heading:
                gathered.add(open_text)
                open_text = ""
            if heading:
                gathered.add(text, min(larger.index(size) + 1, 6))
            elif open_text.endswith("-") and text[:1].islower():
                open_text = open_text[:-1] + text
            else:
                open_text = f"{open_text} {text}".strip()
    gathered.add(open_text)
    return gathered
