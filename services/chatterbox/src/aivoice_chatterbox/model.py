"""What the server needs of a model. One thread calls it; nothing else of this package knows a tensor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Stretch:
    """The next audio of one utterance. pcm: s16le mono at the model's rate, possibly empty. last: it is complete."""

    pcm: bytes
    last: bool


class RefusedClipError(Exception):
    """The model cannot make a voice of this clip; the text says why, in words for whoever uploaded it."""


class Model(Protocol):
    """A synthesiser. Every method is called on one thread that may block; none is called while another runs.

    name, revision: of the weights and of how they are used; the revision changes when the sound might.
    sample_rate: Hz. batch: how many utterances one `step` may advance. tags: it knows paralinguistic tags.
    """

    name: str
    revision: str
    sample_rate: int
    batch: int

    def load(self) -> None:
        """Weights into memory. Raises whatever keeps it from serving."""
        ...

    def prepare(self, clip: Path | None) -> Any:
        """Conditionals of a voice, from its reference clip (None: the model's own voice), kept by the caller.

        Raises RefusedClipError."""
        ...

    def begin(self, text: str, conditionals: Any) -> Any:
        """An utterance of at most 280 characters, not yet worked on."""
        ...

    def step(self, utterances: Sequence[Any]) -> list[Stretch]:
        """Advance each by one stretch: at best half a second of audio, at worst all of it. At most `batch` of them.

        The shorter a stretch, the sooner another call's turn comes and the sooner a cancelled one costs nothing."""
        ...

    def stop(self) -> None:
        """From another thread: let a `step` that is under way end soon, if it can. What it gives is thrown away."""
        ...
