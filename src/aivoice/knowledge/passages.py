"""Documents → passages: one heading's text each, long ones cut at paragraphs. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

MAX_CHARS = 700
"""A passage is read by a model and perhaps aloud: longer text is cut at a paragraph, then at a sentence."""
MAX_PASSAGES = 20_000


class DocumentLike(Protocol):
    """What is indexed: `aivoice.business.model.Document` is one."""

    @property
    def source(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def text(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Piece:
    """One passage before it is scored. heading: headings above it, outermost first, joined by " > "."""

    text: str
    source: str
    heading: str


_HEADING = re.compile(r"(#{1,6})\s+(.+?)\s*#*\s*")
_MARKUP = re.compile(r"!?\[([^\]]*)\]\([^)]*\)|[*_`]{1,3}|<[^>]{1,80}>")


def split_documents(documents: Iterable[DocumentLike]) -> tuple[Piece, ...]:
    """The passages of all documents, in order, at most `MAX_PASSAGES`. Empty sections give none."""
    pieces: list[Piece] = []
    for document in documents:
        for heading, body in _sections(document):
            for text in _cut(body):
                if len(pieces) == MAX_PASSAGES:
                    return tuple(pieces)
                pieces.append(Piece(text, document.source, heading))
    return tuple(pieces)


def _sections(document: DocumentLike) -> list[tuple[str, str]]:
    """(heading path, body) of each section; code fences are text, not headings."""
    path: list[tuple[int, str]] = []
    sections: list[tuple[str, list[str]]] = [(document.title, [])]
    fenced = False
    for line in document.text.splitlines():
        fenced ^= line.lstrip().startswith("```")
        match = None if fenced else _HEADING.fullmatch(line.strip())
        if match is None:
            sections[-1][1].append(line)
            continue
        level = len(match[1])
        path = [item for item in path if item[0] < level] + [(level, _plain(match[2]))]
        sections.append((" > ".join(name for _, name in path), []))
    return [(heading, "\n".join(lines)) for heading, lines in sections]


def _plain(text: str) -> str:
    return " ".join(_MARKUP.sub(lambda match: match[1] or "", text).split())


def _cut(body: str) -> list[str]:
    paragraphs = [_plain(re.sub(r"^\s*[-*+]\s+", "", part, flags=re.MULTILINE)) for part in re.split(r"\n\s*\n", body)]
    pieces: list[str] = []
    for paragraph in filter(None, paragraphs):
        for part in _sentences(paragraph):
            if pieces and len(pieces[-1]) + 1 + len(part) <= MAX_CHARS:
                pieces[-1] += " " + part
            else:
                pieces.append(part)
    return pieces


def _sentences(paragraph: str) -> list[str]:
    """The paragraph whole where it fits, else its sentences, each cut hard if it must be."""
    if len(paragraph) <= MAX_CHARS:
        return [paragraph]
    parts: list[str] = []
    for sentence in re.split(r"(?<=[.!?])\s+", paragraph):
        parts.extend(sentence[at : at + MAX_CHARS] for at in range(0, len(sentence), MAX_CHARS))
    return parts
