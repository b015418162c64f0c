"""A voice behind `Untagged`: the port's suite, no tag reaches it, marks count the tags."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aivoice.providers.ports import SpeechAudio, SpeechEvent, SpeechMark, SpeechStream
from aivoice.providers.untagged import Untagged
from aivoice.speech.tags import TAG, TAGS
from aivoice.testing.conformance import name_of, tts
from aivoice.testing.fakes import FakeTts
from aivoice.testing.virtual_time import run_virtual


class Noting:
    """Speaks a sample a word, marks each, and keeps what it was given."""

    name, streams_text = "noting", True

    def __init__(self) -> None:
        self.given: list[str] = []
        self.finished = False

    async def open(self, *, voice: str = "default") -> SpeechStream:
        return self

    def push(self, text: str) -> None:
        self.given.append(text)

    def finish(self) -> None:
        self.finished = True

    async def __aiter__(self) -> AsyncIterator[SpeechEvent]:
        for word in range(len("".join(self.given).split())):
            yield SpeechMark(word, word)
            yield SpeechAudio(1, b"\0\0")

    async def aclose(self) -> None:
        return


def spoken(pieces: list[str]) -> tuple[Noting, list[int]]:
    async def scenario() -> tuple[Noting, list[int]]:
        inner = Noting()
        stream = await Untagged(inner).open()
        for piece in pieces:
            stream.push(piece)
        stream.finish()
        return inner, [event.word async for event in stream if isinstance(event, SpeechMark)]

    return run_virtual(scenario())


@pytest.mark.parametrize("check", tts.CHECKS, ids=name_of)
def test_the_ports_suite(check: Any) -> None:
    async def scenario() -> None:
        await check(tts.Subject(Untagged(FakeTts()), "We are open [laugh] until six this evening."))

    run_virtual(scenario())


def test_tags_are_left_out_and_marks_count_them() -> None:
    inner, marks = spoken(["Oh [laugh] well, [clear throat] six."])
    assert "".join(inner.given) == "Oh well, six."
    assert marks == [0, 2, 5]


def test_what_has_no_bracket_is_not_held_back() -> None:
    inner, _ = spoken(["We ", "are ", "o", "pen ", "[la", "ugh] ", "until ", "six."])
    assert inner.given[:4] == ["We ", "are ", "o", "pen "]
    assert "".join(inner.given).split() == ["We", "are", "open", "until", "six."]


words = st.one_of(st.sampled_from(["We", "are", "open.", "[odd]", "a[b"]), st.sampled_from([f"[{t}]" for t in TAGS]))


@given(parts=st.lists(words, max_size=12), cuts=st.lists(st.integers(0, 120), max_size=6))
def test_however_it_is_pushed(parts: list[str], cuts: list[int]) -> None:
    text = " ".join(parts)
    borders = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    inner, marks = spoken([text[a:b] for a, b in pairwise(borders)])
    said = "".join(inner.given).split()
    assert inner.finished
    assert TAG.search(" ".join(said)) is None
    assert said == [part for part in parts if not TAG.fullmatch(part)]
    source = text.split()
    assert [source[mark] for mark in marks] == said
