"""Bytes and a file name → headings and text. `read_document` for everybody; `parse` is what its child process runs."""

from aivoice.knowledge.formats.child import read_document
from aivoice.knowledge.formats.kinds import parse

__all__ = ["parse", "read_document"]
