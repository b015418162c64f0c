"""One request on its way to the ear: pieces in, audio out as it is made. The reader and the GPU meet here."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass

from aivoice_chatterbox.cutting import Piece
from aivoice_chatterbox.voices import Voice

UNREAD_S = 30.0
"""A speech whose reader is so far behind is not worked on until it has read."""


class SpeechError(Exception):
    """What a client is told. status: of HTTP. code: stable. retry_after_s: when to come again, 0: not said."""

    def __init__(self, status: int, code: str, message: str, *, retry_after_s: int = 0) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.retry_after_s = status, code, message, retry_after_s


@dataclass(frozen=True, slots=True)
class ClauseStart:
    """Piece `index`, words `word` to ``word + words - 1`` of the text split at white space, begins at `sample`."""

    index: int
    word: int
    words: int
    sample: int


@dataclass(frozen=True, slots=True)
class Pcm:
    """s16le mono."""

    data: bytes


Heard = ClauseStart | Pcm


class Speech:
    """pieces: of `cutting.cut`. Iterate once; the iterator ends after the last audio, or raises SpeechError."""

    def __init__(self, call: str, voice: Voice, pieces: tuple[Piece, ...], sample_rate: int) -> None:
        self.call, self.voice, self.pieces = call, voice, pieces
        self.sample_rate = sample_rate
        self.samples = 0
        self.over = not pieces
        self._begun = -1
        self._heard: deque[Heard] = deque()
        self._unread = 0
        self._error: SpeechError | None = None
        self._changed = asyncio.Event()

    @property
    def ready(self) -> bool:
        """Its reader keeps up."""
        return self._unread < UNREAD_S * self.sample_rate * 2

    def give(self, index: int, pcm: bytes, *, last: bool) -> None:
        """Audio of piece `index`. last: it is the piece's last."""
        if self.over:
            return
        if index != self._begun:
            self._begun = index
            piece = self.pieces[index]
            self._heard.append(ClauseStart(index, piece.word, piece.words, self.samples))
        if pcm:
            self._heard.append(Pcm(pcm))
            self._unread += len(pcm)
            self.samples += len(pcm) // 2
        self.over = last and index == len(self.pieces) - 1
        self._changed.set()

    def fail(self, error: SpeechError) -> None:
        """After what was given, the iterator raises it."""
        if not self.over:
            self._error, self.over = error, True
            self._changed.set()

    async def __aiter__(self) -> AsyncIterator[Heard]:
        while True:
            while self._heard:
                item = self._heard.popleft()
                if isinstance(item, Pcm):
                    self._unread -= len(item.data)
                yield item
            if self.over:
                break
            self._changed.clear()
            await self._changed.wait()
        if self._error is not None:
            raise self._error
