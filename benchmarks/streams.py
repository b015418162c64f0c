"""The stages on a running event loop: one recogniser, language model and voice a call, shared by every engine.

Adapters only translate these to their engine's plugin interface, so all engines wait for the same timers.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Literal

from benchmarks import stages
from benchmarks.stages import Heard, RecogniserModel, Replies, Utterance

FaultKind = Literal["none", "llm_error", "llm_hang", "llm_silent", "tts_error", "stt_error", "all"]


class StageError(Exception):
    """What a faulty stage raises; adapters turn it into their engine's provider error."""


class Recogniser:
    """A `RecogniserModel` that calls `sink` when a transcript is due. `close` ends it."""

    def __init__(self, script: dict[int, Utterance], sink: Callable[[Heard], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._model = RecogniserModel(script)
        self._sink = sink
        self._timer: asyncio.TimerHandle | None = None
        self._armed_for = 0.0

    def push(self, pcm: bytes | memoryview) -> None:
        """Next 20 ms frame of the caller."""
        self._model.frame(pcm, self._loop.time())
        self._arm()

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        deadline = self._model.next_deadline()
        if self._timer is not None:
            if deadline is not None and self._armed_for <= deadline:
                return
            self._timer.cancel()
            self._timer = None
        if deadline is not None:
            self._armed_for = deadline
            self._timer = self._loop.call_at(deadline, self._due)

    def _due(self) -> None:
        self._timer = None
        for heard in self._model.due(max(self._loop.time(), self._armed_for)):
            self._sink(heard)
        self._arm()


async def sleep_until(when: float) -> None:
    """Sleep to an absolute time of the loop's clock, so that delays do not add up."""
    await asyncio.sleep(max(0.0, when - asyncio.get_running_loop().time()))


async def generate(replies: Replies, prompt: str, fault: Callable[[], FaultKind]) -> AsyncIterator[str]:
    """The language model: meters the request, then streams its words, spaces included."""
    start = asyncio.get_running_loop().time()
    reply = replies.request(prompt)
    kind = fault()
    if kind in ("llm_error", "all"):
        await asyncio.sleep(0.05)
        raise StageError("llm")
    if kind in ("llm_hang", "llm_silent"):
        if kind == "llm_silent":
            yield ""
        await asyncio.sleep(3600)
    for index, word in enumerate(reply.words):
        await sleep_until(start + stages.LLM_FIRST_S + index * stages.LLM_WORD_S)
        yield word if index == 0 else f" {word}"


class Voice:
    """The text-to-speech of one utterance or clause. Push text, `finish`, iterate 20 ms frames in real time.

    Iterating yields (word index in this stream, True at the word's first frame, pcm).
    """

    def __init__(self, replies: Replies, fault: Callable[[], FaultKind], *, whole: bool = False) -> None:
        """whole: nothing starts before `finish` (a voice that takes whole clauses)."""
        self._loop = asyncio.get_running_loop()
        self._replies = replies
        self._fault = fault
        self._whole = whole
        self._text = ""
        self._finished = False
        self._first_push = 0.0
        self._changed = asyncio.Event()

    def push(self, text: str) -> None:
        if text.strip() and not self._first_push and not self._whole:
            self._first_push = self._loop.time()
        self._text += text
        self._changed.set()

    def finish(self) -> None:
        self._finished = True
        if not self._first_push:
            self._first_push = self._loop.time()
        self._changed.set()

    def word(self, index: int) -> str:
        """The word that `frames` calls `index`."""
        return self._text.split()[index]

    async def frames(self) -> AsyncIterator[tuple[int, bool, bytes]]:
        while not self._first_push:
            self._changed.clear()
            await self._changed.wait()
        if self._fault() in ("tts_error", "all"):
            await asyncio.sleep(0.05)
            raise StageError("tts")
        due = self._first_push + stages.TTS_FIRST_S
        index = 0
        while True:
            await sleep_until(due)
            words = self._text.split()
            if index >= len(words):
                if self._finished:
                    return
                self._changed.clear()
                await self._changed.wait()
                due = max(due, self._loop.time())
                continue
            reply, position = self._replies.locate(words[index])
            for frame in range(stages.WORD_FRAMES):
                await sleep_until(due)
                yield index, frame == 0, stages.agent_frame(reply, position, frame)
                due += stages.FRAME_S
            index += 1
