"""Documents → passages: one heading's text each, long ones cut at paragraphs. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

MAX_CHARS = 700
"""A passage is read by a model and perhaps aloud: longer text is cut at a paragraph, then at a sentence."""
MAX_PASSAGES = 20_000
MAX_HEADING = 200


class DocumentLike(Protocol):
    """What is indexed: `aivoice.business.model.Document` is one."""

    @property
    def source(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def text(self) -> str: ...


class BlockLike(Protocol):
    """`aivoice.knowledge.formats.model.Block`: level 1…6 of a heading, 0 of text; alone: a passage of its own."""

    @property
    def text(self) -> str: ...
    @property
    def level(self) -> int: ...
    @property
    def alone(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Piece:
    """One passage before it is scored. heading: headings above it, outermost first, joined by " > "."""

    text: str
    source: str
    heading: str


WINDOW = 200
"""Tokens of a passage: the embedder reads 256, with the heading."""
_TOKEN = re.compile(r"[^\W\d_]+|\S")
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


def pieces_of(source: str, title: str, blocks: Iterable[BlockLike]) -> tuple[Piece, ...]:
    """The passages of a document that `formats` read, as `split_documents` gives those of Markdown."""
    path: list[tuple[int, str]] = []
    sections: list[tuple[str, list[str]]] = [(title, [])]
    pieces: list[Piece] = []
    for block in blocks:
        if block.level:
            path = [item for item in path if item[0] < block.level] + [(block.level, _plain(block.text)[:MAX_HEADING])]
        if block.level or block.alone or not sections:
            heading = " > ".join(name for _, name in path if name) or title
            sections.append((heading, []))
        if not block.level:
            sections[-1][1].append(block.text)
        if block.alone:
            sections.append((sections[-1][0], []))
    for heading, parts in sections:
        pieces.extend(Piece(text, source, heading[-MAX_HEADING:]) for text in _cut("\n\n".join(parts)))
    return tuple(pieces)


def heading_of(line: str) -> bool:
    """Whether a line that stands by itself can be a heading: short, one line, with letters, no full stop."""
    return len(line) <= 80 and "\n" not in line and line[-1:] not in ".!?,;:" and any(map(str.isalpha, line))


def markdown_sections(text: str) -> list[tuple[int, str, str]]:
    """(level, heading, body) of each section, in order; level 0 before the first heading. Code fences are text."""
    sections: list[tuple[int, str, list[str]]] = [(0, "", [])]
    fenced = False
    for line in text.splitlines():
        fenced ^= line.lstrip().startswith("```")
        match = None if fenced else _HEADING.fullmatch(line.strip())
        if match is None:
            sections[-1][2].append(line)
        else:
            sections.append((len(match[1]), _plain(match[2]), []))
    return [(level, heading, "\n".join(lines)) for level, heading, lines in sections]


def _sections(document: DocumentLike) -> list[tuple[str, str]]:
    """(heading path, body) of each section."""
    path: list[tuple[int, str]] = []
    found: list[tuple[str, str]] = []
    for level, heading, body in markdown_sections(document.text):
        if level:
            path = [item for item in path if item[0] < level] + [(level, heading)]
        found.append((" > ".join(name for _, name in path) if level else document.title, body))
    return found


def _plain(text: str) -> str:
    return " ".join(_MARKUP.sub(lambda match: match[1] or "", text).split())


def _cut(body: str) -> list[str]:
    paragraphs = [_plain(re.sub(r"^\s*[-*+]\s+", "", part, flags=re.MULTILINE)) for part in re.split(r"\n\s*\n", body)]
    pieces: list[str] = []
    for paragraph in filter(None, paragraphs):
        for part in _sentences(paragraph):
            if pieces and len(pieces[-1]) + 1 + len(part) <= MAX_CHARS and tokens(pieces[-1]) + tokens(part) <= WINDOW:
                pieces[-1] += " " + part
            else:
                pieces.append(part)
    return pieces


def _sentences(paragraph: str) -> list[str]:
    """The paragraph whole where it fits, else its sentences, each cut hard if it must be."""
    if len(paragraph) <= MAX_CHARS and tokens(paragraph) <= WINDOW:
        return [paragraph]
    parts: list[str] = []
    for sentence in re.split(r"(?<=[.!?])\s+", paragraph):
        most = MAX_CHARS if tokens(sentence) <= WINDOW else WINDOW
        parts.extend(sentence[at : at + most] for at in range(0, len(sentence), most))
    return parts


def tokens(text: str) -> int:
    """An upper estimate of a model's tokens: four letters each, and one for every other mark."""
    return sum(
        (len(word) + 3) // 4 if word.isascii() and word.isalpha() else len(word) for word in _TOKEN.findall(text)
    )
