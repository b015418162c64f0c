"""Voices that would read ``[laugh]`` out: a wrapper that leaves the tags out and keeps the count of words."""

from __future__ import annotations

from collections.abc import AsyncIterator

from aivoice.providers.ports import Revised, SpeechEvent, SpeechMark, SpeechStream, TextToSpeech
from aivoice.speech.tags import glued, tag_words

_LONGEST = 40
"""Characters after which an opened bracket is no tag."""


class Untagged:
    """TextToSpeech, Revised: `inner`, which never sees a tag. Marks count the words as they were pushed, tags too."""

    def __init__(self, inner: TextToSpeech) -> None:
        self._inner = inner
        self.name = inner.name
        self.streams_text = inner.streams_text

    @property
    def revision(self) -> str:
        """That of `inner`."""
        return self._inner.revision if isinstance(self._inner, Revised) else ""

    async def open(self, *, voice: str = "default") -> SpeechStream:
        return _Stream(await self._inner.open(voice=voice))


class _Stream:
    def __init__(self, inner: SpeechStream) -> None:
        self._inner = inner
        self._text = ""
        self._held = ""
        self._tagged = False

    def push(self, text: str) -> None:
        """Held back is only what begins with an open bracket, until its end has come."""
        self._text += text
        text = self._held + text
        self._held = ""
        at = text.rfind("[")
        if at >= 0:
            self._tagged = True
            end = text.find("]", at)
            closed = end >= 0 and any(character.isspace() for character in text[end:])
            if not closed and len(text) - at <= _LONGEST:
                while at and not text[at - 1].isspace():
                    at -= 1
                self._held, text = text[at:], text[:at]
            text = _without(text)
        if text:
            self._inner.push(text)

    def finish(self) -> None:
        if rest := _without(self._held):
            self._inner.push(rest)
        self._held = ""
        self._inner.finish()

    async def __aiter__(self) -> AsyncIterator[SpeechEvent]:
        async for event in self._inner:
            if self._tagged and isinstance(event, SpeechMark):
                kept = _kept(self._text.split())
                if event.word >= len(kept):
                    continue
                event = SpeechMark(kept[event.word], event.sample)
            yield event

    async def aclose(self) -> None:
        await self._inner.aclose()


def _kept(words: list[str]) -> list[int]:
    """Which words are not tags."""
    tags = tag_words(words)
    return [index for index, word in enumerate(words) if index not in tags and glued(word)]


def _without(text: str) -> str:
    """`text` without tags; a space at either end stays."""
    if "[" not in text:
        return text
    words = text.split()
    said = " ".join(glued(words[index]) for index in _kept(words))
    if not said:
        return " " if text[:1].isspace() or text[-1:].isspace() else ""
    return f"{' ' if text[0].isspace() else ''}{said}{' ' if text[-1].isspace() else ''}"
