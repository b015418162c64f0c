"""What every format becomes, and the limits of all of them."""

from __future__ import annotations

from dataclasses import dataclass

from aivoice.knowledge.errors import DocumentError

MAX_BYTES = 20_000_000
MAX_UNPACKED = 100_000_000
"""Bytes that a packed document (DOCX) may unpack to."""
MAX_MEMBERS = 2_000
MAX_PAGES = 1_000
MAX_ROWS, MAX_CELLS = 20_000, 200_000
MAX_TEXT = 8_000_000
"""Characters of text a document may hold."""
MAX_BLOCKS = 100_000


@dataclass(frozen=True, slots=True)
class Block:
    """level: 1…6 of a heading, 0 of text. alone: a passage of its own (a row of a table), not joined with others."""

    text: str
    level: int = 0
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Parsed:
    """A document as text. title: its own, or "" where it has none."""

    title: str
    blocks: tuple[Block, ...]


class Gathered:
    """Blocks as they are found, within the limits; raises DocumentError (document_too_large) beyond."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self._characters = 0

    def add(self, text: str, level: int = 0, *, alone: bool = False) -> None:
        """Keep a block that has any text."""
        text = " ".join(text.replace("\x00", " ").split()) if level or alone else text.replace("\x00", " ").strip()
        if not text:
            return
        self._characters += len(text)
        if self._characters > MAX_TEXT or len(self.blocks) >= MAX_BLOCKS:
            raise DocumentError("The document holds more text than can be read; split it.", "document_too_large")
        self.blocks.append(Block(text, level, alone))

    def row(self, names: list[str], cells: list[str]) -> None:
        """A table's row as a sentence: "Item: Crown; Price: $900"."""
        pairs = [
            f"{names[at]}: {cell}" if at < len(names) and names[at] else cell
            for at, cell in enumerate(" ".join(cell.split()) for cell in cells)
            if cell
        ]
        self.add("; ".join(pairs), alone=True)
