"""What the Whisper stream asks for and hands out, against an inference that answers when the test says so."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from itertools import pairwise
from typing import Any, cast

import pytest

from aivoice.audio.frames import FRAME_SAMPLES, SAMPLE_RATE, AudioChunk
from aivoice.errors import ProviderError
from aivoice.providers.embedded.jobs import FINAL, FINAL_TINY, INTERIM, INTERIM_TINY
from aivoice.providers.embedded.key_terms import KeyTerms
from aivoice.providers.embedded.whisper import WhisperStream, WhisperStt
from aivoice.providers.inference import Inference, Priority, Reply, Ticket
from aivoice.providers.ports import Transcript
from aivoice.testing.sound import voice_pcm
from aivoice.testing.virtual_time import run_virtual

MS = SAMPLE_RATE // 1000


class FakeInference:
    """Keeps what was asked; `answer` ends a ticket."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Priority, bytes, Ticket]] = []
        self.promoted: list[int] = []
        self.refuse = False

    def submit(
        self, job: str, _meta: Mapping[str, Any], blob: bytes = b"", *, priority: Priority, wait_s: float | None = None
    ) -> Ticket:
        if self.refuse:
            raise ProviderError("gone", code="inference_lost", stage="inference")
        assert (wait_s is not None) == (priority is Priority.INTERIM)
        ticket = Ticket(cast(Inference, self), len(self.asked))
        self.asked.append((job, priority, blob, ticket))
        return ticket

    def withdraw(self, _ticket: Ticket) -> None:
        return None

    def promote(self, ticket: Ticket, priority: Priority) -> None:
        assert priority is Priority.FINAL
        self.promoted.append(ticket.number)

    def waiting(self, job: str) -> list[Ticket]:
        return [ticket for name, _, _, ticket in self.asked if name == job and not ticket.done]

    @staticmethod
    def answer(ticket: Ticket, text: str) -> None:
        ticket.parts.append(Reply({"text": text, "confidence": 0.9}, b""))
        ticket.wake()
        ticket.finish(None, 80.0)

    @staticmethod
    def fail(ticket: Ticket, code: str) -> None:
        ticket.finish(ProviderError("broken", code=code, stage="inference"))


class Line:
    """A stream fed with voice and silence, and a reader."""

    def __init__(self, stream: WhisperStream, inference: FakeInference) -> None:
        self.stream, self.inference = stream, inference
        self.position = 0
        self.got: list[Transcript] = []
        self.error: ProviderError | None = None
        self._reader = asyncio.ensure_future(self._read())

    async def _read(self) -> None:
        try:
            async for transcript in self.stream:
                self.got.append(transcript)
        except ProviderError as error:
            self.error = error

    async def say(self, ms: int, *, voiced: bool = True) -> None:
        for _ in range(ms // 20):
            pcm = voice_pcm(self.position, FRAME_SAMPLES, voiced=voiced)
            self.stream.push(AudioChunk(self.position, FRAME_SAMPLES, pcm))
            self.position += FRAME_SAMPLES
            await asyncio.sleep(0)

    async def settle(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)

    def finals(self) -> list[str]:
        return [t.text for t in self.got if t.kind == "final"]

    async def close(self) -> None:
        await self.stream.aclose()
        await self._reader


def trying(work: Callable[[Line, FakeInference], Awaitable[None]]) -> None:
    async def main() -> None:
        inference = FakeInference()
        provider = WhisperStt(cast(Inference, inference))
        line = Line(await provider.open(), inference)
        await work(line, inference)
        await line.close()
        assert provider._pace.speaking == 0  # pyright: ignore[reportPrivateUsage]

    run_virtual(main())


def test_a_pause_is_decoded_at_once_and_becomes_the_final() -> None:
    async def work(line: Line, inference: FakeInference) -> None:
        await line.say(300, voiced=False)
        line.stream.speech_started(line.position)
        await line.say(300)
        end = line.position
        await line.say(100, voiced=False)
        (eager,) = inference.waiting(FINAL)
        inference.answer(eager, "hello there")
        await line.settle()
        assert [(t.kind, t.text) for t in line.got] == [("interim", "hello there")]
        line.stream.speech_ended(end + 40 * MS)
        await line.settle()
        assert line.finals() == ["hello there"]
        assert len(inference.asked) == 1, "it was decoded twice"

    trying(work)


def test_an_eager_decoding_still_running_is_promoted() -> None:
    async def work(line: Line, inference: FakeInference) -> None:
        line.stream.speech_started(0)
        await line.say(300)
        end = line.position
        await line.say(100, voiced=False)
        line.stream.speech_ended(end)
        (eager,) = inference.waiting(FINAL)
        assert inference.promoted == [eager.number]
        inference.answer(eager, "yes")
        await line.settle()
        assert line.finals() == ["yes"]

    trying(work)


def test_words_after_the_pause_are_decoded_anew() -> None:
    async def work(line: Line, inference: FakeInference) -> None:
        line.stream.speech_started(0)
        await line.say(300)
        await line.say(100, voiced=False)
        (eager,) = inference.waiting(FINAL)
        inference.answer(eager, "I need")
        await line.say(300)
        line.stream.speech_ended(line.position)
        (final,) = inference.waiting(FINAL)
        assert len(inference.asked[-1][2]) == 2 * line.position
        inference.answer(final, "I need help")
        await line.settle()
        assert line.finals() == ["I need help"]

    trying(work)


def test_interims_come_at_a_pace_that_more_callers_slow_down() -> None:
    async def one(line: Line, inference: FakeInference) -> None:
        line.stream.speech_started(0)
        for _ in range(100):
            await line.say(20)
            for ticket in inference.waiting(INTERIM):
                inference.answer(ticket, "so")
        assert 5 <= len(inference.asked) <= 7

    trying(one)

    async def many() -> None:
        inference = FakeInference()
        provider = WhisperStt(cast(Inference, inference))
        lines = [Line(await provider.open(), inference) for _ in range(8)]
        for line in lines:
            line.stream.speech_started(0)
        for _ in range(200):
            for line in lines:
                await line.say(20)
            for ticket in (*inference.waiting(INTERIM_TINY), *inference.waiting(INTERIM)):
                inference.answer(ticket, "so")
        assert {job for job, *_ in inference.asked} == {INTERIM_TINY}
        assert len(inference.asked) / 8 <= 4
        for line in lines:
            await line.close()

    run_virtual(many())


def test_finals_come_in_order_one_for_each_end() -> None:
    async def work(line: Line, inference: FakeInference) -> None:
        tickets: list[Ticket] = []
        for _ in range(3):
            line.stream.speech_started(line.position)
            await line.say(300)
            line.stream.speech_ended(line.position)
            tickets.append(inference.waiting(FINAL)[-1])
            await line.say(200, voiced=False)
        line.stream.speech_ended(line.position)  # no start, nothing voiced
        for number in (2, 0, 1):
            inference.answer(tickets[number], f"number {number}")
        for late in inference.waiting(FINAL):
            inference.answer(late, "")
        await line.settle()
        assert line.finals() == ["number 0", "number 1", "number 2", ""]
        segments = [(t.start, t.end) for t in line.got if t.kind == "final"]
        assert all(a[1] <= b[0] for a, b in pairwise(segments)), "segments overlap"

    trying(work)


@pytest.mark.parametrize(("code", "second"), [("inference_lost", FINAL), ("model_failed", FINAL_TINY)])
def test_a_failed_final_is_tried_once_more(code: str, second: str) -> None:
    async def work(line: Line, inference: FakeInference) -> None:
        line.stream.speech_started(0)
        await line.say(300)
        line.stream.speech_ended(line.position)
        inference.fail(inference.waiting(FINAL)[0], code)
        (again,) = inference.waiting(second)
        assert inference.asked[-1][2] == inference.asked[-2][2], "the audio was lost"
        inference.answer(again, "still here")
        await line.settle()
        assert line.finals() == ["still here"] and line.error is None

    trying(work)


def test_a_final_that_fails_twice_ends_the_stream_with_an_error() -> None:
    async def work(line: Line, inference: FakeInference) -> None:
        line.stream.speech_started(0)
        await line.say(300)
        line.stream.speech_ended(line.position)
        inference.fail(inference.waiting(FINAL)[0], "model_failed")
        inference.fail(inference.waiting(FINAL_TINY)[0], "model_failed")
        await line.settle()
        assert line.error is not None and line.error.stage == "stt"

    trying(work)


def test_failed_interims_cost_nothing() -> None:
    async def work(line: Line, inference: FakeInference) -> None:
        line.stream.speech_started(0)
        await line.say(600)
        for ticket in inference.waiting(INTERIM):
            inference.fail(ticket, "inference_stale")
        inference.refuse = True
        await line.say(600)
        inference.refuse = False
        line.stream.speech_ended(line.position)
        inference.answer(inference.waiting(FINAL)[0], "fine")
        await line.settle()
        assert [(t.kind, t.text) for t in line.got] == [("final", "fine")]

    trying(work)


def test_speech_without_end_is_cut_at_a_quiet_place_and_joined() -> None:
    async def work(line: Line, inference: FakeInference) -> None:
        line.stream.speech_started(0)
        await line.say(23_000)
        await line.say(240, voiced=False)
        await line.say(4_000)
        pcm, first = next((pcm, ticket) for _, rank, pcm, ticket in inference.asked if rank is Priority.FINAL)
        inference.answer(first, "first part")
        seam = len(pcm) // 2
        assert 23_000 * MS <= seam <= 23_240 * MS
        line.stream.speech_ended(line.position)
        for ticket in inference.waiting(FINAL):
            inference.answer(ticket, "second part")
        await line.settle()
        assert line.finals() == ["first part second part"]
        assert line.stream.dropped_samples == 0

    trying(work)


def test_speech_without_end_keeps_no_audio_of_what_is_decoded_and_corrects_each_part_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    corrected = list[str]()
    correct = KeyTerms.correct

    def counted(terms: KeyTerms, text: str) -> str:
        corrected.append(text)
        return correct(terms, text)

    monkeypatch.setattr(KeyTerms, "correct", counted)

    async def work(line: Line, inference: FakeInference) -> None:
        line.stream.speech_started(0)
        for part in range(3):
            while not inference.waiting(FINAL):
                await line.say(1_000)
                for ticket in inference.waiting(INTERIM):
                    inference.answer(ticket, f"interim {part}")
            inference.answer(inference.waiting(FINAL)[0], f"part {part}")
        said = line.stream._open  # pyright: ignore[reportPrivateUsage]
        assert said is not None
        assert [piece.pcm for piece in said.pieces] == [b""] * 3
        await line.settle()
        assert line.got[-1].text == "part 0 part 1 interim 2"
        line.stream.speech_ended(line.position)
        inference.answer(inference.waiting(FINAL)[-1], "the end")
        await line.settle()
        assert line.finals() == ["part 0 part 1 part 2 the end"]
        assert [text for text in corrected if "part" in text] == ["part 0", "part 1", "part 2"]

    trying(work)
