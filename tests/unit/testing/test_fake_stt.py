"""The simulated recogniser keeps the benchmark's times, and errs as it is told to."""

from __future__ import annotations

import asyncio
import random

from aivoice.audio.frames import SAMPLE_RATE, AudioChunk
from aivoice.providers.ports import Transcript
from aivoice.testing.fake_stt import FakeStt, SttBehaviour
from aivoice.testing.fakes import Constant, Truth, lay_out
from aivoice.testing.virtual_time import run_virtual

TEXT = "please book me in for Tuesday at ten"


def _hear(behaviour: SttBehaviour, *, seed: int = 0, again: str = "") -> tuple[list[tuple[float, Transcript]], float]:
    """Everything heard with its time, and when the speech ended."""

    async def main() -> tuple[list[tuple[float, Transcript]], float]:
        loop = asyncio.get_running_loop()
        truth = Truth()
        truth.add(*lay_out(TEXT, SAMPLE_RATE))
        end = lay_out(TEXT, SAMPLE_RATE)[-1].end
        end -= end % 320
        if again:
            truth.add(*lay_out(again, end + SAMPLE_RATE // 5))
        stream = await FakeStt(truth, behaviour, rng=random.Random(seed)).open()
        heard: list[tuple[float, Transcript]] = []

        async def read() -> None:
            async for transcript in stream:
                heard.append((loop.time(), transcript))

        reader = asyncio.ensure_future(read())
        for position in range(0, end + 3 * SAMPLE_RATE, 320):
            await asyncio.sleep(0.02)
            stream.push(AudioChunk(position, 320, None, SAMPLE_RATE <= position < end))
            if position == end + 1_600 - 320:
                stream.speech_ended(end)
        await stream.aclose()
        await reader
        return heard, end / SAMPLE_RATE

    return run_virtual(main())


def test_interims_every_200_ms_the_whole_text_at_150_and_the_final_at_300() -> None:
    heard, ended = _hear(SttBehaviour())
    finals = [(at, t) for at, t in heard if t.kind == "final"]
    assert len(finals) == 1
    assert abs(finals[0][0] - (ended + 0.3)) < 0.002
    assert finals[0][1].text == TEXT
    whole = min(at for at, t in heard if t.text == TEXT)
    assert abs(whole - (ended + 0.15)) < 0.002
    early = [at for at, _ in heard if at < ended]
    assert len(early) >= 5
    assert all(abs((at - 1.0) / 0.2 - round((at - 1.0) / 0.2)) < 0.11 for at in early), "not on the 200 ms grid"


def test_interims_only_grow_and_never_run_ahead() -> None:
    heard, _ = _hear(SttBehaviour())
    lengths = [len(t.text.split()) for _, t in heard if t.kind == "interim"]
    assert lengths == sorted(set(lengths))
    starts = lay_out(TEXT, SAMPLE_RATE)
    for at, t in heard:
        if t.kind == "interim":
            assert starts[len(t.text.split()) - 1].end / SAMPLE_RATE + 0.13 <= at


def test_late_finals_and_mishearing_are_drawn_from_the_seed() -> None:
    late = SttBehaviour(late_final=1.0, late=Constant(1_500), mishear=1.0)
    heard, ended = _hear(late)
    at, final = next(pair for pair in heard if pair[1].kind == "final")
    assert abs(at - (ended + 1.5)) < 0.002
    assert final.text != TEXT
    assert len(final.text.split()) == len(TEXT.split())
    assert _hear(late, seed=1) == _hear(late, seed=1)


def test_a_revised_interim_is_put_right_by_the_next() -> None:
    heard, _ = _hear(SttBehaviour(revise=1.0))
    interims = [t.text for _, t in heard if t.kind == "interim"]
    assert any(not TEXT.startswith(text) for text in interims)
    assert interims[-1] == TEXT


def test_words_after_the_end_of_speech_belong_to_the_next_segment() -> None:
    heard, _ = _hear(SttBehaviour(), again="and my wife too")
    final = next(t for _, t in heard if t.kind == "final")
    assert final.text == TEXT
    assert heard[-1][1].kind == "interim"
    assert heard[-1][1].text == "and my wife too"
