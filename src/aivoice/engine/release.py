"""Which core decides here: the package's release and a digest of the core's sources, for journals that outlive them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

from aivoice import __version__


@dataclass(frozen=True, slots=True)
class CoreRelease:
    """release: of the package. sources: digest of the core's source files, empty where nobody knows it."""

    release: str
    sources: str

    def __str__(self) -> str:
        return f"{self.release or 'unknown release'}, core {self.sources or 'unknown'}"


def _sources() -> str:
    """Over names and contents, in the order of names. Empty where the package came without its sources."""
    found = sorted(
        (item.name, item.read_bytes()) for item in files("aivoice.core").iterdir() if item.name.endswith(".py")
    )
    if not found:
        return ""
    digest = hashlib.blake2b(digest_size=6)
    for name, content in found:
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


HERE: Final = CoreRelease(__version__, _sources())
"""Read once, when the engine is imported: later edits of the files are not what runs."""
