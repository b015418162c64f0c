"""The pure parts of the embedded providers."""

from __future__ import annotations

import math
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aivoice.audio.frames import FRAME_SAMPLES, SAMPLE_RATE, AudioChunk
from aivoice.providers.embedded.hysteresis import Hysteresis, Sensitivity
from aivoice.providers.embedded.onnx_session import with_output
from aivoice.providers.embedded.pcm_buffer import PauseMeter, PcmBuffer
from aivoice.providers.embedded.repeats import believed_copies, period, plain
from aivoice.providers.embedded.whisper_model import without_doubtful_mark


def tone(position: int, amplitude: int, samples: int = FRAME_SAMPLES) -> AudioChunk:
    values = (round(amplitude * math.sin(0.1 * (position + n))) for n in range(samples))
    return AudioChunk(position, samples, struct.pack(f"<{samples}h", *values))


# ---------------------------------------------------------------- repetitions


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("yes please yes please", 2),
        ("no no no", 1),
        ("go forward ten meters go forward ten", 4),
        ("no I mean no", 0),
        ("I want it I want", 3),
        ("yes please", 0),
        ("yes please yes thanks", 0),
        ("", 0),
        ("no", 0),
    ],
)
def test_period_is_the_shortest_unit_that_fills_the_text(text: str, size: int) -> None:
    assert period(text.split()) == size


def test_a_copy_cut_short_needs_less_time() -> None:
    assert believed_copies([0.0, 1.0], 1.3) == 1
    assert believed_copies([0.0, 1.0], 1.3, last_share=0.5) == 2


def test_words_are_compared_without_case_and_punctuation() -> None:
    assert [plain(word) for word in ("Yes,", "please.", "Don't", "…")] == ["yes", "please", "don't", ""]


@pytest.mark.parametrize(
    ("starts", "voiced_s", "copies"),
    [
        ([0.0, 0.7], 1.6, 2),  # said twice
        ([0.0, 0.86, 2.74], 1.5, 2),  # the third begins after the end
        ([0.0, 0.86, 2.64], 1.2, 1),  # said once: the second has no room
        ([0.0, 1.36, 3.1, 3.1], 2.2, 2),
        ([0.0], 1.0, 1),
        ([0.0, 1.74, 1.84, 3.38], 2.72, 1),  # a phrase of 1.7 s is not said again in 0.1 s
        ([0.0, 0.02, 0.04], 5.0, 1),  # squeezed together: no time was spent on them
    ],
)
def test_a_copy_is_believed_while_there_is_time_to_say_it(starts: list[float], voiced_s: float, copies: int) -> None:
    assert believed_copies(starts, voiced_s) == copies


@given(st.lists(st.floats(0, 20), min_size=1, max_size=12).map(sorted), st.floats(0, 30))
def test_never_less_than_one_copy_never_more_than_there_are(starts: list[float], voiced_s: float) -> None:
    assert 1 <= believed_copies(starts, voiced_s) <= len(starts)


# ---------------------------------------------------------------- audio


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(1, 320)), min_size=1, max_size=30))
def test_the_buffer_keeps_positions_whatever_comes(steps: list[tuple[int, int]]) -> None:
    buffer, position = PcmBuffer(1_000), 0
    for gap, samples in steps:
        position += gap if gap > 200 else 0
        value = (position % 100) + 1
        buffer.push(AudioChunk(position, samples, struct.pack("<h", value) * samples))
        position += samples
        assert buffer.end == position
        assert 0 <= buffer.end - buffer.start <= 1_000
        last = buffer.slice(position - min(samples, buffer.end - buffer.start), position)
        assert set(struct.unpack(f"<{len(last) // 2}h", last)) == {value}


def test_the_buffer_counts_what_it_had_to_drop_and_forgets_what_it_is_told() -> None:
    buffer = PcmBuffer(640)
    for frame in range(3):
        buffer.push(tone(frame * FRAME_SAMPLES, 1_000))
    assert (buffer.start, buffer.dropped) == (320, 320)
    buffer.forget(600)
    assert (buffer.start, buffer.dropped) == (600, 320)
    assert len(buffer.slice(0, 10_000)) == 2 * 360


def test_overlaps_and_jumps_do_not_shift_positions() -> None:
    buffer = PcmBuffer(SAMPLE_RATE)
    buffer.push(tone(100, 1_000))
    buffer.push(tone(260, 1_000))  # half of it is known already
    assert (buffer.start, buffer.end) == (100, 580)
    buffer.push(tone(100 * SAMPLE_RATE, 1_000))
    assert (buffer.start, buffer.end) == (100 * SAMPLE_RATE, 100 * SAMPLE_RATE + 320)


def test_spans_are_silence() -> None:
    buffer = PcmBuffer(SAMPLE_RATE)
    buffer.push(AudioChunk(0, 500, None, True))
    assert buffer.slice(0, 500) == bytes(1_000)


def test_the_quietest_place_is_found() -> None:
    buffer = PcmBuffer(SAMPLE_RATE)
    for frame in range(40):
        buffer.push(tone(frame * FRAME_SAMPLES, 50 if 20 <= frame < 24 else 5_000))
    seam = buffer.quietest(0, 40 * FRAME_SAMPLES, 3 * FRAME_SAMPLES)
    assert 20 * FRAME_SAMPLES < seam < 24 * FRAME_SAMPLES


@pytest.mark.parametrize("noise", [0, 30, 300])
def test_a_pause_is_heard_over_some_noise_and_speech_is_none(noise: int) -> None:
    meter, position = PauseMeter(), 0

    def hear(amplitude: int, frames: int) -> bool:
        nonlocal position
        paused = False
        for _ in range(frames):
            meter.push(tone(position, amplitude))
            position += FRAME_SAMPLES
            paused = paused or meter.paused
        return paused

    hear(max(noise, 1), 15)
    assert not hear(6_000, 30)
    end = position
    assert not hear(noise, PauseMeter.QUIET_FRAMES - 1)
    assert hear(noise, 2)
    assert meter.loud_end == end
    assert not hear(6_000, 5) or meter.loud_end == position


# ---------------------------------------------------------------- voice activity

WINDOW = 512


def events_of(probabilities: list[float], sensitivity: Sensitivity | None = None) -> list[tuple[str, int]]:
    hysteresis = Hysteresis(sensitivity or Sensitivity())
    found: list[tuple[str, int]] = []
    for index, probability in enumerate(probabilities):
        event = hysteresis.push(probability, index * WINDOW, (index + 1) * WINDOW)
        if event is not None:
            found.append((event.kind, event.position // WINDOW))
    return found


def test_a_start_needs_two_windows_and_an_end_four_quiet_ones() -> None:
    assert events_of([0.1, 0.9, 0.9, 0.9, 0.1, 0.1, 0.1, 0.1, 0.1]) == [("start", 1), ("end", 4)]
    assert events_of([0.1, 0.9, 0.1, 0.9, 0.1]) == []
    assert events_of([0.9, 0.9, 0.1, 0.1, 0.1, 0.4, 0.1, 0.1, 0.1]) == [("start", 0)]


@given(st.lists(st.floats(0, 1), max_size=80))
def test_starts_and_ends_alternate_and_positions_rise(probabilities: list[float]) -> None:
    found = events_of(probabilities)
    assert [kind for kind, _ in found] == ["start", "end"] * (len(found) // 2) + ["start"] * (len(found) % 2)
    assert [at for _, at in found] == sorted(at for _, at in found)


# ---------------------------------------------------------------- models as bytes


def test_the_appended_output_is_a_well_formed_message() -> None:
    assert with_output(b"", "x") == bytes([0x3A, 5, 0x62, 3, 0x0A, 1]) + b"x"
    long = with_output(b"model", "n" * 200)
    assert long.startswith(b"model\x3a") and long.endswith(b"n" * 200)


# ---------------------------------------------------------------- end marks


@pytest.mark.parametrize(
    ("full_stop", "question", "other", "kept"),
    [(0.93, 0.02, 0.05, True), (0.6, 0.3, 0.1, True), (0.8, 0.05, 0.15, False), (0.5, 0.0, 0.5, False)],
)
def test_an_end_mark_stays_only_where_the_model_is_sure_that_it_ends(
    full_stop: float, question: float, other: float, kept: bool
) -> None:
    logits = np.log(np.array([1e-9, 1e-9, other, full_stop, question]) + 1e-12) + 7.0
    marks = {3: 0.88, 4: 0.92}
    assert without_doubtful_mark([0, 1, 3], logits, marks) == ([0, 1, 3] if kept else [0, 1])
    assert without_doubtful_mark([0, 1], logits, marks) == [0, 1]
    assert without_doubtful_mark([3], logits, marks) == [3]


def test_a_question_needs_more_than_a_statement() -> None:
    logits = np.log(np.array([0.1, 0.0, 0.9]) + 1e-12)
    assert without_doubtful_mark([0, 1], logits, {1: 0.92, 2: 0.88}) == [0]
    assert without_doubtful_mark([0, 2], logits, {1: 0.92, 2: 0.88}) == [0, 2]
